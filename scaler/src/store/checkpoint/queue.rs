//! Checkpoints on their way to the store: of each series the latest alone, written in batches.
//! Collectors never wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prewarm_forecaster::decide::planner::checkpoint::Checkpoint;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{PackedCheckpoint, SeriesCheckpoint};
use crate::metrics::Metrics;
use crate::store::{HistoryStore, SeriesKey, StoreError};

/// The latest checkpoints, and the task that writes them.
#[derive(Debug)]
pub struct CheckpointQueue {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl CheckpointQueue {
    /// An empty queue. Must be called within a Tokio runtime.
    pub fn new(store: Arc<dyn HistoryStore>, metrics: Arc<Metrics>) -> Self {
        let shared = Arc::new(Shared {
            store,
            metrics,
            waiting: Mutex::default(),
            arrived: Notify::new(),
            closing: CancellationToken::new(),
        });
        let writer = tokio::spawn(write(shared.clone()));
        Self { shared, writer: Mutex::new(Some(writer)) }
    }

    /// Hands a checkpoint over, in place of an older one of its series. Never waits.
    pub fn push(&self, key: Arc<SeriesKey>, checkpoint: Checkpoint) {
        self.shared.waiting().insert(key, checkpoint);
        self.shared.arrived.notify_one();
    }

    /// The checkpoint of a series: the store's, or a younger one that waits here.
    pub async fn load(&self, key: &SeriesKey) -> Result<Option<Checkpoint>, StoreError> {
        // First what waits here: it may be written in between.
        let waiting = self.shared.waiting().get(key).cloned();
        let stored = match self.shared.store.checkpoint(key).await? {
            Some(packed) => unpacked(key, &packed),
            None => None,
        };
        Ok(match (waiting, stored) {
            (Some(waiting), Some(stored)) if stored.at > waiting.at => Some(stored),
            (waiting, stored) => waiting.or(stored),
        })
    }

    /// Writes what waits and ends, at the latest after `limit`.
    pub async fn close(&self, limit: Duration) {
        self.shared.closing.cancel();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut writer) = writer
            && timeout(limit, &mut writer).await.is_err()
        {
            writer.abort();
        }
    }
}

impl CheckpointQueue {
    /// Takes out what was not written.
    pub fn leftover(&self) -> Vec<SeriesCheckpoint> {
        let waiting = self.shared.waiting().drain().collect::<Vec<_>>();
        let pack = |(key, checkpoint)| (key, PackedCheckpoint::pack(&checkpoint));
        waiting.into_iter().map(pack).collect()
    }

    /// Hands over what an earlier process left; a younger one stays.
    pub fn take_up(&self, left: &[SeriesCheckpoint]) {
        for (key, packed) in left {
            let Some(checkpoint) = unpacked(key, packed) else { continue };
            let mut waiting = self.shared.waiting();
            if waiting.get(key).is_none_or(|younger| younger.at < checkpoint.at) {
                waiting.insert(key.clone(), checkpoint);
            }
            drop(waiting);
            self.shared.arrived.notify_one();
        }
    }

    /// Whether every checkpoint is written.
    pub fn is_empty(&self) -> bool {
        self.shared.waiting().is_empty()
    }
}

impl Drop for CheckpointQueue {
    fn drop(&mut self) {
        if let Some(writer) = self.writer.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            writer.abort();
        }
    }
}

/// A checkpoint that cannot be read is as good as none, and is said once: it is overwritten within
/// a minute.
fn unpacked(key: &SeriesKey, packed: &PackedCheckpoint) -> Option<Checkpoint> {
    match packed.unpack() {
        Ok(checkpoint) => Some(checkpoint),
        Err(error) => {
            tracing::warn!(workload.namespace = key.namespace, workload.name = key.name, %error,
                "the saved checkpoint cannot be read: going on from history");
            None
        }
    }
}

#[derive(Debug)]
struct Shared {
    store: Arc<dyn HistoryStore>,
    metrics: Arc<Metrics>,
    waiting: Mutex<HashMap<Arc<SeriesKey>, Checkpoint>>,
    arrived: Notify,
    closing: CancellationToken,
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, HashMap<Arc<SeriesKey>, Checkpoint>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// At most `limit` of what waits; it waits on until it is settled.
    fn batch(&self, limit: usize) -> Vec<SeriesCheckpoint> {
        let waiting = self.waiting();
        let batch = waiting.iter().take(limit);
        batch.map(|(key, checkpoint)| (key.clone(), PackedCheckpoint::pack(checkpoint))).collect()
    }

    /// Forgets what was written, or refused, unless a younger one has come meanwhile.
    fn settle(&self, batch: &[SeriesCheckpoint]) {
        let mut waiting = self.waiting();
        for (key, packed) in batch {
            if waiting.get(key).is_some_and(|checkpoint| checkpoint.at == packed.at) {
                waiting.remove(key);
            }
        }
    }

    /// Writes a batch; of a batch that is refused, one after the other.
    async fn save(&self, batch: &[SeriesCheckpoint]) -> Result<(), StoreError> {
        match self.store.save_checkpoints(batch).await {
            Err(StoreError::Refused(why)) if batch.len() > 1 => {
                tracing::error!(why, "checkpoints refused by the database: written one by one");
                for one in batch.chunks(1) {
                    match self.store.save_checkpoints(one).await {
                        Ok(()) => {}
                        Err(StoreError::Refused(_)) => self.metrics.store_error("checkpoint"),
                        Err(error) => return Err(error),
                    }
                }
                Ok(())
            }
            Err(StoreError::Refused(_)) => {
                self.metrics.store_error("checkpoint");
                Ok(())
            }
            other => other,
        }
    }
}

/// Writes batch after batch until the queue is closed and empty.
async fn write(shared: Arc<Shared>) {
    let mut pause: Option<Duration> = None;
    loop {
        while shared.waiting().is_empty() {
            tokio::select! {
                () = shared.arrived.notified() => {}
                () = shared.closing.cancelled() => return,
            }
        }
        // Many workloads decide in the same slot: they share a transaction. Cut short by the end.
        let _ = timeout(pause.unwrap_or(GATHER), shared.closing.cancelled()).await;
        loop {
            let batch = shared.batch(BATCH);
            if batch.is_empty() {
                break;
            }
            match shared.save(&batch).await {
                Ok(()) => {
                    shared.settle(&batch);
                    if pause.take().is_some() {
                        tracing::info!("checkpoints are being written again");
                    }
                }
                Err(error) => {
                    shared.metrics.store_error("checkpoint");
                    if pause.is_none() {
                        tracing::warn!(%error, "checkpoints cannot be written; the latest wait in memory");
                    }
                    pause = Some(pause.map_or(GATHER, |pause| LONGEST_PAUSE.min(2 * pause)));
                    if shared.closing.is_cancelled() {
                        tokio::time::sleep(GATHER).await;
                    }
                    break;
                }
            }
        }
    }
}

/// Rows of one transaction: well under a second.
const BATCH: usize = 1_000;
/// A checkpoint waits so long for others.
const GATHER: Duration = Duration::from_millis(500);
/// How late the end of an outage may be noticed. Short, because what the store holds is older than
/// the last answer until then: a crash in between goes on from there.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
