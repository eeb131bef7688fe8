//! Cold starts, and limits of a ScaledObject, that were known before a restart: in force from the
//! first answer on, and in the shadow bank. How they are learned is played on a real control plane
//! (`tests/cluster`, scenario `access`).

use jiff::{SignedDuration, Timestamp};
use prewarm::cluster::StartUp;
use prewarm::cold_starts::ColdStartHistory;
use prewarm::scaled_object::ScaledObjectLimits;
use prewarm::store::SeriesKey;
use prewarm_forecaster::Reason;
use prewarm_forecaster::decide::lead::Node;
use prewarm_tests::app::{Setup, TestApp};
use prewarm_tests::keda::Trigger;
use prewarm_tests::prometheus::Prometheus;
use prewarm_tests::trace::{Trace, clock_time, days, monday};

const METRIC: &str = "demand-of-models";

/// A workload of namespace `models` whose metadata claims a cold start of ten minutes.
fn trigger(name: &str) -> Trigger {
    let trigger = Trigger::new("models", name).with("query", "demand").with("threshold", 4);
    trigger.with("metricName", METRIC).with("coldStart", "10m")
}

/// Ten start-ups of `took`, as written by a replica that saw them.
async fn seen_before(app: &TestApp, name: &str, took: SignedDuration) {
    let start_up = |i: i64| StartUp {
        pod: format!("{name}-{i}"),
        at: Timestamp::from_second(monday().as_second() + i * 600).unwrap(),
        node: Node::Warm,
        took,
        finished: true,
        stages: None,
    };
    let mut history = ColdStartHistory::default();
    history.apply(&(0..10).map(start_up).collect::<Vec<_>>());
    known_before(app, name, &history).await;
}

async fn known_before(app: &TestApp, name: &str, history: &ColdStartHistory) {
    let key = SeriesKey { namespace: "models".into(), name: name.into(), metric: METRIC.into() };
    app.store.save_documents(&key, &[history.document().unwrap()]).await.unwrap();
}

/// Forty from 08:00 to 18:00 of each day, four else.
fn steps() -> Trace {
    Trace::new(monday(), days(5), SignedDuration::from_mins(1), |t| {
        if (480..1080).contains(&(t.as_second().rem_euclid(86_400) / 60)) { 40.0 } else { 4.0 }
    })
}

#[tokio::test]
async fn a_learned_cold_start_counts_from_the_first_answer() {
    let prometheus =
        Prometheus::holding(&[Trace::working_days(monday(), days(1), 4.0, 5).gauge("demand")])
            .await;
    let app = Setup::new(prometheus.address(), clock_time(monday(), 7, 30)).start().await;
    seen_before(&app, "slow", SignedDuration::from_mins(40)).await;
    let office = "- {name: office, days: \"*\", from: \"08:00\", to: \"18:00\", minReplicas: 3}\n";
    let [slow, other] =
        ["slow", "other"].map(|name| trigger(name).with("windows", office).with("mode", "off"));
    app.register(&[&slow, &other]).await;

    // Half an hour ahead: too early for ten minutes, late for forty.
    let (first, seed) = (app.recommendation(&slow), app.recommendation(&other));
    assert_eq!(
        (first.decision.reason, first.decision.parts.floor),
        (Reason::Floor, 3),
        "{first:?}"
    );
    assert_eq!(seed.decision.parts.floor, 0, "{seed:?}");
    let fleet = app.explained(&slow).await.fleet;
    assert_eq!(
        (fleet.lead.as_str(), fleet.cold_start_seconds, fleet.replicas),
        ("learned", Some(2400.0), None)
    );
    assert_eq!(app.explained(&other).await.fleet.lead, "seed");
    assert_eq!(
        app.metric("prewarm_workload_learned_cold_start_seconds", &["slow"]).await,
        Some(2400.0)
    );
    assert_eq!(app.metric("prewarm_workload_learned_cold_start_seconds", &["other"]).await, None);
}

#[tokio::test]
async fn shadow_policies_live_with_the_learned_cold_start() {
    let prometheus = Prometheus::holding(&[steps().gauge("demand")]).await;
    let app = Setup::new(prometheus.address(), clock_time(monday() + days(4), 7, 30)).start().await;
    seen_before(&app, "quick", SignedDuration::from_secs(15)).await;
    let [quick, other] = ["quick", "other"].map(trigger);
    app.register(&[&quick, &other]).await;
    // The same demand: whoever starts in seconds misses less of it, whatever the metadata claims.
    let (quick, other) = (app.chosen(&quick).await, app.chosen(&other).await);
    assert!(
        quick.expected_reactive.missed < other.expected_reactive.missed / 2.0,
        "{quick:?} {other:?}"
    );
}

#[tokio::test]
async fn limits_and_poll_of_the_scaled_object_count_for_lead_and_shadow_policies() {
    let prometheus = Prometheus::holding(&[steps().gauge("demand")]).await;
    let app = Setup::new(prometheus.address(), clock_time(monday() + days(4), 7, 30)).start().await;
    let (minutes, seconds) = (SignedDuration::from_mins, SignedDuration::from_secs);
    let polling = Some(minutes(10));
    let scaling = ScaledObjectLimits {
        min: 0,
        idle: false,
        max: 3,
        cooldown: minutes(5),
        polling,
        hpa_window: Some(seconds(0)),
    };
    let mut history = ColdStartHistory::default();
    history.update_limits(Some((monday(), scaling)));
    known_before(&app, "limited", &history).await;
    let [limited, other] = ["limited", "other"].map(trigger);
    app.register(&[&limited, &other]).await;
    let told = app.explained(&limited).await.fleet.scaling.expect("what the ScaledObject says");
    assert_eq!(
        (told.max_replicas, told.polling_seconds, told.hpa_window_seconds),
        (3, Some(600.0), Some(0.0))
    );
    assert_eq!(app.explained(&other).await.fleet.scaling, None);
    // KEDA looks ten minutes apart instead of half of one.
    let lead = |trigger| app.recommendation(trigger).decision.parts.lead;
    assert_eq!(lead(&limited) - lead(&other), seconds(570));
    // Ten replicas carry the demand; three are all that shadow policies may have.
    let (limited, other) =
        (app.chosen(&limited).await.expected_reactive, app.chosen(&other).await.expected_reactive);
    assert!(limited.gpu_hours < 72.01 && other.gpu_hours > 100.0, "{limited:?} {other:?}");
    assert!(limited.missed > 10.0 * other.missed, "{limited:?} {other:?}");
}
