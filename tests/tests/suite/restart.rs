//! A restart changes no answer; silence is forgotten; a pause is not silence.

use std::time::Duration;

use jiff::SignedDuration;
use prewarm_tests::app::{SLOT, Setup, TestApp};
use prewarm_tests::eventually;
use prewarm_tests::keda::{Answers, Trigger};
use prewarm_tests::postgres::Postgres;
use prewarm_tests::prometheus::Prometheus;
use prewarm_tests::proxy::{Fault, Proxy};
use prewarm_tests::trace::{Trace, clock_time, days, monday};
use tonic::Code;

const QUERY: &str = "demand";

fn trigger() -> Trigger {
    Trigger::new("models", "llama").with("query", QUERY).with("threshold", 4).with("mode", "off")
}

/// What KEDA sees after a restart until the first value: only errors, which hold; never a value out
/// of nothing.
async fn first_value(app: &TestApp, trigger: &Trigger) -> Answers {
    eventually(Duration::from_secs(5), "a value after the restart", || async {
        match app.keda.poll(trigger).await {
            Ok(answers) => Some(answers),
            Err(status) => {
                assert!(
                    matches!(status.code(), Code::FailedPrecondition | Code::Unavailable),
                    "{status}"
                );
                None
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_restart_brings_no_dip() {
    let prometheus =
        Prometheus::holding(&[Trace::working_days(monday(), days(1), 40.0, 5).gauge(QUERY)]).await;
    let mut app = Setup::new(prometheus.address(), clock_time(monday(), 12, 0)).start().await;
    let trigger = trigger();
    app.register(&[&trigger]).await;
    app.step_until(app.slot() + SLOT * 40).await;
    let before = app.keda.poll(&trigger).await.unwrap();

    app.restart().await;
    let after = first_value(&app, &trigger).await;
    assert!(after.active && after.value > 0.95 * before.value, "{after:?} after {before:?}");
    assert_eq!(after.target, before.target);
    assert_eq!(after.metric, before.metric);
}

#[tokio::test]
async fn a_restart_without_the_source_repeats_the_last_good_value() {
    let prometheus =
        Prometheus::holding(&[Trace::working_days(monday(), days(1), 40.0, 5).gauge(QUERY)]).await;
    let proxy = Proxy::before(prometheus.address()).await;
    let mut app =
        Setup::new(proxy.address(), clock_time(monday(), 12, 0)).impatient().start().await;
    let trigger = trigger();
    app.register(&[&trigger]).await;
    app.step_until(app.slot() + SLOT * 40).await;
    let before = app.keda.poll(&trigger).await.unwrap();

    for fault in [Fault::Stop, Fault::Hang] {
        proxy.set(fault).await;
        app.restart().await;
        let after = first_value(&app, &trigger).await;
        assert!(
            after.active && after.value > 0.9 * before.value,
            "{fault:?}: {after:?} after {before:?}"
        );
        proxy.set(Fault::Pass).await;
        app.step_until(app.slot() + SLOT * 8).await;
    }
}

#[tokio::test]
async fn what_is_kept_warm_stays_so_over_a_restart() {
    let noon = clock_time(monday(), 12, 0);
    let prometheus =
        Prometheus::holding(&[Trace::until(monday(), days(1), noon, 20.0).gauge(QUERY)]).await;
    let trigger = trigger().with("keepWarm", "10m");
    for crash in [false, true] {
        let mut app =
            Setup::new(prometheus.address(), noon - SignedDuration::from_mins(3)).start().await;
        app.register(&[&trigger]).await;
        // Long enough for finished minutes to be in the store whatever the end.
        app.step_until(noon + SignedDuration::from_mins(5)).await;
        app.history_of(&trigger, monday(), app.now(), 7).await;
        assert!(app.keda.poll(&trigger).await.unwrap().active, "kept warm before");
        if crash {
            app.crash_and_restart().await;
        } else {
            app.restart().await;
        }
        assert!(first_value(&app, &trigger).await.active, "kept warm after, crash: {crash}");
        app.step_until(noon + SignedDuration::from_mins(30)).await;
        assert!(!app.keda.poll(&trigger).await.unwrap().active, "and not for ever, crash: {crash}");
    }
}

#[tokio::test]
async fn a_replica_that_was_restarted_answers_as_the_other_slot_by_slot() {
    let history = Trace::working_days(monday(), days(9), 40.0, 5);
    let prometheus = Prometheus::holding(&[history.gauge(QUERY)]).await;
    let postgres = Postgres::start().await;
    let trigger = Trigger::new("models", "llama")
        .with("query", QUERY)
        .with("threshold", 4)
        .with("coldStart", "10m");
    // On the ramp of the second Tuesday.
    let start = clock_time(monday() + days(8), 7, 30);
    let setup = Setup::new(prometheus.address(), start).database(postgres.url());
    let first = setup.clone().start().await;
    first.register(&[&trigger]).await;
    first.chosen(&trigger).await;
    let mut second = setup.on(&first.clock).start().await;
    second.register(&[&trigger]).await;
    second.chosen(&trigger).await;
    let mut levels = Vec::new();
    for crash in [true, false, true, true] {
        for _ in 0..9 {
            TestApp::follow(&[&first, &second], &trigger).await;
        }
        if crash {
            second.crash_and_restart().await;
        } else {
            second.restart().await;
        }
        second.register(&[&trigger]).await;
        for _ in 0..7 {
            let (ours, theirs) = (first.recommendation(&trigger), second.recommendation(&trigger));
            assert_eq!(
                (ours.at, ours.answer),
                (theirs.at, theirs.answer),
                "crash: {crash}: {ours:?} {theirs:?}"
            );
            let (ours, theirs) = (ours.decision, theirs.decision);
            assert_eq!(
                (ours.reason, ours.parts.live, ours.parts.hold),
                (theirs.reason, theirs.parts.live, theirs.parts.hold)
            );
            levels.push(theirs.parts.live.unwrap().to_bits());
            TestApp::follow(&[&first, &second], &trigger).await;
        }
    }
    levels.dedup();
    assert!(levels.len() > 20, "demand moved meanwhile: {}", levels.len());
}

#[tokio::test]
async fn without_its_store_a_new_process_holds_at_first_and_then_follows_demand() {
    let noon = clock_time(monday(), 12, 0);
    let prometheus =
        Prometheus::holding(&[Trace::constant(monday(), days(1), 20.0).gauge(QUERY)]).await;
    let postgres = Postgres::start().await;
    let proxy = Proxy::before(postgres.address()).await;
    proxy.set(Fault::Stop).await;
    let app = Setup::new(prometheus.address(), noon)
        .database(postgres.url_through(proxy.address()))
        .start()
        .await;
    let trigger = trigger();
    let (begun, limit) = (app.now(), SignedDuration::from_mins(5));
    let answers = eventually(Duration::from_secs(60), "an answer without the store", || async {
        match app.keda.poll(&trigger).await {
            Ok(answers) => Some(answers),
            Err(status) => {
                assert_eq!(status.code(), Code::Unavailable, "{status}");
                app.clock.advance(SLOT * 2);
                None
            }
        }
    })
    .await;
    let held = app.now().duration_since(begun);
    assert!(held >= limit && held <= limit + SLOT * 8, "held for {held}");
    assert_eq!((answers.value, answers.active), (20.0, true));
}

#[tokio::test]
async fn c40_a_paused_scaled_object_is_sampled_on() {
    let prometheus =
        Prometheus::holding(&[Trace::working_days(monday(), days(1), 40.0, 5).gauge(QUERY)]).await;
    let start = clock_time(monday(), 8, 0);
    let app = Setup::new(prometheus.address(), start).start().await;
    let trigger = trigger();
    app.register(&[&trigger]).await;
    let calls = app.keda.calls();
    // Half an hour in which KEDA says nothing.
    app.step_until(start + SignedDuration::from_mins(30)).await;
    assert_eq!(app.keda.calls(), calls);
    let history = app.history_of(&trigger, start, app.now(), 29).await;
    assert!(history.iter().skip(1).take(28).all(|minute| minute.samples == 4), "{history:?}");
}

#[tokio::test]
async fn c39_long_silence_ends_collection_and_keeps_history() {
    let prometheus =
        Prometheus::holding(&[Trace::constant(monday(), days(2), 20.0).gauge(QUERY)]).await;
    let start = clock_time(monday(), 8, 0);
    let app = Setup::new(prometheus.address(), start)
        .with("[limits]\nevictAfter = \"2h\"\n")
        .start()
        .await;
    let (silent, alive) = (trigger(), Trigger { name: "alive".to_owned(), ..trigger() });
    app.register(&[&silent, &alive]).await;
    let key = app.workload(&silent).key().clone();
    for _ in 0..4 {
        app.jump(app.now() + SignedDuration::from_mins(50)).await;
        // C44: with minReplicaCount ≥ 1 a poll of 2.21 is `GetMetricSpec` alone, and a sign of
        // life.
        app.keda.metric_spec(&alive).await.unwrap();
    }
    eventually(Duration::from_secs(5), "the silent one is forgotten", || async {
        app.clock.advance(SLOT);
        app.registry.triggers("models", &silent.name).is_empty().then_some(())
    })
    .await;
    assert_eq!(app.registry.len(), 1);
    eventually(Duration::from_secs(10), "its history stays", || async {
        let history = app
            .store
            .load(&key, start, app.now(), prewarm::store::Resolution::Minute)
            .await
            .unwrap();
        (history.len() >= 3).then_some(())
    })
    .await;

    // One call brings it back, and nothing lower is said before it is decided anew.
    let back = first_value(&app, &silent).await;
    assert!(back.active && back.value > 19.0, "{back:?}");
}
