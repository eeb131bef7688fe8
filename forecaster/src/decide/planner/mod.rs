//! One workload's state between ticks. One owner; live, in replay, in the demo and in the tests it
//! is the same.

pub(super) mod activity;
pub mod checkpoint;
pub(super) mod intake;
pub(super) mod lookahead;
mod observation;
pub(super) mod policy_effects;
mod warm;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use activity::{Activity, ScaleDownTiming};
use intake::{Intake, Plausibility};
use lookahead::Lookahead;
pub use observation::{Observation, Replicas};
use policy_effects::LiveRule;

use super::answer::{AnswerContext, Slot, answer, state};
use super::lead::{Lead, Node, StartUps};
use super::live::LiveWindow;
use super::policy::{Mode, Policy};
use super::selection::Selection;
use super::target::{ReplicaRequests, combine};
use super::timing::LoopTiming;
use super::{Answer, Decision, Parts, Recommendation, State, later};
use crate::arrival::ArrivalModel;
use crate::control::average_value::replicas;
use crate::control::sliding_max::SlidingMax;
use crate::forecast::Forecast;

/// The SLO guard at most doubles live demand: latency does not fall in proportion to replicas.
const MAX_LATENCY_FACTOR: f64 = 2.0;

/// Slots that a latency bridges, and after which a pause in ticking counts as one.
const BRIDGED_SLOTS: i32 = 3;

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
    timing: LoopTiming,
    gate: Gate,
    selection: Option<Arc<Selection>>,
    /// How likely somebody is to come.
    arrival: Option<Arc<ArrivalModel>>,
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
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LastGood {
    /// When demand was seen.
    pub at: Timestamp,
    /// Live demand with the SLO guard's factor.
    pub live: f64,
    /// The backlog's share.
    pub backlog: f64,
    /// The whole of it, forecast and floors included.
    pub value: f64,
    /// Whether at least one replica was asked for.
    pub active: bool,
}

impl Planner {
    /// A planner that has seen nothing.
    pub fn new(policy: Arc<Policy>, timing: LoopTiming) -> Self {
        Self {
            policy,
            timing,
            gate: Gate::default(),
            selection: None,
            arrival: None,
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
    pub fn set_rhythm(&mut self, timing: LoopTiming) {
        self.timing = timing;
    }

    /// Takes over how many replicas may run (`maxReplicaCount`), where it is known. Judges samples;
    /// the answer itself is not cut by it, because an edit of it is seen late.
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

    /// Takes over start-ups that were seen elsewhere, or before a restart, in place of what is
    /// remembered.
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

    /// Decides for the slot `now`. Cannot fail. When `now` runs backwards by more than a slot, the
    /// windows start anew.
    pub fn tick(&mut self, now: Timestamp, observation: &Observation) -> Recommendation {
        self.follow_clock(now);
        let intake = self.apply(now, observation);

        // What is known, and what is to come.
        let slot = self.slot(now, observation, intake);
        let lookahead = self.look_ahead(&slot);
        self.lead = Some(lookahead.lead);
        let ever_seen = self.live.last(now).is_some();
        let state = state(&slot, &lookahead, &self.policy, ever_seen);

        // What each part asks for.
        let rule = self.live_rule(lookahead.acts);
        let requests = self.requests(state, &slot, &lookahead, &rule);
        let requests = self.stabilize(&slot, &rule, requests);
        let would_value = self.would_value(state, &slot, &lookahead);

        // What it comes to, and what callers are told of it.
        let target = combine(&requests, &self.policy);
        let (answer, target) = answer(state, &requests, target, slot.running, &self.policy);

        let decision = Decision {
            desired_replicas: replicas(target.value, self.policy.threshold),
            metric_value: target.value,
            active: target.active,
            reason: target.reason,
            state,
            parts: Parts { would_value, ..self.parts(&slot, &lookahead, &rule, &requests) },
        };
        self.remember(&slot, &answer, &decision);
        Recommendation { at: now, valid_until: self.valid_until(state, &slot), answer, decision }
    }

    /// After a jump of the clock no age is negative and nothing is taken for granted that was not
    /// seen.
    fn follow_clock(&mut self, now: Timestamp) {
        let Some(last) = self.last_tick.replace(now) else { return };
        let step = now.duration_since(last);
        if step < -self.timing.slot {
            self.live.rebase(now);
            self.activity.rewind(now);
            self.wanted.clear();
            self.latency = None;
            self.plausibility.forget_held();
            self.backlog = self.backlog.map(|(at, items)| (at.min(now), items));
            self.last_good = self.last_good.map(|good| LastGood { at: good.at.min(now), ..good });
        } else if step > self.timing.slot * BRIDGED_SLOTS {
            self.activity.lose_sight();
        }
    }

    /// What is known at a slot.
    fn slot<'a>(&self, now: Timestamp, observation: &'a Observation, intake: Intake) -> Slot<'a> {
        let live = intake.level(self.live.fresh(now, self.timing.slot));
        let last_seen =
            self.backlog.filter(|(at, _)| self.repeatable(now, *at)).map(|(_, items)| items);
        let items = intake.backlog_held.or(last_seen).unwrap_or(0.0);
        Slot {
            now,
            observation,
            intake,
            running: observation.replicas.map(Replicas::total),
            live,
            latency_factor: if live.is_some() { intake.latency_factor } else { 1.0 },
            backlog: items * self.demand_per_item(),
            repeatable: self.last_good.filter(|good| self.repeatable(now, good.at)),
            scaled_to_zero: live.is_none() && self.scaled_to_zero(now, observation),
        }
    }

    /// What each part asks for ([`AnswerContext::requests`]).
    fn requests(
        &self,
        state: State,
        slot: &Slot<'_>,
        lookahead: &Lookahead,
        rule: &LiveRule,
    ) -> ReplicaRequests {
        let context = AnswerContext {
            state,
            slot,
            lookahead,
            rule,
            policy: &self.policy,
            last_good: self.last_good,
            newest: self.live.newest(),
            queue_settled: self.queue_settled(slot.now),
            activity: &self.activity,
            timing: &self.scale_down_timing(slot.now),
        };
        context.requests()
    }

    /// In `mode: shadow`, the value that `mode: auto` would have; `None` where nothing could
    /// differ.
    fn would_value(&mut self, state: State, slot: &Slot<'_>, lookahead: &Lookahead) -> Option<f64> {
        let differs = lookahead.forecast.is_some() || self.selection.is_some();
        if self.policy.mode != Mode::Shadow || self.policy.scaled_job || !differs {
            return None;
        }
        let acts = self.gate == Gate::Open && lookahead.forecast.is_some();
        let rule = self.chosen_rule(acts);
        let requests = self.requests(state, slot, &Lookahead { acts, ..*lookahead }, &rule);
        let requests = self.stabilize(slot, &rule, requests);
        Some(combine(&requests, &self.policy).value)
    }

    /// The numbers that a decision was made from.
    fn parts(
        &self,
        slot: &Slot<'_>,
        lookahead: &Lookahead,
        rule: &LiveRule,
        requests: &ReplicaRequests,
    ) -> Parts {
        let stable = replicas(requests.stable, self.policy.threshold);
        Parts {
            observed: slot.observation.demand,
            live: slot.live.map(|level| level.value),
            backlog: slot.observation.backlog,
            backlog_demand: slot.backlog,
            forecast: lookahead.forecast,
            forecast_quantile: lookahead.quantile,
            forecast_replicas: lookahead.forecast_replicas,
            policy: rule.policy,
            forecast_acts: lookahead.acts,
            floor: lookahead.floor,
            ceiling: lookahead.bounds.ceiling,
            hold: requests.hold.max(stable).max(u32::from(requests.keep.is_some())),
            arrival: self.arrival_odds(slot.now),
            latency_factor: slot.latency_factor,
            lead: lookahead.lead.total(),
            live_age: self.live.last(slot.now).map(|(age, _)| age),
            would_value: None,
            demand_check: slot.intake.demand_check,
            backlog_check: slot.intake.backlog_check,
            latency_check: slot.intake.latency_check,
        }
    }

    /// At zero replicas a model server's metrics are gone. That is not an outage where the source
    /// itself answers and we have said "inactive", on fresh observations, for as long as a last
    /// good value may be repeated.
    fn scaled_to_zero(&self, now: Timestamp, observation: &Observation) -> bool {
        observation.absent
            && self.activity.resting(now).is_some_and(|rested| rested > self.timing.last_good)
    }

    /// Whether the queue, if there ever was one, was empty when it was last seen, or is still seen.
    fn queue_settled(&self, now: Timestamp) -> bool {
        self.backlog.is_none_or(|(at, items)| items == 0.0 || self.repeatable(now, at))
    }

    fn repeatable(&self, now: Timestamp, at: Timestamp) -> bool {
        now.duration_since(at) <= self.timing.last_good
    }

    fn scale_down_timing(&self, now: Timestamp) -> ScaleDownTiming {
        let awaited = self.arrival_odds(now).filter(|awaited| awaited.acts);
        // What was not said by the user is for the probability of an arrival to say.
        let keep_warm = match awaited {
            Some(_) if !self.policy.keep_warm_fixed => SignedDuration::ZERO,
            _ => self.policy.keep_warm,
        };
        let LoopTiming { keda_poll, hpa_sync, hpa_window, .. } = self.timing;
        ScaleDownTiming {
            keep_warm,
            arrival_likely: awaited.is_some_and(|awaited| awaited.stays()),
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
            self.last_good = Some(LastGood {
                at,
                live,
                backlog: parts.backlog_demand,
                value: metric_value,
                active,
            });
        }
    }

    /// Until when an answer may be repeated if ticking stops: a last good one no longer than if it
    /// had not.
    fn valid_until(&self, state: State, slot: &Slot<'_>) -> Timestamp {
        match (state, slot.repeatable) {
            (State::LastGood, Some(good)) => {
                later(good.at, self.timing.last_good).max(later(slot.now, self.timing.slot))
            }
            _ => later(slot.now, self.timing.last_good),
        }
    }
}

#[cfg(test)]
mod tests;
