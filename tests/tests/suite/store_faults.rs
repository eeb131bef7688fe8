//! What is done to a database from outside: it is noticed, said, mended, and answers go on.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use prewarm::clock::{Clock as _, SystemClock};
use prewarm::config::Secret;
use prewarm::store::{HistoryStore, Resolution, Row, SeriesKey};
use prewarm_forecaster::Minute;
use prewarm_tests::eventually;
use prewarm_tests::keda::{Keda, Trigger};
use prewarm_tests::postgres::Postgres;
use prewarm_tests::process::{self, Signal};
use prewarm_tests::prometheus::Prometheus;
use prewarm_tests::proxy::{Fault, Proxy};
use prewarm_tests::serve::Serve;
use sqlx::{Connection, PgConnection};

use super::process::target;

const PROGRAM: &str = env!("CARGO_BIN_EXE_prewarm-under-test");
const SOON: Duration = Duration::from_secs(30);

/// A place for a service's files, and what its configuration says.
struct Place {
    directory: tempfile::TempDir,
    source: SocketAddr,
}

impl Place {
    fn new(prometheus: &Prometheus) -> Self {
        Self { directory: tempfile::tempdir().unwrap(), source: prometheus.address() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    async fn start(&self, database: &str, more: &str) -> Serve {
        self.start_program(PROGRAM, database, more).await
    }

    async fn start_program(&self, program: &str, database: &str, more: &str) -> Serve {
        let spill = self.path("spill");
        let (source, spill) = (self.source, spill.display());
        let text = format!(
            "database = \"{database}\"\nslot = \"1s\"\nspillDirectory = \"{spill}\"\n{more}\n\
             [sources.default]\nkind = \"prometheus\"\nurl = \"http://{source}\"\ntimeout = \"1s\"\n"
        );
        Serve::start(program, &text, &[]).await
    }
}

fn sqlite(file: &Path) -> String {
    format!("sqlite://{}", file.display())
}

fn trigger(name: &str) -> Trigger {
    Trigger::new("models", name)
        .with("query", "sum(running)")
        .with("threshold", 4)
        .with("mode", "off")
}

async fn prometheus() -> Prometheus {
    Prometheus::scraping("vllm", target().await, Duration::from_millis(500)).await
}

/// Thirty, as the target says, in time and by unary calls.
async fn answers(serve: &Serve, name: &str) {
    let keda = Keda::new(serve.grpc);
    let trigger = trigger(name);
    let answers = eventually(SOON, "a value", || async { keda.poll(&trigger).await.ok() }).await;
    assert_eq!((answers.value, answers.active), (30.0, true), "{name}");
}

async fn is_ready(serve: &Serve) -> String {
    eventually(SOON, "ready", || async {
        let text = serve.body("/readyz").await;
        text.starts_with("ready").then_some(text)
    })
    .await
}

async fn all_is_well(serve: &Serve) {
    eventually(SOON, "the notice ends", || async {
        (serve.body("/readyz").await == "ready\n").then_some(())
    })
    .await;
}

/// Waits for a line of its log.
async fn says(serve: &Serve, text: &str) {
    let until = tokio::time::Instant::now() + SOON;
    while !serve.log().contains(text) {
        assert!(tokio::time::Instant::now() < until, "not said: {text}\n{}", serve.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A series that was there before, with an hour of minutes.
async fn filled(url: &str) -> (Arc<SeriesKey>, Vec<Row>) {
    let key = Arc::new(SeriesKey {
        namespace: "models".into(),
        name: "before".into(),
        metric: "demand".into(),
    });
    let start: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
    let minute = |n: i32| Minute {
        start: start + jiff::SignedDuration::from_mins(i64::from(n)),
        mean: f64::from(n),
        max: f64::from(n) + 1.0,
        backlog: None,
        samples: 4,
    };
    let rows: Vec<Row> = (0..60).map(|n| Row { key: key.clone(), minute: minute(n) }).collect();
    let store = prewarm::store::open(&Secret::new(url)).await.unwrap();
    store.append(&rows).await.unwrap();
    drop(store);
    // Everything from the journal into the file.
    let mut connection = sqlx::SqliteConnection::connect(url).await.unwrap();
    sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    (key, rows)
}

async fn kept(store: &dyn HistoryStore, key: &SeriesKey) -> usize {
    let (from, to) = (Timestamp::UNIX_EPOCH, SystemClock.now());
    store.load(key, from, to, Resolution::Minute).await.map_or(0, |rows| rows.len())
}

/// Overwrites everything but the first page.
fn damage(file: &Path) {
    let mut bytes = std::fs::read(file).unwrap();
    let from = bytes.len().min(4096);
    bytes[from..].iter_mut().for_each(|byte| *byte ^= 0xa5);
    let file = std::fs::OpenOptions::new().write(true).open(file).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, &bytes[from..], from as u64).unwrap();
}

#[tokio::test]
async fn a_sqlite_file_of_no_use_does_not_end_the_service() {
    let prometheus = prometheus().await;
    let place = Place::new(&prometheus);
    let sound = place.path("sound.db");
    filled(&sqlite(&sound)).await;
    let bytes = std::fs::read(&sound).unwrap();

    // What is there, and whether it is moved away (or else left, and history is in memory).
    let kinds: [(&str, bool); 6] = [
        ("text", true),
        ("truncated", true),
        ("flipped", true),
        ("directory", false),
        ("missing/directory", false),
        ("of-another-program", false),
    ];
    for (kind, aside) in kinds {
        let file = place.path(kind);
        match kind {
            "text" => {
                std::fs::write(&file, "not a database at all, and longer than a header ".repeat(99))
                    .unwrap()
            }
            "truncated" => std::fs::write(&file, &bytes[..bytes.len() / 2 + 100]).unwrap(),
            "flipped" => {
                std::fs::write(&file, &bytes).unwrap();
                damage(&file);
            }
            "directory" => std::fs::create_dir(&file).unwrap(),
            "of-another-program" => {
                let script = "CREATE TABLE series (other TEXT); CREATE TABLE minutes (other TEXT);";
                let options = sqlx::sqlite::SqliteConnectOptions::new()
                    .filename(&file)
                    .create_if_missing(true);
                let mut connection = sqlx::ConnectOptions::connect(&options).await.unwrap();
                sqlx::raw_sql(script).execute(&mut connection).await.unwrap();
                connection.close().await.unwrap();
            }
            _ => {}
        }
        let serve = place.start(&sqlite(&file), "").await;
        answers(&serve, "llama").await;
        let ready = is_ready(&serve).await;
        let named = file.display().to_string();
        assert!(ready.contains("degraded: store") && ready.contains(&named), "{kind}: {ready}");
        let metrics = serve.body("/metrics").await;
        assert!(metrics.contains("prewarm_degraded{what=\"store\"} 1"), "{kind}: {metrics}");
        let moved = place.path(&format!("{kind}.damaged-1"));
        assert_eq!(moved.is_file(), aside, "{kind}: {}", serve.log());
        assert_eq!(ready.contains("in memory"), !aside, "{kind}: {ready}");
        if kind == "directory" {
            // Mended by hand: what memory holds goes into the file.
            std::fs::remove_dir(&file).unwrap();
            says(&serve, "history goes from memory into the file").await;
            all_is_well(&serve).await;
        }
        serve.terminate(Duration::from_secs(10)).await;
    }
}

#[tokio::test]
async fn a_sqlite_file_that_is_deleted_or_damaged_while_in_use_is_begun_anew() {
    let prometheus = prometheus().await;
    let place = Place::new(&prometheus);
    let file = place.path("history.db");
    let url = sqlite(&file);
    let (key, rows) = filled(&url).await;
    let serve = place.start(&url, "").await;
    answers(&serve, "one").await;
    is_ready(&serve).await;

    for end in ["", "-wal", "-shm"] {
        std::fs::remove_file(format!("{}{end}", file.display())).unwrap();
    }
    answers(&serve, "two").await;
    says(&serve, "written anew, nothing is lost").await;
    answers(&serve, "three").await;
    let store = prewarm::store::open(&Secret::new(&*url)).await.unwrap();
    assert_eq!(kept(&*store, &key).await, rows.len(), "what the deleted file held");
    drop(store);

    damage(&file);
    answers(&serve, "four").await;
    says(&serve, "set aside as").await;
    let aside = place.path("history.db.damaged-1");
    assert!(aside.is_file());
    let named = aside.display().to_string();
    eventually(SOON, "named", || async {
        serve.body("/readyz").await.contains(&named).then_some(())
    })
    .await;
    answers(&serve, "five").await;
    // The new one is written to: checkpoints of what is followed.
    eventually(SOON, "checkpoints in the new file", || async {
        let store = prewarm::store::open(&Secret::new(&*url)).await.ok()?;
        let key = SeriesKey {
            namespace: "models".into(),
            name: "five".into(),
            metric: prewarm_metric(&serve).await,
        };
        store.checkpoint(&key).await.ok()?.map(drop)
    })
    .await;
    std::fs::remove_file(&aside).unwrap();
    all_is_well(&serve).await;
    serve.terminate(Duration::from_secs(10)).await;
}

/// The metric's name of the triggers here.
async fn prewarm_metric(serve: &Serve) -> String {
    let spec = Keda::new(serve.grpc).metric_spec(&trigger("five")).await.unwrap();
    spec.metric_name
}

#[tokio::test]
async fn after_a_full_disk_sqlite_is_written_again() {
    let prometheus = prometheus().await;
    let place = Place::new(&prometheus);
    let file = place.path("history.db");
    // No file may grow beyond a limit (EFBIG), which stands for a full disk and needs no root.
    let wrapper = place.path("prewarm");
    std::fs::write(
        &wrapper,
        format!("#!/bin/sh\nexec env --ignore-signal=XFSZ {PROGRAM} \"$@\"\n"),
    )
    .unwrap();
    process::run(Command::new("chmod").arg("+x").arg(&wrapper));
    let serve = place.start_program(wrapper.to_str().unwrap(), &sqlite(&file), "").await;
    answers(&serve, "one").await;
    is_ready(&serve).await;

    let journal = PathBuf::from(format!("{}-wal", file.display()));
    let full = std::fs::metadata(&journal).unwrap().len();
    assert!(full > 2 * serve.log().len() as u64, "the log has room");
    limit_files(&serve, &full.to_string());
    for name in ["two", "three"] {
        answers(&serve, name).await;
    }
    says(&serve, "checkpoints cannot be written").await;

    limit_files(&serve, "unlimited");
    says(&serve, "checkpoints are being written again").await;
    let log = serve.terminate(Duration::from_secs(10)).await;
    assert!(!log.contains("waits in"), "nothing is left: {log}");
}

fn limit_files(serve: &Serve, to: &str) {
    let mut prlimit = Command::new("prlimit");
    prlimit.arg(format!("--pid={}", serve.pid())).arg(format!("--fsize={to}:unlimited"));
    process::run(&mut prlimit);
}

#[tokio::test]
async fn what_the_database_does_not_take_before_the_end_waits_for_the_next_start() {
    let prometheus = prometheus().await;
    let postgres = Postgres::start().await;
    let proxy = Proxy::before(postgres.address()).await;
    let url = postgres.url_through(proxy.address());
    let place = Place::new(&prometheus);
    let serve = place.start(&url, "").await;
    answers(&serve, "two").await;
    is_ready(&serve).await;

    proxy.set(Fault::Hang).await;
    answers(&serve, "two").await;
    let log = serve.end_by(Signal::HUP, Duration::from_secs(12)).await;
    assert!(log.contains("waits in"), "{log}");
    let spilled = place.path("spill/history-1.jsonl");
    assert!(std::fs::read_to_string(&spilled).unwrap().contains("\"two\""));

    proxy.set(Fault::Pass).await;
    let serve = place.start(&url, "").await;
    says(&serve, "is taken up").await;
    eventually(SOON, "the file goes", || async { (!spilled.exists()).then_some(()) }).await;
    let rows = count(&mut postgres.connect().await, "minutes", "two").await;
    assert!(rows >= 1, "the minute that was open at the end");
    serve.terminate(Duration::from_secs(10)).await;
}

async fn count(connection: &mut PgConnection, table: &str, name: &str) -> i64 {
    let text = format!(
        "SELECT count(*) FROM {table} JOIN series ON series.id = series_id WHERE name = '{name}'"
    );
    let counted = sqlx::query_scalar(sqlx::AssertSqlSafe(text)).fetch_one(connection).await;
    counted.unwrap_or_default()
}

async fn sql(postgres: &Postgres, text: &str) {
    let text = sqlx::AssertSqlSafe(text.to_owned());
    sqlx::raw_sql(text).execute(&mut postgres.connect().await).await.unwrap();
}

async fn is_stored(postgres: &Postgres, name: &str) {
    eventually(SOON, "a checkpoint is stored", || async {
        (count(&mut postgres.connect().await, "checkpoints", name).await > 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_dropped_table_is_made_again_and_an_empty_database_is_said() {
    let prometheus = prometheus().await;
    let postgres = Postgres::start().await;
    let place = Place::new(&prometheus);
    let serve = place.start(&postgres.url(), "").await;
    answers(&serve, "one").await;
    is_stored(&postgres, "one").await;

    sql(&postgres, "DROP TABLE checkpoints, notes").await;
    answers(&serve, "two").await;
    is_stored(&postgres, "two").await;
    assert!(serve.log().contains("tables are gone from the database: notes, checkpoints"));

    sql(&postgres, "DROP SCHEMA public CASCADE; CREATE SCHEMA public").await;
    answers(&serve, "three").await;
    is_stored(&postgres, "three").await;
    assert!(serve.log().contains("the database is empty, and was not before"));
    eventually(SOON, "said", || async {
        serve.body("/readyz").await.contains("the database was found empty").then_some(())
    })
    .await;
    serve.terminate(Duration::from_secs(10)).await;
}

#[tokio::test]
async fn a_rotated_password_is_read_again() {
    let prometheus = prometheus().await;
    let postgres = Postgres::start().await;
    sql(&postgres, "CREATE ROLE rotating LOGIN SUPERUSER PASSWORD 'first'").await;
    postgres.demand_password("rotating").await;
    let place = Place::new(&prometheus);
    let password = place.path("password");
    std::fs::write(&password, "first\n").unwrap();
    let url = format!("postgres://rotating@{}/postgres", postgres.address());
    let more = format!("databasePasswordFile = \"{}\"", password.display());
    let serve = place.start(&url, &more).await;
    answers(&serve, "one").await;
    is_stored(&postgres, "one").await;

    // The server has the new one before the file has.
    sql(&postgres, "ALTER ROLE rotating PASSWORD 'second'").await;
    sql(
        &postgres,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'rotating'",
    )
    .await;
    answers(&serve, "one").await;
    // A new one asks what is known of it.
    let _ = Keda::new(serve.grpc).poll(&trigger("two")).await;
    says(&serve, "password authentication failed").await;
    std::fs::write(&password, "second\n").unwrap();
    answers(&serve, "two").await;
    is_stored(&postgres, "two").await;
    serve.terminate(Duration::from_secs(10)).await;
}
