//! Many forecasters of one series, weighted by what they have missed by: incremental, from hours of
//! history to months.

mod base;
mod column;
mod combine;
mod features;
mod grid;
mod hours;
mod knn;
mod lead;
mod local_regression;
mod member;
mod mixture;
mod neighbors;
mod past;
mod predictions;
mod profile;
mod quantile;
mod regression;
mod report;
mod ridge;
mod schedule;
mod simd;
mod smoothers;
mod state;

use jiff::{SignedDuration, Timestamp};

pub use report::{LeadAccuracy, Report, Weights};

use super::{Forecast, MAX_LEAD_BUCKETS, NoForecast};
use crate::calendar::Calendar;
use column::Column;
use past::ENOUGH;
use schedule::ScoringSchedule;
use state::{Share, State};

/// What to forecast.
#[derive(Debug, Clone)]
pub struct Spec {
    /// How far ahead, each > 0; a lead counts from the start of the newest bucket, in whole buckets
    /// (at least one, at most [`MAX_LEAD_BUCKETS`]: a longer one is cut off). The forecast's grid
    /// ends with the longest of them: add what is to be held to it.
    pub leads: Vec<SignedDuration>,
    /// Quantiles, ascending within (0, 1).
    pub quantiles: Vec<f64>,
    /// Zone in which seasons are read, holidays, one-off events.
    pub calendar: Calendar,
}

/// What an ensemble says at its own leads, for another one to make a whole forecast of:
/// [`Ensemble::forecast_with`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LeadForecasts {
    /// Buckets that it knows.
    end: usize,
    /// Buckets ahead, ascending, and the quantiles there in demand's unit.
    rows: Vec<(usize, Vec<f32>)>,
}

/// Forecasters of one series and what they are worth. Knows everything up to the last pushed
/// bucket, nothing after it.
///
/// **From when on there is a forecast.** At a lead of `h` buckets, once 20 pairs of observed
/// buckets lie `h` apart: after 20 + `h` buckets without a gap. From then on there is one after
/// every bucket that the caller asks for, with these exceptions:
/// - Nothing was observed for more than a day: [`NoForecast::Stale`], or [`NoForecast::CutOff`].
/// - Gaps leave fewer than 20 such pairs among the buckets that are looked at, which are the last 7
///   days of minutes, 21 days of five minutes, 180 days of hours: [`NoForecast::TooSparse`].
///
/// A first bucket of more than ten times all before it is doubted: it counts as a gap. The origin
/// of a forecast is always the end of the newest bucket. [`Ensemble::missing`] says why there is
/// none.
#[derive(Debug, Clone)]
pub struct Ensemble {
    start: Timestamp,
    step: SignedDuration,
    spec: Spec,
    share: Share,
    state: State,
    /// Demand as pushed, for a new beginning when the unit turns out to be wrong; NaN = gap,
    /// negative = cut off there.
    raw: Column<f32>,
    observed: usize,
    sum: f64,
    by_caller: bool,
    schedule: ScoringSchedule,
    check_unit: usize,
    /// Rows of the state after which the next fit is due.
    next_fit: usize,
}

impl Ensemble {
    /// An ensemble that has seen nothing yet; the first bucket pushed starts at `start`, each lasts
    /// `step` (whole seconds; seasons are learned where it divides a day).
    pub fn new(start: Timestamp, step: SignedDuration, spec: Spec) -> Self {
        let step = step.max(SignedDuration::from_secs(1));
        let share = Share::ALL;
        let state = State::new(start, step, &spec, share, 1.0);
        let mut ensemble = Self {
            start,
            step,
            spec,
            share,
            state,
            raw: Column::new(),
            observed: 0,
            sum: 0.0,
            by_caller: false,
            schedule: ScoringSchedule::default(),
            check_unit: 1,
            next_fit: 0,
        };
        ensemble.next_fit = ensemble.after(0);
        ensemble
    }

    /// Leaves refits to the caller: [`Self::refit`] when [`Self::due`].
    pub fn refit_by_caller(mut self) -> Self {
        self.by_caller = true;
        self
    }

    /// Members speak and are judged from this bucket on only, so that there is no forecast before
    /// it. What lies weeks before the first forecast that is wanted need not be judged, and that is
    /// most of the work.
    pub fn scoring_from(mut self, bucket: usize) -> Self {
        self.schedule.from = bucket;
        self
    }

    /// Before bucket `until`, members speak only once in `every` buckets (at least 1; there is no
    /// forecast in between), and what they say then counts for all of those. For a history of which
    /// only the last forecasts are wanted: its cost falls by nearly as much. On 14 real traces, one
    /// in 5 but for the last three days costs .02 % of the weighted quantile loss of what follows;
    /// but for the last day .16 %. One in 3 or 4 sees the same minutes of every hour.
    pub fn scoring_every(mut self, every: usize, until: usize) -> Self {
        (self.schedule.every, self.schedule.until) = (every.max(1), until);
        self
    }

    /// For every `of`th lead of the [`Spec`] alone, from the `n`th on (both count from 0), before
    /// anything is pushed. Leads learn nothing from each other and take far longer than what they
    /// have in common: on threads of their own, ensembles with all shares say together what one
    /// would, to the last bit. [`Self::forecast_with`] of any of them, or of one without a lead,
    /// puts it together.
    pub fn share(mut self, n: usize, of: usize) -> Self {
        self.share = Share { n, of: of.max(1) };
        self.state = State::new(self.start, self.step, &self.spec, self.share, 1.0);
        self
    }

    /// The next bucket: a value ≥ 0, or NaN for a gap. What is negative or infinite counts as a
    /// gap.
    pub fn push(&mut self, value: f64) {
        let value = if value.is_finite() && value >= 0.0 { value.min(LARGEST) } else { f64::NAN };
        self.take(value as f32);
    }

    /// The next bucket where demand was cut off by a limit: at least `value`. It is not learned as
    /// a trough.
    pub fn push_saturated(&mut self, value: f64) {
        let value = if value.is_finite() && value >= 0.0 { value.min(LARGEST) } else { f64::NAN };
        self.take(-value as f32);
    }

    fn take(&mut self, value: f32) {
        self.raw.push(value);
        self.raw.trim(self.state.kept());
        if value >= 0.0 {
            self.observed += 1;
            let mean = self.sum / self.observed as f64;
            let most =
                if self.sum > 0.0 && self.observed > 8 { WILD * mean } else { f64::INFINITY };
            self.sum += f64::from(value).min(most);
        }
        if self.observed >= self.check_unit && self.sum > 0.0 {
            self.check_unit = if self.check_unit < self.state.per_day() / 2 {
                (2 * self.check_unit).max(8)
            } else {
                2 * self.check_unit
            };
            self.begin_anew_if(UNIT_OFF);
        }
        self.state.push(value, &self.schedule);
        if !self.by_caller && self.due() {
            self.refit();
        }
        self.state.issue(self.schedule.is_scored(self.state.len() - 1));
        debug_assert!(
            self.state.is_finite(),
            "bucket {} left what is no number",
            self.raw.end() - 1
        );
    }

    /// Replays what is kept with a better unit, where the present one is off by `factor`.
    fn begin_anew_if(&mut self, factor: f64) {
        let unit = UNIT * self.sum / self.observed as f64;
        let off = unit / self.state.unit();
        if off < factor && off > 1.0 / factor {
            return;
        }
        // The newest bucket is pushed by the caller.
        let (first, end) = (self.raw.first(), self.raw.end() - 1);
        let processor = self.state.processor;
        self.state = State::new(self.instant(first), self.step, &self.spec, self.share, unit);
        self.state.processor = processor;
        self.schedule.first = first;
        self.next_fit = self.after(0);
        let kept = self.raw.rows(first..end).to_vec();
        for (row, value) in kept.into_iter().enumerate() {
            self.state.push(value, &self.schedule);
            if self.due() {
                self.refit();
            }
            self.state.issue(self.schedule.is_scored(row));
        }
    }

    /// Start of a bucket, counted from the first one pushed.
    fn instant(&self, bucket: usize) -> Timestamp {
        let ahead = i64::try_from(bucket).unwrap_or(i64::MAX).saturating_mul(self.step.as_secs());
        self.start.saturating_add(SignedDuration::from_secs(ahead)).unwrap_or(Timestamp::MAX)
    }

    /// Whether a refit is due: once a day, more often in the first day.
    pub fn due(&self) -> bool {
        self.state.len() >= self.next_fit
    }

    /// Fits what is fitted in one go. Costs a few milliseconds a lead.
    pub fn refit(&mut self) {
        self.next_fit = self.after(self.state.len());
        self.state.refit();
    }

    /// The row of the fit that follows one after `n` rows.
    fn after(&self, n: usize) -> usize {
        let day = self.state.per_day();
        let first = (day / 8).max(64);
        if n < first {
            first
        } else if n < day {
            (2 * n).min(day)
        } else {
            n + day
        }
    }

    /// Quantiles of every bucket from the end of the last one pushed to the longest lead: exact at
    /// the leads, in between by the shape of the season; NaN after the last lead for which the
    /// history suffices ([`Self::missing`]). What is not NaN is ≥ 0 and at most 1.1 times the
    /// largest value of the history that is kept, a month at least (plus a tenth of the mean).
    pub fn forecast(&self) -> Result<Forecast, NoForecast> {
        self.forecast_with([])
    }

    /// What it says at its own leads; nothing while it is too young.
    pub fn exact(&self) -> LeadForecasts {
        let rows =
            self.state.exact().into_iter().map(|(steps, row)| (steps, row.to_vec())).collect();
        LeadForecasts { end: self.raw.end(), rows }
    }

    /// The same as [`Self::forecast`], with leads of which other ensembles with the same [`Spec`]
    /// know after the same buckets; what comes of others is left out.
    pub fn forecast_with<'a>(
        &self,
        others: impl IntoIterator<Item = &'a LeadForecasts>,
    ) -> Result<Forecast, NoForecast> {
        let shortest = self.spec.leads.iter().min().copied();
        let Some(shortest) = shortest.filter(|_| !self.spec.quantiles.is_empty()) else {
            return Err(NoForecast::NothingAsked);
        };
        if let Some(stale) = self.stale() {
            return Err(stale);
        }
        let same = others.into_iter().filter(|exact| exact.end == self.raw.end());
        let known =
            same.flat_map(|exact| exact.rows.iter().map(|(steps, row)| (*steps, row.as_slice())));
        match self.state.grid(known) {
            Some(rows) => {
                let origin = self.instant(self.raw.end());
                Ok(Forecast::new(origin, self.step, self.spec.quantiles.clone(), rows))
            }
            None => Err(self.missing(shortest).unwrap_or(NoForecast::NotIssued)),
        }
    }

    /// Why there is no forecast at `lead` after the newest bucket, of this ensemble or of one with
    /// the same history that has the lead. `None` where there is one. Where a longer lead has one
    /// (its buckets may lie apart more luckily), this one is read on the way there.
    pub fn missing(&self, lead: SignedDuration) -> Option<NoForecast> {
        if self.spec.quantiles.is_empty() {
            return Some(NoForecast::NothingAsked);
        }
        let steps = state::steps(lead, self.step);
        let pairs = self.state.pairs(steps);
        let needed = ENOUGH + steps;
        if lead.as_secs() / self.step.as_secs() > MAX_LEAD_BUCKETS as i64 {
            Some(NoForecast::TooFar { lead })
        } else if let Some(stale) = self.stale() {
            Some(stale)
        } else if pairs < ENOUGH && self.observed < needed {
            Some(NoForecast::TooYoung { observed: self.observed, needed })
        } else if pairs < ENOUGH {
            Some(NoForecast::TooSparse { pairs, needed: ENOUGH, lead })
        } else if !self.schedule.is_scored(self.state.len().saturating_sub(1)) {
            Some(NoForecast::NotIssued)
        } else {
            None
        }
    }

    /// Nothing was observed for more than a day, though something was before.
    fn stale(&self) -> Option<NoForecast> {
        let unobserved = self.state.unobserved();
        if self.observed == 0 || unobserved <= self.state.per_day() {
            return None;
        }
        let gap = i64::try_from(unobserved).unwrap_or(i64::MAX).saturating_mul(self.step.as_secs());
        let gap = SignedDuration::from_secs(gap);
        Some(if self.state.cut_off() {
            NoForecast::CutOff { gap }
        } else {
            NoForecast::Stale { gap }
        })
    }

    /// What each forecaster is worth and how well the whole has done lately, at the leads of its
    /// share.
    pub fn report(&self) -> Report {
        self.state.report(&self.spec, self.share)
    }

    /// What each member says now at each lead of the [`Spec`]: its name and its quantiles, in
    /// demand's unit.
    pub fn members(&self) -> Vec<Vec<(&'static str, Vec<f64>)>> {
        self.state.members()
    }

    /// Bytes held, about.
    pub fn bytes(&self) -> usize {
        self.raw.bytes() + self.state.bytes()
    }
}

/// Demand up to this is told apart.
const LARGEST: f64 = 1e30;

/// The unit is this share of the mean.
const UNIT: f64 = 0.1;

/// A value counts for at most so many means in the mean.
const WILD: f64 = 50.0;

/// A unit that is off by less does no harm.
const UNIT_OFF: f64 = 1.5;

#[cfg(test)]
mod calendar_tests;
#[cfg(test)]
mod never_silent;
#[cfg(test)]
mod tests;
