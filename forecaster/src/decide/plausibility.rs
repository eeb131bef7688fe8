//! Tells a sample that cannot be from a spike, between the source and the planner.
//!
//! What a source says in a single slot never asks for more than four times what was ever needed,
//! four times what runs, or one replica, whichever is most. What lies above is *held*: it counts as
//! that limit in its own slot, and is neither learned nor repeated. The next slot decides. If it
//! says at least as much, both count, so that a real spike of any size waits for one slot at most;
//! else the held sample is rejected. A drop needs no confirmation: sliding maxima and stabilization
//! hold it.

use jiff::{SignedDuration, Timestamp};

use super::policy::Threshold;
use super::{Check, Earlier, Verdict};
use crate::series::Minute;

/// What one slot alone may multiply. The HPA's own default doubles in a sync: more than fourfold is
/// no ramp.
pub(crate) const FACTOR: f64 = 4.0;

/// So far above all before it a minute of history is doubted (the ensemble's measure for a bucket).
const FAR: f64 = 10.0;

/// A level that lasts for longer than a minute is no bad sample.
const LASTING: SignedDuration = SignedDuration::from_secs(60);

/// A burst that comes again within so long is no bad sample either: a job of every hour, or of
/// every day.
const RECURRING: SignedDuration = SignedDuration::from_hours(26);

/// One signal of a workload: what it is judged by is up to the caller, see [`Signal::judge`].
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Signal {
    held: Option<Held>,
}

/// A sample that waits for the next slot.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Held {
    /// Its slot.
    pub at: Timestamp,
    /// As observed.
    pub value: f64,
    /// It was asked for after the fact, to judge the next one by: it never counts itself.
    pub witness: bool,
}

/// What became of a slot's sample.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Judgment {
    /// The verdict, as decisions show it.
    pub(super) check: Check,
    /// What the sample counts for in this slot; `None` if there is none to count.
    pub(super) counts: Option<f64>,
    /// The earlier sample that counts from now on.
    pub(super) confirmed: Option<Held>,
    /// What is known to be true from now on: at least so much was there.
    pub(super) proven: f64,
    /// What this slot and the one before it both say.
    pub(super) twice: f64,
}

impl Judgment {
    /// The sample, if it counts in full.
    pub(super) fn accepted(&self) -> Option<f64> {
        self.counts.filter(|_| self.check.verdict == Verdict::Plausible)
    }

    /// What a held sample counts for.
    pub(super) fn provisional(&self) -> Option<f64> {
        self.counts.filter(|_| self.check.verdict == Verdict::Held)
    }
}

impl Signal {
    /// Judges the sample of slot `now`. `limit`: the most that it may say without confirmation;
    /// `factor`: how many times what two slots say, at least 1; `bridge`: how long a held sample
    /// waits where slots are missed. The same slot may be judged again.
    pub(super) fn judge(
        &mut self,
        now: Timestamp,
        sample: Option<f64>,
        (limit, factor): (f64, f64),
        bridge: SignedDuration,
    ) -> Judgment {
        let mut judgment = Judgment::default();
        if self.held.is_some_and(|held| now.duration_since(held.at) > bridge) {
            self.held = None;
            judgment.check.earlier = Some(Earlier::Rejected);
        }
        let Some(value) = sample else { return judgment };
        if !value.is_finite() || value < 0.0 {
            judgment.check.verdict = Verdict::Invalid;
            return judgment;
        }
        let mut limit = limit;
        if let Some(held) = self.held.take().filter(|held| held.at < now) {
            // Both say at least so much.
            let proven = held.value.min(value);
            limit = limit.max(factor * proven);
            (judgment.proven, judgment.twice) = (proven, proven);
            let confirmed = held.value <= FACTOR * value;
            if !held.witness {
                judgment.check.earlier =
                    Some(if confirmed { Earlier::Confirmed } else { Earlier::Rejected });
                judgment.confirmed = Some(held).filter(|_| confirmed);
            }
        }
        if value <= limit {
            judgment.counts = Some(value);
            judgment.proven = value;
        } else {
            self.held = Some(Held { at: now, value, witness: false });
            judgment.check.verdict = Verdict::Held;
            judgment.counts = Some(limit);
        }
        judgment
    }

    /// What the source said in an earlier slot, asked for after the fact.
    pub(super) fn witness(&mut self, at: Timestamp, sample: Option<f64>) {
        let usable = sample.filter(|value| value.is_finite() && *value >= 0.0);
        if let (Some(value), None) = (usable, self.held) {
            self.held = Some(Held { at, value, witness: true });
        }
    }

    /// For a checkpoint: what waits.
    pub(super) fn held(&self) -> Option<Held> {
        self.held
    }

    /// Of a checkpoint.
    pub(super) fn of_held(held: Option<Held>) -> Self {
        Self { held }
    }

    /// After the clock was set back nothing waits for a slot that has been.
    pub(super) fn forget(&mut self) {
        self.held = None;
    }
}

/// What one slot may ask for without confirmation, in the demand's unit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reference {
    /// The most that was ever needed, demand and backlog together.
    pub(super) needed: f64,
    /// Replicas ready or starting, where the cluster says.
    pub(super) running: Option<u32>,
    /// Replicas that may run (`maxReplicaCount`), where it is known.
    pub(super) may_run: Option<u32>,
    /// Demand that one replica sustains.
    pub(super) threshold: Threshold,
    /// The least utilization that demand may be divided by, within (0, 1].
    pub(super) utilization: f64,
}

impl Reference {
    /// The limit: so much demand, after headroom, comes to no more than is allowed.
    pub(super) fn limit(&self) -> f64 {
        let replica = self.threshold.get();
        let running = f64::from(self.running.unwrap_or(0));
        let least = (FACTOR * running).max(1.0) * replica * self.utilization;
        let limit = (FACTOR * self.needed).max(least);
        // What lies above `maxReplicaCount` makes no difference to KEDA; a held sample need not say
        // it.
        self.may_run.map_or(limit, |most| limit.min(f64::from(most.max(1)) * replica))
    }
}

/// The most that history of the last minutes is believed, in the demand's unit. Minutes of several
/// samples passed through here already; one of a single sample (backfilled) is believed up to four
/// times the largest of the others.
pub(super) fn believed(recent: &[Minute], threshold: Threshold) -> f64 {
    let (mut largest, mut second, mut sampled) = (0.0f64, 0.0f64, 0.0f64);
    for minute in recent.iter().filter(|minute| minute.max.is_finite()) {
        if minute.samples > 1 {
            sampled = sampled.max(minute.max);
        }
        second = second.max(minute.max.min(largest));
        largest = largest.max(minute.max);
    }
    if recent.len() < 2 {
        return largest;
    }
    largest.min((FACTOR * second).max(threshold.get())).max(sampled)
}

/// Takes lone outliers out of a history that is followed in order, minute by minute or slot by
/// slot.
///
/// A value ten times above all before it counts as the one before, until it has lasted for a
/// minute, or has come again within about a day (then up to a hundred times all before it). The
/// ensemble doubts a lone bucket by the same measure.
#[derive(Debug, Clone)]
pub struct Outliers {
    /// Demand that is always believed, in its own unit: ten replicas' worth.
    floor: f64,
    highest: f64,
    last: Option<f64>,
    doubted: Option<(Timestamp, f64)>,
}

impl Outliers {
    /// Of a workload of which nothing is known but what one replica sustains.
    pub fn new(threshold: f64) -> Self {
        Self { floor: FAR * threshold, highest: 0.0, last: None, doubted: None }
    }

    /// What the value at `at` (ascending; finite, ≥ 0) counts for.
    pub fn credible(&mut self, at: Timestamp, value: f64) -> f64 {
        let usual = (FAR * self.highest).max(self.floor);
        if value <= usual || self.is_confirmed(at, value, usual) {
            self.highest = self.highest.max(value);
            self.last = Some(value);
            return value;
        }
        let waits = |(since, _): (Timestamp, f64)| at.duration_since(since) < LASTING;
        if !self.doubted.is_some_and(waits) {
            self.doubted = Some((at, value));
        }
        // The very first value stands for itself; it teaches nothing until it is confirmed.
        *self.last.get_or_insert(value)
    }

    fn is_confirmed(&self, at: Timestamp, value: f64, usual: f64) -> bool {
        let Some((since, doubted)) = self.doubted else { return false };
        let age = at.duration_since(since);
        let lasts = age >= LASTING && age < LASTING * 2;
        let recurs = age >= LASTING && age <= RECURRING && value <= FAR * usual;
        value <= FAR * doubted && (lasts || recurs)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BRIDGE: SignedDuration = SignedDuration::from_secs(45);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    /// Verdicts and what counts, slot by slot of 15 s, under a fixed limit.
    fn judged(limit: f64, samples: &[Option<f64>]) -> Vec<(Verdict, Option<Earlier>, Option<f64>)> {
        let mut signal = Signal::default();
        let slots = (0..).zip(samples);
        let judged = slots
            .map(|(slot, sample)| signal.judge(at(15 * slot), *sample, (limit, FACTOR), BRIDGE));
        judged
            .map(|judgment| (judgment.check.verdict, judgment.check.earlier, judgment.counts))
            .collect()
    }

    #[test]
    fn what_a_second_slot_confirms_counts_and_what_it_denies_does_not() {
        use Earlier::{Confirmed, Rejected};
        use Verdict::{Held, Invalid, Plausible};
        let spike = judged(40.0, &[Some(10.0), Some(900.0), Some(1000.0), Some(1000.0)]);
        let none = None;
        assert_eq!(
            spike,
            [
                (Plausible, none, Some(10.0)),
                (Held, none, Some(40.0)),
                (Plausible, Some(Confirmed), Some(1000.0)),
                // The limit is the caller's to raise.
                (Held, none, Some(40.0)),
            ]
        );
        let lone = judged(40.0, &[Some(1e12), Some(10.0)]);
        assert_eq!(lone[1], (Plausible, Some(Rejected), Some(10.0)));
        // A missed slot is bridged, a long gap is not, and what is no number neither confirms nor
        // denies.
        let bridged = judged(40.0, &[Some(900.0), None, Some(f64::NAN), Some(900.0)]);
        assert_eq!(bridged[2].0, Invalid);
        assert_eq!(bridged[3], (Plausible, Some(Confirmed), Some(900.0)));
        let gap = judged(40.0, &[Some(900.0), None, None, None, None, Some(900.0)]);
        assert_eq!((gap[4].1, gap[5].0), (Some(Rejected), Held));
        // Two bad ones of different size prove the smaller.
        let growing = judged(40.0, &[Some(100.0), Some(1e12)]);
        assert_eq!(growing[1], (Held, Some(Confirmed), Some(400.0)));
        let shrinking = judged(40.0, &[Some(1e12), Some(100.0)]);
        assert_eq!(shrinking[1], (Plausible, Some(Rejected), Some(100.0)));
    }

    #[test]
    fn a_slot_that_is_judged_twice_confirms_nothing() {
        let mut signal = Signal::default();
        let judged = [0, 0, 0]
            .map(|second| signal.judge(at(second), Some(900.0), (40.0, FACTOR), BRIDGE).check);
        assert!(
            judged.iter().all(|check| *check == Check { verdict: Verdict::Held, earlier: None })
        );
    }

    #[test]
    fn the_limit_follows_from_what_was_needed_what_runs_and_what_may() {
        let threshold = Threshold::new(10.0).unwrap();
        let nothing =
            Reference { needed: 0.0, running: None, may_run: None, threshold, utilization: 1.0 };
        assert_eq!(nothing.limit(), 10.0);
        assert_eq!(Reference { running: Some(3), ..nothing }.limit(), 120.0);
        assert_eq!(Reference { needed: 50.0, running: Some(3), ..nothing }.limit(), 200.0);
        assert_eq!(Reference { needed: 50.0, may_run: Some(12), ..nothing }.limit(), 120.0);
        assert_eq!(Reference { running: Some(3), utilization: 0.5, ..nothing }.limit(), 60.0);
    }

    #[test]
    fn a_backfilled_minute_is_believed_by_its_neighbors() {
        let threshold = Threshold::new(10.0).unwrap();
        let minute =
            |max: f64, samples| Minute { start: at(0), mean: max, max, backlog: None, samples };
        let all = |rows: &[(f64, u16)]| {
            let minutes: Vec<Minute> =
                rows.iter().map(|(max, samples)| minute(*max, *samples)).collect();
            believed(&minutes, threshold)
        };
        assert_eq!(all(&[(10.0, 1), (20_000.0, 1), (11.0, 1)]), 44.0);
        assert_eq!(all(&[(10.0, 1), (20_000.0, 4)]), 20_000.0);
        assert_eq!((all(&[(70.0, 1)]), all(&[(0.0, 4), (5.0, 1)]), all(&[])), (70.0, 5.0, 0.0));
    }

    fn counted(step: i64, values: &[f64]) -> Vec<f64> {
        let mut outliers = Outliers::new(4.0);
        (0..).zip(values).map(|(i, value)| outliers.credible(at(step * i), *value)).collect()
    }

    #[test]
    fn a_lone_minute_far_above_all_before_it_is_no_history() {
        assert_eq!(counted(60, &[10.0, 20_000.0, 11.0, 12.0]), [10.0, 10.0, 11.0, 12.0]);
        // The next minute confirms it, in slots as in minutes.
        assert_eq!(counted(60, &[10.0, 20_000.0, 19_000.0]), [10.0, 10.0, 19_000.0]);
        let slots = counted(15, &[10.0, 2e4, 2e4, 2e4, 2e4, 2e4, 2e4]);
        assert_eq!(slots, [10.0, 10.0, 10.0, 10.0, 10.0, 2e4, 2e4]);
        // A burst of each hour is known from its second time on; what cannot be never is.
        let hourly = |burst: f64| {
            let mut values = vec![10.0; 180];
            values[60] = burst;
            values[120] = burst;
            let counted = counted(60, &values);
            (counted[60], counted[120])
        };
        assert_eq!(hourly(300.0), (10.0, 300.0));
        assert_eq!(hourly(1e12), (10.0, 10.0));
        // Ten replicas' worth is never doubted: sparse workloads come and go within minutes.
        assert_eq!(counted(60, &[0.0, 40.0, 0.0, 400.0]), [0.0, 40.0, 0.0, 400.0]);
        assert_eq!(counted(60, &[500.0, 10.0, 400.0, 10.0])[..2], [500.0, 10.0]);
    }

    proptest! {
        #[test]
        fn two_equal_slots_in_a_row_are_always_followed(
            before in prop::collection::vec(prop::option::of(0.0f64..1e15), 0..20), value in 0.0f64..1e15, limit in 0.0f64..1e6,
        ) {
            let mut samples = before;
            samples.extend([Some(value), Some(value)]);
            let mut signal = Signal::default();
            let mut limit = limit;
            let mut counts = None;
            for (slot, sample) in (0..).zip(samples) {
                let judgment = signal.judge(at(15 * slot), sample, (limit, FACTOR), BRIDGE);
                // What is proven was needed.
                limit = limit.max(FACTOR * judgment.proven);
                counts = judgment.counts;
            }
            prop_assert_eq!(counts, Some(value));
        }
    }
}
