//! What lasts is told once in the log: when it begins, when it changes, and when it is over.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Remembers what was last told of each thing.
#[derive(Debug)]
pub(crate) struct LogOnce<K, S> {
    told: Mutex<HashMap<K, S>>,
    limit: usize,
}

impl<K: Eq + Hash, S: PartialEq> LogOnce<K, S> {
    /// Remembers at most `limit` things (≥ 1), then forgets all of them: tenants must not fill our
    /// memory, and a line that comes twice does no harm.
    pub(crate) fn new(limit: usize) -> Self {
        Self { told: Mutex::default(), limit }
    }

    /// Whether `state` is not what was last told of `key`. It counts as told from now on.
    pub(crate) fn is_news(&self, key: K, state: S) -> bool {
        let mut told = self.told();
        if told.get(&key) == Some(&state) {
            return false;
        }
        if told.len() >= self.limit && !told.contains_key(&key) {
            told.clear();
        }
        told.insert(key, state);
        true
    }

    /// Whether something was told of the key that `key` makes, and is over now. Nearly always
    /// nothing was told at all: then no key is made.
    pub(crate) fn is_over(&self, key: impl FnOnce() -> K) -> bool {
        let mut told = self.told();
        !told.is_empty() && told.remove(&key()).is_some()
    }

    fn told(&self) -> MutexGuard<'_, HashMap<K, S>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_news_once_and_again_after_it_changed_or_was_over() {
        let log = LogOnce::new(2);
        assert!(!log.is_over(|| "a"));
        assert!(log.is_news("a", 1) && !log.is_news("a", 1));
        assert!(log.is_news("a", 2) && log.is_news("a", 1));
        assert!(log.is_over(|| "a") && !log.is_over(|| "a"));
        assert!(log.is_news("a", 1));
        // A third one makes room by forgetting the others.
        assert!(
            log.is_news("b", 1)
                && log.is_news("c", 1)
                && !log.is_news("c", 1)
                && log.is_news("a", 1)
        );
    }
}
