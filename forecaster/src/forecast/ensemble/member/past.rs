//! The past by its levels: over the last hours, and over the last day.

use super::{Past, Room};

/// Neighbours whose quantiles are read.
const NEAREST: usize = 100;
/// Neighbours in the regression.
const REGRESSED: usize = 250;
/// Neighbours by the levels of a day.
const LONG: usize = 120;

/// By levels of the last three hours and the season around the target: the level, the change, and a regression.
pub(super) fn say(past: &Past<'_>, limit: &mut f32, room: &mut Room, said: &mut Vec<f32>) -> Option<()> {
    let (track, profile, h) = (past.view.track, past.view.profile, past.view.lead);
    let all = past.with_present();
    let common = [
        all.key(&track.z, 1.0)?,
        all.key(&track.mean3, 1.0)?,
        all.key(&track.mean_hour, 1.0)?,
        all.key(&track.mean_3h, 0.7)?,
        all.key(&track.max_hour, 0.5)?,
    ];
    let mut keys = Vec::with_capacity(5);
    for (column, scale) in [(&profile.both, 1.5), (&profile.week, 1.0), (&track.sine, 0.3), (&track.cosine, 0.3)] {
        keys.extend(past.shifted(column, h, scale));
    }
    keys.extend(past.shifted(&profile.both, 0, 0.7));
    past.search(0, &common, &keys, &[REGRESSED, NEAREST], limit, room);
    past.read(NEAREST, None, room, said);
    past.read(NEAREST, Some(&track.z), room, said);
    past.regress(REGRESSED, room, said)
}

/// By levels from now to a day back and the time since there was any demand: tells bursts and lulls apart that look alike
/// for hours.
pub(super) fn say_long(past: &Past<'_>, limit: &mut f32, room: &mut Room, said: &mut Vec<f32>) -> Option<()> {
    let (track, h) = (past.view.track, past.view.lead);
    let all = past.with_present();
    let common = [
        all.key(&track.z, 0.7)?,
        all.key(&track.mean3, 0.7)?,
        all.key(&track.mean_hour, 1.0)?,
        all.key(&track.mean_6h, 1.0)?,
        all.key(&track.mean_day, 0.7)?,
        all.key(&track.max_6h, 0.5)?,
        all.key(&track.idle, 0.3)?,
    ];
    let mut keys = vec![past.key(&past.view.base.mixed, 1.0)?];
    for column in [&track.sine, &track.cosine] {
        keys.extend(past.shifted(column, h, 0.2));
    }
    past.search(2, &common, &keys, &[LONG], limit, room);
    past.read(LONG, None, room, said);
    Some(())
}
