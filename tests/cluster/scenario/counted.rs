//! Who asks and who counts. At zero replicas the HPA does not ask: each failing poll counts toward
//! the fallback. With a minimum of one KEDA 2.21's polls read what the HPA has seen, as long as the
//! HPA sees anything.

use std::sync::Arc;
use std::time::Instant;

use prewarm_tests::eventually;
use serde_json::{Value, json};

use crate::control_plane::Plane;
use crate::demand::query;
use crate::fixture::{Fixture, POLL};
use crate::workload::{PATIENCE, Workload, trigger};

/// Failures that are borne.
const BORNE: i64 = 3;

pub(super) async fn fallback_at_zero(fixture: Arc<Fixture>) {
    let name = "fallback-at-zero";
    let workload = Workload::deploy(fixture.api(), name, 0, "none").await;
    // Never any data: an error from the first call on.
    let metadata = json!({"query": query(name), "threshold": "2", "mode": "off"});
    workload
        .scaled_object(json!({
            "pollingInterval": POLL, "cooldownPeriod": 5, "minReplicaCount": 0, "maxReplicaCount": 10,
            "advanced": {"horizontalPodAutoscalerConfig": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}}},
            "fallback": {"failureThreshold": BORNE, "replicas": 3},
            "triggers": [trigger("external", fixture.prewarm.grpc, metadata)],
        }))
        .await;
    workload
        .holds_while(
            "asleep as long as the failures are borne",
            |_| true,
            || async {
                // In this order: failures only grow, so who is awake was woken by no fewer.
                let desired = workload.status().await.map_or(0, |status| status.desired);
                let failures = failures(&workload).await;
                assert!(desired == 0 || failures > BORNE, "woken after {failures} failures");
                desired > 0
            },
        )
        .await;
    workload.until("the fallback's three", |status| status.ready == 3).await;
    fixture.gateway.set(name, 8.0);
    workload.until("demand is followed once there is data", |status| status.ready == 4).await;
    workload.remove().await;
}

/// With a minimum of one, poll and HPA both count a metric that fails alone; beside one that works
/// only the HPA counts. On a control plane of its own: where both count, KEDA 2.21.0's operator can
/// crash, for they share one object.
pub(super) async fn fallback_counts(fixture: Arc<Fixture>) {
    let (plane, _) = fixture.another_plane("counting", "").await;
    let (alone, beside, works) = ("counts-alone", "counts-beside", "counts-works");
    fixture.gateway.set(works, 2.0);
    let failing = |name: &str| ours(&fixture, name, "failing");
    let sole = counting(&plane, alone, vec![failing(alone)]).await;
    let both =
        counting(&plane, beside, vec![failing(beside), ours(&fixture, works, "working")]).await;
    for workload in [&sole, &both] {
        let what = format!("{}: the first failures are counted", workload.namespace);
        eventually(PATIENCE, &what, || async { (failures(workload).await >= 4).then_some(()) })
            .await;
    }
    eventually(PATIENCE, "the HPA goes by the metric that works", || async {
        both.scaling_active().await.filter(|active| *active)
    })
    .await;
    let (since, before) = (Instant::now(), [failures(&sole).await, failures(&both).await]);
    eventually(PATIENCE, "thirty more of the sole one", || async {
        (failures(&sole).await >= before[0] + 30).then_some(())
    })
    .await;
    let gained = [failures(&sole).await - before[0], failures(&both).await - before[1]];
    let seconds = since.elapsed().as_secs_f64();
    let rate = gained.map(|failures| failures as f64 / seconds);
    println!(
        "fallback-counts: polled each second, synced each 2 s, {:.2} failures a second are counted of a sole metric, \
         {:.2} beside one that works",
        rate[0], rate[1]
    );
    if fixture.newest() {
        assert!(rate[1] < 0.6 * rate[0], "beside a working metric the HPA alone counts: {rate:?}");
    }
    assert!(rate[1] > 0.0, "and it does count: {rate:?}");
    for workload in [sole, both] {
        assert_eq!(workload.status().await.unwrap().desired, 1, "held below the threshold");
        workload.remove().await;
    }
}

/// With a minimum of one a poll of KEDA 2.21 asks for the spec and nothing else; that alone keeps a
/// workload known.
pub(super) async fn c44_polls_ask_for_the_spec(fixture: Arc<Fixture>) {
    let name = "polls";
    fixture.gateway.set(name, 4.0);
    let dir = tempfile::tempdir().unwrap();
    let prewarm = fixture.serve(name, dir.path(), "").await;
    let workload = Workload::deploy(fixture.api(), name, 1, "none").await;
    let metadata = json!({"query": query(name), "threshold": "2", "mode": "off"});
    workload.scaled_object(spec(vec![trigger("external", prewarm.grpc, metadata)])).await;
    workload.until("two carry the demand", |status| status.ready == 2).await;
    let calls = || async {
        let metrics = prewarm.body("/metrics").await;
        ["GetMetricSpec", "GetMetrics", "IsActive"].map(|method| handled(&metrics, method))
    };
    let before = calls().await;
    eventually(PATIENCE, "forty more calls for the spec", || async {
        (calls().await[0] >= before[0] + 40.0).then_some(())
    })
    .await;
    let after = calls().await;
    let gained: Vec<f64> = after.iter().zip(before).map(|(after, before)| after - before).collect();
    println!("polls: {gained:?} calls of GetMetricSpec, GetMetrics and IsActive");
    if fixture.newest() {
        assert!(gained[1] < 0.6 * gained[0], "values are asked for by the HPA alone: {gained:?}");
    }
    fixture.gateway.set(name, 6.0);
    workload.until("three", |status| status.ready == 3).await;
    workload.remove().await;
}

/// A trigger over `name`'s demand, in seconds of polling that let poll and HPA be told apart.
fn ours(fixture: &Fixture, name: &str, metric: &str) -> Value {
    let metadata =
        json!({"query": query(name), "threshold": "2", "mode": "off", "metricName": metric});
    trigger("external", fixture.prewarm.grpc, metadata)
}

/// A workload whose fallback never comes: only its count is of interest.
async fn counting(plane: &Plane, name: &str, triggers: Vec<Value>) -> Workload {
    let workload = Workload::deploy(&plane.api, name, 1, "none").await;
    let mut spec = spec(triggers);
    spec["fallback"] = json!({"failureThreshold": 100_000, "replicas": 3});
    workload.scaled_object(spec).await;
    workload
}

/// Polled twice as often as the HPA syncs, one replica at least.
fn spec(triggers: Vec<Value>) -> Value {
    json!({
        "pollingInterval": 1, "cooldownPeriod": 5, "minReplicaCount": 1, "maxReplicaCount": 10,
        "advanced": {"horizontalPodAutoscalerConfig": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}}},
        "triggers": triggers,
    })
}

/// Calls of a method that were answered.
fn handled(metrics: &str, method: &str) -> f64 {
    let method = format!("\"{method}\"");
    let of = |line: &&str| line.starts_with("prewarm_grpc_handled_total") && line.contains(&method);
    metrics.lines().filter(of).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

/// How often its metric has failed in a row, as the ScaledObject says.
async fn failures(workload: &Workload) -> i64 {
    let object = workload.object().await;
    let health = object["status"]["health"].as_object().cloned().unwrap_or_default();
    health.values().filter_map(|metric| metric["numberOfFailures"].as_i64()).sum()
}
