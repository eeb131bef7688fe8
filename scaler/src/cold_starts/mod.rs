//! A workload's start-ups and its ScaledObject's limits: seen in the cluster, kept in the store.
//!
//! Every replica of ours sees the same pods, but those that have gone only if it was there. So each
//! writes down what it has seen, beside what it finds written; which of two writes comes last makes
//! no difference in the end.

mod history;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::cluster::TargetStatus;
use crate::metrics::Metrics;
use crate::store::document::Kind;
use crate::store::{HistoryStore, SeriesKey, StoreError};

pub use history::{ColdStartHistory, ColdStartModel};

/// After a failure: the store may be back.
const AGAIN: SignedDuration = SignedDuration::from_mins(1);

/// Reads and writes the books of all workloads.
#[derive(Debug)]
pub struct ColdStartSync {
    store: Arc<dyn HistoryStore>,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
}

impl ColdStartSync {
    /// A cold_start_sync over a store.
    pub fn new(store: Arc<dyn HistoryStore>, metrics: Arc<Metrics>, clock: Arc<dyn Clock>) -> Self {
        Self { store, metrics, clock }
    }

    /// Adds what the store holds.
    pub async fn recall(
        &self,
        key: &SeriesKey,
        history: &watch::Sender<ColdStartHistory>,
    ) -> Result<(), StoreError> {
        let stored = read(&*self.store, key, self.clock.now()).await?;
        history.send_if_modified(|history| history.merge(&stored));
        Ok(())
    }

    /// Takes in what `status` shows, at once into `history`, then into the store; never returns.
    pub async fn keep(
        &self,
        key: &SeriesKey,
        status: &mut watch::Receiver<Arc<TargetStatus>>,
        history: &watch::Sender<ColdStartHistory>,
    ) {
        let (mut saved, mut told) = (false, false);
        loop {
            let seen = status.borrow_and_update().clone();
            saved &= !history.send_if_modified(|history| {
                let heard = history.update_limits(seen.scaling);
                history.apply(&seen.start_ups) || heard
            });
            if !saved {
                match self.save(key, history).await {
                    Ok(()) => (saved, told) = (true, false),
                    Err(error) => {
                        self.metrics.store_error("start_ups");
                        if !std::mem::replace(&mut told, true) {
                            tracing::warn!(workload.namespace = key.namespace, workload.name = key.name, error = %error,
                                "cannot keep start-ups: they count, and are written later");
                        }
                    }
                }
            }
            let changed = async {
                if status.changed().await.is_err() {
                    // Nobody watches.
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                () = changed => {}
                () = self.clock.sleep_until(self.clock.now() + AGAIN), if !saved => {}
            }
        }
    }

    /// Merges, and writes what came of it if it is not there.
    async fn save(
        &self,
        key: &SeriesKey,
        history: &watch::Sender<ColdStartHistory>,
    ) -> Result<(), StoreError> {
        let stored = read(&*self.store, key, self.clock.now()).await?;
        history.send_if_modified(|history| history.merge(&stored));
        let merged = history.borrow().clone();
        match merged.document().filter(|_| merged != stored) {
            Some(document) => self.store.save_documents(key, &[document]).await,
            None => Ok(()),
        }
    }
}

/// What the store holds; nothing where a newer version wrote it.
pub(crate) async fn read(
    store: &dyn HistoryStore,
    key: &SeriesKey,
    now: Timestamp,
) -> Result<ColdStartHistory, StoreError> {
    // Other clocks may be ahead of ours.
    let ahead = now + SignedDuration::from_hours(24);
    let documents = store.documents(key, Kind::StartUps, Timestamp::UNIX_EPOCH, ahead).await?;
    Ok(documents.last().and_then(ColdStartHistory::of).unwrap_or_default())
}

#[cfg(test)]
mod tests;
