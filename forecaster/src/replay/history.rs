//! A trace as the service keeps it: minutes of what was sampled at slots, and the buckets that
//! models are made of.

use jiff::{SignedDuration, Timestamp};

use crate::decide::later;
use crate::decide::policy::Threshold;
use crate::replay::scenario::STEP;
use crate::series::{Minute, Series};
use crate::tuning::model::bucket::{BucketReader, MinuteIndex};
use crate::tuning::{BUCKET, MINUTE};

/// The minutes of a trace.
#[derive(Debug, Clone)]
pub struct History {
    minutes: Vec<Minute>,
    start: Timestamp,
    bucket: SignedDuration,
}

impl History {
    /// The minutes of a trace that is sampled in steps of 15 s; gaps leave no minute. Buckets last
    /// five minutes, or as long as a step of the trace where that is longer: within a step nothing
    /// is known of its course.
    pub fn new(trace: &Series) -> Self {
        let minutes = minutes(trace);
        let (origin, bucket) = match trace.step() > BUCKET {
            true => (trace.start(), trace.step()),
            false => (Timestamp::UNIX_EPOCH, BUCKET),
        };
        let first = minutes.first().map_or(trace.start(), |minute| minute.start);
        let past = first.duration_since(origin).as_secs().rem_euclid(bucket.as_secs());
        Self { start: later(first, SignedDuration::from_secs(-past)), minutes, bucket }
    }

    /// Oldest first.
    pub fn minutes(&self) -> &[Minute] {
        &self.minutes
    }

    /// Start of the first bucket.
    pub fn start(&self) -> Timestamp {
        self.start
    }

    /// Length of a bucket.
    pub fn bucket(&self) -> SignedDuration {
        self.bucket
    }

    /// Demand in buckets, as a model takes it in; NaN = gap. `threshold`: demand that one replica
    /// sustains.
    pub fn buckets(&self, threshold: Threshold) -> Series {
        let index = MinuteIndex::new(&self.minutes);
        let mut reader = BucketReader::new(self.bucket, threshold.get());
        let end = self.minutes.last().map_or(self.start, |last| last.start + MINUTE);
        let mut values = Vec::new();
        let mut next = self.start;
        while next < end {
            values.push(reader.read(&index, next).peak());
            next += self.bucket;
        }
        Series::new(self.start, self.bucket, values)
    }
}

/// Means of the steps that were observed in each minute, rounded as a store rounds them.
fn minutes(trace: &Series) -> Vec<Minute> {
    let (step_s, slot_s) = (trace.step().as_secs(), STEP.as_secs());
    let slots = trace.end().duration_since(trace.start()).as_secs() / slot_s;
    let mut minutes: Vec<Minute> = Vec::new();
    // The minute that is being filled, and the sum of its samples.
    let mut open: Option<(Minute, f64)> = None;
    for slot in 0..slots {
        let value = usize::try_from(slot * slot_s / step_s)
            .ok()
            .and_then(|i| trace.values().get(i))
            .copied();
        let Some(demand) = value.filter(|demand| demand.is_finite() && *demand >= 0.0) else {
            continue;
        };
        let at = later(trace.start(), SignedDuration::from_secs(slot * slot_s));
        let past = at.as_second().rem_euclid(MINUTE.as_secs());
        let start = later(at, SignedDuration::from_secs(-past));
        let (minute, sum) = match open.take() {
            Some((minute, sum)) if minute.start == start => (minute, sum),
            finished => {
                minutes.extend(finished.map(close));
                (Minute { start, mean: 0.0, max: 0.0, backlog: None, samples: 0 }, 0.0)
            }
        };
        let minute = Minute { max: minute.max.max(demand), samples: minute.samples + 1, ..minute };
        open = Some((minute, sum + demand));
    }
    minutes.extend(open.map(close));
    minutes
}

fn close((minute, sum): (Minute, f64)) -> Minute {
    Minute { mean: sum / f64::from(minute.samples), ..minute }.rounded()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn minutes_are_means_of_samples_and_gaps_leave_none() {
        let values = vec![
            1.0,
            2.0,
            3.0,
            6.0,
            f64::NAN,
            f64::NAN,
            f64::NAN,
            f64::NAN,
            5.0,
            f64::NAN,
            -1.0,
            7.0,
        ];
        let trace = Series::new(at(60), SignedDuration::from_secs(15), values);
        let history = History::new(&trace);
        let found: Vec<_> = history
            .minutes()
            .iter()
            .map(|m| (m.start.as_second(), m.mean, m.max, m.samples))
            .collect();
        assert_eq!(found, [(60, 3.0, 6.0, 4), (180, 6.0, 7.0, 2)]);
    }

    #[test]
    fn buckets_begin_at_full_five_minutes_and_hold_the_largest_minute() {
        let minutes: Vec<f64> = (1..=14).map(f64::from).collect();
        let history = History::new(&Series::new(at(60), MINUTE, minutes));
        let buckets = history.buckets(Threshold::new(1.0).unwrap());
        assert_eq!((buckets.start().as_second(), buckets.step()), (0, BUCKET));
        // The first lacks its first minute.
        assert_eq!(buckets.values(), [4.0, 9.0, 14.0]);
    }

    #[test]
    fn a_coarse_trace_keeps_its_steps() {
        let half_hours = vec![f64::NAN, 4.0, 8.0];
        let history =
            History::new(&Series::new(at(600), SignedDuration::from_mins(30), half_hours));
        let buckets = history.buckets(Threshold::new(1.0).unwrap());
        assert_eq!((buckets.start().as_second(), buckets.step().as_mins()), (600 + 1800, 30));
        assert_eq!(buckets.values(), [4.0, 8.0]);
    }
}
