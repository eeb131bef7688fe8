//! What a model has for a planner, and from which slot on.

use std::sync::Arc;

use jiff::Timestamp;

use super::horizon::ACTIVATION_DELAY;
use crate::decide::planner::Planner;
use crate::decide::selection::Selection;
use crate::forecast::Forecast;

/// What a model has for a planner.
#[derive(Debug, Clone, Default)]
pub struct ModelUpdate {
    /// The latest forecast.
    pub forecast: Option<Forecast>,
    /// The selection in force; `None` while nothing speaks for any policy.
    pub selection: Option<Arc<Selection>>,
    /// Both act from this slot on; `None`: at once.
    pub from: Option<Timestamp>,
}

impl ModelUpdate {
    /// An update that acts [`ACTIVATION_DELAY`] after the forecast's origin.
    pub fn new(forecast: Option<Forecast>, selection: Option<Arc<Selection>>) -> Self {
        let from = forecast.as_ref().map(|forecast| forecast.origin() + ACTIVATION_DELAY);
        Self { forecast, selection, from }
    }
}

/// The latest update that a planner has not taken over yet.
#[derive(Debug, Default)]
pub struct PendingUpdate {
    update: Option<ModelUpdate>,
    /// The planner has a forecast.
    forecast_installed: bool,
}

impl PendingUpdate {
    /// Waits with an update for its slot. It replaces one that waits still.
    pub fn offer(&mut self, update: ModelUpdate) {
        self.update = Some(update);
    }

    /// Hands the update to the planner if it acts at the slot `now`. A planner without a forecast takes its first one at once:
    /// that is better than to stay in step with other replicas.
    pub fn install_due(&mut self, now: Timestamp, planner: &mut Planner) {
        let due = self.update.as_ref().is_some_and(|update| {
            let acts = update.from.is_none_or(|from| from <= now);
            acts || !self.forecast_installed
        });
        if !due {
            return;
        }
        let Some(update) = self.update.take() else { return };
        if let Some(forecast) = update.forecast {
            self.forecast_installed = true;
            planner.install(forecast);
        }
        if let Some(selection) = update.selection {
            planner.install_selection(selection);
        }
    }
}
