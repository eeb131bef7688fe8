//! Another trigger of a ScaledObject, as a source of demand: which one is meant, and whether KEDA's
//! external metrics API can give its value.

use serde_json::Value;

/// A trigger that can be read, as far as the specification tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sibling {
    /// Its place in `spec.triggers`, which its metric's name begins with.
    pub index: usize,
    /// The ScaledObject has a fallback, which KEDA answers with while the trigger fails.
    pub fallback: bool,
}

/// The trigger of this name, or why it cannot be demand: what is wrong and the fix.
pub fn find(scaled_object: &Value, name: &str) -> Result<Sibling, String> {
    let spec = &scaled_object["spec"];
    let formula = spec.pointer("/advanced/scalingModifiers/formula").and_then(Value::as_str);
    if formula.is_some_and(|formula| !formula.is_empty()) {
        return Err("with advanced.scalingModifiers KEDA gives the formula's result under every \
                    name, ours included: read the broker's exporter by query, or drop the formula"
            .to_owned());
    }
    let triggers = spec["triggers"].as_array().map(Vec::as_slice).unwrap_or_default();
    let Some(index) = triggers.iter().position(|trigger| text(trigger, "/name") == Some(name))
    else {
        let names: Vec<&str> =
            triggers.iter().filter_map(|trigger| text(trigger, "/name")).collect();
        let known = if names.is_empty() { "none has a name".to_owned() } else { names.join(", ") };
        return Err(format!(
            "no trigger of this ScaledObject has that name ({known}): give the other trigger's \
             name as its key \"name\", beside \"type\""
        ));
    };
    let trigger = &triggers[index];
    match text(trigger, "/type").unwrap_or_default() {
        kind @ ("cpu" | "memory") => Err(format!(
            "{kind} is read by the HPA itself and has no external metric: name a trigger that \
             counts demand, or ask Prometheus by query"
        )),
        "external" | "external-push" if is_ours(trigger, triggers, name) => Err(
            "is a trigger of Prewarm itself: what it answers is no demand; name another trigger"
                .to_owned(),
        ),
        _ => Ok(Sibling { index, fallback: spec["fallback"].is_object() }),
    }
}

/// Whether a trigger is answered by us: at the address of the one that refers to it. Where none is
/// seen to refer to it, nobody can say so.
fn is_ours(trigger: &Value, triggers: &[Value], name: &str) -> bool {
    let address = |trigger| text(trigger, "/metadata/scalerAddress");
    let refers = |trigger: &&Value| text(trigger, "/metadata/triggerName") == Some(name);
    let mut ours = triggers.iter().filter(refers).peekable();
    ours.peek().is_none() || ours.any(|referring| address(referring) == address(trigger))
}

/// The name of its metric, as KEDA has written it to the status; `Ok(None)` before it has.
pub fn metric(scaled_object: &Value, sibling: Sibling) -> Result<Option<String>, String> {
    let prefix = format!("s{}-", sibling.index);
    let names = scaled_object.pointer("/status/externalMetricNames").and_then(Value::as_array);
    let mut of_it = names
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .filter(|name| name.starts_with(&prefix));
    let found = of_it.next().map(str::to_owned);
    match of_it.next() {
        Some(other) => Err(format!(
            "gives several metrics ({}, {other}): only one can be demand",
            found.unwrap_or_default()
        )),
        None => Ok(found),
    }
}

/// Whether what KEDA answers for a metric is its fallback, and not what was measured.
pub fn falls_back(scaled_object: &Value, sibling: Sibling, metric: &str) -> bool {
    let health = &scaled_object["status"]["health"][metric]["status"];
    sibling.fallback && health.as_str() == Some("Failing")
}

fn text<'v>(value: &'v Value, pointer: &str) -> Option<&'v str> {
    value.pointer(pointer)?.as_str().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(triggers: Value) -> Value {
        json!({"spec": {"triggers": triggers}})
    }

    fn ours(name: &str) -> Value {
        json!({"type": "external-push", "name": "ahead",
               "metadata": {"scalerAddress": "prewarm:9090", "triggerName": name}})
    }

    #[test]
    fn the_trigger_of_that_name_is_meant() {
        let jobs = json!({"type": "rabbitmq", "name": "jobs"});
        let object = object(json!([ours("jobs"), jobs]));
        assert_eq!(find(&object, "jobs"), Ok(Sibling { index: 1, fallback: false }));
        let other =
            json!({"type": "external", "name": "jobs", "metadata": {"scalerAddress": "other:1"}});
        assert!(find(&self::object(json!([ours("jobs"), other])), "jobs").is_ok());
    }

    #[test]
    fn what_cannot_be_demand_is_refused_with_the_fix() {
        let jobs = json!({"type": "redis", "name": "jobs"});
        let mut composite = object(json!([ours("jobs"), jobs]));
        composite["spec"]["advanced"] = json!({"scalingModifiers": {"formula": "jobs + 1"}});
        let own = json!({"type": "external", "name": "jobs", "metadata": {"scalerAddress": "prewarm:9090"}});
        let itself = json!({"type": "external-push", "name": "ahead", "metadata": {"scalerAddress": "prewarm:9090", "triggerName": "ahead"}});
        for (object, name, words) in [
            (composite, "jobs", "scalingModifiers"),
            (object(json!([ours("job"), jobs])), "job", "(ahead, jobs)"),
            (object(json!([{"type": "redis"}])), "jobs", "(none has a name)"),
            (object(json!([ours("cpu"), {"type": "cpu", "name": "cpu"}])), "cpu", "the HPA itself"),
            (object(json!([ours("jobs"), own])), "jobs", "a trigger of Prewarm itself"),
            (object(json!([itself])), "ahead", "a trigger of Prewarm itself"),
            // Whose reference comes from an environment variable, nobody can say.
            (object(json!([own])), "jobs", "a trigger of Prewarm itself"),
            (json!({}), "jobs", "no trigger of this ScaledObject"),
            (json!({"spec": {"triggers": 5}}), "jobs", "no trigger of this ScaledObject"),
        ] {
            let refused = find(&object, name).unwrap_err();
            assert!(refused.contains(words), "{object}: {refused}");
        }
    }

    #[test]
    fn the_metric_is_what_keda_calls_it() {
        let sibling = Sibling { index: 1, fallback: true };
        let named = |names: Value| json!({"status": {"externalMetricNames": names}});
        let found = |names| metric(&named(names), sibling);
        assert_eq!(
            found(json!(["s0-prewarm-trigger-1", "s1-redis-jobs", "s11-redis-other"])),
            Ok(Some("s1-redis-jobs".to_owned()))
        );
        assert_eq!(found(json!([])), Ok(None));
        assert_eq!(metric(&json!({}), sibling), Ok(None));
        assert!(found(json!(["s1-a", "s1-b"])).unwrap_err().contains("s1-a, s1-b"));
    }

    #[test]
    fn what_keda_answers_while_it_fails_is_no_measurement() {
        let object = json!({"status": {"health": {"s1-a": {"status": "Failing"}, "s1-b": {"status": "Happy"}}}});
        let with = Sibling { index: 1, fallback: true };
        assert!(falls_back(&object, with, "s1-a"));
        assert!(!falls_back(&object, with, "s1-b") && !falls_back(&object, with, "s1-c"));
        assert!(!falls_back(&object, Sibling { fallback: false, ..with }, "s1-a"));
    }
}
