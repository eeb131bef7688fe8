//! What a model has for a planner, and from which slot on.

use std::sync::Arc;

use jiff::Timestamp;

use super::BUCKET;
use super::horizon::ACTIVATION_DELAY;
use super::selection::SelectionRecord;
use crate::arrival::ArrivalModel;
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
    /// The probability of an arrival; `None` while too few were seen.
    pub arrival: Option<Arc<ArrivalModel>>,
    /// All act from this slot on; `None`: at once.
    pub from: Option<Timestamp>,
}

impl ModelUpdate {
    /// An update that acts [`ACTIVATION_DELAY`] after the end of the newest bucket that it rests
    /// on: the forecast's origin, or without a forecast the end of the bucket after which the
    /// policy was selected or confirmed. Replicas of the service that answered differently
    /// meanwhile would make the HPA waver.
    pub fn new(forecast: Option<Forecast>, selection: Option<&SelectionRecord>) -> Self {
        let origin = match (&forecast, selection) {
            (Some(forecast), _) => Some(forecast.origin()),
            (None, Some(record)) => Some(record.as_of + BUCKET),
            (None, None) => None,
        };
        Self {
            forecast,
            selection: selection.map(|record| record.selection.clone()),
            arrival: None,
            from: origin.map(|origin| origin + ACTIVATION_DELAY),
        }
    }

    /// The same, and the probability of an arrival.
    pub fn with_arrival(self, arrival: Option<Arc<ArrivalModel>>) -> Self {
        Self { arrival, ..self }
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

    /// Hands the update to the planner if it acts at the slot `now`. A planner without a forecast
    /// takes its first one at once: that is better than to stay in step with other replicas.
    pub fn install_due(&mut self, now: Timestamp, planner: &mut Planner) {
        let due = self.update.as_ref().is_some_and(|update| {
            let acts = update.from.is_none_or(|from| from <= now);
            let first_forecast = update.forecast.is_some() && !self.forecast_installed;
            acts || first_forecast
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
        if let Some(arrival) = update.arrival {
            planner.install_arrival(arrival);
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use jiff::tz::TimeZone;

    use super::*;
    use crate::calendar::Calendar;
    use crate::decide::policy::{Policy, Threshold};
    use crate::decide::selection::{SelectionReason, UNTUNED};
    use crate::decide::timing::LoopTiming;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes)
    }

    fn forecast(origin: Timestamp) -> Forecast {
        Forecast::new(origin, BUCKET, vec![0.5], vec![vec![1.0]; 12])
    }

    fn selected(as_of: Timestamp) -> SelectionRecord {
        let selection = Selection::untried(UNTUNED, UNTUNED, SelectionReason::Untuned, 30.0);
        SelectionRecord { since: as_of, as_of, selection: Arc::new(selection) }
    }

    fn planner() -> Planner {
        let policy = Policy::new(Threshold::new(1.0).unwrap(), Calendar::empty(TimeZone::UTC));
        Planner::new(Arc::new(policy), LoopTiming::default())
    }

    /// However soon a replica has refitted, all of them select another policy at the same slot.
    #[test]
    fn a_selection_without_a_forecast_waits_for_its_slot() {
        let (mut planner, mut pending) = (planner(), PendingUpdate::default());
        pending.offer(ModelUpdate::new(None, Some(&selected(at(360)))));
        pending.install_due(at(366), &mut planner);
        assert_eq!(planner.selection(), None);
        pending.install_due(at(368), &mut planner);
        assert!(planner.selection().is_some());
    }

    #[test]
    fn the_first_forecast_of_all_does_not_wait_and_the_next_one_does() {
        let (mut planner, mut pending) = (planner(), PendingUpdate::default());
        pending.offer(ModelUpdate::new(Some(forecast(at(10))), None));
        pending.install_due(at(11), &mut planner);
        assert!(pending.forecast_installed && pending.update.is_none());
        pending.offer(ModelUpdate::new(Some(forecast(at(15))), None));
        pending.install_due(at(16), &mut planner);
        assert!(pending.update.is_some());
        pending.install_due(at(18), &mut planner);
        assert!(pending.update.is_none());
    }
}
