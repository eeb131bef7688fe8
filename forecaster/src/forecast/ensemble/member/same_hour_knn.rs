//! Neighbors around the same time of day, by their distance from the season.

use std::ops::Range;

use super::super::neighbors;
use super::super::past::{ENOUGH, Past, Scratch};
use super::{Label, Member, Predictions};

/// Neighbors whose quantiles are read.
const NEAREST: usize = 60;
/// Neighbors in the regression.
const REGRESSED: usize = 150;
/// How far weekdays are from weekends.
const WEEKEND: f32 = 0.5;

const BY_LEVEL: Label = Label::new("same hour level");
const BY_ERROR: Label = Label::new("same hour");
const BY_REGRESSION: Label = Label::new("same hour regressed");

#[derive(Debug, Clone)]
pub(super) struct SameHourKnn {
    /// Squared distance within which neighbors are expected.
    limit: f32,
}

impl Default for SameHourKnn {
    fn default() -> Self {
        Self { limit: f32::INFINITY }
    }
}

impl Member for SameHourKnn {
    fn labels(&self) -> &'static [Label] {
        &[BY_LEVEL, BY_ERROR, BY_REGRESSION]
    }

    fn predict(
        &mut self,
        past: &Past<'_>,
        scratch: &mut Scratch,
        out: &mut Predictions<'_>,
    ) -> Option<()> {
        self.search(past, scratch)?;
        past.read(NEAREST, None, scratch, out.next(BY_LEVEL));
        past.read(NEAREST, Some(&past.view.base.mixed), scratch, out.next(BY_ERROR));
        past.regress(REGRESSED, scratch, out.next(BY_REGRESSION))
    }
}

impl SameHourKnn {
    fn search(&mut self, past: &Past<'_>, scratch: &mut Scratch) -> Option<()> {
        scratch.hours.measure(past, &mut scratch.known)?;
        let now = Now::new(past)?;
        now.closer(past, self.limit, scratch);
        if scratch.found.len() < REGRESSED && self.limit < f32::INFINITY {
            now.closer(past, f32::INFINITY, scratch);
        }
        if scratch.found.len() < ENOUGH {
            // Younger than a few days: all moments count.
            past.stand_in(REGRESSED, scratch);
            self.limit = f32::INFINITY;
            return Some(());
        }
        let guess = neighbors::unexpected(self.limit);
        let farthest = past.select(REGRESSED, guess, scratch);
        self.limit = farthest.map_or(f32::INFINITY, neighbors::expected);
        Some(())
    }
}

/// Where now lies for a lead: by what was forecast and the weekday of the target.
struct Now {
    forecast: f32,
    weekend: f32,
}

impl Now {
    fn new(past: &Past<'_>) -> Option<Self> {
        let weekend = past.view.features.weekend.get(past.t + past.view.lead)?;
        Some(Self { forecast: past.view.base.mixed.get(past.t)?, weekend })
    }

    /// All moments around the same time of day that are closer than `limit`.
    fn closer(&self, past: &Past<'_>, limit: f32, scratch: &mut Scratch) {
        let Scratch { hours, found, values, .. } = scratch;
        let mut shared = &hours.distances[..];
        found.fill(shared.len(), |buckets, distances| {
            let mut kept = 0;
            for day in &hours.days {
                let of_day;
                (of_day, shared) = shared.split_at(day.len());
                let rows = day.start..day.end.min(past.rows.end);
                self.measure(past, rows.clone(), of_day, values);
                for (i, distance) in (rows.start as u32..).zip(&*values) {
                    // Overwritten by the next one if it is too far: that is quicker than to branch.
                    (buckets[kept], distances[kept]) = (i, *distance);
                    kept += usize::from(*distance < limit);
                }
            }
            kept
        });
    }

    /// Squared distances of some rows, of which those that leads share are known; NaN or infinite
    /// for those that do not count.
    fn measure(
        &self,
        past: &Past<'_>,
        rows: Range<usize>,
        shared: &[f32],
        distances: &mut Vec<f32>,
    ) {
        let (features, h) = (past.view.features, past.view.lead);
        let ahead = rows.start + h..rows.end + h;
        let own = past.view.base.mixed.rows(rows).iter().zip(features.weekend.rows(ahead.clone()));
        distances.clear();
        distances.extend(shared.iter().zip(own).map(|(shared, (forecast, weekend))| {
            let apart = [0.5 * (forecast - self.forecast), WEEKEND * (weekend - self.weekend)];
            shared + apart[0] * apart[0] + apart[1] * apart[1]
        }));
        if past.gappy() {
            distances.iter_mut().zip(features.gap.rows(ahead)).for_each(|(sum, gap)| *sum += gap);
        }
    }
}
