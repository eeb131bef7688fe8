//! The members: quantiles at one lead from neighbours in three spaces and from past errors, all in log space.

use super::analog::{self, Key, Neighbour, Weighted};
use super::base::Base;
use super::column::Column;
use super::local::{self, Local};
use super::track::{Profile, Track};
use crate::forecast::season::Season;

/// Names, in the order in which [`Members::say`] says.
pub(super) const NAMES: [&str; 18] = [
    "past level",
    "past change",
    "past smoothers",
    "alike 250",
    "alike 120 level",
    "alike 120",
    "alike 120 smoothers",
    "alike 30 level",
    "alike 30",
    "alike 15 level",
    "alike regressed",
    "same hour level",
    "same hour",
    "errors by size",
    "changes",
    "errors of smoothers",
    "errors of ridge",
    "errors of season",
];

/// The member that is the last value and its past changes.
pub(super) const LAST_VALUE: usize = 14;

/// Neighbours in the space of levels.
const PAST: usize = 100;
/// Neighbours in the space of forecasts.
const ALIKE: [usize; 4] = [250, 120, 30, 15];
/// Neighbours within an hour of the same time of day.
const SAME_HOUR: usize = 60;
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
    limits: [f32; 2],
    /// Quantiles of errors relative to their size, and of changes; as of `errors_at`.
    errors: [Vec<f32>; 5],
    errors_at: Option<usize>,
}

impl Members {
    pub(super) fn new() -> Self {
        Self { limits: [f32::INFINITY; 2], errors: Default::default(), errors_at: None }
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
        self.past(view, t, from, to, room, said)?;
        self.alike(view, t, from, to, room, said)?;
        same_hour(view, t, from, to, room, said)?;
        self.by_errors(view, t, from, to, room, said)
    }

    /// The past by its levels.
    fn past(
        &mut self,
        view: &View<'_>,
        t: usize,
        from: usize,
        to: usize,
        room: &mut Room,
        said: &mut Vec<f32>,
    ) -> Option<()> {
        let (track, profile, h) = (view.track, view.profile, view.lead);
        let here = |column: &'_ Column<f32>, scale: f32| Some((column.get(t)?, scale));
        let mut keys = Vec::with_capacity(10);
        for (column, scale) in [
            (&track.z, 1.0),
            (&track.mean3, 1.0),
            (&track.mean_hour, 1.0),
            (&track.mean_3h, 0.7),
            (&track.max_hour, 0.5),
        ] {
            let (now, scale) = here(column, scale)?;
            keys.push(Key { rows: column.rows(from..to), now, scale });
        }
        let ahead = [(&profile.both, 1.5), (&profile.week, 1.0), (&track.sine, 0.3), (&track.cosine, 0.3)];
        for (column, scale) in ahead {
            keys.extend(shifted(column, from, to, t, h, scale));
        }
        keys.extend(shifted(&profile.both, from, to, t, 0, 0.7));
        search(view, &keys, from, to, t, PAST, &mut self.limits[0], room);
        let Room { found, fresh, weights, pairs, .. } = room;
        analog::weights(found, fresh, PAST, weights);
        for base in [None, Some(&track.z), Some(&view.base.smoothers)] {
            read(view, found, weights, pairs, t, |s| base.map_or(Some(0.0), |base| base.get(s)), said);
        }
        Some(())
    }

    /// The past by what was forecast of it.
    fn alike(
        &mut self,
        view: &View<'_>,
        t: usize,
        from: usize,
        to: usize,
        room: &mut Room,
        said: &mut Vec<f32>,
    ) -> Option<()> {
        let (track, base, h) = (view.track, view.base, view.lead);
        let mut keys = Vec::with_capacity(9);
        for (column, scale) in [
            (&base.smoothers, 1.0),
            (&base.ridge, 1.0),
            (&base.season, 1.0),
            (&track.z, 0.5),
            (&track.mean3, 0.5),
            (&track.max_hour, 0.3),
            (&base.size, 0.45),
        ] {
            keys.push(Key { rows: column.rows(from..to), now: column.get(t)?, scale });
        }
        for column in [&track.sine, &track.cosine] {
            keys.extend(shifted(column, from, to, t, h, 0.2));
        }
        search(view, &keys, from, to, t, ALIKE[0], &mut self.limits[1], room);
        let Room { found, fresh, weights, pairs, local, .. } = room;
        let average = |s: usize| base.mixed.get(s);
        let level = |_: usize| Some(0.0);
        analog::weights(found, fresh, ALIKE[0], weights);
        read(view, found, weights, pairs, t, average, said);
        analog::weights(found, fresh, ALIKE[1], weights);
        read(view, found, weights, pairs, t, level, said);
        read(view, found, weights, pairs, t, average, said);
        read(view, found, weights, pairs, t, |s| base.smoothers.get(s), said);
        analog::weights(found, fresh, ALIKE[2], weights);
        read(view, found, weights, pairs, t, level, said);
        read(view, found, weights, pairs, t, average, said);
        analog::weights(found, fresh, ALIKE[3], weights);
        read(view, found, weights, pairs, t, level, said);
        analog::weights(found, fresh, ALIKE[0], weights);
        regressed(view, found, weights, local, pairs, t, said)
    }

    /// Past errors of point forecasts relative to their expected size; past changes.
    fn by_errors(
        &mut self,
        view: &View<'_>,
        t: usize,
        from: usize,
        to: usize,
        room: &mut Room,
        said: &mut Vec<f32>,
    ) -> Option<()> {
        let (track, base, h) = (view.track, view.base, view.lead);
        let base_size = |s: usize| Some(base.size.get(s)?.exp());
        let hourly = view.season.buckets(3600);
        if self.errors_at.is_none_or(|at| t >= at + hourly) || self.errors[0].len() != view.quantiles.len() {
            let days = if view.season.step_s() < 1800 { 7 } else { 28 };
            let span = days * view.season.per_day;
            let since = (t + 1).saturating_sub(span + h).max(from);
            let half_life = 0.5 * span as f32;
            for (kind, quantiles) in self.errors.iter_mut().enumerate() {
                room.pairs.clear();
                for s in since..to {
                    let (Some(z), Some(y)) = (track.z.get(s), track.z.get(s + h)) else { continue };
                    if track.gap.get(s) != Some(0.0) || track.gap.get(s + h) != Some(0.0) {
                        continue;
                    }
                    let relative = |base: &Column<f32>| Some((y - base.get(s)?) / base_size(s)?);
                    let error = match kind {
                        0 => relative(&base.mixed)?,
                        1 => y - z,
                        2 => relative(&base.smoothers)?,
                        3 => relative(&base.ridge)?,
                        _ => relative(&base.season)?,
                    };
                    let weight = (-((t - s) as f32) / half_life).exp2();
                    room.pairs.push(Weighted::new(error, weight));
                    if kind == 1 && t < 2 * view.season.per_day {
                        // Morning has been rising so far; that says nothing of noon.
                        room.pairs.push(Weighted::new(-error, weight));
                    }
                }
                quantiles.clear();
                analog::quantiles(&mut room.pairs, view.quantiles, quantiles);
            }
            self.errors_at = Some(t);
        }
        let (size, z) = (base_size(t)?, track.z.get(t)?);
        let sources = [
            (base.mixed.get(t)?, size),
            (z, 1.0),
            (base.smoothers.get(t)?, size),
            (base.ridge.get(t)?, size),
            (base.season.get(t)?, size),
        ];
        for ((middle, size), errors) in sources.into_iter().zip(&self.errors) {
            said.extend(errors.iter().map(|error| middle + size * error));
        }
        Some(())
    }
}

/// Quantiles of what came after neighbours, corrected for how they differ from now.
fn regressed(
    view: &View<'_>,
    found: &[Neighbour],
    weights: &[f32],
    local: &mut Local,
    pairs: &mut Vec<Weighted>,
    t: usize,
    said: &mut Vec<f32>,
) -> Option<()> {
    let (track, base, profile, h) = (view.track, view.base, view.profile, view.lead);
    let levels = |s: usize| -> Option<[f32; local::COUNT]> {
        let middle = base.mixed.get(s)?;
        let season = |column: &Column<f32>| column.get(s + h).filter(|z| z.is_finite()).map_or(0.0, |z| z - middle);
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
    };
    let here = levels(t)?;
    local.clear();
    for ((_, s), weight) in found.iter().zip(weights) {
        if let (Some(there), Some(came), Some(middle)) = (levels(*s), track.z.get(s + h), base.mixed.get(*s)) {
            local.add(std::array::from_fn(|i| there[i] - here[i]), came - middle, *weight);
        }
    }
    pairs.clear();
    pairs.extend(local.corrected().map(|(miss, weight)| Weighted::new(here[0] + miss, weight)));
    analog::quantiles(pairs, view.quantiles, said);
    Some(())
}

/// The past within an hour of the same time of day, by its distance from the season.
fn same_hour(view: &View<'_>, t: usize, from: usize, to: usize, room: &mut Room, said: &mut Vec<f32>) -> Option<()> {
    let (track, profile, base, h) = (view.track, view.profile, view.base, view.lead);
    let hour = view.season.buckets(3600);
    let season_of = |i: usize| profile.both.get(i).filter(|z| z.is_finite());
    let keys = |s: usize| {
        let season = season_of(s).unwrap_or(0.0);
        let place = track.places.get(s + h)?;
        Some([
            track.z.get(s)? - season,
            track.mean3.get(s)? - season,
            0.7 * (track.mean_3h.get(s)? - season),
            0.5 * base.mixed.get(s)?,
            0.5 * track.z.get(s)?,
            if place.weekday >= 5 { 0.5 } else { 0.0 },
            0.2 * track.sine.get(s + h)?,
            0.2 * track.cosine.get(s + h)?,
        ])
    };
    let now = keys(t)?;
    let offset = track.places.get(t)?.offset;
    room.found.clear();
    for days in 0..=(t - from) / view.season.per_day + 1 {
        let then = t.checked_sub(days * view.season.per_day).and_then(|i| track.places.get(i));
        let Some(centre) = view.season.back(t, days, offset, then.map_or(offset, |place| place.offset)) else { break };
        for s in centre.saturating_sub(hour).max(from)..(centre + hour + 1).min(to) {
            let barrier = track.gap.get(s)? + track.gap.get(s + h)?;
            if barrier > 0.0 || (season_of(s).is_none() && season_of(t).is_some()) {
                continue;
            }
            let there = keys(s)?;
            let distance: f32 = now.iter().zip(there).map(|(a, b)| (a - b) * (a - b)).sum();
            room.found.push((distance, s));
        }
    }
    let Room { found, fresh, weights, pairs, near, .. } = room;
    if found.len() < ENOUGH {
        // Younger than a few days: all moments count.
        std::mem::swap(found, near);
    }
    analog::select(found, SAME_HOUR);
    analog::freshness(found, t, half_life(view), fresh);
    analog::weights(found, fresh, SAME_HOUR, weights);
    read(view, found, weights, pairs, t, |_| Some(0.0), said);
    read(view, found, weights, pairs, t, |s| base.mixed.get(s), said);
    Some(())
}

fn half_life(view: &View<'_>) -> f32 {
    HALF_LIFE_DAYS * view.season.per_day as f32
}

/// A key read `ahead` buckets later; none while it is not known now.
fn shifted(column: &Column<f32>, from: usize, to: usize, t: usize, ahead: usize, scale: f32) -> Option<Key<'_>> {
    let now = column.get(t + ahead).filter(|now| now.is_finite())?;
    let rows = column.rows(from + ahead..to + ahead);
    (rows.len() == to - from).then_some(Key { rows, now, scale })
}

/// Finds the `k` nearest into `room.found`.
#[expect(clippy::too_many_arguments, reason = "one search, many bounds")]
fn search(
    view: &View<'_>,
    keys: &[Key<'_>],
    from: usize,
    to: usize,
    t: usize,
    k: usize,
    limit: &mut f32,
    room: &mut Room,
) {
    let gap = &view.track.gap;
    let barriers = [gap.rows(from..to), gap.rows(from + view.lead..to + view.lead)];
    analog::scan(keys, barriers, from..to, &mut room.distances);
    analog::nearest(&room.distances, from, k, *limit, &mut room.found);
    *limit = room.found.last().map_or(f32::INFINITY, |(farthest, _)| 2.0 * farthest + 1e-3);
    analog::freshness(&room.found, t, half_life(view), &mut room.fresh);
    room.near.clear();
    room.near.extend_from_slice(&room.found);
}

/// Quantiles of base(t) + what came after each neighbour − base(neighbour).
fn read(
    view: &View<'_>,
    found: &[Neighbour],
    weights: &[f32],
    pairs: &mut Vec<Weighted>,
    t: usize,
    base: impl Fn(usize) -> Option<f32>,
    said: &mut Vec<f32>,
) {
    let now = base(t).unwrap_or(0.0);
    pairs.clear();
    for ((_, s), weight) in found.iter().zip(weights) {
        if let (Some(came), Some(then)) = (view.track.z.get(s + view.lead), base(*s)) {
            pairs.push(Weighted::new(now + came - then, *weight));
        }
    }
    analog::quantiles(pairs, view.quantiles, said);
}
