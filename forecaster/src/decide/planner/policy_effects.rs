//! What the selected policy does to a decision: how live demand and the forecast turn into
//! replicas, and for how long they stay.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{Gate, Planner};
use crate::arrival::ArrivalModel;
use crate::control::average_value::whole_replicas;
use crate::control::quantity::milli;
use crate::decide::answer::Slot;
use crate::decide::policy::{Mode, Quantile};
use crate::decide::selection::{AskedAhead, Selection, ShadowPolicy};
use crate::decide::target::ReplicaRequests;
use crate::decide::{ArrivalOdds, later};

/// How far beyond the lead the forecast holds what runs, untuned (ten minutes was best on every
/// trace that was measured).
const FORECAST_HOLD: SignedDuration = SignedDuration::from_mins(10);

/// No window is longer: the longest of the portfolio.
const LONGEST_WINDOW: SignedDuration = SignedDuration::from_hours(1);

/// How the forecast is asked.
#[derive(Debug, Clone, Copy)]
pub(in crate::decide) struct ForecastRule {
    /// Within (0, 1).
    pub(super) quantile: f64,
    /// Forecast demand per replica as a share of the threshold.
    pub(super) utilization: f64,
    /// How far beyond the lead it keeps what runs.
    pub(super) hold: SignedDuration,
}

/// How live demand is answered.
#[derive(Debug, Clone, Copy)]
pub(in crate::decide) struct LiveRule {
    /// The chosen policy, if it is one.
    pub(super) policy: Option<ShadowPolicy>,
    /// Live demand per replica as a share of the threshold.
    utilization: f64,
    /// Scale down to the most that was wanted within so long; the HPA's own window comes on top.
    window: SignedDuration,
}

impl LiveRule {
    /// Live demand as it is, scaled down by the HPA alone.
    const PLAIN: Self = Self { policy: None, utilization: 1.0, window: SignedDuration::ZERO };

    /// Live demand with headroom. What does not wake a workload still does not, what does still
    /// does.
    pub(in crate::decide) fn with_headroom(&self, live: f64, activation: f64) -> f64 {
        if live <= activation || self.utilization == 1.0 {
            return live;
        }
        let awake = (milli(activation) + 1) as f64 / 1000.0;
        (live / self.utilization).max(awake)
    }

    /// What a queue counts for: an HPA gives it the same headroom as demand, because its metric
    /// holds both. Never fewer replicas than the user allots to it.
    pub(in crate::decide) fn backlog_share(&self) -> f64 {
        1.0 / self.utilization.min(1.0)
    }
}

impl Planner {
    /// Takes over the selection: the gate is open while the chosen policy forecasts. In `mode:
    /// auto` the selection acts, its best reactive policy wherever the forecast does not; in `mode:
    /// shadow` it shows in `would_value` alone.
    pub fn install_selection(&mut self, selection: Arc<Selection>) {
        // Whether somebody will come may be asked without asking how many.
        let forecasts = selection.policy.ahead().is_some();
        self.gate = if forecasts { Gate::Open } else { Gate::Closed };
        self.selection = Some(selection);
    }

    /// Takes over the probability of an arrival.
    pub fn install_arrival(&mut self, arrival: Arc<ArrivalModel>) {
        self.arrival = Some(arrival);
    }

    /// How likely somebody is to come, seen from a slot.
    pub(super) fn arrival_odds(&self, now: Timestamp) -> Option<ArrivalOdds> {
        let arrival = self.arrival.as_ref().filter(|_| !self.policy.scaled_job)?;
        let from = self.selection.as_ref().and_then(|selection| selection.policy.stays_from());
        let zone = self.policy.calendar.zone();
        Some(ArrivalOdds {
            probability: arrival.probability(now, self.activity.last_arrival(), zone),
            within: arrival.within,
            break_even: arrival.break_even(self.policy.cost_ratio) * from.unwrap_or(1.0),
            acts: self.policy.mode == Mode::Auto && from.is_some(),
        })
    }

    /// The selection in force; `None` before the first one.
    pub fn selection(&self) -> Option<&Arc<Selection>> {
        self.selection.as_ref()
    }

    /// How the forecast is asked: as chosen, else at the newsvendor's quantile. A quantile that the
    /// user fixed stays.
    pub(super) fn forecast_rule(&self) -> ForecastRule {
        let ratio = self.policy.cost_ratio;
        let newsvendor = (ratio / (1.0 + ratio)).clamp(0.5, 0.99);
        let chosen = match self.selection.as_ref().and_then(|selection| selection.policy.ahead()) {
            Some(AskedAhead { quantile, utilization, hold }) => {
                ForecastRule { quantile, utilization, hold }
            }
            None => ForecastRule { quantile: newsvendor, utilization: 1.0, hold: FORECAST_HOLD },
        };
        match self.policy.quantile {
            Quantile::Fixed(quantile) => ForecastRule { quantile, ..chosen },
            Quantile::Auto => chosen,
        }
    }

    /// How live demand is answered, given whether a forecast acts. Only `mode: auto` follows the
    /// selection.
    pub(super) fn live_rule(&self, forecast_acts: bool) -> LiveRule {
        if self.policy.mode != Mode::Auto || self.policy.scaled_job {
            return LiveRule::PLAIN;
        }
        self.chosen_rule(forecast_acts)
    }

    /// How live demand would be answered in `mode: auto`.
    pub(super) fn chosen_rule(&self, forecast_acts: bool) -> LiveRule {
        let Some(selection) = &self.selection else { return LiveRule::PLAIN };
        let by_arrival = self.arrival.is_some() && selection.policy.stays_from().is_some();
        let policy = match forecast_acts || by_arrival {
            true => selection.policy,
            false => selection.best_reactive,
        };
        // Stabilizers in series add up: the HPA's is a part of what was chosen.
        let window = policy.scale_down_window() - self.timing.hpa_window;
        LiveRule {
            policy: Some(policy),
            utilization: policy.utilization(),
            window: window.clamp(SignedDuration::ZERO, LONGEST_WINDOW),
        }
    }

    /// Keeps what was asked for within the rule's scale-down window. Floors are left out: they end
    /// when their window does.
    pub(super) fn stabilize(
        &mut self,
        slot: &Slot<'_>,
        rule: &LiveRule,
        requests: ReplicaRequests,
    ) -> ReplicaRequests {
        if rule.window.is_zero() {
            return requests;
        }
        if slot.live.is_some() {
            // What does not wake a workload does not keep it awake, nor does what waits for its
            // confirmation.
            let mut live = requests.live + requests.backlog;
            if live <= self.policy.activation || slot.intake.holds() {
                live = 0.0;
            }
            let own = whole_replicas(requests.forecast.max(requests.hold), self.policy.threshold);
            // A slot that comes twice says what it said last.
            self.wanted.forget_from(slot.now);
            // What a ceiling cuts never runs: once it is over, it is not asked for again.
            let most = requests.most().map(|most| whole_replicas(most, self.policy.threshold));
            self.wanted.push(slot.now, live.max(own).min(most.unwrap_or(f64::INFINITY)));
            self.wanted.forget_before(later(slot.now, -LONGEST_WINDOW));
        }
        let stable = self.wanted.max_since(later(slot.now, -rule.window)).unwrap_or(0.0);
        ReplicaRequests { stable, ..requests }
    }
}
