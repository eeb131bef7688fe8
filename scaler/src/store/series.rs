//! Ids of series, remembered so that a batch does not ask for them again.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use super::SeriesKey;

/// Key → id as the database assigned it. Ids never change while the database lives, and series are
/// never deleted.
#[derive(Debug, Default)]
pub(super) struct SeriesIds {
    known: RwLock<HashMap<SeriesKey, i64>>,
}

impl SeriesIds {
    /// The id, if it is known here.
    pub(super) fn find(&self, key: &SeriesKey) -> Option<i64> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(key).copied()
    }

    /// Remembers ids. Call it after the transaction that assigned them has committed.
    pub(super) fn learn(&self, ids: impl IntoIterator<Item = (SeriesKey, i64)>) {
        self.known.write().unwrap_or_else(PoisonError::into_inner).extend(ids);
    }

    /// Forgets all: the database may be another one now. Whether there was any.
    pub(super) fn forget(&self) -> bool {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let any = !known.is_empty();
        known.clear();
        any
    }
}
