//! How an ensemble has done, and what its members count for.

use jiff::SignedDuration;

/// How an ensemble has done lately, by lead.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    /// One per lead of the [`Spec`](super::Spec), in its order.
    pub leads: Vec<LeadAccuracy>,
}

/// How forecasts at one lead have done.
#[derive(Debug, Clone, PartialEq)]
pub struct LeadAccuracy {
    /// The lead.
    pub lead: SignedDuration,
    /// Forecasts that were scored against what came, since the start.
    pub scored: usize,
    /// Quantiles, ascending.
    pub quantiles: Vec<f64>,
    /// Recent share of buckets at or below each quantile, in [0, 1]; half-life a week. NaN before
    /// the first score.
    pub coverage: Vec<f64>,
    /// Recent mean pinball loss of each quantile, in the demand's own unit; half-life a week. NaN
    /// before the first score.
    pub pinball: Vec<f64>,
    /// What each member counts for, largest first.
    pub members: Vec<Weights>,
}

/// What a member counts for.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    /// The member's name.
    pub member: &'static str,
    /// Weight by quantile, in [0, 1]; over members they add up to one.
    pub weights: Vec<f64>,
}
