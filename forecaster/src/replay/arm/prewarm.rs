//! Prewarm: the planner of production, its shadow bank and its tuner.

use std::sync::Arc;

use crate::decide::Answer;
use crate::decide::choice::Choice;
use crate::decide::planner::{Observation, Planner, Replicas};
use crate::decide::policy::{Objective, Policy, ScaleToZero};
use crate::decide::rhythm::Rhythm;
use crate::forecast::Forecast;
use crate::replay::demand::{Demand, steps};
use crate::replay::fleet::Fleet;
use crate::replay::scene::{STEP, Scene, Service};
use crate::replay::signal::{DRAIN, Signal};
use crate::tuning::portfolio;
use crate::tuning::selection::{Wish, choose, days};
use crate::tuning::simulator::{BLOCK, Bank, BankSpec};

/// Slots of a day.
const DAY: u32 = 5760;

/// The planner in the loop.
#[derive(Debug)]
pub(in crate::replay) struct Pilot<'a> {
    planner: Planner,
    bank: Bank,
    /// As issued, ascending.
    forecasts: &'a [Forecast],
    /// The first that has not been issued yet.
    next: usize,
    threshold: f64,
    wish: Wish,
    /// Age of what a sample shows, in steps.
    delay: usize,
    /// Block in which the last choice was made.
    chosen_in: Option<i64>,
    service: &'a Service,
}

/// What a scene says, as a policy.
pub(in crate::replay) fn policy(scene: &Scene) -> Policy {
    Policy {
        cold_start: scene.cold_start.lead(),
        cost_ratio: scene.cost_ratio,
        objective: scene.objective,
        scale_to_zero: if scene.keda.min == 0 { ScaleToZero::Auto } else { ScaleToZero::Never },
        ..Policy::new(scene.threshold, scene.calendar.clone())
    }
}

/// The beats that a scene says, with an HPA that leaves stabilisation to us.
pub(in crate::replay) fn rhythm(scene: &Scene) -> Rhythm {
    Rhythm {
        slot: STEP,
        keda_poll: scene.keda.polling,
        hpa_sync: scene.hpa.sync,
        hpa_window: scene.service.hpa_window,
        ..Rhythm::default()
    }
}

impl<'a> Pilot<'a> {
    pub(in crate::replay) fn new(scene: &'a Scene, forecasts: &'a [Forecast]) -> Self {
        let (lead, threshold) = (scene.cold_start.lead(), scene.threshold.get());
        let policy = Arc::new(policy(scene));
        let policies = portfolio::reactive().into_iter().chain(portfolio::forecasting()).collect();
        let spec = BankSpec {
            cold_start: scene.cold_start.clone(),
            min: scene.keda.min,
            idle: scene.keda.idle == Some(0),
            max: scene.keda.max,
            keep_warm: policy.keep_warm,
            cooldown: scene.keda.cooldown,
            wait_limit: scene.wait_limit,
            sees_queue: scene.shows_queue,
            plainly: scene.objective == Objective::Safe,
            hpa_window: scene.service.hpa_window,
            ..BankSpec::new(threshold, lead)
        };
        let mut planner = Planner::new(policy, rhythm(scene));
        scene.service.choice.iter().for_each(|choice| planner.install_choice(Arc::new(choice.clone())));
        Self {
            planner,
            bank: Bank::new(spec, policies),
            forecasts,
            next: 0,
            threshold,
            wish: Wish { objective: scene.objective, cost_ratio: scene.cost_ratio, lead, forecast_available: false },
            delay: steps(scene.metric_delay) as usize,
            chosen_in: None,
            service: &scene.service,
        }
    }

    /// The choice in force.
    pub(in crate::replay) fn choice(&self) -> Option<&Arc<Choice>> {
        self.planner.choice()
    }

    pub(in crate::replay) fn signal(&mut self, demand: &Demand, i: usize, fleet: &Fleet<'_>) -> Signal {
        let now = demand.instant(i);
        let known = |forecast: &&Forecast| forecast.origin() + self.service.forecast_delay <= now;
        while let Some(forecast) = self.forecasts.get(self.next).filter(known) {
            if self.forecasts.get(self.next + 1).filter(known).is_none() {
                self.planner.install(forecast.clone());
                self.wish.forecast_available = true;
            }
            self.next += 1;
        }
        // The bank first: a choice counts the block that has just ended.
        let issued = self.next.checked_sub(1).and_then(|last| self.forecasts.get(last));
        let seen = demand.values.get(i).copied().filter(|value| !value.is_nan());
        self.bank.step(now, seen.map(|value| value * self.threshold), issued);
        let block = now.as_second().div_euclid(BLOCK.as_secs());
        if self.service.choice.is_none() && self.chosen_in != Some(block) {
            self.chosen_in = Some(block);
            let choice = choose(self.bank.portfolio(), &days(self.bank.blocks(), DAY), self.bank.totals(), &self.wish);
            self.planner.install_choice(Arc::new(choice));
        }
        let mut observation = observe(demand, i, self.delay, fleet, self.threshold);
        observation.replicas = observation.replicas.filter(|_| self.service.sees_replicas);
        let recommendation = self.planner.tick(now, &observation);
        let reason = recommendation.decision.reason.as_str();
        match recommendation.answer {
            Answer::Value { metric_value, active } => {
                // Thousandths, divided as the HPA divides them.
                let wanted = (metric_value * 1000.0).round() / (self.threshold * 1000.0).round();
                Signal { wanted: Some(wanted), active: Some(active), reason, ..Signal::default() }
            }
            Answer::Unavailable | Answer::NoData => Signal { reason, ..Signal::default() },
        }
    }
}

/// What the service sees at a step: the newest sample that has arrived, the queue as the demand that empties it within a
/// minute, and the fleet.
pub(in crate::replay) fn observe(
    demand: &Demand,
    i: usize,
    delay: usize,
    fleet: &Fleet<'_>,
    threshold: f64,
) -> Observation {
    let newest = (i.max(1) - 1).saturating_sub(delay.saturating_sub(1));
    let sample = demand.values.get(newest).copied().filter(|value| !value.is_nan());
    Observation {
        demand: sample.map(|value| value * threshold),
        backlog: fleet.shown_queue().map(|queue| queue / DRAIN * threshold),
        replicas: Some(Replicas { ready: fleet.ready, starting: fleet.starting }),
        ..Observation::default()
    }
}

#[cfg(test)]
mod tests;
