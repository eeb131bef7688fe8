//! Minutes of history, as a model takes them in: in buckets.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

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

    /// The minutes that start within a bucket.
    pub(crate) fn within(&self, start: Timestamp, bucket: SignedDuration) -> impl Iterator<Item = &'a Minute> {
        let (from, to) = (start.as_second(), start.as_second().saturating_add(bucket.as_secs()));
        self.by_start.range(from..to).map(|(_, minute)| *minute)
    }

    /// Demand of a bucket: the peak within it, which is what misses requests; NaN in a gap. Of the means of whole minutes,
    /// because a minute that was backfilled has one sample and would look calmer than one of four by its largest.
    pub(crate) fn demand(&self, start: Timestamp, bucket: SignedDuration) -> f64 {
        let means = self.within(start, bucket).map(|minute| minute.mean);
        means.reduce(f64::max).unwrap_or(f64::NAN)
    }

    /// Mean demand of the minute that a slot lies in; `None` in a gap.
    pub(crate) fn mean_at(&self, slot: Timestamp) -> Option<f64> {
        let minute = slot.as_second().div_euclid(MINUTE.as_secs()) * MINUTE.as_secs();
        self.by_start.get(&minute).map(|minute| minute.mean)
    }
}
