//! The regression among neighbors: what it reads of them, and what it corrects for.

use fearless_simd::dispatch;

use super::column::Column;
use super::local_regression::{self, LocalRegression};
use super::neighbors::Neighbors;
use super::past::{Past, Scratch, View};

/// Columns that are read at a time.
const TOGETHER: usize = 4;

impl Past<'_> {
    /// Quantiles of what came after the `k` nearest, corrected for how they differ from now.
    pub(super) fn regress(
        &self,
        k: usize,
        scratch: &mut Scratch,
        out: &mut Vec<f32>,
    ) -> Option<()> {
        let Scratch { processor, nearest, weights, values, ridges, local, reader, .. } = scratch;
        let (Neighbors { buckets, distances }, farthest) = nearest.of(*processor, k);
        self.weigh(buckets, distances, farthest, weights);
        let now = self.levels(self.t)?;
        self.gather(buckets, local, values, ridges);
        let middles = &mut *values;
        dispatch!(processor.level(), simd => {
            differ(now, middles, ridges, local);
            local.correct(simd, weights);
            middles.iter_mut().zip(&local.missed).for_each(|(value, miss)| *value = now[0] + miss);
        });
        reader.read(*processor, values, weights, self.view.quantiles, out);
        Some(())
    }

    /// Reads at some buckets what they differ from now by, as it was then.
    fn gather(
        &self,
        buckets: &[u32],
        local: &mut LocalRegression,
        middles: &mut Vec<f32>,
        ridge: &mut Vec<f32>,
    ) {
        let View { features, base, profile, lead, .. } = self.view;
        let LocalRegression {
            off: [_, smoothers, season, z, mean3, mean_hour, max_hour, day, week, size],
            missed,
            ..
        } = local;
        let point =
            [&base.mixed, &base.smoothers, &base.ridge, &base.season].map(|column| (column, 0));
        gather(point, buckets, [middles, smoothers, ridge, season]);
        let levels = [&base.size, &features.z, &features.mean3, &features.mean_hour]
            .map(|column| (column, 0));
        gather(levels, buckets, [size, z, mean3, mean_hour]);
        let others = [
            (&features.max_hour, 0),
            (&features.z, *lead),
            (&profile.day, *lead),
            (&profile.week, *lead),
        ];
        gather(others, buckets, [max_hour, missed, day, week]);
    }

    /// What a regression among neighbors corrects for: the forecast, and how far levels and seasons
    /// were from it.
    fn levels(&self, s: usize) -> Option<[f32; local_regression::COUNT]> {
        let View { features, base, profile, .. } = self.view;
        let middle = base.mixed.get(s)?;
        let ahead = s + self.view.lead;
        let season = |column: &Column<f32>| {
            column.get(ahead).filter(|z| z.is_finite()).map_or(0.0, |z| z - middle)
        };
        Some([
            middle,
            base.smoothers.get(s)? - base.ridge.get(s)?,
            base.season.get(s)? - middle,
            features.z.get(s)? - middle,
            features.mean3.get(s)? - middle,
            features.mean_hour.get(s)? - middle,
            features.max_hour.get(s)? - middle,
            season(&profile.day),
            season(&profile.week),
            base.size.get(s)?,
        ])
    }
}

/// From what was gathered to how it differs from `now`; what came, from what was forecast.
#[inline(always)]
fn differ(
    now: [f32; local_regression::COUNT],
    middles: &[f32],
    ridge: &[f32],
    local: &mut LocalRegression,
) {
    let LocalRegression {
        off: [forecast, smoothers, season, z, mean3, mean_hour, max_hour, day, week, size],
        missed,
        ..
    } = local;
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
    size.iter_mut().for_each(|size| *size -= now[local_regression::COUNT - 1]);
    missed.iter_mut().zip(middles).for_each(|(came, middle)| *came -= middle);
}

/// Reads columns, each so many buckets ahead, at some buckets.
fn gather(
    columns: [(&Column<f32>, usize); TOGETHER],
    buckets: &[u32],
    out: [&mut Vec<f32>; TOGETHER],
) {
    let columns = columns
        .map(|(column, ahead)| (column.rows(column.first()..column.end()), column.first(), ahead));
    let first =
        columns.iter().map(|(_, first, ahead)| first.saturating_sub(*ahead)).max().unwrap_or(0);
    let columns = columns.map(|(rows, from, ahead)| {
        rows.get((first + ahead).saturating_sub(from)..).unwrap_or_default()
    });
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
