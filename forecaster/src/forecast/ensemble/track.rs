//! What is known of every bucket once it is over: demand in log space, and its levels over minutes and hours.

use std::ops::Range;

use super::column::Column;
use crate::forecast::season::{Kind, Place, Season};

/// Days of history behind the profiles: four weeks, and one to spare for changes of the clocks.
pub(super) const PROFILE_DAYS: usize = 30;

/// Columns that all leads share. Row `t` uses demand of buckets up to `t`.
#[derive(Debug, Clone)]
pub(super) struct Track {
    /// Demand below this counts about linearly, above it by ratio.
    pub unit: f64,
    /// ln(1 + demand / unit); filled where nothing was observed.
    pub z: Column<f32>,
    /// 0 where demand was observed, else infinite: a distance to what must not be used.
    pub gap: Column<f32>,
    /// Demand in log space smoothed over neighbours (row `t` lies in the middle, so that it is only known at `t + 1`).
    pub smooth: Column<f32>,
    pub mean3: Column<f32>,
    pub mean_hour: Column<f32>,
    pub mean_3h: Column<f32>,
    pub max_hour: Column<f32>,
    pub fast: Column<f32>,
    pub slow: Column<f32>,
    pub zeros: Column<f32>,
    pub mean_6h: Column<f32>,
    pub mean_day: Column<f32>,
    pub max_6h: Column<f32>,
    /// ln(1 + buckets since there was any demand), within a day.
    pub idle: Column<f32>,
    /// Places, up to the longest lead ahead.
    pub places: Column<Place>,
    /// Sine and cosine of the local time of day, as far.
    pub sine: Column<f32>,
    pub cosine: Column<f32>,
    /// 1 on weekends and holidays, else 0, as far.
    pub weekend: Column<f32>,
    /// The last bucket that is a gap.
    pub last_gap: Option<usize>,
    hour: usize,
    three_hours: usize,
    smoothed: bool,
    keep: usize,
}

impl Track {
    /// `keep` rows are kept; places are known `ahead` buckets beyond the newest.
    pub(super) fn new(season: &Season, unit: f64, keep: usize, ahead: usize) -> Self {
        let mut track = Self {
            unit,
            z: Column::new(),
            gap: Column::new(),
            smooth: Column::new(),
            mean3: Column::new(),
            mean_hour: Column::new(),
            mean_3h: Column::new(),
            max_hour: Column::new(),
            fast: Column::new(),
            slow: Column::new(),
            zeros: Column::new(),
            mean_6h: Column::new(),
            mean_day: Column::new(),
            max_6h: Column::new(),
            idle: Column::new(),
            places: Column::new(),
            sine: Column::new(),
            cosine: Column::new(),
            weekend: Column::new(),
            last_gap: None,
            hour: season.buckets(3600).max(3),
            three_hours: season.buckets(3 * 3600).max(6),
            smoothed: season.step_s() < 1800,
            keep: keep.max(PROFILE_DAYS * season.per_day + ahead),
        };
        for i in 0..=ahead {
            track.add_place(season, i);
        }
        track
    }

    /// Buckets seen.
    pub(super) fn len(&self) -> usize {
        self.z.end()
    }

    /// Whether profiles see smoothed demand, which is known a bucket later.
    pub(super) fn smoothed(&self) -> bool {
        self.smoothed
    }

    /// Buckets that are kept.
    pub(super) fn kept(&self) -> usize {
        self.keep
    }

    /// Demand in log space.
    pub(super) fn log(&self, y: f64) -> f32 {
        (y / self.unit).ln_1p() as f32
    }

    /// Demand from log space.
    pub(super) fn level(&self, z: f32) -> f64 {
        self.unit * f64::from(z).exp_m1()
    }

    /// The next bucket: its demand in log space, whether that was observed.
    pub(super) fn push(&mut self, season: &Season, z: f32, seen: bool) {
        let t = self.z.end();
        self.z.push(z);
        self.gap.push(if seen { 0.0 } else { f32::INFINITY });
        self.last_gap = if seen { self.last_gap } else { Some(t) };
        if self.smoothed {
            if let Some(middle) = t.checked_sub(1) {
                let (a, b) = (self.z.get(middle).unwrap_or(z), self.z.get(middle.saturating_sub(1)).unwrap_or(z));
                self.smooth.push(0.25 * b + 0.5 * a + 0.25 * z);
            }
        } else {
            self.smooth.push(z);
        }
        let mean = |n: usize| {
            let rows = self.z.rows((t + 1).saturating_sub(n)..t + 1);
            rows.iter().sum::<f32>() / rows.len() as f32
        };
        let (mean3, mean_hour, mean_3h) = (mean(3), mean(self.hour), mean(self.three_hours));
        let recent = self.z.rows((t + 1).saturating_sub(self.hour)..t + 1);
        let max = recent.iter().copied().fold(0.0, f32::max);
        let zeros = recent.iter().filter(|z| **z <= 0.0).count() as f32 / recent.len() as f32;
        let ewma = |column: &Column<f32>, alpha: f32| {
            let before = t.checked_sub(1).and_then(|i| column.get(i)).unwrap_or(z);
            before + alpha.max(1.0 / (t + 1) as f32) * (z - before)
        };
        let (fast, slow) = (ewma(&self.fast, 0.3), ewma(&self.slow, 0.03));
        self.mean3.push(mean3);
        self.mean_hour.push(mean_hour);
        self.mean_3h.push(mean_3h);
        self.max_hour.push(max);
        self.zeros.push(zeros);
        let (six_hours, day) = (2 * self.three_hours, 8 * self.three_hours);
        self.mean_6h.push(mean(six_hours));
        self.mean_day.push(mean(day));
        let last = |n: usize| self.z.rows((t + 1).saturating_sub(n)..t + 1);
        self.max_6h.push(last(six_hours).iter().copied().fold(0.0, f32::max));
        let idle = last(day).iter().rev().take_while(|z| **z <= 0.0).count();
        self.idle.push((idle as f32).ln_1p());
        self.fast.push(fast);
        self.slow.push(slow);
        self.add_place(season, self.places.end());
        let keep = self.keep;
        self.places.trim(keep);
        for column in self.columns() {
            column.trim(keep);
        }
    }

    fn add_place(&mut self, season: &Season, i: usize) {
        let place = season.place(i);
        let turn = f64::from(place.slot) / season.per_day as f64 * std::f64::consts::TAU;
        self.places.push(place);
        self.sine.push(turn.sin() as f32);
        self.cosine.push(turn.cos() as f32);
        self.weekend.push(if place.weekday >= 5 { 1.0 } else { 0.0 });
    }

    /// Buckets of `rows` that were observed, as was the bucket `lead` later; counts to `most`.
    pub(super) fn pairs(&self, rows: Range<usize>, lead: usize, most: usize) -> usize {
        if self.last_gap.is_none_or(|gap| gap < rows.start) {
            return rows.len().min(most);
        }
        let ahead = self.gap.rows(rows.start + lead..rows.end + lead);
        let pairs = self.gap.rows(rows).iter().zip(ahead).rev();
        pairs.filter(|gaps| *gaps == (&0.0, &0.0)).take(most).count()
    }

    /// Whether the newest row is finite; [`Self::gap`] alone may be infinite.
    pub(super) fn is_finite(&self) -> bool {
        let Some(t) = self.len().checked_sub(1) else { return true };
        let levels = [&self.z, &self.mean3, &self.mean_hour, &self.mean_3h, &self.max_hour];
        let others = [&self.fast, &self.slow, &self.zeros, &self.mean_6h, &self.mean_day, &self.max_6h, &self.idle];
        levels.into_iter().chain(others).all(|column| column.get(t).is_some_and(f32::is_finite))
    }

    fn columns(&mut self) -> [&mut Column<f32>; 17] {
        [
            &mut self.z,
            &mut self.gap,
            &mut self.smooth,
            &mut self.mean3,
            &mut self.mean_hour,
            &mut self.mean_3h,
            &mut self.max_hour,
            &mut self.fast,
            &mut self.slow,
            &mut self.zeros,
            &mut self.mean_6h,
            &mut self.mean_day,
            &mut self.max_6h,
            &mut self.idle,
            &mut self.sine,
            &mut self.cosine,
            &mut self.weekend,
        ]
    }

    pub(super) fn bytes(&self) -> usize {
        17 * self.z.bytes() + self.places.bytes()
    }
}

/// What the same local time of earlier days and weeks says: row `g` uses demand up to bucket `g − reach` only.
#[derive(Debug, Clone)]
pub(super) struct Profile {
    /// Buckets ahead for which it is known.
    pub reach: usize,
    /// Weighted mean over seven days; NaN while there is none.
    pub day: Column<f32>,
    /// The same over four weeks, else that of days.
    pub week: Column<f32>,
    /// Their mean.
    pub both: Column<f32>,
    first_day: usize,
}

/// A day before counts so much less than the day after it.
const FADE: f32 = 0.7;
const DAYS: usize = 7;
const WEEKS: usize = 4;

impl Profile {
    pub(super) fn new(reach: usize, track: &Track, season: &Season) -> Self {
        let known = reach + usize::from(track.smoothed());
        // Rows before `reach` are never known in time.
        let mut profile = Self {
            reach,
            day: Column::new(),
            week: Column::new(),
            both: Column::new(),
            first_day: known.div_ceil(season.per_day).max(1),
        };
        (0..reach).for_each(|_| profile.push(f32::NAN, f32::NAN));
        profile
    }

    /// Days back to the youngest day that is known in time.
    pub(super) fn first_day(&self) -> usize {
        self.first_day
    }

    fn push(&mut self, day: f32, week: f32) {
        self.day.push(day);
        self.week.push(week);
        self.both.push(0.5 * (day + week));
    }

    /// After the track's newest bucket `t`: the row of `t + reach`.
    pub(super) fn extend(&mut self, track: &Track, season: &Season) {
        let Some(t) = track.len().checked_sub(1) else { return };
        let g = t + self.reach;
        let Some(here) = track.places.get(g) else { return self.push(f32::NAN, f32::NAN) };
        let said = |days: usize, of: Option<Kind>| {
            let then = track.places.get(g.checked_sub(days * season.per_day)?)?;
            let i = season.back(g, days, here.offset, then.offset)?;
            let place = track.places.get(i)?;
            (i <= t && track.gap.get(i)? == 0.0 && of.is_none_or(|kind| place.kind == kind))
                .then(|| track.smooth.get(i))?
        };
        let average = |days: &mut dyn Iterator<Item = usize>, of: Option<Kind>| {
            let (mut sum, mut weights, mut weight) = (0.0, 0.0, 1.0);
            for days in days {
                if let Some(z) = said(days, of) {
                    sum += weight * z;
                    weights += weight;
                }
                weight *= FADE;
            }
            (weights > 0.0).then(|| sum / weights)
        };
        let (first, week) = (self.first_day, 7 * self.first_day.div_ceil(7));
        let by_days = |of: Option<Kind>| average(&mut (first..first + DAYS), of);
        let by_weeks = |of: Option<Kind>| average(&mut (0..WEEKS).map(|k| week + 7 * k), of);
        let (mut by_day, mut by_week) = match here.kind {
            Kind::Ordinary => (by_days(Some(here.kind)), by_weeks(Some(here.kind))),
            Kind::Holiday => {
                // Like the last Sundays.
                let date = season.instant(g).as_second() + i64::from(here.offset);
                let sunday = usize::try_from((date.div_euclid(86_400) + 4).rem_euclid(7)).unwrap_or(0);
                let days = (0..WEEKS + 1).map(|k| sunday + 7 * k).filter(|days| *days >= first);
                let sundays = average(&mut days.take(WEEKS), None);
                (sundays, sundays)
            }
            Kind::Event(_) => {
                // Like the last ones of its name, however long ago; the first one like any other day.
                let last = track.kept() / season.per_day;
                let same = average(&mut (first..=last).filter(|days| said(*days, Some(here.kind)).is_some()), None);
                let other = |said: Option<f32>| same.or(said);
                (other(by_days(Some(Kind::Ordinary))), other(by_weeks(Some(Kind::Ordinary))))
            }
        };
        by_day = by_day.or_else(|| by_days(None));
        by_week = by_week.or(by_day);
        self.push(by_day.unwrap_or(f32::NAN), by_week.unwrap_or(f32::NAN));
        for column in [&mut self.day, &mut self.week, &mut self.both] {
            column.trim(track.keep + self.reach);
        }
    }

    /// Baselines for the smoothers at bucket `g`: none, both, day, week; 0 while there is no profile.
    pub(super) fn baselines(&self, g: usize) -> [f32; super::smooth::BASELINES] {
        let of = |column: &Column<f32>| column.get(g).filter(|z| z.is_finite()).unwrap_or(0.0);
        [0.0, of(&self.both), of(&self.day), of(&self.week)]
    }

    /// Whether the newest row holds an infinity.
    pub(super) fn is_infinite(&self) -> bool {
        let newest = self.both.end().checked_sub(1).and_then(|g| self.both.get(g));
        newest.is_some_and(f32::is_infinite)
    }

    pub(super) fn bytes(&self) -> usize {
        3 * self.day.bytes()
    }
}
