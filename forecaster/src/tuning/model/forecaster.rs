//! Where a model's forecasts come from, bucket by bucket.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::refit_schedule::{RefitSchedule, two_days};
use crate::forecast::baseline::SeasonalNaive;
use crate::forecast::{Ensemble, Forecast, NoForecast, Report};
use crate::series::Series;
use crate::tuning::horizon::QUANTILES;

/// Horizon of the seasonal naive forecast: the longest lead and hold (2 h + 2 h), and an hour of
/// late refits.
const NAIVE_HORIZON: SignedDuration = SignedDuration::from_hours(5);

/// Where a model's forecasts come from.
#[derive(Debug, Clone, Default)]
pub enum Forecasts {
    /// From an ensemble of the model's own.
    #[default]
    Fitted,
    /// As ensembles with the same [`RefitSchedule`] issued them over the same buckets, by ascending
    /// origin: a replay computes them on all cores beforehand.
    Issued(Vec<Forecast>),
}

#[derive(Debug)]
enum Source {
    Ensemble(Box<Ensemble>),
    Issued(Vec<Forecast>),
}

/// Takes buckets in, and forecasts what follows the last of them.
#[derive(Debug)]
pub(super) struct Forecaster {
    source: Source,
    schedule: RefitSchedule,
    zone: TimeZone,
    start: Timestamp,
    bucket: SignedDuration,
    /// Buckets so far, NaN = gap.
    values: Vec<f64>,
}

impl Forecaster {
    /// Forecasts of an ensemble that was built for the same start and bucket, or of `forecasts` if
    /// they were issued.
    pub(super) fn new(
        forecasts: Forecasts,
        ensemble: impl FnOnce() -> Ensemble,
        schedule: RefitSchedule,
        zone: TimeZone,
        (start, bucket): (Timestamp, SignedDuration),
    ) -> Self {
        let source = match forecasts {
            Forecasts::Fitted => Source::Ensemble(Box::new(ensemble().refit_by_caller())),
            Forecasts::Issued(issued) => Source::Issued(issued),
        };
        Self { source, schedule, zone, start, bucket, values: Vec::new() }
    }

    /// Takes in the next bucket; NaN = gap. `saturated`: demand was cut off by a limit, and was
    /// more than that.
    pub(super) fn push(&mut self, value: f64, saturated: bool) {
        self.values.push(value);
        let end = self.end();
        let Source::Ensemble(ensemble) = &mut self.source else { return };
        if saturated {
            ensemble.push_saturated(value);
        } else {
            ensemble.push(value);
        }
        self.schedule.refit_if_due(ensemble, self.values.len(), end);
    }

    /// The end of the last bucket.
    fn end(&self) -> Timestamp {
        let buckets = i64::try_from(self.values.len()).unwrap_or(i64::MAX);
        let taken = SignedDuration::from_secs(buckets.saturating_mul(self.bucket.as_secs()));
        self.start.saturating_add(taken).unwrap_or(Timestamp::MAX)
    }

    /// Whether two days have been seen. A fit on one day cannot tell the time of day from chance:
    /// judging it by what it said on the second would speak against forecasts for weeks.
    pub(super) fn trained(&self) -> bool {
        self.values.len() > two_days(self.bucket)
    }

    /// The forecast from the end of the last bucket on, in the precision that stores keep.
    pub(super) fn forecast(&self) -> Result<Forecast, NoForecast> {
        match &self.source {
            Source::Ensemble(ensemble) => ensemble.forecast().map(in_single_precision),
            Source::Issued(forecasts) => {
                let origin = self.end();
                let found = forecasts.binary_search_by_key(&origin, Forecast::origin);
                let forecast = found.ok().and_then(|at| forecasts.get(at));
                forecast.cloned().map(in_single_precision).ok_or(NoForecast::Outside { origin })
            }
        }
    }

    /// Why there is no forecast that may act yet: the ensemble's reason, else that two days have
    /// not been seen.
    pub(super) fn reason(&self) -> NoForecast {
        let needed = two_days(self.bucket) + 1;
        match self.forecast() {
            Err(reason) => reason,
            Ok(_) => NoForecast::TooYoung { observed: self.values.len(), needed },
        }
    }

    /// What came at the same time a day or a week ago; `None` while too little was seen even for
    /// that.
    pub(super) fn naive(&self) -> Option<Forecast> {
        let series = Series::new(self.start, self.bucket, self.values.clone());
        let fitted = SeasonalNaive::fit(&series, &self.zone).ok()?;
        let buckets = NAIVE_HORIZON.as_secs() / self.bucket.as_secs().max(1);
        let horizon = usize::try_from(buckets).unwrap_or(1).max(1);
        Some(in_single_precision(fitted.forecast(horizon, &QUANTILES)))
    }

    /// How forecasts did; nothing of those that were issued elsewhere.
    pub(super) fn report(&self) -> Report {
        match &self.source {
            Source::Ensemble(ensemble) => ensemble.report(),
            Source::Issued(_) => Report::default(),
        }
    }

    /// Buckets so far, NaN = gap.
    #[cfg(test)]
    pub(super) fn values(&self) -> &[f64] {
        &self.values
    }
}

/// What the store gives back: a replica that reads it there and the one that made it are to answer
/// the same.
fn in_single_precision(forecast: Forecast) -> Forecast {
    let mut rows = Vec::with_capacity(forecast.values().len());
    for row in forecast.values() {
        rows.push(row.iter().map(|value| f64::from(*value as f32)).collect());
    }
    Forecast::new(forecast.origin(), forecast.step(), forecast.quantiles().to_vec(), rows)
}
