//! Baselines: simple forecasts that serve while there is no better one. A fitted one owns what it
//! needs.

mod seasonal_naive;

use jiff::SignedDuration;

pub use seasonal_naive::SeasonalNaive;

use crate::series::Series;

/// Why a model could not be fitted.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum FitError {
    /// The history is too short for the model.
    #[error("history covers {have:#}, the model needs {need:#}")]
    TooShort {
        /// What is there.
        have: SignedDuration,
        /// What is needed.
        need: SignedDuration,
    },
    /// Too little of the history was observed.
    #[error("{observed} of {buckets} buckets were observed, the model needs {needed}")]
    TooSparse {
        /// Observed.
        observed: usize,
        /// All.
        buckets: usize,
        /// Needed.
        needed: usize,
    },
}

/// No forecast exceeds this multiple of the largest value ever seen.
const CAP: f64 = 3.0;

/// Largest observed value; 0 without any.
fn largest(series: &Series) -> f64 {
    series.values().iter().copied().filter(|value| value.is_finite()).fold(0.0, f64::max)
}

/// Errors of a model on its own history, each with its weight; answers weighted quantiles,
/// interpolated between the mid-points of the weights (with equal weights Hyndman & Fan 1996, type
/// 5).
#[derive(Debug, Clone, Default)]
struct Errors {
    sorted: Vec<f64>,
    /// Share of the weight below the middle of each error, ascending within (0, 1).
    places: Vec<f64>,
}

impl Errors {
    /// From errors and weights (> 0); errors that are not finite are left out.
    fn new(mut errors: Vec<(f64, f64)>) -> Self {
        errors.retain(|(error, _)| error.is_finite());
        errors.sort_by(|a, b| a.0.total_cmp(&b.0));
        let all: f64 = errors.iter().map(|(_, weight)| weight).sum();
        let mut below = 0.0;
        let place = |weight: f64| {
            let middle = (below + weight / 2.0) / all;
            below += weight;
            middle
        };
        let places = errors.iter().map(|(_, weight)| *weight).map(place).collect();
        Self { sorted: errors.into_iter().map(|(error, _)| error).collect(), places }
    }

    fn len(&self) -> usize {
        self.sorted.len()
    }

    /// `None` without errors. Beyond the outermost mid-points the outermost error answers.
    fn quantile(&self, q: f64) -> Option<f64> {
        let above = self.places.partition_point(|place| *place < q);
        let at = |i: usize| Some((*self.places.get(i)?, *self.sorted.get(i)?));
        let Some((high_place, high)) = at(above) else { return self.sorted.last().copied() };
        let Some((low_place, low)) = above.checked_sub(1).and_then(at) else { return Some(high) };
        Some(low + (high - low) * (q - low_place) / (high_place - low_place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_read_between_the_middles_of_the_weights() {
        let errors = Errors::new(vec![(3.0, 2.0), (f64::NAN, 9.0), (1.0, 1.0), (2.0, 1.0)]);
        // Middles at 1/8, 3/8 and 3/4 of the weight.
        let read = [0.0, 0.125, 0.25, 0.375, 0.75, 0.99].map(|q| errors.quantile(q).unwrap());
        assert_eq!((read, errors.len()), ([1.0, 1.0, 1.5, 2.0, 3.0, 3.0], 3));
        assert_eq!(Errors::new(Vec::new()).quantile(0.5), None);
    }
}
