//! Replicas that run and that start, and the queue in front of them.

use std::collections::VecDeque;

use jiff::SignedDuration;

use super::demand::{Demand, steps};
use super::scenario::{ColdStart, Scenario};
use crate::control::queue::late;

/// What happened over some steps, in replica-steps.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Totals {
    /// Steps that were observed.
    pub(super) steps: u32,
    pub(super) demand: f64,
    /// Ready and starting.
    pub(super) replicas: f64,
    /// Work that waited too long.
    pub(super) missed: f64,
    /// Integral of the queue.
    pub(super) waited: f64,
    /// Steps with less Ready than demand.
    pub(super) under: u32,
    pub(super) starts: u64,
}

/// Replicas that were asked for together and will be Ready together.
#[derive(Debug, Clone, Copy)]
struct Batch {
    ready_at: u32,
    replicas: u32,
}

/// A fleet and its queue. Fluid, first in first out; who waits beyond the patience goes.
#[derive(Debug)]
pub(super) struct Fleet<'a> {
    demand: &'a Demand,
    cold_start: &'a ColdStart,
    /// Steps of a cold start, where it is always the same.
    constant: Option<u32>,
    seed: u64,
    /// What a replica serves in a step.
    capacity: f64,
    /// In steps.
    wait: usize,
    patience: Option<usize>,
    pub(super) ready: u32,
    pub(super) starting: u32,
    /// In the order in which they were asked for.
    batches: VecDeque<Batch>,
    /// No batch is Ready before.
    next: u32,
    /// Start-ups so far, canceled ones included.
    begun: u64,
    /// Work that waits, in replica-steps.
    pub(super) queue: f64,
    /// Metrics show it.
    shows_queue: bool,
    pub(super) tally: Totals,
}

impl<'a> Fleet<'a> {
    pub(super) fn new(demand: &'a Demand, scene: &'a Scenario, ready: u32) -> Self {
        let wait = steps(scene.wait_limit).max(1) as usize;
        let (shortest, longest) = (scene.cold_start.quantile(0.0), scene.cold_start.quantile(1.0));
        Self {
            demand,
            cold_start: &scene.cold_start,
            constant: (shortest == longest).then(|| start_steps(longest)),
            seed: scene.seed,
            capacity: scene.capacity(),
            wait,
            patience: scene.patience.map(|patience| (steps(patience) as usize).max(wait)),
            ready,
            starting: 0,
            batches: VecDeque::new(),
            next: u32::MAX,
            begun: 0,
            queue: 0.0,
            shows_queue: scene.shows_queue,
            tally: Totals::default(),
        }
    }

    /// Ready and starting: the scale target's `spec.replicas`.
    pub(super) fn total(&self) -> u32 {
        self.ready + self.starting
    }

    /// What waits, where metrics show it.
    pub(super) fn shown_queue(&self) -> Option<f64> {
        self.shows_queue.then_some(self.queue)
    }

    /// Start-ups that are over by step `i`.
    pub(super) fn complete_startups(&mut self, i: usize) {
        if (i as u32) < self.next {
            return;
        }
        let (mut landed, mut next) = (0, u32::MAX);
        self.batches.retain(|batch| {
            let over = batch.ready_at <= i as u32;
            if over {
                landed += batch.replicas;
            } else {
                next = next.min(batch.ready_at);
            }
            !over
        });
        self.next = next;
        self.ready += landed;
        self.starting -= landed;
    }

    /// Scales to `target` at step `i`. Who is not Ready goes first, the newest of them first
    /// (`ActivePodsWithRanks`, kubernetes pkg/controller/controller_utils.go).
    pub(super) fn scale(&mut self, i: usize, target: u32) {
        let current = self.total();
        if target > current {
            self.start(i, target - current);
        } else if target < current {
            self.stop(current - target);
        }
    }

    fn start(&mut self, i: usize, more: u32) {
        self.tally.starts += u64::from(more);
        match self.constant {
            Some(took) => self.push(i as u32 + took, more),
            None => {
                for _ in 0..more {
                    let took = self.cold_start.draw(self.seed, self.begun);
                    self.begun += 1;
                    self.push(i as u32 + start_steps(took), 1);
                }
            }
        }
        self.starting += more;
    }

    fn push(&mut self, ready_at: u32, replicas: u32) {
        self.next = self.next.min(ready_at);
        self.batches.push_back(Batch { ready_at, replicas });
    }

    fn stop(&mut self, mut fewer: u32) {
        while let Some(newest) = self.batches.back_mut().filter(|_| fewer > 0) {
            let gone = newest.replicas.min(fewer);
            newest.replicas -= gone;
            self.starting -= gone;
            fewer -= gone;
            if newest.replicas == 0 {
                self.batches.pop_back();
            }
        }
        self.ready -= fewer.min(self.ready);
    }

    /// Sets what runs and starts, for an arm that knows when it will be needed.
    pub(super) fn set_replicas(&mut self, ready: u32, starting: u32) {
        self.ready = ready;
        self.starting = starting;
    }

    /// Serves step `i`; in a gap nothing is counted.
    pub(super) fn serve(&mut self, i: usize) {
        let Some(arriving) = self.demand.values.get(i).copied().filter(|demand| !demand.is_nan())
        else {
            return;
        };
        let capacity = f64::from(self.ready) * self.capacity;
        let waiting = self.queue;
        self.queue = (waiting + arriving - capacity).max(0.0);
        let tally = &mut self.tally;
        tally.steps += 1;
        tally.demand += arriving;
        tally.replicas += f64::from(self.ready + self.starting);
        tally.under += u32::from(capacity < arriving);
        if waiting > 0.0 {
            let due = self.arrived(i.saturating_sub(self.wait), (i + 1).saturating_sub(self.wait));
            let recent = self.arrived(i.saturating_sub(self.wait), i);
            self.tally.missed += late(waiting - recent, due, capacity);
        }
        if let Some(patience) = self.patience.filter(|_| self.queue > 0.0) {
            self.queue = self.queue.min(self.arrived((i + 1).saturating_sub(patience), i + 1));
        }
        self.tally.waited += 0.5 * (waiting + self.queue);
    }

    /// Work that arrived in steps `from..to`.
    fn arrived(&self, from: usize, to: usize) -> f64 {
        match (self.demand.arrived.get(from), self.demand.arrived.get(to)) {
            (Some(before), Some(after)) => after - before,
            _ => 0.0,
        }
    }
}

/// A start-up takes at least a step.
pub(super) fn start_steps(took: SignedDuration) -> u32 {
    steps(took).max(1)
}

#[cfg(test)]
mod tests;
