//! What an answer may be: finite, exact for the HPA, never below live demand, the same from every
//! replica.

use std::time::Duration;

use jiff::SignedDuration;
use prewarm_tests::app::{SLOT, Setup, TestApp};
use prewarm_tests::eventually;
use prewarm_tests::hpa;
use prewarm_tests::keda::Trigger;
use prewarm_tests::postgres::Postgres;
use prewarm_tests::prometheus::Prometheus;
use prewarm_tests::trace::{Trace, clock_time, days, monday};

fn trigger(name: &str) -> Trigger {
    Trigger::new("models", name).with("query", "demand").with("threshold", 4)
}

#[tokio::test]
async fn c11_numbers_that_are_none_never_leave() {
    let prometheus =
        Prometheus::holding(&[Trace::constant(monday(), days(1), 7.0).gauge("demand")]).await;
    let app = Setup::new(prometheus.address(), clock_time(monday(), 12, 0)).start().await;
    let hostile = [
        "demand / 0",
        "-demand / 0",
        "0 * demand / 0",
        "-demand",
        "demand * 1e300",
        "demand * 1e-300",
    ];
    let triggers: Vec<Trigger> = hostile
        .iter()
        .enumerate()
        .map(|(i, q)| trigger(&format!("hostile-{i}")).with("query", q))
        .collect();
    app.register(&triggers.iter().collect::<Vec<_>>()).await;
    for _ in 0..6 {
        for (trigger, query) in triggers.iter().zip(hostile) {
            // An error holds; a value must be a number that a Kubernetes quantity can carry.
            if let Ok(answers) = app.keda.poll(trigger).await {
                assert!(answers.value.is_finite(), "{query}: {answers:?}");
                assert!((0.0..9.2e15).contains(&answers.value), "{query}: {answers:?}");
            }
        }
        app.step().await;
    }
    // What is no number is missing: as if nothing had come back.
    let status = app.keda.poll(&triggers[2]).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::FailedPrecondition, "{status}");
}

#[tokio::test]
async fn c12_the_hpa_arrives_at_exactly_the_intended_replicas() {
    let prometheus =
        Prometheus::holding(&[Trace::constant(monday(), days(1), 0.0).gauge("demand")]).await;
    let app = Setup::new(prometheus.address(), clock_time(monday(), 12, 0)).start().await;
    for threshold in [
        "0.001",
        "0.007",
        "0.1",
        "0.3",
        "0.333",
        "1",
        "2.5",
        "3",
        "7.7",
        "33.333",
        "1000000.001",
        "1000000000",
    ] {
        let trigger_for = |n: u32| {
            let windows = format!(
                "[{{name: all, days: \"*\", from: \"00:00\", to: \"00:00\", minReplicas: {n}}}]"
            );
            trigger(&format!("n{n}")).with("threshold", threshold).with("windows", windows)
        };
        let triggers: Vec<(u32, Trigger)> =
            [1, 2, 3, 7, 9, 10, 11, 99, 100, 101, 999, 1000, 4097, 9999, 10_000]
                .map(|n| (n, trigger_for(n)))
                .into();
        app.register(&triggers.iter().map(|(_, t)| t).collect::<Vec<_>>()).await;
        for (n, trigger) in &triggers {
            let answers = app.keda.sync(trigger).await.unwrap();
            let reading = answers.reading();
            for current in [0, n / 2, n * 2] {
                let desired =
                    hpa::desired_replicas(reading.value_milli, reading.target_milli, current);
                assert_eq!(desired, *n, "threshold {threshold}, from {current}: {answers:?}");
            }
        }
    }
}

#[tokio::test]
async fn c14_two_replicas_give_the_same_answers() {
    let week = Trace::working_days(monday(), days(8), 40.0, 11);
    let prometheus = Prometheus::holding(&[week.gauge("demand")]).await;
    let postgres = Postgres::start().await;
    let start = clock_time(monday() + days(7), 6, 0);
    let one = Setup::new(prometheus.address(), start).database(postgres.url());
    let one = one.start().await;
    let two = Setup::new(prometheus.address(), start)
        .database(postgres.url())
        .on(&one.clock)
        .start()
        .await;
    let (ahead, reactive) =
        (trigger("ahead").with("leadTime", "20m"), trigger("reactive").with("mode", "off"));
    for app in [&one, &two] {
        app.register(&[&ahead, &reactive]).await;
    }
    one.history_of(&ahead, monday(), one.now(), 7 * 1440).await;
    // One of them refits, and the other reads what it has made.
    let known = |app: &TestApp| app.workload(&ahead).training_status().forecast_origin.map(drop);
    let either = || async { known(&one).or(known(&two)) };
    eventually(Duration::from_secs(60), "a forecast", either).await;
    let start = one.slot();
    while one.slot() < start + SignedDuration::from_mins(10) {
        TestApp::follow(&[&one, &two], &ahead).await;
    }
    let mut raised = 0;
    for _ in 0..60 {
        TestApp::follow(&[&one, &two], &ahead).await;
        for trigger in [&ahead, &reactive] {
            let (a, b) =
                (one.keda.poll(trigger).await.unwrap(), two.keda.poll(trigger).await.unwrap());
            assert_eq!(a, b, "at {}", one.slot());
        }
        raised += u32::from(two.recommendation(&ahead).decision.parts.forecast.is_some());
    }
    assert_eq!(raised, 60, "both have a forecast all the time");
}

#[tokio::test]
async fn c15_the_forecast_only_ever_adds() {
    let week = Trace::working_days(monday(), days(8), 40.0, 13);
    let prometheus = Prometheus::holding(&[week.gauge("demand")]).await;
    let app = Setup::new(prometheus.address(), clock_time(monday() + days(7), 6, 30)).start().await;
    let (ahead, reactive) =
        (trigger("ahead").with("leadTime", "20m"), trigger("reactive").with("mode", "off"));
    app.register(&[&ahead, &reactive]).await;
    app.history_of(&ahead, monday(), app.now(), 7 * 1440).await;
    app.forecast_installed(&ahead).await;
    let mut above = 0;
    while app.slot() < clock_time(monday() + days(7), 8, 30) {
        app.step().await;
        let live = app.keda.poll(&reactive).await.unwrap();
        let answer = app.keda.poll(&ahead).await.unwrap();
        assert!(
            answer.value >= live.value && answer.active >= live.active,
            "{answer:?} below {live:?}"
        );
        above += usize::from(answer.value > live.value);
    }
    assert!(above > 100, "the forecast was ahead in {above} slots");
}

#[tokio::test]
async fn c38_an_edit_takes_effect_at_the_next_call_and_keeps_the_series() {
    let prometheus =
        Prometheus::holding(&[Trace::constant(monday(), days(1), 20.0).gauge("demand")]).await;
    let start = clock_time(monday(), 12, 0);
    let app = Setup::new(prometheus.address(), start).start().await;
    let before = trigger("llama").with("mode", "off");
    app.register(&[&before]).await;
    app.step_until(app.slot() + SLOT * 20).await;
    let old = app.keda.poll(&before).await.unwrap();
    assert_eq!((old.target, old.value, old.replicas()), (4.0, 20.0, 5));

    let after = before.clone().with("threshold", 8).with(
        "windows",
        "[{name: all, days: \"*\", from: \"00:00\", to: \"00:00\", minReplicas: 4}]",
    );
    let spec = app.keda.metric_spec(&after).await.unwrap();
    assert_eq!(spec.target_size_float, 8.0, "the very next call");
    let new = prewarm_tests::eventually(
        Duration::from_secs(5),
        "a value under the new metadata",
        || async { app.keda.poll(&after).await.ok() },
    )
    .await;
    assert_eq!((new.target, new.value, new.replicas()), (8.0, 32.0, 4));
    assert_eq!(new.metric, old.metric, "the same series");
    assert_eq!(app.registry.len(), 1);
    let history = app.history_of(&after, start, app.now(), 4).await;
    assert_eq!(history[1].mean, 20.0);
}

#[tokio::test]
async fn c41_a_scaled_job_gets_live_demand_only() {
    let week = Trace::working_days(monday(), days(8), 40.0, 17);
    let prometheus = Prometheus::holding(&[week.gauge("demand")]).await;
    let app = Setup::new(prometheus.address(), clock_time(monday() + days(7), 6, 45)).start().await;
    let window = "[{name: all, days: \"*\", from: \"00:00\", to: \"00:00\", minReplicas: 50}]";
    let job =
        trigger("job").with("leadTime", "45m").with("scaledJob", "true").with("windows", window);
    let object = trigger("object").with("leadTime", "45m");
    app.register(&[&job, &object]).await;
    app.history_of(&object, monday(), app.now(), 7 * 1440).await;
    app.forecast_installed(&object).await;
    app.step_until(app.slot() + SLOT * 5).await;
    let demand = prometheus.query("demand", app.slot()).await.unwrap();
    let (job, object) = (app.keda.poll(&job).await.unwrap(), app.keda.poll(&object).await.unwrap());
    assert!(
        (job.value - demand).abs() < 0.000_5,
        "each unit more would be a job: {job:?}, demand is {demand}"
    );
    assert!(object.value > 2.0 * demand, "where the forecast acts: {object:?}");
}

#[tokio::test]
async fn c42_a_clock_that_jumps_does_no_harm() {
    let week = Trace::working_days(monday(), days(8), 40.0, 19);
    let prometheus = Prometheus::holding(&[week.gauge("demand")]).await;
    // PostgreSQL's clock is months away from ours all the time.
    let postgres = Postgres::start().await;
    let start = clock_time(monday() + days(7), 11, 0);
    let setup = Setup::new(prometheus.address(), start)
        .database(postgres.url())
        .slot(SignedDuration::from_secs(1));
    let app = setup.start().await;
    let trigger = trigger("llama").with("leadTime", "10m");
    app.register(&[&trigger]).await;
    app.history_of(&trigger, monday(), app.now(), 7 * 1440).await;
    app.forecast_installed(&trigger).await;
    for hours in [1, -1, -1, 2] {
        app.jump(app.now() + SignedDuration::from_hours(hours)).await;
        for _ in 0..8 {
            let answers = app.keda.poll(&trigger).await.unwrap();
            let demand = prometheus.query("demand", app.slot()).await.unwrap();
            // By day the forecast is a few replicas above demand at most; an hour's mistake at noon
            // shows nothing, so ages and the slot of the forecast are looked at, too.
            assert!(
                answers.active && (0.8 * demand..2.0 * demand).contains(&answers.value),
                "{hours} h: {answers:?}"
            );
            let recommendation = app.recommendation(&trigger);
            assert_eq!(recommendation.at, app.slot(), "{hours} h");
            let age = recommendation.decision.parts.live_age.expect("live demand is known");
            assert!(!age.is_negative() && age < SignedDuration::from_mins(1), "{hours} h: {age}");
            app.step().await;
        }
        let (_, api) = app.http("/api/v1/workloads").await;
        assert!(!api.contains("\"-"), "a negative age or duration in {api}");
    }
}
