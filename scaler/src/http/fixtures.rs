//! Registries as tests of what we show like them: one workload for each way to stand.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::decide::lead::Node;
use prewarm_forecaster::decide::planner::Replicas;
use prewarm_forecaster::decide::selection::{Costs, Selection, SelectionReason, ShadowPolicy};
use prewarm_forecaster::forecast::Report;
use prewarm_forecaster::forecast::ensemble::LeadAccuracy;
use prewarm_forecaster::{Answer, Decision, Minute, Parts, Reason, Recommendation, State};
use tokio::sync::watch;

use super::{KnownSource, Shown};
use crate::archive::Archive;
use crate::clock::ManualClock;
use crate::config::Secret;
use crate::registry::{Found, Reference, Registry, Workload};
use crate::scaled_object::ScaledObjectLimits;
use crate::status::{DayCost, NodeStarts, ReplicaStatus, SelectionRecord, Starts, TrainingStatus};
use crate::store::{self, Row};
use crate::trigger::Rules;
use crate::workload::SeriesKey;

/// Tuesday, half past seven.
pub(crate) const NOW: &str = "2026-11-24T07:30:00Z";

/// A registry at [`NOW`]:
/// - `llm/llama` is `fresh`; at 7:30 the forecast has just taken over from live demand,
/// - `llm/asks` is `pending`, `llm/gone` is `expired`, `llm/blind` is `blind` and holds,
///   `llm/broken` is `invalid` after an edit.
pub(crate) fn morning() -> Arc<Registry> {
    let now: Timestamp = NOW.parse().unwrap();
    let (registry, _arrivals) =
        Registry::new(Rules::default(), 100_000, Arc::new(ManualClock::new(now)));
    register(&registry, "asks");

    let llama = register(&registry, "llama");
    let quiet = Parts { observed: Some(3.0), live: Some(3.2), ..parts() };
    llama.publish(recommend(now - SignedDuration::from_mins(30), Reason::KeepWarm, 1, quiet));
    let early = Parts {
        observed: Some(4.0),
        live: Some(5.1),
        backlog: Some(2.0),
        backlog_demand: 1.0,
        ..parts()
    };
    llama.publish(recommend(now - SignedDuration::from_mins(5), Reason::Live, 2, early));
    let ahead = Parts {
        forecast: Some(30.4),
        forecast_replicas: 8,
        forecast_acts: true,
        ceiling: Some(12),
        ..early
    };
    llama.publish(recommend(now, Reason::Forecast, 8, ahead));
    llama.learn(training_status(now));
    llama.set_replica_status(replica_status(), now);

    let gone = register(&registry, "gone");
    gone.publish(recommend(now - SignedDuration::from_mins(20), Reason::Live, 1, early));

    let blind = register(&registry, "blind");
    let lost = Parts { live_age: Some(SignedDuration::from_mins(9)), ..parts() };
    let mut held = recommend(now, Reason::Unavailable, 0, lost);
    held.answer = Answer::Unavailable;
    held.decision.state = State::NoSignal;
    blind.publish(held);

    let broken = register(&registry, "broken");
    broken.publish(recommend(now, Reason::Live, 1, early));
    edit(&registry, "broken", &[("mode", "sometimes"), ("treshold", "5")]);
    Arc::new(registry)
}

/// What the routes show of a registry, over an empty store.
pub(crate) async fn shown(registry: Arc<Registry>, readiness: watch::Receiver<bool>) -> Shown {
    shown_with(registry, readiness, &[]).await
}

/// The same over a store that holds these rows.
pub(crate) async fn shown_with(
    registry: Arc<Registry>,
    readiness: watch::Receiver<bool>,
    rows: &[Row],
) -> Shown {
    let store = store::open(&Secret::new("sqlite::memory:")).await.unwrap();
    store.append(rows).await.unwrap();
    let prometheus = "http://prometheus.monitoring:9090/".to_owned();
    let sources = [("default".to_owned(), KnownSource { exposition: false, address: prometheus })];
    Shown {
        registry,
        archive: Archive::new(store),
        metrics: Arc::default(),
        readiness,
        sources: sources.into(),
        token_file: None,
        trials: None,
    }
}

/// A minute of a workload of namespace `llm`, so many before `now`: its mean is that number.
pub(crate) fn row(name: &str, now: Timestamp, minutes_ago: i64) -> Row {
    let key =
        SeriesKey { namespace: "llm".into(), name: name.into(), metric: "prewarm-demand".into() };
    let mean = minutes_ago as f64;
    let start = now - SignedDuration::from_mins(minutes_ago);
    Row {
        key: Arc::new(key),
        minute: Minute { start, mean, max: mean + 1.0, backlog: None, samples: 4 },
    }
}

/// A workload of namespace `llm` with threshold 4 and a secret in its metadata.
pub(crate) fn register(registry: &Registry, name: &str) -> Arc<Workload> {
    edit(registry, name, &[])
}

fn edit(registry: &Registry, name: &str, more: &[(&str, &str)]) -> Arc<Workload> {
    let metadata = [
        ("query", "sum(vllm:num_requests_running)"),
        ("threshold", "4"),
        ("metricName", "prewarm-demand"),
        ("connectionFromEnv", "postgres://admin:Hunter2@db"),
        ("tlsClientKey", "Hunter2"),
    ];
    let all =
        metadata.iter().chain(more).map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    match registry.find(Reference {
        namespace: "llm",
        name,
        metadata: &all.collect::<HashMap<_, _>>(),
        peer: None,
    }) {
        Found::Workload(workload) => workload,
        refused => panic!("{refused:?}"),
    }
}

/// A fresh decision for `replicas` replicas of 4.
pub(crate) fn recommend(
    at: Timestamp,
    reason: Reason,
    replicas: u32,
    parts: Parts,
) -> Recommendation {
    let metric_value = f64::from(replicas) * 4.0;
    let active = replicas > 0;
    let decision = Decision {
        desired_replicas: replicas,
        metric_value,
        active,
        reason,
        state: State::Fresh,
        parts,
    };
    let valid_until = at + SignedDuration::from_mins(5);
    Recommendation { at, valid_until, answer: Answer::Value { metric_value, active }, decision }
}

/// Twelve start-ups on nodes that were there, two on new ones.
fn replica_status() -> ReplicaStatus {
    let seconds = SignedDuration::from_secs;
    let class = |node, ready: u32, given_up, cold_start| NodeStarts {
        node,
        ready,
        given_up,
        cold_start,
        took: (0..ready).map(|n| seconds(150 + 7 * i64::from(n))).collect(),
    };
    let starts = Starts {
        cold_start: Some(seconds(210)),
        nodes: vec![class(Node::Warm, 12, 1, Some(seconds(190))), class(Node::Cold, 2, 0, None)],
        stages: Some((seconds(2), seconds(45))),
    };
    let (polling, hpa_window) = (Some(seconds(15)), Some(seconds(300)));
    let scaling = ScaledObjectLimits {
        min: 0,
        idle: false,
        max: 16,
        cooldown: seconds(300),
        polling,
        hpa_window,
    };
    ReplicaStatus {
        replicas: Some(Replicas { ready: 2, starting: 6 }),
        starts: Arc::new(starts),
        scaling: Some(scaling),
    }
}

/// Eleven days after a cautious start the forecast has earned its authority.
fn training_status(now: Timestamp) -> TrainingStatus {
    let hours = SignedDuration::from_hours;
    let cautious = ShadowPolicy::Reactive {
        utilization: 0.7,
        scale_down_window: SignedDuration::from_mins(15),
    };
    let ahead = ShadowPolicy::Forecast {
        quantile: 0.95,
        forecast_utilization: 0.9,
        utilization: 0.9,
        hold: SignedDuration::from_mins(10),
        stabilization: SignedDuration::from_mins(1),
        drain: SignedDuration::from_mins(3),
    };
    let (ours, theirs) = (
        Costs { gpu_hours: 70.25, missed: 0.125, queued: 0.5 },
        Costs { gpu_hours: 84.5, missed: 0.25, queued: 1.0 },
    );
    let first = Selection {
        policy: cautious,
        best_reactive: cautious,
        why: SelectionReason::NotProven,
        days: 3,
        days_won: 0,
        gain: 0.0,
        gain_interval: (0.0, 0.0),
        expected: theirs,
        expected_reactive: theirs,
        cost_ratio: 30.0,
    };
    let second = Selection {
        policy: ahead,
        why: SelectionReason::Earned,
        days: 14,
        days_won: 12,
        gain: 18.0,
        gain_interval: (13.5, 22.5),
        expected: ours,
        ..first.clone()
    };
    let midnight = now - SignedDuration::from_mins(450);
    let chosen = |since, selection| SelectionRecord {
        since,
        as_of: midnight,
        selection: Arc::new(selection),
    };
    let lead = LeadAccuracy {
        lead: SignedDuration::from_mins(15),
        scored: 4000,
        quantiles: vec![0.5, 0.95],
        coverage: vec![0.51, 0.9375],
        pinball: vec![0.75, f64::NAN],
        members: Vec::new(),
    };
    TrainingStatus {
        forecast_origin: Some(now),
        no_forecast: None,
        report: Some(Report { leads: vec![lead] }),
        selections: vec![
            chosen(midnight - hours(11 * 24), first),
            chosen(midnight - hours(24), second),
        ],
        days: vec![DayCost {
            day: midnight - hours(24),
            demand: 48.5,
            policy: Some(ahead),
            prewarm: ours,
            hpa: Costs { gpu_hours: 80.0, missed: 1.5, queued: 4.0 },
            reactive: theirs,
            peak_gpu_hours: 192.0,
        }],
    }
}

fn parts() -> Parts {
    let lead = SignedDuration::from_secs(285);
    Parts { lead, latency_factor: 1.0, forecast_quantile: 0.968, ..Parts::default() }
}
