//! What is kept of a workload, as people look at it: series of any span in a bounded number of
//! points, the latest forecast, decisions. Reads the store, writes nothing; every answer comes within
//! [`PATIENCE`] or is an error.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::{Forecast, Minute};

pub use crate::store::StoreError;
pub use crate::store::document::DecisionRecord;
use crate::store::document::{Kind, unpack_decisions, unpack_forecast};
use crate::store::{HistoryStore, Resolution, SeriesKey};

/// A series on an even grid; a bucket without a record is `None`.
#[derive(Debug, Clone, PartialEq)]
pub struct Buckets {
    /// Start of the first bucket.
    pub start: Timestamp,
    /// Width of each.
    pub step: SignedDuration,
    /// The buckets, oldest first.
    pub values: Vec<Option<Bucket>>,
}

/// What is known of one bucket, in the demand's own unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// Mean over all samples.
    pub mean: f64,
    /// Largest sample.
    pub max: f64,
    /// Mean backlog of the records that have one.
    pub backlog: Option<f64>,
}

/// The store, for readers.
#[derive(Debug, Clone)]
pub struct Archive {
    store: Arc<dyn HistoryStore>,
}

impl Archive {
    /// Reads `store`.
    pub fn new(store: Arc<dyn HistoryStore>) -> Self {
        Self { store }
    }

    /// Demand and backlog of `[from, to)` in at most `points` buckets.
    pub async fn series(
        &self,
        key: &SeriesKey,
        from: Timestamp,
        to: Timestamp,
        points: usize,
    ) -> Result<Buckets, StoreError> {
        let step = step(from, to, points);
        let resolution =
            if step < FIVE_MINUTES { Resolution::Minute } else { Resolution::FiveMinutes };
        let step_s = step.as_secs();
        let first = from.as_second().div_euclid(step_s) * step_s;
        let start = Timestamp::from_second(first).unwrap_or(from);
        let records = within(self.store.load(key, start, to, resolution)).await?;
        Ok(Buckets { start, step, values: bucketed(&records, first, to, step_s) })
    }

    /// The latest forecast that was saved; `None` before the first.
    pub async fn forecast(&self, key: &SeriesKey) -> Result<Option<Forecast>, StoreError> {
        let latest = within(self.store.latest_documents(key, Kind::Forecast, 1)).await?;
        // One that cannot be read is as good as none: it is replaced by the next.
        Ok(latest.last().and_then(|document| unpack_forecast(document).ok()))
    }

    /// Decisions that changed something, of `[from, to)`, oldest first.
    pub async fn decisions(
        &self,
        key: &SeriesKey,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<DecisionRecord>, StoreError> {
        // A document holds what was decided after its own instant as well.
        let earlier = from.saturating_sub(REACH).unwrap_or(from);
        let documents = within(self.store.documents(key, Kind::Decision, earlier, to)).await?;
        let mut records: Vec<_> = documents.iter().flat_map(unpack_decisions).collect();
        records.retain(|record| from <= record.at && record.at < to);
        records.sort_by_key(|record| record.at);
        records.dedup_by_key(|record| record.at);
        Ok(records)
    }

    /// The decision in force at `at`: the last that changed something; `None` if nothing is kept
    /// from before.
    pub async fn decision_at(
        &self,
        key: &SeriesKey,
        at: Timestamp,
    ) -> Result<Option<DecisionRecord>, StoreError> {
        let until = at.saturating_add(SignedDuration::from_secs(1)).unwrap_or(at);
        for days in LOOK_BACK_DAYS {
            let from = at.saturating_sub(SignedDuration::from_hours(24 * days)).unwrap_or(at);
            if let Some(last) = self.decisions(key, from, until).await?.pop() {
                return Ok(Some(last));
            }
        }
        Ok(None)
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        within(self.store.ping()).await
    }
}

/// The narrowest step that covers `[from, to)` in at most `points` buckets.
fn step(from: Timestamp, to: Timestamp, points: usize) -> SignedDuration {
    let span = to.duration_since(from).as_secs().max(1);
    let fits = |step: &&i64| (span + **step) / **step <= points.max(1) as i64;
    SignedDuration::from_secs(STEPS_S.iter().find(fits).copied().unwrap_or(LONGEST_STEP_S))
}

fn bucketed(records: &[Minute], first: i64, to: Timestamp, step_s: i64) -> Vec<Option<Bucket>> {
    let count = (to.as_second() - first).max(0).div_euclid(step_s)
        + i64::from((to.as_second() - first).rem_euclid(step_s) > 0);
    let mut buckets = vec![None; usize::try_from(count.max(0)).unwrap_or(0)];
    let index = |record: &Minute| (record.start.as_second() - first).div_euclid(step_s);
    for group in records.chunk_by(|a, b| index(a) == index(b)) {
        let slot = usize::try_from(index(&group[0])).ok().and_then(|i| buckets.get_mut(i));
        if let Some(slot) = slot {
            *slot = Some(bucket(group));
        }
    }
    buckets
}

fn bucket(records: &[Minute]) -> Bucket {
    let (mut mean, mut weight) = (0.0, 0.0);
    let (mut backlog, mut with_backlog) = (0.0, 0.0);
    let mut max = 0.0_f64;
    for record in records {
        // Running means: huge values do not overflow, equal ones stay as they are.
        let samples = f64::from(record.samples.max(1));
        weight += samples;
        mean += (record.mean - mean) * (samples / weight);
        max = max.max(record.max);
        if let Some(waiting) = record.backlog {
            with_backlog += samples;
            backlog += (waiting - backlog) * (samples / with_backlog);
        }
    }
    Bucket { mean, max, backlog: (with_backlog > 0.0).then_some(backlog) }
}

async fn within<T>(work: BoxFuture<'_, Result<T, StoreError>>) -> Result<T, StoreError> {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(done) => done,
        Err(_) => Err(StoreError::Unavailable(format!("no answer within {PATIENCE:?}"))),
    }
}

/// A person waits no longer.
const PATIENCE: Duration = Duration::from_secs(5);

const FIVE_MINUTES: SignedDuration = SignedDuration::from_mins(5);

/// Steps that people read easily: a minute, then multiples of the five minutes that are kept for
/// 13 months.
const STEPS_S: [i64; 9] = [60, 300, 900, 1_800, 3_600, 10_800, 21_600, 43_200, LONGEST_STEP_S];
const LONGEST_STEP_S: i64 = 86_400;

/// A document of decisions reaches no further than this.
const REACH: SignedDuration = SignedDuration::from_hours(2);

/// How far back the decision in force is looked for: nearly always within hours.
const LOOK_BACK_DAYS: [i64; 3] = [1, 14, 400];

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(second: i64, mean: f64, samples: u16) -> Minute {
        let start = Timestamp::from_second(second).unwrap();
        Minute { start, mean, max: mean + 1.0, backlog: None, samples }
    }

    #[test]
    fn a_bucket_is_the_mean_of_samples_and_the_largest_maximum_and_a_gap_stays_a_gap() {
        let records = [minute(0, 1.0, 4), minute(60, 4.0, 2), minute(900, 7.0, 4)];
        let to = Timestamp::from_second(1_200).unwrap();
        let buckets = bucketed(&records, 0, to, 300);
        assert_eq!(buckets.len(), 4);
        assert_eq!(buckets[0], Some(Bucket { mean: 2.0, max: 5.0, backlog: None }));
        assert_eq!((buckets[1], buckets[2]), (None, None));
        assert_eq!(buckets[3].unwrap().mean, 7.0);
    }

    #[test]
    fn any_span_has_at_most_so_many_points() {
        let from = Timestamp::from_second(1_800_000_030).unwrap();
        for minutes in [1, 15, 59, 600, 1_440, 43_200, 570_000] {
            let to = from + SignedDuration::from_mins(minutes);
            let step = step(from, to, 800);
            let first = from.as_second().div_euclid(step.as_secs()) * step.as_secs();
            let points = bucketed(&[], first, to, step.as_secs()).len();
            assert!(points <= 800 && points > 0, "{minutes} min: {points} points of {step:?}");
        }
    }
}
