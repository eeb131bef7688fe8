//! How good forecasts were: pinball loss, weighted quantile loss, MASE, coverage.

/// Loss of forecasting `forecast` for quantile `q` where `actual` came (Koenker & Bassett 1978), in
/// the unit of both.
pub fn pinball(q: f64, actual: f64, forecast: f64) -> f64 {
    if actual >= forecast { q * (actual - forecast) } else { (1.0 - q) * (forecast - actual) }
}

/// Sums over the rows that one forecaster was scored on, at one lead.
#[derive(Debug, Clone, PartialEq)]
pub struct Accuracy {
    /// Ascending.
    quantiles: Vec<f64>,
    /// Σ pinball loss, by quantile.
    pinball: Vec<f64>,
    /// Rows at or below each quantile's forecast.
    covered: Vec<u32>,
    /// Σ |actual − median|.
    error: f64,
    /// Σ |actual|.
    actual: f64,
    rows: u32,
}

/// How good a forecaster was.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// Weighted quantile loss: mean over the quantiles of 2 Σ pinball / Σ |actual|; 0 is perfect.
    /// `None` where nothing ever came.
    pub wql: Option<f64>,
    /// Mean |actual − median| in units of the naive error (Hyndman & Koehler 2006). `None` without
    /// one, or where it is 0.
    pub mase: Option<f64>,
    /// Share of rows at or below each quantile's forecast: the nearer to the quantile the better.
    pub coverage: Vec<f64>,
    /// Rows that were scored.
    pub rows: u32,
}

impl Accuracy {
    /// Nothing scored yet. For MASE the median is among `quantiles`, which ascend.
    pub fn new(quantiles: &[f64]) -> Self {
        let n = quantiles.len();
        let (pinball, covered) = (vec![0.0; n], vec![0; n]);
        Self { quantiles: quantiles.to_vec(), pinball, covered, error: 0.0, actual: 0.0, rows: 0 }
    }

    /// A row: what came, and the forecast of each quantile; all are finite.
    pub fn add(&mut self, actual: f64, forecasts: &[f64]) {
        let sums = self.pinball.iter_mut().zip(&mut self.covered);
        for ((q, forecast), (loss, covered)) in self.quantiles.iter().zip(forecasts).zip(sums) {
            *loss += pinball(*q, actual, *forecast);
            *covered += u32::from(actual <= forecast + 1e-9);
            if *q == 0.5 {
                self.error += (actual - forecast).abs();
            }
        }
        self.actual += actual.abs();
        self.rows += 1;
    }

    /// The scores; `naive` is the error that MASE is measured in, see [`naive_error`].
    pub fn scores(&self, naive: Option<f64>) -> Scores {
        let rows = f64::from(self.rows);
        let loss = 2.0 * self.pinball.iter().sum::<f64>() / self.quantiles.len() as f64;
        Scores {
            wql: (self.actual > 0.0).then(|| loss / self.actual),
            mase: naive.filter(|naive| *naive > 0.0).map(|naive| self.error / rows / naive),
            coverage: self.covered.iter().map(|covered| f64::from(*covered) / rows).collect(),
            rows: self.rows,
        }
    }
}

/// The error of the daily seasonal naive: mean |value − value a day before| over pairs that are
/// both known; `None` without one.
pub fn naive_error(values: &[f64], per_day: usize) -> Option<f64> {
    let pairs = values.iter().skip(per_day).zip(values);
    let differences = pairs.map(|(now, before)| (now - before).abs());
    let errors: Vec<f64> = differences.filter(|error| error.is_finite()).collect();
    (!errors.is_empty()).then(|| errors.iter().sum::<f64>() / errors.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_case_by_hand() {
        let mut accuracy = Accuracy::new(&[0.5, 0.9]);
        // Too low by 2 (pinball 1 and 1.8), then too high by 4 and 6 (pinball 2 and 0.6).
        accuracy.add(10.0, &[8.0, 8.0]);
        accuracy.add(6.0, &[10.0, 12.0]);
        let scores = accuracy.scores(Some(2.0));
        assert!((scores.wql.unwrap() - (2.0 * 3.0 / 16.0 + 2.0 * 2.4 / 16.0) / 2.0).abs() < 1e-12);
        assert_eq!((scores.mase, scores.coverage, scores.rows), (Some(1.5), vec![0.5, 0.5], 2));
    }

    #[test]
    fn a_forecast_that_is_right_has_no_loss_and_covers_all() {
        let mut accuracy = Accuracy::new(&[0.5, 0.9]);
        accuracy.add(3.0, &[3.0, 3.0]);
        let scores = accuracy.scores(None);
        assert_eq!((scores.wql, scores.mase, scores.coverage), (Some(0.0), None, vec![1.0, 1.0]));
    }

    #[test]
    fn where_nothing_came_loss_has_no_measure() {
        let mut accuracy = Accuracy::new(&[0.5]);
        accuracy.add(0.0, &[0.0]);
        assert_eq!((accuracy.scores(None).wql, accuracy.scores(None).coverage), (None, vec![1.0]));
    }

    #[test]
    fn the_naive_error_leaves_gaps_out() {
        let nan = f64::NAN;
        assert_eq!(naive_error(&[1.0, nan, 3.0, 4.0, 5.0, 5.0], 2), Some((2.0 + 2.0 + 1.0) / 3.0));
        assert_eq!(naive_error(&[1.0, 2.0], 2), None);
    }
}
