//! The past around the same time of day, by its distance from the season.

use super::super::analog::{self, Neighbour};
use super::{ENOUGH, Past, Room};

/// Hours around the same time of day.
const HOURS: usize = 2;
/// Neighbours whose quantiles are read.
const NEAREST: usize = 60;
/// Neighbours in the regression.
const REGRESSED: usize = 150;

pub(super) fn say(past: &Past<'_>, room: &mut Room, said: &mut Vec<f32>) -> Option<()> {
    let (view, t) = (past.view, past.t);
    let (track, profile, base, h) = (view.track, view.profile, view.base, view.lead);
    let around = HOURS * view.season.buckets(3600);
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
    for days in 0..=(t - past.rows.start) / view.season.per_day + 1 {
        let then = t.checked_sub(days * view.season.per_day).and_then(|i| track.places.get(i));
        let Some(centre) = view.season.back(t, days, offset, then.map_or(offset, |place| place.offset)) else { break };
        for s in centre.saturating_sub(around).max(past.rows.start)..(centre + around + 1).min(past.rows.end) {
            let barrier = track.gap.get(s)? + track.gap.get(s + h)?;
            if barrier > 0.0 || (season_of(s).is_none() && season_of(t).is_some()) {
                continue;
            }
            let there = keys(s)?;
            let distance: f32 = now.iter().zip(there).map(|(a, b)| (a - b) * (a - b)).sum();
            room.found.push(Neighbour::new(distance, s));
        }
    }
    if room.found.len() < ENOUGH {
        // Younger than a few days: all moments count.
        room.found.clear();
        room.found.extend_from_slice(&room.near);
    }
    analog::select(&mut room.found, REGRESSED);
    analog::freshness(&room.found, t, past.half_life(), &mut room.fresh);
    past.read(NEAREST, room, |_| Some(0.0), said);
    past.read(NEAREST, room, |s| base.mixed.get(s), said);
    past.regress(REGRESSED, room, said)
}
