//! Demand stays as it is: the floor that every other model must beat.

use jiff::{SignedDuration, Timestamp};

use super::{CAP, Errors, FitError, largest};
use crate::forecast::Forecast;
use crate::series::Series;

/// Buckets ahead for which changes are learnt; the change grows with the lead, so a few leads stand for all. A bucket
/// between two of them has the errors of the farther one.
const LEADS: [usize; 8] = [1, 2, 5, 15, 60, 240, 720, 1440];

/// A value older than this is not the last value any more.
const STALE: SignedDuration = SignedDuration::from_mins(15);

/// Fewer changes than this say nothing about quantiles.
const ENOUGH: usize = 30;

/// Changes are learnt from so many buckets at most, the youngest.
const LEARNT: usize = 10_080;

/// A fitted last-value model.
#[derive(Debug, Clone)]
pub struct LastValue {
    origin: Timestamp,
    step: SignedDuration,
    last: f64,
    cap: f64,
    /// Scale below which a change counts as absolute: a tenth of the mean.
    unit: f64,
    /// Changes divided by (value + unit), by lead in [`LEADS`].
    changes: Vec<Errors>,
}

impl LastValue {
    pub(super) fn fit(history: &Series) -> Result<Self, FitError> {
        let step = history.step();
        let values = history.values();
        let values = values.get(values.len().saturating_sub(LEARNT)..).unwrap_or_default();
        let observed = values.iter().filter(|value| value.is_finite()).count();
        let recent = (STALE.as_secs() / step.as_secs()).max(1) as usize;
        let last = values.iter().rev().take(recent).copied().find(|value| value.is_finite());
        let (Some(last), true) = (last, observed > ENOUGH) else {
            return Err(FitError::TooSparse { observed, buckets: values.len(), needed: ENOUGH + 1 });
        };
        let mean = values.iter().filter(|value| value.is_finite()).sum::<f64>() / observed as f64;
        let unit = if mean > 0.0 { 0.1 * mean } else { 1.0 };
        let change = |then: &f64, now: &f64| ((now - then) / (then + unit), 1.0);
        let of = |lead: &usize| {
            Errors::new(values.iter().zip(values.iter().skip(*lead)).map(|(a, b)| change(a, b)).collect())
        };
        let changes = LEADS.iter().map(of).take_while(|errors| errors.len() >= ENOUGH).collect();
        Ok(Self { origin: history.end(), step, last, cap: CAP * largest(history), unit, changes })
    }

    pub(super) fn forecast(&self, horizon: usize, quantiles: &[f64]) -> Forecast {
        let row = |h: usize| {
            let lead = LEADS.iter().position(|lead| *lead > h);
            let changes = lead.and_then(|lead| self.changes.get(lead));
            // Farther ahead than the history is long, nothing is known.
            let change = |q: &f64| changes.and_then(|changes| changes.quantile(*q)).unwrap_or(f64::NAN);
            let value = |q: &f64| {
                let value = self.last + change(q) * (self.last + self.unit);
                if value.is_nan() { value } else { value.clamp(0.0, self.cap) }
            };
            quantiles.iter().map(value).collect()
        };
        Forecast::new(self.origin, self.step, quantiles.to_vec(), (0..horizon).map(row).collect())
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::forecast::model::Model;

    fn fit(values: Vec<f64>) -> Result<Forecast, FitError> {
        let series = Series::new(Timestamp::UNIX_EPOCH, SignedDuration::from_mins(1), values);
        Ok(Model::LastValue.fit(&series, &TimeZone::UTC)?.forecast(120, &[0.1, 0.5, 0.9]))
    }

    /// Steps up and down by one, the longer the farther.
    fn walk(n: usize) -> Vec<f64> {
        let mut state = 1u64;
        let mut level = 200.0;
        let mut step = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            level += if state >> 63 == 0 { 1.0 } else { -1.0 };
            level
        };
        (0..n).map(|_| step()).collect()
    }

    #[test]
    fn the_farther_ahead_the_less_is_sure() {
        let forecast = fit(walk(3000)).unwrap();
        let width = |h: usize| forecast.values()[h][2] - forecast.values()[h][0];
        assert!(
            0.0 < width(0) && width(0) < width(10) && width(10) < width(100),
            "{} {} {}",
            width(0),
            width(10),
            width(100)
        );
    }

    #[test]
    fn an_old_value_is_not_the_last_one() {
        let mut values = walk(300);
        values.extend([f64::NAN; 14]);
        assert!(fit(values.clone()).is_ok());
        values.push(f64::NAN);
        assert!(matches!(fit(values), Err(FitError::TooSparse { .. })));
        assert!(matches!(fit(walk(20)), Err(FitError::TooSparse { .. })));
    }

    #[test]
    fn farther_than_the_history_is_long_nothing_is_known() {
        let forecast = fit(walk(100)).unwrap();
        assert!(forecast.values()[59].iter().all(|value| value.is_finite()));
        assert!(forecast.values()[60].iter().all(|value| value.is_nan()));
    }
}
