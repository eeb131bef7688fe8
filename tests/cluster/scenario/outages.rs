//! Metrics vanish, Prewarm is killed, the database stops, Prometheus stops while Prewarm restarts:
//! replicas are held.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use prewarm_tests::eventually;
use prewarm_tests::postgres::Postgres;
use prewarm_tests::serve::Serve;
use serde_json::json;

use crate::demand::query;
use crate::fixture::{self, Fixture, POLL};
use crate::workload::{Workload, trigger};

pub(super) async fn c21_c22_outages(fixture: Arc<Fixture>) {
    let name = "outages";
    fixture.gateway.set(name, 6.0);
    // Services of its own: they are stopped.
    let (mut prometheus, mut postgres) =
        tokio::join!(fixture::scraping(fixture.exposition), Postgres::start());
    let configuration = fixture::configuration(prometheus.address(), &postgres.url());
    let prewarm = Serve::start(&fixture::program(), &configuration, &[]).await;
    let (grpc, http) = (prewarm.grpc, prewarm.http);

    let workload = Workload::deploy(fixture.api(), name, 1, "none").await;
    let metadata =
        json!({"query": query(name), "threshold": "2", "coldStart": "6s", "mode": "off"});
    workload.scaled_object(spec(grpc, metadata)).await;
    workload.until("three carry the demand", |status| status.ready == 3).await;
    let held = |n: i64| move |status: crate::workload::DeploymentStatus| status.desired == n;

    // The series vanish: repeated for a while, then "unknown", never zero.
    fixture.gateway.forget(name);
    let errors = || async { is(&workload, "False").await };
    workload.holds_while("held while the series are gone", held(3), errors).await;
    fixture.gateway.set(name, 6.0);
    workload
        .holds_while("held when they are back", held(3), || async { is(&workload, "True").await })
        .await;

    // Killed: KEDA and the HPA hold; what the other triggers of the ScaledObject do is KEDA's
    // business.
    drop(prewarm);
    workload
        .holds_while("held while Prewarm is dead", held(3), || async {
            is(&workload, "False").await
        })
        .await;
    let prewarm = Serve::start_at(&fixture::program(), &configuration, &[], grpc, http).await;
    workload
        .holds_while("no dip at its return", held(3), || async { is(&workload, "True").await })
        .await;

    // The database stops: nothing changes, and demand is followed.
    postgres.stop();
    fixture.gateway.set(name, 8.0);
    workload.until("demand is followed without the database", |status| status.ready == 4).await;
    postgres.restart().await;
    // What the store holds is what was answered again: a crash before that goes on from older
    // answers.
    eventually(Duration::from_secs(20), "the last answer is in the store", || async {
        prewarm.log().contains("checkpoints are being written again").then_some(())
    })
    .await;

    // Prometheus stops, Prewarm restarts meanwhile: held, and neither a dip nor a jump afterwards.
    prometheus.stop();
    drop(prewarm);
    let prewarm = Serve::start_at(&fixture::program(), &configuration, &[], grpc, http).await;
    workload
        .holds_while("held without metrics after a restart", held(4), || async {
            is(&workload, "False").await
        })
        .await;
    prometheus.restart().await;
    workload
        .holds_while("no dip and no jump", held(4), || async { is(&workload, "True").await })
        .await;
    fixture.gateway.set(name, 10.0);
    workload.until("demand is followed again", |status| status.ready == 5).await;
    workload.remove().await;
    drop(prewarm);
}

/// Whether the HPA says so of its metrics.
async fn is(workload: &Workload, status: &str) -> bool {
    let hpa = workload.hpa().await.unwrap_or_default();
    let conditions = hpa["status"]["conditions"].as_array().cloned().unwrap_or_default();
    conditions
        .iter()
        .any(|condition| condition["type"] == "ScalingActive" && condition["status"] == status)
}

fn spec(grpc: SocketAddr, metadata: serde_json::Value) -> serde_json::Value {
    json!({
        "pollingInterval": POLL, "cooldownPeriod": 5, "minReplicaCount": 0, "maxReplicaCount": 20,
        "advanced": {"horizontalPodAutoscalerConfig": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}}},
        "triggers": [trigger("external-push", grpc, metadata)],
    })
}
