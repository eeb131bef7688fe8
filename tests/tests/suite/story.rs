//! A real Prometheus that holds a week: register by one `GetMetricSpec`, backfill, answer in the
//! demand's unit.

use jiff::SignedDuration;
use prewarm_tests::app::{SLOT, Setup};
use prewarm_tests::keda::Trigger;
use prewarm_tests::prometheus::Prometheus;
use prewarm_tests::trace::{Trace, clock_time, days, monday};

const GAUGE: &str = "sum(demand{service=\"llm\"})";
const COUNTER: &str = "sum(rate(requests_total{service=\"llm\"}[1m]))";

/// A week of working days and the Monday after it.
async fn week() -> Prometheus {
    let week = Trace::working_days(monday(), days(8), 40.0, 3);
    let noise = Trace::constant(monday(), days(8), 1e6);
    Prometheus::holding(&[
        week.clone().gauge("demand{service=\"llm\"}"),
        noise.gauge("demand{service=\"other\"}"),
        week.counter("requests_total{service=\"llm\"}"),
    ])
    .await
}

fn trigger(name: &str, query: &str) -> Trigger {
    Trigger::new("models", name).with("query", query).with("threshold", 4)
}

#[tokio::test]
async fn one_spec_is_enough_for_demand_within_a_slot() {
    let prometheus = week().await;
    let app = Setup::new(prometheus.address(), clock_time(monday() + days(7), 12, 0)).start().await;
    for (name, query) in [("gauge", GAUGE), ("counter", COUNTER)] {
        let trigger = trigger(name, query).with("mode", "off");
        let spec = app.keda.metric_spec(&trigger).await.unwrap();
        assert_eq!((spec.target_size, spec.target_size_float), (4, 4.0));
        // The clock does not move: the answer belongs to this very slot.
        app.decided().await;
        let answers = app.keda.poll(&trigger).await.unwrap();
        let truth = prometheus.query(query, app.slot()).await.unwrap();
        assert!((35.0..45.0).contains(&truth), "noon: {truth}");
        assert_thousandths(answers.value, truth);
        assert!(answers.active);
    }
}

#[tokio::test]
async fn the_value_is_what_prometheus_says_of_the_last_minute() {
    let prometheus = week().await;
    let app = Setup::new(prometheus.address(), clock_time(monday() + days(7), 7, 50)).start().await;
    let (gauge, counter) = (
        trigger("gauge", GAUGE).with("mode", "off"),
        trigger("counter", COUNTER).with("mode", "off"),
    );
    app.register(&[&gauge, &counter]).await;
    // The stable window of 60 s is four slots: a subquery's range includes both ends.
    app.step_until(app.slot() + SLOT * 4).await;
    for _ in 0..20 {
        app.step().await;
        for (trigger, query) in [(&gauge, GAUGE), (&counter, COUNTER)] {
            let answers = app.keda.sync(trigger).await.unwrap();
            let mean = format!("avg_over_time({query}[45s:15s])");
            assert_thousandths(answers.value, prometheus.query(&mean, app.slot()).await.unwrap());
        }
    }
}

#[tokio::test]
async fn the_week_is_in_the_store_soon_after_registration() {
    let prometheus = week().await;
    let now = clock_time(monday() + days(7), 6, 0);
    let app = Setup::new(prometheus.address(), now).start().await;
    let trigger = trigger("llama", GAUGE);
    app.register(&[&trigger]).await;

    let whole = (now.duration_since(monday()).as_secs() / 60) as usize;
    let history = app.history_of(&trigger, monday() - days(1), now, whole - 1).await;
    assert!(history[0].start >= monday(), "nothing is known before the trace");
    for minute in history.iter().step_by(97) {
        let truth = prometheus.query(GAUGE, minute.start).await.unwrap();
        assert_thousandths(minute.mean, truth);
    }
}

#[tokio::test]
async fn the_forecast_raises_the_value_ahead_of_the_ramp() {
    let prometheus = week().await;
    // The ramp begins at 07:00. A quarter of an hour before, demand is flat.
    let app = Setup::new(prometheus.address(), clock_time(monday() + days(7), 6, 40)).start().await;
    let ahead =
        |name: &str, mode: &str| trigger(name, GAUGE).with("leadTime", "45m").with("mode", mode);
    let (auto, shadow, off) =
        (ahead("auto", "auto"), ahead("shadow", "shadow"), ahead("off", "off"));
    app.register(&[&auto, &shadow, &off]).await;
    app.history_of(&auto, monday(), app.now(), 7 * 1440).await;
    app.history_of(&shadow, monday(), app.now(), 7 * 1440).await;
    app.forecast_installed(&auto).await;
    app.forecast_installed(&shadow).await;
    app.step_until(app.slot() + SLOT * 4).await;

    let live = app.keda.poll(&off).await.unwrap();
    let raised = app.keda.poll(&auto).await.unwrap();
    let in_three_quarters = prometheus
        .query(GAUGE, app.slot() + SignedDuration::from_mins(45) - days(7))
        .await
        .unwrap();
    assert!(
        in_three_quarters > 1.5 * live.value,
        "the trace ramps: {in_three_quarters} against {}",
        live.value
    );
    assert!(
        raised.value >= in_three_quarters * 0.9,
        "ready for it: {raised:?} against {in_three_quarters}"
    );
    assert_eq!(
        raised.reading().value_milli % raised.reading().target_milli,
        0,
        "whole replicas: {raised:?}"
    );

    let shadowed = app.keda.poll(&shadow).await.unwrap();
    assert_thousandths(shadowed.value, live.value);
    let would = app.recommendation(&shadow).decision.parts.would_value;
    // Fitted at another time of day, its models differ a little.
    let would = would.expect("shadow mode records what auto would do");
    assert!(
        would >= in_three_quarters * 0.9 && would % 4.0 == 0.0,
        "{would} against {in_three_quarters}"
    );
}

/// Equal to three decimals: what a Kubernetes quantity keeps.
#[track_caller]
fn assert_thousandths(value: f64, truth: f64) {
    assert!((value - truth).abs() < 0.000_5 + truth.abs() * 1e-12, "{value} is not {truth}");
}
