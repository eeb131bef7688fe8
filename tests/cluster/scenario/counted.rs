//! How KEDA counts towards a fallback at zero, where the HPA does not ask: each failing poll is one, and it takes more than
//! `failureThreshold` of them.

use std::sync::Arc;

use serde_json::json;

use crate::demand::query;
use crate::workload::{Workload, trigger};
use crate::world::{POLL, World};

/// Failures that are borne.
const BORNE: i64 = 3;

pub(super) async fn fallback_at_zero(world: Arc<World>) {
    let name = "fallback-at-zero";
    let workload = Workload::deploy(world.api(), name, 0, "none").await;
    // Never any data: an error from the first call on.
    let metadata = json!({"query": query(name), "threshold": "2", "mode": "off"});
    workload
        .scaled_object(json!({
            "pollingInterval": POLL, "cooldownPeriod": 5, "minReplicaCount": 0, "maxReplicaCount": 10,
            "advanced": {"horizontalPodAutoscalerConfig": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}}},
            "fallback": {"failureThreshold": BORNE, "replicas": 3},
            "triggers": [trigger("external", world.prewarm.grpc, metadata)],
        }))
        .await;
    workload
        .holds_while(
            "asleep as long as the failures are borne",
            |_| true,
            || async {
                // In this order: failures only grow, so who is awake was woken by no fewer.
                let desired = workload.fleet().await.map_or(0, |fleet| fleet.desired);
                let failures = failures(&workload).await;
                assert!(desired == 0 || failures > BORNE, "woken after {failures} failures");
                desired > 0
            },
        )
        .await;
    workload.until("the fallback's three", |fleet| fleet.ready == 3).await;
    world.gateway.set(name, 8.0);
    workload.until("demand is followed once there is data", |fleet| fleet.ready == 4).await;
    workload.remove().await;
}

/// How often its metric has failed in a row, as the ScaledObject says.
async fn failures(workload: &Workload) -> i64 {
    let object = workload.object().await;
    let health = object["status"]["health"].as_object().cloned().unwrap_or_default();
    health.values().filter_map(|metric| metric["numberOfFailures"].as_i64()).sum()
}
