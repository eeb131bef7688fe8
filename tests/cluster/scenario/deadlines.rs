//! KEDA 2.21 gives its own calls to Kubernetes a deadline of a polling interval. Where the
//! operator's client is throttled, a poll of a second never gets both of the calls that wake a
//! Deployment; a longer one does. It has a control plane of its own, for the throttle is a flag of
//! the operator.

use std::sync::Arc;
use std::time::Instant;

use prewarm_tests::eventually;
use serde_json::json;

use crate::control_plane::Plane;
use crate::demand::query;
use crate::fixture::Fixture;
use crate::workload::{PATIENCE, Workload, trigger};

/// ScaledObjects that are polled each second: together they want more calls than the operator may
/// make.
const CROWD: usize = 5;

/// Calls a second that the operator may make: 20, and 30 at once, by default.
const THROTTLE: &str = "--kube-api-qps=1 --kube-api-burst=2";

/// An interval, in seconds, within which calls get their turn.
const PATIENT: u32 = 15;

pub(super) async fn api_deadlines(fixture: Arc<Fixture>) {
    let (plane, logs) = fixture.another_plane("throttled", THROTTLE).await;
    let mut crowd = Vec::new();
    for i in 0..CROWD {
        crowd.push(deploy(&fixture, &plane, &format!("throttled-{i}"), 1).await);
    }
    let patient = deploy(&fixture, &plane, "throttled-patient", PATIENT).await;
    for workload in crowd.iter().chain([&patient]) {
        workload.until_condition("Ready", "True").await;
    }
    let since = Instant::now();
    for workload in crowd.iter().chain([&patient]) {
        fixture.gateway.set(&workload.namespace, 4.0);
    }
    let ran_out = || {
        let log = std::fs::read_to_string(logs.join("keda-operator.log")).unwrap();
        log.lines()
            .filter(|line| {
                line.contains("error activating ScaleTarget") && line.contains("deadline")
            })
            .count()
    };
    patient.until("the one with the longer interval is woken", |status| status.desired > 0).await;
    println!("api-deadlines: polled each {PATIENT} s it is woken after {:.0?}", since.elapsed());
    if fixture.newest() {
        let what = "wakings run out of time";
        eventually(PATIENCE, what, || std::future::ready((ran_out() > 10 * CROWD).then_some(())))
            .await;
        let mut asleep = 0;
        for workload in &crowd {
            asleep += u32::from(workload.status().await.is_some_and(|status| status.desired == 0));
        }
        println!(
            "api-deadlines: polled each second {asleep} of {CROWD} sleep on after {:.0?} and {} wakings without success",
            since.elapsed(),
            ran_out()
        );
    }
    for workload in &crowd {
        workload.scaled_object(spec(&fixture, &workload.namespace, PATIENT)).await;
    }
    for workload in &crowd {
        workload.until("woken with the longer interval", |status| status.desired > 0).await;
    }
    for workload in crowd.iter().chain([&patient]) {
        workload.remove().await;
    }
}

async fn deploy(fixture: &Fixture, plane: &Plane, name: &str, poll: u32) -> Workload {
    fixture.gateway.set(name, 0.0);
    let workload = Workload::deploy(&plane.api, name, 0, "none").await;
    workload.scaled_object(spec(fixture, name, poll)).await;
    workload
}

fn spec(fixture: &Fixture, name: &str, poll: u32) -> serde_json::Value {
    let metadata = json!({"query": query(name), "threshold": "2", "keepWarm": "0s", "mode": "off"});
    json!({
        "pollingInterval": poll, "cooldownPeriod": 5, "minReplicaCount": 0, "maxReplicaCount": 10,
        "triggers": [trigger("external", fixture.prewarm.grpc, metadata)],
    })
}
