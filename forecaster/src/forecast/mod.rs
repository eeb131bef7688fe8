//! Forecasts of demand: quantiles over a horizon.

pub mod accuracy;
pub mod baseline;
pub mod ensemble;
mod no_forecast;
mod season;

use jiff::{SignedDuration, Timestamp};

pub use ensemble::{Ensemble, LeadForecasts, Report, Spec};
pub use no_forecast::{MAX_LEAD_BUCKETS, NoForecast};

/// Quantiles of demand in evenly spaced buckets after an origin.
#[derive(Debug, Clone, PartialEq)]
pub struct Forecast {
    origin: Timestamp,
    step: SignedDuration,
    quantiles: Vec<f64>,
    values: Vec<Vec<f64>>,
}

impl Forecast {
    /// A forecast from its parts. `quantiles` ascend within (0, 1); row `h` holds them for
    /// `[origin + h·step, origin + (h+1)·step)`, NaN = unknown. Rows are sorted, so that quantiles
    /// never cross.
    pub fn new(
        origin: Timestamp,
        step: SignedDuration,
        quantiles: Vec<f64>,
        mut values: Vec<Vec<f64>>,
    ) -> Self {
        for row in &mut values {
            row.sort_by(f64::total_cmp);
        }
        Self { origin, step: step.max(SignedDuration::from_secs(1)), quantiles, values }
    }

    /// First instant that is forecast; nothing observed at or after it was used.
    pub fn origin(&self) -> Timestamp {
        self.origin
    }

    /// First instant that is not forecast.
    pub fn end(&self) -> Timestamp {
        let offset = i64::try_from(self.values.len())
            .unwrap_or(i64::MAX)
            .saturating_mul(self.step.as_secs());
        self.origin.checked_add(SignedDuration::from_secs(offset)).unwrap_or(Timestamp::MAX)
    }

    /// Length of a bucket.
    pub fn step(&self) -> SignedDuration {
        self.step
    }

    /// The quantiles, ascending.
    pub fn quantiles(&self) -> &[f64] {
        &self.quantiles
    }

    /// The rows, one per bucket after the origin.
    pub fn values(&self) -> &[Vec<f64>] {
        &self.values
    }

    /// Largest value of quantile `q` in any bucket that touches `[from, to]`; `None` where the
    /// horizon does not cover the whole span, or a value in it is unknown. Between stored quantiles
    /// it interpolates linearly; beyond them the outermost one answers.
    pub fn max_between(&self, from: Timestamp, to: Timestamp, q: f64) -> Option<f64> {
        let step = self.step.as_secs();
        let bucket = |at: Timestamp| (at.as_second() - self.origin.as_second()).div_euclid(step);
        let (first, last) =
            (usize::try_from(bucket(from)).ok()?, usize::try_from(bucket(to.max(from))).ok()?);
        let rows = self.values.get(first..=last)?;
        rows.iter()
            .map(|row| self.quantile(row, q))
            .try_fold(0.0f64, |most, value| Some(most.max(value?)))
    }

    fn quantile(&self, row: &[f64], q: f64) -> Option<f64> {
        let above = self.quantiles.partition_point(|stored| *stored < q);
        let known = |i: usize| row.get(i).copied().filter(|value| value.is_finite());
        if above == 0 {
            return known(0);
        }
        if above == self.quantiles.len() {
            return known(above - 1);
        }
        let (low, high) = (known(above - 1)?, known(above)?);
        let (below, beyond) = (self.quantiles.get(above - 1)?, self.quantiles.get(above)?);
        // `below` < q ≤ `beyond`: they are never equal.
        Some(low + (high - low) * (q - below) / (beyond - below))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(minute * 60).unwrap()
    }

    fn forecast() -> Forecast {
        let rows = vec![vec![1.0, 2.0], vec![5.0, 9.0], vec![f64::NAN, f64::NAN]];
        Forecast::new(at(0), SignedDuration::from_mins(1), vec![0.5, 0.9], rows)
    }

    #[test]
    fn the_maximum_is_over_every_bucket_that_is_touched() {
        assert_eq!(forecast().max_between(at(0), at(0), 0.5), Some(1.0));
        assert_eq!(forecast().max_between(at(0), at(1), 0.9), Some(9.0));
        assert_eq!(forecast().max_between(at(0), at(1), 0.7), Some(7.0));
        assert_eq!(forecast().max_between(at(0), at(1), 0.99), Some(9.0));
    }

    #[test]
    fn what_is_not_covered_is_unknown() {
        assert_eq!(forecast().max_between(at(-1), at(0), 0.5), None);
        assert_eq!(forecast().max_between(at(0), at(2), 0.5), None);
        assert_eq!(forecast().max_between(at(0), at(3), 0.5), None);
    }

    #[test]
    fn the_end_of_time_is_not_covered() {
        let whole = forecast().max_between(Timestamp::MIN, Timestamp::MAX, 0.5);
        assert_eq!((whole, forecast().max_between(at(0), Timestamp::MAX, 0.5)), (None, None));
        assert_eq!(forecast().max_between(at(1), at(0), 0.5), Some(5.0));
        assert_eq!(forecast().end(), at(3));
        assert_eq!(
            Forecast::new(at(0), SignedDuration::ZERO, vec![0.5], vec![]).max_between(
                at(0),
                at(0),
                0.5
            ),
            None
        );
    }

    #[test]
    fn quantiles_never_cross() {
        let crossed = Forecast::new(
            at(0),
            SignedDuration::from_mins(1),
            vec![0.5, 0.9],
            vec![vec![9.0, 1.0]],
        );
        assert_eq!(crossed.values(), [vec![1.0, 9.0]]);
    }
}
