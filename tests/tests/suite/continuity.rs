//! Whatever ends a process, its successor vouches for nothing that is lower than what was said
//! before, from the first moment its port answers: a value as high, or `UNAVAILABLE`, which holds.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use jiff::{SignedDuration, Timestamp};
use prewarm::config::Secret;
use prewarm::store::document::{Document, Kind, pack_forecast};
use prewarm::store::{HistoryStore, SeriesKey};
use prewarm_forecaster::Forecast;
use prewarm_tests::eventually;
use prewarm_tests::keda::{Answers, Keda, Trigger};
use prewarm_tests::postgres::Postgres;
use prewarm_tests::proxy::{Fault, Proxy};
use prewarm_tests::serve::Serve;
use tonic::{Code, Status};

const PROGRAM: &str = env!("CARGO_BIN_EXE_prewarm-under-test");

/// What is asked of a process while it is replaced: every few milliseconds, as many times as there
/// are answers.
struct Watch {
    seen: Arc<Mutex<Vec<Result<Answers, Status>>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Watch {
    fn over(address: SocketAddr, trigger: &Trigger) -> Self {
        let seen: Arc<Mutex<Vec<_>>> = Arc::default();
        let (told, trigger, keda) = (seen.clone(), trigger.clone(), Keda::new(address));
        let task = tokio::spawn(async move {
            loop {
                let answer = keda.poll(&trigger).await;
                told.lock().unwrap().push(answer);
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
        });
        Self { seen, task }
    }

    /// Ends; panics if anything was lower than `before`, or said more than that it does not know.
    #[track_caller]
    fn assert_never_below(self, before: &Answers, what: &str, at_least: usize) {
        self.task.abort();
        let seen = self.seen.lock().unwrap();
        let answered = seen.iter().filter(|answer| answer.is_ok()).count();
        for answer in seen.iter() {
            match answer {
                Ok(answers) => assert!(
                    answers.value >= before.value && answers.active == before.active,
                    "{what}: {answers:?} after {before:?}"
                ),
                // A connection that is refused or broken is `UNAVAILABLE`, too; one that is cut in
                // the middle of an answer is `UNKNOWN` or `CANCELLED` to the client.
                Err(status) => assert!(
                    matches!(
                        status.code(),
                        Code::Unavailable | Code::Unknown | Code::Cancelled | Code::Internal
                    ),
                    "{what}: {status}"
                ),
            }
        }
        assert!(answered >= at_least, "{what}: {answered} answers of {}", seen.len());
    }
}

/// Model servers behind one page: `sleeping` has no demand, `steady` 12, `busy` what the test says.
async fn target(busy: Arc<AtomicU64>) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let page = move || {
        let busy = busy.load(Ordering::Relaxed);
        std::future::ready(format!(
            "# TYPE running gauge\nrunning{{model=\"sleeping\"}} 0\nrunning{{model=\"steady\"}} 12\n\
             running{{model=\"busy\"}} {busy}\n"
        ))
    };
    tokio::spawn(
        async move { axum::serve(listener, Router::new().route("/metrics", get(page))).await },
    );
    address
}

fn trigger(model: &str) -> Trigger {
    let query = format!("sum(running{{model=\"{model}\"}})");
    Trigger::new("models", model)
        .with("query", query)
        .with("threshold", 4)
        .with("metricName", "demand")
}

/// Half an hour ahead: it is asked for replicas long before its rise.
fn sleeping() -> Trigger {
    trigger("sleeping").with("leadTime", "30m")
}

fn configuration(database: &str, source: SocketAddr) -> String {
    format!(
        "database = \"{database}\"\nslot = \"1s\"\n[sources.default]\nkind = \"exposition\"\n\
         urls = [\"http://{source}/metrics\"]\ntimeout = \"1s\"\n"
    )
}

/// A selection as the tuner notes it down.
fn selection(policy: &str) -> Document {
    let sums = r#"{"gpuHours":1.0,"missed":0.0,"queued":0.0}"#;
    let reactive = r#"{"kind":"reactive","utilisation":0.8,"scaleDownWindowSeconds":3600}"#;
    let data = format!(
        r#"{{"asOf":"2026-01-01T00:00:00Z","policy":{policy},"bestReactive":{reactive},"why":"earned","days":9,"daysWon":9,
        "gain":1.0,"gainLow":0.5,"gainHigh":1.5,"expected":{sums},"expectedReactive":{sums},"costRatio":30.0}}"#
    );
    Document {
        kind: Kind::Selection,
        at: Timestamp::from_second(1_767_225_600).unwrap(),
        codec: 1,
        data: data.into(),
    }
}

/// What had been learned before: `sleeping` rises to 64 in 25 minutes, `busy` scales down to the
/// most of an hour.
async fn learned(database: &str, now: Timestamp) {
    let store: Arc<dyn HistoryStore> = prewarm::store::open(&Secret::new(database)).await.unwrap();
    let minute = SignedDuration::from_mins(1);
    let origin = now - minute * 5;
    let origin = Timestamp::from_second(origin.as_second() / 60 * 60).unwrap();
    let rows = (0..180).map(|i| vec![if i >= 30 { 64.0 } else { 0.0 }; 3]).collect();
    let forecast =
        pack_forecast(&Forecast::new(origin, minute, vec![0.5, 0.9, 0.99], rows)).unwrap();
    let forecasting = r#"{"kind":"forecast","quantile":0.9,"forecastUtilisation":1.0,"utilisation":1.0,"holdSeconds":600,
        "stabilisationSeconds":600,"drainSeconds":60}"#;
    let reactive = r#"{"kind":"reactive","utilisation":0.8,"scaleDownWindowSeconds":3600}"#;
    store.save_documents(&key("sleeping"), &[forecast, selection(forecasting)]).await.unwrap();
    store.save_documents(&key("busy"), &[selection(reactive)]).await.unwrap();
}

#[expect(
    clippy::disallowed_methods,
    reason = "the process under test lives by the machine's clock"
)]
fn now() -> Timestamp {
    Timestamp::now()
}

/// Whether the checkpoint of a slot after `since` is in the store.
async fn saved(database: &str, trigger: &Trigger, since: Timestamp) -> Option<()> {
    let store = prewarm::store::open(&Secret::new(database)).await.unwrap();
    let checkpoint = store.checkpoint(&key(&trigger.name)).await.unwrap()?;
    (checkpoint.at > since).then_some(())
}

fn key(name: &str) -> SeriesKey {
    SeriesKey { namespace: "models".into(), name: name.into(), metric: "demand".into() }
}

/// Polls until the value is `value`.
async fn reaches(keda: &Keda, trigger: &Trigger, value: f64) -> Answers {
    let what = format!("{} answers {value}", trigger.name);
    eventually(Duration::from_secs(30), &what, || async {
        keda.poll(trigger).await.ok().filter(|answers| (answers.value - value).abs() < 1e-9)
    })
    .await
}

/// When the latest decision about a workload was made.
async fn decided(serve: &Serve, trigger: &Trigger) -> Option<Timestamp> {
    let body =
        serve.body(&format!("/api/v1/workloads/{}/{}", trigger.namespace, trigger.name)).await;
    let body: serde_json::Value = serde_json::from_str(&body).ok()?;
    body["triggers"][0]["latest"]["at"].as_str()?.parse().ok()
}

/// Replaces the process: kill -9, or SIGTERM.
async fn replaced(serve: Serve, configuration: &str, kill: bool) -> Serve {
    let (grpc, http) = (serve.grpc, serve.http);
    if kill {
        drop(serve);
    } else {
        serve.terminate(Duration::from_secs(10)).await;
    }
    Serve::start_at(PROGRAM, configuration, &[], grpc, http).await
}

/// Three workloads over some deaths of the only replica.
async fn deaths(database: &str) {
    let busy = Arc::new(AtomicU64::new(12));
    let configuration = configuration(database, target(busy.clone()).await);
    learned(database, now()).await;
    let mut serve = Serve::start(PROGRAM, &configuration, &[]).await;
    let keda = Keda::new(serve.grpc);
    let triggers = [sleeping(), trigger("steady").with("mode", "off"), trigger("busy")];
    reaches(&keda, &triggers[2], 15.0).await;
    busy.store(3, Ordering::Relaxed);
    // A panic would hide what the sliding maximum holds.
    let before = [
        reaches(&keda, &triggers[0], 64.0).await,
        reaches(&keda, &triggers[1], 12.0).await,
        reaches(&keda, &triggers[2], 15.0).await,
    ];
    // A process that dies within its first second has not saved anything yet.
    let begun = now();
    for trigger in &triggers {
        eventually(Duration::from_secs(20), "a checkpoint", || async {
            saved(database, trigger, begun).await
        })
        .await;
    }
    for kill in [true, false, true] {
        let watches = triggers.each_ref().map(|trigger| Watch::over(serve.grpc, trigger));
        serve = replaced(serve, &configuration, kill).await;
        let begun = now();
        for trigger in &triggers {
            eventually(Duration::from_secs(20), "some slots are decided", || async {
                decided(&serve, trigger)
                    .await
                    .filter(|at| at.duration_since(begun) > SignedDuration::from_secs(2))
            })
            .await;
        }
        for ((watch, before), trigger) in watches.into_iter().zip(&before).zip(&triggers) {
            watch.assert_never_below(before, &format!("{}, kill: {kill}", trigger.name), 20);
        }
        // What holds `busy` is the sliding maximum, and not a window of its own that has not
        // passed.
        let after = keda.poll(&triggers[2]).await.unwrap();
        assert_eq!(after.value, 15.0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_false_zero_over_deaths_on_postgres() {
    let postgres = Postgres::start().await;
    deaths(&postgres.url()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_false_zero_over_deaths_on_sqlite() {
    let dir = tempfile::tempdir().unwrap();
    deaths(&format!("sqlite://{}", dir.path().join("prewarm.db").display())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_slow_at_the_start_is_waited_for() {
    let busy = Arc::new(AtomicU64::new(12));
    let postgres = Postgres::start().await;
    let proxy = Proxy::before(postgres.address()).await;
    let database = postgres.url_through(proxy.address());
    let configuration = configuration(&database, target(busy).await);
    learned(&postgres.url(), now()).await;
    let serve = Serve::start(PROGRAM, &configuration, &[]).await;
    let keda = Keda::new(serve.grpc);
    let before = reaches(&keda, &sleeping(), 64.0).await;

    let watch = Watch::over(serve.grpc, &sleeping());
    proxy.set(Fault::Slow(Duration::from_secs(3))).await;
    let asked = proxy.asked();
    let serve = replaced(serve, &configuration, true).await;
    eventually(Duration::from_secs(20), "the store is asked", || async {
        (proxy.asked() > asked + 3).then_some(())
    })
    .await;
    assert_eq!(serve.status("/readyz").await, 503, "what was known is not there yet");
    let held = keda.poll(&sleeping()).await.unwrap_err();
    assert_eq!(held.code(), Code::Unavailable, "{held}");

    proxy.set(Fault::Pass).await;
    reaches(&keda, &sleeping(), 64.0).await;
    eventually(Duration::from_secs(20), "ready", || async {
        (serve.status("/readyz").await == 200).then_some(())
    })
    .await;
    watch.assert_never_below(&before, "slow store", 1);

    // One that was never seen is answered soon, as the store knows nothing of it: the second slot
    // confirms the first.
    let new = trigger("steady").with("metricName", "other").with("mode", "off");
    tokio::time::timeout(Duration::from_secs(10), reaches(&keda, &new, 12.0))
        .await
        .expect("promptly");
}

/// Who refits the workload, as the database has it.
async fn refits(connection: &mut sqlx::PgConnection) -> Option<String> {
    let holder =
        "SELECT holder FROM leases JOIN series ON series.id = leases.series_id WHERE name = 'busy'";
    sqlx::query_scalar(holder).fetch_optional(connection).await.unwrap()
}

/// Replicas that have given a sign of life.
async fn living(connection: &mut sqlx::PgConnection) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM replicas").fetch_one(connection).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_replica_refitted_is_taken_over_within_half_a_minute() {
    let postgres = Postgres::start().await;
    let configuration = configuration(&postgres.url(), target(Arc::new(AtomicU64::new(12))).await);
    let mut connection = postgres.connect().await;
    let first = Serve::start(PROGRAM, &configuration, &[]).await;
    reaches(&Keda::new(first.grpc), &trigger("busy"), 12.0).await;
    while refits(&mut connection).await.is_none() || living(&mut connection).await < 1 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let holder = refits(&mut connection).await;
    let second = Serve::start(PROGRAM, &configuration, &[]).await;
    reaches(&Keda::new(second.grpc), &trigger("busy"), 12.0).await;
    // It has asked who refits, and reads.
    while living(&mut connection).await < 2
        || !second.body("/metrics").await.contains("outcome=\"recalled\"} 2")
    {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(refits(&mut connection).await, holder, "it lives, and keeps it");
    drop(first);
    let begun = std::time::Instant::now();
    while refits(&mut connection).await == holder {
        assert!(begun.elapsed() < Duration::from_secs(30), "not taken over yet");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_lowers_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", dir.path().join("prewarm.db").display());
    let configuration = configuration(&database, target(Arc::new(AtomicU64::new(12))).await);
    learned(&database, now()).await;
    let serve = Serve::start(PROGRAM, &configuration, &[]).await;
    let keda = Keda::new(serve.grpc);
    let before = reaches(&keda, &sleeping(), 64.0).await;
    for edit in 0..6 {
        let edited = sleeping().with("keepWarm", format!("{}m", 11 + edit));
        let begun = now();
        let mut polls = 0;
        while decided(&serve, &edited).await.is_none_or(|at| at < begun) || polls < 10 {
            let answers = keda.poll(&edited).await.unwrap();
            assert!(answers.active && answers.value >= before.value, "edit {edit}: {answers:?}");
            polls += 1;
        }
    }
}
