//! Neighbors around the same time of day, with their distances along what leads share.

use std::ops::Range;

use super::past::{Known, Past};

/// Hours around the same time of day.
const HOURS: usize = 2;

/// Neighbors around the same time of day: their squared distances from now along what leads share.
#[derive(Debug, Default)]
pub(super) struct Hours {
    of: Option<(usize, usize)>,
    /// Buckets in a row, one such row for each day.
    pub days: Vec<Range<usize>>,
    pub distances: Vec<f32>,
}

impl Hours {
    /// By the distance of levels from the season, the level itself and the time of day. Does
    /// nothing if that was done.
    pub(super) fn measure(&mut self, past: &Past<'_>, known: &mut Known) -> Option<()> {
        let (season, features, t) = (past.view.season, past.view.features, past.t);
        let (profile, start) = (past.view.profile, past.rows.start);
        if self.of.replace((start, profile.reach)) == Some((start, profile.reach)) {
            return Some(());
        }
        self.days.clear();
        self.distances.clear();
        let offset = features.places.get(t)?.offset;
        // Never as far as the same time of another day, whose moments would count twice.
        let around = (HOURS * season.buckets(3600)).min((season.per_day - 1) / 2);
        let here = profile.both.get(t).filter(|z| z.is_finite());
        // Stands for a season that was not known.
        let unknown = if here.is_some() { f32::NAN } else { 0.0 };
        let off = |z: f32| z - here.unwrap_or(0.0);
        let columns = [&features.z, &features.mean3, &features.mean_3h];
        let [z, mean3, mean_3h] = columns.map(|column| column.get(t).map(off));
        let now = [z?, mean3?, mean_3h?];
        let known = past.known((0.2, 0.5), known)?;
        for days in 0..=(t - start) / season.per_day + 1 {
            let then = t.checked_sub(days * season.per_day).and_then(|i| features.places.get(i));
            let Some(center) =
                season.back(t, days, offset, then.map_or(offset, |place| place.offset))
            else {
                break;
            };
            let rows = center.saturating_sub(around).max(start)..(center + around + 1).min(t + 1);
            if rows.is_empty() {
                continue;
            }
            let from = self.distances.len();
            let [z, mean3, mean_3h] = columns.map(|column| column.rows(rows.clone()));
            let levels = profile.both.rows(rows.clone()).iter().zip(z).zip(mean3).zip(mean_3h);
            self.distances.extend(levels.map(|(((season, z), mean3), mean_3h)| {
                let season = if season.is_finite() { *season } else { unknown };
                let apart = [
                    z - season - now[0],
                    mean3 - season - now[1],
                    0.7 * (mean_3h - season - now[2]),
                ];
                apart[0] * apart[0] + apart[1] * apart[1] + apart[2] * apart[2]
            }));
            for (column, weight) in known.into_iter().flatten() {
                let column = column.get(rows.start - start..rows.end - start).unwrap_or_default();
                self.distances[from..]
                    .iter_mut()
                    .zip(column)
                    .for_each(|(sum, apart)| *sum += weight * apart);
            }
            self.days.push(rows);
        }
        Some(())
    }
}
