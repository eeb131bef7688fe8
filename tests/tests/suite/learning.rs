//! What is learned off the slots: saved forecasts, one replica that refits, the gate, outages of the
//! store meanwhile.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use prewarm::store::document::Kind;
use prewarm::store::{HistoryStore, SeriesKey};
use prewarm_tests::app::{SLOT, Setup, TestApp};
use prewarm_tests::eventually;
use prewarm_tests::keda::Trigger;
use prewarm_tests::postgres::Postgres;
use prewarm_tests::prometheus::Prometheus;
use prewarm_tests::proxy::{Fault, Proxy};
use prewarm_tests::trace::{Trace, clock_time, days, monday};

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_prewarm-under-test");

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// Steep steps at fixed times, every day alike: 4 at night, 40 from 08:00 to 18:00, 80 over noon.
fn clockwork() -> Trace {
    Trace::new(monday(), days(9), MINUTE, |t| match t.as_second().rem_euclid(86_400) / 60 {
        720..780 => 80.0,
        480..1080 => 40.0,
        _ => 4.0,
    })
}

/// Every minute something else, uniform in 2 … 38: nothing in it can be known ahead.
fn noise() -> Trace {
    Trace::new(monday(), days(9), MINUTE, |t| {
        // splitmix64's finaliser.
        let mut z = (t.as_second() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        2.0 + 36.0 * ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    })
}

async fn prometheus() -> Prometheus {
    Prometheus::holding(&[clockwork().gauge("clockwork"), noise().gauge("noise")]).await
}

fn trigger(query: &str) -> Trigger {
    Trigger::new("models", query).with("query", query).with("threshold", 4).with("coldStart", "10m")
}

/// A quarter of an hour before the steps of the second Tuesday.
fn before_eight() -> Timestamp {
    clock_time(monday() + days(8), 7, 30)
}

async fn saved(store: &dyn HistoryStore, key: &SeriesKey, kind: Kind) -> Vec<Timestamp> {
    let notes = store.documents(key, kind, monday() - days(30), monday() + days(30)).await;
    notes.unwrap_or_default().into_iter().map(|note| note.at).collect()
}

/// Waits until a note of that kind is in the store.
async fn has_saved(app: &TestApp, trigger: &Trigger, kind: Kind) -> Vec<Timestamp> {
    let key = app.workload(trigger).key().clone();
    eventually(Duration::from_secs(60), &format!("a saved {kind:?}"), || async {
        Some(saved(&*app.store, &key, kind).await).filter(|notes| !notes.is_empty())
    })
    .await
}

#[tokio::test]
async fn the_gate_opens_on_clockwork_days_and_stays_shut_on_noise() {
    let prometheus = prometheus().await;
    let app = Setup::new(prometheus.address(), before_eight()).start().await;
    let (clockwork, noise) = (trigger("clockwork"), trigger("noise"));
    app.register(&[&clockwork, &noise]).await;

    let earned = app.chosen(&clockwork).await;
    assert!(earned.forecast_acts && earned.why == "earned", "{earned:?}");
    assert!(
        earned.gain_low.is_some_and(|low| low > 0.0) && earned.days_won > earned.days / 2,
        "{earned:?}"
    );
    assert!(earned.expected.missed < earned.expected_reactive.missed, "{earned:?}");
    let closed = app.chosen(&noise).await;
    assert!(
        !closed.forecast_acts && ["not_proven", "reactive_best"].contains(&&*closed.why),
        "{closed:?}"
    );

    // What a person is shown.
    let story = explain(&app, &clockwork).await;
    assert!(
        story.contains("The gate is open: against the best reactive policy the forecast is worth")
            && story.contains("days won"),
        "{story}"
    );
    assert!(story.contains("in GPU-hours, simulated: prewarm "), "{story}");
    let story = explain(&app, &noise).await;
    assert!(story.contains("The gate is closed: on "), "{story}");
    assert_eq!(app.metric("prewarm_workload_gate_open", &["name=\"clockwork\""]).await, Some(1.0));
    assert_eq!(app.metric("prewarm_workload_gate_open", &["name=\"noise\""]).await, Some(0.0));
    for arm in ["prewarm", "hpa", "reactive-tuned", "static-peak"] {
        let labels = ["name=\"clockwork\"", &format!("arm=\"{arm}\"")];
        assert!(
            app.metric("prewarm_workload_day_gpu_hours", &labels)
                .await
                .is_some_and(|hours| hours > 1.0),
            "{arm}"
        );
    }
    let labels = ["name=\"noise\"", "quantile=\"0.950\""];
    let covered =
        app.metric("prewarm_workload_forecast_coverage", &labels).await.expect("coverage");
    let leads = app.explained(&noise).await.learned.accuracy.len() as f64;
    assert!((0.9..=0.99).contains(&(covered / leads)), "{covered} over {leads} leads");

    assert!(!has_saved(&app, &clockwork, Kind::Decision).await.is_empty());

    // And what it comes to: ready before the step for the one, live demand for the other.
    app.follow_until(&clockwork, clock_time(monday() + days(8), 7, 50)).await;
    let ahead = app.keda.poll(&clockwork).await.unwrap();
    assert!(ahead.value >= 40.0, "{ahead:?}");
    let parts = app.recommendation(&noise).decision.parts;
    assert!(!parts.forecast_acts && parts.forecast.is_some(), "{parts:?}");
}

/// What `prewarm explain` prints, run as a user runs it.
async fn explain(app: &TestApp, trigger: &Trigger) -> String {
    let workload = format!("{}/{}", trigger.namespace, trigger.name);
    let mut command = tokio::process::Command::new(PROGRAM);
    command.args(["explain", &workload, "--server", &format!("http://{}", app.http)]);
    let output = command.output().await.expect("run prewarm");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[tokio::test]
async fn a_restart_has_forecast_and_choice_at_once() {
    let prometheus = prometheus().await;
    let proxy = Proxy::before(prometheus.address()).await;
    for crash in [false, true] {
        proxy.set(Fault::Pass).await;
        let mut app = Setup::new(proxy.address(), before_eight()).impatient().start().await;
        let trigger = trigger("clockwork");
        app.register(&[&trigger]).await;
        let before = app.chosen(&trigger).await;
        app.step_until(app.slot() + SLOT * 4).await;
        for kind in [Kind::Forecast, Kind::Selection, Kind::Blocks, Kind::Day] {
            has_saved(&app, &trigger, kind).await;
        }
        // Nothing can be asked of the source: all that is known comes from the store.
        proxy.set(Fault::Stop).await;
        if crash {
            app.crash_and_restart().await;
        } else {
            app.restart().await;
        }
        app.register(&[&trigger]).await;
        let recalled = app.metric("prewarm_refits_total", &["outcome=\"recalled\""]).await;
        assert_eq!(recalled, Some(1.0), "read once, at the start");
        let after = app.chosen(&trigger).await;
        assert_eq!(
            (after.since, &after.policy, after.days),
            (before.since, &before.policy, before.days)
        );
        let decision = app.recommendation(&trigger).decision;
        assert!(
            decision.parts.forecast.is_some() && decision.parts.forecast_acts,
            "crash: {crash}: {decision:?}"
        );
        assert!(!app.explained(&trigger).await.learned.days.is_empty());
    }
}

#[tokio::test]
async fn of_two_replicas_one_refits_and_both_answer_the_same() {
    let prometheus = prometheus().await;
    let postgres = Postgres::start().await;
    let trigger = trigger("clockwork");
    let mut first =
        Setup::new(prometheus.address(), before_eight()).database(postgres.url()).start().await;
    first.register(&[&trigger]).await;
    first.chosen(&trigger).await;
    has_saved(&first, &trigger, Kind::Forecast).await;

    let setup =
        Setup::new(prometheus.address(), before_eight()).database(postgres.url()).on(&first.clock);
    let second = setup.start().await;
    second.register(&[&trigger]).await;
    let chosen = second.chosen(&trigger).await;
    first.decided().await;
    assert_eq!(chosen.policy, first.explained(&trigger).await.learned.selection.unwrap().policy);
    let outcome = |outcome: &str| format!("outcome=\"{outcome}\"");
    assert_eq!(
        second.metric("prewarm_refits_total", &[&outcome("ok")]).await,
        None,
        "the second one reads"
    );
    let (ours, theirs) =
        (first.recommendation(&trigger).decision, second.recommendation(&trigger).decision);
    assert_eq!(
        (ours.parts.forecast, ours.desired_replicas),
        (theirs.parts.forecast, theirs.desired_replicas)
    );
    assert!(theirs.parts.forecast.is_some());

    // The first one ends in good order and gives its lease back: the second one goes on.
    first.stop().await;
    eventually(Duration::from_secs(60), "the second one refits", || async {
        second.step().await;
        second.metric("prewarm_refits_total", &[&outcome("ok")]).await
    })
    .await;
}

#[tokio::test]
async fn a_store_that_is_away_during_refits_takes_nothing_from_answers() {
    let prometheus = prometheus().await;
    let postgres = Postgres::start().await;
    let proxy = Proxy::before(postgres.address()).await;
    let url = postgres.url_through(proxy.address());
    let app = Setup::new(prometheus.address(), before_eight()).database(url).start().await;
    let trigger = trigger("clockwork");
    app.register(&[&trigger]).await;
    app.chosen(&trigger).await;
    let origin = *has_saved(&app, &trigger, Kind::Forecast).await.last().unwrap();

    for fault in [Fault::Stop, Fault::Hang] {
        proxy.set(fault).await;
        for _ in 0..30 {
            app.step().await;
            let answers = app
                .keda
                .poll(&trigger)
                .await
                .unwrap_or_else(|status| panic!("{fault:?}: {status}"));
            assert!(answers.active && answers.value > 0.0, "{fault:?}: {answers:?}");
        }
        let decision = app.recommendation(&trigger).decision;
        assert!(decision.parts.forecast_acts, "{fault:?}: what was known acts on: {decision:?}");
    }
    let failed = app.metric("prewarm_refits_total", &["outcome=\"store_error\""]).await;
    assert!(failed.is_some_and(|failed| failed >= 1.0), "{failed:?}");

    // Back: a newer forecast is made and saved.
    proxy.set(Fault::Pass).await;
    let key = app.workload(&trigger).key().clone();
    eventually(Duration::from_secs(60), "a newer forecast", || async {
        app.step().await;
        saved(&*app.store, &key, Kind::Forecast).await.last().filter(|at| **at > origin).map(drop)
    })
    .await;
}
