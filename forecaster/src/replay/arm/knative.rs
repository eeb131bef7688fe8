//! Knative's autoscaler: a stable and a panic window, no HPA.
//!
//! Source: knative/serving pkg/autoscaler/scaling/autoscaler.go `Scale`, with the defaults of
//! config-autoscaler.

use crate::replay::demand::Demand;
use crate::replay::fleet::Fleet;
use crate::replay::signal::{DRAIN, Signal};

/// `container-concurrency-target-percentage`.
const TARGET: f64 = 0.7;

/// `stable-window` in steps: 60 s. The panic window (a tenth of it) is shorter than a step.
const STABLE: usize = 4;

/// `panic-threshold-percentage`: 200 % of what is ready.
const PANIC: f64 = 2.0;

/// `max-scale-down-rate` at every `tick-interval` of 2 s, in a step; `max-scale-up-rate` is 1000
/// and never binds.
const DOWN_RATE: f64 = 128.0;

/// What it remembers.
#[derive(Debug, Default)]
pub(in crate::replay) struct Knative {
    /// While panicking: the last step at which the panic threshold was passed.
    panic: Option<usize>,
    /// The most that was asked for since then.
    peak: f64,
    last: f64,
}

impl Knative {
    pub(in crate::replay) fn signal(
        &mut self,
        demand: &Demand,
        i: usize,
        fleet: &Fleet<'_>,
    ) -> Signal {
        // Queue proxies are scraped every second: the newest finished step is seen.
        let seen = demand.values.get(i.saturating_sub(STABLE)..i.max(1)).unwrap_or_default();
        let known = seen.iter().filter(|value| !value.is_nan());
        let (sum, n) = known.fold((0.0, 0u32), |(sum, n), value| (sum + value, n + 1));
        if n == 0 {
            return self.answer("live");
        }
        let queue = fleet.queue / DRAIN;
        let newest = seen.iter().rev().copied().find(|value| !value.is_nan()).unwrap_or(0.0);
        let ready = f64::from(fleet.ready.max(1));
        let floor = (ready / DOWN_RATE).floor();
        let stable = ((sum / f64::from(n) + queue) / TARGET).ceil().max(floor);
        let panic = ((newest + queue) / TARGET).ceil();
        if panic / ready >= PANIC {
            self.panic = Some(i);
        } else if self.panic.is_some_and(|since| i - since > STABLE) {
            // `panicTime.Add(StableWindow).Before(now)`.
            (self.panic, self.peak) = (None, 0.0);
        }
        if self.panic.is_none() {
            self.last = stable;
            return self.answer("live");
        }
        // Only upwards, and never below what the stable window asks for.
        self.peak = self.peak.max(panic).max(stable);
        self.last = self.peak;
        self.answer("panic")
    }

    fn answer(&self, reason: &'static str) -> Signal {
        Signal {
            wanted: Some(self.last),
            active: Some(self.last > 0.0),
            reason,
            ..Signal::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::*;
    use crate::decide::policy::Threshold;
    use crate::replay::scenario::Scenario;
    use crate::series::Series;

    /// What is asked for at each step by a fleet that is always as large as was asked for.
    fn path(values: &[f64]) -> Vec<(u32, &'static str)> {
        let step = SignedDuration::from_secs(15);
        let scene = Scenario::new(Threshold::new(1.0).unwrap(), step);
        let demand =
            Demand::new(&Series::new(Timestamp::UNIX_EPOCH, step, values.to_vec()), &scene);
        let mut fleet = Fleet::new(&demand, &scene, 2);
        let mut knative = Knative::default();
        let mut step = |i| {
            let signal = knative.signal(&demand, i, &fleet);
            let wanted = signal.wanted.unwrap() as u32;
            fleet.set_replicas(wanted, 0);
            (wanted, signal.reason)
        };
        (0..values.len()).map(&mut step).collect()
    }

    /// autoscaler.go `Scale`: the mean of 60 s at 70 % of the target.
    #[test]
    fn calm_demand_is_scaled_by_the_stable_window() {
        let went = path(&[1.4, 1.4, 1.4, 1.4, 2.0, 2.0, 2.0, 2.0, 2.0]);
        assert_eq!(went[..5], [(2, "live"); 5]);
        assert_eq!(went[8], (3, "live"));
    }

    /// The same: from twice what is ready on it panics, goes by the newest, never down, and calms
    /// down more than a stable window after the threshold was last passed.
    #[test]
    fn a_surge_panics_and_holds_for_a_stable_window() {
        let mut values = vec![1.4; 6];
        values.push(7.0);
        values.extend([1.4; 9]);
        let went = path(&values);
        assert_eq!(went[6], (2, "live"), "the surge is not over yet");
        assert_eq!(went[7..12], [(10, "panic"); 5]);
        assert_eq!(went[12], (2, "live"), "75 s later, in one step");
    }
}
