//! Two replicas of Prewarm behind one name are restarted one after the other: KEDA and the HPA
//! never miss an answer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use prewarm_tests::eventually;
use prewarm_tests::process::free_port;
use prewarm_tests::serve::Serve;
use serde_json::json;

use crate::demand::query;
use crate::dns::{self, PODS};
use crate::fixture::{self, Fixture, POLL};
use crate::workload::{PATIENCE, Workload, trigger};

pub(super) async fn c14_c34_rolling(fixture: Arc<Fixture>) {
    let name = "rolling";
    fixture.gateway.set(name, 6.0);
    let (port, configuration) = (
        free_port(),
        fixture::configuration(fixture.prometheus.address(), &fixture.postgres.url()),
    );
    let grpc = PODS.map(|pod| SocketAddr::from((pod, port)));
    let http = PODS.map(|pod| SocketAddr::from((pod, free_port())));
    let program = fixture::program();
    let start = |i: usize| Serve::start_at(&program, &configuration, &[], grpc[i], http[i]);
    let mut pods = vec![start(0).await, start(1).await];

    let names = dns::serve().await;
    let workload = Workload::deploy(fixture.api(), name, 1, "none").await;
    let mut trigger = trigger(
        "external",
        grpc[0],
        json!({"query": query(name), "threshold": "2", "mode": "off"}),
    );
    trigger["metadata"]["scalerAddress"] = json!(format!("dns://{names}/prewarm.test:{port}"));
    workload
        .scaled_object(json!({
            "pollingInterval": POLL, "cooldownPeriod": 5, "minReplicaCount": 1, "maxReplicaCount": 10,
            "triggers": [trigger],
        }))
        .await;
    workload.until("three carry the demand", |status| status.ready == 3).await;
    // Both pods know the workload: calls go round.
    for pod in &pods {
        known(pod).await;
    }
    for i in 0..pods.len() {
        // As a rollout does: the old one ends while the other serves, the new one is ready before
        // the next one goes.
        let old = pods.remove(i);
        let ended = tokio::spawn(old.terminate(Duration::from_secs(30)));
        workload
            .holds_while(
                "held and answered while one ends",
                |status| status.desired == 3,
                || async {
                    answered(&workload).await;
                    ended.is_finished()
                },
            )
            .await;
        ended.await.expect("it ended well");
        pods.insert(i, start(i).await);
        let pod = &pods[i];
        workload
            .holds_while(
                "held and answered while one starts",
                |status| status.desired == 3,
                || async {
                    answered(&workload).await;
                    pod.status("/readyz").await == 200 && calls(pod).await > 0.0
                },
            )
            .await;
    }
    fixture.gateway.set(name, 8.0);
    workload.until("demand is followed", |status| status.ready == 4).await;
    workload.remove().await;
}

/// The HPA has a value, and KEDA no complaint.
async fn answered(workload: &Workload) {
    let hpa = workload.hpa().await.unwrap_or_default();
    let conditions = hpa["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let active = conditions.iter().find(|condition| condition["type"] == "ScalingActive");
    assert!(
        active.is_none_or(|active| active["status"] == "True"),
        "the HPA missed an answer: {active:?}"
    );
    let ready = workload.condition("Ready").await;
    assert!(
        ready.as_ref().is_none_or(|(status, _)| status == "True"),
        "KEDA missed an answer: {ready:?}"
    );
}

async fn known(pod: &Serve) {
    eventually(PATIENCE, "both pods are asked", || async {
        (calls(pod).await > 0.0).then_some(())
    })
    .await;
}

/// Calls that a pod has answered. Not those of one method: where KEDA makes an even number of calls
/// in a round, one pod may get all calls of a kind.
async fn calls(pod: &Serve) -> f64 {
    let metrics = pod.body("/metrics").await;
    let lines = metrics.lines().filter(|line| line.starts_with("prewarm_grpc_handled_total"));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}
