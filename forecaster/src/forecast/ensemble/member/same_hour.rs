//! The past around the same time of day, by its distance from the season.

use std::ops::Range;

use super::super::analog;
use super::{ENOUGH, Past, Room};

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
    let now = Now::new(past)?;
    now.closer(past, *limit, room);
    if room.found.len() < REGRESSED && *limit < f32::INFINITY {
        now.closer(past, f32::INFINITY, room);
    }
    let young = room.found.len() < ENOUGH;
    if young {
        // Younger than a few days: all moments count.
        room.found.clear();
        room.found.extend_from_slice(&room.near);
    }
    let farthest = analog::select(&mut room.found, &[REGRESSED, NEAREST]);
    *limit = farthest.filter(|_| !young).map_or(f32::INFINITY, analog::expected);
    past.take(room);
    past.read(NEAREST, None, room, said);
    past.read(NEAREST, Some(&base.mixed), room, said);
    past.regress(REGRESSED, room, said)
}

/// Where now lies: by its distance from the season, by what was forecast and by the calendar at the target.
struct Now {
    from_season: [f32; 3],
    levels: [f32; 2],
    clock: [f32; 2],
    weekend: bool,
    /// Stands for a season that was not known.
    unknown: f32,
}

impl Now {
    fn new(past: &Past<'_>) -> Option<Self> {
        let (t, ahead) = (past.t, past.t + past.view.lead);
        let (track, base) = (past.view.track, past.view.base);
        let season = past.view.profile.both.get(t).filter(|z| z.is_finite());
        let off = |z: f32| z - season.unwrap_or(0.0);
        Some(Self {
            from_season: [off(track.z.get(t)?), off(track.mean3.get(t)?), off(track.mean_3h.get(t)?)],
            levels: [base.mixed.get(t)?, track.z.get(t)?],
            clock: [track.sine.get(ahead)?, track.cosine.get(ahead)?],
            weekend: track.places.get(ahead)?.weekday >= 5,
            unknown: if season.is_some() { f32::NAN } else { 0.0 },
        })
    }

    /// All moments around the same time of day that are closer than `limit`.
    fn closer(&self, past: &Past<'_>, limit: f32, room: &mut Room) {
        let Room { found, distances, .. } = room;
        found.clear();
        let (season, track, t) = (past.view.season, past.view.track, past.t);
        let Some(offset) = track.places.get(t).map(|place| place.offset) else { return };
        let around = HOURS * season.buckets(3600);
        for days in 0..=(t - past.rows.start) / season.per_day + 1 {
            let then = t.checked_sub(days * season.per_day).and_then(|i| track.places.get(i));
            let Some(centre) = season.back(t, days, offset, then.map_or(offset, |place| place.offset)) else { break };
            let rows = centre.saturating_sub(around).max(past.rows.start)..(centre + around + 1).min(past.rows.end);
            if rows.is_empty() {
                continue;
            }
            self.measure(past, rows.clone(), distances);
            analog::push(distances, rows.start, limit, found);
        }
    }

    /// Squared distances of some rows; NaN or infinite for those that do not count.
    fn measure(&self, past: &Past<'_>, rows: Range<usize>, distances: &mut Vec<f32>) {
        let (track, base, profile, h) = (past.view.track, past.view.base, past.view.profile, past.view.lead);
        let ahead = rows.start + h..rows.end + h;
        distances.clear();
        let gaps = track.gap.rows(rows.clone()).iter().zip(track.gap.rows(ahead.clone()));
        distances.extend(gaps.map(|(here, there)| here + there));
        let season = profile.both.rows(rows.clone());
        let from_season = [(&track.z, 1.0f32), (&track.mean3, 1.0), (&track.mean_3h, 0.7)];
        for ((column, scale), now) in from_season.into_iter().zip(self.from_season) {
            for ((distance, z), season) in distances.iter_mut().zip(column.rows(rows.clone())).zip(season) {
                let season = if season.is_finite() { *season } else { self.unknown };
                let apart = scale * (z - season - now);
                *distance += apart * apart;
            }
        }
        let levels = [(base.mixed.rows(rows.clone()), 0.5f32), (track.z.rows(rows), 0.5)];
        let clock = [(track.sine.rows(ahead.clone()), 0.2f32), (track.cosine.rows(ahead.clone()), 0.2)];
        let now = self.levels.into_iter().chain(self.clock);
        for ((column, scale), now) in levels.into_iter().chain(clock).zip(now) {
            for (distance, x) in distances.iter_mut().zip(column) {
                let apart = scale * (x - now);
                *distance += apart * apart;
            }
        }
        for (distance, place) in distances.iter_mut().zip(track.places.rows(ahead)) {
            *distance += if (place.weekday >= 5) == self.weekend { 0.0 } else { WEEKEND * WEEKEND };
        }
    }
}
