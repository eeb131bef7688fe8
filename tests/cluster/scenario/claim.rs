//! The claim: replicas are Ready before the demand, where plain KEDA with the same metric and
//! threshold is late.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::demand::{Gateway, query};
use crate::fixture::{Fixture, POLL};
use crate::history::{self, Day};
use crate::queue::Queue;
use crate::timeline::Timeline;
use crate::workload::{Workload, trigger};

/// Requests that one replica serves at a time; each takes a second.
const THRESHOLD: f64 = 2.0;

/// Requests a second: none, then at the moment two replicas' worth, up to six within two minutes,
/// and down again.
const DAY: Day = |t| match t {
    ..0.0 => 0.0,
    ..120.0 => 4.0 + 8.0 * t / 120.0,
    ..150.0 => 12.0,
    ..210.0 => 12.0 - 10.0 * (t - 150.0) / 60.0,
    _ => 0.0,
};

/// Cold start, poll, sync, the HPA's ramp and a reserve of 15 s.
const LEAD: Duration = Duration::from_secs(70);

/// Scale-down stabilization and cooldown, in seconds, of the plain ones: what careful people would
/// try.
const PLAIN: [(&str, u32); 3] =
    [("claim-plain-15s", 15), ("claim-plain-60s", 60), ("claim-plain-300s", 300)];

pub(super) async fn c16_the_claim(fixture: Arc<Fixture>) {
    let api = fixture.api();
    let name = "claim-prewarm";
    for name in PLAIN.iter().map(|(name, _)| *name).chain([name]) {
        fixture.gateway.set(name, 0.0);
    }
    // Set-up, judgment of the days in the store, and the lead lie ahead of us.
    let moment = history::next_minute(Duration::from_secs(200));
    let end = moment + jiff::SignedDuration::from_secs(240);
    history::preload(&fixture.postgres.url(), name, "llama-demand", moment, 15, DAY).await;

    let prewarm = Workload::deploy(api, name, 0, "longest").await;
    let metadata = json!({"query": query(name), "threshold": "2", "metricName": "llama-demand",
                          "coldStart": "48s", "keepWarm": "0s"});
    prewarm.scaled_object(spec(60, trigger("external-push", fixture.prewarm.grpc, metadata))).await;
    let mut workloads = vec![prewarm];
    for (name, seconds) in PLAIN {
        let workload = Workload::deploy(api, name, 0, "longest").await;
        let metadata = json!({"serverAddress": format!("http://{}", fixture.prometheus.address()),
                              "query": query(name), "threshold": "2", "activationThreshold": "0"});
        workload
            .scaled_object(spec(seconds, json!({"type": "prometheus", "metadata": metadata})))
            .await;
        workloads.push(workload);
    }
    let learned = fixture.learned(name, moment, LEAD);

    let arms = workloads.iter().map(|workload| arm(&fixture.gateway, workload, moment, end));
    let ((), arms) = tokio::join!(learned, futures::future::join_all(arms));

    let mut table = format!(
        "{:<18} {:>9} {:>10} {:>9} {:>13} {:>12} {:>15}\n",
        "", "requests", "over 15 s", "over 5 s", "longest wait", "GPU-seconds", "Ready at start"
    );
    for (workload, (timeline, queue)) in workloads.iter().zip(&arms) {
        timeline.keep(&fixture.output, &workload.namespace, THRESHOLD);
        let [over_5, over_15] = queue.late;
        table += &format!(
            "{:<18} {:>9.0} {over_15:>10.0} {over_5:>9.0} {:>11.0} s {:>12.0} {:>15}\n",
            workload.namespace,
            queue.requests,
            queue.longest,
            timeline.gpu_seconds(),
            timeline.ready_at_start().unwrap()
        );
    }
    println!("{table}");
    std::fs::write(fixture.output.join("claim.txt"), &table).unwrap();
    let (timeline, ours) = &arms[0];
    let ready = timeline.ready_at_start().unwrap();
    assert!(ready >= 2, "Ready before the first request: {ready}");
    let best = arms[1..].iter().map(|(_, plain)| plain.late[1]).fold(f64::INFINITY, f64::min);
    assert!(ours.late[1] <= 0.1 * best, "over 15 s: {} against {best} of plain KEDA", ours.late[1]);
    for workload in workloads {
        workload.remove().await;
    }
}

/// Plays the day against the replicas that the control plane has, and exposes the queue that
/// results.
async fn arm(
    gateway: &Gateway,
    workload: &Workload,
    moment: jiff::Timestamp,
    end: jiff::Timestamp,
) -> (Timeline, Queue) {
    let mut queue = Queue::default();
    // Seconds of the recording at the moment.
    let start = moment.duration_since(history::now()).as_secs_f64();
    let timeline = Timeline::record(workload, end, |at, status| {
        queue.advance(at, status.ready as f64 * THRESHOLD, |t| DAY(t - start));
        let load = queue.load();
        gateway.expose(&workload.namespace, load);
        (DAY(at - start), load.running + load.waiting)
    })
    .await;
    queue.close();
    (timeline, queue)
}

/// The same for all but the trigger and the patience.
fn spec(patience: u32, trigger: Value) -> Value {
    json!({
        "pollingInterval": POLL, "cooldownPeriod": patience, "minReplicaCount": 0, "maxReplicaCount": 12,
        "advanced": {"horizontalPodAutoscalerConfig": {"behavior": {
            "scaleUp": {"stabilizationWindowSeconds": 0, "policies": [{"type": "Pods", "value": 8, "periodSeconds": 15}]},
            "scaleDown": {"stabilizationWindowSeconds": patience},
        }}},
        "triggers": [trigger],
    })
}
