//! A simulated policy with its own fleet and its own queue: what it would have cost and missed,
//! slot by slot.
//!
//! The loop is the HPA's (sync at every slot, 10 % tolerance, scale-up by max(100 %, 4 pods),
//! scale-down to the maximum over a stabilization window, pending pods count and cost), start-ups
//! take as long as is drawn, the queue is first in first out. Demand is counted in replicas: 1.0 is
//! what one replica sustains.

use crate::control::hpa::fast::{filled_in_scale_up_limit, replicas};
use crate::control::hpa::whole;
use crate::control::keda::cooldown_is_over;
use crate::control::queue::late;
use crate::control::sliding_max::SlidingMax;
use crate::decide::selection::Costs;
use crate::tuning::cold_start::ColdStart;
use crate::tuning::simulator::SlotLimits;

/// What all policies see at a slot, in replicas.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    /// Index of the slot; ascends by one.
    pub(super) index: u32,
    /// The same modulo the longest start-up.
    pub(super) place: u32,
    /// Demand during the slot.
    pub(super) demand: f64,
    /// Demand during the slots before this one that the wait limit spans, added up.
    pub(super) recent: f64,
    /// Demand during the oldest of those: its limit ends during this slot.
    pub(super) due: f64,
    /// Live demand as the planner sees it.
    pub(super) metric: f64,
    /// Somebody came so short a time ago that the last replica is kept.
    pub(super) warm: bool,
    /// What the windows ask.
    pub(super) limits: SlotLimits,
}

/// What windows ask of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// Replicas at the least.
    pub(super) floor: u32,
    /// Replicas at the most; `u32::MAX` without a ceiling, 0: off.
    pub(super) most: u32,
    /// At least one.
    pub(super) never_zero: bool,
}

impl Default for Limits {
    /// None.
    fn default() -> Self {
        Self { floor: 0, most: u32::MAX, never_zero: false }
    }
}

impl Limits {
    /// At least so many.
    fn raise(&self, wanted: f64) -> f64 {
        wanted.max(f64::from(self.floor.max(u32::from(self.never_zero))))
    }

    /// At most so many; one in place of none where replicas linger.
    fn cut(&self, wanted: f64, lingers: bool) -> f64 {
        let most = if self.most == 0 { u32::from(lingers) } else { self.most };
        wanted.min(f64::from(most))
    }
}

/// What a slot answers, in replicas.
#[derive(Debug, Clone, Copy)]
struct Answer {
    /// Without limits.
    wanted: f64,
    /// As much of it as the scale-down window keeps: what does not wake a workload does not keep it
    /// awake.
    kept: f64,
    limits: Limits,
}

/// What never changes between slots.
#[derive(Debug, Clone)]
pub(super) struct SimulationParams {
    /// Seconds of a slot.
    pub(super) slot_s: f64,
    /// Slots that the longest start-up takes, ≥ 1.
    pub(super) longest: u32,
    /// What start-ups are drawn from, where they do not all take so long.
    pub(super) drawn: Option<ColdStart>,
    /// Slots that the last replicas stay after nothing was wanted, where fewer may run then.
    pub(super) cooldown: u32,
    /// Replicas at the least …
    pub(super) least: u32,
    /// … and while anything is wanted, ≥ 1.
    pub(super) awake: u32,
    pub(super) max: u32,
    /// Live demand at or below this wakes nothing, in replicas.
    pub(super) activation: f64,
    /// What is answered at the least where anything is wanted, in replicas.
    pub(super) active_value: f64,
    /// Replicas that a forecast may ask for beyond live demand.
    pub(super) beyond_live: Option<u32>,
}

impl SimulationParams {
    /// Replicas for what is wanted: as many as may run, and the minimum where any are wanted.
    fn admits(&self, wanted: u32) -> u32 {
        let wanted = wanted.clamp(self.least, self.max);
        if wanted > 0 { wanted.max(self.awake) } else { 0 }
    }
}

/// Of the start-ups that are drawn; not one that a scene is likely to have, whose future would be
/// known.
const SEED: u64 = 0x5eed_0f5e_ed5e_ed5e;

/// `maxPrewarmReplicas` counts a queue as the demand that empties it within a minute.
const QUEUE_DRAIN_S: f64 = 60.0;

/// A policy's constants, as a slot needs them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    /// 1 / utilization.
    pub(super) live: f64,
    /// 1 / utilization while there is no forecast.
    pub(super) blind: f64,
    /// Share of a queue that is asked for: 1 / drain per second, with the policy's headroom.
    pub(super) drain: f64,
    /// Stabilization window in slots.
    pub(super) window: u32,
    /// The HPA syncs a slot after the answer that it is given.
    pub(super) late: bool,
    /// An HPA by itself, with a cron trigger for each floor and its maximum edited for ceilings.
    pub(super) plain: bool,
}

/// The fleet and the queue of one policy.
#[derive(Debug, Clone)]
pub(super) struct PolicyState {
    ready: u32,
    pending: u32,
    wanted: SlidingMax<u32, u32>,
    /// What the last slot answered.
    answer: Option<Answer>,
    /// Slot at which something was last wanted.
    awake: u32,
    /// Work that waits, in replica-seconds.
    queue: f64,
    /// Replicas ready or pending, added up over slots: whole numbers are quicker.
    ran: u64,
    missed: f64,
    queued: f64,
    /// Start-ups so far.
    begun: u64,
    /// Replicas that become ready, by slot modulo the longest start-up.
    arriving: Vec<u32>,
}

impl PolicyState {
    pub(super) fn new(params: &SimulationParams, ready: u32) -> Self {
        Self {
            ready,
            pending: 0,
            wanted: SlidingMax::default(),
            answer: None,
            awake: 0,
            queue: 0.0,
            ran: 0,
            missed: 0.0,
            queued: 0.0,
            begun: 0,
            arriving: vec![0; params.longest as usize],
        }
    }

    /// One slot. `ahead`: demand expected within the lead and within lead and hold, in replicas at
    /// the policy's forecast utilization; `None` without a forecast.
    pub(super) fn step(
        &mut self,
        params: &SimulationParams,
        rule: &Rule,
        slot: &Slot,
        ahead: Option<(u32, u32)>,
    ) {
        self.complete_startups(slot.place);
        let current = self.ready + self.pending;
        let share = if ahead.is_some() { rule.live } else { rule.blind };
        let queue = self.queue * rule.drain;
        // Demand that wakes nothing gets no headroom.
        let wakes = slot.metric > params.activation;
        let live = if wakes { slot.metric * share } else { slot.metric };
        let (up, hold) = self.cap(params, rule, slot, ahead.unwrap_or_default());
        // One metric carries it all: the HPA's tolerance swallows a replica that the forecast wants
        // as well.
        let own = f64::from(up.max(hold.min(current)));
        let newest = Answer {
            wanted: (live + queue).max(own),
            kept: if wakes { live + queue } else { queue }.max(own),
            limits: slot.limits.newest,
        };
        let before = self.answer.replace(newest).filter(|_| rule.late);
        let answer = before.unwrap_or(newest);
        let (desired, stable) = self.desired(params, rule, slot, &answer);
        if desired > current {
            // From zero KEDA goes to its minimum, and below its own the HPA goes there at once.
            let limit = if current == 0 { 1 } else { filled_in_scale_up_limit(current) };
            self.start(params, slot.place, desired.min(limit.max(params.awake)) - current);
        } else if stable < current {
            self.stop(params, slot.place, current - stable);
        }
        self.serve(params, slot);
    }

    /// What is desired, and to what it scales down.
    fn desired(
        &mut self,
        params: &SimulationParams,
        rule: &Rule,
        slot: &Slot,
        answer: &Answer,
    ) -> (u32, u32) {
        let current = self.ready + self.pending;
        let Answer { wanted, kept, limits } = *answer;
        let held = slot.limits.held;
        // An off window still lets the queue drain, and lets the fleet come down by way of one.
        let lingers = self.queue > 0.0 || current > 1;
        let within = |replicas: f64| limits.cut(limits.raise(replicas), lingers);
        // What a ceiling cut is not kept: it never ran. Floors are not either, they end when their
        // window does, but an HPA holds its cron trigger's replicas like all others.
        let keeps = if rule.plain { within(kept) } else { limits.cut(kept, lingers) };
        let keeps = params.admits(replicas(keeps, current));
        self.wanted.push(slot.index, keeps);
        self.wanted.forget_before(slot.index.saturating_sub(rule.window));
        let stable = f64::from(self.wanted.max().unwrap_or(keeps));
        // The HPA's own window holds whatever it was told. A maximum binds at once.
        let stable = match rule.plain {
            true => limits.cut(stable, lingers),
            false => held.cut(held.raise(stable), lingers),
        };
        let warm = slot.warm && limits.most > 0;
        if stable <= 0.0 && !warm {
            // Nothing that is asked for wakes it, whatever the HPA reads.
            let least = self.apply_cooldown(params, slot.index, false, 0);
            return (0, least);
        }
        let stable = self.apply_cooldown(params, slot.index, warm, params.admits(stable as u32));
        // Who is active says so in the value too: it is above the activation.
        let told = if rule.plain { wanted } else { wanted.max(params.active_value) };
        let desired = params.admits(replicas(within(told), current));
        // What it is told goes through the tolerance: a few more may stay than a ceiling allows.
        (desired, stable.max(desired))
    }

    /// What a forecast wants and would keep, at most so far beyond live demand.
    fn cap(
        &self,
        params: &SimulationParams,
        rule: &Rule,
        slot: &Slot,
        (up, hold): (u32, u32),
    ) -> (u32, u32) {
        let Some(beyond) = params.beyond_live else { return (up, hold) };
        let queue = if rule.drain > 0.0 { self.queue / QUEUE_DRAIN_S } else { 0.0 };
        let cap = whole(slot.metric + queue).saturating_add(beyond);
        (up.min(cap), hold.min(cap))
    }

    /// What it came to since the last call.
    pub(super) fn take_sums(&mut self, params: &SimulationParams) -> Costs {
        let gpu_hours = std::mem::take(&mut self.ran) as f64 * params.slot_s / 3600.0;
        Costs {
            gpu_hours,
            missed: std::mem::take(&mut self.missed),
            queued: std::mem::take(&mut self.queued),
        }
    }

    fn complete_startups(&mut self, place: u32) {
        if let Some(landed) = self.arriving.get_mut(place as usize).filter(|_| self.pending > 0) {
            self.ready += *landed;
            self.pending -= *landed;
            *landed = 0;
        }
    }

    /// The last replicas are KEDA's to take: a cooldown after something was last wanted.
    fn apply_cooldown(
        &mut self,
        params: &SimulationParams,
        index: u32,
        warm: bool,
        stable: u32,
    ) -> u32 {
        if stable > 0 || warm {
            self.awake = index;
            return stable.max(params.awake);
        }
        let since_active = i64::from(index - self.awake);
        if cooldown_is_over(since_active, i64::from(params.cooldown)) { 0 } else { params.awake }
    }

    fn start(&mut self, params: &SimulationParams, place: u32, more: u32) {
        let Some(drawn) = &params.drawn else {
            // Lands `longest` slots from now, which is the same place of the ring.
            return self.expect(place, more);
        };
        for _ in 0..more {
            // The nth start-up takes as long for every policy, so that they differ by what they do.
            let slots = (drawn.draw(SEED, self.begun).as_secs_f64() / params.slot_s).round() as u32;
            self.expect((place + slots.clamp(1, params.longest)) % params.longest, 1);
            self.begun += 1;
        }
    }

    fn expect(&mut self, place: u32, more: u32) {
        if let Some(starting) = self.arriving.get_mut(place as usize) {
            *starting += more;
            self.pending += more;
        }
    }

    /// Those that start go first; of them who has longest to go, which is the newest where all take
    /// as long.
    fn stop(&mut self, params: &SimulationParams, place: u32, fewer: u32) {
        let mut left = fewer;
        let mut age = 0;
        while left > 0 && self.pending > 0 && age < params.longest {
            let lands = if place >= age { place - age } else { place + params.longest - age };
            age += 1;
            let Some(starting) = self.arriving.get_mut(lands as usize) else { continue };
            let gone = left.min(*starting);
            *starting -= gone;
            self.pending -= gone;
            left -= gone;
        }
        self.ready -= left.min(self.ready);
    }

    /// Serves the slot.
    fn serve(&mut self, params: &SimulationParams, slot: &Slot) {
        let capacity = f64::from(self.ready) * params.slot_s;
        let waiting = self.queue;
        self.queue = (waiting + slot.demand * params.slot_s - capacity).max(0.0);
        self.ran += u64::from(self.ready + self.pending);
        if waiting > 0.0 {
            let due = slot.due * params.slot_s;
            self.missed += late(waiting - slot.recent * params.slot_s, due, capacity) / 3600.0;
            self.queued += self.queue * params.slot_s / (60.0 * 3600.0);
        }
    }
}

#[cfg(test)]
mod rules;
#[cfg(test)]
mod tests;
