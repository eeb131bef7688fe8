//! The load of a large installation. It means something in an optimized build: `cargo test
//! --profile fuzz -p prewarm-tests --test load`.

#![expect(clippy::unwrap_used, reason = "a test's support may")]

use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::future::join_all;
use prewarm_tests::app::{Setup, TestApp};
use prewarm_tests::keda::{Keda, MetricSpec, Trigger};
use prewarm_tests::postgres::Postgres;
use prewarm_tests::prometheus::Prometheus;
use prewarm_tests::proxy::Proxy;
use prewarm_tests::trace::{Trace, clock_time, days, monday};

const OBJECTS: usize = 1000;

fn triggers() -> Vec<Trigger> {
    (0..OBJECTS)
        .map(|i| {
            let name = format!("model-{i:04}");
            Trigger::new("models", &name)
                .with("query", format!("demand * {i}"))
                .with("threshold", 4)
                .with("mode", "off")
        })
        .collect()
}

/// A service on PostgreSQL that knows every trigger.
async fn installation(triggers: &[Trigger]) -> (Prometheus, Postgres, Proxy, TestApp) {
    let prometheus =
        Prometheus::holding(&[Trace::constant(monday(), days(1), 2.0).gauge("demand")]).await;
    let postgres = Postgres::start().await;
    let proxy = Proxy::before(postgres.address()).await;
    let setup = Setup::new(prometheus.address(), clock_time(monday(), 12, 0));
    let app = setup.database(postgres.url_through(proxy.address())).start().await;
    app.register(&triggers.iter().collect::<Vec<_>>()).await;
    // Of a thousand that are new at once some find no time to ask for the slot before: a first
    // sample above one replica then waits for the next slot to confirm it.
    app.step().await;
    app.step().await;
    (prometheus, postgres, proxy, app)
}

/// Waits until next to nothing is asked of the database for a second, half a minute at most: what
/// a thousand new workloads write is no question of a call.
async fn quiet(proxy: &Proxy) {
    for _ in 0..30 {
        let before = proxy.asked();
        tokio::time::sleep(Duration::from_secs(1)).await;
        if proxy.asked() - before < 5 {
            return;
        }
    }
}

/// One poll whose calls are timed one by one.
async fn timed_poll(keda: &Keda, trigger: &Trigger) -> Vec<Duration> {
    let begun = Instant::now();
    let spec: MetricSpec = keda.metric_spec(trigger).await.unwrap();
    let spec_took = begun.elapsed();
    let begun = Instant::now();
    keda.metrics_and_activity(trigger, &spec, None).await.unwrap();
    // Two calls, one after the other: each took half.
    vec![spec_took, begun.elapsed() / 2, begun.elapsed() / 2]
}

/// One of the HPA's workers.
async fn one_by_one(keda: &Keda, share: &[Trigger]) -> Vec<Duration> {
    let mut took = Vec::new();
    for trigger in share {
        took.extend(timed_poll(keda, trigger).await);
    }
    took
}

fn percentile(sorted: &[Duration], p: f64) -> Duration {
    sorted[((sorted.len() - 1) as f64 * p) as usize]
}

#[tokio::test(flavor = "multi_thread")]
async fn c31_a_thousand_scaled_objects_in_kedas_rhythm() {
    let triggers = triggers();
    let (_prometheus, _postgres, _proxy, app) = installation(&triggers).await;
    // KEDA's loops start together and have no jitter: a burst of 3000 calls each 30 s. The HPA's
    // calls come from five workers, twice in that time. Two rounds, without the pauses between
    // them.
    let mut took = Vec::new();
    for _ in 0..2 {
        for worker in join_all(triggers.iter().map(|trigger| timed_poll(&app.keda, trigger))).await
        {
            took.extend(worker);
        }
        for _ in 0..2 {
            let workers = triggers.chunks(OBJECTS / 5).map(|share| one_by_one(&app.keda, share));
            took.extend(join_all(workers).await.into_iter().flatten());
        }
    }
    took.sort_unstable();
    let (p50, p99) = (percentile(&took, 0.5), percentile(&took, 0.99));
    println!("{} calls: p50 {p50:?}, p99 {p99:?}, longest {:?}", took.len(), took[took.len() - 1]);
    // The targets (2 ms, 50 ms) are for `cargo bench -p prewarm --bench get_metrics`: client and
    // server share this machine with whatever else runs. A call that waited for the network, the
    // database or a lock would be far beyond these.
    assert!(p50 < Duration::from_millis(20), "p50 {p50:?}");
    assert!(p99 < Duration::from_millis(500), "p99 {p99:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn c32_an_operators_restart_is_absorbed_without_a_query_per_call() {
    let triggers = triggers();
    let (_prometheus, _postgres, proxy, app) = installation(&triggers).await;
    app.store.ping().await.unwrap();
    quiet(&proxy).await;
    let before = proxy.asked();
    assert!(before > 0, "the store is reached through the proxy");
    let begun = Instant::now();
    // Reconcile: a spec each; the first poll: three calls each; the push streams: two each.
    join_all(triggers.iter().map(|trigger| async {
        app.keda.metric_spec(trigger).await.unwrap();
        app.keda.poll(trigger).await.unwrap();
    }))
    .await;
    let streams = join_all(triggers.iter().map(|trigger| async {
        let mut active = app.keda.push(trigger).await.unwrap();
        let mut specs =
            app.keda.client().stream_metric_spec(trigger.reference()).await.unwrap().into_inner();
        assert_eq!(specs.next().await.unwrap().unwrap().metric_specs.len(), 1);
        // The first trigger's demand is nothing.
        if !trigger.name.ends_with("0000") {
            assert!(active.next().await.unwrap().unwrap().result);
        }
        (active, specs)
    }))
    .await;
    let took = begun.elapsed();
    let questions = proxy.asked() - before;
    println!(
        "{} calls and {} streams in {took:?}; {questions} questions to the database",
        4 * OBJECTS,
        2 * streams.len()
    );
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert!(
        questions < OBJECTS / 10,
        "{questions} questions to the database for {} calls",
        6 * OBJECTS
    );
}
