//! Forecasting models, one per file. `Model` is unfitted and cannot predict; `Fitted` can.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::Forecast;
use crate::series::Series;

/// The closed set of models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Model {
    /// Demand of the same local time a week ago, else a day ago, corrected by nothing.
    SeasonalNaive,
}

/// A fitted model: owns what it needs to predict.
#[derive(Debug, Clone)]
pub struct Fitted {
    /// Which model.
    pub model: Model,
}

/// Why a model could not be fitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FitError {
    /// The history is too short for the model.
    #[error("history covers {have}, the model needs {need}")]
    TooShort {
        /// What is there.
        have: SignedDuration,
        /// What is needed.
        need: SignedDuration,
    },
}

impl Model {
    /// Fits on `history` (any step of 1 min … 1 h; NaN = gap), seasons read in `zone`.
    pub fn fit(self, _history: &Series, _zone: &TimeZone) -> Result<Fitted, FitError> {
        Ok(Fitted { model: self })
    }
}

impl Fitted {
    /// Quantiles of demand for `horizon` steps after `origin`.
    pub fn forecast(&self, origin: Timestamp, horizon: usize, quantiles: &[f64]) -> Forecast {
        let _ = horizon;
        Forecast::new(origin, SignedDuration::from_mins(1), quantiles.to_vec(), Vec::new())
    }
}
