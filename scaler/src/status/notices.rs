//! What is not as it should be with the process, while it answers all the same.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Notices by what they are about (`store`, `clock`, `spill`): on `/readyz`, and
/// `prewarm_degraded{what}` in the metrics.
#[derive(Debug, Default)]
pub struct Notices {
    /// Whatever was ever noticed; `None` once it is over.
    texts: Mutex<BTreeMap<&'static str, Option<String>>>,
}

impl Notices {
    /// Sets what is wrong, in words for operators; `None`: nothing.
    pub fn set(&self, what: &'static str, text: Option<String>) {
        self.texts.lock().unwrap_or_else(PoisonError::into_inner).insert(what, text);
    }

    /// Whether something is wrong with it now.
    pub fn holds(&self, what: &str) -> bool {
        self.all().get(what).is_some_and(Option::is_some)
    }

    /// All that was ever set.
    pub fn all(&self) -> BTreeMap<&'static str, Option<String>> {
        self.texts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A line for each that holds.
    pub fn lines(&self) -> String {
        let all = self.all().into_iter();
        all.filter_map(|(what, text)| Some(format!("degraded: {what}: {}\n", text?))).collect()
    }
}
