//! What was saved of forecast and selection, for a workload's first decision.

use std::sync::Arc;

use jiff::Timestamp;
use prewarm_forecaster::Forecast;
use prewarm_forecaster::decide::policy::Mode;
use prewarm_forecaster::tuning::horizon::ACTIVATION_DELAY;
use prewarm_forecaster::tuning::update::ModelUpdate;

use super::{Trainer, records};
use crate::store::document::{Kind, unpack_arrival, unpack_forecast};
use crate::store::{SeriesKey, StoreError};
use crate::trigger::Trigger;

impl Trainer {
    /// The forecast and the selection that are in force at `now` on a replica that has been here all
    /// the time. Where none is yet, the first one, which is better at once. What cannot be read
    /// counts as absent; [`Trainer::run`] says so.
    pub async fn saved(
        &self,
        key: &Arc<SeriesKey>,
        trigger: &Trigger,
        now: Timestamp,
    ) -> Result<ModelUpdate, StoreError> {
        if trigger.policy.scaled_job || trigger.source.is_none() || trigger.policy.mode == Mode::Off
        {
            return Ok(ModelUpdate::default());
        }
        // The newest may act later only.
        let forecasts = self.store.latest_documents(key, Kind::Forecast, 2);
        let selections = self.store.latest_documents(key, Kind::Selection, 2);
        let arrivals = self.store.latest_documents(key, Kind::Arrival, 2);
        let (forecasts, selections, arrivals) = tokio::try_join!(forecasts, selections, arrivals)?;
        let forecasts: Vec<Forecast> =
            forecasts.iter().filter_map(|document| unpack_forecast(document).ok()).collect();
        let selections: Vec<_> = selections.iter().filter_map(records::selection).collect();
        let acts = |since: Timestamp| since + ACTIVATION_DELAY <= now;
        let forecast =
            forecasts.iter().rfind(|forecast| acts(forecast.origin())).or(forecasts.first());
        let selection = selections.iter().rfind(|chosen| acts(chosen.since)).or(selections.first());
        let selection = selection.map(|chosen| chosen.selection.clone());
        let arrivals: Vec<_> =
            arrivals.iter().filter_map(|document| unpack_arrival(document).ok()).collect();
        let arrival = arrivals.iter().rfind(|fit| acts(fit.fitted)).or(arrivals.first());
        let arrival = arrival.cloned().map(Arc::new);
        Ok(ModelUpdate { forecast: forecast.cloned(), selection, arrival, from: None })
    }
}
