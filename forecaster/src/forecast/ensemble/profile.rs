//! What the same local time of earlier days and weeks says of a bucket.

use super::column::Column;
use super::features::Features;
use super::smoothers::BASELINES;
use crate::forecast::season::{Kind, Season};

/// What the same local time of earlier days and weeks says: row `g` uses demand up to bucket `g −
/// reach` only.
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
    pub(super) fn new(reach: usize, features: &Features, season: &Season) -> Self {
        let known = reach + usize::from(features.smoothed());
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

    /// After the features's newest bucket `t`: the row of `t + reach`.
    pub(super) fn extend(&mut self, features: &Features, season: &Season) {
        let Some(t) = features.len().checked_sub(1) else { return };
        let g = t + self.reach;
        let Some(here) = features.places.get(g) else { return self.push(f32::NAN, f32::NAN) };
        let demand = |days: usize, of: Option<Kind>| {
            let then = features.places.get(g.checked_sub(days * season.per_day)?)?;
            let i = season.back(g, days, here.offset, then.offset)?;
            let place = features.places.get(i)?;
            (i <= t && features.gap.get(i)? == 0.0 && of.is_none_or(|kind| place.kind == kind))
                .then(|| features.smooth.get(i))?
        };
        let average = |days: &mut dyn Iterator<Item = usize>, of: Option<Kind>| {
            let (mut sum, mut weights, mut weight) = (0.0, 0.0, 1.0);
            for days in days {
                if let Some(z) = demand(days, of) {
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
                let sunday =
                    usize::try_from((date.div_euclid(86_400) + 4).rem_euclid(7)).unwrap_or(0);
                let days = (0..WEEKS + 1).map(|k| sunday + 7 * k).filter(|days| *days >= first);
                let sundays = average(&mut days.take(WEEKS), None);
                (sundays, sundays)
            }
            Kind::Event(_) => {
                // Like the last ones of its name, however long ago; the first one like any other
                // day.
                let last = features.kept() / season.per_day;
                let same = average(
                    &mut (first..=last).filter(|days| demand(*days, Some(here.kind)).is_some()),
                    None,
                );
                let other = |ordinary: Option<f32>| same.or(ordinary);
                (other(by_days(Some(Kind::Ordinary))), other(by_weeks(Some(Kind::Ordinary))))
            }
        };
        by_day = by_day.or_else(|| by_days(None));
        by_week = by_week.or(by_day);
        self.push(by_day.unwrap_or(f32::NAN), by_week.unwrap_or(f32::NAN));
        for column in [&mut self.day, &mut self.week, &mut self.both] {
            column.trim(features.kept() + self.reach);
        }
    }

    /// Baselines for the smoothers at bucket `g`: none, both, day, week; 0 while there is no
    /// profile.
    pub(super) fn baselines(&self, g: usize) -> [f32; BASELINES] {
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
