//! Both stores: rows taken in per second against a bare insert of the same rows into the same
//! database, four weeks of minutes loaded, bytes at rest. Figures compare within one run.
//!
//! `cargo bench -p prewarm-tests --bench store`; without `--bench` (as `cargo test --benches` runs
//! it) a moment of each.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on ends")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp, ToSpan};
use prewarm::config::Secret;
use prewarm::store::{self, HistoryStore, Resolution, Row, SeriesKey};
use prewarm_forecaster::Minute;
use prewarm_tests::postgres::Postgres;
use prewarm_tests::trace::{Noise, monday};
use sqlx::{Connection, PgConnection, SqliteConnection};

/// How much is measured.
#[derive(Debug, Clone, Copy)]
struct Size {
    /// Workloads that write a row each minute.
    workloads: i64,
    /// Minutes of all of them.
    minutes: i64,
    /// Days of one series' history.
    days: i64,
    /// Times that it is loaded.
    loads: usize,
}

/// What the history of a series is like.
#[derive(Debug, Clone, Copy)]
enum Demand {
    /// `sum(vllm:num_requests_running + waiting)`: whole numbers.
    Gauge,
    /// `sum(rate(requests_total[1m]))`: any fraction.
    Rate,
}

#[tokio::main]
async fn main() {
    let size = if std::env::args().any(|argument| argument == "--bench") {
        Size { workloads: 10_000, minutes: 30, days: 28, loads: 50 }
    } else {
        Size { workloads: 100, minutes: 2, days: 2, loads: 2 }
    };
    println!(
        "{} workloads × {} minutes taken in; one series of {} days × 1 min loaded {} times",
        size.workloads, size.minutes, size.days, size.loads
    );
    println!(
        "store        rows/s   bare rows/s  ratio   load p50 ms  packed p50 ms   bytes/sample at rest: gauge  rate"
    );
    let directory = tempfile::tempdir().unwrap();
    measure("sqlite", &format!("sqlite://{}/history.db", directory.path().display()), size).await;
    let postgres = Postgres::start().await;
    measure("postgres", &postgres.url(), size).await;
}

async fn measure(name: &str, url: &str, size: Size) {
    let store = store::open(&Secret::new(url)).await.unwrap();
    let keys: Vec<_> = (0..size.workloads).map(|i| key(&format!("workload-{i:05}"))).collect();
    let batch = |minute: i64| -> Vec<Row> {
        let record =
            |i: usize| record(monday() + minute.minutes(), [i as f64, 1.0, 2.0, 3.0], Some(0.0));
        keys.iter()
            .enumerate()
            .map(|(i, key)| Row { key: key.clone(), minute: record(i) })
            .collect()
    };
    store.append(&batch(-1)).await.unwrap(); // names get their ids once
    // In turn, so that both see the machine alike.
    let (mut ours, mut bare) = (Duration::ZERO, Duration::ZERO);
    let mut other = Bare::open(url).await;
    for minute in 0..size.minutes {
        let rows = batch(minute);
        let begun = Instant::now();
        store.append(&rows).await.unwrap();
        ours += begun.elapsed();
        let begun = Instant::now();
        other.insert(&rows).await;
        bare += begun.elapsed();
    }
    let rate = |took: Duration| (size.workloads * size.minutes) as f64 / took.as_secs_f64();

    let (gauge, fraction) = (key("gauge"), key("rate"));
    for (key, demand) in [(&gauge, Demand::Gauge), (&fraction, Demand::Rate)] {
        let rows: Vec<Row> = history(demand, size.days)
            .into_iter()
            .map(|minute| Row { key: key.clone(), minute })
            .collect();
        for rows in rows.chunks(10_000) {
            store.append(rows).await.unwrap();
        }
    }
    let hot = load(store.as_ref(), &gauge, size).await;
    while store
        .compact(monday() + SignedDuration::from_hours(24 * size.days))
        .await
        .unwrap()
        .days_packed
        > 0
    {}
    let packed = load(store.as_ref(), &gauge, size).await;
    let (gauge, fraction) =
        (other.bytes_a_sample("gauge").await, other.bytes_a_sample("rate").await);
    println!(
        "{name:<9} {:>9.0} {:>13.0} {:>6.2} {hot:>13.2} {packed:>14.2} {gauge:>34.2} {fraction:>5.2}",
        rate(ours),
        rate(bare),
        rate(ours) / rate(bare)
    );
}

/// Median of loading all of one series, in milliseconds.
async fn load(store: &dyn HistoryStore, key: &SeriesKey, size: Size) -> f64 {
    let to = monday() + SignedDuration::from_hours(24 * size.days);
    let mut took = Vec::new();
    for _ in 0..size.loads {
        let begun = Instant::now();
        let minutes = store.load(key, monday(), to, Resolution::Minute).await.unwrap();
        took.push(begun.elapsed());
        assert_eq!(minutes.len() as i64, size.days * 1440);
    }
    took.sort_unstable();
    took[took.len() / 2].as_secs_f64() * 1e3
}

fn key(name: &str) -> Arc<SeriesKey> {
    Arc::new(SeriesKey {
        namespace: "models".into(),
        name: name.into(),
        metric: "llama-demand".into(),
    })
}

/// A minute of four slots.
fn record(start: Timestamp, slots: [f64; 4], backlog: Option<f64>) -> Minute {
    let max = slots.iter().copied().fold(0.0, f64::max);
    Minute { start, mean: slots.iter().sum::<f64>() / 4.0, max, backlog, samples: 4 }.rounded()
}

/// Days with a wave and noise, sampled each 15 s.
fn history(demand: Demand, days: i64) -> Vec<Minute> {
    let mut noise = Noise::new(7);
    let minute = |i: i64| {
        let level = 40.0 - 30.0 * (i as f64 / 1440.0 * std::f64::consts::TAU).cos();
        let slots = std::array::from_fn(|_| {
            let arrivals = (level * 60.0 + (level * 60.0).sqrt() * noise.normal()).max(0.0).round();
            match demand {
                Demand::Gauge => (arrivals / 60.0).round(),
                // `rate` extrapolates to the window's ends: a factor that differs from scrape to
                // scrape.
                Demand::Rate => arrivals / 60.0 * (1.0 + 1e-4 * noise.normal()),
            }
        });
        record(
            monday() + i.minutes(),
            slots,
            matches!(demand, Demand::Gauge).then_some((level / 50.0).floor()),
        )
    };
    (0..days * 1440).map(minute).collect()
}

/// The least that a database does to hold the same rows: a table without a key, no ids looked up,
/// nothing compared.
enum Bare {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Bare {
    async fn open(url: &str) -> Self {
        const TABLE: &str = "CREATE TABLE bare (series_id BIGINT, minute BIGINT, mean FLOAT8, max FLOAT8, samples INT)";
        if url.starts_with("sqlite") {
            let mut connection = SqliteConnection::connect(url).await.unwrap();
            // As our store does: a commit does not wait for the disk.
            sqlx::raw_sql("PRAGMA synchronous = NORMAL").execute(&mut connection).await.unwrap();
            sqlx::raw_sql(TABLE).execute(&mut connection).await.unwrap();
            Self::Sqlite(connection)
        } else {
            let mut connection = PgConnection::connect(url).await.unwrap();
            sqlx::raw_sql(TABLE).execute(&mut connection).await.unwrap();
            Self::Postgres(connection)
        }
    }

    async fn insert(&mut self, rows: &[Row]) {
        let ids: Vec<i64> = (0..rows.len() as i64).collect();
        match self {
            Self::Sqlite(connection) => {
                let mut transaction = connection.begin().await.unwrap();
                for (id, row) in ids.iter().zip(rows) {
                    let Minute { start, mean, max, samples, .. } = row.minute;
                    let insert = sqlx::query("INSERT INTO bare VALUES (?, ?, ?, ?, ?)")
                        .bind(id)
                        .bind(start.as_second());
                    insert
                        .bind(mean)
                        .bind(max)
                        .bind(samples)
                        .execute(&mut *transaction)
                        .await
                        .unwrap();
                }
                transaction.commit().await.unwrap();
            }
            Self::Postgres(connection) => {
                let column = |figure: fn(&Minute) -> f64| {
                    rows.iter().map(|row| figure(&row.minute)).collect::<Vec<_>>()
                };
                let minutes: Vec<i64> =
                    rows.iter().map(|row| row.minute.start.as_second()).collect();
                let samples: Vec<i32> =
                    rows.iter().map(|row| i32::from(row.minute.samples)).collect();
                let insert = "INSERT INTO bare SELECT * FROM UNNEST($1::bigint[], $2::bigint[], $3::float8[], $4::float8[], $5::int[])";
                let insert = sqlx::query(insert).bind(ids).bind(minutes).bind(column(|m| m.mean));
                insert.bind(column(|m| m.max)).bind(samples).execute(connection).await.unwrap();
            }
        }
    }

    /// Bytes of packed days over figures in them (mean, maximum, and backlog where there is one),
    /// rows' overhead included.
    async fn bytes_a_sample(&mut self, name: &str) -> f64 {
        // A row's own columns take about this much beside its data in either store.
        const ROW: f64 = 40.0;
        let sql = "SELECT CAST(SUM(LENGTH(data)) AS FLOAT8), CAST(COUNT(*) AS FLOAT8), CAST(SUM(n) AS FLOAT8) \
                   FROM days JOIN series ON series.id = days.series_id WHERE series.name = ";
        let (data, days, records): (f64, f64, f64) = match self {
            Self::Sqlite(connection) => {
                let sql = sqlx::AssertSqlSafe(format!("{sql} ?").replace("FLOAT8", "REAL"));
                sqlx::query_as(sql).bind(name).fetch_one(connection).await.unwrap()
            }
            Self::Postgres(connection) => {
                let sql = sqlx::AssertSqlSafe(format!("{sql} $1"));
                sqlx::query_as(sql).bind(name).fetch_one(connection).await.unwrap()
            }
        };
        let figures = if name == "gauge" { 3.0 } else { 2.0 };
        (data + days * ROW) / (records * figures)
    }
}
