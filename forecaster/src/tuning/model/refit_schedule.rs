//! When an ensemble is refitted.

use jiff::{SignedDuration, Timestamp};

use crate::forecast::Ensemble;

const DAY_S: i64 = 86_400;

/// When an ensemble is refitted: whenever it is due in its first two days, then once a day, each
/// workload at a time of day of its own, so that the refits of many workloads are spread over the
/// day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefitSchedule {
    bucket: SignedDuration,
    /// The bucket of the day, counted from 0.
    phase: i64,
}

impl RefitSchedule {
    /// A time of day by `hash`, which is another one for other workloads.
    pub fn spread(hash: u64, bucket: SignedDuration) -> Self {
        let phase = hash % buckets_a_day(bucket) as u64;
        Self { bucket, phase: phase as i64 }
    }

    /// The time of day at which a history starts: refits come whole days after its start.
    pub fn from_start(start: Timestamp, bucket: SignedDuration) -> Self {
        Self { bucket, phase: bucket_index(start, bucket).rem_euclid(buckets_a_day(bucket)) }
    }

    /// Refits an ensemble that has taken in `taken` buckets, up to `end`, if it is time.
    pub fn refit_if_due(&self, ensemble: &mut Ensemble, taken: usize, end: Timestamp) {
        let young = taken <= two_days(self.bucket);
        if ensemble.due() && (young || self.is_due(end)) {
            ensemble.refit();
        }
    }

    /// The bucket that ends at `end` is the one of the day.
    pub(super) fn is_due(&self, end: Timestamp) -> bool {
        let past = bucket_index(end, self.bucket) - self.phase;
        past.rem_euclid(buckets_a_day(self.bucket)) == 0
    }
}

/// Buckets of two days.
pub(super) fn two_days(bucket: SignedDuration) -> usize {
    2 * buckets_a_day(bucket) as usize
}

fn buckets_a_day(bucket: SignedDuration) -> i64 {
    (DAY_S / bucket.as_secs().max(1)).max(1)
}

fn bucket_index(at: Timestamp, bucket: SignedDuration) -> i64 {
    at.as_second().div_euclid(bucket.as_secs().max(1))
}
