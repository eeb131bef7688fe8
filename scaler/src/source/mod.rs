//! Where demand is read. An empty result is *missing* (`None`), never zero.

mod complaints;
mod directory;
pub mod exposition;
mod http;
pub mod prometheus;

pub use crate::signal::{Query, Signals, SourceRef};
pub use directory::Sources;

use std::fmt::Debug;

use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};

/// What was seen at a slot.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Sample {
    /// Demand; `None` = nothing came back.
    pub demand: Option<f64>,
    /// Items waiting.
    pub backlog: Option<f64>,
    /// Latency in seconds.
    pub latency: Option<f64>,
}

/// Why a source did not answer. Texts name the source and the fix, never a credential or a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// No connection, or none in time.
    #[error("cannot reach {source_name}: {cause}")]
    Unreachable {
        /// Which.
        source_name: String,
        /// Why.
        cause: String,
    },
    /// It refused our credentials.
    #[error("{source_name} refused our credentials (HTTP {status})")]
    Unauthorized {
        /// Which.
        source_name: String,
        /// HTTP status.
        status: u16,
    },
    /// It refused the query.
    #[error("{source_name} refused the query: {cause}")]
    BadQuery {
        /// Which.
        source_name: String,
        /// Its words, shortened.
        cause: String,
    },
    /// It answered with something that is not an answer.
    #[error("{source_name} answered with garbage: {cause}")]
    Garbage {
        /// Which.
        source_name: String,
        /// What.
        cause: String,
    },
    /// The source cannot do this (history of an exposition endpoint, say).
    #[error("{source_name} cannot {what}")]
    Unsupported {
        /// Which.
        source_name: String,
        /// What.
        what: &'static str,
    },
    /// Its configuration cannot work, or there is none.
    #[error("source {source_name}: {cause}")]
    Misconfigured {
        /// Which.
        source_name: String,
        /// What is wrong and what is allowed.
        cause: String,
    },
}

impl SourceError {
    /// snake_case kind, for the metric's label.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "unreachable",
            Self::Unauthorized { .. } => "unauthorized",
            Self::BadQuery { .. } => "bad_query",
            Self::Garbage { .. } => "garbage",
            Self::Unsupported { .. } => "unsupported",
            Self::Misconfigured { .. } => "misconfigured",
        }
    }

    /// The same, told of one of the source's endpoints.
    fn at_endpoint(mut self, endpoint: &str) -> Self {
        match &mut self {
            Self::Unreachable { source_name, .. }
            | Self::Unauthorized { source_name, .. }
            | Self::BadQuery { source_name, .. }
            | Self::Garbage { source_name, .. }
            | Self::Unsupported { source_name, .. }
            | Self::Misconfigured { source_name, .. } => *source_name = format!("{source_name} ({endpoint})"),
        }
        self
    }
}

/// A place where demand can be read.
pub trait MetricSource: Debug + Send + Sync + 'static {
    /// Values as of `at`. `Ok` with `demand: None` is a missing observation; an error of backlog or latency alone
    /// leaves them `None` and does not fail the demand.
    fn sample<'a>(&'a self, signals: &'a Signals, at: Timestamp) -> BoxFuture<'a, Result<Sample, SourceError>>;

    /// Values at `from, from + step, … ≤ to`, at most 11,000 of them; instants without a value are left out.
    fn range<'a>(
        &'a self,
        query: &'a Query,
        from: Timestamp,
        to: Timestamp,
        step: SignedDuration,
    ) -> BoxFuture<'a, Result<Vec<(Timestamp, f64)>, SourceError>>;

    /// Whether `range` is worth calling: the source remembers the past.
    fn has_history(&self) -> bool;
}

/// What a number says of demand, backlog or latency. NaN and ±Inf are missing. A negative number counts as 0, as KEDA
/// itself takes it: none of them can be negative, while a `deriv` dips below 0 at idle.
fn observed(value: f64) -> Option<f64> {
    value.is_finite().then_some(value.max(0.0))
}

/// Why `count` (> 1) series are no answer.
fn several(count: usize) -> String {
    format!("it returns {count} series where one is needed; wrap it in sum(…)")
}

/// At most 200 characters of somebody else's words, on one line.
fn shorten(words: &str) -> String {
    let mut short: String = words.chars().map(|c| if c.is_control() { ' ' } else { c }).take(201).collect();
    if let Some((end, _)) = short.char_indices().nth(200) {
        short.truncate(end);
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_no_number_is_missing_and_what_is_negative_is_nothing() {
        let seen = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.5, 0.0, 2.5].map(super::observed);
        assert_eq!(seen, [None, None, None, Some(0.0), Some(0.0), Some(2.5)]);
    }

    #[test]
    fn words_of_others_are_cut_to_200_characters_and_one_line() {
        assert_eq!(super::shorten("a\nb"), "a b");
        assert_eq!(super::shorten(&"ü".repeat(200)), "ü".repeat(200));
        assert_eq!(super::shorten(&"ü".repeat(300)), format!("{}…", "ü".repeat(200)));
    }
}
