//! Forecasts as they would have been issued.

use jiff::Timestamp;

use super::Forecast;
use super::ensemble::{Ensemble, NoForecast, Spec};
use crate::series::Series;

/// Days before the first origin from which members are judged: their losses have faded by then.
const JUDGED_DAYS: i64 = 14;

/// Forecasts as they would have been issued at each origin, the start of the last bucket that may be used; in the order of
/// `origins`. One walk over the history serves all of them.
pub fn rolling(history: &Series, spec: &Spec, origins: &[Timestamp]) -> Vec<Result<Forecast, NoForecast>> {
    let step = history.step().as_secs();
    let row = |at: &Timestamp| usize::try_from((at.as_second() - history.start().as_second()).div_euclid(step)).ok();
    let mut wanted: Vec<(usize, usize)> =
        origins.iter().enumerate().filter_map(|(i, at)| Some((row(at)?, i))).collect();
    wanted.sort_unstable();
    let judged = usize::try_from(JUDGED_DAYS * 86_400 / step).unwrap_or(0);
    let from = wanted.first().map_or(0, |(row, _)| row.saturating_sub(judged));
    let mut ensemble = Ensemble::new(history.start(), history.step(), spec.clone()).judging_from(from);
    let mut answers = vec![Err(NoForecast::TooShort { observed: 0, needed: 1 }); origins.len()];
    let mut wanted = wanted.into_iter().peekable();
    for (i, value) in history.values().iter().enumerate() {
        if wanted.peek().is_none() {
            break;
        }
        ensemble.push(*value);
        while let Some((_, place)) = wanted.next_if(|(row, _)| *row == i) {
            answers[place] = ensemble.forecast();
        }
    }
    answers
}
