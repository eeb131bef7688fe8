//! The forecaster: thirteen members a lead, weighed by how good they were lately.

mod combine;
mod early;
mod features;
mod lead;
mod linear;
mod neighbours;
mod ridge;
mod smoothing;
mod track;

use jiff::{SignedDuration, Timestamp};

use super::Forecast;
use crate::calendar::Calendar;
use lead::Lead;
use smoothing::Bank;
use track::Track;

/// What is forecast.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Distances from the last bucket used to the bucket that is forecast, rounded to steps; a step to a day each.
    pub leads: Vec<SignedDuration>,
    /// Quantiles, within (0, 1).
    pub quantiles: Vec<f64>,
    /// Zone and holidays: seasons are read in local time, a holiday counts as a Sunday.
    pub calendar: Calendar,
}

/// Why there is no forecast.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoForecast {
    /// Too little was observed.
    #[error("{observed} buckets were observed, a forecast needs {needed}")]
    TooShort {
        /// Observed so far.
        observed: usize,
        /// Needed for the shortest lead.
        needed: usize,
    },
    /// There is no lead to forecast at.
    #[error("no lead was asked for")]
    NoLead,
}

/// How the members stand at one lead.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// The lead.
    pub lead: SignedDuration,
    /// For each quantile, in the order of the spec (sorted): name and weight of each member; weights sum to 1.
    pub weights: Vec<Vec<(&'static str, f64)>>,
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
}

impl Ensemble {
    /// A forecaster of buckets of `step` (a divisor of a day, up to an hour) from `start` on.
    pub fn new(start: Timestamp, step: SignedDuration, mut spec: Spec) -> Self {
        let step = step.max(SignedDuration::from_secs(1));
        let day = usize::try_from(86_400 / step.as_secs()).unwrap_or(1).max(1);
        spec.leads.sort_unstable();
        spec.leads.dedup();
        spec.quantiles.sort_unstable_by(f64::total_cmp);
        let steps = |lead: &SignedDuration| {
            usize::try_from(lead.as_secs().div_euclid(step.as_secs())).unwrap_or(day).clamp(1, day)
        };
        let ahead = spec.leads.iter().map(steps).max().unwrap_or(1);
        let track = Track::new(start, step, ahead, spec.calendar.clone(), 1.0);
        let mut steps: Vec<usize> = spec.leads.iter().map(steps).collect();
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
        }
    }

    /// Members are weighed from this bucket on only: what lies long before the first forecast that is wanted need not be
    /// judged, which is most of the work.
    pub fn judging_from(mut self, bucket: usize) -> Self {
        self.judges_from = bucket;
        self
    }

    /// The next bucket: demand ≥ 0, or NaN for a gap.
    pub fn push(&mut self, value: f64) {
        self.take(value, false);
    }

    /// The next bucket, in which demand was cut off by limits: at least `value`. It is no trough to learn from.
    pub fn push_saturated(&mut self, value: f64) {
        self.take(value, true);
    }

    fn take(&mut self, value: f64, saturated: bool) {
        let value = if value.is_finite() { value.max(0.0) } else { f64::NAN };
        self.pushed.push((value, saturated));
        if !value.is_nan() {
            self.sum += value;
            self.observed += 1;
        }
        self.absorb(value, saturated);
        let t = self.track.len() - 1;
        if !value.is_nan() && !saturated {
            let level = self.sum / self.observed.max(1) as f64;
            self.leads.iter_mut().for_each(|lead| lead.judge(&self.track, value, level));
        }
        self.refit_if_due();
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

    fn refit_if_due(&mut self) {
        let n = self.track.len();
        let day = self.track.day;
        let due = match self.fitted_at {
            Some(at) => n >= at + day,
            None => n > day && n.is_multiple_of(self.track.hour),
        };
        if !due {
            return;
        }
        self.rescale_if_off();
        for lead in &mut self.leads {
            lead.refit(&self.track);
        }
        if self.leads.iter().all(Lead::fitted) {
            self.fitted_at = Some(n);
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

    /// Quantiles from the end of the last bucket to the longest lead: exact at the leads, interpolated between them.
    pub fn forecast(&self) -> Result<Forecast, NoForecast> {
        let Some(longest) = self.leads.last() else { return Err(NoForecast::NoLead) };
        let mut knots: Vec<(usize, Vec<f64>)> = Vec::with_capacity(self.leads.len());
        for lead in &self.leads {
            let combined = match lead.said(&self.track) {
                Some(said) => Some(said.combined.clone()),
                None => early::quantiles(&self.track, lead.steps, &self.spec.quantiles),
            };
            match combined {
                Some(combined) => knots.push((lead.steps, combined)),
                None => break,
            }
        }
        if knots.is_empty() {
            let needed = early::needed(&self.track, self.leads.first().map_or(1, |lead| lead.steps));
            return Err(NoForecast::TooShort { observed: self.observed, needed });
        }
        let rows = (1..=longest.steps).map(|h| between(&knots, h, self.spec.quantiles.len())).collect();
        Ok(Forecast::new(self.track.end(), self.step, self.spec.quantiles.clone(), rows))
    }

    /// How the members stand, by lead.
    pub fn report(&self) -> Vec<Standing> {
        let named = |weights: &[f64]| lead::MEMBERS.iter().copied().zip(weights.iter().copied()).collect();
        let standing = |lead: &Lead| Standing {
            lead: self.step * i32::try_from(lead.steps).unwrap_or(i32::MAX),
            weights: lead.weights().map(named).collect(),
        };
        self.leads.iter().map(standing).collect()
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
