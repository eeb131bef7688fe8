//! One workload between refits: its models, what they have said, what is still to be written down.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::arrival::ArrivalModel;
use prewarm_forecaster::decide::timing::LoopTiming;
use prewarm_forecaster::tuning::inputs::SimulationInputs;
use prewarm_forecaster::tuning::model::{
    Forecasts, ModelInit, RefitSchedule, TrainingOutput, WorkloadModel, settled,
};
use prewarm_forecaster::tuning::simulator::Block;
use prewarm_forecaster::tuning::update::ModelUpdate;
use prewarm_forecaster::tuning::{BUCKET, MINUTE};
use prewarm_forecaster::{Forecast, Minute, NoForecast, Policy};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::inputs::{fingerprint, simulation_inputs};
use super::outcome::{Outcome, tell_no_forecast};
use super::{LOOKED_FOR, READ, decisions, records, refit_spread};
use crate::clock::floor;
use crate::cold_starts;
use crate::metrics::Metrics;
use crate::registry::Workload;
use crate::status::TrainingStatus;
use crate::store::document::{
    Document, Kind, pack_arrival, pack_blocks, pack_forecast, unpack_arrival, unpack_blocks,
    unpack_forecast,
};
use crate::store::{HistoryStore, Resolution, SeriesKey, StoreError};

/// Models begin anew from the store after so long, so that they do not grow for ever.
const RENEWED: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Blocks and days that are looked at.
const DAYS: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Changes of the selection that are shown, and how far back they are looked for.
const SELECTIONS: usize = 20;
const YEAR: SignedDuration = SignedDuration::from_hours(400 * 24);

/// Notes that wait for an absent store.
const WAITING: usize = 200;

/// One workload.
#[derive(Debug)]
pub(super) struct WorkloadTrainer<'a> {
    workload: &'a Arc<Workload>,
    policy: Arc<Policy>,
    out: &'a watch::Sender<ModelUpdate>,
    /// Another replica refits it.
    pub(super) reads: bool,
    model: Option<Box<WorkloadModel>>,
    /// That the model may be kept.
    kept: Option<OwnedSemaphorePermit>,
    status: TrainingStatus,
    forecast: Option<Forecast>,
    /// How likely somebody is to come.
    arrival: Option<Arc<ArrivalModel>>,
    /// What is to be written.
    waiting: Vec<Document>,
    saved_forecast: Option<Timestamp>,
    saved_blocks: Option<Timestamp>,
    saved_decision: Option<Timestamp>,
}

impl<'a> WorkloadTrainer<'a> {
    pub(super) fn new(
        workload: &'a Arc<Workload>,
        policy: Arc<Policy>,
        out: &'a watch::Sender<ModelUpdate>,
    ) -> Self {
        Self {
            workload,
            policy,
            out,
            reads: false,
            model: None,
            kept: None,
            status: TrainingStatus::default(),
            forecast: None,
            arrival: None,
            waiting: Vec::new(),
            saved_forecast: None,
            saved_blocks: None,
            saved_decision: None,
        }
    }

    pub(super) fn key(&self) -> &Arc<SeriesKey> {
        self.workload.key()
    }

    /// Whether its models stay in memory until the next refit. Without a fit yet nothing is kept,
    /// and nothing costs much.
    pub(super) fn keeps_models(&self) -> bool {
        self.model.is_some() || self.status.forecast_origin.is_none()
    }

    /// Whether anything is known of what is to come.
    pub(super) fn has_forecast(&self) -> bool {
        self.forecast.is_some()
    }

    /// Whether the forecast of another replica from the last bucket's end is due, and not here yet.
    pub(super) fn is_behind(&self, now: Timestamp) -> bool {
        let bucket = floor(now - READ, BUCKET);
        let known = self.status.forecast_origin;
        self.reads
            && known.is_some_and(|origin| origin < bucket)
            && now < bucket + READ + LOOKED_FOR
    }

    /// Forgets the models: history has changed, or another replica follows it.
    pub(super) fn reset(&mut self) {
        self.model = None;
        self.kept = None;
        self.status.report = None;
    }

    /// Reads forecast, selections and days from the store, and hands them on where they are newer than
    /// what is known.
    pub(super) async fn load_checkpoint(
        &mut self,
        store: &dyn HistoryStore,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let key = self.key().clone();
        let ahead = now + DAYS;
        let forecasts = store.documents(&key, Kind::Forecast, now - DAYS, ahead).await?;
        let selections = store.documents(&key, Kind::Selection, now - YEAR, ahead).await?;
        let arrivals = store.documents(&key, Kind::Arrival, now - DAYS, ahead).await?;
        let days = store.documents(&key, Kind::Day, now - DAYS, ahead).await?;
        match forecasts.last().map(unpack_forecast) {
            Some(Ok(forecast))
                if self.status.forecast_origin.is_none_or(|known| known < forecast.origin()) =>
            {
                self.saved_forecast = Some(forecast.origin());
                self.forecast = Some(forecast);
                // Whether it may act is known to who made it.
                self.status.no_forecast = None;
            }
            Some(Err(error)) => {
                tracing::warn!(workload.namespace = key.namespace, workload.name = key.name,
                error = %error, "the saved forecast cannot be read")
            }
            _ => {}
        }
        // One that cannot be read is one of another version: who refits writes its own.
        let arrival = arrivals.last().and_then(|document| unpack_arrival(document).ok());
        self.arrival = arrival.map(Arc::new).or(self.arrival.take());
        let from = selections.len().saturating_sub(SELECTIONS);
        self.status.selections =
            selections.iter().skip(from).filter_map(records::selection).collect();
        self.status.days = days.iter().filter_map(records::day).collect();
        self.publish();
        Ok(())
    }

    /// Takes in what history has gained since the last time.
    pub(super) async fn learn(
        &mut self,
        store: &dyn HistoryStore,
        models: &Arc<Semaphore>,
        rhythm: LoopTiming,
        now: Timestamp,
    ) -> Outcome {
        let lead = self.workload.recommendation().map(|latest| latest.decision.parts.lead);
        let key = self.workload.key();
        // From the store and not from what was seen: who refits next goes on with the same
        // simulations.
        let history = match cold_starts::read(store, key, now).await {
            Ok(history) => history,
            Err(error) => return self.cannot_load(&error),
        };
        let inputs = simulation_inputs(&self.policy, rhythm, lead, &history);
        let oldest = floor(now - self.policy.history_window, BUCKET);
        if self
            .model
            .as_ref()
            .is_some_and(|model| *model.inputs() != inputs || model.start() < oldest - RENEWED)
        {
            self.reset();
        }
        let from = self.model.as_ref().map_or(oldest, |model| model.next());
        let loaded = async {
            let minutes = store.load(self.workload.key(), from, now, Resolution::Minute).await?;
            let blocks = match self.model {
                Some(_) => Vec::new(),
                None => store.documents(self.workload.key(), Kind::Blocks, now - DAYS, now).await?,
            };
            Ok::<_, StoreError>((minutes, blocks))
        };
        let (minutes, blocks) = match loaded.await {
            Ok(loaded) => loaded,
            Err(error) => return self.cannot_load(&error),
        };
        let newest = minutes.last().map(|minute| minute.start + MINUTE);
        let until = floor(settled(newest, now), BUCKET);
        let model = match self.model.take() {
            Some(model) => model,
            None => {
                let first = minutes.first().map(|minute| floor(minute.start, BUCKET));
                let Some(from) = first.filter(|first| *first < until) else {
                    return self.without_history();
                };
                Box::new(self.begin(inputs, &blocks, from, until))
            }
        };
        let advanced = tokio::task::spawn_blocking(move || advance(model, &minutes, until));
        match advanced.await {
            Ok((model, output)) => {
                let found = output.forecast.is_ok();
                self.apply(&model, output);
                if self.kept.is_none() {
                    self.kept = models.clone().try_acquire_owned().ok();
                }
                self.model = self.kept.is_some().then_some(model);
                if found { Outcome::Ok } else { Outcome::TooShort }
            }
            Err(panic) => {
                let key = self.key();
                tracing::error!(workload.namespace = key.namespace, workload.name = key.name, error = %panic,
                    "the fit failed: the forecast stays as it is");
                Outcome::Panic
            }
        }
    }

    /// A model that has seen nothing, but what the store knows of its simulated policies.
    fn begin(
        &mut self,
        inputs: SimulationInputs,
        blocks: &[Document],
        from: Timestamp,
        to: Timestamp,
    ) -> WorkloadModel {
        let of = fingerprint(&inputs.simulator(&self.policy).identity());
        let unpack = |document: &Document| unpack_blocks(document, of).unwrap_or_default();
        let blocks: Vec<Block> = blocks.iter().flat_map(unpack).collect();
        self.saved_blocks = blocks.last().map(|block| block.start);
        WorkloadModel::new(ModelInit {
            policy: self.policy.clone(),
            inputs,
            schedule: RefitSchedule::spread(refit_spread(self.workload.key()), BUCKET),
            forecasts: Forecasts::Fitted,
            blocks,
            selection: self.status.selections.last().cloned(),
            arrival: self.arrival.clone(),
            from,
            to,
        })
    }

    /// There is nothing to learn from yet.
    fn without_history(&mut self) -> Outcome {
        self.tell_no_forecast(self.forecast.is_some(), Some(WorkloadModel::without_history()));
        self.workload.learn(self.status.clone());
        Outcome::TooShort
    }

    fn cannot_load(&self, error: &StoreError) -> Outcome {
        let key = self.workload.key();
        tracing::warn!(workload.namespace = key.namespace, workload.name = key.name, error = %error,
            "cannot load history: the forecast stays as it is");
        Outcome::StoreError
    }

    /// Notes down what the model has said, and hands it on.
    fn apply(&mut self, model: &WorkloadModel, output: TrainingOutput) {
        let key = self.workload.key();
        self.status.report = Some(model.report());
        self.tell_no_forecast(output.forecast.is_ok(), output.no_forecast);
        let before = self.status.selections.last().cloned();
        for chosen in output.selections {
            self.waiting.extend(records::choice_note(&chosen));
            self.status.selections.retain(|earlier| earlier.since != chosen.since);
            self.status.selections.push(chosen);
        }
        if let Some(chosen) = self.status.selections.last()
            && before.is_none_or(|before| before.differs(&chosen.selection))
        {
            let selection = &chosen.selection;
            tracing::info!(
                workload.namespace = key.namespace,
                workload.name = key.name,
                selection.why = crate::status::why_name(selection.why),
                selection.forecasts = selection.policy.forecasts(),
                selection.days = selection.days,
                selection.days_won = selection.days_won,
                selection.gain = selection.gain,
                "another policy acts"
            );
        }
        let surplus = self.status.selections.len().saturating_sub(SELECTIONS);
        self.status.selections.drain(..surplus);
        for day in output.days {
            self.waiting.extend(records::day_note(&day));
            self.status.days.retain(|earlier| earlier.day != day.day);
            self.status.days.push(day);
        }
        let surplus = self.status.days.len().saturating_sub(DAYS.as_hours() as usize / 24);
        self.status.days.drain(..surplus);

        // From the start of the day that was not whole the last time.
        let day = SignedDuration::from_hours(24);
        let unsaved = self.saved_blocks.map_or(Timestamp::UNIX_EPOCH, |saved| floor(saved, day));
        let (blocks, of) = (model.blocks_from(unsaved), fingerprint(&model.identity()));
        if let Some(last) =
            blocks.last().map(|block| block.start).filter(|last| self.saved_blocks < Some(*last))
        {
            self.waiting.extend(pack_blocks(blocks, of).unwrap_or_default());
            self.saved_blocks = Some(last);
        }
        self.apply_arrival(model.arrival());
        if let Ok(forecast) = output.forecast {
            let origin = forecast.origin();
            if self.saved_forecast != Some(origin) {
                self.waiting.retain(|document| document.kind != Kind::Forecast);
                self.waiting.extend(pack_forecast(&forecast));
                self.saved_forecast = Some(origin);
            }
            self.forecast = Some(forecast);
        }
        self.publish();
    }

    /// Keeps a newer fit of the probability of an arrival, for other replicas as well.
    fn apply_arrival(&mut self, newest: Option<&Arc<ArrivalModel>>) {
        let known = self.arrival.as_ref().map(|known| known.fitted);
        let Some(newest) = newest.filter(|newest| known < Some(newest.fitted)) else { return };
        self.waiting.retain(|document| document.kind != Kind::Arrival);
        self.waiting.extend(pack_arrival(newest));
        self.arrival = Some(newest.clone());
    }

    /// Says once why no forecast may act, and once that one may again. `provisional`: there is one
    /// to record.
    fn tell_no_forecast(&mut self, provisional: bool, reason: Option<NoForecast>) {
        tell_no_forecast(
            self.key(),
            self.status.no_forecast.as_ref(),
            reason.as_ref(),
            provisional,
        );
        self.status.no_forecast = reason;
    }

    /// Writes what waits; what cannot be written waits on, the newest of it.
    pub(super) async fn save(&mut self, store: &dyn HistoryStore, metrics: &Metrics) -> bool {
        // A bucket has as many slots as a transitions has places: none is missed.
        let transitions = self.workload.transitions();
        let replicas_at = |at| self.workload.capacity_at(at);
        let document = decisions::document(&transitions, self.saved_decision, replicas_at);
        self.waiting.extend(document);
        self.saved_decision = transitions.last().map(|last| last.at).max(self.saved_decision);
        if self.waiting.is_empty() {
            return true;
        }
        match store.save_documents(self.workload.key(), &self.waiting).await {
            Ok(()) => {
                self.waiting.clear();
                true
            }
            Err(error) => {
                metrics.store_error("document");
                let key = self.workload.key();
                tracing::warn!(workload.namespace = key.namespace, workload.name = key.name, error = %error,
                    "cannot save forecast and selection: they act, and are written later");
                let surplus = self.waiting.len().saturating_sub(WAITING);
                self.waiting.drain(..surplus);
                false
            }
        }
    }

    fn publish(&mut self) {
        self.status.forecast_origin = self.forecast.as_ref().map(Forecast::origin);
        let selection = self.status.selections.last();
        let update = ModelUpdate::new(self.forecast.clone(), selection);
        self.out.send_replace(update.with_arrival(self.arrival.clone()));
        self.workload.learn(self.status.clone());
    }
}

fn advance(
    mut model: Box<WorkloadModel>,
    minutes: &[Minute],
    until: Timestamp,
) -> (Box<WorkloadModel>, TrainingOutput) {
    model.advance(minutes, until);
    let output = model.take_output();
    (model, output)
}
