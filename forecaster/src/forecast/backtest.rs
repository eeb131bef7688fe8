//! Forecasts as they would have been issued, and how good they were.

use jiff::{SignedDuration, Timestamp};

use super::{Ensemble, Forecast, NoForecast, Spec};
use crate::series::Series;

/// Days before the first origin from which members are judged: older losses have faded by then.
const JUDGED_DAYS: i64 = 14;

/// How forecasts at one lead did over all origins.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// The lead.
    pub lead: SignedDuration,
    /// Origins with both a forecast and an observed value.
    pub scored: usize,
    /// Weighted quantile loss: mean over the quantiles of 2 × Σ pinball ÷ Σ|y|.
    pub wql: f64,
    /// Mean absolute error of the median (or the quantile nearest to it) ÷ mean absolute difference to the day before, over
    /// the whole history.
    pub mase: f64,
    /// Mean pinball loss by quantile, in the demand's own unit.
    pub pinball: Vec<f64>,
    /// Share of values at or below each quantile, in [0, 1].
    pub coverage: Vec<f64>,
}

/// Forecasts as they would have been issued at each origin (start of the last bucket that may be used; any order). One
/// pass over the history, whatever the number of origins; nothing after an origin reaches its forecast.
pub fn rolling(history: &Series, spec: &Spec, origins: &[Timestamp]) -> Vec<Result<Forecast, NoForecast>> {
    let mut order: Vec<usize> = (0..origins.len()).collect();
    order.sort_by_key(|i| origins.get(*i).copied());
    let mut issued: Vec<Result<Forecast, NoForecast>> =
        origins.iter().map(|origin| Err(NoForecast::Outside { origin: *origin })).collect();
    let step = history.step().as_secs();
    let judged = usize::try_from(JUDGED_DAYS * 86_400 / step).unwrap_or(usize::MAX);
    let first =
        origins.iter().min().map_or(0, |first| (first.as_second() - history.start().as_second()).div_euclid(step));
    let from = usize::try_from(first).unwrap_or(0).saturating_sub(judged);
    let mut ensemble = Ensemble::new(history.start(), history.step(), spec.clone()).judging_from(from);
    let mut due = order.into_iter().peekable();
    for (i, value) in history.values().iter().enumerate() {
        if due.peek().is_none() {
            break;
        }
        ensemble.push(*value);
        let (from, to) = (history.instant(i), history.instant(i + 1));
        while let Some(k) = due.next_if(|k| origins.get(*k).is_some_and(|origin| *origin < to)) {
            if let (Some(slot), Some(origin)) = (issued.get_mut(k), origins.get(k))
                && *origin >= from
            {
                *slot = ensemble.forecast();
            }
        }
    }
    issued
}

/// Scores forecasts by lead against what came. `forecasts` are those of [`rolling`], any order.
pub fn score(history: &Series, spec: &Spec, forecasts: &[Result<Forecast, NoForecast>]) -> Vec<Score> {
    let naive = daily_naive_error(history);
    let of = |lead: &SignedDuration| {
        let ahead = SignedDuration::from_secs(lead.as_secs().max(history.step().as_secs()) - history.step().as_secs());
        let mut rows: Vec<(f64, &[f64])> = Vec::new();
        for forecast in forecasts.iter().flatten() {
            let bucket = usize::try_from(ahead.as_secs() / forecast.step().as_secs()).unwrap_or(usize::MAX);
            let at = forecast.origin().saturating_add(ahead).unwrap_or(Timestamp::MAX);
            if let (Some(y), Some(row)) = (history.at(at), forecast.values().get(bucket)) {
                rows.push((y, row));
            }
        }
        measure(*lead, &rows, &spec.quantiles, naive)
    };
    spec.leads.iter().map(of).collect()
}

fn measure(lead: SignedDuration, rows: &[(f64, &[f64])], quantiles: &[f64], naive: f64) -> Score {
    let n = rows.len() as f64;
    let total: f64 = rows.iter().map(|(y, _)| y.abs()).sum();
    let mut pinballs = Vec::new();
    let mut coverage = Vec::new();
    for (i, q) in quantiles.iter().enumerate() {
        let of = |row: &[f64]| row.get(i).copied().unwrap_or(f64::NAN);
        pinballs.push(rows.iter().map(|(y, row)| pinball(*q, *y, of(row))).sum::<f64>() / n);
        coverage.push(rows.iter().filter(|(y, row)| *y <= of(row) + 1e-9).count() as f64 / n);
    }
    let wql = 2.0 * pinballs.iter().sum::<f64>() / pinballs.len() as f64 * n / total;
    let middle = (0..quantiles.len())
        .min_by(|a, b| (quantiles[*a] - 0.5).abs().total_cmp(&(quantiles[*b] - 0.5).abs()))
        .unwrap_or(0);
    let missed = |(y, row): &(f64, &[f64])| (y - row.get(middle).copied().unwrap_or(f64::NAN)).abs();
    let mase = rows.iter().map(missed).sum::<f64>() / n / naive;
    Score { lead, scored: rows.len(), wql, mase, pinball: pinballs, coverage }
}

/// Loss of answering `f` for quantile `q` where `y` came (Koenker & Bassett 1978), in the unit of both.
pub(super) fn pinball(q: f64, y: f64, f: f64) -> f64 {
    if y >= f { q * (y - f) } else { (1.0 - q) * (f - y) }
}

/// Mean absolute difference to the day before.
fn daily_naive_error(history: &Series) -> f64 {
    let day = usize::try_from(86_400 / history.step().as_secs()).unwrap_or(1).max(1);
    let values = history.values();
    let pairs = values.iter().zip(values.iter().skip(day));
    let errors: Vec<f64> = pairs.map(|(a, b)| (a - b).abs()).filter(|error| error.is_finite()).collect();
    errors.iter().sum::<f64>() / errors.len() as f64
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::calendar::Calendar;

    fn spec() -> Spec {
        let leads = [5, 60].map(SignedDuration::from_mins).to_vec();
        Spec { leads, quantiles: vec![0.5, 0.9], calendar: Calendar::empty(TimeZone::UTC) }
    }

    fn history() -> Series {
        let wave = |i: usize| 50.0 - 40.0 * (i as f64 * std::f64::consts::TAU / 288.0).cos() + ((i * 7919) % 11) as f64;
        Series::new(Timestamp::UNIX_EPOCH, SignedDuration::from_mins(5), (0..4 * 288).map(wave).collect())
    }

    #[test]
    fn a_lead_counts_from_the_start_of_the_last_bucket_used() {
        let rows = (0..12).map(|h| vec![h as f64; 2]).collect();
        let origin = history().instant(100);
        let forecast = Forecast::new(origin, SignedDuration::from_mins(5), vec![0.5, 0.9], rows);
        let y = history().values().to_vec();
        let scores = score(&history(), &spec(), &[Ok(forecast)]);
        let missed = scores.iter().map(|score| score.pinball[0]).collect::<Vec<_>>();
        assert_eq!(missed, [0.5 * (y[100] - 0.0), 0.5 * (y[111] - 11.0)]);
    }

    #[test]
    fn origins_may_come_in_any_order_and_lie_outside() {
        let history = history();
        let origins = [history.instant(900), history.instant(500), history.end()];
        let issued = rolling(&history, &spec(), &origins);
        assert_eq!(issued[0].as_ref().unwrap().origin(), history.instant(901));
        assert_eq!(issued[1].as_ref().unwrap().origin(), history.instant(501));
        assert_eq!(issued[2], Err(NoForecast::Outside { origin: history.end() }));
    }
}
