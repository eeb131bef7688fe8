//! Write-behind queue between collectors and store: collectors never wait, and an outage of the
//! store costs nothing as long as its rows fit into memory.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::{HistoryStore, Row, StoreError};
use crate::metrics::Metrics;

/// One hour at 10,000 series; 64 bytes a row, hence 38 MB when full.
pub const CAPACITY: usize = 600_000;

/// Rows on their way to the store, oldest first.
#[derive(Debug)]
pub struct HistoryQueue {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl HistoryQueue {
    /// An empty queue for at most `capacity` rows, and the task that writes them. Must be called
    /// within a Tokio runtime. A row waits for others no longer than `flush_every`.
    pub fn new(
        store: Arc<dyn HistoryStore>,
        metrics: Arc<Metrics>,
        capacity: usize,
        flush_every: Duration,
    ) -> Self {
        let shared = Arc::new(Shared {
            store,
            metrics,
            capacity: capacity.max(1),
            flush_every,
            waiting: Mutex::default(),
            arrived: Notify::new(),
            closing: CancellationToken::new(),
        });
        let writer = tokio::spawn(write(shared.clone()));
        Self { shared, writer: Mutex::new(Some(writer)) }
    }

    /// Hands a row over. Never waits: if the queue is full the oldest row is given up.
    pub fn push(&self, row: Row) {
        self.shared.push(row);
    }

    /// Writes what waits and ends, at the latest after `limit`; answers how many rows wait still:
    /// [`Self::leftover`].
    pub async fn close(&self, limit: Duration) -> usize {
        self.shared.closing.cancel();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut writer) = writer
            && timeout(limit, &mut writer).await.is_err()
        {
            writer.abort();
        }
        self.shared.len()
    }

    /// Takes out what was not written, oldest first.
    pub fn leftover(&self) -> Vec<Row> {
        self.shared.waiting().rows.drain(..).collect()
    }

    /// Whether every row is written or given up.
    pub fn is_empty(&self) -> bool {
        self.shared.len() == 0
    }
}

impl Drop for HistoryQueue {
    fn drop(&mut self) {
        if let Some(writer) = self.writer.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            writer.abort();
        }
    }
}

#[derive(Debug)]
struct Shared {
    store: Arc<dyn HistoryStore>,
    metrics: Arc<Metrics>,
    capacity: usize,
    flush_every: Duration,
    waiting: Mutex<Waiting>,
    /// The first row of a batch has come, or its last.
    arrived: Notify,
    closing: CancellationToken,
}

#[derive(Debug, Default)]
struct Waiting {
    rows: VecDeque<Row>,
    /// Number of the first row; the numbers of rows never change.
    first: u64,
    /// Rows were given up since the last success; said once.
    overflowing: bool,
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, row: Row) {
        let mut waiting = self.waiting();
        if waiting.rows.len() == self.capacity {
            // If it is just being written it may arrive all the same: the count is an upper bound.
            waiting.rows.pop_front();
            waiting.first += 1;
            self.metrics.store_dropped(1);
            if !std::mem::replace(&mut waiting.overflowing, true) {
                tracing::error!(
                    rows = self.capacity,
                    "history queue is full: the oldest rows are given up"
                );
            }
        }
        let rows = waiting.rows.len();
        if rows == waiting.rows.capacity() {
            // Doubling, but not beyond what is ever used.
            waiting.rows.reserve_exact(rows.max(1_024).min(self.capacity - rows));
        }
        waiting.rows.push_back(row);
        let rows = rows + 1;
        drop(waiting);
        self.metrics.store_queue(rows);
        if rows == 1 || rows == BATCH {
            self.arrived.notify_one();
        }
    }

    fn len(&self) -> usize {
        self.waiting().rows.len()
    }

    /// The oldest rows, at most `limit`, and the number of the first.
    fn front(&self, limit: usize) -> (u64, Vec<Row>) {
        let waiting = self.waiting();
        (waiting.first, waiting.rows.iter().take(limit).cloned().collect())
    }

    /// Removes all rows before that number: they are written, or refused.
    fn settle(&self, before: u64) {
        let mut waiting = self.waiting();
        let settled = before.saturating_sub(waiting.first).min(waiting.rows.len() as u64);
        waiting.rows.drain(..settled as usize);
        waiting.first += settled;
        waiting.overflowing = false;
        if waiting.rows.is_empty() {
            waiting.rows.shrink_to(2 * BATCH);
        }
        self.metrics.store_queue(waiting.rows.len());
    }
}

/// Writes batch after batch until the queue is closed and empty.
async fn write(shared: Arc<Shared>) {
    let mut trouble: Option<Trouble> = None;
    let mut size = BATCH;
    loop {
        while shared.len() == 0 {
            tokio::select! {
                () = shared.arrived.notified() => {}
                () = shared.closing.cancelled() => return,
            }
        }
        if trouble.is_none() {
            gather(&shared).await;
        }
        let (first, batch) = shared.front(size);
        match write_batch(&shared, first, &batch).await {
            Ok(()) => {
                size = BATCH.min(2 * size);
                if let Some(trouble) = trouble.take() {
                    let outage_s = trouble.since.elapsed().as_secs();
                    tracing::info!(outage_s, rows = shared.len(), "history is being written again");
                }
            }
            Err(error) => {
                shared.metrics.store_error("append");
                // Perhaps it is the size that takes too long.
                size = SMALLEST.max(size / 2);
                let trouble = trouble.get_or_insert_with(|| {
                    tracing::warn!(%error, "history cannot be written; it waits in memory");
                    Trouble { since: Instant::now(), pause: PAUSE }
                });
                trouble.pause(&shared.closing).await;
            }
        }
    }
}

/// Waits until a batch is full or has waited long enough.
async fn gather(shared: &Shared) {
    let full = async {
        while shared.len() < BATCH {
            shared.arrived.notified().await;
        }
    };
    tokio::select! {
        _ = timeout(shared.flush_every, full) => {}
        () = shared.closing.cancelled() => {}
    }
}

/// Writes rows in order. Rows that the store refuses are singled out by halving, and given up.
async fn write_batch(shared: &Shared, first: u64, batch: &[Row]) -> Result<(), StoreError> {
    let (mut refused, mut example) = (0, None);
    // Parts still to be written, the next one last.
    let mut todo = Vec::from([(0, batch.len())]);
    let result = loop {
        let Some((start, end)) = todo.pop() else { break Ok(()) };
        let rows = &batch[start..end];
        match shared.store.append(rows).await {
            Ok(()) => shared.metrics.store_written(rows.len()),
            Err(StoreError::Refused(why)) if rows.len() == 1 => {
                shared.metrics.store_dropped(1);
                refused += 1;
                example.get_or_insert(why);
            }
            Err(StoreError::Refused(_)) => {
                let middle = start + rows.len() / 2;
                todo.extend([(middle, end), (start, middle)]);
                continue;
            }
            Err(error) => break Err(error),
        }
        shared.settle(first + end as u64);
    };
    if let Some(error) = example {
        tracing::error!(
            rows = refused,
            error,
            "history refused by the database and given up; the first of them is named"
        );
    }
    result
}

/// An outage under way.
#[derive(Debug)]
struct Trouble {
    since: Instant,
    pause: Duration,
}

impl Trouble {
    /// Waits before the next attempt, longer each time; not for long while the queue is closing.
    async fn pause(&mut self, closing: &CancellationToken) {
        if closing.is_cancelled() {
            tokio::time::sleep(PAUSE).await;
        } else {
            // An error means that it is over: try again.
            let _ = timeout(self.pause, closing.cancelled()).await;
            self.pause = LONGEST_PAUSE.min(2 * self.pause);
        }
    }
}

/// Rows of one transaction: enough to make its costs small, few enough to take well under a second.
const BATCH: usize = 5_000;
/// Where halving after failures ends.
const SMALLEST: usize = 100;
/// A row waits at most so long for others, in real time whatever the service's clock does.
pub const FLUSH_EVERY: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(250);
/// How late the end of an outage may be noticed.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
