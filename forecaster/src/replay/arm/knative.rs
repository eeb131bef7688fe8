//! Knative's autoscaler: a stable and a panic window, no HPA.
//!
//! Source: knative/serving pkg/autoscaler/scaling/autoscaler.go `Scale`, with the defaults of config-autoscaler.

use crate::replay::closed::{DRAIN, Signal};
use crate::replay::demand::Demand;
use crate::replay::fleet::Fleet;

/// `container-concurrency-target-percentage`.
const TARGET: f64 = 0.7;

/// `stable-window` in steps: 60 s. The panic window (a tenth of it) is shorter than a step.
const STABLE: usize = 4;

/// `panic-threshold-percentage`: 200 % of what is ready.
const PANIC: f64 = 2.0;

/// `max-scale-down-rate`; `max-scale-up-rate` is 1000 and never binds.
const DOWN_RATE: f64 = 2.0;

/// What it remembers.
#[derive(Debug, Default)]
pub(in crate::replay) struct Knative {
    /// While panicking: the last step at which the panic threshold was passed, and the most that was asked for.
    panic: Option<(usize, f64)>,
    last: f64,
}

impl Knative {
    pub(in crate::replay) fn signal(&mut self, demand: &Demand, i: usize, fleet: &Fleet<'_>) -> Signal {
        // Queue proxies are scraped every second: the newest finished step is seen.
        let seen = demand.values.get(i.saturating_sub(STABLE)..i.max(1)).unwrap_or_default();
        let known = seen.iter().filter(|value| !value.is_nan());
        let (sum, n) = known.fold((0.0, 0u32), |(sum, n), value| (sum + value, n + 1));
        if n == 0 {
            return Signal {
                wanted: Some(self.last),
                active: Some(self.last > 0.0),
                reason: "live",
                ..Signal::default()
            };
        }
        let queue = fleet.queue / DRAIN;
        let newest = seen.iter().rev().copied().find(|value| !value.is_nan()).unwrap_or(0.0);
        let ready = f64::from(fleet.ready.max(1));
        let floor = (ready / DOWN_RATE).floor();
        let stable = ((sum / f64::from(n) + queue) / TARGET).ceil().max(floor);
        let panic = ((newest + queue) / TARGET).ceil().max(floor);
        if panic / ready >= PANIC {
            let peak = self.panic.map_or(0.0, |(_, peak)| peak);
            self.panic = Some((i, peak.max(panic).max(ready)));
        } else if self.panic.is_some_and(|(since, _)| i - since >= STABLE) {
            self.panic = None;
        }
        let (wanted, reason) = match &mut self.panic {
            Some((_, peak)) => {
                *peak = peak.max(panic);
                (*peak, "panic")
            }
            None => (stable, "live"),
        };
        self.last = wanted;
        Signal { wanted: Some(wanted), active: Some(wanted > 0.0), reason, ..Signal::default() }
    }
}
