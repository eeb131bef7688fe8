//! History: one row per series and minute, packed by day when finished.

pub mod checkpoint;
mod compaction;
mod day;
pub mod document;
pub mod ending;
mod failure;
pub mod postgres;
pub mod queue;
mod records;
mod schema;
mod series;
pub mod spill;
mod sql;
pub mod sqlite;

use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;

use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::Minute;

use crate::config::Secret;
pub use crate::workload::SeriesKey;
use checkpoint::{PackedCheckpoint, SeriesCheckpoint};
use day::PackedDay;
use document::{Document, Kind};

/// A finished minute of a series.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Which series.
    pub key: Arc<SeriesKey>,
    /// The minute.
    pub minute: Minute,
}

/// At which resolution history is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// One record a minute; kept for 35 days.
    Minute,
    /// One record every five minutes (mean and max); kept for 13 months, recent days included.
    FiveMinutes,
}

/// Why a store did not do as asked. Texts never hold a password.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL names no store that we know.
    #[error("database: {0}")]
    Url(String),
    /// The database did not answer in time, or the connection broke; worth another try.
    #[error("database unavailable: {0}")]
    Unavailable(String),
    /// The database refused; another try gives the same.
    #[error("database refused: {0}")]
    Refused(String),
    /// The database's file is damaged; another try gives the same.
    #[error("database damaged: {0}")]
    Damaged(String),
    /// A packed day could not be read.
    #[error("corrupt history: {0}")]
    Corrupt(String),
}

/// What a compaction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Compacted {
    /// Days packed.
    pub days_packed: u64,
    /// Rows that left the hot table.
    pub rows_packed: u64,
    /// Days thinned to five minutes.
    pub days_thinned: u64,
    /// Days dropped by retention.
    pub days_dropped: u64,
}

/// Where history lives. Every method may be called again after any failure, by any number of
/// replicas.
pub trait HistoryStore: Debug + Send + Sync + 'static {
    /// Stores rows idempotently in one transaction; of two records of one minute the one with more
    /// samples stays.
    fn append<'a>(&'a self, rows: &'a [Row]) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Records of `[from, to)`, oldest first, gaps left out.
    fn load<'a>(
        &'a self,
        key: &'a SeriesKey,
        from: Timestamp,
        to: Timestamp,
        resolution: Resolution,
    ) -> BoxFuture<'a, Result<Vec<Minute>, StoreError>>;

    /// Writes notes about a series in one transaction, each in place of what was there of its kind
    /// and instant.
    fn save_documents<'a>(
        &'a self,
        key: &'a SeriesKey,
        notes: &'a [Document],
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Notes about a series of one kind in `[from, to)`, oldest first.
    fn documents<'a>(
        &'a self,
        key: &'a SeriesKey,
        kind: Kind,
        from: Timestamp,
        to: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<Document>, StoreError>>;

    /// The latest notes about a series of one kind, `most` of them, oldest first.
    fn latest_documents<'a>(
        &'a self,
        key: &'a SeriesKey,
        kind: Kind,
        most: u32,
    ) -> BoxFuture<'a, Result<Vec<Document>, StoreError>>;

    /// Writes checkpoints in one transaction, each in place of the one of its series; a younger one
    /// stays, unless it is of a time that has not come.
    fn save_checkpoints<'a>(
        &'a self,
        checkpoints: &'a [SeriesCheckpoint],
    ) -> BoxFuture<'a, Result<(), StoreError>>;

    /// The checkpoint of a series.
    fn checkpoint<'a>(
        &'a self,
        key: &'a SeriesKey,
    ) -> BoxFuture<'a, Result<Option<PackedCheckpoint>, StoreError>>;

    /// Whether `holder` may refit the series for the next `span`, by the database's clock: takes
    /// the lease or renews it, unless another holder's has not ended, and that holder lives as far
    /// as is known. A span of zero gives it back. SQLite, which one process serves from, grants
    /// all.
    fn lease<'a>(
        &'a self,
        key: &'a SeriesKey,
        holder: &'a str,
        span: SignedDuration,
    ) -> BoxFuture<'a, Result<bool, StoreError>>;

    /// Says that `holder` lives for the next `span`, by the database's clock, which is what all its
    /// leases rest on; answers which others live. A span of zero says that it has ended. SQLite,
    /// which one process serves from, knows of no others.
    fn heartbeat<'a>(
        &'a self,
        holder: &'a str,
        span: SignedDuration,
    ) -> BoxFuture<'a, Result<Vec<String>, StoreError>>;

    /// Packs finished days, thins and drops old ones. May be killed at any point without loss.
    fn compact<'a>(&'a self, now: Timestamp) -> BoxFuture<'a, Result<Compacted, StoreError>>;

    /// Whether the database answers.
    fn ping(&self) -> BoxFuture<'_, Result<(), StoreError>>;

    /// The database's clock, where it is another machine's.
    fn clock(&self) -> BoxFuture<'_, Result<Option<Timestamp>, StoreError>> {
        Box::pin(async { Ok(None) })
    }

    /// What is wrong with the place where history is kept, in words for operators; `None` while all
    /// is well.
    fn trouble(&self) -> Option<String> {
        None
    }

    /// How often history was begun anew since the start: what is remembered of it elsewhere may be
    /// missing there, and is to be filled again.
    fn begun_anew(&self) -> u64 {
        0
    }
}

/// Opens the store to serve from: as [`open`], but a SQLite file that is damaged or of no use does
/// not end the service ([`sqlite::healing`]), and a password file of PostgreSQL is read again at each
/// new connection.
pub async fn open_to_serve(
    url: &Secret,
    password_file: Option<PathBuf>,
) -> Result<Arc<dyn HistoryStore>, StoreError> {
    match url.expose() {
        postgres if postgres.starts_with("postgres") => {
            Ok(Arc::new(postgres::PostgresStore::open(postgres, password_file).await?))
        }
        memory @ "sqlite::memory:" => Ok(Arc::new(sqlite::SqliteStore::open(memory).await?)),
        file if file.starts_with("sqlite:") => {
            Ok(Arc::new(sqlite::healing::HealingStore::open(file).await?))
        }
        _ => open(url).await,
    }
}

/// Opens the store that the URL's scheme names and migrates it: `sqlite://path`, or
/// `postgres://user@host/database` with libpq's parameters for TLS
/// (`?sslmode=verify-full&sslrootcert=…`). An error means that waiting does not help: a PostgreSQL
/// that is only unreachable is opened nevertheless, and answers `Unavailable` until it is back.
pub async fn open(url: &Secret) -> Result<Arc<dyn HistoryStore>, StoreError> {
    match url.expose().split_once(':').map(|(scheme, _)| scheme) {
        Some("sqlite") => Ok(Arc::new(sqlite::SqliteStore::open(url.expose()).await?)),
        Some("postgres" | "postgresql") => {
            Ok(Arc::new(postgres::PostgresStore::open(url.expose(), None).await?))
        }
        Some(other) => Err(StoreError::Url(format!(
            "scheme {other:?} is unknown; use sqlite:// or postgres://"
        ))),
        None => Err(StoreError::Url(
            "no scheme; use sqlite://path or postgres://user@host/database".into(),
        )),
    }
}

/// What `load` answers: hot rows and packed days in one list. A day that cannot be read is a gap,
/// and an error in the log.
fn assemble(
    key: &SeriesKey,
    hot: Vec<sql::HotRow>,
    days: &[PackedDay],
    (from, to): (i64, i64),
    resolution: Resolution,
) -> Vec<Minute> {
    let (mut minutes, mut thinned) = (Vec::new(), Vec::new());
    for day in days {
        match day.unpack() {
            Ok(records) if i64::from(day.step_s) == records::MINUTE_S => minutes.extend(records),
            Ok(records) => thinned.extend(records),
            Err(error) => report(key, day.day, &error),
        }
    }
    let minutes = records::merge(minutes, hot.into_iter().map(sql::record).collect());
    let mut all = match resolution {
        Resolution::Minute => minutes,
        Resolution::FiveMinutes => records::merge(thinned, records::five_minutes(&minutes)),
    };
    all.retain(|record| (from..to).contains(&record.start.as_second()));
    all
}

fn report(key: &SeriesKey, day: i64, error: &day::DayError) {
    let SeriesKey { namespace, name, metric } = key;
    let date = records::instant(day).strftime("%F");
    let error = StoreError::Corrupt(format!("{namespace}/{name}/{metric} of {date}: {error}"));
    tracing::error!(workload.namespace = namespace, workload.name = name, workload.metric = metric, %error, "day left out");
}
