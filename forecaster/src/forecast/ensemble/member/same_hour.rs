//! The past around the same time of day, by its distance from the season.

use std::ops::Range;

use super::super::nearest;
use super::{ENOUGH, Known, Past, Room};

/// Hours around the same time of day.
const HOURS: usize = 2;
/// Neighbours whose quantiles are read.
const NEAREST: usize = 60;
/// Neighbours in the regression.
const REGRESSED: usize = 150;
/// How far weekdays are from weekends.
const WEEKEND: f32 = 0.5;

pub(super) fn say(past: &Past<'_>, limit: &mut f32, room: &mut Room, said: &mut Vec<f32>) -> Option<()> {
    let base = past.view.base;
    room.hours.measure(past, &mut room.known)?;
    let now = Now::new(past)?;
    now.closer(past, *limit, room);
    if room.found.len() < REGRESSED && *limit < f32::INFINITY {
        now.closer(past, f32::INFINITY, room);
    }
    let young = room.found.len() < ENOUGH;
    if young {
        // Younger than a few days: all moments count.
        room.found.copy(&room.near);
    }
    let farthest = past.select(REGRESSED, nearest::unexpected(*limit), room);
    *limit = farthest.filter(|_| !young).map_or(f32::INFINITY, nearest::expected);
    past.read(NEAREST, None, room, said);
    past.read(NEAREST, Some(&base.mixed), room, said);
    past.regress(REGRESSED, room, said)
}

/// Moments around the same time of day: their squared distances from now along what leads share.
#[derive(Debug, Default)]
pub(super) struct Hours {
    of: Option<(usize, usize)>,
    /// Buckets in a row, one such row for each day.
    days: Vec<Range<usize>>,
    distances: Vec<f32>,
}

impl Hours {
    /// By the distance of levels from the season, the level itself and the time of day. Does nothing if that was done.
    fn measure(&mut self, past: &Past<'_>, known: &mut Known) -> Option<()> {
        let (season, track, t) = (past.view.season, past.view.track, past.t);
        let (profile, start) = (past.view.profile, past.rows.start);
        if self.of.replace((start, profile.reach)) == Some((start, profile.reach)) {
            return Some(());
        }
        self.days.clear();
        self.distances.clear();
        let offset = track.places.get(t)?.offset;
        let around = HOURS * season.buckets(3600);
        let here = profile.both.get(t).filter(|z| z.is_finite());
        // Stands for a season that was not known.
        let unknown = if here.is_some() { f32::NAN } else { 0.0 };
        let off = |z: f32| z - here.unwrap_or(0.0);
        let columns = [&track.z, &track.mean3, &track.mean_3h];
        let [z, mean3, mean_3h] = columns.map(|column| column.get(t).map(off));
        let now = [z?, mean3?, mean_3h?];
        let known = past.known(0.2, 0.5, known)?;
        for days in 0..=(t - start) / season.per_day + 1 {
            let then = t.checked_sub(days * season.per_day).and_then(|i| track.places.get(i));
            let Some(centre) = season.back(t, days, offset, then.map_or(offset, |place| place.offset)) else { break };
            let rows = centre.saturating_sub(around).max(start)..(centre + around + 1).min(t + 1);
            if rows.is_empty() {
                continue;
            }
            let from = self.distances.len();
            let [z, mean3, mean_3h] = columns.map(|column| column.rows(rows.clone()));
            let levels = profile.both.rows(rows.clone()).iter().zip(z).zip(mean3).zip(mean_3h);
            self.distances.extend(levels.map(|(((season, z), mean3), mean_3h)| {
                let season = if season.is_finite() { *season } else { unknown };
                let apart = [z - season - now[0], mean3 - season - now[1], 0.7 * (mean_3h - season - now[2])];
                apart[0] * apart[0] + apart[1] * apart[1] + apart[2] * apart[2]
            }));
            for (column, weight) in known.into_iter().flatten() {
                let column = column.get(rows.start - start..rows.end - start).unwrap_or_default();
                self.distances[from..].iter_mut().zip(column).for_each(|(sum, apart)| *sum += weight * apart);
            }
            self.days.push(rows);
        }
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
        let weekend = past.view.track.weekend.get(past.t + past.view.lead)?;
        Some(Self { forecast: past.view.base.mixed.get(past.t)?, weekend })
    }

    /// All moments around the same time of day that are closer than `limit`.
    fn closer(&self, past: &Past<'_>, limit: f32, room: &mut Room) {
        let Room { hours, found, values, .. } = room;
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

    /// Squared distances of some rows, of which those that leads share are known; NaN or infinite for those that do not
    /// count.
    fn measure(&self, past: &Past<'_>, rows: Range<usize>, shared: &[f32], distances: &mut Vec<f32>) {
        let (track, h) = (past.view.track, past.view.lead);
        let ahead = rows.start + h..rows.end + h;
        let own = past.view.base.mixed.rows(rows).iter().zip(track.weekend.rows(ahead.clone()));
        distances.clear();
        distances.extend(shared.iter().zip(own).map(|(shared, (forecast, weekend))| {
            let apart = [0.5 * (forecast - self.forecast), WEEKEND * (weekend - self.weekend)];
            shared + apart[0] * apart[0] + apart[1] * apart[1]
        }));
        if past.gappy() {
            distances.iter_mut().zip(track.gap.rows(ahead)).for_each(|(sum, gap)| *sum += gap);
        }
    }
}
