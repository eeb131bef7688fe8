//! History: one row per series and minute, packed by day when finished.

pub mod postgres;
pub mod queue;
pub mod sqlite;

use std::fmt::Debug;
use std::sync::Arc;

use futures::future::BoxFuture;
use jiff::Timestamp;
use prewarm_forecaster::Minute;

/// Identity of a series: the trigger, not its source's address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesKey {
    /// Namespace of the ScaledObject.
    pub namespace: String,
    /// Name of the ScaledObject or ScaledJob.
    pub name: String,
    /// Metric name without KEDA's `sN-`.
    pub metric: String,
}

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

/// Where history lives. Every method may be called again after any failure, by any number of replicas.
pub trait HistoryStore: Debug + Send + Sync + 'static {
    /// Stores rows idempotently in one transaction; of two records of one minute the one with more samples stays.
    fn append<'a>(&'a self, rows: &'a [Row]) -> BoxFuture<'a, Result<(), StoreError>>;

    /// Records of `[from, to)`, oldest first, gaps left out.
    fn load<'a>(
        &'a self,
        key: &'a SeriesKey,
        from: Timestamp,
        to: Timestamp,
        resolution: Resolution,
    ) -> BoxFuture<'a, Result<Vec<Minute>, StoreError>>;

    /// Packs finished days, thins and drops old ones. May be killed at any point without loss.
    fn compact<'a>(&'a self, now: Timestamp) -> BoxFuture<'a, Result<Compacted, StoreError>>;

    /// Whether the database answers.
    fn ping(&self) -> BoxFuture<'_, Result<(), StoreError>>;
}
