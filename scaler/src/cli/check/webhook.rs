//! What KEDA's admission webhook refuses by rules that the schema does not have, before anything is
//! scaled. KEDA 2.21: apis/keda/v1alpha1/scaledobject_types.go `CheckReplicaCountBoundsAreValid`,
//! scaletriggers_types.go `ValidateTriggers`. Its rules for formulas and for what is there already
//! have rooms of their own.

use std::collections::HashMap;

use super::resource::{Kind, Resource, Trigger};
use super::traps::MAX_REPLICAS;
use super::tree::Node;

/// Looks for what would be refused.
pub(super) fn find(resource: &mut Resource<'_>) {
    replica_bounds(resource);
    trigger_names(resource);
    cached_metrics(resource);
}

/// `CheckReplicaCountBoundsAreValid`, and a maximum that the HPA refuses.
fn replica_bounds(resource: &mut Resource<'_>) {
    let min = resource.whole("minReplicaCount");
    let max = resource.whole("maxReplicaCount").unwrap_or(MAX_REPLICAS);
    if max < 1 {
        resource.error(
            "spec.maxReplicaCount",
            format!("is {max}"),
            Some(
                "the HPA wants 1 or more; the annotation autoscaling.keda.sh/paused stops scaling",
            ),
        );
        return;
    }
    if let Some(min) = min.filter(|min| *min > max) {
        let is = format!("{min} is above maxReplicaCount {max}");
        if resource.kind == Kind::ScaledJob {
            let advice = "KEDA takes the maximum for both; lower the minimum or raise the maximum";
            return resource.warn("spec.minReplicaCount", is, Some(advice));
        }
        resource.error(
            "spec.minReplicaCount",
            is,
            Some("KEDA's webhook refuses it: lower the minimum or raise the maximum"),
        );
    }
    let idle = resource.whole("idleReplicaCount");
    // KEDA reads a given minimum of 0 as 1 here, and one that is not given as 0.
    let least = min.map_or(0, |min| min.max(1));
    if let Some(idle) = idle.filter(|idle| *idle > 0 && *idle >= least)
        && resource.kind == Kind::ScaledObject
    {
        resource.error(
            "spec.idleReplicaCount",
            format!("{idle} is not below minReplicaCount {least}"),
            Some("KEDA's webhook refuses it: idle replicas must be fewer than the minimum"),
        );
    }
    if resource.kind == Kind::ScaledObject && idle == Some(0) && min.is_none() {
        resource.error(
            "spec.idleReplicaCount",
            "needs minReplicaCount of 1 or more",
            Some("KEDA's webhook refuses it: idle replicas must be fewer than the minimum; set minReplicaCount, or leave idleReplicaCount out to scale to zero"),
        );
    }
}

/// `ValidateTriggers`: names are unique.
fn trigger_names(resource: &mut Resource<'_>) {
    let mut first: HashMap<&str, usize> = HashMap::new();
    let mut repeated = Vec::new();
    for (index, trigger) in resource.triggers.iter().enumerate() {
        let Some(name) = trigger.tree.text("name").filter(|name| !name.is_empty()) else {
            continue;
        };
        match first.get(name) {
            Some(before) => repeated.push((index, *before, name)),
            None => drop(first.insert(name, index)),
        }
    }
    for (index, before, name) in repeated {
        resource.error(
            &format!("spec.triggers[{index}].name"),
            format!("{name:?} is the name of triggers[{before}] as well"),
            Some("KEDA's webhook refuses it: each name must be unique, formulas refer to it"),
        );
    }
}

/// `ValidateTriggers`: triggers that the HPA or a calendar answers have nothing to keep.
fn cached_metrics(resource: &mut Resource<'_>) {
    let cached = |trigger: &&Trigger<'_>| {
        matches!(trigger.tree.text("type"), Some("cpu" | "memory" | "cron"))
            && trigger.tree.at("useCachedMetrics").is_some_and(|tree| tree.node == Node::Flag(true))
    };
    let paths: Vec<String> =
        resource.triggers.iter().filter(cached).map(|trigger| trigger.path.clone()).collect();
    for path in paths {
        resource.error(
            &format!("{path}.useCachedMetrics"),
            "is not for triggers of type cpu, memory or cron",
            Some("KEDA's webhook refuses it: take the line out"),
        );
    }
}

#[cfg(test)]
mod tests {
    use crate::cli::check::tests::{checked, found};

    /// As in kedacore/keda#3013, #4664, #4677, and what Helm's `quote` makes of numbers
    /// (kedacore/keda-docs#302).
    #[test]
    fn what_the_webhook_and_the_schema_refuse_is_an_error() {
        let min = found("minReplicaCount: 50\nmaxReplicaCount: 10", "");
        assert!(
            min.contains("Error spec.minReplicaCount: 50 is above maxReplicaCount 10"),
            "{min}"
        );
        let max = found("maxReplicaCount: 0", "");
        assert!(max.contains("Error spec.maxReplicaCount: is 0"), "{max}");
        let idle = found("idleReplicaCount: 0\nmaxReplicaCount: 3", "");
        assert!(
            idle.contains("Error spec.idleReplicaCount: needs minReplicaCount of 1 or more"),
            "{idle}"
        );
        assert_eq!(found("idleReplicaCount: 0\nminReplicaCount: 1\nmaxReplicaCount: 3", ""), "");

        let quoted = found("cooldownPeriod: \"0\"\nmaxReplicaCount: \"8\"", "");
        assert!(
            quoted.contains("Error spec.maxReplicaCount: must be a number, is the text \"8\""),
            "{quoted}"
        );
        assert!(quoted.contains("Error spec.cooldownPeriod: is 0"), "the trap behind it: {quoted}");

        let twice = "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: chat}\nspec:\n  triggers:\n  \
                     - &one\n    type: external-push\n    name: demand\n    metadata: {scalerAddress: 'prewarm:9090', \
                     query: sum(a), threshold: '4', windows: ''}\n  - *one\n";
        assert!(
            checked(twice).contains("\"demand\" is the name of triggers[0] as well"),
            "{}",
            checked(twice)
        );
    }
}
