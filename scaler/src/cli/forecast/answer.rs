//! Forecasts as they would have been issued: one walk over the history, each origin answered when
//! it is reached.

use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::forecast::{Ensemble, NoForecast, Report, Spec};
use prewarm_forecaster::{Calendar, Forecast, Series};

use super::request::Request;
use crate::cli::parallel::{Job, cores, on_all_cores};
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
    /// The leads without a forecast, ascending, and why each has none.
    pub(crate) missing: Vec<(SignedDuration, String)>,
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

/// Answers for all origins of the request, ascending, and what the members counted for in the end.
/// The history up to each row is all that its answer knows.
pub(crate) fn answers(
    series: &Series,
    request: &Request,
    calendar: Calendar,
) -> (Vec<Answer>, Report) {
    let spec =
        Spec { leads: request.leads.clone(), quantiles: request.quantiles.clone(), calendar };
    let rolling = &Rolling::new(series, spec, request.origins.clone(), cores());
    let progress = Progress::of("forecasting", rolling.work());
    let shares =
        (0..rolling.shares()).map(|n| Box::new(move || rolling.walk(n)) as Job<'_, Walked>);
    let walked = on_all_cores(shares.collect(), || progress.reach(rolling.taken()));
    let mut rows = request.origins.iter().copied();
    let (answers, report) = rolling.join(&walked, |ensemble, forecast| {
        let row = rows.next().unwrap_or_default();
        Answer {
            origin: series.instant(row),
            outcome: outcome(series, request, row, ensemble, forecast),
        }
    });
    (answers, report)
}

/// The forecast at the leads, or why no lead has one.
fn outcome(
    series: &Series,
    request: &Request,
    row: usize,
    ensemble: &Ensemble,
    forecast: Result<Forecast, NoForecast>,
) -> Result<Issued, String> {
    let whole = forecast.map_err(|none| none.to_string())?;
    let points = points(series, request, row, &whole);
    let mut missing = Vec::new();
    for point in points.iter().filter(|point| !point.is_known()) {
        let reason = match ensemble.missing(point.lead) {
            Some(none) => none.to_string(),
            None => format!("the forecast covers {} to {}", whole.origin(), whole.end()),
        };
        missing.push((point.lead, reason));
    }
    if missing.len() == points.len() {
        let reason = missing.into_iter().next().map(|(_, reason)| reason);
        return Err(reason.unwrap_or_else(|| NoForecast::NothingAsked.to_string()));
    }
    Ok(Issued { points, whole, missing })
}

impl Point {
    /// Whether there is a forecast for it.
    pub(crate) fn is_known(&self) -> bool {
        !self.values.is_empty() && self.values.iter().all(|value| value.is_finite())
    }
}

fn points(series: &Series, request: &Request, row: usize, whole: &Forecast) -> Vec<Point> {
    let point = |lead: &SignedDuration| {
        let steps = usize::try_from(lead.as_secs() / series.step().as_secs()).unwrap_or(usize::MAX);
        let at = series.instant(row.saturating_add(steps));
        let value = |q: &f64| whole.max_between(at, at, *q).unwrap_or(f64::NAN);
        Point {
            lead: *lead,
            at,
            values: request.quantiles.iter().map(value).collect(),
            actual: series.at(at),
        }
    };
    request.leads.iter().map(point).collect()
}
