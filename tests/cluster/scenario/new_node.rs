//! Pods that need a new node first: the lead is the node's and the pod's time together, and still
//! they are Ready in time.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use prewarm_tests::eventually;
use serde_json::json;

use crate::control_plane::nodes::{self, PROVISIONING};
use crate::demand::query;
use crate::fixture::{Fixture, POLL};
use crate::history::{self, Day, now};
use crate::timeline::Timeline;
use crate::workload::{PATIENCE, Workload, trigger};

/// Two replicas' worth for a minute.
const DAY: Day = |t| if (0.0..60.0).contains(&t) { 4.0 } else { 0.0 };

/// Node, pod, poll, sync, the HPA's ramp and a reserve of 15 s.
const LEAD: Duration = Duration::from_secs(50);

/// The least that a pod of "long" takes.
const COLD_START: Duration = Duration::from_secs(15);

pub(super) async fn c16_new_node(fixture: Arc<Fixture>) {
    let name = "new-node";
    let api = fixture.api();
    fixture.gateway.set(name, 0.0);
    let moment = history::next_minute(Duration::from_secs(160));
    let end = moment + SignedDuration::from_secs(60);
    history::preload(&fixture.postgres.url(), name, "demand", moment, 15, DAY).await;

    let workload = Workload::deploy_on(api, name, name, 0, "long").await;
    // Twelve seconds for the node, up to eighteen for the pod.
    let metadata = json!({"query": query(name), "threshold": "2", "metricName": "demand", "coldStart": "30s",
                          "keepWarm": "0s"});
    workload
        .scaled_object(json!({
            "pollingInterval": POLL, "cooldownPeriod": 5, "minReplicaCount": 0, "maxReplicaCount": 6,
            "advanced": {"horizontalPodAutoscalerConfig": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}}},
            "triggers": [trigger("external-push", fixture.prewarm.grpc, metadata)],
        }))
        .await;
    assert_eq!(nodes::of_class(api, name).await.len(), 0, "no node before anything is asked for");

    let begun = now();
    let record = Timeline::record(&workload, end, |_, _| {
        let demand = DAY(now().duration_since(moment).as_secs_f64());
        fixture.gateway.set(name, demand);
        (demand, demand)
    });
    let learned = fixture.learned(name, moment, LEAD);
    let (timeline, noded, ()) = tokio::join!(record, first_node(&fixture, name), learned);
    timeline.keep(&fixture.output, name, 2.0);

    let at = |seconds: f64| begun + SignedDuration::from_millis((seconds * 1000.0) as i64);
    let first = |what: &str, is: fn(&crate::timeline::Row) -> bool| -> Timestamp {
        at(timeline.rows.iter().find(|row| is(row)).unwrap_or_else(|| panic!("never {what}")).at)
    };
    let asked = first("asked for", |row| row.status.desired > 0);
    let ready = first("Ready", |row| row.status.ready > 0);
    let before = |time: Timestamp| moment.duration_since(time).as_secs_f64();
    println!(
        "new-node: asked for {:.0} s before the demand, a node after {:.0} s, Ready {:.0} s before the demand",
        before(asked),
        noded.duration_since(asked).as_secs_f64(),
        before(ready)
    );
    // A look of ours is up to a second late.
    let took = ready.duration_since(asked).unsigned_abs() + Duration::from_secs(1);
    assert!(took >= PROVISIONING + COLD_START, "the pods did not wait for a node: {took:?}");
    assert!(
        noded.duration_since(asked).unsigned_abs() + Duration::from_secs(1) >= PROVISIONING,
        "the node was there"
    );
    assert!(
        timeline.ready_at_start().unwrap() >= 2,
        "Ready at the start: {:?}",
        timeline.ready_at_start()
    );
    assert!(ready < moment);

    // Empty nodes go.
    workload.remove().await;
    eventually(PATIENCE, "the nodes are gone", || async {
        nodes::of_class(api, name).await.is_empty().then_some(())
    })
    .await;
}

/// When the class has its first node.
async fn first_node(fixture: &Fixture, class: &str) -> Timestamp {
    eventually(PATIENCE * 3, "a node", || async {
        (!nodes::of_class(fixture.api(), class).await.is_empty()).then(now)
    })
    .await
}
