//! The claim: replicas are Ready before the demand, where plain KEDA with the same metric and threshold is late.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::demand::query;
use crate::history::{self, Day};
use crate::timeline::Timeline;
use crate::workload::{Workload, trigger};
use crate::world::{POLL, World};

/// Requests a second that one replica carries.
const THRESHOLD: f64 = 2.0;

/// A request that waits longer is late.
const LATE: f64 = 15.0;

/// Nothing, then at the moment two replicas' worth, up to six within two minutes, and down again.
const DAY: Day = |t| match t {
    ..0.0 => 0.0,
    ..120.0 => 4.0 + 8.0 * t / 120.0,
    ..150.0 => 12.0,
    ..210.0 => 12.0 - 10.0 * (t - 150.0) / 60.0,
    _ => 0.0,
};

/// Scale-down stabilisation and cooldown, in seconds, of the plain ones: what careful people would try.
const PLAIN: [(&str, u32); 3] = [("plain-15s", 15), ("plain-60s", 60), ("plain-300s", 300)];

pub(super) async fn c16_the_claim(world: Arc<World>) {
    let api = world.api();
    let names = ["claim-prewarm", "claim-plain-15s", "claim-plain-60s", "claim-plain-300s"];
    names.iter().for_each(|name| world.gateway.set(name, 0.0));
    let moment = history::next_minute(Duration::from_secs(100));
    let end = moment + jiff::SignedDuration::from_secs(240);
    history::preload(&world.postgres.url(), names[0], "llama-demand", moment, 15, DAY).await;

    let prewarm = Workload::deploy(api, names[0], 0, "long").await;
    let metadata = json!({"query": query(names[0]), "threshold": "2", "metricName": "llama-demand",
                          "coldStart": "18s", "keepWarm": "0s"});
    prewarm.scaled_object(spec(60, trigger("external-push", world.prewarm.grpc, metadata))).await;
    let mut workloads = vec![prewarm];
    for ((_, seconds), name) in PLAIN.into_iter().zip(&names[1..]) {
        let workload = Workload::deploy(api, name, 0, "long").await;
        let metadata = json!({"serverAddress": format!("http://{}", world.prometheus.address()),
                              "query": query(name), "threshold": "2", "activationThreshold": "0"});
        workload.scaled_object(spec(seconds, json!({"type": "prometheus", "metadata": metadata}))).await;
        workloads.push(workload);
    }
    assert!(history::now() < moment - jiff::SignedDuration::from_secs(30), "set up too late to look ahead");

    let until = Instant::now() + Duration::try_from(end.duration_since(history::now())).unwrap();
    let recordings = workloads.iter().zip(names).map(|(workload, name)| {
        let gateway = &world.gateway;
        async move { Timeline::record(workload, gateway, name, until).await }
    });
    let (timelines, ()) =
        tokio::join!(futures::future::join_all(recordings), history::play(&world.gateway, &names, moment, end, DAY));

    let mut scores = Vec::new();
    let mut table = format!(
        "{:<18} {:>9} {:>10} {:>6} {:>11} {:>14}\n",
        "", "requests", "over 15 s", "share", "GPU-seconds", "Ready at start"
    );
    for (name, timeline) in names.iter().zip(&timelines) {
        timeline.keep(&world.output, name, THRESHOLD);
        let score = Score::of(timeline);
        table += &format!(
            "{name:<18} {:>9.0} {:>10.0} {:>5.1}% {:>11.0} {:>14}\n",
            score.requests,
            score.late,
            100.0 * score.late / score.requests,
            score.gpu_seconds,
            score.ready_at_start
        );
        scores.push(score);
    }
    println!("{table}");
    std::fs::write(world.output.join("claim.txt"), &table).unwrap();
    let best = scores[1..].iter().map(|score| score.late).fold(f64::INFINITY, f64::min);
    assert!(scores[0].ready_at_start >= 2, "Ready before the first request: {}", scores[0].ready_at_start);
    assert!(scores[0].late <= 0.1 * best, "late: {} against {best} of plain KEDA", scores[0].late);
    for workload in workloads {
        workload.remove().await;
    }
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

/// What users and the bill would say.
#[derive(Debug)]
struct Score {
    requests: f64,
    late: f64,
    gpu_seconds: f64,
    ready_at_start: i64,
}

impl Score {
    /// First come, first served, at the rate of the Ready replicas.
    fn of(timeline: &Timeline) -> Self {
        let mut score = Self { requests: 0.0, late: 0.0, gpu_seconds: 0.0, ready_at_start: -1 };
        let mut queue: VecDeque<(f64, f64)> = VecDeque::new();
        for pair in timeline.rows.windows(2) {
            let [row, next] = pair else { continue };
            let length = next.at - row.at;
            score.gpu_seconds += row.fleet.pods as f64 * length;
            if row.demand > 0.0 {
                if score.ready_at_start < 0 {
                    score.ready_at_start = row.fleet.ready;
                }
                score.requests += row.demand * length;
                queue.push_back((row.at, row.demand * length));
            }
            let mut carried = row.fleet.ready as f64 * THRESHOLD * length;
            while let Some((came, waiting)) = queue.front_mut() {
                let served = waiting.min(carried);
                carried -= served;
                *waiting -= served;
                if row.at - *came > LATE {
                    score.late += served;
                }
                if *waiting > 1e-9 {
                    break;
                }
                queue.pop_front();
            }
        }
        // Who still waits at the end is late, too.
        score.late += queue.iter().map(|(_, waiting)| waiting).sum::<f64>();
        score
    }
}
