//! The members: quantiles at one lead from neighbours in five spaces and from past errors, all in log space.

mod alike;
mod errors;
mod past;
mod same_hour;
mod shape;

use std::ops::Range;

use super::analog::{self, Key, Neighbour, Weighted};
use super::base::Base;
use super::column::Column;
use super::local::{self, Local};
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
}

/// Room that searches work in.
#[derive(Debug, Clone, Default)]
pub(super) struct Room {
    distances: Vec<f32>,
    found: Vec<Neighbour>,
    near: Vec<Neighbour>,
    fresh: Vec<f32>,
    weights: Vec<f32>,
    pairs: Vec<Weighted>,
    local: Local,
}

/// What a lead's members keep between buckets.
#[derive(Debug, Clone)]
pub(super) struct Members {
    /// Distances beyond which no neighbour is expected, by search.
    limits: [f32; 4],
    errors: Errors,
}

impl Members {
    pub(super) fn new() -> Self {
        Self { limits: [f32::INFINITY; 4], errors: Errors::default() }
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
        let past = Past { view, t, rows: from..to };
        let [by_level, by_forecast, by_shape, by_long_level] = &mut self.limits;
        past::say(&past, by_level, room, said)?;
        alike::say(&past, by_forecast, room, said)?;
        same_hour::say(&past, room, said)?;
        shape::say(&past, by_shape, room, said)?;
        past::say_long(&past, by_long_level, room, said)?;
        self.errors.say(&past, room, said)
    }
}

impl Past<'_> {
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

    fn half_life(&self) -> f32 {
        HALF_LIFE_DAYS * self.view.season.per_day as f32
    }

    /// Finds the `k` nearest into `room.found`.
    fn search(&self, keys: &[Key<'_>], k: usize, limit: &mut f32, room: &mut Room) {
        let (gap, Range { start, end }) = (&self.view.track.gap, self.rows.clone());
        let barriers = [gap.rows(start..end), gap.rows(start + self.view.lead..end + self.view.lead)];
        analog::scan(keys, barriers, &mut room.distances);
        analog::nearest(&room.distances, start, k, *limit, &mut room.found);
        // In ten dimensions a little more distance holds several times as many.
        *limit = room.found.last().map_or(f32::INFINITY, |farthest| 1.3 * farthest.distance() + 1e-3);
        analog::freshness(&room.found, self.t, self.half_life(), &mut room.fresh);
    }

    /// Of the `k` nearest in `room.found`: quantiles of base(now) + what came after each − base(then).
    fn read(&self, k: usize, room: &mut Room, base: impl Fn(usize) -> Option<f32>, said: &mut Vec<f32>) {
        let Room { found, fresh, weights, pairs, .. } = room;
        analog::weights(found, fresh, k, weights);
        let now = base(self.t).unwrap_or(0.0);
        pairs.clear();
        for (s, weight) in found.iter().map(|one| one.bucket()).zip(weights.iter()) {
            if let (Some(came), Some(then)) = (self.view.track.z.get(s + self.view.lead), base(s)) {
                pairs.push(Weighted::new(now + came - then, *weight));
            }
        }
        analog::quantiles(pairs, self.view.quantiles, said);
    }

    /// Quantiles of what came after the `k` nearest in `room.found`, corrected for how they differ from now.
    fn regress(&self, k: usize, room: &mut Room, said: &mut Vec<f32>) -> Option<()> {
        let Room { found, fresh, weights, pairs, local, .. } = room;
        analog::weights(found, fresh, k, weights);
        let base = self.view.base;
        let here = self.levels(self.t)?;
        local.clear();
        for (s, weight) in found.iter().map(|one| one.bucket()).zip(weights.iter()) {
            let came = self.view.track.z.get(s + self.view.lead);
            if let (Some(there), Some(came), Some(middle)) = (self.levels(s), came, base.mixed.get(s)) {
                local.add(std::array::from_fn(|i| there[i] - here[i]), came - middle, *weight);
            }
        }
        pairs.clear();
        pairs.extend(local.corrected().map(|(miss, weight)| Weighted::new(here[0] + miss, weight)));
        analog::quantiles(pairs, self.view.quantiles, said);
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
