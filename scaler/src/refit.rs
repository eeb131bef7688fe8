//! Off the slots: fill history from the source's past, load it, fit, hand the forecast to the collector.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::series::Statistic;
use prewarm_forecaster::{Forecast, Minute, Model, Policy, Series};
use tokio::sync::{Semaphore, watch};

use crate::clock::{Clock, floor};
use crate::metadata::Trigger;
use crate::metrics::Metrics;
use crate::source::{MetricSource, Query, SourceError};
use crate::store::{HistoryStore, Resolution, Row, SeriesKey, StoreError};

/// A forecast is renewed this often; its horizon is far longer, so a late refit does no harm.
const REFIT_EVERY: SignedDuration = SignedDuration::from_mins(15);

/// Steps of one minute: the longest lead and hold (2 h + 2 h), and an hour of late refits.
const HORIZON: usize = 300;

/// Upper quantiles are what capacity is asked by; the median is for people.
const QUANTILES: [f64; 6] = [0.5, 0.75, 0.9, 0.95, 0.975, 0.99];

/// Resolution of history.
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// One range query: a day of minutes, far below Prometheus' limit of 11,000 points.
const CHUNK: SignedDuration = SignedDuration::from_hours(24);

/// A day with more of its minutes than this is not asked for again.
const COVERED: f64 = 0.9;

/// Between attempts while store or source are out of reach.
const RETRY: Duration = Duration::from_secs(5);

/// Turns history into forecasts.
#[derive(Debug)]
pub struct Refitter {
    store: Arc<dyn HistoryStore>,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    /// Backfills at once: they are the heaviest thing that we ask of a source.
    backfills: Semaphore,
    /// Fits at once: one, so that answers keep a core.
    fits: Semaphore,
}

impl Refitter {
    /// A refitter over a store.
    pub fn new(store: Arc<dyn HistoryStore>, metrics: Arc<Metrics>, clock: Arc<dyn Clock>) -> Self {
        Self { store, metrics, clock, backfills: Semaphore::new(2), fits: Semaphore::new(1) }
    }

    /// Keeps one workload's forecast fresh; never returns.
    pub async fn tend(
        &self,
        key: Arc<SeriesKey>,
        trigger: Trigger,
        source: Option<Arc<dyn MetricSource>>,
        forecasts: &watch::Sender<Option<Forecast>>,
    ) {
        // A ScaledJob is never forecast; windows alone have no demand that could be.
        if trigger.policy.scaled_job || trigger.source.is_none() {
            return std::future::pending().await;
        }
        // What the store knows already is put to use before the source is asked for more.
        self.refit(&key, &trigger.policy, forecasts).await;
        if let Some(source) = source
            && source.has_history()
            && self.backfill(&key, &trigger, source.as_ref()).await > 0
        {
            self.refit(&key, &trigger.policy, forecasts).await;
        }
        let mut due = self.clock.now() + REFIT_EVERY;
        loop {
            self.clock.sleep_until(due).await;
            let renewed = self.refit(&key, &trigger.policy, forecasts).await;
            // Failed refits are tried again sooner: the store may be back.
            due = self.clock.now() + if renewed { REFIT_EVERY } else { SignedDuration::from_mins(1) };
        }
    }

    /// Loads, fits, hands over; `false` where it should be tried again soon.
    async fn refit(&self, key: &Arc<SeriesKey>, policy: &Arc<Policy>, out: &watch::Sender<Option<Forecast>>) -> bool {
        let Ok(_turn) = self.fits.acquire().await else { return false };
        let started = Instant::now();
        let now = self.clock.now();
        let history = match self.store.load(key, now - policy.history_window, now, Resolution::Minute).await {
            Ok(history) => history,
            Err(error) => {
                self.metrics.refitted("store_error", started.elapsed());
                tracing::warn!(workload.namespace = key.namespace, workload.name = key.name, error = %error,
                    "cannot load history: the forecast stays as it is");
                return false;
            }
        };
        let zone = policy.calendar.zone().clone();
        let fit = tokio::task::spawn_blocking(move || {
            let series = Series::from_minutes(&history, MINUTE, Statistic::Max)?;
            let fitted = Model::SeasonalNaive.fit(&series, &zone).ok()?;
            Some(fitted.forecast(HORIZON, &QUANTILES))
        });
        match fit.await {
            Ok(Some(forecast)) => {
                self.metrics.refitted("ok", started.elapsed());
                out.send_replace(Some(forecast));
            }
            Ok(None) => self.metrics.refitted("too_short", started.elapsed()),
            Err(panic) => {
                self.metrics.refitted("panic", started.elapsed());
                tracing::error!(workload.namespace = key.namespace, workload.name = key.name, error = %panic,
                    "the fit failed: the forecast stays as it is");
            }
        }
        true
    }

    /// Fills what the store lacks of the policy's history from the source's past, newest day first; returns how many
    /// minutes were added.
    async fn backfill(&self, key: &Arc<SeriesKey>, trigger: &Trigger, source: &dyn MetricSource) -> usize {
        let Some(query) = trigger.source.as_ref().map(|spec| &spec.signals.demand) else { return 0 };
        let Ok(_turn) = self.backfills.acquire().await else { return 0 };
        let now = self.clock.now();
        let oldest = now - trigger.policy.history_window;
        let days = (trigger.policy.history_window.as_secs_f64() / CHUNK.as_secs_f64()).ceil() as usize;
        let mut added = 0;
        let mut empty_days = 0;
        let mut to = now;
        for day in 1..=days {
            let from = (to - CHUNK).max(oldest);
            let found = self.backfill_span(key, query, source, from, to).await;
            added += found;
            to = from;
            // A week without anything: the source's retention ends here.
            empty_days = if found == 0 { empty_days + 1 } else { 0 };
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
    ) -> usize {
        loop {
            match self.backfill_once(key, query, source, from, to).await {
                Ok(added) => return added,
                Err(error) => {
                    tracing::warn!(workload.namespace = key.namespace, workload.name = key.name, error = %error,
                        "cannot backfill");
                    if !error.worth_another_try() {
                        return 0;
                    }
                    tokio::time::sleep(RETRY).await;
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
    ) -> Result<usize, BackfillError> {
        let (from, to) = (floor(from, MINUTE), floor(to, MINUTE));
        let expected = to.duration_since(from).as_secs() / MINUTE.as_secs();
        let known = self.store.load(key, from, to, Resolution::Minute).await?;
        if expected <= 0 || known.len() as f64 >= COVERED * expected as f64 {
            return Ok(0);
        }
        let known: HashSet<Timestamp> = known.into_iter().map(|minute| minute.start).collect();
        let points = source.range(query, from, to - MINUTE, MINUTE).await?;
        let rows: Vec<Row> = points
            .into_iter()
            .filter(|(at, value)| value.is_finite() && *value >= 0.0 && !known.contains(at))
            .map(|(start, value)| Row {
                key: key.clone(),
                // One sample stands for the minute: whatever was sampled live is fuller and wins.
                minute: Minute { start, mean: value, max: value, backlog: None, samples: 1 }.rounded(),
            })
            .collect();
        self.store.append(&rows).await?;
        Ok(rows.len())
    }
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
        matches!(self, Self::Source(SourceError::Unreachable { .. }) | Self::Store(StoreError::Unavailable(_)))
    }
}
