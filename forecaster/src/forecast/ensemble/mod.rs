//! The forecaster: thirteen members a lead, weighed by how good they were lately.

mod combine;
mod early;
mod features;
mod lead;
mod linear;
mod neighbours;
mod report;
mod ridge;
mod smoothing;
mod track;

use jiff::{SignedDuration, Timestamp};

use super::Forecast;
use crate::calendar::Calendar;
use lead::Lead;
pub use report::{LeadReport, Report, Weights};
use smoothing::Bank;
use track::Track;

/// What to forecast.
#[derive(Debug, Clone)]
pub struct Spec {
    /// How far ahead, each > 0; a lead counts from the start of the newest bucket, in whole buckets: at least one, at most a
    /// day. The forecast's grid ends with the longest of them: add what is to be held to it.
    pub leads: Vec<SignedDuration>,
    /// Quantiles, ascending within (0, 1).
    pub quantiles: Vec<f64>,
    /// Zone in which seasons are read; a holiday counts as a Sunday.
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

/// One series' forecaster. It knows everything up to the last bucket that was pushed, and nothing after it: the same
/// pushes give the same forecasts, bit by bit.
#[derive(Debug, Clone)]
pub struct Ensemble {
    spec: Spec,
    start: Timestamp,
    step: SignedDuration,
    /// As pushed: demand, and whether it was cut off by limits.
    pushed: Vec<(f64, bool)>,
    track: Track,
    bank: Bank,
    leads: Vec<Lead>,
    /// Sum and number of what was observed.
    sum: f64,
    observed: usize,
    /// Mean demand for which the transformation was scaled.
    scaled_for: Option<f64>,
    fitted_at: Option<usize>,
    judges_from: usize,
    by_caller: bool,
    /// Buckets since the last one that was observed.
    unseen: usize,
}

impl Ensemble {
    /// A forecaster of buckets of `step` (a divisor of a day, up to an hour) from `start` on.
    pub fn new(start: Timestamp, step: SignedDuration, mut spec: Spec) -> Self {
        let step = step.max(SignedDuration::from_secs(1));
        let day = usize::try_from(86_400 / step.as_secs()).unwrap_or(1).max(1);
        spec.quantiles.sort_unstable_by(f64::total_cmp);
        let steps = |lead: &SignedDuration| {
            usize::try_from(lead.as_secs().div_euclid(step.as_secs())).unwrap_or(day).clamp(1, day)
        };
        let ahead = spec.leads.iter().map(steps).max().unwrap_or(1);
        let track = Track::new(start, step, ahead, spec.calendar.clone(), 1.0);
        let mut steps: Vec<usize> = spec.leads.iter().map(steps).collect();
        steps.sort_unstable();
        steps.dedup();
        let leads = steps.into_iter().map(|steps| Lead::new(&track, steps, &spec.quantiles)).collect();
        let bank = Bank::new(track.day);
        Self {
            spec,
            start,
            step,
            pushed: Vec::new(),
            track,
            bank,
            leads,
            sum: 0.0,
            observed: 0,
            scaled_for: None,
            fitted_at: None,
            judges_from: 0,
            by_caller: false,
            unseen: 0,
        }
    }

    /// Members are weighed from this bucket on only: what lies long before the first forecast that is wanted need not be
    /// judged, which is most of the work.
    pub fn judging_from(mut self, bucket: usize) -> Self {
        self.judges_from = bucket;
        self
    }

    /// Leaves refits to the caller: [`Self::refit`] when [`Self::due`].
    pub fn refit_by_caller(mut self) -> Self {
        self.by_caller = true;
        self
    }

    /// The next bucket: demand ≥ 0, or NaN for a gap; what is negative or infinite counts as a gap.
    pub fn push(&mut self, value: f64) {
        self.take(value, false);
    }

    /// The next bucket, in which demand was cut off by limits: at least `value`. It is no trough to learn from.
    pub fn push_saturated(&mut self, value: f64) {
        self.take(value, true);
    }

    fn take(&mut self, value: f64, saturated: bool) {
        let value = if value.is_finite() && value >= 0.0 { value } else { f64::NAN };
        self.pushed.push((value, saturated));
        if value.is_nan() {
            self.unseen += 1;
        } else {
            self.unseen = 0;
            self.sum += value;
            self.observed += 1;
        }
        self.absorb(value, saturated);
        let t = self.track.len() - 1;
        if !value.is_nan() && !saturated {
            let level = self.sum / self.observed.max(1) as f64;
            self.leads.iter_mut().for_each(|lead| lead.judge(&self.track, value, level));
        }
        if !self.by_caller && self.due() {
            self.refit();
        }
        if t >= self.judges_from {
            for lead in &mut self.leads {
                lead.speak(&self.track, &self.spec.quantiles);
            }
        }
    }

    /// Takes a bucket into track and base forecasts.
    fn absorb(&mut self, value: f64, saturated: bool) {
        self.track.push_bucket(value, saturated);
        self.bank.update(&self.track);
        for lead in &mut self.leads {
            lead.push(&self.bank, &self.track);
        }
    }

    /// Whether a refit is due: once a day; in the first days every hour, until there is a first fit.
    pub fn due(&self) -> bool {
        let n = self.track.len();
        let day = self.track.day;
        match self.fitted_at {
            Some(at) => n >= at + day,
            None => n > day && n.is_multiple_of(self.track.hour),
        }
    }

    /// Fits what is fitted in one go. Costs some milliseconds a lead.
    pub fn refit(&mut self) {
        self.rescale_if_off();
        for lead in &mut self.leads {
            lead.refit(&self.track);
        }
        if self.leads.iter().all(Lead::fitted) {
            self.fitted_at = Some(self.track.len());
        }
    }

    /// The transformation bends at a tenth of the mean. Where the mean has changed much, everything is transformed anew.
    fn rescale_if_off(&mut self) {
        let mean = if self.observed > 0 { self.sum / self.observed as f64 } else { 0.0 };
        let fits = self.scaled_for.is_some_and(|for_mean| {
            let young = self.observed < 7 * self.track.day;
            let most = if young { 1.2 } else { 2.0 };
            mean <= for_mean * most && mean >= for_mean / most
        });
        if fits || mean <= 0.0 {
            return;
        }
        self.scaled_for = Some(mean);
        let (day, ahead) = (self.track.day, self.leads.last().map_or(1, |lead| lead.steps));
        self.track = Track::new(self.start, self.step, ahead, self.spec.calendar.clone(), 0.1 * mean);
        self.bank = Bank::new(day);
        self.leads.iter_mut().for_each(|lead| lead.restart(&self.track));
        for (value, saturated) in std::mem::take(&mut self.pushed) {
            self.pushed.push((value, saturated));
            self.absorb(value, saturated);
        }
    }

    /// Quantiles of every bucket from the end of the last one pushed to the longest lead: exact at the leads, interpolated
    /// in between. Finite, ≥ 0, at most three times the largest value ever seen.
    pub fn forecast(&self) -> Result<Forecast, NoForecast> {
        let (Some(shortest), Some(longest)) = (self.leads.first(), self.leads.last()) else {
            return Err(NoForecast::NothingAsked);
        };
        if self.spec.quantiles.is_empty() {
            return Err(NoForecast::NothingAsked);
        }
        if self.unseen > self.track.day {
            let gap = self.step * i32::try_from(self.unseen).unwrap_or(i32::MAX);
            return Err(NoForecast::Stale { gap });
        }
        let said = |lead: &Lead| match lead.said(&self.track) {
            Some(said) => Some(said.combined.clone()),
            None => early::quantiles(&self.track, lead.steps, &self.spec.quantiles),
        };
        let knots: Vec<(usize, Vec<f64>)> =
            self.leads.iter().map_while(|lead| Some((lead.steps, said(lead)?))).collect();
        if knots.is_empty() {
            let needed = early::needed(shortest.steps);
            return Err(NoForecast::TooYoung { observed: self.observed, needed });
        }
        let rows = (1..=longest.steps).map(|h| between(&knots, h, self.spec.quantiles.len())).collect();
        Ok(Forecast::new(self.track.end(), self.step, self.spec.quantiles.clone(), rows))
    }

    /// What each member is worth and how well the whole has done lately.
    pub fn report(&self) -> Report {
        let quantiles = &self.spec.quantiles;
        Report { leads: self.leads.iter().map(|lead| lead.report(self.step, quantiles)).collect() }
    }
}

/// The row at `h` steps between two knots; NaN beyond the last one.
fn between(knots: &[(usize, Vec<f64>)], h: usize, quantiles: usize) -> Vec<f64> {
    let above = knots.partition_point(|(steps, _)| *steps < h);
    let Some((high, high_row)) = knots.get(above) else { return vec![f64::NAN; quantiles] };
    let Some((low, low_row)) = above.checked_sub(1).and_then(|i| knots.get(i)) else { return high_row.clone() };
    let share = (h - low) as f64 / (high - low) as f64;
    low_row.iter().zip(high_row).map(|(a, b)| a + (b - a) * share).collect()
}
