//! What to put into the cluster: the settings that the replay found best, as YAML.

use crate::cli::history::written;
use crate::cli::replay::summary::Summary;
use jiff::SignedDuration;
use prewarm_forecaster::replay::Advice;

/// A ScaledObject with the tuned reactive behavior, and Prewarm as its trigger where that earns
/// its place.
pub(crate) fn yaml(summary: &Summary) -> String {
    let (assumed, tuned) = (&summary.assumptions, &summary.tuned);
    let threshold = number(assumed.threshold * tuned.utilization);
    // A block: whatever the query is made of, it is text.
    let query =
        summary.query.as_deref().unwrap_or("sum(rate(http_requests_total{service=\"…\"}[1m]))");
    let prewarm = summary.conclusion.advice == Advice::UsePrewarm;
    let query = match tuned.panics && !prewarm {
        true => sees_jumps(query),
        false => query.to_owned(),
    };
    let query = query.lines().map(|line| format!("\n        {line}")).collect::<String>();
    // Prewarm decides itself when to let go, as it did in the replay.
    let window = if prewarm { 0 } else { tuned.scale_down_seconds };
    let trigger = if prewarm {
        let cold_start =
            written(SignedDuration::from_secs(assumed.cold_start_seconds.round() as i64));
        format!(
            "  - type: external-push
    metricType: AverageValue
    metadata:
      scalerAddress: prewarm-headless.prewarm.svc.cluster.local:9090
      query: |-{query}
      threshold: \"{}\"
      coldStart: {cold_start}
      costRatio: \"{}\"
      timezone: {}
",
            number(assumed.threshold),
            number(assumed.cost_ratio),
            summary.timezone,
        )
    } else {
        format!(
            "  - type: prometheus
    metricType: AverageValue
    metadata:
      serverAddress: http://prometheus.monitoring:9090
      query: |-{query}
      threshold: \"{threshold}\"                 # {} % of what a replica carries
",
            (tuned.utilization * 100.0).round()
        )
    };
    format!(
        "apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: …
spec:
  scaleTargetRef:
    name: …
  pollingInterval: 15
  minReplicaCount: {}
  maxReplicaCount: {}
  advanced:
    horizontalPodAutoscalerConfig:
      behavior:
        scaleDown:
          stabilizationWindowSeconds: {}
  triggers:
{trigger}",
        assumed.min_replicas, assumed.max_replicas, window
    )
}

/// The query with the panic rule: what is twice the minute's mean or more counts at once, and for a
/// minute.
fn sees_jumps(query: &str) -> String {
    let jump = format!("(\n{query}\n) >= 2 * avg_over_time((\n{query}\n)[1m:15s])");
    format!("max_over_time((\n{jump}\n)[1m:15s]) or (\n{query}\n)")
}

/// Without digits that do not count.
fn number(value: f64) -> String {
    let rounded = (value * 1000.0).round() / 1000.0;
    rounded.to_string()
}
