//! Minutes of history, as a model takes them in: in buckets.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::decide::plausibility::Outliers;
use crate::series::Minute;
use crate::tuning::MINUTE;

/// Minutes by their start, from which buckets are made.
#[derive(Debug)]
pub(crate) struct MinuteIndex<'a> {
    by_start: BTreeMap<i64, &'a Minute>,
}

impl<'a> MinuteIndex<'a> {
    /// Of minutes in any order, one record a minute.
    pub(crate) fn new(minutes: &'a [Minute]) -> Self {
        let by_start = minutes.iter().map(|minute| (minute.start.as_second(), minute));
        Self { by_start: by_start.collect() }
    }

    /// The minutes that start within a bucket, oldest first.
    pub(crate) fn within(
        &self,
        start: Timestamp,
        bucket: SignedDuration,
    ) -> impl Iterator<Item = &'a Minute> {
        let (from, to) = (start.as_second(), start.as_second().saturating_add(bucket.as_secs()));
        self.by_start.range(from..to).map(|(_, minute)| *minute)
    }
}

/// Demand of the minutes of one bucket.
#[derive(Debug)]
pub(crate) struct BucketDemand {
    /// Mean demand by the first second of its minute.
    means: BTreeMap<i64, f64>,
}

impl BucketDemand {
    /// The peak within the bucket, which is what misses requests; NaN in a gap. Of the means of
    /// whole minutes, because a minute that was backfilled has one sample and would look calmer
    /// than one of four by its largest.
    pub(crate) fn peak(&self) -> f64 {
        self.means.values().copied().reduce(f64::max).unwrap_or(f64::NAN)
    }

    /// Start and mean demand of each minute that was seen, oldest first.
    pub(crate) fn minutes(&self) -> impl Iterator<Item = (Timestamp, f64)> {
        self.means
            .iter()
            .filter_map(|(start, mean)| Some((Timestamp::from_second(*start).ok()?, *mean)))
    }

    /// Mean demand of the minute that a slot lies in; `None` in a gap.
    pub(crate) fn mean_at(&self, slot: Timestamp) -> Option<f64> {
        let minute = slot.as_second().div_euclid(MINUTE.as_secs()) * MINUTE.as_secs();
        self.means.get(&minute).copied()
    }
}

/// Reads buckets one after the other. One bad minute teaches nothing.
#[derive(Debug)]
pub(crate) struct BucketReader {
    bucket: SignedDuration,
    outliers: Outliers,
}

impl BucketReader {
    /// Of buckets of a length; `threshold`: demand that one replica sustains.
    pub(crate) fn new(bucket: SignedDuration, threshold: f64) -> Self {
        Self { bucket, outliers: Outliers::new(threshold) }
    }

    /// The bucket that starts at `start`, later than the one before.
    pub(crate) fn read(&mut self, minutes: &MinuteIndex<'_>, start: Timestamp) -> BucketDemand {
        let mut means = BTreeMap::new();
        for minute in minutes.within(start, self.bucket) {
            means.insert(
                minute.start.as_second(),
                self.outliers.credible(minute.start, minute.mean),
            );
        }
        BucketDemand { means }
    }
}
