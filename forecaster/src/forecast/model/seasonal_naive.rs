//! Demand of the same local time last week, else yesterday, else further back.
//!
//! Mimir's rule of "same time last week" (mimir PR 7775) already pays; here with local time, gaps and honest quantiles.
//! A bucket's season is the largest of the buckets within ± [`SMEAR`] of it: a peak that comes a minute later than last
//! week is still the same peak. Quantiles are those of past errors: relative to the level where there was one, absolute
//! where the season says nothing, so that nights which were always empty are forecast empty.

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

/// Errors are learnt from the last so many days.
const ERROR_DAYS: i64 = 7;

/// At most so many errors: one in `n` buckets is looked at on long histories.
const ERROR_SAMPLES: usize = 2_000;

/// A fitted seasonal-naive model.
#[derive(Debug, Clone)]
pub struct SeasonalNaive {
    history: Series,
    zone: TimeZone,
    cap: f64,
    /// Scale below which an error counts as absolute: a tenth of the mean.
    unit: f64,
    /// Errors where the season was above zero, divided by (season + unit).
    busy: Errors,
    /// Errors where the season was zero, as they were.
    quiet: Errors,
}

impl SeasonalNaive {
    pub(super) fn fit(history: &Series, zone: &TimeZone) -> Result<Self, FitError> {
        let have = history.end().duration_since(history.start());
        if have < NEEDED {
            return Err(FitError::TooShort { have, need: NEEDED });
        }
        let day = (86_400 / history.step().as_secs()).max(1) as usize;
        let observed: Vec<f64> = history.values().iter().copied().filter(|value| value.is_finite()).collect();
        let needed = (OBSERVED * day as f64) as usize;
        if observed.len() < needed {
            return Err(FitError::TooSparse { observed: observed.len(), buckets: history.values().len(), needed });
        }
        let mean = observed.iter().sum::<f64>() / observed.len().max(1) as f64;
        let mut model = Self {
            history: history.clone(),
            zone: zone.clone(),
            cap: CAP * largest(history),
            // Any positive unit will do where all is zero: then so are the errors.
            unit: if mean > 0.0 { 0.1 * mean } else { 1.0 },
            busy: Errors::default(),
            quiet: Errors::default(),
        };
        let (busy, quiet) = model.learn_errors(day);
        (model.busy, model.quiet) = (Errors::new(busy), Errors::new(quiet));
        Ok(model)
    }

    /// Errors over the last days: relative ones of busy seasons, absolute ones of quiet seasons.
    fn learn_errors(&self, day: usize) -> (Vec<f64>, Vec<f64>) {
        let values = self.history.values();
        let from = values.len().saturating_sub(day * ERROR_DAYS as usize);
        let every = (values.len() - from).div_ceil(ERROR_SAMPLES).max(1);
        let (mut busy, mut quiet) = (Vec::new(), Vec::new());
        for i in (from..values.len()).step_by(every) {
            let seen = values.get(i).copied().filter(|value| value.is_finite());
            let (Some(seen), Some(season)) = (seen, self.season(self.history.instant(i))) else { continue };
            if season > 0.0 {
                busy.push((seen - season) / (season + self.unit));
            } else {
                quiet.push(seen);
            }
        }
        (busy, quiet)
    }

    /// What the season says of the bucket at `at`, from what lies before `at` alone.
    fn season(&self, at: Timestamp) -> Option<f64> {
        let local = at.to_zoned(self.zone.clone()).datetime();
        DAYS_BACK.iter().find_map(|days| self.around(local, *days, at))
    }

    /// The largest bucket around the same local time `days` ago; `None` if the bucket itself was not observed.
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

    pub(super) fn forecast(&self, horizon: usize, quantiles: &[f64]) -> Forecast {
        let origin = self.history.end();
        let errors: Vec<_> = quantiles.iter().map(|q| (self.busy.quantile(*q), self.quiet.quantile(*q))).collect();
        let row = |h: usize| {
            let at = self.history.instant(self.history.values().len() + h);
            let season = self.season(at).unwrap_or(f64::NAN);
            let value = |(busy, quiet): &(f64, f64)| {
                let value = if season == 0.0 { *quiet } else { season + busy * (season + self.unit) };
                if value.is_nan() { value } else { value.clamp(0.0, self.cap) }
            };
            errors.iter().map(value).collect()
        };
        Forecast::new(origin, self.history.step(), quantiles.to_vec(), (0..horizon).map(row).collect())
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::forecast::model::Model;

    fn berlin() -> TimeZone {
        #[expect(clippy::disallowed_methods, reason = "tests look zones up")]
        TimeZone::get("Europe/Berlin").unwrap()
    }

    /// `days` of minutes up to `end`, valued by a function of local time.
    fn history(end: Timestamp, days: i64, value: impl Fn(DateTime) -> f64) -> Series {
        let start = end - SignedDuration::from_hours(24 * days);
        let at = |i: i64| (start + SignedDuration::from_mins(i)).to_zoned(berlin()).datetime();
        Series::new(start, SignedDuration::from_mins(1), (0..days * 1440).map(|i| value(at(i))).collect())
    }

    fn local(y: i16, m: i8, d: i8, h: i8) -> Timestamp {
        date(y, m, d).at(h, 0, 0, 0).to_zoned(berlin()).unwrap().timestamp()
    }

    fn office(at: DateTime) -> f64 {
        if (9..17).contains(&at.hour()) && at.weekday().to_monday_zero_offset() < 5 { 100.0 } else { 5.0 }
    }

    fn median(series: &Series, horizon: usize) -> Vec<f64> {
        let forecast = Model::SeasonalNaive.fit(series, &berlin()).unwrap().forecast(horizon, &[0.5]);
        forecast.values().iter().map(|row| row[0]).collect()
    }

    #[test]
    fn monday_morning_is_like_last_monday_not_like_sunday() {
        // Sunday 2026-11-22, 22:00; eleven hours later the office opens.
        let forecast = median(&history(local(2026, 11, 22, 22), 15, office), 720);
        assert_eq!((forecast[600], forecast[700]), (5.0, 100.0));
    }

    #[test]
    fn nine_o_clock_stays_nine_o_clock_when_clocks_change() {
        // Clocks go back on Sunday 2026-10-25; Monday's nine o'clock is an hour later in UTC than last Monday's.
        let forecast = median(&history(local(2026, 10, 26, 8), 10, office), 120);
        assert_eq!((forecast[50], forecast[70]), (5.0, 100.0));
    }

    #[test]
    fn one_day_of_history_means_same_time_yesterday_and_less_is_too_little() {
        let forecast = median(&history(local(2026, 11, 25, 8), 2, office), 120);
        assert_eq!((forecast[30], forecast[90]), (5.0, 100.0));
        let short = Model::SeasonalNaive.fit(&history(local(2026, 11, 25, 8), 1, office), &berlin());
        assert!(matches!(short, Err(FitError::TooShort { .. })));
    }

    #[test]
    fn a_gap_falls_back_day_by_day_and_is_never_zero() {
        let end = local(2026, 11, 25, 8);
        let gap = local(2026, 11, 18, 9)..local(2026, 11, 18, 11);
        let full = history(end, 15, office);
        let values = full.values().iter().enumerate();
        let values = values.map(|(i, v)| if gap.contains(&full.instant(i)) { f64::NAN } else { *v }).collect();
        assert_eq!(median(&Series::new(full.start(), full.step(), values), 120)[90], 100.0);
    }

    #[test]
    fn upper_quantiles_cover_what_has_happened() {
        let noisy = |at: DateTime| 50.0 + f64::from((i32::from(at.minute()) * 7 + i32::from(at.day()) * 13) % 20);
        let series = history(local(2026, 11, 25, 8), 15, noisy);
        let forecast = Model::SeasonalNaive.fit(&series, &berlin()).unwrap().forecast(60, &[0.5, 0.99]);
        assert!(forecast.values().iter().all(|row| row[0] <= row[1] && row[1] <= 3.0 * 70.0));
    }

    #[test]
    fn demand_times_four_is_forecast_times_four() {
        let end = local(2026, 11, 25, 8);
        let once = median(&history(end, 15, office), 240);
        let four = median(&history(end, 15, |at| 4.0 * office(at)), 240);
        assert!(once.iter().zip(&four).all(|(a, b)| (4.0 * a - b).abs() < 1e-9));
    }

    #[test]
    fn empty_nights_are_forecast_empty_at_every_quantile() {
        let noisy = |at: DateTime| if office(at) > 5.0 { 60.0 + f64::from(at.minute() % 7) * 9.0 } else { 0.0 };
        let series = history(local(2026, 11, 25, 1), 15, noisy);
        let forecast = Model::SeasonalNaive.fit(&series, &berlin()).unwrap().forecast(300, &[0.5, 0.99]);
        assert!(forecast.values().iter().all(|row| *row == [0.0, 0.0]));
    }

    #[test]
    fn zeros_stay_zero() {
        assert!(median(&history(local(2026, 11, 25, 8), 9, |_| 0.0), 240).iter().all(|value| *value == 0.0));
    }
}
