//! One workload's state between ticks. One owner; live, in replay, in the demo and in the tests it is the same.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::combine::{Asked, Combined, combine, replicas_of, with_forecast};
use super::lead::{Node, StartUps, lead};
use super::live::{Level, LiveWindow, STABLE_WINDOW};
use super::policy::{Mode, OnNoData, Policy, Quantile, ScaleToZero};
use super::{Answer, Decision, Parts, Reason, Recommendation, State};
use crate::calendar::Bounds;
use crate::forecast::Forecast;
use crate::series::Minute;

/// How far beyond the lead the forecast holds what runs (deciding.md: ten minutes was best on every trace).
const FORECAST_HOLD: SignedDuration = SignedDuration::from_mins(10);

/// Demand must have fitted on one replica for so long before a workload may go inactive, because KEDA drops N → 0 in
/// one step past the HPA's behaviour; the HPA's own scale-down stabilisation, so that it has stepped down by then.
const DOWN_HOLD: SignedDuration = SignedDuration::from_secs(300);

/// The SLO guard at most doubles live demand: latency does not fall in proportion to replicas.
const MAX_LATENCY_FACTOR: f64 = 2.0;

/// A start-up that takes longer than twice its cold start is stuck and holds nothing.
const STUCK: i32 = 2;

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

/// The beats around us that a decision depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rhythm {
    /// Distance between ticks.
    pub slot: SignedDuration,
    /// KEDA's polling interval.
    pub keda_poll: SignedDuration,
    /// The HPA's sync period.
    pub hpa_sync: SignedDuration,
    /// How long a last good value may be repeated.
    pub last_good: SignedDuration,
}

impl Default for Rhythm {
    fn default() -> Self {
        Self {
            slot: SignedDuration::from_secs(15),
            keda_poll: SignedDuration::from_secs(30),
            hpa_sync: SignedDuration::from_secs(15),
            last_good: SignedDuration::from_mins(5),
        }
    }
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
#[derive(Debug)]
pub struct Planner {
    policy: Arc<Policy>,
    rhythm: Rhythm,
    gate: Gate,
    forecast: Option<Forecast>,
    start_ups: StartUps,
    live: LiveWindow,
    backlog: Option<(Timestamp, f64)>,
    last_tick: Option<Timestamp>,
    /// Demand above activation, or a backlog, was last seen here.
    last_arrival: Option<Timestamp>,
    /// More than one replica's worth was last asked for here.
    last_above_one: Option<Timestamp>,
    starting_since: Option<Timestamp>,
    /// The last value that stood on fresh observations.
    good: Option<Good>,
    desired: u32,
}

#[derive(Debug, Clone, Copy)]
struct Good {
    value: f64,
    /// Since when every fresh answer has been inactive.
    inactive_since: Option<Timestamp>,
}

impl Planner {
    /// A planner that has seen nothing.
    pub fn new(policy: Arc<Policy>, rhythm: Rhythm) -> Self {
        Self {
            policy,
            rhythm,
            gate: Gate::default(),
            forecast: None,
            start_ups: StartUps::default(),
            live: LiveWindow::default(),
            backlog: None,
            last_tick: None,
            last_arrival: None,
            last_above_one: None,
            starting_since: None,
            good: None,
            desired: 0,
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

    /// Opens or closes the gate.
    pub fn set_gate(&mut self, gate: Gate) {
        self.gate = gate;
    }

    /// Takes over a finished forecast; it acts until its horizon no longer covers the lead.
    pub fn install(&mut self, forecast: Forecast) {
        self.forecast = Some(forecast);
    }

    /// Remembers a start-up: creation to Ready.
    pub fn observe_start_up(&mut self, node: Node, took: SignedDuration) {
        self.start_ups.observe(node, took);
    }

    /// Restores what a restart would lose: live demand, the last arrival, the hold. `recent` is oldest first and ends
    /// before `now`; it should reach back at least `keepWarm`.
    pub fn warm(&mut self, now: Timestamp, recent: &[Minute]) {
        let threshold = self.policy.threshold.get();
        for minute in recent.iter().filter(|minute| minute.start < now) {
            // A record of the running minute stands for now at the latest.
            let end = (minute.start + STABLE_WINDOW - self.rhythm.slot).min(now - self.rhythm.slot);
            if minute.max > self.policy.activation || minute.backlog.is_some_and(|items| items > 0.0) {
                self.last_arrival = Some(end);
            }
            if minute.max > threshold {
                self.last_above_one = Some(end);
            }
            self.live.push(end, minute.mean);
            self.backlog = minute.backlog.map(|items| (end, items));
            self.desired = replicas_of(minute.mean, self.policy.threshold);
            let active = minute.mean > self.policy.activation;
            self.remember_good(end, minute.mean, active);
        }
    }

    /// Decides for the slot `now`. Cannot fail. When `now` runs backwards by more than a slot, the windows start anew.
    pub fn tick(&mut self, now: Timestamp, observation: &Observation) -> Recommendation {
        self.take_in(now, observation);
        let policy = self.policy.clone();
        let fresh = self.live.fresh(now, self.rhythm.slot);
        let last = self.live.last(now);
        let known = observation.replicas.map(Replicas::total);
        let current = known.unwrap_or(self.desired);

        let (lead, wanted) = self.forecast_over_lead(now, current);
        let bounds = policy.calendar.at(now);
        let floor = if policy.scaled_job { 0 } else { policy.calendar.floor_within(now, lead) };
        let acts = policy.mode == Mode::Auto && self.gate == Gate::Open && !policy.scaled_job;
        let asleep = fresh.is_none() && self.asleep(now, observation);

        let young = last.filter(|(age, _)| *age <= self.rhythm.last_good).map(|(_, level)| level);
        let level = fresh.or(young).filter(|_| !asleep);
        let mut parts = self.parts(now, observation, level);
        parts.live_age = last.map(|(age, _)| age);
        parts.lead = lead;
        parts.forecast = wanted;
        parts.forecast_replicas = self.forecast_replicas(wanted, parts.live.unwrap_or(0.0));
        parts.forecast_acts = acts && wanted.is_some();
        parts.floor = floor;
        parts.ceiling = bounds.ceiling;

        let state = match (fresh, last) {
            (Some(_), _) if wanted.is_some() && acts => State::Fresh,
            (Some(_), _) => State::Reactive,
            _ if asleep => State::Asleep,
            (None, _) if parts.forecast_acts && parts.forecast_replicas > 0 => State::LiveDown,
            (None, Some(_)) if young.is_some() => State::LastGood,
            (None, Some(_)) => State::Blind,
            (None, None) => State::NoData,
        };
        let mut asked = self.asked(now, observation, &parts, level, &bounds, current);
        parts.hold = asked.hold;
        if state == State::Blind && floor > 0 && known.is_none() {
            // Nobody can say how many run: neither the floor nor the last good value may be undercut.
            asked.live = asked.live.max(self.good.map_or(0.0, |good| good.value));
        }
        let mut combined = combine(&asked, &bounds, policy.activation, policy.threshold);
        if !acts && wanted.is_some() && policy.mode == Mode::Shadow {
            parts.would_value = Some(with_forecast(&asked, &parts, &bounds, policy.activation, policy.threshold));
        }
        let answer = self.answer(state, &mut combined, floor, known);
        if matches!(answer, Answer::Value { .. }) {
            self.settle(now, state, combined.value, combined.active);
        }
        let decision = Decision {
            desired_replicas: replicas_of(combined.value, policy.threshold),
            metric_value: combined.value,
            active: combined.active,
            reason: combined.reason,
            state,
            parts,
        };
        Recommendation { at: now, valid_until: now + self.rhythm.last_good, answer, decision }
    }

    /// Takes the observation in.
    fn take_in(&mut self, now: Timestamp, observation: &Observation) {
        if self.last_tick.is_some_and(|last| last.duration_since(now) > self.rhythm.slot) {
            self.live.rebase(now);
            self.backlog = self.backlog.map(|(_, items)| (now, items));
            for past in [&mut self.last_arrival, &mut self.last_above_one, &mut self.starting_since] {
                *past = past.map(|at| at.min(now));
            }
        }
        self.last_tick = Some(now);
        let usable = |value: &f64| value.is_finite() && *value >= 0.0;
        if let Some(demand) = observation.demand.filter(usable) {
            self.live.push(now, demand);
            if demand > self.policy.activation {
                self.last_arrival = Some(now);
            }
        } else if observation.replicas.is_some_and(|replicas| replicas.total() == 0) && observation.absent {
            // Without replicas there are no model-server metrics, and nothing can be served: that is no demand.
            self.live.push(now, 0.0);
        }
        if let Some(items) = observation.backlog.filter(usable) {
            self.backlog = Some((now, items));
            if items > 0.0 {
                self.last_arrival = Some(now);
            }
        }
        match observation.replicas {
            Some(Replicas { starting, .. }) if starting > 0 => {
                self.starting_since.get_or_insert(now);
            }
            _ => self.starting_since = None,
        }
    }

    /// The lead and the quantile of demand over it; the ramp in the lead depends on what is asked for.
    fn forecast_over_lead(&self, now: Timestamp, current: u32) -> (SignedDuration, Option<f64>) {
        let learned = self.start_ups.cold_start();
        let shortest = lead(&self.policy, &self.rhythm, learned, current, current);
        let Some(first) = self.forecast_over(now, shortest) else { return (shortest, None) };
        let target = replicas_of(first, self.policy.threshold);
        let full = lead(&self.policy, &self.rhythm, learned, current, target);
        (full, self.forecast_over(now, full))
    }

    fn forecast_over(&self, now: Timestamp, span: SignedDuration) -> Option<f64> {
        self.forecast.as_ref()?.max_between(now, now + span, self.quantile())
    }

    /// The newsvendor's quantile: being short costs ρ, being long costs 1, so be ready for ρ / (1 + ρ) of what may come.
    fn quantile(&self) -> f64 {
        match self.policy.quantile {
            Quantile::Fixed(q) => q,
            Quantile::Auto => (self.policy.cost_ratio / (1.0 + self.policy.cost_ratio)).clamp(0.5, 0.99),
        }
    }

    /// Whole replicas for a forecast; 0 where it does not reach activation; never more than `maxPrewarmReplicas` beyond live.
    fn forecast_replicas(&self, forecast: Option<f64>, live: f64) -> u32 {
        let Some(demand) = forecast.filter(|demand| *demand > self.policy.activation) else { return 0 };
        let replicas = replicas_of(demand, self.policy.threshold);
        match self.policy.max_prewarm_replicas {
            Some(most) => replicas.min(replicas_of(live, self.policy.threshold).saturating_add(most)),
            None => replicas,
        }
    }

    fn parts(&self, now: Timestamp, observation: &Observation, level: Option<Level>) -> Parts {
        let policy = &self.policy;
        let fresh_backlog = self.backlog.filter(|(at, _)| now.duration_since(*at) <= self.rhythm.last_good);
        let per_item = policy.threshold.get() / policy.backlog_threshold.unwrap_or(policy.threshold).get();
        let latency_factor = match (policy.latency_target, observation.latency) {
            (Some(target), Some(seen)) if seen.is_finite() => (seen / target).clamp(1.0, MAX_LATENCY_FACTOR),
            _ => 1.0,
        };
        Parts {
            observed: observation.demand,
            live: level.map(|level| level.value),
            backlog: observation.backlog,
            backlog_demand: fresh_backlog.map_or(0.0, |(_, items)| items * per_item),
            latency_factor,
            ..Parts::default()
        }
    }

    fn asked(
        &self,
        now: Timestamp,
        observation: &Observation,
        parts: &Parts,
        level: Option<Level>,
        bounds: &Bounds,
        current: u32,
    ) -> Asked {
        let policy = &self.policy;
        let live = Asked {
            live: parts.live.unwrap_or(0.0) * parts.latency_factor,
            panic: level.is_some_and(|level| level.panic),
            backlog: parts.backlog_demand,
            ..Asked::default()
        };
        if policy.scaled_job {
            // Every unit becomes a real job: nothing that is not there may be asked for.
            return live;
        }
        let forecast = if parts.forecast_acts { parts.forecast_replicas } else { 0 };
        // Keep what runs while the forecast sees it needed again soon.
        let soon = if parts.forecast_acts { self.forecast_over(now, parts.lead + FORECAST_HOLD) } else { None };
        let by_forecast = self.forecast_replicas(soon, parts.live.unwrap_or(0.0)).min(current);
        let younger =
            |past: Option<Timestamp>, than: SignedDuration| past.is_some_and(|at| now.duration_since(at) < than);
        let starting = observation.replicas.is_some_and(|replicas| replicas.starting > 0)
            && younger(self.starting_since, self.start_ups.cold_start().unwrap_or(policy.cold_start) * STUCK);
        let stepping_down = younger(self.last_above_one, DOWN_HOLD);
        let zero_allowed = !bounds.zero_forbidden
            && match policy.scale_to_zero {
                ScaleToZero::Auto => true,
                ScaleToZero::Never => false,
                ScaleToZero::Windows => bounds.zero_allowed,
            };
        Asked {
            forecast,
            floor: parts.floor,
            hold: by_forecast.max(u32::from(starting || stepping_down)),
            keep_warm: u32::from(younger(self.last_arrival, policy.keep_warm)),
            never_zero: u32::from(!zero_allowed),
            ..live
        }
    }

    /// At zero replicas a model server's metrics are gone. That is not an outage where the source itself answers and we
    /// have said "inactive", on fresh observations, for as long as a last good value may be repeated.
    fn asleep(&self, now: Timestamp, observation: &Observation) -> bool {
        observation.absent
            && self
                .good
                .and_then(|good| good.inactive_since)
                .is_some_and(|since| now.duration_since(since) > self.rhythm.last_good)
    }

    /// The answer table, row by row. Zero is vouched for only on a fresh observation, or asleep.
    fn answer(&self, state: State, combined: &mut Combined, floor: u32, known: Option<u32>) -> Answer {
        let value = Answer::Value { metric_value: combined.value, active: combined.active };
        let asked = combined.active;
        // Only a window's floor is answered blindly, and only where it cannot scale in what runs.
        let enough = replicas_of(combined.value, self.policy.threshold);
        let floor = asked && floor > 0 && known.is_none_or(|running| running <= enough);
        let answer = match state {
            State::Fresh | State::Reactive | State::LastGood => value,
            State::Asleep => {
                if !asked {
                    combined.reason = Reason::Asleep;
                }
                value
            }
            State::LiveDown if asked => value,
            State::Blind | State::NoData if floor => value,
            State::NoData if !asked && self.policy.on_no_data == OnNoData::Zero => value,
            State::NoData => Answer::NoData,
            State::Blind | State::LiveDown => Answer::Unavailable,
        };
        match answer {
            Answer::Unavailable => combined.reason = Reason::Unavailable,
            Answer::NoData => combined.reason = Reason::NoData,
            Answer::Value { .. }
                if state == State::LastGood
                    && matches!(combined.reason, Reason::Live | Reason::Panic | Reason::Idle) =>
            {
                combined.reason = Reason::LastGood;
            }
            Answer::Value { .. } => {}
        }
        answer
    }

    /// Remembers what was answered.
    fn settle(&mut self, now: Timestamp, state: State, value: f64, active: bool) {
        self.desired = replicas_of(value, self.policy.threshold);
        if matches!(state, State::Fresh | State::Reactive) {
            if self.desired > 1 {
                self.last_above_one = Some(now);
            }
            self.remember_good(now, value, active);
        } else if active && let Some(good) = &mut self.good {
            good.inactive_since = None;
        }
    }

    fn remember_good(&mut self, now: Timestamp, value: f64, active: bool) {
        let before = self.good.and_then(|good| good.inactive_since);
        let inactive_since = if active { None } else { Some(before.unwrap_or(now)) };
        self.good = Some(Good { value, inactive_since });
    }
}

#[cfg(test)]
mod tests;
