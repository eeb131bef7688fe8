//! Failures of the lesser signals (backlog, latency): told once when they change, not at every
//! slot.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::{Query, SignalFailure, Signals, SourceError};
use crate::log_once::LogOnce;

/// What was last complained about, by signal and query.
#[derive(Debug)]
pub(super) struct OutageLog {
    /// By signal and query, the failure's kind.
    told: LogOnce<(&'static str, String), &'static str>,
    /// By query, what the source remarked.
    remarks: LogOnce<String, String>,
    /// By signal and query, what is wrong now.
    failing: Mutex<HashMap<(&'static str, String), SignalFailure>>,
}

impl Default for OutageLog {
    fn default() -> Self {
        Self {
            told: LogOnce::new(MAX_REMEMBERED),
            remarks: LogOnce::new(MAX_REMEMBERED),
            failing: Mutex::default(),
        }
    }
}

impl OutageLog {
    /// The value, or nothing and a word in the log if this failure is news.
    pub(super) fn record(
        &self,
        source: &str,
        signal: &'static str,
        query: &Query,
        answer: Result<Option<f64>, SourceError>,
    ) -> Option<f64> {
        match answer {
            Ok(value) => {
                if self.settled(signal, query) {
                    self.failing().remove(&(signal, query.promql().to_owned()));
                    tracing::info!(
                        source.name = source,
                        source.signal = signal,
                        "signal can be read again"
                    );
                }
                value
            }
            Err(error) => {
                let failure =
                    SignalFailure { signal, kind: error.kind(), message: error.to_string() };
                let mut failing = self.failing();
                if failing.len() >= MAX_REMEMBERED {
                    failing.clear();
                }
                failing.insert((signal, query.promql().to_owned()), failure);
                drop(failing);
                if self.is_news(signal, query, &error) {
                    tracing::warn!(
                        source.name = source,
                        source.signal = signal,
                        source.query = query.promql(),
                        error.kind = error.kind(),
                        error.message = %error,
                        "signal cannot be read; going on without it"
                    );
                }
                None
            }
        }
    }

    /// What is wrong with backlog and latency now, as of the last time that they were asked.
    pub(super) fn failures(&self, signals: &Signals) -> Vec<SignalFailure> {
        let failing = self.failing();
        if failing.is_empty() {
            return Vec::new();
        }
        let sides = [("backlog", &signals.backlog), ("latency", &signals.latency)];
        let found = sides.into_iter().filter_map(|(signal, query)| {
            failing.get(&(signal, query.as_ref()?.promql().to_owned())).cloned()
        });
        found.collect()
    }

    fn failing(&self) -> std::sync::MutexGuard<'_, HashMap<(&'static str, String), SignalFailure>> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A word in the log on what a source remarked beside its answer, once for each query and
    /// wording.
    pub(super) fn remark(&self, source: &str, promql: &str, remark: Option<&str>) {
        let Some(remark) = remark else { return };
        if self.remarks.is_news(promql.to_owned(), remark.to_owned()) {
            tracing::info!(
                source.name = source,
                source.query = promql,
                source.warning = remark,
                "the source remarks"
            );
        }
    }

    fn is_news(&self, signal: &'static str, query: &Query, error: &SourceError) -> bool {
        self.told.is_news((signal, query.promql().to_owned()), error.kind())
    }

    fn settled(&self, signal: &'static str, query: &Query) -> bool {
        self.told.is_over(|| (signal, query.promql().to_owned()))
    }
}

/// As many as workloads at once; beyond, everything is told once more.
const MAX_REMEMBERED: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_news_once_and_again_after_it_changed_or_settled() {
        let outage_log = OutageLog::default();
        let query = Query::Text("up".into());
        let down =
            SourceError::Unreachable { source_name: "default".into(), cause: "refused".into() };
        let slow =
            SourceError::Unreachable { source_name: "default".into(), cause: "no answer".into() };
        let bad =
            SourceError::BadQuery { source_name: "default".into(), cause: "parse error".into() };
        assert!(!outage_log.settled("backlog", &query));
        assert!(outage_log.is_news("backlog", &query, &down));
        assert!(
            !outage_log.is_news("backlog", &query, &slow),
            "the same kind in other words is no news"
        );
        assert!(outage_log.is_news("latency", &query, &down), "another signal");
        assert!(outage_log.is_news("backlog", &query, &bad));
        assert!(outage_log.settled("backlog", &query));
        assert!(outage_log.is_news("backlog", &query, &bad));
    }

    #[test]
    fn a_failure_leaves_the_value_missing() {
        let query = Query::Text("up".into());
        let down =
            SourceError::Unreachable { source_name: "default".into(), cause: "refused".into() };
        assert_eq!(OutageLog::default().record("default", "backlog", &query, Err(down)), None);
        assert_eq!(
            OutageLog::default().record("default", "backlog", &query, Ok(Some(2.0))),
            Some(2.0)
        );
    }
}
