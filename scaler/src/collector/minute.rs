//! Samples → finished minutes.

use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::decide::{Check, Earlier, Verdict};
use prewarm_forecaster::{Minute, Parts};

use crate::clock::floor;
use crate::source::Sample;

/// The minute that is being filled. Slots without demand add nothing: a minute with none leaves no
/// row. What was held as implausible is added when it is confirmed, if its minute is still open,
/// else never.
#[derive(Debug, Default)]
pub(crate) struct OpenMinute {
    start: Option<Timestamp>,
    last: Option<Timestamp>,
    demand: f64,
    max: f64,
    samples: u16,
    backlog: f64,
    backlog_samples: u16,
    held_demand: Option<f64>,
    held_backlog: Option<f64>,
}

impl OpenMinute {
    /// Adds the sample of slot `at` as it was judged; returns the minute before, if `at` begins
    /// another one.
    pub(crate) fn add(&mut self, at: Timestamp, sample: &Sample, judged: &Parts) -> Option<Minute> {
        if let Some(demand) = settled(&mut self.held_demand, judged.demand_check) {
            self.add_demand(demand);
        }
        if let Some(backlog) = settled(&mut self.held_backlog, judged.backlog_check) {
            self.add_backlog(backlog);
        }
        let start = floor(at, SignedDuration::from_mins(1));
        let finished = if self.start == Some(start) { None } else { self.take() };
        self.start = Some(start);
        // A slot is sampled again when the metadata was edited within it; it counts once.
        if self.last.replace(at) == Some(at) {
            return finished;
        }
        match (sample.demand, judged.demand_check.verdict) {
            (Some(demand), Verdict::Plausible) => self.add_demand(demand),
            (Some(demand), Verdict::Held) => self.held_demand = Some(demand),
            _ => {}
        }
        match (sample.backlog, judged.backlog_check.verdict) {
            (Some(backlog), Verdict::Plausible) => self.add_backlog(backlog),
            (Some(backlog), Verdict::Held) => self.held_backlog = Some(backlog),
            _ => {}
        }
        finished
    }

    fn add_demand(&mut self, demand: f64) {
        self.demand += demand;
        self.max = self.max.max(demand);
        self.samples += 1;
    }

    fn add_backlog(&mut self, backlog: f64) {
        self.backlog += backlog;
        self.backlog_samples += 1;
    }

    /// Closes the minute as it stands, finished or not (on shutdown: a fuller record of it wins in
    /// the store).
    pub(crate) fn take(&mut self) -> Option<Minute> {
        let open = std::mem::take(self);
        let start = open.start.filter(|_| open.samples > 0)?;
        let minute = Minute {
            start,
            mean: open.demand / f64::from(open.samples),
            max: open.max,
            backlog: (open.backlog_samples > 0)
                .then(|| open.backlog / f64::from(open.backlog_samples)),
            samples: open.samples,
        };
        Some(minute.rounded())
    }
}

/// What was held, if this slot confirms it; forgotten, if this slot rejects it.
fn settled(held: &mut Option<f64>, check: Check) -> Option<f64> {
    match check.earlier {
        Some(Earlier::Confirmed) => held.take(),
        Some(Earlier::Rejected) => {
            *held = None;
            None
        }
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(verdict: Verdict, earlier: Option<Earlier>) -> Parts {
        let check = Check { verdict, earlier };
        Parts { demand_check: check, backlog_check: check, ..Parts::default() }
    }

    #[test]
    fn what_is_held_is_added_when_it_is_confirmed_and_else_never() {
        let sample = |value: f64| Sample { backlog: Some(value), ..demand(value) };
        let minute = |outcome| {
            let mut open = OpenMinute::default();
            open.add(at(0), &sample(6.0), &Parts::default());
            open.add(at(15), &sample(900.0), &judged(Verdict::Held, None));
            // Even where the confirmation belongs to the next minute already.
            open.add(at(60), &sample(1000.0), &judged(Verdict::Plausible, outcome)).unwrap()
        };
        let confirmed = minute(Some(Earlier::Confirmed));
        assert_eq!((confirmed.max, confirmed.samples, confirmed.backlog), (900.0, 2, Some(453.0)));
        let [rejected, undecided] = [Some(Earlier::Rejected), None].map(minute);
        assert_eq!((rejected.max, rejected.samples, rejected.backlog), (6.0, 1, Some(6.0)));
        assert_eq!(rejected, undecided);
        let mut open = OpenMinute::default();
        open.add(at(0), &sample(6.0), &Parts::default());
        open.add(at(15), &sample(f64::NAN), &judged(Verdict::Invalid, None));
        open.add(at(30), &sample(1e12), &judged(Verdict::Held, None));
        assert_eq!(
            open.take().map(|minute| (minute.max, minute.samples)),
            Some((6.0, 1)),
            "nor at the stop"
        );
    }

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
            assert_eq!(open.add(at(second), &demand(value), &Parts::default()), None);
        }
        let minute = open.add(at(60), &demand(9.0), &Parts::default()).unwrap();
        assert_eq!(minute, Minute { start: at(0), mean: 4.0, max: 8.0, backlog: None, samples: 4 });
    }

    #[test]
    fn missing_samples_are_not_zeros() {
        let mut open = OpenMinute::default();
        open.add(at(0), &demand(6.0), &Parts::default());
        open.add(at(15), &Sample::default(), &Parts::default());
        open.add(at(30), &Sample { backlog: Some(2.0), ..Sample::default() }, &Parts::default());
        let minute = open.take().unwrap();
        assert_eq!((minute.mean, minute.samples, minute.backlog), (6.0, 1, Some(2.0)));
    }

    #[test]
    fn a_slot_that_is_sampled_twice_counts_once() {
        let mut open = OpenMinute::default();
        open.add(at(0), &demand(6.0), &Parts::default());
        open.add(at(0), &demand(8.0), &Parts::default());
        assert_eq!(open.take().unwrap().samples, 1);
    }

    #[test]
    fn a_minute_without_demand_leaves_no_row() {
        let mut open = OpenMinute::default();
        open.add(at(0), &Sample::default(), &Parts::default());
        assert_eq!(open.add(at(60), &Sample::default(), &Parts::default()), None);
    }
}
