//! A restart changes no answer; silence is forgotten; a pause is not silence.

use std::time::Duration;

use jiff::SignedDuration;
use prewarm_tests::app::{SLOT, Setup, TestApp};
use prewarm_tests::eventually;
use prewarm_tests::keda::{Answers, Trigger};
use prewarm_tests::prometheus::Prometheus;
use prewarm_tests::proxy::{Fault, Proxy};
use prewarm_tests::trace::{Trace, clock_time, days, monday};
use tonic::Code;

const QUERY: &str = "demand";

fn trigger() -> Trigger {
    Trigger::new("models", "llama").with("query", QUERY).with("threshold", 4).with("mode", "off")
}

/// What KEDA sees after a restart until the first value: only errors, which hold; never a value out of nothing.
async fn first_value(app: &TestApp, trigger: &Trigger) -> Answers {
    eventually(Duration::from_secs(5), "a value after the restart", || async {
        match app.keda.poll(trigger).await {
            Ok(answers) => Some(answers),
            Err(status) => {
                assert!(matches!(status.code(), Code::FailedPrecondition | Code::Unavailable), "{status}");
                None
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_restart_brings_no_dip() {
    let prometheus = Prometheus::holding(&[Trace::working_days(monday(), days(1), 40.0, 5).gauge(QUERY)]).await;
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
    let prometheus = Prometheus::holding(&[Trace::working_days(monday(), days(1), 40.0, 5).gauge(QUERY)]).await;
    let proxy = Proxy::before(prometheus.address()).await;
    let mut app = Setup::new(proxy.address(), clock_time(monday(), 12, 0)).impatient().start().await;
    let trigger = trigger();
    app.register(&[&trigger]).await;
    app.step_until(app.slot() + SLOT * 40).await;
    let before = app.keda.poll(&trigger).await.unwrap();

    for fault in [Fault::Stop, Fault::Hang] {
        proxy.set(fault).await;
        app.restart().await;
        let after = first_value(&app, &trigger).await;
        assert!(after.active && after.value > 0.9 * before.value, "{fault:?}: {after:?} after {before:?}");
        proxy.set(Fault::Pass).await;
        app.step_until(app.slot() + SLOT * 8).await;
    }
}

#[tokio::test]
async fn what_is_kept_warm_stays_so_over_a_restart() {
    let noon = clock_time(monday(), 12, 0);
    let prometheus = Prometheus::holding(&[Trace::until(monday(), days(1), noon, 20.0).gauge(QUERY)]).await;
    let trigger = trigger().with("keepWarm", "10m");
    for crash in [false, true] {
        let mut app = Setup::new(prometheus.address(), noon - SignedDuration::from_mins(3)).start().await;
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
async fn c40_a_paused_scaled_object_is_sampled_on() {
    let prometheus = Prometheus::holding(&[Trace::working_days(monday(), days(1), 40.0, 5).gauge(QUERY)]).await;
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
    let prometheus = Prometheus::holding(&[Trace::constant(monday(), days(2), 20.0).gauge(QUERY)]).await;
    let start = clock_time(monday(), 8, 0);
    let app = Setup::new(prometheus.address(), start).with("[limits]\nevictAfter = \"2h\"\n").start().await;
    let (silent, alive) = (trigger(), Trigger { name: "alive".to_owned(), ..trigger() });
    app.register(&[&silent, &alive]).await;
    let key = app.workload(&silent).key().clone();
    for _ in 0..4 {
        app.jump(app.now() + SignedDuration::from_mins(50)).await;
        // C44: with minReplicaCount ≥ 1 a poll of 2.21 is `GetMetricSpec` alone, and a sign of life.
        app.keda.metric_spec(&alive).await.unwrap();
    }
    eventually(Duration::from_secs(5), "the silent one is forgotten", || async {
        app.clock.advance(SLOT);
        app.registry.triggers("models", &silent.name).is_empty().then_some(())
    })
    .await;
    assert_eq!(app.registry.len(), 1);
    eventually(Duration::from_secs(10), "its history stays", || async {
        let history = app.store.load(&key, start, app.now(), prewarm::store::Resolution::Minute).await.unwrap();
        (history.len() >= 3).then_some(())
    })
    .await;

    app.keda.metric_spec(&silent).await.unwrap();
    app.decided().await;
    assert!(app.keda.poll(&silent).await.unwrap().value > 19.0, "one call brings it back");
}
