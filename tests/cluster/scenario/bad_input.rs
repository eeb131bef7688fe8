//! What tenants get wrong: the ScaledObject says so by the key's name, nobody else is disturbed, a
//! fix works at once.

use std::sync::Arc;

use prewarm_tests::eventually;
use serde_json::{Value, json};

use crate::demand::query;
use crate::fixture::{Fixture, POLL};
use crate::workload::{PATIENCE, Workload, trigger};

pub(super) async fn c07_bad_input(fixture: Arc<Fixture>) {
    let name = |what: &str| format!("bad-{what}");
    let good = deploy(
        &fixture,
        &name("neighbor"),
        json!({"query": query(&name("neighbor")), "threshold": "2", "mode": "off"}),
    )
    .await;
    fixture.gateway.set(&name("neighbor"), 6.0);
    // Each with what the message must name.
    let cases = [
        ("preset", json!({"preset": "vllmm", "threshold": "2"}), "preset"),
        (
            "address",
            json!({"query": "up", "serverAddress": "http://169.254.169.254/", "threshold": "2"}),
            "serverAddress",
        ),
        ("zone", json!({"query": "up", "threshold": "2", "timezone": "Europe/Bonn"}), "timezone"),
        ("key", json!({"query": "up", "threshold": "2", "treshold": "3"}), "threshold"),
    ];
    let mut broken = Vec::new();
    for (what, metadata, key) in cases {
        broken.push((deploy(&fixture, &name(what), metadata).await, key));
    }
    // A target that is none: KEDA drops our words, yet must say that something is wrong.
    let no_target =
        deploy(&fixture, &name("threshold"), json!({"query": "up", "threshold": "0"})).await;

    for (workload, key) in &broken {
        let what = format!("{}: an event names {key}", workload.namespace);
        eventually(PATIENCE, &what, || async {
            workload.events().await.iter().any(|event| event.contains(key)).then_some(())
        })
        .await;
        workload.until_condition("Ready", "False").await;
        assert_eq!(workload.status().await.unwrap().desired, 1, "{}: held", workload.namespace);
    }
    no_target.until_condition("Ready", "False").await;
    good.until("the neighbor is carried", |status| status.ready == 3).await;

    // Mended without a restart of anybody.
    let (mended, _) = &broken[0];
    fixture.gateway.set(&mended.namespace, 4.0);
    mended
        .scaled_object(spec(
            &fixture,
            json!({"query": query(&mended.namespace), "threshold": "2", "mode": "off"}),
        ))
        .await;
    mended.until("the mended one is carried", |status| status.ready == 2).await;
    mended.until_condition("Ready", "True").await;
    fixture.gateway.set(&no_target.namespace, 4.0);
    no_target
        .scaled_object(spec(
            &fixture,
            json!({"query": query(&no_target.namespace), "threshold": "2", "mode": "off"}),
        ))
        .await;
    no_target.until("with a target it is carried", |status| status.ready == 2).await;
    for (workload, _) in &broken {
        workload.remove().await;
    }
    good.remove().await;
    no_target.remove().await;
}

async fn deploy(fixture: &Fixture, name: &str, metadata: Value) -> Workload {
    let workload = Workload::deploy(fixture.api(), name, 1, "none").await;
    workload.scaled_object(spec(fixture, metadata)).await;
    workload
}

fn spec(fixture: &Fixture, metadata: Value) -> Value {
    json!({
        "pollingInterval": POLL, "cooldownPeriod": 5, "minReplicaCount": 0, "maxReplicaCount": 10,
        "triggers": [trigger("external", fixture.prewarm.grpc, metadata)],
    })
}
