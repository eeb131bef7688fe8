//! Dependencies that are stopped, hang or talk nonsense: answers go on from memory, nothing is
//! lost.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use prewarm::clock::floor;
use prewarm::store::Resolution;
use prewarm_tests::app::{SLOT, Setup, TestApp};
use prewarm_tests::eventually;
use prewarm_tests::keda::{Answers, Trigger};
use prewarm_tests::postgres::Postgres;
use prewarm_tests::prometheus::Prometheus;
use prewarm_tests::proxy::{Fault, Proxy};
use prewarm_tests::trace::{Trace, clock_time, days, monday};

const QUERY: &str = "demand";
const FAULTS: [Fault; 4] =
    [Fault::Stop, Fault::Hang, Fault::Garbage, Fault::Slow(Duration::from_secs(3))];

async fn prometheus() -> Prometheus {
    Prometheus::holding(&[Trace::working_days(monday(), days(1), 40.0, 5).gauge(QUERY)]).await
}

fn trigger() -> Trigger {
    Trigger::new("models", "llama").with("query", QUERY).with("threshold", 4).with("mode", "off")
}

/// A poll that must succeed within the second that every call has.
async fn prompt_poll(app: &TestApp, trigger: &Trigger, fault: Fault) -> Answers {
    let begun = Instant::now();
    let answers =
        app.keda.poll(trigger).await.unwrap_or_else(|status| panic!("{fault:?}: {status}"));
    assert!(
        begun.elapsed() < Duration::from_secs(1),
        "{fault:?}: three calls took {:?}",
        begun.elapsed()
    );
    answers
}

#[tokio::test]
async fn prometheus_in_trouble_is_not_zero_demand() {
    let prometheus = prometheus().await;
    let proxy = Proxy::before(prometheus.address()).await;
    let app = Setup::new(proxy.address(), clock_time(monday(), 12, 0)).impatient().start().await;
    let trigger = trigger();
    app.register(&[&trigger]).await;
    for fault in FAULTS {
        app.step_until(app.slot() + SLOT * 5).await;
        let before = prompt_poll(&app, &trigger, Fault::Pass).await;
        assert!(before.value > 30.0);

        proxy.set(fault).await;
        for _ in 0..4 {
            app.step().await;
            let answers = prompt_poll(&app, &trigger, fault).await;
            assert!(
                answers.active && answers.value > 0.9 * before.value,
                "{fault:?}: {answers:?} after {before:?}"
            );
        }

        proxy.set(Fault::Pass).await;
        app.step().await;
        app.step().await;
        let observed = app.recommendation(&trigger).decision.parts.observed;
        assert_eq!(
            observed,
            prometheus.query(QUERY, app.slot()).await,
            "{fault:?}: recovered without a restart"
        );
    }
}

#[tokio::test]
async fn postgres_in_trouble_loses_nothing() {
    let prometheus = prometheus().await;
    let postgres = Postgres::start().await;
    let proxy = Proxy::before(postgres.address()).await;
    let start = clock_time(monday(), 8, 0);
    let url = postgres.url_through(proxy.address());
    let mut app = Setup::new(prometheus.address(), start).database(url).start().await;
    let trigger = trigger();
    app.register(&[&trigger]).await;
    let mut sampled = Sampled::default();
    for fault in FAULTS {
        for (fault, slots) in [(Fault::Pass, 8), (fault, 12)] {
            proxy.set(fault).await;
            for _ in 0..slots {
                app.step().await;
                prompt_poll(&app, &trigger, fault).await;
                sampled.note(app.slot(), app.recommendation(&trigger).decision.parts.observed);
            }
            assert_eq!(
                app.http("/readyz").await.0,
                200,
                "{fault:?}: an outage of the store is survived from memory"
            );
        }
    }
    proxy.set(Fault::Pass).await;
    let end = app.slot();
    let key = app.workload(&trigger).key().clone();
    // The last minute is written on the way out.
    app.stop().await;
    let history =
        app.reopened_store().await.load(&key, start, end, Resolution::Minute).await.unwrap();
    sampled.assert_stored(&history);
}

#[tokio::test]
async fn both_servers_are_killed_and_come_back() {
    let mut prometheus = prometheus().await;
    let mut postgres = Postgres::start().await;
    let start = clock_time(monday(), 12, 0);
    let app =
        Setup::new(prometheus.address(), start).database(postgres.url()).impatient().start().await;
    let trigger = trigger();
    app.register(&[&trigger]).await;
    app.step_until(app.slot() + SLOT * 8).await;
    let before = prompt_poll(&app, &trigger, Fault::Pass).await;

    prometheus.stop();
    postgres.stop();
    for _ in 0..8 {
        app.step().await;
        let answers = prompt_poll(&app, &trigger, Fault::Stop).await;
        assert!(answers.value > 0.9 * before.value, "{answers:?} after {before:?}");
    }

    prometheus.restart().await;
    postgres.restart().await;
    prometheus.freeze();
    postgres.freeze();
    for _ in 0..4 {
        app.step().await;
        prompt_poll(&app, &trigger, Fault::Hang).await;
    }
    prometheus.thaw();
    postgres.thaw();
    let mut sampled = Sampled::default();
    for _ in 0..12 {
        app.step().await;
        sampled.note(app.slot(), app.recommendation(&trigger).decision.parts.observed);
    }
    assert_eq!(sampled.0.len(), 12, "every slot after the recovery was sampled");
    let key = app.workload(&trigger).key().clone();
    eventually(Duration::from_secs(20), "rows from before and after the outage", || async {
        let rows = app.store.load(&key, start, app.now(), Resolution::Minute).await.ok()?;
        let at = |t: Timestamp| rows.iter().any(|row| row.start == t);
        (at(start)
            && at(start + SignedDuration::from_mins(1))
            && rows.last()?.start > start + SignedDuration::from_mins(5))
        .then_some(())
    })
    .await;
}

/// What the service observed, slot by slot.
#[derive(Debug, Default)]
struct Sampled(BTreeMap<Timestamp, f64>);

impl Sampled {
    fn note(&mut self, slot: Timestamp, observed: Option<f64>) {
        self.0.insert(slot, observed.expect("Prometheus is well"));
    }

    /// Each minute is stored with the mean and the maximum of its samples.
    #[track_caller]
    fn assert_stored(&self, history: &[prewarm_forecaster::Minute]) {
        let mut minutes: BTreeMap<Timestamp, Vec<f64>> = BTreeMap::new();
        for (slot, value) in &self.0 {
            minutes.entry(floor(*slot, SignedDuration::from_mins(1))).or_default().push(*value);
        }
        // The first minute also has the sample of the registration, the last one is still open.
        for (start, values) in minutes.iter().skip(1).filter(|(_, values)| values.len() == 4) {
            let row = history
                .iter()
                .find(|row| row.start == *start)
                .unwrap_or_else(|| panic!("{start} is lost"));
            assert_eq!(usize::from(row.samples), values.len(), "{start}");
            let max = values.iter().copied().fold(0.0, f64::max);
            let seen =
                prewarm_forecaster::Minute { mean: values.iter().sum::<f64>() / 4.0, max, ..*row }
                    .rounded();
            assert!((row.mean - seen.mean).abs() < 1e-9, "{start}: {row:?} {values:?}");
            assert_eq!(row.max, seen.max, "{start}");
        }
        assert!(minutes.len() > 15, "{} minutes", minutes.len());
    }
}
