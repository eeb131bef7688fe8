//! Forecasts as they would have been issued: one walk over the history, each origin answered when it is reached.

use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::forecast::{NoForecast, Report, Spec};
use prewarm_forecaster::{Calendar, Forecast, Series};

use super::request::Request;
use crate::cli::cores::{Job, cores, on_all_cores};
use crate::cli::progress::Progress;
use crate::cli::rolling::{Rolling, Walked};

/// What was forecast at an origin.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// Timestamp of the last row that was used.
    pub(crate) origin: Timestamp,
    /// The forecast, or why there is none.
    pub(crate) outcome: Result<Issued, String>,
}

/// A forecast, read at the leads.
#[derive(Debug, Clone)]
pub(crate) struct Issued {
    /// One for each lead, ascending.
    pub(crate) points: Vec<Point>,
    /// All of it, from the origin on.
    pub(crate) whole: Forecast,
}

/// A forecast for one row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Point {
    /// Distance from the origin.
    pub(crate) lead: SignedDuration,
    /// Timestamp of the row.
    pub(crate) at: Timestamp,
    /// One for each quantile, ascending.
    pub(crate) values: Vec<f64>,
    /// What came, where the history knows it.
    pub(crate) actual: Option<f64>,
}

/// Answers for all origins of the request, ascending, and what the members counted for in the end. The history up to each
/// row is all that its answer knows.
pub(crate) fn answers(series: &Series, request: &Request, calendar: Calendar) -> (Vec<Answer>, Report) {
    let spec = Spec { leads: request.leads.clone(), quantiles: request.quantiles.clone(), calendar };
    let rolling = &Rolling::new(series, spec, request.origins.clone(), cores());
    let progress = Progress::of("forecasting", rolling.work());
    let shares = (0..rolling.shares()).map(|n| Box::new(move || rolling.walk(n)) as Job<'_, Walked>);
    let walked = on_all_cores(shares.collect(), || progress.reach(rolling.taken()));
    let (forecasts, report) = rolling.join(&walked);
    let answer = |(row, forecast): (&usize, Result<Forecast, NoForecast>)| {
        let outcome = forecast.map_err(|none| none.to_string());
        let outcome = outcome.map(|whole| Issued { points: points(series, request, *row, &whole), whole });
        Answer { origin: series.instant(*row), outcome }
    };
    (request.origins.iter().zip(forecasts).map(answer).collect(), report)
}

fn points(series: &Series, request: &Request, row: usize, whole: &Forecast) -> Vec<Point> {
    let point = |lead: &SignedDuration| {
        let steps = usize::try_from(lead.as_secs() / series.step().as_secs()).unwrap_or(usize::MAX);
        let at = series.instant(row.saturating_add(steps));
        let value = |q: &f64| whole.max_between(at, at, *q).unwrap_or(f64::NAN);
        Point { lead: *lead, at, values: request.quantiles.iter().map(value).collect(), actual: series.at(at) }
    };
    request.leads.iter().map(point).collect()
}
