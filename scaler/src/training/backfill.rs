//! Fills history from the source's past, newest day first.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::Minute;
use prewarm_forecaster::tuning::MINUTE;

use super::Trainer;
use crate::clock::floor;
use crate::source::{MetricSource, Query, SourceError};
use crate::store::{Resolution, Row, SeriesKey, StoreError};
use crate::trigger::Trigger;

/// One range query: a day of minutes, far below Prometheus' limit of 11,000 points.
const CHUNK: SignedDuration = SignedDuration::from_hours(24);

/// Between attempts while store or source are out of reach.
const RETRY: Duration = Duration::from_secs(5);

/// Whatever a source wants, it is asked again after no less and no more than this.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// A source that still has only a part of a day after as many attempts will hardly get the rest.
const PARTIAL_ATTEMPTS: u32 = 5;

impl Trainer {
    /// Fills what the store lacks of the policy's history from the source's past, newest day first;
    /// returns how many minutes were added.
    pub(super) async fn backfill(
        &self,
        key: &Arc<SeriesKey>,
        trigger: &Trigger,
        source: &dyn MetricSource,
    ) -> usize {
        let Some(query) = trigger.source.as_ref().map(|spec| &spec.signals.demand) else {
            return 0;
        };
        let now = self.clock.now();
        let oldest = now - trigger.policy.history_window;
        let days =
            (trigger.policy.history_window.as_secs_f64() / CHUNK.as_secs_f64()).ceil() as usize;
        let mut added = 0;
        let mut empty_days = 0;
        let mut to = now;
        for day in 1..=days {
            let from = (to - CHUNK).max(oldest);
            let filled = self.backfill_span(key, query, source, from, to).await;
            added += filled.added;
            to = from;
            // A week without anything, here or there: the source's retention ends here.
            empty_days = if filled.empty { empty_days + 1 } else { 0 };
            tracing::info!(
                workload.namespace = key.namespace,
                workload.name = key.name,
                backfill.day = day,
                backfill.days = days,
                backfill.minutes = added,
                "backfill"
            );
            if empty_days >= 7 {
                break;
            }
        }
        added
    }

    /// One span; tries again while store or source are out of reach.
    async fn backfill_span(
        &self,
        key: &Arc<SeriesKey>,
        query: &Query,
        source: &dyn MetricSource,
        from: Timestamp,
        to: Timestamp,
    ) -> Filled {
        let mut partial = 0;
        loop {
            match self.backfill_once(key, query, source, from, to).await {
                Ok(filled) => return filled,
                Err(error) => {
                    tracing::warn!(workload.namespace = key.namespace, workload.name = key.name, error = %error,
                        "cannot backfill");
                    partial += u32::from(error.is_partial());
                    if !error.worth_another_try() || partial >= PARTIAL_ATTEMPTS {
                        return Filled { added: 0, empty: true };
                    }
                    tokio::time::sleep(error.pause()).await;
                }
            }
        }
    }

    async fn backfill_once(
        &self,
        key: &Arc<SeriesKey>,
        query: &Query,
        source: &dyn MetricSource,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Filled, BackfillError> {
        let (from, to) = (floor(from, MINUTE), floor(to, MINUTE));
        let known = self.store.load(key, from, to, Resolution::Minute).await?;
        let known: HashSet<Timestamp> = known.into_iter().map(|minute| minute.start).collect();
        let Some((from, to)) = lacking(&known, from, to) else {
            return Ok(Filled { added: 0, empty: false });
        };
        let points = {
            // Held while the source works, and not while one waits for it to recover: others have
            // other sources.
            let _turn = self.backfills.acquire().await.ok();
            source.range(query, from, to - MINUTE, MINUTE).await?
        };
        let rows: Vec<Row> = points
            .into_iter()
            .filter(|(at, value)| value.is_finite() && *value >= 0.0 && !known.contains(at))
            .map(|(start, value)| Row {
                key: key.clone(),
                // One sample stands for the minute: whatever was sampled live is fuller and wins.
                minute: Minute { start, mean: value, max: value, backlog: None, samples: 1 }
                    .rounded(),
            })
            .collect();
        self.store.append(&rows).await?;
        Ok(Filled { added: rows.len(), empty: rows.is_empty() && known.is_empty() })
    }
}

/// What came of one span.
#[derive(Debug, Clone, Copy)]
struct Filled {
    /// Minutes that were added.
    added: usize,
    /// Neither store nor source have any.
    empty: bool,
}

/// From the first minute of `[from, to)` that is missing to the end of the last one; `None` where
/// all are there. One question for all gaps of a day: what is known already stays.
fn lacking(
    known: &HashSet<Timestamp>,
    from: Timestamp,
    to: Timestamp,
) -> Option<(Timestamp, Timestamp)> {
    let minutes = to.duration_since(from).as_secs() / MINUTE.as_secs();
    let start = |n: i64| from + MINUTE * n as i32;
    let missing = |n: &i64| !known.contains(&start(*n));
    let first = (0..minutes).find(missing)?;
    let last = (0..minutes).rev().find(missing)?;
    Some((start(first), start(last + 1)))
}

/// Why a span could not be filled.
#[derive(Debug, thiserror::Error)]
enum BackfillError {
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl BackfillError {
    fn worth_another_try(&self) -> bool {
        match self {
            Self::Source(error) => error.passes(),
            Self::Store(error) => {
                matches!(error, StoreError::Unavailable(_) | StoreError::Damaged(_))
            }
        }
    }

    fn is_partial(&self) -> bool {
        matches!(self, Self::Source(SourceError::Partial { .. }))
    }

    /// As long as the source wants, within reason.
    fn pause(&self) -> Duration {
        let wanted = match self {
            Self::Source(error) => error.retry_after(),
            Self::Store(_) => None,
        };
        wanted.map_or(RETRY, |wanted| wanted.clamp(SHORTEST_PAUSE, LONGEST_PAUSE))
    }
}
