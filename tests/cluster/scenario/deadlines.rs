//! KEDA 2.21 gives its own calls to Kubernetes a deadline of a polling interval: what a short one does where the operator's
//! client is throttled. It has a control plane of its own, for the throttle is a flag of the operator.

use std::sync::Arc;
use std::time::Instant;

use serde_json::json;

use crate::demand::query;
use crate::workload::{Workload, trigger};
use crate::world::World;

/// ScaledObjects whose polls want more calls a second than the operator may make.
const CROWD: usize = 8;

/// Calls a second that the operator may make: 20 by default.
const THROTTLE: &str = "--kube-api-qps=1 --kube-api-burst=2";

pub(super) async fn api_deadlines(world: Arc<World>) {
    let (plane, logs) = world.another_plane("throttled", THROTTLE).await;
    let mut crowd = Vec::new();
    for i in 0..CROWD {
        let name = format!("throttled-{i}");
        world.gateway.set(&name, 0.0);
        let workload = Workload::deploy(&plane.api, &name, 0, "none").await;
        let metadata = json!({"query": query(&name), "threshold": "2", "keepWarm": "0s", "mode": "off"});
        workload
            .scaled_object(json!({
                "pollingInterval": 1, "cooldownPeriod": 5, "minReplicaCount": 0, "maxReplicaCount": 10,
                "triggers": [trigger("external", world.prewarm.grpc, metadata)],
            }))
            .await;
        crowd.push(workload);
    }
    for workload in &crowd {
        workload.until_condition("Ready", "True").await;
    }
    let since = Instant::now();
    for workload in &crowd {
        world.gateway.set(&workload.namespace, 4.0);
    }
    for workload in &crowd {
        workload.until("woken, and carried in the end", |fleet| fleet.ready >= 2).await;
    }
    let took = since.elapsed();
    let log = std::fs::read_to_string(logs.join("keda-operator.log")).unwrap();
    let ran_out = log.lines().filter(|line| line.contains("would exceed context deadline")).count();
    println!("api-deadlines: {CROWD} were carried {took:.0?} after their demand; {ran_out} calls ran out of time");
    if world.newest() {
        assert!(ran_out > 0, "no call of a poll ran into its deadline");
    }
    for workload in &crowd {
        workload.remove().await;
    }
}
