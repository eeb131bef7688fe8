mod files;
mod ours;

use insta::assert_snapshot;

use super::*;

fn report(text: &str, config: Option<&Config>) -> Report {
    check(&[("so.yaml".to_owned(), text.to_owned())], config)
}

pub(super) fn checked(text: &str) -> String {
    report(text, None).text(false)
}

/// A ScaledObject with lines of spec and of trigger metadata, each indented as it stands here.
fn scaled_object(spec: &str, metadata: &str) -> String {
    let indented = |text: &str, by: usize| {
        text.lines().map(|line| format!("{}{line}\n", " ".repeat(by))).collect::<String>()
    };
    format!(
        "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {{name: llama, namespace: llm}}\nspec:\n{}  scaleTargetRef: {{name: llama}}\n  triggers:\n  - type: external-push\n    metadata:\n      scalerAddress: prewarm.prewarm:9090\n{}",
        indented(spec, 2),
        indented(metadata, 6)
    )
}

/// The ScaledJob with the same triggers.
fn scaled_job(object: &str) -> String {
    object
        .replace("ScaledObject", "ScaledJob")
        .replace("scaleTargetRef: {name: llama}", "jobTargetRef: {template: {}}")
}

const DEMAND: &str = "query: sum(demand)\nthreshold: \"4\"";

/// What is found in a ScaledObject that is good but for these lines.
pub(super) fn found(spec: &str, metadata: &str) -> String {
    let report = report(&scaled_object(spec, &format!("{DEMAND}\n{metadata}")), None);
    let findings = report.resources.into_iter().flat_map(|resource| resource.findings);
    let line = |finding: Finding| {
        let advice = finding.advice.map(|advice| format!("\n  {advice}")).unwrap_or_default();
        format!("{:?} {}: {}{advice}", finding.level, finding.path, finding.problem)
    };
    findings.map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_good_one_is_ok() {
    assert_snapshot!(checked(&scaled_object("maxReplicaCount: 8", DEMAND)), @"
    so.yaml, document 1: ScaledObject llm/llama: ok

    1 resource, 1 trigger of prewarm: 0 errors, 0 warnings
    ");
}

#[test]
fn errors_come_with_lines() {
    let text = "# two documents and a stranger
apiVersion: v1
kind: ConfigMap
metadata: {name: x}
---
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: llama
  namespace: llm
spec:
  scaleTargetRef: {name: llama}
  minReplicaCount: 0
  maxReplicaCount: 4
  cooldownPeriod: 0
  fallback: {failureThreshold: 3, replicas: 0}
  triggers:
  - type: external
    metricType: Value
    metadata:
      scalerAddress: http://prewarm.prewarm:9090
      query: sum(demand)
      treshold: 4
      timezone: Europe/Berlim
      team: llm
      windows: |
        - {name: office, days: Mon-Fri, from: \"08:00\", to: \"25:00\", minReplicas: 2}
  - type: external
    metadata: {scalerAddress: \"other:1\", value: \"3\"}
  - type: cron
    metadata: {start: a}
";
    assert_snapshot!(checked(text), @r#"
    so.yaml, document 2: ScaledObject llm/llama
      15  error    spec.cooldownPeriod: is 0
                   a scaler that KEDA is just rebuilding counts as inactive for one poll: that poll would scale to zero; use 60 or more
      16  error    spec.fallback.replicas: is 0
                   in an outage KEDA would scale to zero instead of holding; use 1 or more, or no fallback at all (then it holds)
      19  error    spec.triggers[0].metricType: is Value
                   the HPA would multiply the ready pods, so replicas that are still loading make it overshoot; use AverageValue
      21  error    spec.triggers[0].metadata.scalerAddress: must not have a scheme
                   KEDA takes host:port; TLS is enableTLS: "true"
      23  error    spec.triggers[0].metadata.treshold: must be text: write treshold: "4"
                   Kubernetes refuses metadata values that are not text
      23  error    spec.triggers[0].metadata.treshold: is not a key; did you mean threshold?
      24  error    spec.triggers[0].metadata.timezone: "Europe/Berlim" is not a time zone; did you mean "Europe/Berlin"?
      26  error    spec.triggers[0].metadata.windows[0].to: "25:00" is no local time: write it like "08:00", or "24:00"

    external triggers of other scalers, not checked: 1
    1 resource, 1 trigger of prewarm: 8 errors, 0 warnings
    "#);
}

#[test]
fn json_has_the_same() {
    let report = report(&scaled_object("cooldownPeriod: 0", DEMAND), None);
    assert_snapshot!(serde_json::to_string_pretty(&report).unwrap(), @r#"
    {
      "resources": [
        {
          "file": "so.yaml",
          "document": 1,
          "kind": "ScaledObject",
          "namespace": "llm",
          "name": "llama",
          "triggers": 1,
          "findings": [
            {
              "level": "error",
              "line": 5,
              "path": "spec.cooldownPeriod",
              "problem": "is 0",
              "advice": "a scaler that KEDA is just rebuilding counts as inactive for one poll: that poll would scale to zero; use 60 or more"
            }
          ]
        }
      ],
      "notes": []
    }
    "#);
}

#[test]
fn colors_are_for_terminals() {
    let report = report(&scaled_object("cooldownPeriod: 0", DEMAND), None);
    assert!(
        report.text(true).contains("\x1b[31merror  \x1b[0m")
            && !report.text(false).contains('\x1b')
    );
}

#[test]
fn zero_traps() {
    assert_snapshot!(found("cooldownPeriod: 0", ""), @"
    Error spec.cooldownPeriod: is 0
      a scaler that KEDA is just rebuilding counts as inactive for one poll: that poll would scale to zero; use 60 or more
    ");
    assert_eq!(found("cooldownPeriod: 0\nminReplicaCount: 1", ""), "");
    assert_snapshot!(found("fallback: {failureThreshold: 3, replicas: 0}", ""), @"
    Error spec.fallback.replicas: is 0
      in an outage KEDA would scale to zero instead of holding; use 1 or more, or no fallback at all (then it holds)
    ");
    assert_snapshot!(found("fallback: {failureThreshold: 3, replicas: 2}", ""), @"
    Warning spec.fallback: may lower running replicas to 2 in an outage
      write behavior: currentReplicasIfHigher
    ");
    assert_eq!(
        found(
            "fallback: {failureThreshold: 3, replicas: 2, behavior: currentReplicasIfHigher}",
            ""
        ),
        ""
    );
    assert_snapshot!(found("idleReplicaCount: 1\nminReplicaCount: 2", ""), @"
    Error spec.idleReplicaCount: is not 0
      KEDA supports no other value; set minReplicaCount for a floor
    ");
    assert_snapshot!(found("minReplicaCount: 1", "scaleToZero: auto"), @"
    Warning spec.triggers[0].metadata.scaleToZero: allows zero, minReplicaCount is 1
      KEDA never goes to zero then; set minReplicaCount: 0, or idleReplicaCount: 0 to wake straight to the minimum
    ");
    assert_eq!(found("minReplicaCount: 3\nidleReplicaCount: 0", "scaleToZero: auto"), "");
}

#[test]
fn replica_traps() {
    let windows = "windows: |\n  - {name: office, days: Mon-Fri, from: \"08:00\", to: \"18:00\", minReplicas: 12}\n  - {name: night, days: \"*\", from: \"22:00\", to: \"06:00\", maxReplicas: 1}";
    assert_snapshot!(found("minReplicaCount: 2\nmaxReplicaCount: 10", windows), @r#"
    Error spec.triggers[0].metadata.windows: window "office" wants 12 replicas, maxReplicaCount is 10
      the HPA never goes above maxReplicaCount; raise it or lower the floor
    Warning spec.triggers[0].metadata.windows: window "night" allows 1 replicas, minReplicaCount is 2
      the HPA never goes below minReplicaCount; lower it or raise the ceiling
    "#);
    assert_eq!(found("minReplicaCount: 1\nmaxReplicaCount: 12", windows), "");
}

#[test]
fn trigger_traps() {
    assert_snapshot!(found("", "caCert: /etc/ca.pem\nmetricType: Value"), @r#"
    Error spec.triggers[0].metadata.caCert: has no effect in metadata
      KEDA speaks plain text here: it reads caCert, tlsClientCert and tlsClientKey from a TriggerAuthentication only (authenticationRef), as PEM; enableTLS: "true" turns TLS on
    Warning spec.triggers[0].metadata.metricType: does nothing in metadata; it belongs in the trigger, beside `type`
    "#);
    let with = |line: &str| {
        let text = scaled_object(
            "fallback: {failureThreshold: 3, replicas: 2, behavior: currentReplicasIfHigher}",
            DEMAND,
        );
        let text = text.replace(
            "    metadata:\n      scaler",
            &format!("    {line}\n    metadata:\n      scaler"),
        );
        let report = report(&text, None);
        report.resources[0]
            .findings
            .iter()
            .map(|finding| {
                format!(
                    "{}: {} ({})",
                    finding.path,
                    finding.problem,
                    finding.advice.as_ref().unwrap()
                )
            })
            .collect::<String>()
    };
    assert_snapshot!(with("metricType: Value"), @"spec.triggers[0].metricType: is Value (the HPA would multiply the ready pods, so replicas that are still loading make it overshoot; use AverageValue)");
    assert_snapshot!(with("metricType: Utilization"), @"spec.triggers[0].metricType: is Utilization (KEDA refuses it for external metrics; use AverageValue)");
    assert_eq!(with("metricType: AverageValue"), "");
    assert_snapshot!(with("useCachedMetrics: true"), @"spec.triggers[0].useCachedMetrics: stands beside a fallback (each read of a cached error counts again and each cached fallback value resets the count, so fallback and errors alternate; use one of them)");
    let nameless = scaled_object("", DEMAND)
        .replace("      scalerAddress: prewarm.prewarm:9090\n", "      leadTime: auto\n");
    assert_snapshot!(checked(&nameless), @"
    so.yaml, document 1: ScaledObject llm/llama
      8  error    spec.triggers[0].metadata.scalerAddress: is missing
                  write host:port of Prewarm's Service

    1 resource, 1 trigger of prewarm: 1 error, 0 warnings
    ");
}

#[test]
fn triggers_of_one_name_collide() {
    let twice = format!(
        "{}  - type: external-push\n    metadata: {{scalerAddress: \"prewarm:9090\", query: sum(demand), threshold: \"9\"}}\n",
        scaled_object("", DEMAND)
    );
    assert_snapshot!(checked(&twice), @"
    so.yaml, document 1: ScaledObject llm/llama
      12  error    spec.triggers[1]: has the metric name of spec.triggers[0], prewarm-query-b04305d0
                   they would share one history and overwrite each other's settings; give one of them a metricName

    1 resource, 2 triggers of prewarm: 1 error, 0 warnings
    ");
}

#[test]
fn modifiers_replace_our_target() {
    assert_snapshot!(found("advanced:\n  scalingModifiers: {formula: \"max(a, 2)\", target: \"3\"}", ""), @r#"
    Error spec.advanced.scalingModifiers.formula: names "a", which no trigger is called; no trigger has a name
      KEDA's webhook refuses it: each name of a formula is the name of a trigger
    Warning spec.advanced.scalingModifiers: replaces threshold by its own target, and our word on activity by its activationTarget
      keep-warm and start-up before a window then work with type external-push only; write the target in the unit of the demand
    Error spec.triggers[0].name: is missing
      KEDA wants a name for every trigger of a formula
    "#);
}

#[test]
fn scaled_jobs_say_so() {
    let job = scaled_job(&scaled_object("", DEMAND));
    assert_snapshot!(checked(&job), @r#"
    so.yaml, document 1: ScaledJob llm/llama
      7  warning  spec.triggers[0].type: is external-push
                  KEDA ignores pushes for a ScaledJob; use external
      8  error    spec.triggers[0].metadata.scaledJob: is missing: write scaledJob: "true"
                  each unit of a forecast or floor would start a real job, and a request does not tell us that it is for a ScaledJob

    1 resource, 1 trigger of prewarm: 1 error, 1 warning
    "#);
    let flagged = scaled_object("", &format!("{DEMAND}\nscaledJob: \"true\""));
    assert_snapshot!(checked(&flagged), @"
    so.yaml, document 1: ScaledObject llm/llama
      12  error    spec.triggers[0].metadata.scaledJob: is true in a ScaledObject
                   floors and forecasts are switched off by it; remove the key

    1 resource, 1 trigger of prewarm: 1 error, 0 warnings
    ");
    let right = scaled_job(&flagged).replace("external-push", "external");
    assert_eq!(report(&right, None).resources[0].findings, []);
}

/// One typed trigger of any kind is enough for KEDA to refuse the whole ScaledJob.
#[test]
fn metric_types_stop_scaled_jobs() {
    let job = scaled_job(&scaled_object("", &format!("{DEMAND}\nscaledJob: \"true\"")))
        .replace("type: external-push", "type: external\n    metricType: AverageValue");
    let two = job + "  - {type: prometheus, metricType: Value, metadata: {query: up}}\n";
    assert_snapshot!(checked(&two), @"
    so.yaml, document 1: ScaledJob llm/llama
       8  error    spec.triggers[0].metricType: is set in a ScaledJob
                   KEDA refuses the whole ScaledJob then and starts no job; remove the line
      14  error    spec.triggers[1].metricType: is set in a ScaledJob
                   KEDA refuses the whole ScaledJob then and starts no job; remove the line

    1 resource, 1 trigger of prewarm: 2 errors, 0 warnings
    ");
}

#[test]
fn names_become_names_of_hpas() {
    let named = |length: usize| {
        scaled_object("", DEMAND).replace("name: llama", &format!("name: {}", "x".repeat(length)))
    };
    assert_eq!(report(&named(54), None).count(Level::Error), 0);
    let long = report(&named(55), None);
    assert_snapshot!(long.resources[0].findings[0].problem, @"gives the HPA a name of 64 characters");
    let custom = "advanced:\n  horizontalPodAutoscalerConfig: {name: short}";
    let text =
        named(100).replace("spec:\n", &format!("spec:\n  {}\n", custom.replace('\n', "\n  ")));
    assert_eq!(report(&text, None).count(Level::Error), 0);
}

#[test]
fn the_hpa_must_keep_pace() {
    let slow = "maxReplicaCount: 16\nadvanced:\n  horizontalPodAutoscalerConfig:\n    behavior:\n      scaleUp:\n        policies: [{type: Pods, value: 2, periodSeconds: 60}]";
    assert_snapshot!(found(slow, ""), @"
    Warning spec.advanced.horizontalPodAutoscalerConfig.behavior.scaleUp: takes 7m from 1 to 16 replicas, the lead time reckons with 30s
      allow more at once: scaleUp.policies: [{type: Pods, value: 16, periodSeconds: 15}]
    ");
    assert_snapshot!(found(slow, "leadTime: 6m"), @"
    Warning spec.triggers[0].metadata.leadTime: from 1 to 16 replicas takes 10m15s: 15s until the HPA asks, 7m to ramp, 3m cold start; leadTime is 6m
      set leadTime: 10m15s or more, or auto; or allow more at once: scaleUp.policies: [{type: Pods, value: 16, periodSeconds: 15}]
    ");
    assert_eq!(found(slow, "leadTime: 15m"), "");
    assert_snapshot!(found("maxReplicaCount: 200", ""), @"
    Note spec.maxReplicaCount: takes 1m30s to reach from 1, which lengthens the lead time
      allow more at once: scaleUp.policies: [{type: Pods, value: 200, periodSeconds: 15}]
    ");
    assert_eq!(found("maxReplicaCount: 64", ""), "");
    assert_snapshot!(found("maxReplicaCount: 4\nadvanced:\n  horizontalPodAutoscalerConfig:\n    behavior:\n      scaleUp: {selectPolicy: Disabled}", ""), @"
    Error spec.advanced.horizontalPodAutoscalerConfig.behavior.scaleUp: never gets from 1 to 4 replicas
      allow more at once: scaleUp.policies: [{type: Pods, value: 4, periodSeconds: 15}]
    ");
    assert_snapshot!(found("advanced:\n  horizontalPodAutoscalerConfig:\n    behavior:\n      scaleUp: {stabilizationWindowSeconds: 60}\n      scaleDown: {stabilizationWindowSeconds: 4000}", ""), @"
    Warning spec.advanced.horizontalPodAutoscalerConfig.behavior.scaleUp.stabilizationWindowSeconds: delays every scale-up by 60 s
      demand is smoothed before it gets here; use 0
    Error spec.advanced.horizontalPodAutoscalerConfig.behavior.scaleDown.stabilizationWindowSeconds: is out of range
      Kubernetes allows 0 to 3600
    ");
}

#[test]
fn polling_must_keep_pace() {
    let polled = |spec: &str, metadata: &str| {
        let text = scaled_object(spec, &format!("{DEMAND}\n{metadata}"))
            .replace("external-push", "external");
        report(&text, None).resources[0]
            .findings
            .iter()
            .map(|finding| format!("{:?} {}: {}", finding.level, finding.path, finding.problem))
            .collect::<String>()
    };
    assert_snapshot!(polled("pollingInterval: 300", "leadTime: 4m\ncoldStart: 30s"), @"Warning spec.pollingInterval: is 5m, longer than leadTime 4m: KEDA may ask too late to wake from zero");
    assert_snapshot!(polled("pollingInterval: 60", ""), @"Warning spec.pollingInterval: is 1m, the lead time reckons with 30s (rhythm.kedaPollingInterval of the server)");
    assert_snapshot!(polled("", ""), @"Note spec.triggers[0].type: is external: waking from zero waits for KEDA's next poll, up to 30s");
    assert_eq!(polled("pollingInterval: 60\nminReplicaCount: 1", ""), "");
}
