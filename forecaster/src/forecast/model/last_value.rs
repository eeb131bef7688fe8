//! Demand stays as it is: the floor that every other model must beat.

use jiff::{SignedDuration, Timestamp};

use super::{CAP, Errors, FitError, largest};
use crate::forecast::Forecast;
use crate::series::Series;

/// Buckets over which errors are taken; the error grows with the lead, so a few leads stand for all.
const LEADS: [usize; 6] = [1, 2, 5, 15, 60, 240];

/// A fitted last-value model.
#[derive(Debug, Clone)]
pub struct LastValue {
    origin: Timestamp,
    step: SignedDuration,
    last: f64,
    cap: f64,
    /// Errors by lead in [`LEADS`].
    errors: Vec<Errors>,
}

impl LastValue {
    pub(super) fn fit(history: &Series) -> Result<Self, FitError> {
        let values = history.values();
        let Some(last) = values.iter().rev().copied().find(|value| value.is_finite()) else {
            return Err(FitError::TooSparse { observed: 0, buckets: values.len(), needed: 1 });
        };
        let errors = LEADS
            .iter()
            .map(|lead| {
                Errors::new(values.iter().zip(values.iter().skip(*lead)).map(|(then, now)| now - then).collect())
            })
            .collect();
        Ok(Self { origin: history.end(), step: history.step(), last, cap: CAP * largest(history), errors })
    }

    pub(super) fn forecast(&self, horizon: usize, quantiles: &[f64]) -> Forecast {
        let row = |h: usize| {
            let place = LEADS.iter().position(|lead| *lead > h).unwrap_or(LEADS.len() - 1);
            let error = |q: f64| self.errors.get(place).map_or(0.0, |errors| errors.quantile(q));
            quantiles.iter().map(|q| (self.last + error(*q)).clamp(0.0, self.cap)).collect()
        };
        Forecast::new(self.origin, self.step, quantiles.to_vec(), (0..horizon).map(row).collect())
    }
}
