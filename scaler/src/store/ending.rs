//! The end of the process, and the beginning of the next.

use std::sync::Arc;

use super::checkpoint::CheckpointQueue;
use super::queue::HistoryQueue;
use super::spill::{Spill, Spilled};
use crate::metrics::Metrics;

/// What the store has not taken: handed on over the end of the process.
#[derive(Debug, Clone)]
pub struct Ending {
    queue: Arc<HistoryQueue>,
    checkpoints: Arc<CheckpointQueue>,
    spill: Arc<Spill>,
}

impl Ending {
    /// Of these queues, by way of this directory.
    pub fn new(
        queue: Arc<HistoryQueue>,
        checkpoints: Arc<CheckpointQueue>,
        spill: Arc<Spill>,
    ) -> Self {
        Self { queue, checkpoints, spill }
    }

    /// Takes up what an earlier process has left.
    pub fn take_up(&self) {
        let Spilled { rows, checkpoints } = self.spill.read();
        if !rows.is_empty() || !checkpoints.is_empty() {
            let directory = self.spill.directory().display();
            tracing::info!(
                rows = rows.len(),
                checkpoints = checkpoints.len(),
                "history that an earlier process left in {directory} is taken up"
            );
        }
        self.checkpoints.take_up(&checkpoints);
        rows.into_iter().for_each(|row| self.queue.push(row));
    }

    /// Once everything is written, files that were taken up are of no use.
    pub fn settle(&self) {
        if self.spill.is_unsettled() && self.queue.is_empty() && self.checkpoints.is_empty() {
            self.spill.settled();
        }
    }

    /// Writes what is left to a local file, for the next start.
    pub fn spill(&self, metrics: &Metrics) {
        let rows = self.queue.leftover();
        let left = Spilled { rows, checkpoints: self.checkpoints.leftover() };
        if left.is_empty() {
            return self.spill.settled();
        }
        let rows = left.rows.len();
        match self.spill.write(&left) {
            Ok(file) => tracing::warn!(
                rows,
                checkpoints = left.checkpoints.len(),
                "the database did not take it before the end: waits in {} for the next start",
                file.display()
            ),
            Err(error) => {
                metrics.store_dropped(rows);
                tracing::error!(
                    rows,
                    %error,
                    "history lost: the database did not take it before the end, and it cannot be \
                     kept in {} (spillDirectory)",
                    self.spill.directory().display()
                );
            }
        }
    }
}
