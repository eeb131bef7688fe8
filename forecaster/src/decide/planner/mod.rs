//! One workload's state between ticks. One owner; live, in replay, in the demo and in the tests it is the same.

mod activity;
mod ahead;
mod intake;
mod table;
mod tactic;
mod warm;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use activity::{Activity, Patience};
use ahead::Ahead;
use intake::{Intake, Plausibility};
use table::Sight;
use tactic::Reaction;

use super::choice::Choice;
use super::combine::{Asked, Limits, combine};
use super::lead::{Lead, Node, StartUps};
use super::live::{Level, LiveWindow};
use super::policy::Policy;
use super::rhythm::Rhythm;
use super::{Answer, Decision, Parts, Recommendation, State, later};
use crate::control::average_value::replicas;
use crate::control::sliding_max::SlidingMax;
use crate::forecast::Forecast;

/// The SLO guard at most doubles live demand: latency does not fall in proportion to replicas.
const MAX_LATENCY_FACTOR: f64 = 2.0;

/// Slots that a latency bridges, and after which a pause in ticking counts as one.
const BRIDGED_SLOTS: i32 = 3;

/// Replicas as seen in the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replicas {
    /// Ready.
    pub ready: u32,
    /// Created and not yet Ready.
    pub starting: u32,
}

impl Replicas {
    /// Ready or starting.
    pub fn total(self) -> u32 {
        self.ready.saturating_add(self.starting)
    }
}

/// What was seen at a slot. Missing is `None`, never zero.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Observation {
    /// Demand at the slot, in its own unit.
    pub demand: Option<f64>,
    /// Items waiting.
    pub backlog: Option<f64>,
    /// Latency in seconds (p95).
    pub latency: Option<f64>,
    /// Replicas, if the cluster can be read.
    pub replicas: Option<Replicas>,
    /// The source answered, and there was nothing: the series do not exist (as against: it could not be asked).
    pub absent: bool,
}

/// Whether forecasting has earned its authority on this workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Gate {
    /// The forecast may act.
    #[default]
    Open,
    /// Plain reactive scaling is as good: the forecast is recorded only.
    Closed,
}

/// One workload's state between ticks.
#[derive(Debug, Clone)]
pub struct Planner {
    policy: Arc<Policy>,
    rhythm: Rhythm,
    gate: Gate,
    choice: Option<Arc<Choice>>,
    /// What was asked for within the longest window.
    wanted: SlidingMax<Timestamp, f64>,
    forecast: Option<Forecast>,
    start_ups: StartUps,
    live: LiveWindow,
    backlog: Option<(Timestamp, f64)>,
    latency: Option<(Timestamp, f64)>,
    plausibility: Plausibility,
    activity: Activity,
    last_good: Option<LastGood>,
    last_tick: Option<Timestamp>,
    /// Replicas that the last answer with a value asked for.
    desired: u32,
    lead: Option<Lead>,
}

/// The last answer that stood on fresh live demand.
#[derive(Debug, Clone, Copy)]
struct LastGood {
    /// When demand was seen.
    at: Timestamp,
    /// Live demand with the SLO guard's factor.
    live: f64,
    /// The backlog's share.
    backlog: f64,
    /// The whole of it, forecast and floors included.
    value: f64,
    active: bool,
}

/// One slot, and what is known of live demand in it.
#[derive(Debug, Clone, Copy)]
struct Slot<'a> {
    now: Timestamp,
    observation: &'a Observation,
    /// What this very slot gave.
    intake: Intake,
    /// Replicas ready or starting, if the cluster can be read.
    running: Option<u32>,
    /// Live demand, if a sample is young enough.
    fresh: Option<Level>,
    /// The last good answer, if it is young enough to repeat.
    young: Option<LastGood>,
    /// At zero replicas, with the metrics gone.
    asleep: bool,
}

impl Planner {
    /// A planner that has seen nothing.
    pub fn new(policy: Arc<Policy>, rhythm: Rhythm) -> Self {
        Self {
            policy,
            rhythm,
            gate: Gate::default(),
            choice: None,
            wanted: SlidingMax::default(),
            forecast: None,
            start_ups: StartUps::default(),
            live: LiveWindow::default(),
            backlog: None,
            latency: None,
            plausibility: Plausibility::default(),
            activity: Activity::default(),
            last_good: None,
            last_tick: None,
            desired: 0,
            lead: None,
        }
    }

    /// The policy in force.
    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// Takes over an edited policy; what was seen stays.
    pub fn revise(&mut self, policy: Arc<Policy>) {
        self.policy = policy;
    }

    /// Takes over other beats; what was seen stays.
    pub fn set_rhythm(&mut self, rhythm: Rhythm) {
        self.rhythm = rhythm;
    }

    /// Takes over how many replicas may run (`maxReplicaCount`), where it is known. Judges samples; the answer itself is not
    /// cut by it, because an edit of it is seen late.
    pub fn set_may_run(&mut self, most: Option<u32>) {
        self.plausibility.may_run = most;
    }

    /// Opens or closes the gate.
    pub fn set_gate(&mut self, gate: Gate) {
        self.gate = gate;
    }

    /// Takes over a finished forecast; it acts until its horizon no longer covers the lead.
    pub fn install(&mut self, forecast: Forecast) {
        self.plausibility.expect(&forecast);
        self.forecast = Some(forecast);
    }

    /// Remembers a start-up: creation to Ready.
    pub fn observe_start_up(&mut self, node: Node, took: SignedDuration) {
        self.start_ups.observe(node, took);
    }

    /// Remembers a start-up that was given up after `so_far`.
    pub fn observe_unfinished_start_up(&mut self, node: Node, so_far: SignedDuration) {
        self.start_ups.observe_unfinished(node, so_far);
    }

    /// Takes over start-ups that were seen elsewhere, or before a restart, in place of what is remembered.
    pub fn learn_start_ups(&mut self, start_ups: StartUps) {
        self.start_ups = start_ups;
    }

    /// Start-ups seen.
    pub fn start_ups(&self) -> &StartUps {
        &self.start_ups
    }

    /// What the lead of the last tick was made of.
    pub fn lead(&self) -> Option<&Lead> {
        self.lead.as_ref()
    }

    /// Decides for the slot `now`. Cannot fail. When `now` runs backwards by more than a slot, the windows start anew.
    pub fn tick(&mut self, now: Timestamp, observation: &Observation) -> Recommendation {
        self.follow_clock(now);
        let intake = self.take_in(now, observation);
        let slot = self.slot(now, observation, intake);
        let mut parts = self.parts(&slot);
        let ahead = self.look_ahead(now, self.base(&slot, &parts), slot.running.unwrap_or(self.desired));
        self.lead = Some(ahead.lead);
        parts.lead = ahead.lead.total();
        parts.forecast = ahead.forecast;
        parts.forecast_quantile = self.outlook().quantile;
        parts.forecast_replicas = ahead.forecast_replicas;
        parts.forecast_acts = ahead.acts && ahead.forecast.is_some();
        parts.floor = ahead.floor;
        parts.ceiling = ahead.bounds.ceiling;

        let state = self.state(&slot, &parts);
        let reaction = self.reaction(parts.forecast_acts);
        parts.policy = reaction.policy;
        let asked = self.asked(state, &slot, &parts, &ahead, &reaction);
        let asked = self.stabilise(&slot, &reaction, asked);
        let stable = replicas(asked.stable, self.policy.threshold);
        parts.hold = asked.hold.max(stable).max(u32::from(asked.keep.is_some()));
        let limits = Limits {
            threshold: self.policy.threshold,
            activation: self.policy.activation,
            ceiling: ahead.bounds.ceiling,
            keep_one: slot.fresh.is_none() && !slot.asleep || self.activity.stepping_down(now, &self.patience()),
        };
        parts.would_value = self.would_ask(state, &slot, &parts, &ahead).map(|asked| combine(&asked, &limits).value);
        let sight = Sight {
            policy: &self.policy,
            state,
            asked_blindly: asked.floor > 0 || asked.backlog > 0.0,
            never_zero: asked.never_zero,
            running: slot.running,
        };
        let (answer, combined) = table::answer(&sight, combine(&asked, &limits));
        let decision = Decision {
            desired_replicas: replicas(combined.value, self.policy.threshold),
            metric_value: combined.value,
            active: combined.active,
            reason: combined.reason,
            state,
            parts,
        };
        self.remember(&slot, &answer, &decision);
        Recommendation { at: now, valid_until: self.valid_until(state, &slot), answer, decision }
    }

    /// After a jump of the clock no age is negative and nothing is taken for granted that was not seen.
    fn follow_clock(&mut self, now: Timestamp) {
        let Some(last) = self.last_tick.replace(now) else { return };
        let step = now.duration_since(last);
        if step < -self.rhythm.slot {
            self.live.rebase(now);
            self.activity.rewind(now);
            self.wanted.clear();
            self.latency = None;
            self.plausibility.forget_held();
            self.backlog = self.backlog.map(|(at, items)| (at.min(now), items));
            self.last_good = self.last_good.map(|good| LastGood { at: good.at.min(now), ..good });
        } else if step > self.rhythm.slot * BRIDGED_SLOTS {
            self.activity.lose_sight();
        }
    }

    fn slot<'a>(&self, now: Timestamp, observation: &'a Observation, intake: Intake) -> Slot<'a> {
        let fresh = intake.level(self.live.fresh(now, self.rhythm.slot));
        Slot {
            now,
            observation,
            intake,
            running: observation.replicas.map(Replicas::total),
            fresh,
            young: self.last_good.filter(|good| self.repeatable(now, good.at)),
            asleep: fresh.is_none() && self.asleep(now, observation),
        }
    }

    fn parts(&self, slot: &Slot<'_>) -> Parts {
        let backlog = self.backlog.filter(|(at, _)| self.repeatable(slot.now, *at)).map(|(_, items)| items);
        let backlog = slot.intake.backlog_held.or(backlog);
        let latency_factor = if slot.fresh.is_some() { slot.intake.latency_factor } else { 1.0 };
        Parts {
            observed: slot.observation.demand,
            live: slot.fresh.map(|level| level.value),
            backlog: slot.observation.backlog,
            backlog_demand: backlog.map_or(0.0, |items| items * self.demand_per_item()),
            latency_factor,
            live_age: self.live.last(slot.now).map(|(age, _)| age),
            demand_check: slot.intake.demand_check,
            backlog_check: slot.intake.backlog_check,
            latency_check: slot.intake.latency_check,
            ..Parts::default()
        }
    }

    /// What a forecast's cap counts from: live demand, as last known where it is unknown now.
    fn base(&self, slot: &Slot<'_>, parts: &Parts) -> f64 {
        match slot.fresh {
            Some(level) => level.value * parts.latency_factor + parts.backlog_demand,
            None if slot.asleep => 0.0,
            None => self.last_good.map_or(0.0, |good| good.live + good.backlog),
        }
    }

    fn state(&self, slot: &Slot<'_>, parts: &Parts) -> State {
        match slot.fresh {
            Some(_) if parts.forecast_acts => State::Fresh,
            Some(_) => State::Reactive,
            None if slot.asleep => State::Asleep,
            // A forecast alone does not vouch for zero.
            None if parts.forecast_acts && parts.forecast_replicas > 0 => State::LiveDown,
            // Every unit of a job's queue becomes a job: an old one is never repeated.
            None if slot.young.is_some() && !self.policy.scaled_job => State::LastGood,
            None if self.live.last(slot.now).is_some() => State::Blind,
            None => State::NoData,
        }
    }

    /// What each part asks for in a row of the answer table.
    fn asked(&self, state: State, slot: &Slot<'_>, parts: &Parts, ahead: &Ahead, reaction: &Reaction) -> Asked {
        let live = self.asked_by_demand(state, slot, parts, reaction);
        if self.policy.scaled_job {
            // Every unit becomes a real job: nothing that is not there may be asked for.
            let newest = slot.fresh.and_then(|_| slot.intake.demand_held.or(self.live.newest())).unwrap_or(0.0);
            return Asked { live: newest, panic: false, ..live };
        }
        let seen = slot.intake.seen || state == State::Asleep;
        let keep = |settled: bool| self.activity.keep(slot.now, &self.patience(), seen, settled);
        let keep = match (state, slot.young) {
            (State::Fresh | State::Reactive | State::Asleep, _) => keep(self.queue_settled(slot.now)),
            (State::LiveDown | State::LastGood, Some(good)) if good.active => keep(true),
            _ => None,
        };
        let by_forecast = if ahead.acts { (ahead.forecast_replicas, ahead.hold_replicas) } else { (0, 0) };
        // Live demand is gone for long: the forecast may add, it does not take away what is known to run.
        let unseen = match (state, slot.young, self.last_good, slot.running) {
            (State::LiveDown, None, Some(good), Some(running)) => {
                running.min(replicas(good.value, self.policy.threshold))
            }
            _ => 0,
        };
        Asked {
            forecast: by_forecast.0,
            floor: ahead.floor,
            hold: by_forecast.1.max(unseen),
            keep,
            never_zero: ahead.never_zero,
            ..live
        }
    }

    fn asked_by_demand(&self, state: State, slot: &Slot<'_>, parts: &Parts, reaction: &Reaction) -> Asked {
        let tuned = |live: f64| reaction.tune(live, self.policy.activation);
        let queue = |items: f64| items * reaction.backlog_share();
        let backlog = parts.backlog_demand;
        // A last good value holds the backlog of its time already; only what has come since is added to it.
        let again = |good: LastGood| (good.value, queue((backlog - good.backlog).max(0.0)));
        let (live, backlog) = match (state, slot.fresh, slot.young, self.last_good) {
            (State::Fresh | State::Reactive, Some(level), ..) => {
                (tuned(level.value * parts.latency_factor), queue(backlog))
            }
            (State::LiveDown, _, Some(good), _) => (tuned(good.live), queue(backlog.max(good.backlog))),
            (State::LastGood, _, Some(good), _) => again(good),
            // Nobody can say how many run: neither floor nor queue may undercut the last good value.
            (State::Blind, _, _, Some(good)) if slot.running.is_none() => again(good),
            _ => (0.0, queue(backlog)),
        };
        Asked { live, panic: slot.fresh.is_some_and(|level| level.panic), backlog, ..Asked::default() }
    }

    /// At zero replicas a model server's metrics are gone. That is not an outage where the source itself answers and we
    /// have said "inactive", on fresh observations, for as long as a last good value may be repeated.
    fn asleep(&self, now: Timestamp, observation: &Observation) -> bool {
        observation.absent && self.activity.resting(now).is_some_and(|rested| rested > self.rhythm.last_good)
    }

    /// Whether the queue, if there ever was one, was empty when it was last seen, or is still seen.
    fn queue_settled(&self, now: Timestamp) -> bool {
        self.backlog.is_none_or(|(at, items)| items == 0.0 || self.repeatable(now, at))
    }

    fn repeatable(&self, now: Timestamp, at: Timestamp) -> bool {
        now.duration_since(at) <= self.rhythm.last_good
    }

    fn patience(&self) -> Patience {
        let Rhythm { keda_poll, hpa_sync, hpa_window, .. } = self.rhythm;
        Patience {
            keep_warm: self.policy.keep_warm,
            // The HPA must have seen the need go, waited, and acted.
            step_down: hpa_window + keda_poll + hpa_sync * 2,
            cold_start: self.start_ups.cold_start().unwrap_or(self.policy.cold_start),
        }
    }

    /// Remembers what was answered.
    fn remember(&mut self, slot: &Slot<'_>, answer: &Answer, decision: &Decision) {
        let now = slot.now;
        let Answer::Value { metric_value, active } = *answer else {
            return self.activity.lose_sight();
        };
        let fresh = matches!(decision.state, State::Fresh | State::Reactive);
        self.desired = decision.desired_replicas;
        self.activity.settle(now, active, self.desired, fresh);
        // What waits for its confirmation is not repeated in an outage.
        if fresh && !slot.intake.holds() {
            let parts = &decision.parts;
            let at = later(now, -parts.live_age.unwrap_or(SignedDuration::ZERO));
            let live = parts.live.unwrap_or(0.0) * parts.latency_factor;
            self.last_good = Some(LastGood { at, live, backlog: parts.backlog_demand, value: metric_value, active });
        }
    }

    /// Until when an answer may be repeated if ticking stops: a last good one no longer than if it had not.
    fn valid_until(&self, state: State, slot: &Slot<'_>) -> Timestamp {
        match (state, slot.young) {
            (State::LastGood, Some(good)) => {
                later(good.at, self.rhythm.last_good).max(later(slot.now, self.rhythm.slot))
            }
            _ => later(slot.now, self.rhythm.last_good),
        }
    }
}

#[cfg(test)]
mod tests;
