//! The queue before a workload's replicas, first come, first served, as a fluid: what a gateway or
//! the models would report, from the Ready replicas that the control plane has at the time.

use std::collections::VecDeque;

use crate::demand::Load;

/// Seconds that a request takes once it runs.
const SERVICE: f64 = 1.0;

/// Seconds that one step of the fluid lasts.
const STEP: f64 = 0.05;

/// Waits beyond these many seconds are counted.
pub(crate) const LIMITS: [f64; 2] = [5.0, 15.0];

/// Requests that run and wait, and how long those that have started had to wait.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    clock: f64,
    /// When they came, and how many.
    waiting: VecDeque<(f64, f64)>,
    running: f64,
    /// Requests that have come.
    pub(crate) requests: f64,
    /// Of these, those that waited longer than each of [`LIMITS`].
    pub(crate) late: [f64; LIMITS.len()],
    /// The longest wait of all, seconds.
    pub(crate) longest: f64,
}

impl Queue {
    /// Lets the time pass until `until` seconds: requests come at `rate(t)` a second, and `slots`
    /// of them can run at a time. Those that run on replicas that go are finished.
    pub(crate) fn advance(&mut self, until: f64, slots: f64, rate: impl Fn(f64) -> f64) {
        while self.clock + STEP <= until {
            let come = rate(self.clock) * STEP;
            if come > 0.0 {
                self.requests += come;
                self.waiting.push_back((self.clock, come));
            }
            self.running *= (-STEP / SERVICE).exp();
            self.begin(slots);
            self.clock += STEP;
        }
    }

    fn begin(&mut self, slots: f64) {
        while let Some((came, waits)) = self.waiting.front_mut() {
            let begins = waits.min(slots - self.running);
            if begins <= 0.0 {
                return;
            }
            let waited = self.clock - *came;
            for (late, limit) in self.late.iter_mut().zip(LIMITS) {
                *late += if waited > limit { begins } else { 0.0 };
            }
            self.longest = self.longest.max(waited);
            self.running += begins;
            *waits -= begins;
            if *waits < 1e-9 {
                self.waiting.pop_front();
            }
        }
    }

    /// What is exposed.
    pub(crate) fn load(&self) -> Load {
        Load { running: self.running, waiting: self.waiting.iter().map(|(_, waits)| waits).sum() }
    }

    /// The end: those that still wait count with the time for which they have waited.
    pub(crate) fn close(&mut self) {
        self.begin(f64::INFINITY);
    }
}
