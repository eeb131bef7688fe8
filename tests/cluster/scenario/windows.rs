//! A window's replicas are Ready by its start, held inside, capped by its ceiling, released after.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use serde_json::json;

use crate::demand::query;
use crate::fixture::{Fixture, POLL};
use crate::history;
use crate::workload::{Workload, trigger};

pub(super) async fn c18_windows(fixture: Arc<Fixture>) {
    let name = "windows";
    fixture.gateway.set(name, 0.0);
    let workload = Workload::deploy(fixture.api(), name, 0, "short").await;
    // Far enough away that the lead (cold start, poll, sync, 15 s) lies ahead of us.
    let start = history::next_minute(Duration::from_secs(60));
    let end = start + SignedDuration::from_mins(2);
    let clock = |at: jiff::Timestamp| at.to_zoned(TimeZone::UTC).strftime("%H:%M").to_string();
    let windows = format!(
        "- {{name: peak, days: \"*\", from: \"{}\", to: \"{}\", minReplicas: 3, maxReplicas: 4}}\n",
        clock(start),
        clock(end)
    );
    let metadata = json!({"query": query(name), "threshold": "2", "coldStart": "6s", "keepWarm": "0s",
                          "timezone": "UTC", "windows": windows, "mode": "off"});
    workload
        .scaled_object(json!({
            "pollingInterval": POLL, "cooldownPeriod": 5, "minReplicaCount": 0, "maxReplicaCount": 10,
            "advanced": {"horizontalPodAutoscalerConfig": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}}},
            "triggers": [trigger("external-push", fixture.prewarm.grpc, metadata)],
        }))
        .await;

    // Asleep until the lead before it.
    workload.until_condition("Ready", "True").await;
    let asleep_until = start - SignedDuration::from_secs(45);
    workload
        .holds_while(
            "zero before the lead",
            |status| status.desired == 0,
            || async { history::now() >= asleep_until },
        )
        .await;
    // Ready by its start.
    workload.until("the floor is Ready", |status| status.ready >= 3).await;
    assert!(history::now() <= start, "Ready only after the window's start");
    // Held with no demand, capped with much.
    let middle = start + SignedDuration::from_secs(30);
    workload
        .holds_while(
            "the floor holds",
            |status| status.ready == 3,
            || async { history::now() >= middle },
        )
        .await;
    fixture.gateway.set(name, 18.0);
    workload.until("the ceiling is reached", |status| status.desired == 4).await;
    let near_end = end - SignedDuration::from_secs(5);
    workload
        .holds_while(
            "the ceiling holds",
            |status| status.desired <= 4,
            || async { history::now() >= near_end },
        )
        .await;
    // After its end demand alone counts, and while there is any it never goes to zero.
    workload.until("what demand needs", |status| status.desired == 9).await;
    fixture.gateway.set(name, 0.0);
    workload.until("one replica is left", |status| status.desired <= 1).await;
    workload.remove().await;
}
