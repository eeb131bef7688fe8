//! Why seven? What each part asks for, in order, and what callers are told in each state of
//! knowledge.
//!
//! 1. [`state`]: what is known, which is the row of the answer table.
//! 2. [`AnswerContext::requests`]: what live demand, backlog, forecast, windows, hold and keep-warm
//!    ask for in that row.
//! 3. The scale-down window of the selected policy keeps what was asked for within it
//!    (`policy_effects`, `stabilize`).
//! 4. [`combine`](super::target::combine): the largest request prevails, the ceiling cuts.
//! 5. [`answer`]: the answer table.
//!
//! How far ahead forecast and windows were looked at is the lead's ([`super::lead`]); what a held
//! sample counts for is decided before ([`super::plausibility`]).

use jiff::Timestamp;

use super::live::Level;
use super::planner::activity::{Activity, ScaleDownTiming};
use super::planner::intake::Intake;
use super::planner::lookahead::Lookahead;
use super::planner::policy_effects::LiveRule;
use super::planner::{LastGood, Observation};
use super::policy::{OnNoData, Policy};
use super::target::{ReplicaRequests, Target};
use super::{Answer, Reason, State};
use crate::control::average_value::replicas;

/// What is known of live demand in one slot.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot<'a> {
    pub(super) now: Timestamp,
    pub(super) observation: &'a Observation,
    /// What this very slot gave.
    pub(super) intake: Intake,
    /// Replicas ready or starting, if the cluster can be read.
    pub(super) running: Option<u32>,
    /// Live demand, if a sample is young enough.
    pub(super) live: Option<Level>,
    /// The SLO guard's factor on live demand, ≥ 1.
    pub(super) latency_factor: f64,
    /// What the backlog counts for, in the demand's unit: as last seen, while that may be repeated.
    pub(super) backlog: f64,
    /// The last good answer, if it is young enough to repeat.
    pub(super) repeatable: Option<LastGood>,
    /// At zero replicas, with the metrics gone.
    pub(super) scaled_to_zero: bool,
}

/// The row of the answer table. `ever_seen`: live demand was seen at some time.
pub(super) fn state(
    slot: &Slot<'_>,
    lookahead: &Lookahead,
    policy: &Policy,
    ever_seen: bool,
) -> State {
    if slot.live.is_some() {
        return if lookahead.acts { State::Fresh } else { State::Reactive };
    }
    if slot.scaled_to_zero {
        return State::ScaledToZero;
    }
    // A forecast alone does not vouch for zero.
    if lookahead.acts && lookahead.forecast_replicas > 0 {
        return State::LiveDown;
    }
    // Every unit of a job's queue becomes a job: an old one is never repeated.
    if slot.repeatable.is_some() && !policy.scaled_job {
        return State::LastGood;
    }
    if ever_seen { State::NoSignal } else { State::NoData }
}

/// All that requests are made from.
#[derive(Debug, Clone, Copy)]
pub(super) struct AnswerContext<'a> {
    pub(super) state: State,
    pub(super) slot: &'a Slot<'a>,
    pub(super) lookahead: &'a Lookahead,
    /// How live demand is answered.
    pub(super) rule: &'a LiveRule,
    pub(super) policy: &'a Policy,
    /// The last good answer, however old.
    pub(super) last_good: Option<LastGood>,
    /// The newest sample of demand, however old.
    pub(super) newest: Option<f64>,
    /// The queue was empty when it was last seen, or is still seen, or there never was one.
    pub(super) queue_settled: bool,
    pub(super) activity: &'a Activity,
    pub(super) timing: &'a ScaleDownTiming,
}

impl AnswerContext<'_> {
    /// What each part asks for in this row of the answer table.
    pub(super) fn requests(&self) -> ReplicaRequests {
        let (live, backlog) = self.demand();
        let demand = ReplicaRequests {
            live,
            panic: self.slot.live.is_some_and(|level| level.panic),
            backlog,
            ceiling: self.lookahead.bounds.ceiling,
            keep_one: self.one_stays_below_the_ceiling(),
            ..ReplicaRequests::default()
        };
        if self.policy.scaled_job {
            // Every unit becomes a real job: nothing that is not there may be asked for.
            return ReplicaRequests { live: self.newest_sample(), panic: false, ..demand };
        }
        ReplicaRequests {
            forecast: if self.lookahead.acts { self.lookahead.forecast_replicas } else { 0 },
            floor: self.lookahead.floor,
            hold: self.hold(),
            keep: self.keep_warm(),
            never_zero: self.lookahead.never_zero,
            ..demand
        }
    }

    /// Live demand and backlog, in the demand's unit, with the headroom of the rule in force.
    fn demand(&self) -> (f64, f64) {
        let Self { state, slot, rule, .. } = *self;
        let headroom = |live: f64| rule.with_headroom(live, self.policy.activation);
        let queue = |backlog: f64| backlog * rule.backlog_share();
        // The last good value holds the backlog of its time already: only what has come since is
        // added to it.
        let repeated = |good: LastGood| (good.value, queue((slot.backlog - good.backlog).max(0.0)));
        match (state, slot.live, slot.repeatable) {
            (State::Fresh | State::Reactive, Some(level), _) => {
                (headroom(level.value * slot.latency_factor), queue(slot.backlog))
            }
            (State::LiveDown, _, Some(good)) => {
                (headroom(good.live), queue(slot.backlog.max(good.backlog)))
            }
            (State::LastGood, _, Some(good)) => repeated(good),
            // Nobody can say how many run: neither floor nor queue may undercut the last good
            // value.
            (State::NoSignal, ..) if slot.running.is_none() => {
                self.last_good.map_or((0.0, queue(slot.backlog)), repeated)
            }
            _ => (0.0, queue(slot.backlog)),
        }
    }

    /// The newest sample while live demand is known, with what a held one counts for.
    fn newest_sample(&self) -> f64 {
        let newest = self.slot.intake.demand_held.or(self.newest);
        if self.slot.live.is_some() { newest.unwrap_or(0.0) } else { 0.0 }
    }

    /// Replicas that run and should not go yet: what the forecast needs again within lead and hold,
    /// and in an outage that lasts what is known to run. There the forecast may add; it does not
    /// take away.
    fn hold(&self) -> u32 {
        let by_forecast = if self.lookahead.acts { self.lookahead.hold_replicas } else { 0 };
        let lasts = self.state == State::LiveDown && self.slot.repeatable.is_none();
        match (self.last_good, self.slot.running) {
            (Some(good), Some(running)) if lasts => {
                by_forecast.max(running.min(replicas(good.value, self.policy.threshold)))
            }
            _ => by_forecast,
        }
    }

    /// Why one replica stays although nobody asks for it; `None` if it may go.
    fn keep_warm(&self) -> Option<Reason> {
        let (now, state) = (self.slot.now, self.state);
        // Only what was seen in this very slot vouches for the step to zero.
        let seen = self.slot.intake.seen || state == State::ScaledToZero;
        match state {
            State::Fresh | State::Reactive | State::ScaledToZero => {
                self.activity.keep(now, self.timing, seen, self.queue_settled)
            }
            State::LiveDown | State::LastGood
                if self.slot.repeatable.is_some_and(|good| good.active) =>
            {
                self.activity.keep(now, self.timing, seen, true)
            }
            _ => None,
        }
    }

    /// Whether one replica stays even under a ceiling of zero: demand is out of sight, or the fleet
    /// still steps down.
    fn one_stays_below_the_ceiling(&self) -> bool {
        let unseen = self.slot.live.is_none() && !self.slot.scaled_to_zero;
        unseen || self.activity.stepping_down(self.slot.now, self.timing)
    }
}

/// The answer table, row by row: what callers are told, and the target with its reason as the row
/// has it.
///
/// An error means "hold"; a value means that we vouch for it. Zero is vouched for only on a fresh
/// observation, on a last good answer that was zero, or scaled to zero. `running`: replicas ready
/// or starting, if the cluster can be read.
pub(super) fn answer(
    state: State,
    requests: &ReplicaRequests,
    target: Target,
    running: Option<u32>,
    policy: &Policy,
) -> (Answer, Target) {
    match state {
        // Live demand is known: the value, with the forecast or without.
        State::Fresh | State::Reactive => value(target),
        // The metrics vanished after we let the workload go: zero, until a forecast or a window
        // wakes it.
        State::ScaledToZero if target.reason == Reason::Idle => {
            value(Target { reason: Reason::ScaledToZero, ..target })
        }
        State::ScaledToZero => value(target),
        // A forecast, no live demand: forecast, floor and the last good live demand. Neither, for a
        // short while: the last good value, never below a floor. What was active stays so by what
        // is asked for: this is no false zero.
        State::LiveDown | State::LastGood => value(repeated(target)),
        // Neither, for longer: what is asked for without live demand, where that cannot scale in
        // what runs; else hold.
        State::NoSignal if cannot_scale_in(requests, &target, running, policy) => {
            value(repeated(target))
        }
        State::NoSignal => (Answer::Unavailable, Target { reason: Reason::Unavailable, ..target }),
        // Never any data: the same, or zero where the user asks for it; else an error of its own.
        State::NoData if cannot_scale_in(requests, &target, running, policy) => value(target),
        State::NoData if policy.on_no_data == OnNoData::Zero => value(target),
        State::NoData => (Answer::NoData, Target { reason: Reason::NoData, ..target }),
    }
}

fn value(target: Target) -> (Answer, Target) {
    (Answer::Value { metric_value: target.value, active: target.active }, target)
}

/// In an outage what would stand for live demand is the last good answer.
fn repeated(target: Target) -> Target {
    match target.reason {
        Reason::Live
        | Reason::Panic
        | Reason::Hold
        | Reason::KeepWarm
        | Reason::Arrival
        | Reason::Idle => Target { reason: Reason::LastGood, ..target },
        _ => target,
    }
}

/// Floors and queues need no live demand: they are answered where no more replicas run than they
/// ask for, and where nobody can say how many run. So is one replica where none runs and one must.
fn cannot_scale_in(
    requests: &ReplicaRequests,
    target: &Target,
    running: Option<u32>,
    policy: &Policy,
) -> bool {
    let asked = requests.floor > 0 || requests.backlog > 0.0;
    let enough = running.is_none_or(|running| running <= replicas(target.value, policy.threshold));
    asked && enough || requests.never_zero && running == Some(0)
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::calendar::Calendar;
    use crate::decide::policy::Threshold;

    fn policy(on_no_data: OnNoData) -> Policy {
        let calendar = Calendar::empty(TimeZone::UTC);
        Policy { on_no_data, ..Policy::new(Threshold::new(10.0).unwrap(), calendar) }
    }

    /// The table as docs/concepts.md prints it. Three replicas come to 30.
    #[test]
    fn row_by_row() {
        let none = ReplicaRequests::default();
        let floor = ReplicaRequests { floor: 3, ..none };
        let one = ReplicaRequests { never_zero: true, ..none };
        let hold = Err((Answer::Unavailable, Reason::Unavailable));
        let no_data = Err((Answer::NoData, Reason::NoData));
        // State, requests, the reason that prevails, replicas that run; the reason that is told.
        let rows = [
            (State::Fresh, none, Reason::Forecast, Some(9), Ok(Reason::Forecast)),
            (State::Reactive, none, Reason::Idle, Some(9), Ok(Reason::Idle)),
            (State::ScaledToZero, none, Reason::Idle, Some(0), Ok(Reason::ScaledToZero)),
            (State::ScaledToZero, none, Reason::Forecast, Some(0), Ok(Reason::Forecast)),
            (State::LiveDown, none, Reason::Live, Some(9), Ok(Reason::LastGood)),
            (State::LiveDown, none, Reason::Forecast, Some(9), Ok(Reason::Forecast)),
            (State::LastGood, none, Reason::Idle, None, Ok(Reason::LastGood)),
            (State::LastGood, floor, Reason::Floor, None, Ok(Reason::Floor)),
            (State::NoSignal, none, Reason::Idle, Some(0), hold),
            (State::NoSignal, floor, Reason::Floor, Some(3), Ok(Reason::Floor)),
            (State::NoSignal, floor, Reason::Floor, Some(4), hold),
            (State::NoSignal, floor, Reason::Live, None, Ok(Reason::LastGood)),
            (State::NoSignal, one, Reason::NeverZero, Some(0), Ok(Reason::NeverZero)),
            (State::NoSignal, one, Reason::NeverZero, Some(1), hold),
            (State::NoData, none, Reason::Idle, None, no_data),
            (State::NoData, floor, Reason::Floor, Some(3), Ok(Reason::Floor)),
            (State::NoData, floor, Reason::Floor, Some(4), no_data),
        ];
        for (state, requests, prevails, running, told) in rows {
            let target = Target { value: 30.0, active: true, reason: prevails };
            let got = answer(state, &requests, target, running, &policy(OnNoData::Error));
            let expected = match told {
                Ok(reason) => {
                    let vouched = Answer::Value { metric_value: 30.0, active: true };
                    (vouched, Target { reason, ..target })
                }
                Err((error, reason)) => (error, Target { reason, ..target }),
            };
            assert_eq!(got, expected, "{state:?} {prevails:?} {running:?}");
        }
    }

    #[test]
    fn without_any_data_zero_is_answered_only_where_the_user_asks_for_it() {
        let idle = Target { value: 0.0, active: false, reason: Reason::Idle };
        let told = |on_no_data| {
            let requests = ReplicaRequests::default();
            answer(State::NoData, &requests, idle, None, &policy(on_no_data)).0
        };
        assert_eq!(told(OnNoData::Error), Answer::NoData);
        assert_eq!(told(OnNoData::Zero), Answer::Value { metric_value: 0.0, active: false });
    }
}
