//! ScaledObjects as people spoil them.

use serde_json::{Value, json};

/// One variant: what was done, and the object.
type Variant = (String, Value);

/// Each rule that KEDA has, at its edge: on both sides of it.
pub(super) fn by_hand(examples: &[Value]) -> Vec<Variant> {
    let object = &examples[0];
    let with = |what: &str, change: &dyn Fn(&mut Value)| {
        let mut changed = object.clone();
        change(&mut changed);
        (what.to_owned(), changed)
    };
    let spec = |what: &str, fields: Value| {
        with(what, &|object| {
            for (key, value) in fields.as_object().unwrap() {
                object["spec"][key] = value.clone();
            }
        })
    };
    let named = |object: &mut Value| {
        object["spec"]["triggers"][0]["name"] = json!("demand");
        object["spec"]["triggers"].as_array_mut().unwrap().push(
            json!({"type": "cpu", "name": "busy", "metricType": "Utilization", "metadata": {"value": "80"}}),
        );
        object["spec"]["scaleTargetRef"] = json!({"name": "with-requests"});
        object["spec"]["minReplicaCount"] = json!(1);
    };
    let formula = |text: &str, more: Value| {
        with(&format!("formula {text}"), &|object| {
            named(object);
            let mut modifiers = json!({"formula": text, "target": "2"});
            for (key, value) in more.as_object().unwrap() {
                modifiers[key] = value.clone();
            }
            object["spec"]["advanced"]["scalingModifiers"] = modifiers;
        })
    };
    let mut all = vec![
        spec("min = max", json!({"minReplicaCount": 12, "maxReplicaCount": 12})),
        spec("min > max", json!({"minReplicaCount": 13, "maxReplicaCount": 12})),
        spec("min > default max", json!({"minReplicaCount": 101, "maxReplicaCount": null})),
        spec("max 0", json!({"maxReplicaCount": 0})),
        spec("idle 0, min 0", json!({"idleReplicaCount": 0, "minReplicaCount": 0})),
        spec("idle 0, min 1", json!({"idleReplicaCount": 0, "minReplicaCount": 1})),
        spec("idle 0, no min", json!({"idleReplicaCount": 0, "minReplicaCount": null})),
        spec("idle 1, min 2", json!({"idleReplicaCount": 1, "minReplicaCount": 2})),
        spec("idle 2, min 2", json!({"idleReplicaCount": 2, "minReplicaCount": 2})),
        spec("negative", json!({"cooldownPeriod": -1})),
        spec("polling 0", json!({"pollingInterval": 0})),
        spec("quoted", json!({"pollingInterval": "15"})),
        spec("a float", json!({"pollingInterval": 15.5})),
        spec("a whole float", json!({"pollingInterval": 15.0})),
        spec("too large", json!({"maxReplicaCount": 3_000_000_000_u64})),
        spec("no triggers", json!({"scaleTargetRef": null})),
        spec("an empty target", json!({"scaleTargetRef": {"name": ""}})),
        spec("deploymentName", json!({"scaleTargetRef": {"deploymentName": "chat"}})),
        spec(
            "unknown behavior",
            json!({"fallback": {"failureThreshold": 3, "replicas": 1, "behavior": "currentReplicaIfHigher"}}),
        ),
        spec(
            "fallback by formula",
            json!({"fallback": {"failureThreshold": 3, "replicas": 1, "behavior": "scalingModifiers"}}),
        ),
        spec("fallback without replicas", json!({"fallback": {"failureThreshold": 3}})),
        spec("behavior in spec", json!({"behavior": {"scaleUp": {}}})),
        with("a tolerance", &|object| {
            object["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleUp"]["tolerance"] =
                json!("5%");
        }),
        with("a good tolerance", &|object| {
            object["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleUp"]["tolerance"] =
                json!("50m");
        }),
        with("one name twice", &|object| {
            let mut second = object["spec"]["triggers"][0].clone();
            second["name"] = json!("a");
            object["spec"]["triggers"][0]["name"] = json!("a");
            object["spec"]["triggers"].as_array_mut().unwrap().push(second);
        }),
        with("a long name", &|object| object["metadata"]["name"] = json!("x".repeat(55))),
        with("the longest name", &|object| object["metadata"]["name"] = json!("x".repeat(54))),
        with("a name in capitals", &|object| object["metadata"]["name"] = json!("Upper_Case")),
        with("an annotation that is no text", &|object| {
            object["metadata"]["annotations"] = json!({"autoscaling.keda.sh/paused": true});
        }),
        with("an unknown field of metadata", &|object| {
            object["metadata"]["label"] = json!({"a": "b"})
        }),
        with("cpu with requests", &named),
        with("cpu without requests", &|object| {
            named(object);
            object["spec"]["scaleTargetRef"] = json!({"name": "without-requests"});
        }),
        with("cached cron", &|object| {
            object["spec"]["triggers"].as_array_mut().unwrap().push(
                json!({"type": "cron", "useCachedMetrics": true, "metadata": {"timezone": "UTC", "start": "0 8 * * *", "end": "0 9 * * *", "desiredReplicas": "1"}}),
            );
        }),
        with("metadata that is no text", &|object| {
            object["spec"]["triggers"].as_array_mut().unwrap().push(
                json!({"type": "cron", "metadata": {"timezone": "UTC", "desiredReplicas": 1}}),
            );
        }),
        with("no metadata", &|object| {
            object["spec"]["triggers"].as_array_mut().unwrap().push(json!({"type": "cron"}));
        }),
        with("a trigger that is a map", &|object| {
            let trigger = object["spec"]["triggers"][0].clone();
            object["spec"]["triggers"] = json!([trigger, {"type": "cron", "metadata": "x"}]);
        }),
    ];
    for text in [
        "demand",
        "max(demand, 2)",
        "demand + demnad",
        "demand + busy",
        "demand > 2",
        "demand > 2 ? demand : 1",
        "demand +",
        "max(demand, other)",
        "float(demand)",
        "let a = demand; a * 2",
        "demand ?? 3",
        "int(demand / 3) * 2",
        "[demand, 2]",
        "sum([demand, 2])",
        "mean([demand, 3.5])",
        "round(demand)",
        "1",
        "demand ** 2",
        "true",
        "\"demand\"",
        "999999999999999999999",
        "max([demand, 1])",
        "demand in [1, 2]",
        "not demand",
        "-demand",
        "abs(demand) % 2",
        "count([demand], # > 1)",
        "count([demand], {# > 1})",
        "demand && true",
        "a.b",
        "min(demand, busy)",
        "nil",
        "{a: demand}",
        "demnad ?? demand",
    ] {
        all.push(formula(text, json!({})));
    }
    for more in [
        json!({"target": ""}),
        json!({"target": "x"}),
        json!({"target": "-1"}),
        json!({"target": "0"}),
        json!({"target": 2}),
        json!({"metricType": "Utilization"}),
        json!({"metricType": "AverageValue"}),
        json!({"formula": ""}),
        json!({"activationTarget": "x"}),
        json!({"targt": "2"}),
    ] {
        let (_, object) = formula("demand", more.clone());
        all.push((format!("modifiers {more}"), object));
    }
    all
}

/// `count` objects with one or two random changes each.
pub(super) fn random(examples: &[Value], count: usize, seed: u64) -> Vec<Variant> {
    let mut dice = Dice(seed);
    (0..count)
        .map(|_| {
            let mut object = examples[dice.below(examples.len())].clone();
            let mut done = Vec::new();
            for _ in 0..1 + dice.below(2) {
                done.push(change(&mut object, &mut dice));
            }
            (done.join(", "), object)
        })
        .collect()
}

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

/// One change somewhere below `spec`. What tells that the trigger is ours stays.
fn change(object: &mut Value, dice: &mut Dice) -> String {
    let mut places = Vec::new();
    collect(&object["spec"], "/spec", &mut places);
    places.retain(|place| {
        !place.contains("/triggers/0/metadata")
            && !place.ends_with("/triggers/0/type")
            && !place.ends_with("/triggers")
            && !place.ends_with("/triggers/0")
    });
    let place = dice.of(&places).clone();
    match dice.below(7) {
        0 => {
            remove(object, &place);
            format!("{place} removed")
        }
        1 => {
            let (parent, key) = place.rsplit_once('/').unwrap();
            let value = object.pointer(&place).cloned().unwrap_or_default();
            if let Some(Value::Object(map)) = object.pointer_mut(parent) {
                map.remove(key);
                map.insert(format!("{key}s"), value);
            }
            format!("{place} renamed")
        }
        2 => {
            if let Some(value) = object.pointer_mut(&place) {
                *value = match value {
                    Value::String(text) => {
                        text.parse::<i64>().map_or(json!(7), |number| json!(number))
                    }
                    Value::Number(number) => json!(number.to_string()),
                    Value::Bool(flag) => json!(flag.to_string()),
                    Value::Array(_) => json!({"a": 1}),
                    Value::Object(_) => json!([1]),
                    Value::Null => json!("null"),
                };
            }
            format!("{place} of another type")
        }
        3 => {
            let value = dice
                .of(&[
                    json!(0),
                    json!(-1),
                    json!(1),
                    json!(99),
                    json!(1e3),
                    json!(0.5),
                    json!(""),
                    json!("x"),
                    json!(true),
                    json!(null),
                ])
                .clone();
            let said = format!("{place} = {value}");
            if let Some(there) = object.pointer_mut(&place) {
                *there = value;
            }
            said
        }
        4 => {
            if let Some(Value::Object(map)) = object.pointer_mut(&place) {
                map.insert("something".to_owned(), json!({"a": 1}));
            }
            format!("{place} with an unknown field")
        }
        5 => {
            let field = *dice.of(&[
                "minReplicaCount",
                "maxReplicaCount",
                "idleReplicaCount",
                "cooldownPeriod",
                "initialCooldownPeriod",
                "pollingInterval",
            ]);
            let value = *dice.of(&[0_i64, 1, 2, 12, 100, 101, -1]);
            object["spec"][field] = json!(value);
            format!("{field} = {value}")
        }
        _ => {
            let triggers = [
                json!({"type": "kafka", "metadata": {"topic": "a"}}),
                json!({"type": "", "metadata": {}}),
                json!({"type": "cron", "metadata": {}, "authenticationRef": {}}),
                json!({"type": "cron", "metadata": {}, "authenticationRef": {"name": "a", "kind": "TriggerAuthenticatio"}}),
                json!({"type": "prometheus", "name": "p", "metadata": {"query": "up", "threshold": "1"}}),
                json!({"type": "prometheus", "metadata": {"query": "up"}, "useCachedMetrics": "true"}),
                json!({"type": "prometheus", "metadta": {"query": "up"}}),
            ];
            let trigger = dice.of(&triggers).clone();
            let said = format!("trigger {trigger}");
            if let Some(Value::Array(triggers)) = object.pointer_mut("/spec/triggers") {
                triggers.push(trigger);
            }
            said
        }
    }
}

fn remove(object: &mut Value, place: &str) {
    let (parent, key) = place.rsplit_once('/').unwrap();
    match object.pointer_mut(parent) {
        Some(Value::Object(map)) => drop(map.remove(key)),
        Some(Value::Array(items)) => {
            if let Some(index) = key.parse().ok().filter(|index| *index < items.len()) {
                items.remove(index);
            }
        }
        _ => {}
    }
}

/// The JSON pointers of everything below.
fn collect(value: &Value, path: &str, places: &mut Vec<String>) {
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(map) => {
            map.iter().map(|(key, value)| (key.replace('/', "~1"), value)).collect()
        }
        Value::Array(items) => {
            items.iter().enumerate().map(|(i, value)| (i.to_string(), value)).collect()
        }
        _ => Vec::new(),
    };
    for (key, value) in inner {
        let path = format!("{path}/{key}");
        collect(value, &path, places);
        places.push(path);
    }
}
