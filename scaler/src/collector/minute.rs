//! Samples → finished minutes.

use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::Minute;

use crate::clock::floor;
use crate::source::Sample;

/// The minute that is being filled. Slots without demand add nothing: a minute with none leaves no row.
#[derive(Debug, Default)]
pub(crate) struct OpenMinute {
    start: Option<Timestamp>,
    last: Option<Timestamp>,
    demand: f64,
    max: f64,
    samples: u16,
    backlog: f64,
    backlog_samples: u16,
}

impl OpenMinute {
    /// Adds the sample of slot `at`; returns the minute before, if `at` begins another one.
    pub(crate) fn add(&mut self, at: Timestamp, sample: &Sample) -> Option<Minute> {
        let start = floor(at, SignedDuration::from_mins(1));
        let finished = if self.start == Some(start) { None } else { self.take() };
        self.start = Some(start);
        // A slot is sampled again when the metadata was edited within it; it counts once.
        if self.last.replace(at) == Some(at) {
            return finished;
        }
        if let Some(demand) = sample.demand {
            self.demand += demand;
            self.max = self.max.max(demand);
            self.samples += 1;
        }
        if let Some(backlog) = sample.backlog {
            self.backlog += backlog;
            self.backlog_samples += 1;
        }
        finished
    }

    /// Closes the minute as it stands, finished or not (on shutdown: a fuller record of it wins in the store).
    pub(crate) fn take(&mut self) -> Option<Minute> {
        let open = std::mem::take(self);
        let start = open.start.filter(|_| open.samples > 0)?;
        let minute = Minute {
            start,
            mean: open.demand / f64::from(open.samples),
            max: open.max,
            backlog: (open.backlog_samples > 0).then(|| open.backlog / f64::from(open.backlog_samples)),
            samples: open.samples,
        };
        Some(minute.rounded())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn demand(value: f64) -> Sample {
        Sample { demand: Some(value), ..Sample::default() }
    }

    #[test]
    fn a_minute_is_handed_over_when_the_next_begins() {
        let mut open = OpenMinute::default();
        for (second, value) in [(0, 1.0), (15, 3.0), (30, 8.0), (45, 4.0)] {
            assert_eq!(open.add(at(second), &demand(value)), None);
        }
        let minute = open.add(at(60), &demand(9.0)).unwrap();
        assert_eq!(minute, Minute { start: at(0), mean: 4.0, max: 8.0, backlog: None, samples: 4 });
    }

    #[test]
    fn missing_samples_are_not_zeros() {
        let mut open = OpenMinute::default();
        open.add(at(0), &demand(6.0));
        open.add(at(15), &Sample::default());
        open.add(at(30), &Sample { backlog: Some(2.0), ..Sample::default() });
        let minute = open.take().unwrap();
        assert_eq!((minute.mean, minute.samples, minute.backlog), (6.0, 1, Some(2.0)));
    }

    #[test]
    fn a_slot_that_is_sampled_twice_counts_once() {
        let mut open = OpenMinute::default();
        open.add(at(0), &demand(6.0));
        open.add(at(0), &demand(8.0));
        assert_eq!(open.take().unwrap().samples, 1);
    }

    #[test]
    fn a_minute_without_demand_leaves_no_row() {
        let mut open = OpenMinute::default();
        open.add(at(0), &Sample::default());
        assert_eq!(open.add(at(60), &Sample::default()), None);
    }
}
