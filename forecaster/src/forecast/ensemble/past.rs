//! The past as a lead's members look at it: which rows are searched for moments like now, how far
//! they are, and what came after the nearest.

use std::ops::Range;

use super::base::Base;
use super::column::Column;
use super::features::Features;
use super::hours::Hours;
use super::knn::{self, Common, Fading, Key, Keys, Limit};
use super::local_regression::LocalRegression;
use super::neighbors::{Nearest, Neighbors};
use super::profile::Profile;
use super::quantile::Reader;
use super::simd::Processor;
use crate::forecast::season::Season;

/// With fewer pairs of observed buckets a lead apart nothing is predicted. With fewer neighbors in
/// its own space, a member takes the nearest by forecast.
pub(super) const ENOUGH: usize = 20;

/// Rows that are searched for moments like the newest: those of the last `window` for which it is
/// known what came `lead` buckets later.
pub(super) fn searched(features: &Features, window: usize, lead: usize) -> Range<usize> {
    let end = features.len();
    let from = end.saturating_sub(window).max(features.z.first());
    from..end.saturating_sub(lead).max(from)
}

/// Everything a lead's members look at.
pub(super) struct View<'a> {
    pub features: &'a Features,
    pub profile: &'a Profile,
    pub base: &'a Base,
    pub season: &'a Season,
    pub lead: usize,
    /// Rows searched.
    pub window: usize,
    pub quantiles: &'a [f32],
}

/// The newest bucket, and the rows that are searched for moments like it.
pub(super) struct Past<'a> {
    pub view: &'a View<'a>,
    pub t: usize,
    pub rows: Range<usize>,
    pub fading: &'a Fading,
    /// Which of [`Scratch::spaces`] the member measures.
    pub space: usize,
}

/// What the searches of one bucket work in, and what the first lead leaves for the others.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub processor: Processor,
    /// Distances along the keys that leads share, by member.
    pub spaces: Vec<Common>,
    pub known: Known,
    pub hours: Hours,
    /// What a search has found.
    pub found: Neighbors,
    /// The nearest of those, which are read.
    pub nearest: Nearest,
    /// The nearest by forecast.
    pub by_forecast: Neighbors,
    pub weights: Vec<f32>,
    pub values: Vec<f32>,
    pub ridges: Vec<f32>,
    pub local: LocalRegression,
    pub reader: Reader,
}

impl Scratch {
    pub(super) fn on(processor: Processor) -> Self {
        Self { processor, ..Self::default() }
    }
}

/// Squared distances from now that several searches look at, from a bucket on.
#[derive(Debug, Default)]
pub(super) struct Known {
    from: Option<usize>,
    /// Of the time of day: the distance of the targets' is the same, but where clocks change
    /// between.
    clock: Vec<f32>,
    level: Vec<f32>,
}

impl Past<'_> {
    /// The rows up to now: what comes after the last ones is not known.
    pub(super) fn with_present(&self) -> Self {
        Past { rows: self.rows.start..self.t + 1, ..*self }
    }

    /// A column as it was and as it is.
    pub(super) fn key<'a>(&self, column: &'a Column<f32>, scale: f32) -> Option<Key<'a>> {
        Some(Key { rows: column.rows(self.rows.clone()), now: column.get(self.t)?, scale })
    }

    /// A key read `ahead` buckets later; none while it is not known now.
    pub(super) fn shifted<'a>(
        &self,
        column: &'a Column<f32>,
        ahead: usize,
        scale: f32,
    ) -> Option<Key<'a>> {
        let now = column.get(self.t + ahead).filter(|now| now.is_finite())?;
        let rows = column.rows(self.rows.start + ahead..self.rows.end + ahead);
        (rows.len() == self.rows.len()).then_some(Key { rows, now, scale })
    }

    /// A key that says nothing.
    pub(super) fn nothing(&self) -> Option<Key<'_>> {
        self.key(&self.view.features.z, 0.0)
    }

    /// Whether there are gaps among the rows up to now.
    pub(super) fn gappy(&self) -> bool {
        self.view.features.last_gap.is_some_and(|gap| gap >= self.rows.start)
    }

    /// What is known of the distances of rows up to now, by weights of the time of day and of the
    /// level; gaps are infinitely far.
    pub(super) fn known<'a>(
        &'a self,
        (clock, level): (f32, f32),
        known: &'a mut Known,
    ) -> Option<[knn::Known<'a>; 3]> {
        let (features, rows) = (self.view.features, self.rows.start..self.t + 1);
        if known.from.is_none_or(|from| from > rows.start) {
            known.from = Some(rows.start);
            let (sine, cosine, z) =
                (features.sine.get(self.t)?, features.cosine.get(self.t)?, features.z.get(self.t)?);
            let angles =
                features.sine.rows(rows.clone()).iter().zip(features.cosine.rows(rows.clone()));
            known.clock.clear();
            known
                .clock
                .extend(angles.map(|(s, c)| (s - sine) * (s - sine) + (c - cosine) * (c - cosine)));
            known.level.clear();
            known.level.extend(features.z.rows(rows.clone()).iter().map(|x| (x - z) * (x - z)));
        }
        let skipped = rows.start - known.from.unwrap_or(0);
        let of = |column: &'a [f32], scale: f32| Some((column.get(skipped..)?, scale * scale));
        let gap = self.gappy().then(|| (features.gap.rows(rows), 1.0));
        Some([of(&known.clock, clock).filter(|_| clock > 0.0), of(&known.level, level), gap])
    }

    /// Measures the distances of all rows up to now along the keys that leads of a `kind` have in
    /// common (as differences from `less`, if given), the time of day and the level, by their
    /// weights. The first lead of the kind does it for all.
    pub(super) fn measure<const K: usize>(
        &self,
        kind: usize,
        common: [Key<'_>; K],
        less: Option<&[f32]>,
        weights: (f32, f32),
        scratch: &mut Scratch,
    ) -> Option<()> {
        let Scratch { processor, spaces, known, .. } = scratch;
        let known = self.known(weights, known)?;
        let keys = Keys::new(common, less);
        spaces.get_mut(self.space)?.measure(*processor, (self.rows.start, kind), &keys, known);
        Some(())
    }

    /// Finds the nearest `k` in the space that is measured already, along the lead's `own` keys
    /// besides. `limit` is how far they are expected, and becomes that for the next bucket.
    pub(super) fn search<const K: usize>(
        &self,
        own: [Key<'_>; K],
        less: Option<&[f32]>,
        k: usize,
        limit: &mut Limit,
        scratch: &mut Scratch,
    ) {
        let ahead = self.rows.start + self.view.lead..self.rows.end + self.view.lead;
        let gap = self.gappy().then(|| self.view.features.gap.rows(ahead));
        let Scratch { processor, spaces, found, nearest, .. } = scratch;
        let Some(common) = spaces.get_mut(self.space) else { return };
        let guess = common.guess(*limit);
        common.nearest(*processor, &Keys::new(own, less), gap, k, *limit, found);
        let farthest = nearest.select(*processor, found, k, guess);
        *limit = farthest.map_or(Limit::default(), |farthest| common.limit(farthest));
    }

    /// Selects the nearest of what was found as the neighbors that are read. The squared distance
    /// of the farthest; `None` if there are fewer.
    pub(super) fn select(&self, k: usize, guess: f32, scratch: &mut Scratch) -> Option<f32> {
        scratch.nearest.select(scratch.processor, &scratch.found, k, guess)
    }

    /// Selects the nearest by forecast as the neighbors that are read.
    pub(super) fn stand_in(&self, k: usize, scratch: &mut Scratch) {
        scratch.nearest.select(scratch.processor, &scratch.by_forecast, k, 0.0);
    }

    /// Weights of neighbors: near and young ones count more.
    pub(super) fn weigh(
        &self,
        buckets: &[u32],
        distances: &[f32],
        farthest: f32,
        out: &mut Vec<f32>,
    ) {
        let scale = 1.0 / farthest.max(1e-9);
        out.clear();
        out.extend(buckets.iter().zip(distances).map(|(bucket, distance)| {
            let near = 1.0 - distance * scale;
            (if near > 0.0 { near } else { 0.0 } + 0.05)
                * self.fading.after(self.t - *bucket as usize)
        }));
    }

    /// Quantiles of what came after the `k` nearest, or of base(now) + what came − base(then).
    pub(super) fn read(
        &self,
        k: usize,
        base: Option<&Column<f32>>,
        scratch: &mut Scratch,
        out: &mut Vec<f32>,
    ) {
        let Scratch { processor, nearest, weights, values, reader, .. } = scratch;
        let (Neighbors { buckets, distances }, farthest) = nearest.of(*processor, k);
        self.weigh(buckets, distances, farthest, weights);
        let came = rows(&self.view.features.z, self.view.lead);
        values.clear();
        if let Some(base) = base {
            let (now, then) = (base.get(self.t).unwrap_or(0.0), rows(base, 0));
            values.extend(buckets.iter().map(move |bucket| now + came(*bucket) - then(*bucket)));
        } else {
            values.extend(buckets.iter().map(move |bucket| came(*bucket)));
        }
        reader.read(*processor, values, weights, self.view.quantiles, out);
    }
}

/// Reads a column `ahead` of buckets.
fn rows(column: &Column<f32>, ahead: usize) -> impl Fn(u32) -> f32 + Copy {
    let (rows, moved) =
        (column.rows(column.first()..column.end()), ahead.wrapping_sub(column.first()));
    move |bucket| rows.get((bucket as usize).wrapping_add(moved)).copied().unwrap_or(0.0)
}
