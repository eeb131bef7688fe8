//! History that was there and is gone: an empty database after a failover, a dropped table.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What was found gone.
#[derive(Debug, Default)]
pub(super) struct Loss {
    /// Series were seen there once.
    seen: AtomicBool,
    count: AtomicU64,
    latest: Mutex<Option<(Instant, String)>>,
}

impl Loss {
    /// A new connection says whether the database knows no series.
    pub(super) fn look(&self, empty: bool) {
        if !empty {
            self.seen.store(true, Ordering::Relaxed);
        } else if self.seen.swap(false, Ordering::Relaxed) {
            tracing::error!(
                "the database is empty, and was not before (another one after a failover, a restore?): \
                 history begins anew, filled from the source's past where it has one"
            );
            self.tell("the database was found empty".to_owned());
        }
    }

    /// Counts a loss.
    pub(super) fn tell(&self, what: String) {
        self.count.fetch_add(1, Ordering::Relaxed);
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        *latest = Some((Instant::now(), what));
    }

    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Said for a while.
    pub(super) fn trouble(&self) -> Option<String> {
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, what) = latest.as_ref().filter(|(since, _)| since.elapsed() < SAID)?;
        let minutes = since.elapsed().as_secs() / 60;
        Some(format!("{what} {minutes} min ago; history is filled again from the source's past"))
    }
}

/// Long enough for an alert to be seen.
const SAID: Duration = Duration::from_secs(3600);
