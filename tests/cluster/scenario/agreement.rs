//! `prewarm check` against KEDA's own validation: the schema of its definitions on the real API
//! server, and its admission webhook. Hundreds of mutations of what `deploy/examples` hand out;
//! where the two differ, the reason stands here.

mod mutation;
mod schema;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::api::Api;
use crate::control_plane::admission::{Admission, JUDGED};
use crate::fixture::{Fixture, program};

const NAMESPACE: &str = "check-agrees";
const MUTATIONS: usize = 400;
const SEED: u64 = 20_261_201;

/// What `check` calls an error and KEDA takes: path or problem, and why.
const CHECK_ALONE: [(&str, &str); 15] = [
    ("spec.cooldownPeriod: is 0", "a trap: the next rebuild of a scaler goes to zero"),
    ("spec.fallback.replicas: is 0", "a trap: an outage goes to zero"),
    ("spec.idleReplicaCount: is not 0", "KEDA documents that no other value works"),
    (".metricType: is Value", "a trap: loading replicas are multiplied"),
    (".metricType: is Utilization", "KEDA refuses it as it builds the scaler"),
    (".metricType: is set in a ScaledJob", "KEDA refuses it as it reconciles"),
    ("spec.triggers[0].metadata.", "our own keys, which KEDA passes on unread"),
    ("spec.triggers[0].metadata: ", "our own keys, which KEDA passes on unread"),
    ("spec.triggers[0].name: is missing", "KEDA fails as it reconciles"),
    ("spec.triggers[1].name: is missing", "KEDA fails as it reconciles"),
    ("spec.triggers[2].name: is missing", "KEDA fails as it reconciles"),
    ("activationTarget:", "KEDA fails at every poll"),
    (": has the metric name of spec.triggers[", "two histories would be one"),
    ("stabilizationWindowSeconds: is out of range", "the HPA that KEDA makes is refused"),
    (".behavior.scaleUp: never gets", "a trap: the HPA may not scale up"),
];

/// What KEDA refuses and `check` lets through: words of the refusal, and why.
const KEDA_ALONE: [(&str, &str); 1] =
    [("% (mismatched types float64 and int)", "types are not followed: % is for whole numbers")];

/// The scenario.
pub(super) async fn check_agrees(fixture: Arc<Fixture>) {
    schema::is_kedas_own(fixture.definitions());
    let api = fixture.api();
    api.create_namespace(NAMESPACE).await;
    api.apply(&json!({"apiVersion": "v1", "kind": "Namespace",
                      "metadata": {"name": NAMESPACE, "labels": {JUDGED: "keda"}}}))
        .await;
    let mut admission = fixture.admission().await;
    targets(api).await;

    let examples = examples();
    let mut variants: Vec<(String, Value)> = mutation::by_hand(&examples);
    variants.extend(mutation::random(&examples, MUTATIONS, SEED));
    for (index, (_, object)) in variants.iter_mut().enumerate() {
        placed(object, index);
    }
    let told = check(&fixture.output, &variants);
    let mut differences = String::new();
    let (mut refused, mut taken, mut alone) = (0, 0, BTreeMap::new());
    for (index, (what, object)) in variants.iter().enumerate() {
        let keda = verdict(api, &mut admission, object).await;
        let errors: Vec<&String> = told[&index].iter().collect();
        let reason = |error: &str| CHECK_ALONE.iter().find(|(words, _)| error.contains(words));
        let (own, common): (Vec<&String>, Vec<&String>) =
            errors.iter().partition(|error| reason(error).is_some());
        for error in own {
            *alone.entry(reason(error).map(|(words, _)| *words)).or_insert(0) += 1;
        }
        match keda {
            Ok(()) => taken += 1,
            Err(_) => refused += 1,
        }
        match (&keda, common.is_empty()) {
            (Ok(()), true) | (Err(_), false) => {}
            (Err(said), true) if KEDA_ALONE.iter().any(|(words, _)| said.contains(words)) => {}
            (Err(said), true) => {
                let _ = writeln!(
                    differences,
                    "{what}: KEDA refuses, check does not: {said}\n  check: {errors:?}"
                );
            }
            (Ok(()), false) => {
                let _ = writeln!(differences, "{what}: KEDA takes it, check does not: {common:?}");
            }
        }
    }
    println!(
        "check-agrees: {} variants, KEDA takes {taken}, refuses {refused}; check says more: {alone:?}",
        variants.len()
    );
    // A mutation that changes nothing, or a validation that is not there, would agree with all.
    assert!(refused > MUTATIONS / 4 && taken > MUTATIONS / 8, "{taken} taken, {refused} refused");
    assert!(differences.is_empty(), "{differences}");
    neighbors(api, &mut admission, &fixture.output, &examples[0]).await;
}

/// The ScaledObjects that we hand out, and a ScaledJob of the same triggers.
fn examples() -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/examples");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
        found.extend(documents.into_iter().filter(|object| object["kind"] == "ScaledObject"));
    }
    assert!(found.len() >= 2, "examples");
    found.iter_mut().for_each(stand_on_what_is_there);
    found.sort_by_key(|object| object["metadata"]["name"].to_string());
    let mut job = found[0].clone();
    job["kind"] = json!("ScaledJob");
    let mut trigger = job["spec"]["triggers"][0].clone();
    trigger["type"] = json!("external");
    trigger["metadata"]["scaledJob"] = json!("true");
    trigger.as_object_mut().unwrap().remove("metricType");
    job["spec"] = json!({
        "maxReplicaCount": 5,
        "jobTargetRef": {"template": {"spec": {"containers": [{"name": "a", "image": "a"}]}}},
        "triggers": [trigger],
    });
    found.push(job);
    found
}

/// The webhook looks targets up where a trigger is on cpu, and asks what kinds there are: those of
/// other operators are not here.
fn stand_on_what_is_there(object: &mut Value) {
    let triggers = object["spec"]["triggers"].as_array().cloned().unwrap_or_default();
    let on_pods =
        triggers.iter().any(|trigger| trigger["type"] == "cpu" || trigger["type"] == "memory");
    let given = object["spec"]["scaleTargetRef"]["name"].clone();
    let name = if on_pods { json!("with-requests") } else { given };
    object["spec"]["scaleTargetRef"] = json!({"name": name});
}

/// A name, a namespace and a target of its own, unless the mutation was about them.
fn placed(object: &mut Value, index: usize) {
    if !object["metadata"].is_object() {
        return;
    }
    object["metadata"]["namespace"] = json!(NAMESPACE);
    let given = object["metadata"]["name"].as_str().unwrap_or_default();
    if ["assistant", "chat", "llama"].contains(&given)
        || given.len() < 20 && !given.is_empty() && given != "Upper_Case"
    {
        object["metadata"]["name"] = json!(format!("so-{index}"));
    }
    let target = object.pointer_mut("/spec/scaleTargetRef/name");
    let own = |name: &&mut Value| {
        name.as_str().is_some_and(|name| !name.is_empty() && !name.starts_with("with"))
    };
    if let Some(target) = target.filter(own) {
        *target = json!(format!("target-{index}"));
    }
}

/// Deployments with and without requests, for triggers on cpu.
async fn targets(api: &Api) {
    for object in [deployment("with-requests", true), deployment("without-requests", false)] {
        api.apply(&object).await;
    }
}

fn deployment(name: &str, asks: bool) -> Value {
    let resources =
        if asks { json!({"requests": {"cpu": "100m", "memory": "1Gi"}}) } else { json!({}) };
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": NAMESPACE},
           "spec": {"replicas": 0, "selector": {"matchLabels": {"app": name}},
                    "template": {"metadata": {"labels": {"app": name}},
                                 "spec": {"containers": [{"name": "model", "image": "a", "resources": resources}]}}}})
}

/// What the API server and the webhook say.
async fn verdict(api: &Api, admission: &mut Admission, object: &Value) -> Result<(), String> {
    api.dry_run_create(object, NAMESPACE).await?;
    let triggers = object["spec"]["triggers"].as_array().cloned().unwrap_or_default();
    let on_pods =
        triggers.iter().any(|trigger| trigger["type"] == "cpu" || trigger["type"] == "memory");
    if object["kind"] == "ScaledObject" && on_pods {
        return admission.judge(object).await;
    }
    Ok(())
}

/// The errors that `prewarm check` finds in each, as `PATH: PROBLEM`.
fn check(output: &Path, variants: &[(String, Value)]) -> BTreeMap<usize, Vec<String>> {
    let folder = output.join("check-agrees");
    std::fs::create_dir_all(&folder).unwrap();
    let pods = folder.join("deployments.yaml");
    let texts = [deployment("with-requests", true), deployment("without-requests", false)];
    std::fs::write(&pods, texts.map(|text| text.to_string()).join("\n---\n")).unwrap();
    let mut command = Command::new(program());
    command.args(["check", "--json"]).arg(&pods);
    for (index, (_, object)) in variants.iter().enumerate() {
        // JSON is YAML.
        let file = folder.join(format!("{index}.yaml"));
        std::fs::write(&file, format!("{object:#}\n")).unwrap();
        command.arg(file);
    }
    let answer = command.output().unwrap();
    let report: Value = serde_json::from_slice(&answer.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&answer.stderr)));
    let mut told: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for resource in report["resources"].as_array().unwrap() {
        let file = Path::new(resource["file"].as_str().unwrap());
        let Ok(index) = file.file_stem().unwrap().to_string_lossy().parse() else { continue };
        let errors = resource["findings"].as_array().unwrap().iter();
        let errors = errors.filter(|finding| finding["level"] == "error");
        // Variants on cpu stand on two Deployments that are there; `neighbors` is about sharing.
        let shared = |finding: &&Value| {
            finding["problem"].as_str().is_some_and(|problem| problem.contains("another one, too"))
        };
        let errors = errors.filter(|finding| !shared(finding)).map(|finding| {
            format!(
                "{}: {}",
                finding["path"].as_str().unwrap(),
                finding["problem"].as_str().unwrap()
            )
        });
        told.entry(index).or_default().extend(errors);
    }
    for (index, (what, _)) in variants.iter().enumerate() {
        assert!(told.contains_key(&index), "{what}: check does not take it for ours");
    }
    told
}

/// Two of one target, an HPA of one's own, an HPA's name given twice: the first is there.
async fn neighbors(api: &Api, admission: &mut Admission, output: &Path, example: &Value) {
    let object = |name: &str, target: &str, hpa: &str| {
        let mut object = example.clone();
        object["metadata"] = json!({"name": name, "namespace": NAMESPACE});
        object["spec"]["scaleTargetRef"] = json!({"name": target});
        object["spec"]["advanced"] = json!({"horizontalPodAutoscalerConfig": {"name": hpa}});
        object
    };
    let first = object("first", "shared", "hpa-first");
    let hpa = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
                     "metadata": {"name": "own", "namespace": NAMESPACE},
                     "spec": {"maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "with-hpa"}}});
    api.apply(&first).await;
    api.apply(&hpa).await;
    let cases = [
        ("one target", &first, object("second", "shared", "hpa-second"), false),
        ("one HPA", &first, object("second", "other", "hpa-first"), false),
        ("an HPA", &hpa, object("second", "with-hpa", "hpa-second"), false),
        ("nothing shared", &first, object("second", "other", "hpa-second"), true),
    ];
    for (what, there, second, good) in cases {
        // The webhook reads from a cache, which hears of the first a moment later.
        let mut keda = verdict(api, admission, &second).await;
        for _ in 0..40 {
            if keda.is_ok() == good {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(250)).await;
            keda = verdict(api, admission, &second).await;
        }
        let file = output.join("check-agrees").join("neighbors.yaml");
        std::fs::write(&file, format!("{second:#}\n---\n{there:#}\n")).unwrap();
        let answer = Command::new(program()).args(["check", "--json"]).arg(file).output().unwrap();
        let report: Value = serde_json::from_slice(&answer.stdout).unwrap();
        let findings = report["resources"][0]["findings"].to_string();
        let told =
            findings.contains("another one, too") || findings.contains("HPA of your own, too");
        assert_eq!((keda.is_ok(), !told), (good, good), "{what}: {keda:?}, {findings}");
    }
    for (path, name) in [
        ("keda.sh/v1alpha1", "scaledobjects/first"),
        ("autoscaling/v2", "horizontalpodautoscalers/own"),
    ] {
        api.delete(&format!("/apis/{path}/namespaces/{NAMESPACE}/{name}")).await;
    }
}
