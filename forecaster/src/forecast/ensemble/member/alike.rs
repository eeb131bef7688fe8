//! The past by what was forecast of it.

use super::{Keys, Limit, Past, Room};

/// Neighbours in the regression, whose errors of the mixture are read, and whose levels are.
const REGRESSED: usize = 600;
const WIDE: usize = 250;
const NESTED: [usize; 3] = [120, 30, 15];

pub(super) fn say(past: &Past<'_>, limit: &mut Limit, room: &mut Room, said: &mut Vec<f32>) -> Option<()> {
    let (track, base) = (past.view.track, past.view.base);
    let all = past.with_present();
    let common = [all.key(&track.mean3, 0.5)?, all.key(&track.max_hour, 0.3)?];
    let known = past.known(0.2, 0.5, &mut room.known)?;
    room.common[1].measure(room.processor, (past.rows.start, 0), &Keys::new(common, None), known);
    let own = [
        past.key(&base.smoothers, 1.0)?,
        past.key(&base.ridge, 1.0)?,
        past.key(&base.season, 1.0)?,
        past.key(&base.size, 0.45)?,
    ];
    past.search(1, own, None, REGRESSED, limit, room);
    past.read(WIDE, Some(&base.mixed), room, said);
    past.regress(REGRESSED, room, said)?;
    for k in NESTED {
        past.read(k, None, room, said);
    }
    room.near.copy(&room.nearest.all);
    Some(())
}
