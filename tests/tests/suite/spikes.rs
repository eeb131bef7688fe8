//! What one slot says alone, from the source to the answer, the history, the metrics and the
//! explanation.

use jiff::SignedDuration;
use prewarm::store::Resolution;
use prewarm_tests::app::{SLOT, Setup};
use prewarm_tests::keda::Trigger;
use prewarm_tests::prometheus::Prometheus;
use prewarm_tests::trace::{Trace, clock_time, days, monday};

/// One bad scrape of 1e12 where 10 is usual, then a spike of 400 that stays.
#[tokio::test]
async fn one_bad_scrape_floods_nothing_and_a_spike_waits_for_one_slot() {
    let noon = clock_time(monday(), 12, 0);
    let (bad, spike) =
        (noon + SignedDuration::from_mins(5) + SLOT, noon + SignedDuration::from_mins(10));
    let trace = Trace::new(monday(), days(1), SLOT, |t| match t {
        t if t == bad => 1e12,
        t if t >= spike => 400.0,
        _ => 10.0,
    });
    let prometheus = Prometheus::holding(&[trace.gauge("demand")]).await;
    let app = Setup::new(prometheus.address(), noon).start().await;
    let trigger = Trigger::new("models", "spiky").with("query", "demand").with("threshold", 4);
    app.register(&[&trigger]).await;
    let value = async || app.keda.poll(&trigger).await.unwrap().value;
    assert_eq!(value().await, 10.0, "the slot before confirms the first sample");

    app.step_until(bad).await;
    assert_eq!(app.recommendation(&trigger).decision.parts.observed, Some(1e12));
    assert_eq!(value().await, 40.0);
    let told = app.explained(&trigger).await.latest.unwrap().parts.doubts;
    assert_eq!(
        told.iter().map(|doubt| (&*doubt.signal, &*doubt.verdict)).collect::<Vec<_>>(),
        [("demand", "held")]
    );
    app.step().await;
    assert_eq!(value().await, 10.0, "not repeated");
    let told = app.explained(&trigger).await.latest.unwrap().parts.doubts;
    assert_eq!(told[0].earlier.as_deref(), Some("rejected"));

    app.step_until(spike).await;
    assert_eq!(value().await, 40.0);
    app.step().await;
    assert_eq!(value().await, 400.0, "followed at once");
    let count = async |outcome: &str| {
        app.metric(
            "prewarm_implausible_samples_total",
            &["signal=\"demand\"", &format!("outcome=\"{outcome}\"")],
        )
        .await
    };
    assert_eq!(
        [count("held").await, count("rejected").await, count("confirmed").await],
        [Some(2.0), Some(1.0), Some(1.0)]
    );

    // Not learned either: the bad scrape's minute has three samples of four, the spike's has all.
    app.step_until(spike + SignedDuration::from_mins(2)).await;
    let key = app.workload(&trigger).key().clone();
    let minute = SignedDuration::from_mins(1);
    let stored = async |at: jiff::Timestamp| {
        prewarm_tests::eventually(
            std::time::Duration::from_secs(10),
            "the minute is stored",
            || async {
                app.store
                    .load(&key, at, at + minute, Resolution::Minute)
                    .await
                    .unwrap()
                    .first()
                    .copied()
            },
        )
        .await
    };
    let of_bad = stored(bad - SLOT).await;
    assert_eq!((of_bad.max, of_bad.samples), (10.0, 3));
    let of_spike = stored(spike).await;
    assert_eq!((of_spike.mean, of_spike.samples), (400.0, 4));
}
