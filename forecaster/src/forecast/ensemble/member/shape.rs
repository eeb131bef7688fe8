//! The past by the shape of its last buckets, whatever their level.

use super::{ENOUGH, Key, Keys, Limit, Past, Room};

/// Neighbours.
const NEAREST: usize = 100;
/// Buckets back that make the shape.
const LAGS: [usize; 7] = [1, 2, 3, 4, 6, 8, 12];

/// What came after each, as a change.
pub(super) fn say(past: &Past<'_>, limit: &mut Limit, room: &mut Room, said: &mut Vec<f32>) -> Option<()> {
    let (z, mixed) = (&past.view.track.z, &past.view.base.mixed);
    let longest = LAGS[LAGS.len() - 1];
    let start = past.rows.start.max(z.first() + longest);
    let past = Past { rows: start..past.rows.end.max(start), ..*past };
    room.found.clear();
    if past.rows.len() >= ENOUGH {
        let all = past.with_present();
        let (level, now) = (z.rows(all.rows.clone()), z.get(past.t)?);
        let shape = |lag: usize| {
            let rows = z.rows(start - lag..all.rows.end - lag);
            Some(Key { rows, now: z.get(past.t.checked_sub(lag)?)? - now, scale: 1.0 })
        };
        let mut common = [all.key(z, 1.0)?; LAGS.len()];
        for (key, lag) in common.iter_mut().zip(LAGS) {
            *key = shape(lag)?;
        }
        let known = past.known(0.0, 0.5, &mut room.known)?;
        room.common[3].measure(room.processor, (start, 0), &Keys::new(common, Some(level)), known);
        let level = z.rows(past.rows.clone());
        let ahead = Key { now: mixed.get(past.t)? - now, ..past.key(mixed, 0.7)? };
        past.search(3, [ahead], Some(level), NEAREST, limit, room);
    }
    if room.found.len() < ENOUGH {
        // Too young for shapes, or too many gaps: the nearest by forecast stand in.
        std::mem::swap(&mut room.found, &mut room.near);
        past.select(NEAREST, 0.0, room);
    }
    past.read(NEAREST, Some(z), room, said);
    Some(())
}
