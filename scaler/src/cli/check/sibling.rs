//! `triggerName`: the trigger that is meant, as the server will find it.

use super::resource::{Kind, Resource};
use crate::scaled_object::sibling;

/// Looks for triggers that cannot be demand, in the server's own words.
pub(super) fn find(resource: &mut Resource<'_>) {
    if resource.kind != Kind::ScaledObject {
        return;
    }
    let object = resource.tree.json();
    let mut refused = Vec::new();
    for trigger in resource.triggers.iter().filter(|trigger| trigger.ours) {
        let name = trigger.metadata.get("triggerName").map(|name| name.trim());
        if let Some(name) = name.filter(|name| !name.is_empty())
            && let Err(problem) = sibling::find(&object, name)
        {
            refused.push((format!("{}.metadata.triggerName", trigger.path), problem));
        }
    }
    for (path, problem) in refused {
        resource.error(&path, problem, None);
    }
}

#[cfg(test)]
mod tests {
    use crate::cli::check::tests::checked;

    fn with(extra: &str, second: &str) -> String {
        checked(&format!(
            "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {{name: chat}}\nspec:\n  \
             scaleTargetRef: {{name: chat}}\n{extra}  triggers:\n  - type: external-push\n    \
             name: ahead\n    metadata: {{scalerAddress: 'prewarm:9090', triggerName: jobs, \
             threshold: '4'}}\n  - {second}\n"
        ))
    }

    /// The server's words for the same: `scaled_object::sibling`.
    #[test]
    fn a_trigger_that_cannot_be_demand_is_refused_as_the_server_refuses_it() {
        let redis = "{type: redis, name: jobs, metadata: {listName: jobs}}";
        assert!(!with("", redis).contains("triggerName"), "{}", with("", redis));
        let formula = "  advanced: {scalingModifiers: {formula: jobs, target: '4'}}\n";
        assert!(with(formula, redis).contains("KEDA gives the formula's result under every name"));
        let cpu = "{type: cpu, name: jobs, metadata: {value: '50'}}";
        assert!(with("", cpu).contains("cpu is read by the HPA itself"), "{}", with("", cpu));
        let unnamed = "{type: redis, metadata: {listName: jobs}}";
        assert!(
            with("", unnamed).contains("no trigger of this ScaledObject has that name (ahead)")
        );
        let own = "{type: external, name: jobs, metadata: {scalerAddress: 'prewarm:9090', query: q, threshold: '4'}}";
        assert!(with("", own).contains("is a trigger of Prewarm itself"), "{}", with("", own));
    }
}
