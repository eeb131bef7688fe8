//! The forms in which KEDA asks: polled and pushed, cached, composed, with fallback, with idle
//! replicas, paused, for jobs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use prewarm_tests::eventually;
use serde_json::{Value, json};

use crate::demand::query;
use crate::fixture::{Fixture, POLL};
use crate::workload::{DeploymentStatus, PATIENCE, Workload, trigger};

/// Five minutes of stabilization and some patience.
const TO_ZERO: Duration = Duration::from_secs(420);

/// As KEDA's own end-to-end test of external scalers tells it (`tests/scalers/external_scaler_so`):
/// activation, out by whole and by broken values and targets, in.
pub(super) async fn external(fixture: Arc<Fixture>) {
    steps(&fixture, "external", "external").await;
}

/// The same with the push streams open (`tests/scalers/external_push_scaler`).
pub(super) async fn external_push(fixture: Arc<Fixture>) {
    steps(&fixture, "external-push", "external-push").await;
}

async fn steps(fixture: &Fixture, name: &str, kind: &str) {
    fixture.gateway.set(name, 0.0);
    let workload = Workload::deploy(fixture.api(), name, 0, "none").await;
    let metadata = json!({"query": query(name), "threshold": "2.5", "activationThreshold": "1", "keepWarm": "0s", "mode": "off"});
    workload
        .scaled_object(spec(vec![trigger(kind, fixture.prewarm.grpc, metadata)], json!({})))
        .await;
    workload.until_condition("Ready", "True").await;
    workload.until_condition("Active", "False").await;
    // At the activation threshold: not yet.
    fixture.gateway.set(name, 1.0);
    let seen = seen(fixture, name, "1").await;
    assert!(seen, "Prewarm saw the demand");
    assert_eq!(workload.status().await.unwrap().desired, 0, "not active at the threshold");
    // Above it, whole and broken.
    fixture.gateway.set(name, 2.0);
    workload.until("woken", |status| status.ready == 1).await;
    fixture.gateway.set(name, 10.0);
    workload.until("out by a whole value", |status| status.ready == 4).await;
    // At five already the ratio lies outside of the tolerance: the mean may pass by there.
    fixture.gateway.set(name, 13.9);
    workload.until("out by a broken value", |status| status.ready == 6).await;
    // A broken target as well, by an edit: 14 / 3.111 is 4.5.
    fixture.gateway.set(name, 14.0);
    let metadata = json!({"query": query(name), "threshold": "3.111", "activationThreshold": "1", "keepWarm": "0s",
                          "mode": "off"});
    workload
        .scaled_object(spec(vec![trigger(kind, fixture.prewarm.grpc, metadata)], json!({})))
        .await;
    workload.until("by a broken target", |status| status.desired == 5).await;
    // In: to one by the HPA, then to none by KEDA, never in one leap.
    fixture.gateway.set(name, 0.0);
    workload.until("one is left", |status| status.desired == 1).await;
    let since = Instant::now();
    // Prewarm lets the HPA's default stabilization pass between the two.
    workload
        .until_within(TO_ZERO, "asleep", |status| status.pods == 0 && status.desired == 0)
        .await;
    println!("{name}: from one to none in {:.0?}", since.elapsed());
    workload.until_condition("Active", "False").await;
    workload.remove().await;
}

/// Waits until Prewarm's API says that it observed this.
async fn seen(fixture: &Fixture, name: &str, value: &str) -> bool {
    let needle = format!("\"observed\":{value}.0");
    eventually(PATIENCE, "the demand is observed", || async {
        let text = fixture.prewarm.body(&format!("/api/v1/workloads/{name}/model")).await;
        text.replace(' ', "").contains(&needle).then_some(true)
    })
    .await
}

/// An edited threshold reaches the HPA (by `StreamMetricSpec` or by KEDA asking again).
pub(super) async fn c03_c38_threshold_edit(fixture: Arc<Fixture>) {
    let name = "threshold-edit";
    fixture.gateway.set(name, 8.0);
    let workload = Workload::deploy(fixture.api(), name, 1, "none").await;
    let metadata =
        |threshold: &str| json!({"query": query(name), "threshold": threshold, "mode": "off"});
    let object = |threshold: &str| {
        spec(vec![trigger("external-push", fixture.prewarm.grpc, metadata(threshold))], json!({}))
    };
    workload.scaled_object(object("4")).await;
    workload.until("two at a threshold of 4", |status| status.ready == 2).await;
    workload.scaled_object(object("2")).await;
    workload.until("four at a threshold of 2", |status| status.ready == 4).await;
    let target = |hpa: &Value| {
        hpa["spec"]["metrics"][0]["external"]["target"]["averageValue"].as_str().map(str::to_owned)
    };
    eventually(PATIENCE, "the HPA has the new target", || async {
        target(&workload.hpa().await?).filter(|t| t == "2")
    })
    .await;
    workload.remove().await;
}

/// `useCachedMetrics`: the HPA reads what the last poll saw.
pub(super) async fn cached_metrics(fixture: Arc<Fixture>) {
    let name = "cached-metrics";
    fixture.gateway.set(name, 6.0);
    let workload = Workload::deploy(fixture.api(), name, 1, "none").await;
    let mut cached = trigger(
        "external",
        fixture.prewarm.grpc,
        json!({"query": query(name), "threshold": "2", "mode": "off"}),
    );
    cached["useCachedMetrics"] = json!(true);
    workload.scaled_object(spec(vec![cached], json!({}))).await;
    workload.until("three", |status| status.ready == 3).await;
    fixture.gateway.set(name, 10.0);
    workload.until("five", |status| status.ready == 5).await;
    workload.remove().await;
}

/// `scalingModifiers` over two triggers: KEDA composes, our value is in the demand's unit.
pub(super) async fn scaling_modifiers(fixture: Arc<Fixture>) {
    let (name, other) = ("modifiers", "modifiers-other");
    fixture.gateway.set(name, 6.0);
    fixture.gateway.set(other, 2.0);
    let workload = Workload::deploy(fixture.api(), name, 1, "none").await;
    let named = |called: &str, of: &str| {
        let metadata =
            json!({"query": query(of), "threshold": "2", "mode": "off", "metricName": called});
        let mut trigger = trigger("external", fixture.prewarm.grpc, metadata);
        trigger["name"] = json!(called);
        trigger
    };
    let mut object = spec(vec![named("first", name), named("second", other)], json!({}));
    object["advanced"]["scalingModifiers"] =
        json!({"formula": "first + second", "target": "2", "activationTarget": "0"});
    workload.scaled_object(object).await;
    workload.until("four for both", |status| status.ready == 4).await;
    fixture.gateway.set(other, 6.0);
    workload.until("six for both", |status| status.ready == 6).await;
    workload.remove().await;
}

/// Fallback fires where metrics vanish for good, and its replicas stand.
pub(super) async fn fallback(fixture: Arc<Fixture>) {
    let name = "fallback";
    fixture.gateway.set(name, 4.0);
    let workload = Workload::deploy(fixture.api(), name, 1, "none").await;
    let metadata = json!({"query": query(name), "threshold": "2", "mode": "off"});
    let more = json!({"fallback": {"failureThreshold": 3, "replicas": 5}});
    workload
        .scaled_object(spec(vec![trigger("external", fixture.prewarm.grpc, metadata)], more))
        .await;
    workload.until("two", |status| status.ready == 2).await;
    fixture.gateway.forget(name);
    workload.until("the fallback's five", |status| status.ready == 5).await;
    fixture.gateway.set(name, 6.0);
    workload.until("three for the demand that is back", |status| status.desired == 3).await;
    workload.remove().await;
}

/// `idleReplicaCount: 0` with a minimum: KEDA wakes straight to it.
pub(super) async fn idle_replicas(fixture: Arc<Fixture>) {
    let name = "idle-replicas";
    fixture.gateway.set(name, 0.0);
    let workload = Workload::deploy(fixture.api(), name, 0, "none").await;
    let metadata = json!({"query": query(name), "threshold": "2", "keepWarm": "0s", "mode": "off"});
    let more = json!({"idleReplicaCount": 0, "minReplicaCount": 3});
    workload
        .scaled_object(spec(vec![trigger("external-push", fixture.prewarm.grpc, metadata)], more))
        .await;
    workload.until_condition("Ready", "True").await;
    fixture.gateway.set(name, 1.0);
    workload.until("woken to the minimum", |status| status.ready == 3).await;
    workload.remove().await;
}

/// Paused: KEDA asks nothing and scales nothing; Prewarm samples on; resumed, it follows.
pub(super) async fn c40_paused(fixture: Arc<Fixture>) {
    let name = "paused";
    fixture.gateway.set(name, 4.0);
    let workload = Workload::deploy(fixture.api(), name, 1, "none").await;
    let metadata = json!({"query": query(name), "threshold": "2", "mode": "off"});
    workload
        .scaled_object(spec(vec![trigger("external", fixture.prewarm.grpc, metadata)], json!({})))
        .await;
    workload.until("two", |status| status.ready == 2).await;
    let path = format!("/apis/keda.sh/v1alpha1/namespaces/{name}/scaledobjects/model");
    let pause =
        |value: Value| json!({"metadata": {"annotations": {"autoscaling.keda.sh/paused": value}}});
    fixture.api().merge(&path, &pause(json!("true"))).await;
    workload.until_condition("Paused", "True").await;
    fixture.gateway.set(name, 8.0);
    assert!(seen(&fixture, name, "8").await, "sampled while paused");
    assert_eq!(workload.status().await.unwrap().desired, 2, "nothing is scaled while paused");
    fixture.api().merge(&path, &pause(Value::Null)).await;
    workload.until("four once resumed", |status: DeploymentStatus| status.ready == 4).await;
    workload.remove().await;
}

/// A ScaledJob makes jobs of what is there, and of nothing that is only expected.
pub(super) async fn c41_scaled_job(fixture: Arc<Fixture>) {
    let name = "scaled-job";
    fixture.gateway.set(name, 0.0);
    fixture.api().create_namespace(name).await;
    let metadata = json!({"query": query(name), "threshold": "1", "scaledJob": "true"});
    let mut trigger = trigger("external", fixture.prewarm.grpc, metadata);
    // KEDA refuses it in a ScaledJob.
    trigger.as_object_mut().unwrap().remove("metricType");
    let pod = json!({"metadata": {"labels": {"cold-start": "none"}},
                     "spec": {"restartPolicy": "Never", "automountServiceAccountToken": false,
                              "containers": [{"name": "job", "image": "job:1"}]}});
    fixture
        .api()
        .apply(&json!({
            "apiVersion": "keda.sh/v1alpha1", "kind": "ScaledJob", "metadata": {"name": "jobs", "namespace": name},
            "spec": {"pollingInterval": POLL, "maxReplicaCount": 5, "jobTargetRef": {"template": pod},
                     "triggers": [trigger]},
        }))
        .await;
    let jobs = || async {
        let list = fixture
            .api()
            .get(&format!("/apis/batch/v1/namespaces/{name}/jobs"))
            .await
            .unwrap_or_default();
        list["items"].as_array().map_or(0, Vec::len)
    };
    let ready = format!("/apis/keda.sh/v1alpha1/namespaces/{name}/scaledjobs/jobs");
    eventually(PATIENCE, "the ScaledJob is ready", || async {
        let conditions =
            fixture.api().get(&ready).await?["status"]["conditions"].as_array().cloned()?;
        conditions.iter().any(|c| c["type"] == "Ready" && c["status"] == "True").then_some(())
    })
    .await;
    assert_eq!(jobs().await, 0, "no demand, no jobs");
    fixture.gateway.set(name, 3.0);
    eventually(PATIENCE, "three jobs", || async { (jobs().await == 3).then_some(()) }).await;
    fixture.api().delete(&ready).await;
}

fn spec(triggers: Vec<Value>, more: Value) -> Value {
    let mut spec = json!({
        "pollingInterval": POLL, "cooldownPeriod": 5, "minReplicaCount": 0, "maxReplicaCount": 20,
        "advanced": {"horizontalPodAutoscalerConfig": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}}},
        "triggers": triggers,
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    spec
}
