//! The service, called as KEDA calls it, and the Prewarm arm of a replay: the same history, the
//! same forecasts, selections and answers, from the first sample on.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use prewarm::registry::Workload;
use prewarm::store::Row;
use prewarm::training::refit_spread;
use prewarm_forecaster::control::keda::ScaledObject;
use prewarm_forecaster::decide::policy::Threshold;
use prewarm_forecaster::decide::selection::SelectionReason;
use prewarm_forecaster::replay::scenario::Service;
use prewarm_forecaster::replay::{Outcome, Scenario, replay_prewarm};
use prewarm_forecaster::{Answer, Minute, Recommendation, Series};
use prewarm_tests::app::{SLOT, Setup, TestApp};
use prewarm_tests::eventually;
use prewarm_tests::keda::Trigger;
use prewarm_tests::prometheus::Prometheus;
use prewarm_tests::trace::{Trace, days, monday};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const BUCKET: SignedDuration = SignedDuration::from_mins(5);

/// Slots of a bucket, and the one after it.
const SLOTS_A_BUCKET: usize = 21;

/// Two days until a forecast may act, another one until its gain is known, and an hour and a half
/// with what is selected then.
const LIVED: SignedDuration = SignedDuration::from_mins(3 * 24 * 60 + 90);

/// Steep steps at fixed times, every day alike, on a slope: 4 at night, from 40 on from 08:00 to
/// 18:00.
fn clockwork() -> Trace {
    Trace::new(monday(), days(4), MINUTE, |t| match t.as_second().rem_euclid(86_400) / 60 {
        minute @ 480..1080 => 40.0 + (minute - 480) as f64 * 0.3,
        minute => 4.0 + (minute % 7) as f64 * 0.5,
    })
}

/// Lives slot by slot, waiting in real time for the model to keep up, as it does when time is real.
/// Returns what was decided at each slot.
async fn live(app: &TestApp, trigger: &Trigger, workload: &Workload) -> Vec<Arc<Recommendation>> {
    let mut published = workload.recommendations();
    let mut decided = Vec::new();
    let mut refits = 0.0;
    let end = monday() + LIVED;
    loop {
        let slot = app.slot();
        let latest = published
            .wait_for(|latest| latest.as_ref().is_some_and(|latest| latest.at == slot))
            .await;
        decided.extend(latest.expect("the workload is followed").clone());
        if slot == monday() + days(1) {
            no_forecast_may_act(app, trigger).await;
        }
        if slot >= end {
            return decided;
        }
        let into = slot.duration_since(monday()).as_secs() % BUCKET.as_secs();
        if into == 0 && slot > monday() {
            // Whoever is silent for long is forgotten.
            app.keda.poll(trigger).await.expect("an answer");
            store_bucket(app, workload, &decided, slot).await;
        }
        // Refits come within two minutes of a bucket's end, the first after that of the one before
        // the start.
        if into == 135 {
            refits += 1.0;
            refitted(app, refits).await;
        }
        app.clock.advance(SLOT);
    }
}

/// On the first two days; metrics, API and log say why.
async fn no_forecast_may_act(app: &TestApp, trigger: &Trigger) {
    let missing = app
        .metric("prewarm_workload_no_forecast", &["name=\"alike\"", "reason=\"too_young\""])
        .await;
    assert_eq!(missing, Some(1.0));
    let reason = app.explained(trigger).await.learned.no_forecast.expect("a reason");
    assert!(
        reason.reason == "too_young" && reason.detail.contains("a forecast needs 577"),
        "{reason:?}"
    );
}

/// Writes the minutes of the bucket that has ended, as the service does a moment later: its queue
/// collects rows for two seconds of real time, which for every bucket of three days would be half
/// an hour. The same row twice is one row.
async fn store_bucket(
    app: &TestApp,
    workload: &Workload,
    decided: &[Arc<Recommendation>],
    end: Timestamp,
) {
    let mut rows = Vec::new();
    let mut start = end - BUCKET;
    while start < end {
        let of_minute = decided
            .iter()
            .rev()
            .take(SLOTS_A_BUCKET)
            .rev()
            .filter(|latest| latest.at >= start && latest.at < start + MINUTE);
        let samples: Vec<f64> =
            of_minute.filter_map(|latest| latest.decision.parts.observed).collect();
        let mean = samples.iter().sum::<f64>() / samples.len() as f64;
        let max = samples.iter().copied().fold(0.0, f64::max);
        let minute = Minute { start, mean, max, backlog: None, samples: samples.len() as u16 };
        rows.push(Row { key: workload.key().clone(), minute: minute.rounded() });
        start += MINUTE;
    }
    app.store.append(&rows).await.expect("the store takes rows");
}

/// Waits until as many buckets were taken in; those that were too few for a forecast count as well.
async fn refitted(app: &TestApp, buckets: f64) {
    eventually(Duration::from_secs(30), "the bucket is learned", || async {
        let ok = app.metric("prewarm_refits_total", &["outcome=\"ok\""]).await;
        let too_short = app.metric("prewarm_refits_total", &["outcome=\"too_short\""]).await;
        // Two refits at the start find nothing.
        let learned = ok.unwrap_or(0.0) + too_short.unwrap_or(0.0) - STARTS;
        (learned >= buckets).then_some(())
    })
    .await;
}

/// Refits of a start without history: before the backfill, and after it.
const STARTS: f64 = 2.0;

/// A replay of what the service has sampled, in its surroundings.
fn replayed(decided: &[Arc<Recommendation>], workload: &Workload) -> Outcome {
    let samples = decided
        .iter()
        .map(|latest| latest.decision.parts.observed.expect("every slot was sampled"));
    let trace = Series::new(monday(), SLOT, samples.collect());
    let registration = workload.registration();
    let policy = &registration.trigger.as_ref().expect("a valid trigger").policy;
    let scene = Scenario {
        // Nobody knows the ScaledObject.
        keda: ScaledObject { min: 0, max: 10_000, ..ScaledObject::default() },
        metric_delay: SignedDuration::ZERO,
        shows_queue: policy.sees_queue,
        timeline: true,
        service: Service {
            hpa_window: SignedDuration::from_secs(300),
            refit_spread: Some(refit_spread(workload.key())),
            sees_replicas: false,
            ..Service::default()
        },
        ..Scenario::new(Threshold::new(4.0).unwrap(), SignedDuration::from_mins(10))
    };
    replay_prewarm(&trace, &scene)
}

/// Nothing is injected: both start with nothing, and select by what they have seen.
#[tokio::test]
async fn serve_and_replay_agree_from_an_empty_history_on() {
    let prometheus = Prometheus::holding(&[clockwork().gauge("clockwork")]).await;
    let app = Setup::new(prometheus.address(), monday()).start().await;
    let trigger = Trigger::new("models", "alike")
        .with("query", "clockwork")
        .with("threshold", 4)
        .with("coldStart", "10m");
    app.register(&[&trigger]).await;
    let workload = app.workload(&trigger);
    refitted(&app, 0.0).await;
    let decided = live(&app, &trigger, &workload).await;
    assert_eq!(app.metric("prewarm_workload_no_forecast", &[]).await, None, "one may act");
    let outcome = replayed(&decided, &workload);

    // Selections: when, which, why, and on what figures.
    let selected = workload.training_status().selections.clone();
    let whys: Vec<SelectionReason> =
        selected.iter().map(|selected| selected.selection.why).collect();
    assert!(
        whys.contains(&SelectionReason::Prior) && whys.contains(&SelectionReason::FewDays),
        "{whys:?}"
    );
    assert_eq!(selected, outcome.selections);

    // Forecasts and answers, slot by slot.
    assert_eq!(decided.len(), outcome.timeline.len());
    let first =
        outcome.timeline.iter().position(|moment| moment.forecast.is_some()).expect("a forecast");
    let mut acted = 0;
    // What the HPA is told at a slot in the replay is what was answered at the one before.
    let told = outcome.timeline.iter().skip(1);
    for (i, (served, replayed)) in decided.iter().zip(told).enumerate() {
        let Answer::Value { metric_value, active } = served.answer else { panic!("{served:?}") };
        let told = replayed.metric_value.expect("an answer");
        assert_eq!(served.at + SLOT, replayed.time);
        assert!(
            (metric_value - told).abs() < 1e-9,
            "{metric_value} served, {told} replayed: {served:?}"
        );
        assert_eq!(
            (active, served.decision.reason.as_str()),
            (replayed.active, replayed.reason),
            "{served:?}"
        );
        // The first forecast of all is installed at once, some slots sooner than the second.
        if i + 1 >= first {
            assert_eq!(served.decision.parts.forecast, replayed.forecast, "{served:?}");
        }
        acted += usize::from(served.decision.parts.forecast_acts);
    }
    assert!(acted > 1000, "the forecast acted at {acted} slots");
    // And it was worth it: on the third day most of the step of 08:00 is asked for before it comes.
    let before = monday() + SignedDuration::from_mins(2 * 24 * 60 + 7 * 60 + 56);
    let before = outcome.timeline.iter().find(|moment| moment.time == before).expect("a moment");
    assert!(before.metric_value > before.demand.map(|now| 3.0 * now), "{before:?}");
}
