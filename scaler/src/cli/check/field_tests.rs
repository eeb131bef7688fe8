//! What public reports and files of people who use KEDA hold, and what is to be said of it.

use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;

/// Findings of all resources, one line each: level, line, path, problem.
fn told(text: &str) -> String {
    let report = check(&[("so.yaml".to_owned(), text.to_owned())], None);
    let findings = report.resources.into_iter().flat_map(|resource| resource.findings);
    let line = |finding: Finding| {
        format!("{:?} {} {}: {}", finding.level, finding.line, finding.path, finding.problem)
    };
    findings.map(line).collect::<Vec<_>>().join("\n")
}

/// A good ScaledObject but for what is replaced.
fn object(changes: &[(&str, &str)]) -> String {
    let mut text = "apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: chat
  namespace: llm
spec:
  scaleTargetRef:
    name: chat
  minReplicaCount: 1
  maxReplicaCount: 8
  triggers:
  - type: external-push
    name: demand
    metadata:
      scalerAddress: prewarm-headless.prewarm.svc.cluster.local:9090
      query: sum(sessions)
      threshold: \"4\"
"
    .to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    text
}

#[test]
fn the_good_one_is_good() {
    assert_eq!(told(&object(&[])), "");
}

/// Fields at the wrong place, of the wrong type, misspelt: kedacore/keda#2047, #3125, keda-docs#302.
#[test]
fn the_schema_is_kedas() {
    for (changes, said) in [
        (
            [("  minReplicaCount: 1", "  minReplicas: 1")],
            "Error 9 spec.minReplicas: is not a field; known here: advanced, cooldownPeriod, fallback, idleReplicaCount, initialCooldownPeriod, maxReplicaCount, minReplicaCount, pollingInterval, scaleTargetRef, triggers",
        ),
        (
            [("  minReplicaCount: 1", "  minReplicaCont: 1")],
            "Error 9 spec.minReplicaCont: is not a field; did you mean minReplicaCount?",
        ),
        (
            [("  minReplicaCount: 1", "  behavior: {scaleUp: {}}")],
            "Error 9 spec.behavior: is not a field; it belongs at spec.advanced.horizontalPodAutoscalerConfig.behavior",
        ),
        (
            [("  minReplicaCount: 1", "  minReplicaCount: \"1\"")],
            "Error 9 spec.minReplicaCount: must be a number, is the text \"1\"",
        ),
        (
            [("  minReplicaCount: 1", "  minReplicaCount: 1.5")],
            "Error 9 spec.minReplicaCount: must be a whole number, is the number 1.5",
        ),
        (
            [("  minReplicaCount: 1", "  pollingInterval: 0")],
            "Error 9 spec.pollingInterval: 0 is below 1",
        ),
        (
            [("    name: chat\n", "    kind: Deployment\n")],
            "Error 7 spec.scaleTargetRef.name: is missing",
        ),
        ([("  scaleTargetRef:\n    name: chat\n", "")], "Error 6 spec.scaleTargetRef: is missing"),
        ([("    name: chat\n", "    name: \"\"\n")], "Error 8 spec.scaleTargetRef.name: is empty"),
        (
            [("    name: demand\n", "    name: demand\n    useCachedMetrics: \"true\"\n")],
            "Error 14 spec.triggers[0].useCachedMetrics: must be true or false, is the text \"true\"",
        ),
        (
            [(
                "    name: demand\n",
                "    name: demand\n    authenticationRef: {name: a, kind: ClusterTriggerAuthenticaton}\n",
            )],
            "Error 14 spec.triggers[0].authenticationRef.kind: \"ClusterTriggerAuthenticaton\" is none of TriggerAuthentication, ClusterTriggerAuthentication; did you mean \"ClusterTriggerAuthentication\"?",
        ),
        (
            [("  name: chat\n", "  name: chat\n  annotations: {a: true}\n")],
            "Error 5 metadata.annotations.a: must be text, is true",
        ),
        (
            [("  name: chat\n", "  name: Chat_1\n")],
            "Error 4 metadata.name: \"Chat_1\" is no name of a resource",
        ),
        ([("keda.sh/v1alpha1", "keda.sh/v1")], "Error 1 apiVersion: is \"keda.sh/v1\""),
    ] {
        assert_eq!(told(&object(&changes)), said);
    }
}

#[test]
fn a_scaled_job_has_a_schema_of_its_own() {
    let job = object(&[
        ("ScaledObject", "ScaledJob"),
        (
            "  scaleTargetRef:\n    name: chat\n  minReplicaCount: 1\n",
            "  jobTargetRef: {template: {spec: {containers: [{name: a, imag: b}]}}}\n  scalingStrategy: {strategy: acurate}\n  cooldownPeriod: 3\n",
        ),
        ("external-push", "external"),
        ("      query:", "      scaledJob: \"true\"\n      query:"),
    ]);
    assert_snapshot!(told(&job), @r#"
    Error 7 spec.jobTargetRef.template.spec.containers[0].imag: is not a field; did you mean image?
    Error 8 spec.scalingStrategy.strategy: "acurate" is none of default, custom, accurate, eager; did you mean "accurate"?
    Error 9 spec.cooldownPeriod: is not a field; known here: envSourceContainerName, failedJobsHistoryLimit, jobTargetRef, maxReplicaCount, minReplicaCount, pollingInterval, rollout, rolloutStrategy, scalingStrategy, successfulJobsHistoryLimit, triggers
    "#);
}

/// KEDA's guide of migration, and files that were never migrated.
#[test]
fn keda_1_is_told() {
    let old = object(&[
        ("keda.sh/v1alpha1", "keda.k8s.io/v1alpha1"),
        ("    name: chat\n", "    deploymentName: chat\n"),
    ]);
    assert_snapshot!(told(&old), @r#"
    Error 1 apiVersion: is "keda.k8s.io/v1alpha1": KEDA 1, which KEDA 2 does not read
    Error 8 spec.scaleTargetRef.deploymentName: is KEDA 1's: now spec.scaleTargetRef.name
    "#);
}

/// kedacore/keda#5135, #5432, #6033.
#[test]
fn formulas_name_triggers_that_keda_asks() {
    let formula = |text: &str, more: &str| {
        let modifiers = format!(
            "  maxReplicaCount: 8\n  advanced: {{scalingModifiers: {{formula: '{text}'{more}}}}}\n"
        );
        let cpu =
            "  - {type: cpu, name: busy, metricType: Utilization, metadata: {value: \"80\"}}\n";
        let found = told(&(object(&[("  maxReplicaCount: 8\n", &modifiers)]) + cpu));
        let errors = found.lines().filter(|line| line.starts_with("Error"));
        errors
            .map(|line| line.split_once(": ").unwrap().1.to_owned())
            .collect::<Vec<_>>()
            .join("\n")
    };
    let good = ", target: \"2\"";
    for text in [
        "demand",
        "max(demand, 2)",
        "demand > 2 ? demand : 1",
        "let a = demand; a * 2",
        "demand ?? 3",
    ] {
        assert_eq!(formula(text, good), "", "{text}");
    }
    assert_eq!(
        formula("demnad * 2", good),
        "names \"demnad\", which no trigger is called; did you mean demand?"
    );
    assert_eq!(
        formula("max(demand, busy)", good),
        "names \"busy\", a trigger of type cpu or memory"
    );
    assert_eq!(formula("demand > 2", good), "gives true or false instead of a number");
    assert_eq!(formula("max(demand, ", good), "cannot be read at character 13");
    assert_eq!(formula("demand", ""), "is missing");
    assert_eq!(formula("demand", ", target: \"0\""), "\"0\" is no number above 0");
    assert_eq!(
        formula("demand", ", target: \"1\", activationTarget: many"),
        "\"many\" is no number"
    );
    assert_eq!(
        formula("demand", ", target: \"1\", metricType: Utilization"),
        "\"Utilization\" is none of AverageValue, Value"
    );
    assert_eq!(formula("", good), "is missing");
    let lonely = told(&object(&[(
        "  maxReplicaCount: 8\n",
        "  fallback: {failureThreshold: 3, replicas: 1, behavior: scalingModifiers}\n",
    )]));
    assert_eq!(
        lonely,
        "Error 10 spec.fallback.behavior: is scalingModifiers, and there is no formula"
    );
}

/// kedacore/keda#3646, #4203, #5011.
#[test]
fn neighbors_in_the_files_are_seen() {
    let second = object(&[("  name: chat\n", "  name: other\n")]);
    let both = format!("{}---\n{second}", object(&[]));
    assert_snapshot!(told(&both), @"
    Error 8 spec.scaleTargetRef.name: chat is scaled by another one, too: ScaledObject other (so.yaml, line 20)
    Error 26 spec.scaleTargetRef.name: chat is scaled by another one, too: ScaledObject chat (so.yaml, line 2)
    ");
    let elsewhere = second.replace("namespace: llm", "namespace: other");
    assert_eq!(told(&format!("{}---\n{elsewhere}", object(&[]))), "");
    assert_eq!(
        told(&format!("{}---\n{}", object(&[]), object(&[]))),
        "",
        "one resource in two overlays"
    );
    let other_kind = second.replace("    name: chat\n", "    name: chat\n    kind: StatefulSet\n");
    assert_eq!(told(&format!("{}---\n{other_kind}", object(&[]))), "");

    let hpa = "kind: HorizontalPodAutoscaler\napiVersion: autoscaling/v2\nmetadata: {name: own, namespace: llm}\nspec: {maxReplicas: 3, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: chat}}\n";
    assert_eq!(
        told(&format!("{hpa}---\n{}", object(&[]))),
        "Error 13 spec.scaleTargetRef.name: chat is scaled by an HPA of your own, too: HorizontalPodAutoscaler own (so.yaml, line 1)"
    );
    let of_keda = hpa.replace(
        "namespace: llm",
        "namespace: llm, ownerReferences: [{kind: ScaledObject, name: chat}]",
    );
    assert_eq!(told(&format!("{of_keda}---\n{}", object(&[]))), "");

    let cpu = object(&[]) + "  - {type: cpu, metricType: Utilization, metadata: {value: \"80\"}}\n";
    let pods = |resources: &str| {
        format!(
            "kind: Deployment\nmetadata: {{name: chat, namespace: llm}}\nspec: {{template: {{spec: {{containers: [{{name: model, resources: {resources}}}]}}}}}}\n---\n{cpu}"
        )
    };
    assert_eq!(told(&pods("{limits: {cpu: 2}}")), "");
    assert!(
        told(&pods("{limits: {memory: 2Gi}}"))
            .contains("type: is cpu, and container model of chat asks for no cpu")
    );
    assert_eq!(told(&cpu), "", "the Deployment is elsewhere");
    let limits = "kind: LimitRange\nmetadata: {name: a, namespace: llm}\nspec: {limits: [{type: Container, defaultRequest: {cpu: 100m}}]}\n---\n";
    assert_eq!(told(&(limits.to_owned() + &pods("{}"))), "");
}

/// Addresses and TLS: kedacore/keda#4915, #6338 (`tlsCertFile` is gone since 2.17).
#[test]
fn addresses_have_ports_and_tls_is_tls() {
    let at = |address: &str| {
        told(&object(&[("prewarm-headless.prewarm.svc.cluster.local:9090", address)]))
    };
    for good in ["prewarm:9090", "dns:///prewarm.prewarm:9090", "\"prewarm.a.b.:1\""] {
        assert_eq!(at(good), "", "{good}");
    }
    for (bad, said) in [
        ("prewarm.prewarm", "\"prewarm.prewarm\" has no port"),
        ("prewarm:grpc", "\"grpc\" is no port"),
        ("prewarm:0", "\"0\" is no port"),
        ("https://prewarm:9090", "must not have a scheme"),
        ("prewarm:9090/api", "\"prewarm:9090/api\" has a path"),
    ] {
        assert!(at(bad).ends_with(said), "{bad}: {}", at(bad));
    }
    let with =
        |more: &str| told(&object(&[("      query:", &format!("      {more}\n      query:"))]));
    assert!(
        with("tlsCertFile: /certs/ca.crt").contains(
            "Error 16 spec.triggers[0].metadata.tlsCertFile: is not read since KEDA 2.17"
        )
    );
    assert!(!with("tlsCertFile: /certs/ca.crt\n      enableTLS: \"true\"").contains("Error"));
    assert!(with("unsafeSsl: \"true\"").contains("does not turn TLS on"));
}

/// Annotations of an incident that nobody took out again.
#[test]
fn pauses_left_in_place_are_told() {
    let with = |annotation: &str| {
        told(&object(&[(
            "  name: chat\n",
            &format!("  name: chat\n  annotations:\n    autoscaling.keda.sh/{annotation}\n"),
        )]))
    };
    assert_eq!(
        with("paused: \"true\""),
        "Warning 6 metadata.annotations.autoscaling.keda.sh/paused: is set: KEDA scales nothing while it is there"
    );
    assert_eq!(with("paused: \"false\""), "");
    assert!(with("paused-replicas: \"3\"").starts_with("Warning 6"));
    assert!(with("paused-replicas: many").starts_with("Error 6"));
    assert!(with("paused-scale-out: \"\"").starts_with("Warning 6"));
    assert!(with("paused: true").contains("must be text, is true"));
}

#[test]
fn other_scalers_are_none_of_our_business() {
    let other = |address: &str, keys: &str| {
        let text = object(&[
            ("prewarm-headless.prewarm.svc.cluster.local:9090", address),
            ("      query: sum(sessions)\n      threshold: \"4\"\n", keys),
        ]);
        check(&[("so.yaml".to_owned(), text)], None).resources.len()
    };
    for (address, keys) in [
        ("kafka-lag.prewarm:9090", "      topic: a\n"),
        ("kafka-lag.prewarm-staging.svc:9090", "      window: 5m\n"),
        ("scaler.default:80", "      query: up\n      threshold: \"4\"\n"),
        ("scaler.default:80", "      windows: a\n"),
        ("scaler.default:80", "      preset: small\n"),
        ("durable-task:4370", "      taskHubName: a\n      source: b\n"),
    ] {
        assert_eq!(other(address, keys), 0, "{address} {keys}");
    }
    for (address, keys) in [
        ("my-prewarm.tools:9090", "      topic: a\n"),
        ("localhost:9090", "      leadtime: 5m\n"),
        ("scaler.ml:9090", "      policyRef: office\n"),
        ("scaler.ml:9090", "      preset: vllm\n      threshold: \"4\"\n"),
        ("http://prewarm.prewarm:9090", "      a: b\n"),
    ] {
        assert_eq!(other(address, keys), 1, "{address} {keys}");
    }
}

/// `helm template`, `kubectl get -o yaml`, Kustomize, anchors: what people have in files.
#[test]
fn what_people_have_in_files_is_read() {
    let helm = format!(
        "---\n# Source: chat/templates/so.yaml\n\n---\n---\n# Source: empty\n---\n{}---\n",
        object(&[("  minReplicaCount: 1", "  minReplicaCount: 9")])
    );
    assert_eq!(told(&helm), "Error 16 spec.minReplicaCount: 9 is above maxReplicaCount 8");
    let anchored = object(&[
        ("  minReplicaCount: 1\n", ""),
        ("      threshold: \"4\"\n", "      threshold: \"4\"\n      <<: *common\n"),
        ("apiVersion:", "x-common: &common {timezone: Europe/Berlim}\napiVersion:"),
    ]);
    let found = told(&anchored);
    assert!(found.contains("\"Europe/Berlim\" is not a time zone"), "{found}");
    let crlf = object(&[("  minReplicaCount: 1", "  minReplicaCount: 9")]).replace('\n', "\r\n");
    assert_eq!(told(&crlf), "Error 9 spec.minReplicaCount: 9 is above maxReplicaCount 8");
    let bom = format!("\u{feff}{}", object(&[("  minReplicaCount: 1", "  minReplicaCount: 9")]));
    assert_eq!(told(&bom), "Error 9 spec.minReplicaCount: 9 is above maxReplicaCount 8");
    let live = object(&[(
        "  name: chat\n",
        "  name: chat\n  uid: a\n  managedFields: [{manager: kubectl}]\n  creationTimestamp: \"2026-01-01T00:00:00Z\"\n  labels: {a: b}\n",
    )]) + "status: {conditions: []}\n";
    assert_eq!(told(&live), "");
}

proptest! {
    /// A ScaledObject with anything anywhere.
    #[test]
    fn mutated_text_of_a_scaled_object_is_checked(
        at in 0_usize..420,
        length in 0_usize..40,
        new in r#"([a-z0-9]|: |\n|  |- |"|'|\{|\}|\[|\]|&a |\*a|<<: |!!|\||>|#|~|null|0x|\.inf|ü|\t){0,12}"#,
    ) {
        let text = object(&[]);
        let start = at.min(text.len());
        let end = (start + length).min(text.len());
        let mangled = format!("{}{new}{}", &text[..start], &text[end..]);
        let report = check(&[("so.yaml".to_owned(), mangled)], None);
        let _ = report.text(false);
    }
}
