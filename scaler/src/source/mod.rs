//! Where demand is read. An empty result is *missing* (`None`), never zero.

mod error;
pub mod exposition;
mod http;
mod outage_log;
pub mod prometheus;
mod sources;
pub mod sql;

pub use crate::signal::{Query, Signals, SourceRef, SourceSpec};
pub use error::SourceError;
pub use sources::Sources;

use std::fmt::Debug;
use std::time::Duration;

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
    /// Why demand, although it is there, may not tell the truth.
    pub caveat: Option<&'static str>,
}

/// Why backlog or latency cannot be read, while demand may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignalFailure {
    /// `backlog` or `latency`.
    pub signal: &'static str,
    /// As of a source's error.
    pub kind: &'static str,
    /// Who said what to which query.
    pub message: String,
}

/// A place where demand can be read.
pub trait MetricSource: Debug + Send + Sync + 'static {
    /// Values as of `at`. `Ok` with `demand: None` is a missing observation; an error of backlog or
    /// latency alone leaves them `None` and does not fail the demand.
    fn sample<'a>(
        &'a self,
        signals: &'a Signals,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<Sample, SourceError>>;

    /// Values at `from, from + step, … ≤ to`, at most 11,000 of them; instants without a value are
    /// left out.
    fn range<'a>(
        &'a self,
        query: &'a Query,
        from: Timestamp,
        to: Timestamp,
        step: SignedDuration,
    ) -> BoxFuture<'a, Result<Vec<(Timestamp, f64)>, SourceError>>;

    /// What the server's clock said last, and how long ago that was; `None` where it does not say,
    /// or where samples bear our own time.
    fn server_time(&self) -> Option<(Timestamp, Duration)> {
        None
    }

    /// Whether `range` is worth calling: the source remembers the past.
    fn has_history(&self) -> bool;

    /// Why backlog or latency could not be read the last time they were asked; empty where they
    /// could.
    fn failures(&self, signals: &Signals) -> Vec<SignalFailure>;
}

/// What a number says of demand, backlog or latency. NaN and ±Inf are missing. A negative number
/// counts as 0, as KEDA itself takes it: none of them can be negative, while a `deriv` dips below 0
/// at idle.
fn observed(value: f64) -> Option<f64> {
    value.is_finite().then_some(value.max(0.0))
}

/// Why `count` (> 1) series are no answer.
fn several(count: usize) -> String {
    format!("it returns {count} series where one is needed; wrap it in sum(…)")
}

/// At most 200 characters of somebody else's words, on one line and without characters that nobody
/// sees.
fn shorten(words: &str) -> String {
    const LIMIT: usize = 200;
    let visible =
        words.split_whitespace().flat_map(|word| [" ", word]).flat_map(str::chars).skip(1);
    let mut visible = visible.filter(|c| !is_invisible(*c));
    let mut short: String = visible.by_ref().take(LIMIT).collect();
    if visible.next().is_some() {
        short.push('…');
    }
    short
}

/// Control characters, and those that turn the direction of text or have no width.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_no_number_is_missing_and_what_is_negative_is_nothing() {
        let seen =
            [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.5, 0.0, 2.5].map(super::observed);
        assert_eq!(seen, [None, None, None, Some(0.0), Some(0.0), Some(2.5)]);
    }

    #[test]
    fn words_of_others_are_cut_to_200_characters_and_one_line() {
        assert_eq!(super::shorten("a\nb"), "a b");
        assert_eq!(super::shorten("\u{1b}[31m a \u{202e} b\0"), "[31m a  b");
        assert_eq!(super::shorten(&"ü".repeat(200)), "ü".repeat(200));
        assert_eq!(super::shorten(&"ü".repeat(300)), format!("{}…", "ü".repeat(200)));
    }
}
