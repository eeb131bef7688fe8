//! What KEDA and the HPA see at a step.

use super::demand::Demand;
use super::fleet::Fleet;

/// A metric counts what waits as the demand that empties the queue within so many steps: a minute.
pub(super) const DRAIN: f64 = 4.0;

/// What KEDA and the HPA are told at a step.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Signal {
    /// Replicas' worth of the metric; `None`: it failed.
    pub(super) wanted: Option<f64>,
    /// Replicas' worth of the second metric, 0 without one.
    pub(super) ahead: f64,
    /// `IsActive`; `None`: it failed.
    pub(super) active: Option<bool>,
    pub(super) reason: &'static str,
    /// What a forecast gives, in the demand's unit.
    pub(super) forecast: Option<f64>,
}

/// Live demand as a metric shows it, in replicas, the queue included where it shows.
pub(super) fn shown(demand: &Demand, i: usize, fleet: &Fleet<'_>, panics: bool) -> Option<f64> {
    let metric = if panics { &demand.shown_with_panic } else { &demand.shown };
    let shown = metric.get(i).copied().filter(|shown| !shown.is_nan())?;
    Some(shown + fleet.shown_queue().unwrap_or(0.0) / DRAIN)
}
