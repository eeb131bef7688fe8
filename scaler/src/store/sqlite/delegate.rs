//! Every operation goes to the store of the moment, and how it ended is looked at.

use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::Minute;

use super::healing::HealingStore;
use crate::store::checkpoint::{PackedCheckpoint, SeriesCheckpoint};
use crate::store::document::{Document, Kind};
use crate::store::{Compacted, HistoryStore, Resolution, Row, SeriesKey, StoreError};

/// One operation on the store of the moment.
macro_rules! on_current {
    ($self:ident, $operation:ident($($argument:expr),*)) => {
        Box::pin(async move {
            let store = $self.shared.current();
            $self.shared.seen(store.$operation($($argument),*).await)
        })
    };
}

impl HistoryStore for HealingStore {
    fn append<'a>(&'a self, rows: &'a [Row]) -> BoxFuture<'a, Result<(), StoreError>> {
        on_current!(self, append(rows))
    }

    fn load<'a>(
        &'a self,
        key: &'a SeriesKey,
        from: Timestamp,
        to: Timestamp,
        resolution: Resolution,
    ) -> BoxFuture<'a, Result<Vec<Minute>, StoreError>> {
        on_current!(self, load(key, from, to, resolution))
    }

    fn save_documents<'a>(
        &'a self,
        key: &'a SeriesKey,
        notes: &'a [Document],
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        on_current!(self, save_documents(key, notes))
    }

    fn documents<'a>(
        &'a self,
        key: &'a SeriesKey,
        kind: Kind,
        from: Timestamp,
        to: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<Document>, StoreError>> {
        on_current!(self, documents(key, kind, from, to))
    }

    fn latest_documents<'a>(
        &'a self,
        key: &'a SeriesKey,
        kind: Kind,
        most: u32,
    ) -> BoxFuture<'a, Result<Vec<Document>, StoreError>> {
        on_current!(self, latest_documents(key, kind, most))
    }

    fn save_checkpoints<'a>(
        &'a self,
        checkpoints: &'a [SeriesCheckpoint],
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        on_current!(self, save_checkpoints(checkpoints))
    }

    fn checkpoint<'a>(
        &'a self,
        key: &'a SeriesKey,
    ) -> BoxFuture<'a, Result<Option<PackedCheckpoint>, StoreError>> {
        on_current!(self, checkpoint(key))
    }

    fn lease<'a>(
        &'a self,
        key: &'a SeriesKey,
        holder: &'a str,
        span: SignedDuration,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        on_current!(self, lease(key, holder, span))
    }

    fn heartbeat<'a>(
        &'a self,
        holder: &'a str,
        span: SignedDuration,
    ) -> BoxFuture<'a, Result<Vec<String>, StoreError>> {
        on_current!(self, heartbeat(holder, span))
    }

    fn compact<'a>(&'a self, now: Timestamp) -> BoxFuture<'a, Result<Compacted, StoreError>> {
        on_current!(self, compact(now))
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        on_current!(self, ping())
    }

    fn trouble(&self) -> Option<String> {
        self.shared.trouble()
    }

    fn begun_anew(&self) -> u64 {
        self.shared.begun_anew()
    }
}
