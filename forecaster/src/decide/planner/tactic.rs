//! The tuner's choice in the planner: how live demand and the forecast turn into replicas, and for how long they stay.

use std::sync::Arc;

use jiff::SignedDuration;

use super::ahead::Ahead;
use super::{Gate, Planner, Slot};
use crate::control::average_value::whole_replicas;
use crate::control::quantity::milli;
use crate::decide::choice::{Choice, ShadowPolicy};
use crate::decide::combine::Asked;
use crate::decide::policy::{Mode, Quantile};
use crate::decide::{Parts, State, later};

/// How far beyond the lead the forecast holds what runs, untuned (ten minutes was best on every trace that was measured).
const FORECAST_HOLD: SignedDuration = SignedDuration::from_mins(10);

/// No window is longer: the longest of the portfolio.
const LONGEST_WINDOW: SignedDuration = SignedDuration::from_hours(1);

/// How the forecast is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outlook {
    /// Within (0, 1).
    pub(super) quantile: f64,
    /// Forecast demand per replica as a share of the threshold.
    pub(super) utilisation: f64,
    /// How far beyond the lead it keeps what runs.
    pub(super) hold: SignedDuration,
}

/// How live demand is answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reaction {
    /// The chosen policy, if it is one.
    pub(super) policy: Option<ShadowPolicy>,
    /// Live demand per replica as a share of the threshold.
    pub(super) utilisation: f64,
    /// Scale down to the most that was wanted within so long; the HPA's own window comes on top.
    window: SignedDuration,
}

impl Reaction {
    /// Live demand as it is, scaled down by the HPA alone.
    const PLAIN: Self = Self { policy: None, utilisation: 1.0, window: SignedDuration::ZERO };

    /// Live demand as it is answered. What does not wake a workload still does not, what does still does.
    pub(super) fn tune(&self, live: f64, activation: f64) -> f64 {
        if live <= activation || self.utilisation == 1.0 {
            return live;
        }
        (live / self.utilisation).max((milli(activation) + 1) as f64 / 1000.0)
    }

    /// What a queue counts for: an HPA gives it the same headroom as demand, because its metric holds both. Never fewer
    /// replicas than the user allots to it.
    pub(super) fn backlog_share(&self) -> f64 {
        1.0 / self.utilisation.min(1.0)
    }
}

impl Planner {
    /// Takes over the tuner's choice: the gate is open while the chosen policy forecasts. In `mode: auto` the choice acts,
    /// its best reactive policy wherever the forecast does not; in `mode: shadow` it shows in `would_value` alone.
    pub fn install_choice(&mut self, choice: Arc<Choice>) {
        self.gate = if choice.policy.forecasts() { Gate::Open } else { Gate::Closed };
        self.choice = Some(choice);
    }

    /// The choice in force; `None` before the first one.
    pub fn choice(&self) -> Option<&Arc<Choice>> {
        self.choice.as_ref()
    }

    /// How the forecast is asked: as chosen, else at the newsvendor's quantile. A quantile that the user fixed stays.
    pub(super) fn outlook(&self) -> Outlook {
        let ratio = self.policy.cost_ratio;
        let newsvendor = (ratio / (1.0 + ratio)).clamp(0.5, 0.99);
        let chosen = match self.choice.as_ref().map(|choice| choice.policy) {
            Some(ShadowPolicy::Forecast { quantile, forecast_utilisation: utilisation, hold, .. }) => {
                Outlook { quantile, utilisation, hold }
            }
            _ => Outlook { quantile: newsvendor, utilisation: 1.0, hold: FORECAST_HOLD },
        };
        match self.policy.quantile {
            Quantile::Fixed(quantile) => Outlook { quantile, ..chosen },
            Quantile::Auto => chosen,
        }
    }

    /// How live demand is answered, given whether a forecast is there and may act.
    pub(super) fn reaction(&self, forecast_acts: bool) -> Reaction {
        let tuned = self.policy.mode == Mode::Auto && !self.policy.scaled_job;
        match self.choice.as_ref().filter(|_| tuned) {
            Some(choice) => self.react(choice, forecast_acts),
            None => Reaction::PLAIN,
        }
    }

    /// In `mode: shadow`, what would be asked for in `mode: auto`; `None` where there is nothing that could differ.
    pub(super) fn would_ask(&mut self, state: State, slot: &Slot<'_>, parts: &Parts, ahead: &Ahead) -> Option<Asked> {
        let different = ahead.forecast.is_some() || self.choice.is_some();
        if self.policy.mode != Mode::Shadow || self.policy.scaled_job || !different {
            return None;
        }
        let acts = self.gate == Gate::Open && ahead.forecast.is_some();
        let reaction = self.choice.as_ref().map_or(Reaction::PLAIN, |choice| self.react(choice, acts));
        let asked = self.asked(state, slot, parts, &Ahead { acts, ..ahead.clone() }, &reaction);
        Some(self.stabilise(slot, &reaction, asked))
    }

    fn react(&self, choice: &Choice, forecast_acts: bool) -> Reaction {
        let policy = if forecast_acts { choice.policy } else { choice.best_reactive };
        // Stabilisers in series add up: the HPA's is a part of what was chosen.
        let window = policy.scale_down_window() - self.rhythm.hpa_window;
        Reaction {
            policy: Some(policy),
            utilisation: policy.utilisation(),
            window: window.clamp(SignedDuration::ZERO, LONGEST_WINDOW),
        }
    }

    /// Keeps what was asked for within the window. Floors are left out: they end when their window does.
    pub(super) fn stabilise(&mut self, slot: &Slot<'_>, reaction: &Reaction, asked: Asked) -> Asked {
        if reaction.window.is_zero() {
            return asked;
        }
        if slot.fresh.is_some() {
            // What does not wake a workload does not keep it awake, nor does what waits for its confirmation.
            let wakes = |live: &f64| *live > self.policy.activation && !slot.intake.holds();
            let live = Some(asked.live + asked.backlog).filter(wakes).unwrap_or(0.0);
            let own = whole_replicas(asked.forecast.max(asked.hold), self.policy.threshold);
            // A slot that comes twice says what it said last.
            self.wanted.forget_from(slot.now);
            self.wanted.push(slot.now, live.max(own));
            self.wanted.forget_before(later(slot.now, -LONGEST_WINDOW));
        }
        let stable = self.wanted.max_since(later(slot.now, -reaction.window));
        Asked { stable: stable.unwrap_or(0.0), ..asked }
    }
}
