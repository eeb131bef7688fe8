//! Failures of the lesser signals (backlog, latency): told once when they change, not at every slot.

use std::collections::HashMap;
use std::sync::Mutex;

use super::{Query, SourceError};

/// What was last complained about, by signal and query.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    last: Mutex<HashMap<(&'static str, String), SourceError>>,
    remarks: Mutex<HashMap<String, String>>,
}

impl Complaints {
    /// The value, or nothing and a word in the log if this failure is news.
    pub(super) fn heed(
        &self,
        source: &str,
        signal: &'static str,
        query: &Query,
        answer: Result<Option<f64>, SourceError>,
    ) -> Option<f64> {
        match answer {
            Ok(value) => {
                if self.settled(signal, query) {
                    tracing::info!(source.name = source, source.signal = signal, "signal can be read again");
                }
                value
            }
            Err(error) => {
                if self.is_news(signal, query, &error) {
                    tracing::warn!(
                        source.name = source,
                        source.signal = signal,
                        source.query = query.promql().unwrap_or_default(),
                        error.kind = error.kind(),
                        error.message = %error,
                        "signal cannot be read; going on without it"
                    );
                }
                None
            }
        }
    }

    /// A word in the log on what a source remarked beside its answer, once for each query and wording.
    pub(super) fn remark(&self, source: &str, promql: &str, remark: Option<&str>) {
        let Some(remark) = remark else { return };
        let Ok(mut remarks) = self.remarks.lock() else { return };
        if remarks.get(promql).is_some_and(|before| before == remark) {
            return;
        }
        if remarks.len() >= MAX_REMEMBERED {
            remarks.clear();
        }
        remarks.insert(promql.to_owned(), remark.to_owned());
        tracing::info!(source.name = source, source.query = promql, source.warning = remark, "the source remarks");
    }

    fn is_news(&self, signal: &'static str, query: &Query, error: &SourceError) -> bool {
        let Ok(mut last) = self.last.lock() else { return false };
        let key = (signal, query.promql().unwrap_or_default().to_owned());
        if last.len() >= MAX_REMEMBERED && !last.contains_key(&key) {
            last.clear();
        }
        last.insert(key, error.clone()).is_none_or(|before| before.kind() != error.kind())
    }

    fn settled(&self, signal: &'static str, query: &Query) -> bool {
        let Ok(mut last) = self.last.lock() else { return false };
        // Nearly always there is nothing to look up, hence no key to build.
        !last.is_empty() && last.remove(&(signal, query.promql().unwrap_or_default().to_owned())).is_some()
    }
}

/// As many as workloads at once; beyond, everything is told once more.
const MAX_REMEMBERED: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_news_once_and_again_after_it_changed_or_settled() {
        let complaints = Complaints::default();
        let query = Query::Text("up".into());
        let down = SourceError::Unreachable { source_name: "default".into(), cause: "refused".into() };
        let slow = SourceError::Unreachable { source_name: "default".into(), cause: "no answer".into() };
        let bad = SourceError::BadQuery { source_name: "default".into(), cause: "parse error".into() };
        assert!(!complaints.settled("backlog", &query));
        assert!(complaints.is_news("backlog", &query, &down));
        assert!(!complaints.is_news("backlog", &query, &slow), "the same kind in other words is no news");
        assert!(complaints.is_news("latency", &query, &down), "another signal");
        assert!(complaints.is_news("backlog", &query, &bad));
        assert!(complaints.settled("backlog", &query));
        assert!(complaints.is_news("backlog", &query, &bad));
    }

    #[test]
    fn a_failure_leaves_the_value_missing() {
        let query = Query::Text("up".into());
        let down = SourceError::Unreachable { source_name: "default".into(), cause: "refused".into() };
        assert_eq!(Complaints::default().heed("default", "backlog", &query, Err(down)), None);
        assert_eq!(Complaints::default().heed("default", "backlog", &query, Ok(Some(2.0))), Some(2.0));
    }
}
