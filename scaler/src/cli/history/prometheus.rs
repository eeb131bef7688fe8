//! Histories straight from Prometheus, in range queries that it allows.

use std::time::Duration;

use anyhow::{Context, bail};
use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::Series;

use super::History;
use crate::cli::progress::Progress;
use crate::clock::floor;
use crate::config::SourceConfig;
use crate::source::prometheus::PrometheusSource;
use crate::source::{MetricSource, Query, SourceError};

/// What is read of a Prometheus.
#[derive(Debug)]
pub(super) struct Request {
    /// What it is called in messages.
    pub(super) name: String,
    /// How it is reached.
    pub(super) source: SourceConfig,
    /// PromQL that gives one series.
    pub(super) query: String,
    /// How far back, in days.
    pub(super) days: u16,
    /// Distance between values; at least a second.
    pub(super) step: SignedDuration,
}

/// Reads the days before `now`; the last value is that of the last full step.
pub(super) async fn read(request: Request, now: Timestamp) -> anyhow::Result<History> {
    let Request { name, source, query, days, step } = request;
    let config = SourceConfig { timeout: PATIENCE.max(source.timeout), concurrency: 1, ..source };
    let source = PrometheusSource::new(&name, &config)?;
    let seconds = step.as_secs();
    let count = i64::from(days) * 86_400 / seconds;
    let end = floor(now, step);
    let at = |i: i64| end.checked_sub(SignedDuration::from_secs((count - i) * seconds));
    let mut values = vec![f64::NAN; usize::try_from(count)?];
    let progress = Progress::of(format!("reading {days} days"), values.len());
    let asked = Query::Text(query);
    let mut done = 0;
    while done < count {
        let last = (done + CHUNK).min(count) - 1;
        let answer =
            persistently(&source, &asked, at(done)?, at(last)?, step).await.context("--query")?;
        for (instant, value) in answer {
            let i = (instant.as_second() - at(0)?.as_second()).div_euclid(seconds);
            if let Some(place) = usize::try_from(i).ok().and_then(|i| values.get_mut(i)) {
                *place = value;
            }
        }
        done = last + 1;
        progress.reach(usize::try_from(done)?);
    }
    let Some(first) = values.iter().position(|value| !value.is_nan()) else {
        bail!(
            "--query returned nothing in the last {days} days: does it return a series in {name}'s own page?"
        );
    };
    values.drain(..first);
    let series = Series::new(at(i64::try_from(first)?)?, step, values);
    Ok(History { series, notes: Vec::new() })
}

/// One range; asked again while the server says that it cannot answer at this moment.
async fn persistently(
    source: &PrometheusSource,
    query: &Query,
    from: Timestamp,
    to: Timestamp,
    step: SignedDuration,
) -> Result<Vec<(Timestamp, f64)>, SourceError> {
    let mut pause = FIRST_PAUSE;
    loop {
        match source.range(query, from, to, step).await {
            Err(error @ SourceError::Unavailable { .. }) if pause <= LONGEST_PAUSE => {
                let wait = error.retry_after().unwrap_or(pause).min(LONGEST_PAUSE);
                eprintln!("prewarm: {error}; asking again in {} s", wait.as_secs());
                tokio::time::sleep(wait).await;
                pause *= 2;
            }
            answer => return answer,
        }
    }
}

/// Points in one query; Prometheus allows 11,000.
const CHUNK: i64 = 10_000;

/// A week of a heavy query takes a while.
const PATIENCE: SignedDuration = SignedDuration::from_secs(60);

/// Before the second attempt; twice as long before each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Before the last attempt.
const LONGEST_PAUSE: Duration = Duration::from_secs(32);
