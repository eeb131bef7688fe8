//! One workload's state between ticks. One owner; live, in replay, in the demo and in the tests it is the same.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::policy::Policy;
use super::{Answer, Decision, Parts, Reason, Recommendation, State};
use crate::forecast::Forecast;
use crate::series::Minute;

/// Replicas as seen in the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replicas {
    /// Ready.
    pub ready: u32,
    /// Created and not yet Ready.
    pub starting: u32,
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

/// One workload's state between ticks.
#[derive(Debug)]
pub struct Planner {
    policy: Arc<Policy>,
    rhythm: Rhythm,
    forecast: Option<Forecast>,
}

impl Planner {
    /// A planner that has seen nothing.
    pub fn new(policy: Arc<Policy>, rhythm: Rhythm) -> Self {
        Self { policy, rhythm, forecast: None }
    }

    /// The policy in force.
    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// Takes over an edited policy; what was seen stays.
    pub fn revise(&mut self, policy: Arc<Policy>) {
        self.policy = policy;
    }

    /// Restores what a restart would lose: the live window, the last arrival, the hold. `recent` is oldest first
    /// and ends before `now`; minutes older than the longest window are ignored.
    pub fn warm(&mut self, _now: Timestamp, _recent: &[Minute]) {}

    /// Takes over a finished forecast; it acts until its horizon no longer covers the lead.
    pub fn install(&mut self, forecast: Forecast) {
        self.forecast = Some(forecast);
    }

    /// Decides for the slot `now`. `now` never runs backwards more than one slot without the windows being reset.
    pub fn tick(&mut self, now: Timestamp, observation: &Observation) -> Recommendation {
        let live = observation.demand;
        let value = live.unwrap_or(0.0);
        let decision = Decision {
            desired_replicas: (value / self.policy.threshold.get()).ceil() as u32,
            metric_value: value,
            active: value > self.policy.activation,
            reason: if live.is_some() { Reason::Live } else { Reason::NoData },
            state: if live.is_some() { State::Reactive } else { State::NoData },
            parts: Parts { observed: live, live, ..Parts::default() },
        };
        Recommendation {
            at: now,
            valid_until: now + self.rhythm.slot * 4,
            answer: match live {
                Some(_) => Answer::Value { metric_value: value, active: decision.active },
                None => Answer::NoData,
            },
            decision,
        }
    }
}
