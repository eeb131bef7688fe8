//! A workload's start-ups and its ScaledObject's limits: seen in the cluster, kept in the store.
//!
//! Every replica of ours sees the same pods, but those that have gone only if it was there. So each writes down what it has
//! seen, beside what it finds written; which of two writes comes last makes no difference in the end.

mod book;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use crate::clock::Clock;
use crate::cluster::Fleet;
use crate::metrics::Metrics;
use crate::store::note::Kind;
use crate::store::{HistoryStore, SeriesKey, StoreError};

pub use book::{Assumed, Book};

/// After a failure: the store may be back.
const AGAIN: SignedDuration = SignedDuration::from_mins(1);

/// Reads and writes the books of all workloads.
#[derive(Debug)]
pub struct Keeper {
    store: Arc<dyn HistoryStore>,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
}

impl Keeper {
    /// A keeper over a store.
    pub fn new(store: Arc<dyn HistoryStore>, metrics: Arc<Metrics>, clock: Arc<dyn Clock>) -> Self {
        Self { store, metrics, clock }
    }

    /// Adds what the store holds.
    pub async fn recall(&self, key: &SeriesKey, book: &watch::Sender<Book>) -> Result<(), StoreError> {
        let stored = read(&*self.store, key, self.clock.now()).await?;
        book.send_if_modified(|book| book.merge(&stored));
        Ok(())
    }

    /// Takes in what `fleet` shows, at once into `book`, then into the store; never returns.
    pub async fn keep(&self, key: &SeriesKey, fleet: &mut watch::Receiver<Arc<Fleet>>, book: &watch::Sender<Book>) {
        let (mut saved, mut told) = (false, false);
        loop {
            let seen = fleet.borrow_and_update().clone();
            saved &= !book.send_if_modified(|book| {
                let heard = book.hear(seen.scaling);
                book.take_in(&seen.start_ups) || heard
            });
            if !saved {
                match self.save(key, book).await {
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
                if fleet.changed().await.is_err() {
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
    async fn save(&self, key: &SeriesKey, book: &watch::Sender<Book>) -> Result<(), StoreError> {
        let stored = read(&*self.store, key, self.clock.now()).await?;
        book.send_if_modified(|book| book.merge(&stored));
        let merged = book.borrow().clone();
        match merged.note().filter(|_| merged != stored) {
            Some(note) => self.store.note(key, &[note]).await,
            None => Ok(()),
        }
    }
}

/// What the store holds; nothing where a newer version wrote it.
pub(crate) async fn read(store: &dyn HistoryStore, key: &SeriesKey, now: Timestamp) -> Result<Book, StoreError> {
    // Other clocks may be ahead of ours.
    let ahead = now + SignedDuration::from_hours(24);
    let notes = store.notes(key, Kind::StartUps, Timestamp::UNIX_EPOCH, ahead).await?;
    Ok(notes.last().and_then(Book::of).unwrap_or_default())
}

#[cfg(test)]
mod tests;
