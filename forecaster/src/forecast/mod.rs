//! Forecasts of demand: quantiles over a horizon.

pub mod model;
pub mod season;

use jiff::{SignedDuration, Timestamp};

/// Quantiles of demand at evenly spaced instants after an origin.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    /// Last instant whose observation was used.
    origin: Timestamp,
    /// Distance between forecast instants.
    step: SignedDuration,
    /// Ascending, each within (0, 1).
    quantiles: Vec<f64>,
    /// `values[h][i]`: quantile `i` of demand over `(origin + h·step, origin + (h+1)·step]`, h = 0 …; NaN = unknown.
    values: Vec<Vec<f64>>,
}

impl Forecast {
    /// A forecast from its parts; each row of `values` is as long as `quantiles`.
    pub fn new(origin: Timestamp, step: SignedDuration, quantiles: Vec<f64>, values: Vec<Vec<f64>>) -> Self {
        Self { origin, step, quantiles, values }
    }

    /// Last instant whose observation was used.
    pub fn origin(&self) -> Timestamp {
        self.origin
    }

    /// Distance between forecast instants.
    pub fn step(&self) -> SignedDuration {
        self.step
    }

    /// The quantiles, ascending.
    pub fn quantiles(&self) -> &[f64] {
        &self.quantiles
    }

    /// The rows, one per step after the origin.
    pub fn values(&self) -> &[Vec<f64>] {
        &self.values
    }

    /// Largest value of quantile `q` at any instant of `[from, to]`; `None` where the horizon does not cover the
    /// whole span, or a value in it is unknown. Between stored quantiles it interpolates linearly; beyond them
    /// the outermost one answers.
    pub fn max_between(&self, _from: Timestamp, _to: Timestamp, _q: f64) -> Option<f64> {
        None
    }
}
