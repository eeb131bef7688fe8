//! Which replicas live: what leases rest on.
//!
//! A replica says that it lives once every few seconds, for all its leases at once, however many
//! there are. When one stops, the others try for what it held.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Trainer, refit_spread};
use crate::store::SeriesKey;

/// Between two signs of life. In real time, as the database's clock is.
const BEAT: Duration = Duration::from_secs(4);

/// A replica that has given no sign for so long has gone: with a beat and the spread, others take
/// over within 25 s.
const ALIVE: SignedDuration = SignedDuration::from_secs(15);

/// The attempts to take over many workloads are spread over so long.
const SPREAD_MS: u64 = 5_000;

/// The last sign, on shutdown: if it is not heard the end of [`ALIVE`] is waited for.
const FAREWELL: Duration = Duration::from_secs(2);

impl Trainer {
    /// Says that this replica lives until `shutdown`, and watches the others.
    pub async fn live(&self, shutdown: CancellationToken) {
        let mut known = BTreeSet::new();
        let mut told = false;
        loop {
            match self.store.heartbeat(&self.holder, ALIVE).await {
                Ok(others) => {
                    let others: BTreeSet<String> = others.into_iter().collect();
                    if known.difference(&others).next().is_some() {
                        self.gone.send_modify(|times| *times += 1);
                    }
                    known = others;
                    told = false;
                }
                Err(error) => {
                    self.metrics.store_error("heartbeat");
                    if !std::mem::replace(&mut told, true) {
                        tracing::warn!(%error, "cannot say that this replica lives: another may refit what it refits");
                    }
                }
            }
            tokio::select! {
                () = tokio::time::sleep(BEAT) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    /// Says that this replica has ended, so that others need not wait for it.
    pub async fn release(&self) {
        let farewell = self.store.heartbeat(&self.holder, SignedDuration::ZERO);
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
    }
}

/// Waits until a replica has gone, and then for this workload's turn.
pub(super) async fn takeover(gone: &mut watch::Receiver<u64>, key: &SeriesKey) {
    if gone.changed().await.is_err() {
        // Its sender lives as long as who waits here.
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(Duration::from_millis(refit_spread(key) % SPREAD_MS)).await;
}
