//! The members: quantiles at one lead from neighbours in five spaces and from past errors, all in log space.

mod alike;
mod errors;
mod past;
mod same_hour;
mod shape;

use std::ops::Range;

use fearless_simd::dispatch;

use super::analog::{self, Common, Fading, Key, Keys, Limit};
use super::base::Base;
use super::column::Column;
use super::lanes::Processor;
use super::local::{self, Local};
use super::nearest::{Moments, Nearest};
use super::quantile::Reader;
use super::track::{Profile, Track};
use crate::forecast::season::Season;
use errors::Errors;
use same_hour::Hours;

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
/// With fewer pairs of observed buckets a lead apart nothing is said. With fewer neighbours in its
/// own space, a member takes those of another.
pub(super) const ENOUGH: usize = 20;

/// Rows that are searched for moments like the newest: those of the last `window` for which it is
/// known what came `lead` buckets later.
pub(super) fn searched(track: &Track, window: usize, lead: usize) -> Range<usize> {
    let end = track.len();
    let from = end.saturating_sub(window).max(track.z.first());
    from..end.saturating_sub(lead).max(from)
}

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
    processor: Processor,
    common: [Common; SEARCHES],
    known: Known,
    hours: Hours,
    found: Moments,
    nearest: Nearest,
    /// The nearest by forecast.
    near: Moments,
    weights: Vec<f32>,
    values: Vec<f32>,
    ridges: Vec<f32>,
    local: Local,
    reader: Reader,
}

impl Room {
    pub(super) fn on(processor: Processor) -> Self {
        Self { processor, ..Self::default() }
    }
}

/// Squared distances from now that several searches look at, from a bucket on.
#[derive(Debug, Default)]
struct Known {
    from: Option<usize>,
    /// Of the time of day: what the distance of the targets' is as well, but where clocks change on the way.
    clock: Vec<f32>,
    level: Vec<f32>,
}

/// Columns that are read at a time.
const TOGETHER: usize = 4;
/// Searches over all rows.
const SEARCHES: usize = 4;

/// What a lead's members keep between buckets.
#[derive(Debug, Clone)]
pub(super) struct Members {
    /// Distances beyond which no neighbour is expected, by search.
    limits: [Limit; SEARCHES],
    hour_limit: f32,
    fading: Fading,
    errors: Errors,
}

impl Members {
    /// Members that look back `window` buckets.
    pub(super) fn new(window: usize, per_day: usize) -> Self {
        Self {
            limits: [Limit::NONE; SEARCHES],
            hour_limit: f32::INFINITY,
            fading: Fading::new(HALF_LIFE_DAYS * per_day as f32, window),
            errors: Errors::default(),
        }
    }

    /// Quantiles by member in log space, appended to `said`; all are finite. `None` until there are
    /// [`ENOUGH`] pairs of observed buckets a lead apart to look at.
    pub(super) fn say(&mut self, view: &View<'_>, room: &mut Room, said: &mut Vec<f32>) -> Option<()> {
        let track = view.track;
        let t = track.len().checked_sub(1)?;
        let rows = searched(track, view.window, view.lead);
        if track.pairs(rows.clone(), view.lead, ENOUGH) < ENOUGH {
            return None;
        }
        let past = Past { view, t, rows, fading: &self.fading };
        let [by_level, by_forecast, by_long_level, by_shape] = &mut self.limits;
        past::say(&past, by_level, room, said)?;
        alike::say(&past, by_forecast, room, said)?;
        same_hour::say(&past, &mut self.hour_limit, room, said)?;
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
        Some(Key { rows: column.rows(self.rows.clone()), now: column.get(self.t)?, scale })
    }

    /// A key read `ahead` buckets later; none while it is not known now.
    fn shifted<'a>(&self, column: &'a Column<f32>, ahead: usize, scale: f32) -> Option<Key<'a>> {
        let now = column.get(self.t + ahead).filter(|now| now.is_finite())?;
        let rows = column.rows(self.rows.start + ahead..self.rows.end + ahead);
        (rows.len() == self.rows.len()).then_some(Key { rows, now, scale })
    }

    /// A key that says nothing.
    fn nothing(&self) -> Option<Key<'_>> {
        self.key(&self.view.track.z, 0.0)
    }

    /// Whether there are gaps among the rows up to now.
    fn gappy(&self) -> bool {
        self.view.track.last_gap.is_some_and(|gap| gap >= self.rows.start)
    }

    /// What is known of the distances of rows up to now, by weights of the time of day and of the level; gaps are
    /// infinitely far.
    fn known<'a>(&'a self, clock: f32, level: f32, known: &'a mut Known) -> Option<[analog::Known<'a>; 3]> {
        let (track, rows) = (self.view.track, self.rows.start..self.t + 1);
        if known.from.is_none_or(|from| from > rows.start) {
            known.from = Some(rows.start);
            let (sine, cosine, z) = (track.sine.get(self.t)?, track.cosine.get(self.t)?, track.z.get(self.t)?);
            let angles = track.sine.rows(rows.clone()).iter().zip(track.cosine.rows(rows.clone()));
            known.clock.clear();
            known.clock.extend(angles.map(|(s, c)| (s - sine) * (s - sine) + (c - cosine) * (c - cosine)));
            known.level.clear();
            known.level.extend(track.z.rows(rows.clone()).iter().map(|x| (x - z) * (x - z)));
        }
        let skipped = rows.start - known.from.unwrap_or(0);
        let of = |column: &'a [f32], scale: f32| Some((column.get(skipped..)?, scale * scale));
        let gap = self.gappy().then(|| (track.gap.rows(rows), 1.0));
        Some([of(&known.clock, clock).filter(|_| clock > 0.0), of(&known.level, level), gap])
    }

    /// Finds the nearest `k` in the space of a search that is measured already, along the lead's `own` keys
    /// besides. `limit` is how far they are expected, and becomes that for the next bucket.
    fn search<const K: usize>(
        &self,
        i: usize,
        own: [Key<'_>; K],
        less: Option<&[f32]>,
        k: usize,
        limit: &mut Limit,
        room: &mut Room,
    ) {
        let ahead = self.rows.start + self.view.lead..self.rows.end + self.view.lead;
        let gap = self.gappy().then(|| self.view.track.gap.rows(ahead));
        let Room { processor, common, found, nearest, .. } = room;
        let Some(common) = common.get_mut(i) else { return };
        let guess = common.guess(*limit);
        common.nearest(*processor, &Keys::new(own, less), gap, k, *limit, found);
        let farthest = nearest.select(*processor, found, k, guess);
        *limit = farthest.map_or(Limit::NONE, |farthest| common.limit(farthest));
    }

    /// Selects the nearest of what was found as the neighbours that are read. The squared distance of the farthest.
    fn select(&self, k: usize, guess: f32, room: &mut Room) -> Option<f32> {
        room.nearest.select(room.processor, &room.found, k, guess)
    }

    /// Weights of neighbours: near and young ones count more.
    fn weigh(&self, buckets: &[u32], distances: &[f32], farthest: f32, out: &mut Vec<f32>) {
        let scale = 1.0 / farthest.max(1e-9);
        out.clear();
        out.extend(buckets.iter().zip(distances).map(|(bucket, distance)| {
            let near = 1.0 - distance * scale;
            (if near > 0.0 { near } else { 0.0 } + 0.05) * self.fading.after(self.t - *bucket as usize)
        }));
    }

    /// Quantiles of what came after the `k` nearest, or of base(now) + what came − base(then).
    fn read(&self, k: usize, base: Option<&Column<f32>>, room: &mut Room, said: &mut Vec<f32>) {
        let Room { processor, nearest, weights, values, reader, .. } = room;
        let (Moments { buckets, distances }, farthest) = nearest.of(*processor, k);
        self.weigh(buckets, distances, farthest, weights);
        let came = rows(&self.view.track.z, self.view.lead);
        values.clear();
        if let Some(base) = base {
            let (now, then) = (base.get(self.t).unwrap_or(0.0), rows(base, 0));
            values.extend(buckets.iter().map(move |bucket| now + came(*bucket) - then(*bucket)));
        } else {
            values.extend(buckets.iter().map(move |bucket| came(*bucket)));
        }
        reader.read(*processor, values, weights, self.view.quantiles, said);
    }

    /// Quantiles of what came after the `k` nearest, corrected for how they differ from now.
    fn regress(&self, k: usize, room: &mut Room, said: &mut Vec<f32>) -> Option<()> {
        let Room { processor, nearest, weights, values, ridges, local, reader, .. } = room;
        let (Moments { buckets, distances }, farthest) = nearest.of(*processor, k);
        self.weigh(buckets, distances, farthest, weights);
        let now = self.levels(self.t)?;
        self.gather(buckets, local, values, ridges);
        let middles = &mut *values;
        dispatch!(processor.level(), simd => {
            differ(now, middles, ridges, local);
            local.correct(simd, weights);
            middles.iter_mut().zip(&local.missed).for_each(|(value, miss)| *value = now[0] + miss);
        });
        reader.read(*processor, values, weights, self.view.quantiles, said);
        Some(())
    }

    /// Reads at some buckets what they differ from now by, as it was then.
    fn gather(&self, buckets: &[u32], local: &mut Local, middles: &mut Vec<f32>, ridge: &mut Vec<f32>) {
        let View { track, base, profile, lead, .. } = self.view;
        let Local { off: [_, smoothers, season, z, mean3, mean_hour, max_hour, day, week, size], missed, .. } = local;
        let point = [&base.mixed, &base.smoothers, &base.ridge, &base.season].map(|column| (column, 0));
        gather(point, buckets, [middles, smoothers, ridge, season]);
        let levels = [&base.size, &track.z, &track.mean3, &track.mean_hour].map(|column| (column, 0));
        gather(levels, buckets, [size, z, mean3, mean_hour]);
        let others = [(&track.max_hour, 0), (&track.z, *lead), (&profile.day, *lead), (&profile.week, *lead)];
        gather(others, buckets, [max_hour, missed, day, week]);
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

/// From what was gathered to how it differs from `now`; what came, from what was forecast.
#[inline(always)]
fn differ(now: [f32; local::COUNT], middles: &[f32], ridge: &[f32], local: &mut Local) {
    let Local { off: [forecast, smoothers, season, z, mean3, mean_hour, max_hour, day, week, size], missed, .. } =
        local;
    forecast.clear();
    forecast.extend(middles.iter().map(|middle| middle - now[0]));
    smoothers.iter_mut().zip(ridge).for_each(|(smoother, ridge)| *smoother -= *ridge + now[1]);
    for (level, now) in [season, z, mean3, mean_hour, max_hour].into_iter().zip(&now[2..]) {
        level.iter_mut().zip(middles).for_each(|(level, middle)| *level -= middle + now);
    }
    for (level, now) in [day, week].into_iter().zip(&now[7..]) {
        level.iter_mut().zip(middles).for_each(|(level, middle)| {
            // Both are computed: that is quicker than to branch.
            let apart = *level - middle - now;
            *level = if level.is_finite() { apart } else { -now };
        });
    }
    size.iter_mut().for_each(|size| *size -= now[local::COUNT - 1]);
    missed.iter_mut().zip(middles).for_each(|(came, middle)| *came -= middle);
}

/// Reads columns, each so many buckets ahead, at some buckets.
fn gather(columns: [(&Column<f32>, usize); TOGETHER], buckets: &[u32], out: [&mut Vec<f32>; TOGETHER]) {
    let columns = columns.map(|(column, ahead)| (column.rows(column.first()..column.end()), column.first(), ahead));
    let first = columns.iter().map(|(_, first, ahead)| first.saturating_sub(*ahead)).max().unwrap_or(0);
    let columns =
        columns.map(|(rows, from, ahead)| rows.get((first + ahead).saturating_sub(from)..).unwrap_or_default());
    let len = columns.iter().map(|rows| rows.len()).min().unwrap_or(0);
    // As long as the shortest, one by one: one look at a place is enough for all.
    let [a, b, c, d] = columns;
    let (a, b, c, d) = (&a[..len], &b[..len], &c[..len], &d[..len]);
    let [to_a, to_b, to_c, to_d] = out.map(|out| {
        out.resize(buckets.len(), 0.0);
        &mut out[..]
    });
    let to = to_a.iter_mut().zip(to_b).zip(to_c).zip(to_d);
    for (bucket, (((to_a, to_b), to_c), to_d)) in buckets.iter().zip(to) {
        let place = (*bucket as usize).wrapping_sub(first);
        if place < len {
            (*to_a, *to_b, *to_c, *to_d) = (a[place], b[place], c[place], d[place]);
        }
    }
}

/// Reads a column `ahead` of buckets.
fn rows(column: &Column<f32>, ahead: usize) -> impl Fn(u32) -> f32 + Copy {
    let (rows, moved) = (column.rows(column.first()..column.end()), ahead.wrapping_sub(column.first()));
    move |bucket| rows.get((bucket as usize).wrapping_add(moved)).copied().unwrap_or(0.0)
}
