//! Demand of the same local time last week, else yesterday, else further back.
//!
//! Mimir's rule of "same time last week" (mimir PR 7775) already pays; here with local time, gaps
//! and honest quantiles. A bucket's season is the largest of the buckets within ± [`SMEAR`] of it:
//! a peak that comes a minute later than last week is still the same peak. Quantiles are those of
//! what the same rule has missed by so far, relative to the level plus a tenth of the mean. Young
//! errors weigh more. "Last week" and "yesterday" have errors of their own, and so have quiet
//! seasons: nights that were always empty are forecast empty.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::{CAP, Errors, FitError, largest};
use crate::forecast::Forecast;
use crate::series::Series;

/// Days back, in order of trust; the first that was observed answers.
const DAYS_BACK: [i64; 8] = [7, 1, 14, 2, 21, 3, 28, 4];

/// A season needs one whole day, and an hour to learn its error from.
const NEEDED: SignedDuration = SignedDuration::from_hours(25);

/// The share of the needed day that must have been observed.
const OBSERVED: f64 = 0.5;

/// Peaks may come so much earlier or later than in the season before.
const SMEAR: SignedDuration = SignedDuration::from_mins(3);

/// Errors are learned from the last three weeks …
const ERROR_SPAN: SignedDuration = SignedDuration::from_hours(21 * 24);

/// … and lose half of their weight in one.
const HALF_LIFE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// At most so many buckets are looked at: one in `n` on long histories.
const ERROR_SAMPLES: usize = 2_000;

/// A kind of season with fewer errors than this borrows those of all kinds.
const ENOUGH: usize = 60;

/// Errors divided by (season + unit).
#[derive(Debug, Clone, Default)]
struct Kinds {
    /// Of last week as season.
    week: Errors,
    /// Of yesterday.
    day: Errors,
    /// Of the season that answered.
    all: Errors,
}

/// A fitted seasonal-naive model.
#[derive(Debug, Clone)]
pub struct SeasonalNaive {
    history: Series,
    zone: TimeZone,
    cap: f64,
    /// Scale below which an error counts as absolute: a tenth of the mean.
    unit: f64,
    /// Errors of seasons above the unit, and of quiet ones.
    busy: Kinds,
    quiet: Kinds,
}

impl SeasonalNaive {
    /// Fits on `history` (any step that divides a day; NaN = gap), seasons read in `zone`.
    pub fn fit(history: &Series, zone: &TimeZone) -> Result<Self, FitError> {
        let have = history.end().duration_since(history.start());
        if have < NEEDED {
            return Err(FitError::TooShort { have, need: NEEDED });
        }
        let day = (86_400 / history.step().as_secs()).max(1) as usize;
        let observed: Vec<f64> =
            history.values().iter().copied().filter(|value| value.is_finite()).collect();
        let needed = (OBSERVED * day as f64) as usize;
        if observed.len() < needed {
            return Err(FitError::TooSparse {
                observed: observed.len(),
                buckets: history.values().len(),
                needed,
            });
        }
        let mean = observed.iter().sum::<f64>() / observed.len().max(1) as f64;
        let mut model = Self {
            history: history.clone(),
            zone: zone.clone(),
            cap: CAP * largest(history),
            // Any positive unit will do where all is zero: then so are the errors.
            unit: if mean > 0.0 { 0.1 * mean } else { 1.0 },
            busy: Kinds::default(),
            quiet: Kinds::default(),
        };
        let [busy, quiet] = model.learn();
        if busy.all.len() + quiet.all.len() == 0 {
            // No bucket has both itself and its season: no quantile could be known.
            return Err(FitError::TooSparse {
                observed: observed.len(),
                buckets: history.values().len(),
                needed: day,
            });
        }
        (model.busy, model.quiet) = (busy, quiet);
        Ok(model)
    }

    /// What busy and quiet seasons have missed by.
    fn learn(&self) -> [Kinds; 2] {
        let values = self.history.values();
        let from = values.len() - self.history.tail(ERROR_SPAN).values().len();
        let half_life = HALF_LIFE.as_secs_f64() / self.history.step().as_secs_f64();
        let mut missed: [[Vec<(f64, f64)>; 3]; 2] = Default::default();
        for i in (from..values.len()).rev().step_by(stride(values.len() - from)) {
            let Some(seen) = values.get(i).copied().filter(|value| value.is_finite()) else {
                continue;
            };
            let at = self.history.instant(i);
            let local = self.zone.to_datetime(at);
            let weight = 0.5f64.powf((values.len() - i) as f64 / half_life);
            let (by_week, by_day) = (self.around(local, 7, at), self.around(local, 1, at));
            let by_any = by_week.or(by_day).or_else(|| self.season(at).map(|(season, _)| season));
            for (kind, season) in [by_week, by_day, by_any].into_iter().enumerate() {
                if let Some(season) = season {
                    let error = (seen - season) / (season + self.unit);
                    missed[usize::from(season <= self.unit)][kind].push((error, weight));
                }
            }
        }
        missed.map(|kinds| {
            let [week, day, all] = kinds.map(Errors::new);
            Kinds { week, day, all }
        })
    }

    /// What the season says of the bucket at `at`, from what lies before `at` alone, and from how
    /// many days back.
    fn season(&self, at: Timestamp) -> Option<(f64, i64)> {
        let local = self.zone.to_datetime(at);
        DAYS_BACK.iter().find_map(|days| Some((self.around(local, *days, at)?, *days)))
    }

    /// The largest bucket around the same local time `days` ago; `None` if the bucket itself was
    /// not observed.
    fn around(&self, local: DateTime, days: i64, before: Timestamp) -> Option<f64> {
        let then = local.checked_sub(days.days()).ok()?;
        let then = self.zone.to_ambiguous_timestamp(then).compatible().ok()?;
        let mut most = self.history.at(then)?;
        let step = self.history.step();
        let reach = (SMEAR.as_secs() / step.as_secs()) as i32;
        for i in -reach..=reach {
            let near = then.checked_add(step * i).ok()?;
            if near < before
                && let Some(value) = self.history.at(near)
            {
                most = most.max(value);
            }
        }
        Some(most)
    }

    /// What a season of this level, from so many days back, has missed by.
    fn errors_of(&self, season: f64, days: i64) -> &Errors {
        let (like, unlike) =
            if season > self.unit { (&self.busy, &self.quiet) } else { (&self.quiet, &self.busy) };
        match days {
            7 if like.week.len() >= ENOUGH => &like.week,
            1 if like.day.len() >= ENOUGH => &like.day,
            _ if like.all.len() > 0 => &like.all,
            _ => &unlike.all,
        }
    }

    /// Quantiles (ascending, within (0, 1)) of demand for the `horizon` buckets that follow the
    /// history. What cannot be forecast is NaN; all else is within [0, 3 × the largest ever seen].
    pub fn forecast(&self, horizon: usize, quantiles: &[f64]) -> Forecast {
        let row = |h: usize| {
            let at = self.history.instant(self.history.values().len() + h);
            let Some((season, days)) = self.season(at) else {
                return vec![f64::NAN; quantiles.len()];
            };
            let errors = self.errors_of(season, days);
            let value = |q: &f64| {
                let error = errors.quantile(*q).unwrap_or(f64::NAN);
                let value = season + error * (season + self.unit);
                if value.is_nan() { value } else { value.clamp(0.0, self.cap) }
            };
            quantiles.iter().map(value).collect()
        };
        let rows = (0..horizon).map(row).collect();
        Forecast::new(self.history.end(), self.history.step(), quantiles.to_vec(), rows)
    }
}

/// Every how many buckets are looked at: prime to the hour, so that no minute of it is left out.
fn stride(buckets: usize) -> usize {
    let mut every = buckets.div_ceil(ERROR_SAMPLES).max(1);
    while every > 1 && [2usize, 3, 5].iter().any(|prime| every.is_multiple_of(*prime)) {
        every += 1;
    }
    every
}

#[cfg(test)]
mod tests;
