//! Waking from zero, falling asleep, and the difference between nothing and not knowing.

use jiff::SignedDuration;
use prewarm_tests::app::{SLOT, Setup, TestApp};
use prewarm_tests::hpa::Target;
use prewarm_tests::keda::Trigger;
use prewarm_tests::prometheus::Prometheus;
use prewarm_tests::proxy::{Fault, Proxy};
use prewarm_tests::trace::{Trace, clock_time, days, monday};
use tonic::Code;

fn trigger() -> Trigger {
    Trigger::new("models", "llama").with("query", "demand").with("threshold", 4)
}

/// Demand on working days from 08:00 to 18:00 and nothing else.
fn office() -> Trace {
    Trace::new(monday(), days(15), SLOT, |t| {
        let civil = t.to_zoned(jiff::tz::TimeZone::UTC);
        let working =
            civil.weekday().to_monday_zero_offset() < 5 && (8..18).contains(&civil.hour());
        if working { 20.0 } else { 0.0 }
    })
}

#[tokio::test]
async fn c16_a_forecast_alone_wakes_from_zero() {
    let prometheus = Prometheus::holding(&[office().gauge("demand")]).await;
    let proxy = Proxy::before(prometheus.address()).await;
    let next_monday = monday() + days(14);
    let app = Setup::new(proxy.address(), clock_time(next_monday, 7, 0)).start().await;
    let trigger = trigger().with("leadTime", "20m").with("keepWarm", "0s");
    app.register(&[&trigger]).await;
    app.history_of(&trigger, monday(), app.now(), 14 * 1440 - 1).await;
    app.forecast_installed(&trigger).await;
    let asleep = app.keda.poll(&trigger).await.unwrap();
    assert_eq!(
        (asleep.value, asleep.active),
        (0.0, false),
        "an hour before: {:?}",
        app.recommendation(&trigger)
    );
    let selection = app.chosen(&trigger).await;
    assert!(selection.forecast_acts, "{selection:?}");

    // The source dies. Twenty minutes before eight the workload is woken all the same; half an hour
    // before that it still sleeps (the 99th percentile in five-minute buckets, from an origin that
    // grows old, is not sharp to the minute).
    proxy.set(Fault::Stop).await;
    app.step_until(clock_time(next_monday, 7, 10)).await;
    let still_asleep = app.keda.poll(&trigger).await.is_ok_and(|answers| !answers.active);
    assert!(
        still_asleep || live_unknown(&app, &trigger).await,
        "{:?}",
        app.recommendation(&trigger)
    );
    // What has come within ten minutes counts, gaps included. Bucket by bucket: the clock must not
    // run away from the training.
    for minute in (14..=44).step_by(5) {
        app.step_until(clock_time(next_monday, 7, minute)).await;
        app.forecast_from(&trigger, clock_time(next_monday, 7, minute - 14)).await;
    }
    app.step_until(clock_time(next_monday, 7, 45)).await;
    let answers = app.keda.poll(&trigger).await.expect("the forecast answers");
    assert!(answers.active && answers.value >= answers.target, "{answers:?}");
    // 20 at 4 each, and the room above the forecast that the tuner chose: nobody tells of a queue
    // here, so that replicas which are just enough would never work off what has waited.
    assert!((5..=9).contains(&answers.replicas()), "{answers:?}");
}

/// Whether calls are refused because live demand is not known.
async fn live_unknown(app: &TestApp, trigger: &Trigger) -> bool {
    app.keda.poll(trigger).await.is_err_and(|status| status.code() == Code::Unavailable)
}

#[tokio::test]
async fn c18_demand_that_has_gone_steps_down_to_one_and_then_to_zero() {
    let noon = clock_time(monday(), 12, 0);
    let prometheus =
        Prometheus::holding(&[Trace::until(monday(), days(1), noon, 40.0).gauge("demand")]).await;
    let app = Setup::new(prometheus.address(), noon - SignedDuration::from_mins(5)).start().await;
    let trigger = trigger().with("mode", "off").with("keepWarm", "10m");
    app.register(&[&trigger]).await;
    let mut target = Target::new(0, 20);
    let mut replicas = Vec::new();
    let mut inactive_since = None;
    while app.slot() < noon + SignedDuration::from_hours(1) {
        let reading = app.keda.poll(&trigger).await.unwrap().reading();
        if !reading.active {
            inactive_since.get_or_insert(app.slot());
            assert_eq!(reading.value_milli, 0, "inactive and wanting something");
        }
        target.poll(app.now(), Some(reading));
        target.sync(app.now(), Some(reading));
        if replicas.last() != Some(&target.replicas) {
            replicas.push(target.replicas);
        }
        app.step().await;
    }
    assert_eq!(replicas[..3], [4, 8, 10], "up by the HPA's ramp");
    assert!(replicas[2..].is_sorted_by(|a, b| a > b), "down without a way back: {replicas:?}");
    assert_eq!(
        replicas[replicas.len() - 2..],
        [1, 0],
        "down to one first, then to zero: {replicas:?}"
    );
    let last_arrival = noon - SLOT;
    let inactive = inactive_since.expect("inactive within the hour").duration_since(last_arrival);
    let bounds = SignedDuration::from_mins(10)..SignedDuration::from_mins(20);
    assert!(
        bounds.contains(&inactive),
        "inactive {inactive} after the last arrival, keepWarm is 10 min"
    );
}

#[tokio::test]
async fn c20_never_any_data_is_an_error_unless_asked_for() {
    let prometheus =
        Prometheus::holding(&[Trace::constant(monday(), days(1), 1.0).gauge("something_else")])
            .await;
    let app = Setup::new(prometheus.address(), clock_time(monday(), 12, 0)).start().await;
    let (unknown, zero) =
        (trigger(), Trigger { name: "zero".to_owned(), ..trigger() }.with("onNoData", "zero"));
    app.register(&[&unknown, &zero]).await;
    for _ in 0..3 {
        let status = app.keda.poll(&unknown).await.unwrap_err();
        assert_eq!(status.code(), Code::FailedPrecondition, "{status}");
        let answers = app.keda.poll(&zero).await.unwrap();
        assert_eq!((answers.value, answers.active), (0.0, false));
        app.step().await;
    }
}

#[tokio::test]
async fn c21_answers_follow_the_table_as_things_go_down() {
    // Demand is 20 all the time and 40 between 12:30 and 13:30, today as on every day.
    let trace = Trace::new(monday(), days(8), SLOT, |t| {
        let into = t.as_second().rem_euclid(86_400);
        if (45_000..48_600).contains(&into) { 40.0 } else { 20.0 }
    });
    let today = monday() + days(7);
    let prometheus = Prometheus::holding(&[trace
        .without(clock_time(today, 14, 0), monday() + days(8))
        .gauge("demand")])
    .await;
    let proxy = Proxy::before(prometheus.address()).await;
    let app = Setup::new(proxy.address(), clock_time(today, 12, 0)).start().await;
    let ahead = trigger().with("leadTime", "10m");
    let reactive = Trigger { name: "reactive".to_owned(), ..trigger() }.with("mode", "off");
    app.register(&[&ahead, &reactive]).await;
    app.history_of(&ahead, monday(), app.now(), 7 * 1440).await;
    app.forecast_installed(&ahead).await;
    app.step_until(clock_time(today, 12, 10)).await;
    let state = |trigger: &Trigger| app.recommendation(trigger).decision.state.as_str();

    // Fresh live and fresh forecast.
    assert_eq!(state(&ahead), "fresh", "{:?}", app.explained(&ahead).await.learned.selection);
    // The forecast acts with the headroom that was chosen for it.
    let ready = app.keda.poll(&ahead).await.unwrap().value;
    assert!((20.0..=60.0).contains(&ready), "{ready}");
    assert_eq!(state(&reactive), "reactive");
    assert_eq!(app.keda.poll(&reactive).await.unwrap().value, 20.0);

    // Live down: the forecast answers, with the state to be seen from outside.
    proxy.set(Fault::Stop).await;
    app.step_until(clock_time(today, 12, 24)).await;
    app.forecast_from(&ahead, clock_time(today, 12, 10)).await;
    app.step_until(clock_time(today, 12, 25)).await;
    assert_eq!(state(&ahead), "live_down");
    let ready = app.keda.poll(&ahead).await.unwrap().value;
    assert!((40.0..=60.0).contains(&ready), "pre-warming goes on: {ready}");
    let degraded =
        app.metric("prewarm_workload_state", &["state=\"live_down\"", "name=\"llama\""]).await;
    assert_eq!(degraded, Some(1.0), "the degraded state is a metric");

    // Both down: the last good value for a bounded time, then unavailable, which holds.
    assert_eq!(
        app.keda.poll(&reactive).await.unwrap_err().code(),
        Code::Unavailable,
        "for a quarter of an hour"
    );
    proxy.set(Fault::Pass).await;
    app.step_until(app.slot() + SLOT * 5).await;
    assert_eq!(state(&reactive), "reactive");
    proxy.set(Fault::Stop).await;
    let begun = app.slot();
    app.step_until(begun + SignedDuration::from_mins(4)).await;
    let last_good = app.keda.poll(&reactive).await.unwrap();
    assert_eq!((state(&reactive), last_good.value, last_good.active), ("last_good", 20.0, true));
    app.step_until(begun + SignedDuration::from_mins(6)).await;
    assert_eq!(state(&reactive), "blind");
    assert_eq!(app.keda.poll(&reactive).await.unwrap_err().code(), Code::Unavailable);

    // Back: no restart needed.
    proxy.set(Fault::Pass).await;
    app.step_until(app.slot() + SLOT * 5).await;
    assert_eq!(state(&reactive), "reactive");
    assert_eq!(state(&ahead), "fresh");

    // The query gives nothing any more (a service that was renamed, say): missing, not zero.
    app.jump(clock_time(today, 14, 7)).await;
    app.step().await;
    let status = app.keda.poll(&reactive).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
}
