//! A simulated policy with its own fleet and its own queue: what it would have cost and missed, slot by slot.
//!
//! The loop is the HPA's (sync at every slot, 10 % tolerance, scale-up by max(100 %, 4 pods), scale-down to the maximum over
//! a stabilisation window, pending pods count and cost), the fleet takes a constant lead to start, the queue is first in
//! first out. Demand is counted in replicas: 1.0 is what one replica sustains.

use std::collections::VecDeque;

use crate::decide::choice::Sums;
use crate::decide::hpa::TOLERANCE;

/// What all policies see at a slot, in replicas.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    /// Index of the slot; ascends by one.
    pub(super) index: u32,
    /// Demand during the slot.
    pub(super) demand: f64,
    /// Demand during the slots before this one that the wait limit spans, added up.
    pub(super) recent: f64,
    /// Demand during the oldest of those: its limit ends during this slot.
    pub(super) due: f64,
    /// Mean demand that the metric shows.
    pub(super) metric: f64,
}

/// What never changes between slots.
#[derive(Debug, Clone, Copy)]
pub(super) struct World {
    /// Seconds of a slot.
    pub(super) slot_s: f64,
    /// Slots that a replica takes to start, ≥ 1.
    pub(super) lead: u32,
    pub(super) min: u32,
    pub(super) max: u32,
}

/// A policy's constants, as a slot needs them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    /// 1 / utilisation.
    pub(super) live: f64,
    /// 1 / utilisation while there is no forecast.
    pub(super) blind: f64,
    /// 1 / drain, per second.
    pub(super) drain: f64,
    /// Stabilisation window in slots.
    pub(super) window: u32,
}

/// The fleet and the queue of one policy.
#[derive(Debug, Clone)]
pub(super) struct Twin {
    ready: u32,
    pending: u32,
    /// Replicas that become ready, by slot modulo lead.
    arriving: Vec<u32>,
    /// Replicas wanted within the window: falling, so that the first is the most.
    wanted: VecDeque<(u32, u32)>,
    /// Work that waits, in replica-seconds.
    queue: f64,
    pub(super) sums: Sums,
}

impl Twin {
    pub(super) fn new(world: &World, ready: u32) -> Self {
        Self {
            ready,
            pending: 0,
            arriving: vec![0; world.lead as usize],
            wanted: VecDeque::new(),
            queue: 0.0,
            sums: Sums::default(),
        }
    }

    /// One slot. `ahead`: demand expected within the lead and within lead and hold, in replicas at the policy's forecast
    /// utilisation; `None` without a forecast.
    pub(super) fn step(&mut self, world: &World, rule: &Rule, slot: &Slot, ahead: Option<(u32, u32)>) {
        self.land(world, slot.index);
        let current = self.ready + self.pending;
        let share = if ahead.is_some() { rule.live } else { rule.blind };
        let wanted = (slot.metric + self.queue * rule.drain) * share;
        let reactive = within_tolerance(wanted, current);
        let (up, hold) = ahead.unwrap_or_default();
        let desired = reactive.max(up).max(hold.min(current)).clamp(world.min, world.max);
        let stable = self.stabilise(slot.index, rule.window, desired);
        if desired > current {
            self.start(world, slot.index, desired.min(scale_up_limit(current)) - current);
        } else if stable < current {
            self.stop(world, slot.index, current - stable);
        }
        self.serve(world, slot);
    }

    fn land(&mut self, world: &World, index: u32) {
        if self.pending > 0 {
            let landed = &mut self.arriving[(index % world.lead) as usize];
            self.ready += *landed;
            self.pending -= *landed;
            *landed = 0;
        }
    }

    /// The most that was wanted within the window.
    fn stabilise(&mut self, index: u32, window: u32, desired: u32) -> u32 {
        while self.wanted.back().is_some_and(|(_, older)| *older <= desired) {
            self.wanted.pop_back();
        }
        self.wanted.push_back((index, desired));
        while self.wanted.front().is_some_and(|(at, _)| index - at > window) {
            self.wanted.pop_front();
        }
        self.wanted.front().map_or(desired, |(_, most)| *most)
    }

    fn start(&mut self, world: &World, index: u32, more: u32) {
        // Lands `lead` slots from now, which is the same place of the ring.
        self.arriving[(index % world.lead) as usize] += more;
        self.pending += more;
    }

    /// Those that start go first, the newest of them first.
    fn stop(&mut self, world: &World, index: u32, fewer: u32) {
        let mut left = fewer;
        let mut age = 0;
        while left > 0 && self.pending > 0 && age < world.lead {
            let starting = &mut self.arriving[((index + world.lead - age) % world.lead) as usize];
            let gone = left.min(*starting);
            *starting -= gone;
            self.pending -= gone;
            left -= gone;
            age += 1;
        }
        self.ready -= left.min(self.ready);
    }

    /// Serves the slot.
    fn serve(&mut self, world: &World, slot: &Slot) {
        let capacity = f64::from(self.ready) * world.slot_s;
        let waiting = self.queue;
        self.queue = (waiting + slot.demand * world.slot_s - capacity).max(0.0);
        let hours = world.slot_s / 3600.0;
        self.sums.gpu_hours += f64::from(self.ready + self.pending) * hours;
        if waiting > 0.0 {
            let due = slot.due * world.slot_s;
            self.sums.missed += late(waiting - slot.recent * world.slot_s, due, capacity) / 3600.0;
            self.sums.queued += self.queue * hours / 60.0;
        }
    }
}

/// Work of a fluid first-in-first-out queue whose wait limit ends during a slot unserved. It arrived evenly over an earlier
/// slot, so what arrived at a fraction of that one is late if by the same fraction of this one the work `ahead` of it (at the
/// slot's start: what waits and arrived before it), and its own, exceeds what was served: both ends are linear.
fn late(ahead: f64, due: f64, capacity: f64) -> f64 {
    let (first, last) = (ahead, ahead + due - capacity);
    match (first > 0.0, last > 0.0) {
        (true, true) => due,
        (false, false) => 0.0,
        (true, false) => due * first / (first - last),
        (false, true) => due * last / (last - first),
    }
}

/// The most that one sync reaches: 100 % more or four pods more, the larger.
fn scale_up_limit(current: u32) -> u32 {
    current.saturating_mul(2).max(current.saturating_add(4))
}

/// The HPA's answer to a metric worth `wanted` replicas.
fn within_tolerance(wanted: f64, current: u32) -> u32 {
    let off = wanted - f64::from(current);
    if off.abs() <= TOLERANCE * f64::from(current) { current } else { whole(wanted) }
}

/// Rounded up; `ceil` is a call without SSE 4.1.
pub(super) fn whole(replicas: f64) -> u32 {
    let down = replicas as u32;
    down.saturating_add(u32::from(f64::from(down) < replicas))
}

#[cfg(test)]
mod tests;
