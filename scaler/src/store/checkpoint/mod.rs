//! A planner's checkpoint as a row. Layout of codec 1: CRC-32 of the rest, then the fields in the
//! order of [`write`], all little-endian: instants as milliseconds since the epoch (the smallest
//! number: none), numbers as doubles, flags as bytes, lists as a `u16` of their length and their
//! elements.

mod bytes;
mod queue;

use std::sync::Arc;

use jiff::Timestamp;
use prewarm_forecaster::decide::planner::LastGood;
use prewarm_forecaster::decide::planner::checkpoint::{ActivityTimes, Checkpoint, Held, LiveLevel};

use super::SeriesKey;
use super::day::{DayError, sealed, unsealed};
use super::document::DocumentError;
use super::records::instant;
use bytes::{Reader, Writer};

pub use queue::CheckpointQueue;

const CODEC: i32 = 1;

/// Values of the sliding maximum that are kept: an hour of slots. Of a longer list neighbors
/// become one, rounded up.
const MOST_WANTED: usize = 240;

/// A minute of slots of a second, with some to spare.
const MOST_SAMPLES: usize = 100;

/// A row of `checkpoints`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedCheckpoint {
    /// The slot; whole seconds.
    pub at: Timestamp,
    /// Layout of `data`.
    pub codec: i32,
    /// The checkpoint.
    pub data: Vec<u8>,
}

/// A checkpoint and whose it is.
pub type SeriesCheckpoint = (Arc<SeriesKey>, PackedCheckpoint);

/// A row of `checkpoints` as the database gives it: at, codec, data.
pub(super) type CheckpointRow = (i64, i32, Vec<u8>);

impl PackedCheckpoint {
    /// Packs a checkpoint: some 200 bytes, 4 kB at most.
    pub fn pack(checkpoint: &Checkpoint) -> Self {
        let mut writer = Writer::new();
        write(&mut writer, checkpoint);
        Self { at: checkpoint.at, codec: CODEC, data: sealed(writer.into_bytes()) }
    }

    /// The checkpoint; an error where a newer version wrote it, or something broke it.
    pub fn unpack(&self) -> Result<Checkpoint, DocumentError> {
        if self.codec != CODEC {
            return Err(DayError::Codec(self.codec).into());
        }
        let mut reader = Reader::new(unsealed(&self.data)?);
        let checkpoint = read(&mut reader).filter(|_| reader.is_empty()).filter(sound);
        Ok(checkpoint.ok_or(DayError::Shape)?)
    }

    pub(super) fn of_row((at, codec, data): CheckpointRow) -> Self {
        Self { at: instant(at), codec, data }
    }
}

fn write(to: &mut Writer, checkpoint: &Checkpoint) {
    to.time(checkpoint.at);
    to.u32(checkpoint.desired);
    to.list(&checkpoint.samples);
    to.list(&thinned(&checkpoint.wanted));
    for valued in [checkpoint.panic, checkpoint.backlog, checkpoint.latency] {
        to.valued(valued);
    }
    to.valued(checkpoint.level.map(|level| (level.at, level.value)));
    to.flag(checkpoint.level.is_some_and(|level| level.panic));
    let ActivityTimes {
        active,
        active_since,
        resting_since,
        last_arrival,
        low_since,
        starting_since,
    } = checkpoint.activity;
    to.flag(active);
    for past in [active_since, resting_since, last_arrival, low_since, starting_since] {
        to.maybe_time(past);
    }
    // A need is never negative: what is, is none.
    to.f64(checkpoint.needed.unwrap_or(-1.0));
    to.f64(checkpoint.slowest);
    for held in checkpoint.held {
        to.valued(held.map(|held| (held.at, held.value)));
        to.flag(held.is_some_and(|held| held.witness));
    }
    to.maybe_time(checkpoint.last_good.map(|good| good.at));
    if let Some(LastGood { at: _, live, backlog, value, active }) = checkpoint.last_good {
        for number in [live, backlog, value] {
            to.f64(number);
        }
        to.flag(active);
    }
}

/// `None` where there are fewer bytes than fields.
fn read(from: &mut Reader<'_>) -> Option<Checkpoint> {
    let at = from.time()?;
    let desired = from.u32()?;
    let samples = from.list(MOST_SAMPLES)?;
    let wanted = from.list(MOST_WANTED)?;
    let (panic, backlog, latency) = (from.valued()?, from.valued()?, from.valued()?);
    let (level, in_panic) = (from.valued()?, from.flag()?);
    let activity = ActivityTimes {
        active: from.flag()?,
        active_since: from.maybe_time()?,
        resting_since: from.maybe_time()?,
        last_arrival: from.maybe_time()?,
        low_since: from.maybe_time()?,
        starting_since: from.maybe_time()?,
    };
    let needed = Some(from.f64()?).filter(|needed| *needed >= 0.0);
    let slowest = from.f64()?;
    let held = [read_held(from)?, read_held(from)?, read_held(from)?];
    let last_good = match from.maybe_time()? {
        Some(at) => Some(LastGood {
            at,
            live: from.f64()?,
            backlog: from.f64()?,
            value: from.f64()?,
            active: from.flag()?,
        }),
        None => None,
    };
    let level = level.map(|(at, value)| LiveLevel { at, value, panic: in_panic });
    Some(Checkpoint {
        at,
        samples,
        panic,
        level,
        wanted,
        backlog,
        latency,
        needed,
        slowest,
        held,
        activity,
        last_good,
        desired,
    })
}

fn read_held(from: &mut Reader<'_>) -> Option<Option<Held>> {
    let (held, witness) = (from.valued()?, from.flag()?);
    Some(held.map(|(at, value)| Held { at, value, witness }))
}

/// What a planner relies on: numbers are finite and ≥ 0, lists are ordered by time.
fn sound(checkpoint: &Checkpoint) -> bool {
    let Checkpoint {
        samples,
        wanted,
        panic,
        level,
        backlog,
        latency,
        needed,
        slowest,
        held,
        last_good,
        ..
    } = checkpoint;
    let ordered = |list: &[(Timestamp, f64)]| list.is_sorted_by(|a, b| a.0 < b.0);
    let mut numbers: Vec<f64> = samples.iter().chain(wanted).map(|(_, value)| *value).collect();
    numbers.extend([panic, backlog, latency].into_iter().flatten().map(|(_, value)| *value));
    numbers.extend(held.iter().flatten().map(|held| held.value).chain(*needed).chain([*slowest]));
    numbers.extend(level.iter().map(|level| level.value));
    numbers.extend(last_good.iter().flat_map(|good| [good.live, good.backlog, good.value]));
    ordered(samples)
        && ordered(wanted)
        && numbers.iter().all(|number| number.is_finite() && *number >= 0.0)
}

/// At most [`MOST_WANTED`] values, none of which ends earlier or is lower than it was.
fn thinned(wanted: &[(Timestamp, f64)]) -> Vec<(Timestamp, f64)> {
    let together = wanted.len().div_ceil(MOST_WANTED).max(1);
    let groups = wanted.chunks(together);
    groups.filter_map(|group| Some((group.last()?.0, group.first()?.1))).collect()
}

#[cfg(test)]
mod tests;
