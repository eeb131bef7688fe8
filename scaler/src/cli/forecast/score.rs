//! Measures of forecasts against what came: weighted quantile loss, MASE, coverage.

use serde::Serialize;

/// Sums over the rows that one forecaster was judged on, at one lead.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tally {
    /// Ascending, with the median among them.
    quantiles: Vec<f64>,
    /// Σ pinball loss, one for each quantile.
    pinball: Vec<f64>,
    /// Rows at or below each quantile's forecast.
    below: Vec<u32>,
    /// Σ |came − median|.
    error: f64,
    /// Σ |came|.
    came: f64,
    rows: u32,
}

/// How good a forecaster was.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Measures {
    /// Mean over the quantiles of 2 Σ pinball / Σ |came|; 0 is perfect. `None` where nothing ever came.
    pub(crate) wql: Option<f64>,
    /// Mean |came − median|, in mean |came − came a day before| of the first two thirds. `None` in histories that have no day
    /// to compare, or repeat exactly.
    pub(crate) mase: Option<f64>,
    /// Share of rows at or below each quantile's forecast: the nearer to the quantile the better.
    pub(crate) coverage: Vec<f64>,
    /// Rows judged.
    pub(crate) rows: u32,
}

impl Tally {
    pub(crate) fn new(quantiles: &[f64]) -> Self {
        let n = quantiles.len();
        let (pinball, below) = (vec![0.0; n], vec![0; n]);
        Self { quantiles: quantiles.to_vec(), pinball, below, error: 0.0, came: 0.0, rows: 0 }
    }

    /// A row: what came, and the forecast of each quantile.
    pub(crate) fn add(&mut self, came: f64, values: &[f64]) {
        for (((q, value), pinball), below) in
            self.quantiles.iter().zip(values).zip(&mut self.pinball).zip(&mut self.below)
        {
            *pinball += (q * (came - value)).max((q - 1.0) * (came - value));
            *below += u32::from(came <= value + 1e-9);
            if *q == 0.5 {
                self.error += (came - value).abs();
            }
        }
        self.came += came.abs();
        self.rows += 1;
    }

    /// `naive` is the error that MASE is measured in.
    pub(crate) fn measures(&self, naive: Option<f64>) -> Measures {
        let rows = f64::from(self.rows);
        let loss = 2.0 * self.pinball.iter().sum::<f64>() / self.quantiles.len() as f64;
        Measures {
            wql: (self.came > 0.0).then(|| loss / self.came),
            mase: naive.filter(|naive| *naive > 0.0).map(|naive| self.error / rows / naive),
            coverage: self.below.iter().map(|below| f64::from(*below) / rows).collect(),
            rows: self.rows,
        }
    }
}

/// Mean |value − value a day before| over pairs that are both known; `None` without one.
pub(crate) fn naive_error(values: &[f64], per_day: usize) -> Option<f64> {
    let pairs = values.iter().skip(per_day).zip(values);
    let errors: Vec<f64> = pairs.map(|(now, before)| (now - before).abs()).filter(|error| error.is_finite()).collect();
    (!errors.is_empty()).then(|| errors.iter().sum::<f64>() / errors.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_case_by_hand() {
        let mut tally = Tally::new(&[0.5, 0.9]);
        // Too low by 2 (pinball 1 and 1.8), then too high by 4 and 6 (pinball 2 and 0.6).
        tally.add(10.0, &[8.0, 8.0]);
        tally.add(6.0, &[10.0, 12.0]);
        let measures = tally.measures(Some(2.0));
        assert!((measures.wql.unwrap() - (2.0 * 3.0 / 16.0 + 2.0 * 2.4 / 16.0) / 2.0).abs() < 1e-12);
        assert_eq!((measures.mase, measures.coverage, measures.rows), (Some(1.5), vec![0.5, 0.5], 2));
    }

    #[test]
    fn a_forecast_that_is_right_has_no_loss_and_covers_all() {
        let mut tally = Tally::new(&[0.5, 0.9]);
        tally.add(3.0, &[3.0, 3.0]);
        let measures = tally.measures(None);
        assert_eq!((measures.wql, measures.mase, measures.coverage), (Some(0.0), None, vec![1.0, 1.0]));
    }

    #[test]
    fn where_nothing_came_loss_has_no_measure() {
        let mut tally = Tally::new(&[0.5]);
        tally.add(0.0, &[0.0]);
        assert_eq!((tally.measures(None).wql, tally.measures(None).coverage), (None, vec![1.0]));
    }

    #[test]
    fn the_naive_error_leaves_gaps_out() {
        let nan = f64::NAN;
        assert_eq!(naive_error(&[1.0, nan, 3.0, 4.0, 5.0, 5.0], 2), Some((2.0 + 2.0 + 1.0) / 3.0));
        assert_eq!(naive_error(&[1.0, 2.0], 2), None);
    }
}
