//! Prewarm: the planner and the workload model of production.

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::Timestamp;

use crate::decide::Answer;
use crate::decide::planner::{Gate, Observation, Planner, Replicas};
use crate::decide::selection::Selection;
use crate::replay::Forecasts;
use crate::replay::demand::{Demand, steps};
use crate::replay::fleet::Fleet;
use crate::replay::history::History;
use crate::replay::scenario::{Scenario, Service};
use crate::replay::signal::{DRAIN, Signal};
use crate::series::Minute;
use crate::tuning::MINUTE;
use crate::tuning::horizon::ACTIVATION_DELAY;
use crate::tuning::model::{self, ModelInit, RefitSchedule, TrainingOutput, WorkloadModel};
use crate::tuning::selection::SelectionRecord;
use crate::tuning::update::{ModelUpdate, PendingUpdate};

/// The planner in the loop, and the model that follows the same history.
#[derive(Debug)]
pub(in crate::replay) struct PlannerArm<'a> {
    planner: Planner,
    training: Training,
    threshold: f64,
    /// Age of what a sample shows, in steps.
    delay: usize,
    service: &'a Service,
    /// What the last slots answered, oldest first: as many as an answer is old when the HPA syncs.
    answers: VecDeque<Signal>,
    age: usize,
}

impl<'a> PlannerArm<'a> {
    pub(in crate::replay) fn new(
        scene: &'a Scenario,
        history: History,
        forecasts: Forecasts,
    ) -> Self {
        let mut planner = Planner::new(Arc::new(scene.policy()), scene.timing());
        // As in the service: until there is a selection a forecast is recorded only.
        planner.set_gate(Gate::Closed);
        if let Some(selection) = &scene.service.selection {
            planner.install_selection(Arc::new(selection.clone()));
        }
        Self {
            planner,
            training: Training::new(scene, history, forecasts),
            threshold: scene.threshold.get(),
            delay: steps(scene.metric_delay) as usize,
            service: &scene.service,
            answers: VecDeque::new(),
            age: steps(scene.service.answer_age) as usize,
        }
    }

    /// The selection in force.
    pub(in crate::replay) fn selection(&self) -> Option<&Arc<Selection>> {
        self.planner.selection()
    }

    /// Changes of the model's selection, oldest first.
    pub(in crate::replay) fn selections(&self) -> &[SelectionRecord] {
        &self.training.selections
    }

    /// What KEDA and the HPA are told at a step: the answer of a slot that is as old as answers are.
    pub(in crate::replay) fn signal(
        &mut self,
        demand: &Demand,
        i: usize,
        fleet: &Fleet<'_>,
    ) -> Signal {
        let newest = self.answer(demand, i, fleet);
        self.answers.push_back(newest);
        if self.answers.len() > self.age + 1 {
            self.answers.pop_front();
        }
        self.answers.front().copied().unwrap_or(newest)
    }

    /// What the slot answers.
    fn answer(&mut self, demand: &Demand, i: usize, fleet: &Fleet<'_>) -> Signal {
        let now = demand.instant(i);
        self.training.refresh(now);
        self.training.pending.install_due(now, &mut self.planner);

        let mut observation = observe(demand, i, self.delay, fleet, self.threshold);
        observation.replicas = observation.replicas.filter(|_| self.service.sees_replicas);
        let recommendation = self.planner.tick(now, &observation);
        let reason = recommendation.decision.reason.as_str();
        let forecast = recommendation.decision.parts.forecast;
        match recommendation.answer {
            Answer::Value { metric_value, active } => {
                // Thousandths, divided as the HPA divides them.
                let wanted = (metric_value * 1000.0).round() / (self.threshold * 1000.0).round();
                Signal {
                    wanted: Some(wanted),
                    active: Some(active),
                    reason,
                    forecast,
                    ..Signal::default()
                }
            }
            Answer::Unavailable | Answer::NoData => {
                Signal { reason, forecast, ..Signal::default() }
            }
        }
    }
}

/// The model of a service that began with the history, refreshed after every bucket as the service
/// refreshes it.
#[derive(Debug)]
struct Training {
    /// `None` where the history is empty.
    model: Option<WorkloadModel>,
    minutes: Vec<Minute>,
    /// Minutes that the model has taken in already.
    taken: usize,
    /// When the model is refreshed next.
    due: Timestamp,
    pending: PendingUpdate,
    selections: Vec<SelectionRecord>,
    /// Its selections count: none is dictated.
    selects: bool,
}

impl Training {
    fn new(scene: &Scenario, history: History, forecasts: Forecasts) -> Self {
        let policy = Arc::new(scene.policy());
        let (from, bucket) = (history.start(), history.bucket());
        let schedule = match scene.service.refit_spread {
            Some(hash) => RefitSchedule::spread(hash, bucket),
            None => RefitSchedule::from_start(from, bucket),
        };
        let init = ModelInit {
            inputs: scene.simulation_inputs(&policy, bucket),
            policy,
            schedule,
            forecasts,
            blocks: Vec::new(),
            selection: None,
            arrival: None,
            from,
            to: from + bucket,
        };
        Self {
            model: (!history.minutes().is_empty()).then(|| WorkloadModel::new(init)),
            minutes: history.minutes().to_vec(),
            taken: 0,
            due: from + bucket + ACTIVATION_DELAY,
            pending: PendingUpdate::default(),
            selections: Vec::new(),
            selects: scene.service.selection.is_none(),
        }
    }

    /// Takes in what history has gained by `now`, once a bucket.
    fn refresh(&mut self, now: Timestamp) {
        let Some(model) = &mut self.model else { return };
        while self.due <= now {
            let at = self.due;
            self.due += model.inputs().bucket();
            // Minutes of buckets that were taken in are not needed again.
            self.taken += self
                .minutes
                .iter()
                .skip(self.taken)
                .take_while(|minute| minute.start < model.next())
                .count();
            let rest = self.minutes.get(self.taken..).unwrap_or_default();
            let known = rest.partition_point(|minute| minute.start + MINUTE <= at);
            let known = rest.get(..known).unwrap_or_default();
            let newest = known.last().map(|minute| minute.start + MINUTE);
            model.advance(known, model::settled(newest, at));

            let TrainingOutput { forecast, selections, .. } = model.take_output();
            for record in selections {
                self.selections.retain(|earlier| earlier.since != record.since);
                self.selections.push(record);
            }
            let selection = model.selection().filter(|_| self.selects);
            let update = ModelUpdate::new(forecast.ok(), selection);
            self.pending.offer(update.with_arrival(model.arrival().cloned()));
        }
    }
}

/// What the service sees at a step: the newest sample that has arrived, the queue as the demand
/// that empties it within a minute, and the fleet.
pub(in crate::replay) fn observe(
    demand: &Demand,
    i: usize,
    delay: usize,
    fleet: &Fleet<'_>,
    threshold: f64,
) -> Observation {
    let newest = i.saturating_sub(delay);
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
