//! Many forecasters of one series, weighted by what they have missed by: incremental, from hours of history to months.

mod report;

use jiff::{SignedDuration, Timestamp};

pub use report::{LeadReport, Report, Weights};

use super::Forecast;
use super::model::Model;
use crate::calendar::Calendar;
use crate::series::Series;

/// What to forecast.
#[derive(Debug, Clone)]
pub struct Spec {
    /// How far ahead, each > 0; a lead counts from the start of the newest bucket, in whole buckets (at least one). The
    /// forecast's grid ends with the longest of them: add what is to be held to it.
    pub leads: Vec<SignedDuration>,
    /// Quantiles, ascending within (0, 1).
    pub quantiles: Vec<f64>,
    /// Zone in which seasons are read, holidays, one-off events.
    pub calendar: Calendar,
}

/// Why there is no forecast.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NoForecast {
    /// Too little was observed yet.
    #[error("{observed} buckets were observed, a forecast needs {needed}")]
    TooYoung {
        /// Observed.
        observed: usize,
        /// Needed.
        needed: usize,
    },
    /// Nothing was observed for too long.
    #[error("nothing was observed for {gap:#}")]
    Stale {
        /// How long.
        gap: SignedDuration,
    },
    /// No lead or no quantile is asked for.
    #[error("no lead or no quantile is asked for")]
    NothingAsked,
    /// An origin before the first bucket of the history or after its last.
    #[error("the history does not cover the origin {origin}")]
    Outside {
        /// The origin.
        origin: Timestamp,
    },
}

/// Forecasters of one series and what they are worth. Knows everything up to the last pushed bucket, nothing after it.
#[derive(Debug, Clone)]
pub struct Ensemble {
    start: Timestamp,
    step: SignedDuration,
    spec: Spec,
    values: Vec<f64>,
    by_caller: bool,
}

impl Ensemble {
    /// An ensemble that has seen nothing yet; the first bucket pushed starts at `start`, each lasts `step` (whole
    /// seconds; seasons are learnt where it divides a day).
    pub fn new(start: Timestamp, step: SignedDuration, spec: Spec) -> Self {
        Self { start, step: step.max(SignedDuration::from_secs(1)), spec, values: Vec::new(), by_caller: false }
    }

    /// Leaves refits to the caller: [`Self::refit`] when [`Self::due`].
    pub fn refit_by_caller(mut self) -> Self {
        self.by_caller = true;
        self
    }

    /// The next bucket: a value ≥ 0, or NaN for a gap. What is negative or infinite counts as a gap.
    pub fn push(&mut self, value: f64) {
        self.values.push(if value.is_finite() && value >= 0.0 { value } else { f64::NAN });
    }

    /// The next bucket where demand was cut off by a limit: at least `value`. It is not learnt as a trough.
    pub fn push_saturated(&mut self, value: f64) {
        self.push(value);
    }

    /// Whether a refit is due: once a day, more often in the first days.
    pub fn due(&self) -> bool {
        false
    }

    /// Fits what is fitted in one go. Costs a few milliseconds a lead.
    pub fn refit(&mut self) {}

    /// Quantiles of every bucket from the end of the last one pushed to the longest lead: exact at the leads, in between
    /// by the shape of the season. Finite, ≥ 0, at most three times the largest value ever seen (plus one unit).
    pub fn forecast(&self) -> Result<Forecast, NoForecast> {
        if self.spec.leads.is_empty() || self.spec.quantiles.is_empty() {
            return Err(NoForecast::NothingAsked);
        }
        let longest = self.spec.leads.iter().map(|lead| self.steps(*lead)).max().unwrap_or(1);
        let series = Series::new(self.start, self.step, self.values.clone());
        let fitted = Model::SeasonalNaive
            .fit(&series, self.spec.calendar.zone())
            .or_else(|_| Model::LastValue.fit(&series, self.spec.calendar.zone()));
        match fitted {
            Ok(fitted) => Ok(fitted.forecast(longest, &self.spec.quantiles)),
            Err(_) => Err(NoForecast::TooYoung { observed: self.values.len(), needed: 31 }),
        }
    }

    /// What each forecaster is worth and how well the whole has done lately.
    pub fn report(&self) -> Report {
        Report::default()
    }

    /// A lead in buckets.
    fn steps(&self, lead: SignedDuration) -> usize {
        usize::try_from(lead.as_secs() / self.step.as_secs()).unwrap_or(0).max(1)
    }
}
