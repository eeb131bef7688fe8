//! The members: quantiles at one lead from neighbours in five spaces and from past errors, all in log space.

mod alike;
mod errors;
mod past;
mod same_hour;
mod shape;

use std::ops::Range;

use super::analog::{self, Common, Fading, Key, Neighbour};
use super::base::Base;
use super::column::Column;
use super::local::{self, Local};
use super::quantile::Reader;
use super::track::{Profile, Track};
use crate::forecast::season::Season;
use errors::Errors;

/// Names, in the order in which [`Members::say`] says.
pub(super) const NAMES: [&str; 18] = [
    "past level",
    "past change",
    "past regressed",
    "alike 250",
    "alike regressed",
    "alike 120 level",
    "alike 30 level",
    "alike 15 level",
    "same hour level",
    "same hour",
    "same hour regressed",
    "same shape",
    "long past level",
    "errors by size",
    "changes",
    "errors of smoothers",
    "errors of ridge",
    "errors of season",
];

/// The member that is the last value and its past changes.
pub(super) const LAST_VALUE: usize = 14;

/// Half-life of a neighbour, in days.
const HALF_LIFE_DAYS: f32 = 14.0;
/// With fewer candidates there are no neighbours.
pub(super) const ENOUGH: usize = 20;

/// Everything a lead's members look at.
pub(super) struct View<'a> {
    pub track: &'a Track,
    pub profile: &'a Profile,
    pub base: &'a Base,
    pub season: &'a Season,
    pub lead: usize,
    /// Rows searched.
    pub window: usize,
    pub quantiles: &'a [f32],
}

/// The newest bucket, and the rows that are searched for moments like it.
struct Past<'a> {
    view: &'a View<'a>,
    t: usize,
    rows: Range<usize>,
    fading: &'a Fading,
}

/// Room that the searches of one bucket work in, and what the first lead leaves for the others.
#[derive(Debug, Default)]
pub(super) struct Room {
    common: [Common; SEARCHES],
    found: Vec<Neighbour>,
    near: Vec<Neighbour>,
    /// Of what was found: buckets, squared distances, what their ages leave of them.
    buckets: Vec<usize>,
    distances: Vec<f32>,
    fresh: Vec<f32>,
    weights: Vec<f32>,
    values: Vec<f32>,
    local: Local,
    reader: Reader,
}

/// Searches over all rows.
const SEARCHES: usize = 4;

/// What a lead's members keep between buckets.
#[derive(Debug, Clone)]
pub(super) struct Members {
    /// Distances beyond which no neighbour is expected, by search.
    limits: [f32; SEARCHES + 1],
    fading: Fading,
    errors: Errors,
}

impl Members {
    /// Members that look back `window` buckets.
    pub(super) fn new(window: usize, per_day: usize) -> Self {
        Self {
            limits: [f32::INFINITY; SEARCHES + 1],
            fading: Fading::new(HALF_LIFE_DAYS * per_day as f32, window),
            errors: Errors::default(),
        }
    }

    /// Quantiles by member in log space, appended to `said`. `None` until there is enough to look at.
    pub(super) fn say(&mut self, view: &View<'_>, room: &mut Room, said: &mut Vec<f32>) -> Option<()> {
        let track = view.track;
        let t = track.len().checked_sub(1)?;
        let from = (t + 1).saturating_sub(view.window).max(track.z.first()).max(view.base.ridge.first());
        let to = (t + 1).saturating_sub(view.lead).max(from);
        if to - from < ENOUGH {
            return None;
        }
        let past = Past { view, t, rows: from..to, fading: &self.fading };
        let [by_level, by_forecast, by_shape, by_long_level, by_hour] = &mut self.limits;
        past::say(&past, by_level, room, said)?;
        alike::say(&past, by_forecast, room, said)?;
        same_hour::say(&past, by_hour, room, said)?;
        shape::say(&past, by_shape, room, said)?;
        past::say_long(&past, by_long_level, room, said)?;
        self.errors.say(&past, room, said)
    }

    pub(super) fn bytes(&self) -> usize {
        self.fading.bytes()
    }
}

impl Past<'_> {
    /// The rows up to now: what comes after the last ones is not known.
    fn with_present(&self) -> Self {
        Past { rows: self.rows.start..self.t + 1, ..*self }
    }

    /// A column as it was and as it is.
    fn key<'a>(&self, column: &'a Column<f32>, scale: f32) -> Option<Key<'a>> {
        Some(Key { rows: column.rows(self.rows.clone()), less: None, now: column.get(self.t)?, scale })
    }

    /// A key read `ahead` buckets later; none while it is not known now.
    fn shifted<'a>(&self, column: &'a Column<f32>, ahead: usize, scale: f32) -> Option<Key<'a>> {
        let now = column.get(self.t + ahead).filter(|now| now.is_finite())?;
        let rows = column.rows(self.rows.start + ahead..self.rows.end + ahead);
        (rows.len() == self.rows.len()).then_some(Key { rows, less: None, now, scale })
    }

    /// Finds the nearest as [`Common::nearest`] does. Keys that are `common` to all leads go up to now.
    fn search(&self, i: usize, common: &[Key<'_>], own: &[Key<'_>], ks: &[usize], limit: &mut f32, room: &mut Room) {
        let (gap, Range { start, end }) = (&self.view.track.gap, self.rows.clone());
        let Some(shared) = room.common.get_mut(i) else { return };
        shared.measure(start, common, gap.rows(start..self.t + 1));
        shared.nearest(own, gap.rows(start + self.view.lead..end + self.view.lead), ks, limit, &mut room.found);
        self.take(room);
    }

    /// Takes `room.found` as the neighbours that are read.
    fn take(&self, room: &mut Room) {
        let Room { found, buckets, distances, fresh, .. } = room;
        buckets.clear();
        buckets.extend(found.iter().map(|one| one.bucket()));
        distances.clear();
        distances.extend(found.iter().map(|one| one.distance()));
        fresh.clear();
        fresh.extend(buckets.iter().map(|bucket| self.fading.after(self.t - bucket)));
    }

    /// Quantiles of what came after the `k` nearest, or of base(now) + what came − base(then).
    fn read(&self, k: usize, base: Option<&Column<f32>>, room: &mut Room, said: &mut Vec<f32>) {
        let Room { buckets, distances, fresh, weights, values, reader, .. } = room;
        let k = k.min(buckets.len());
        analog::weights(&distances[..k], fresh, weights);
        let came = rows(&self.view.track.z, self.view.lead);
        values.clear();
        if let Some(base) = base {
            let (now, then) = (base.get(self.t).unwrap_or(0.0), rows(base, 0));
            values.extend(buckets[..k].iter().map(move |bucket| now + came(*bucket) - then(*bucket)));
        } else {
            values.extend(buckets[..k].iter().map(move |bucket| came(*bucket)));
        }
        reader.read(values, weights, self.view.quantiles, said);
    }

    /// Quantiles of what came after the `k` nearest, corrected for how they differ from now.
    fn regress(&self, k: usize, room: &mut Room, said: &mut Vec<f32>) -> Option<()> {
        let Room { buckets, distances, fresh, weights, values, local, reader, .. } = room;
        let k = k.min(buckets.len());
        let buckets = &buckets[..k];
        analog::weights(&distances[..k], fresh, weights);
        let View { track, base, profile, lead, .. } = self.view;
        let now = self.levels(self.t)?;
        let middles = values;
        let middle = rows(&base.mixed, 0);
        middles.clear();
        middles.extend(buckets.iter().map(move |bucket| middle(*bucket)));
        let levels = [
            (&base.season, 0),
            (&track.z, 0),
            (&track.mean3, 0),
            (&track.mean_hour, 0),
            (&track.max_hour, 0),
            (&profile.day, *lead),
            (&profile.week, *lead),
        ];
        let Local { off: [forecast, smoothers, off @ .., sizes], missed } = local;
        forecast.clear();
        forecast.extend(middles.iter().map(|middle| middle - now[0]));
        let (smoother, ridge) = (rows(&base.smoothers, 0), rows(&base.ridge, 0));
        smoothers.clear();
        smoothers.extend(buckets.iter().map(move |bucket| smoother(*bucket) - ridge(*bucket) - now[1]));
        for ((off, (column, ahead)), now) in off.iter_mut().zip(levels).zip(&now[2..]) {
            let row = rows(column, ahead);
            off.clear();
            off.extend(buckets.iter().zip(&*middles).map(move |(bucket, middle)| {
                let level = row(*bucket);
                // Both are computed: that is quicker than to branch.
                let apart = level - middle - now;
                if level.is_finite() { apart } else { -now }
            }));
        }
        let size = rows(&base.size, 0);
        sizes.clear();
        sizes.extend(buckets.iter().map(move |bucket| size(*bucket) - now[local::COUNT - 1]));
        let came = rows(&track.z, *lead);
        missed.clear();
        missed.extend(buckets.iter().zip(&*middles).map(move |(bucket, middle)| came(*bucket) - middle));
        local.correct(weights);
        let values = middles;
        values.clear();
        values.extend(local.missed.iter().map(|miss| now[0] + miss));
        reader.read(values, weights, self.view.quantiles, said);
        Some(())
    }

    /// What a regression among neighbours corrects for: the forecast, and how far levels and seasons were from it.
    fn levels(&self, s: usize) -> Option<[f32; local::COUNT]> {
        let View { track, base, profile, .. } = self.view;
        let middle = base.mixed.get(s)?;
        let ahead = s + self.view.lead;
        let season = |column: &Column<f32>| column.get(ahead).filter(|z| z.is_finite()).map_or(0.0, |z| z - middle);
        Some([
            middle,
            base.smoothers.get(s)? - base.ridge.get(s)?,
            base.season.get(s)? - middle,
            track.z.get(s)? - middle,
            track.mean3.get(s)? - middle,
            track.mean_hour.get(s)? - middle,
            track.max_hour.get(s)? - middle,
            season(&profile.day),
            season(&profile.week),
            base.size.get(s)?,
        ])
    }
}

/// Reads a column `ahead` of buckets.
fn rows(column: &Column<f32>, ahead: usize) -> impl Fn(usize) -> f32 + Copy {
    let (rows, moved) = (column.rows(column.first()..column.end()), ahead.wrapping_sub(column.first()));
    move |bucket| rows.get(bucket.wrapping_add(moved)).copied().unwrap_or(0.0)
}
