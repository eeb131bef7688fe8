//! The past by what was forecast of it.

use super::{Past, Room};

/// Neighbours whose errors of the mixture are read.
const WIDE: usize = 250;
/// Neighbours whose levels are read.
const NESTED: [usize; 3] = [120, 30, 15];
/// Neighbours in the regression.
const REGRESSED: usize = 600;

pub(super) fn say(past: &Past<'_>, limit: &mut f32, room: &mut Room, said: &mut Vec<f32>) -> Option<()> {
    let (track, base, h) = (past.view.track, past.view.base, past.view.lead);
    let mut keys = vec![
        past.key(&base.smoothers, 1.0)?,
        past.key(&base.ridge, 1.0)?,
        past.key(&base.season, 1.0)?,
        past.key(&track.z, 0.5)?,
        past.key(&track.mean3, 0.5)?,
        past.key(&track.max_hour, 0.3)?,
        past.key(&base.size, 0.45)?,
    ];
    for column in [&track.sine, &track.cosine] {
        keys.extend(past.shifted(column, h, 0.2));
    }
    past.search(&keys, REGRESSED, limit, room);
    past.read(WIDE, room, |s| base.mixed.get(s), said);
    past.regress(REGRESSED, room, said)?;
    for k in NESTED {
        past.read(k, room, |_| Some(0.0), said);
    }
    room.near.clear();
    room.near.extend_from_slice(&room.found);
    Some(())
}
