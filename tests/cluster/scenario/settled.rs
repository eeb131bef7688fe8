//! What was read from KEDA's code and not yet seen: each settled by looking. What is seen is
//! printed, for the README.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use prewarm_tests::eventually;
use prewarm_tests::serve::Serve;
use serde_json::{Value, json};

use crate::demand::query;
use crate::fixture::{Fixture, POLL};
use crate::workload::{PATIENCE, Workload, trigger};

/// A Prewarm that accepts and never answers: two ScaledObjects on one connection and one alone on
/// another are held, a fourth on a Prewarm that is well goes on, and all recover by themselves.
/// Whether KEDA's own poll gets free again is KEDA's and shows in the ScaledObject's `Ready`, which
/// only the poll sets.
pub(super) async fn c25_hang(fixture: Arc<Fixture>) {
    let dir = tempfile::tempdir().unwrap();
    let shared = fixture.serve("hang-shared", dir.path(), "").await;
    let single = fixture.serve("hang-single", dir.path(), "").await;
    let frozen = [
        deploy(&fixture, "hang-one", &shared).await,
        deploy(&fixture, "hang-two", &shared).await,
        deploy(&fixture, "hang-alone", &single).await,
    ];
    let neighbor = deploy(&fixture, "hang-neighbor", &fixture.prewarm).await;
    for workload in frozen.iter().chain([&neighbor]) {
        workload.until("two carry the demand", |status| status.ready == 2).await;
    }
    shared.freeze();
    single.freeze();
    let since = Instant::now();
    for workload in frozen.iter().chain([&neighbor]) {
        fixture.gateway.set(&workload.namespace, 8.0);
    }
    neighbor.until("the neighbor follows its demand", |status| status.ready == 4).await;
    let alone = &frozen[2];
    let held = |status: crate::workload::DeploymentStatus| status.desired == 2;
    // The HPA's request runs into the adapter's limit: from then on it says that it knows nothing.
    frozen[0]
        .holds_while("held", held, || async { frozen[0].scaling_active().await == Some(false) })
        .await;
    println!("hang: the HPA gave up after {:.0?}; replicas held", since.elapsed());
    let ready = async |workload: &Workload| {
        workload.condition("Ready").await.is_some_and(|(status, _)| status == "True")
    };
    // Twice the HPA's limit, so that it has given up on all of them.
    let until = since + Duration::from_secs(135);
    let freed = OnceLock::new();
    let look = || async {
        if !ready(alone).await {
            freed.get_or_init(|| since.elapsed());
        }
        Instant::now() > until
    };
    let other = || async { Instant::now() > until };
    tokio::join!(alone.holds_while("held", held, look), frozen[1].holds_while("held", held, other));
    match freed.get() {
        Some(after) => println!(
            "hang: the poll of the one alone on its connection was freed after {after:.0?}"
        ),
        None => println!("hang: the poll of the one alone on its connection is frozen as well"),
    }
    let still = [ready(&frozen[0]).await, ready(&frozen[1]).await];
    println!(
        "hang: after {:.0?}, polls of those that share a connection are still frozen: {still:?}",
        since.elapsed()
    );
    shared.thaw();
    single.thaw();
    let since = Instant::now();
    for workload in &frozen {
        workload.until("demand is followed after the hang", |status| status.ready == 4).await;
    }
    println!("hang: all were followed again {:.0?} after the end of the hang", since.elapsed());
    for workload in frozen.iter().chain([&neighbor]) {
        workload.remove().await;
    }
}

/// `useCachedMetrics` with a fallback while every poll fails: which replicas does the HPA see?
pub(super) async fn cached_fallback(fixture: Arc<Fixture>) {
    let name = "cached-fallback";
    fixture.gateway.set(name, 4.0);
    let workload = Workload::deploy(fixture.api(), name, 1, "none").await;
    let mut cached = trigger("external", fixture.prewarm.grpc, metadata(name));
    cached["useCachedMetrics"] = json!(true);
    let mut spec = spec(cached);
    spec["fallback"] = json!({"failureThreshold": 2, "replicas": 5});
    workload.scaled_object(spec).await;
    workload.until("two", |status| status.ready == 2).await;
    fixture.gateway.forget(name);
    workload.until("the fallback's five", |status| status.desired == 5).await;
    // It never falls below what ran or what the fallback says, whether or not errors come in
    // between.
    let (mut looks, mut unknown) = (0, 0);
    let until = Instant::now() + Duration::from_secs(30);
    while Instant::now() < until {
        let status = workload.status().await.unwrap_or_default();
        assert_eq!(status.desired, 5, "the fallback stands");
        looks += 1;
        unknown += u32::from(workload.scaling_active().await == Some(false));
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    println!(
        "cached-fallback: the HPA called its metric unknown in {unknown} of {looks} looks; five replicas in all of them"
    );
    fixture.gateway.set(name, 6.0);
    workload.until("demand is followed", |status| status.desired == 3).await;
    workload.remove().await;
}

/// An edit of a ScaledObject clears KEDA's cache: its streams are closed and opened again at once.
pub(super) async fn c43_edit_streams(fixture: Arc<Fixture>) {
    let name = "edit-streams";
    fixture.gateway.set(name, 4.0);
    let dir = tempfile::tempdir().unwrap();
    let prewarm = fixture.serve(name, dir.path(), "").await;
    let workload = Workload::deploy(fixture.api(), name, 1, "none").await;
    let object = |threshold: &str| {
        let metadata = json!({"query": query(name), "threshold": threshold, "mode": "off"});
        spec(trigger("external-push", prewarm.grpc, metadata))
    };
    workload.scaled_object(object("2")).await;
    workload.until("two", |status| status.ready == 2).await;
    let ended = || async { sum(&prewarm.body("/metrics").await, "Stream") };
    let before = ended().await;
    workload.scaled_object(object("1")).await;
    workload.until("four after the edit", |status| status.ready == 4).await;
    let closed = eventually(PATIENCE, "streams were closed by the edit", || async {
        let closed = ended().await - before;
        (closed >= 2.0).then_some(closed)
    })
    .await;
    println!("edit-streams: an edit ended {closed} streams");
    workload.remove().await;
}

async fn deploy(fixture: &Fixture, name: &str, prewarm: &Serve) -> Workload {
    fixture.gateway.set(name, 4.0);
    let workload = Workload::deploy(fixture.api(), name, 1, "none").await;
    workload.scaled_object(spec(trigger("external", prewarm.grpc, metadata(name)))).await;
    workload
}

fn metadata(name: &str) -> Value {
    json!({"query": query(name), "threshold": "2", "mode": "off"})
}

fn spec(trigger: Value) -> Value {
    json!({
        "pollingInterval": POLL, "cooldownPeriod": 5, "minReplicaCount": 1, "maxReplicaCount": 10,
        "advanced": {"horizontalPodAutoscalerConfig": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}}},
        "triggers": [trigger],
    })
}

/// Sum of the ended calls of methods that are called like that.
fn sum(metrics: &str, method: &str) -> f64 {
    let of = |line: &&str| line.starts_with("prewarm_grpc_handled_total") && line.contains(method);
    metrics.lines().filter(of).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}
