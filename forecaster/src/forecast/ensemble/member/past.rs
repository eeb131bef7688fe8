//! The past by its levels: over the last hours, and over the last day.

use super::{ENOUGH, Keys, Limit, Past, Room};

/// Neighbours whose quantiles are read.
const NEAREST: usize = 100;
/// Neighbours in the regression.
const REGRESSED: usize = 250;
/// Neighbours by the levels of a day.
const LONG: usize = 120;

/// By levels of the last three hours and the season around the target: the level, the change, and a regression.
pub(super) fn say(past: &Past<'_>, limit: &mut Limit, room: &mut Room, said: &mut Vec<f32>) -> Option<()> {
    search(past, true, limit, room)?;
    if room.found.len() < ENOUGH {
        // The season is known of now, but of too few of the moments before: levels alone count.
        *limit = Limit::NONE;
        search(past, false, limit, room)?;
    }
    past.read(NEAREST, None, room, said);
    past.read(NEAREST, Some(&past.view.track.z), room, said);
    past.regress(REGRESSED, room, said)
}

/// Finds the nearest by levels, and by the season where it is known and `seasonal`.
fn search(past: &Past<'_>, seasonal: bool, limit: &mut Limit, room: &mut Room) -> Option<()> {
    let (track, profile, h) = (past.view.track, past.view.profile, past.view.lead);
    let all = past.with_present();
    let here = if seasonal { all.shifted(&profile.both, 0, 0.7) } else { None };
    let kind = if seasonal { profile.reach } else { usize::MAX };
    let common = [
        all.key(&track.mean3, 1.0)?,
        all.key(&track.mean_hour, 1.0)?,
        all.key(&track.mean_3h, 0.7)?,
        all.key(&track.max_hour, 0.5)?,
        here.or(all.nothing())?,
    ];
    let known = past.known(0.3, 1.0, &mut room.known)?;
    room.common[0].measure(room.processor, (past.rows.start, kind), &Keys::new(common, None), known);
    let mut own = [past.nothing()?; 2];
    if seasonal {
        let targets = [past.shifted(&profile.both, h, 1.5), past.shifted(&profile.week, h, 1.0)];
        for (key, target) in own.iter_mut().zip(targets) {
            *key = target.unwrap_or(*key);
        }
    }
    past.search(0, own, None, REGRESSED, limit, room);
    Some(())
}

/// By levels from now to a day back and the time since there was any demand: tells bursts and lulls apart that look alike
/// for hours.
pub(super) fn say_long(past: &Past<'_>, limit: &mut Limit, room: &mut Room, said: &mut Vec<f32>) -> Option<()> {
    let track = past.view.track;
    let all = past.with_present();
    let common = [
        all.key(&track.mean3, 0.7)?,
        all.key(&track.mean_hour, 1.0)?,
        all.key(&track.mean_6h, 1.0)?,
        all.key(&track.mean_day, 0.7)?,
        all.key(&track.max_6h, 0.5)?,
        all.key(&track.idle, 0.3)?,
    ];
    let known = past.known(0.2, 0.7, &mut room.known)?;
    room.common[2].measure(room.processor, (past.rows.start, 0), &Keys::new(common, None), known);
    past.search(2, [past.key(&past.view.base.mixed, 1.0)?], None, LONG, limit, room);
    past.read(LONG, None, room, said);
    Some(())
}
