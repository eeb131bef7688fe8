//! A day of the shadow bank as a note. Layout of codec 1: as a packed day's
//! ([`super::super::day`]), with the sections fingerprint, number of blocks and of policies;
//! starts; slots; slots that were foreseen; demand; GPU-hours, missed and queued of every policy,
//! block by block.

use jiff::Timestamp;
use prewarm_forecaster::decide::selection::Costs;
use prewarm_forecaster::tuning::simulator::Block;

use super::super::day::{DayError, column, sealed, section, unsealed};
use super::super::records::{DAY_S, instant};
use super::{Document, DocumentError, Kind};

const CODEC: i32 = 1;

/// Packs blocks (oldest first), one note per UTC day. `fingerprint`: of what they were simulated
/// with.
pub fn pack_blocks<'a>(
    blocks: impl IntoIterator<Item = &'a Block>,
    fingerprint: u64,
) -> Result<Vec<Document>, DocumentError> {
    let blocks: Vec<&Block> = blocks.into_iter().collect();
    let day = |block: &Block| block.start.as_second().div_euclid(DAY_S) * DAY_S;
    blocks
        .chunk_by(|a, b| day(a) == day(b))
        .map(|of_day| pack_day(day(of_day[0]), of_day, fingerprint))
        .collect()
}

fn pack_day(day: i64, blocks: &[&Block], fingerprint: u64) -> Result<Document, DocumentError> {
    let policies = blocks.iter().map(|block| block.sums.len()).min().unwrap_or(0);
    let shape = [fingerprint, blocks.len() as u64, policies as u64];
    let mut data = vec![0; 4];
    section(&mut data, &shape)?;
    section(&mut data, &blocks.iter().map(|block| block.start.as_second()).collect::<Vec<_>>())?;
    section(&mut data, &blocks.iter().map(|block| block.slots).collect::<Vec<_>>())?;
    section(&mut data, &blocks.iter().map(|block| block.foreseen).collect::<Vec<_>>())?;
    section(&mut data, &blocks.iter().map(|block| block.demand).collect::<Vec<_>>())?;
    for part in
        [|sums: &Costs| sums.gpu_hours, |sums: &Costs| sums.missed, |sums: &Costs| sums.queued]
    {
        // Single precision: sums of noise need no more.
        let all: Vec<f32> = blocks
            .iter()
            .flat_map(|block| block.sums[..policies].iter().map(move |sums| part(sums) as f32))
            .collect();
        section(&mut data, &all)?;
    }
    Ok(Document { kind: Kind::Blocks, at: instant(day), codec: CODEC, data: sealed(data) })
}

/// The blocks that a note holds; none if they were simulated with something else.
pub fn unpack_blocks(note: &Document, fingerprint: u64) -> Result<Vec<Block>, DocumentError> {
    if note.codec != CODEC {
        return Err(DayError::Codec(note.codec).into());
    }
    let mut rest = unsealed(&note.data)?;
    let shape: Vec<u64> = column(&mut rest, 3)?.ok_or(DayError::Shape)?;
    let [of, blocks, policies] = shape[..] else { return Err(DayError::Shape.into()) };
    if of != fingerprint {
        return Ok(Vec::new());
    }
    let fits = |n: u64, most: u64| {
        usize::try_from(n).ok().filter(|_| n > 0 && n <= most).ok_or(DayError::Shape)
    };
    let (n, policies) = (fits(blocks, MOST_BLOCKS)?, fits(policies, MOST_POLICIES)?);
    let starts: Vec<i64> = column(&mut rest, n)?.ok_or(DayError::Shape)?;
    let slots: Vec<u32> = column(&mut rest, n)?.ok_or(DayError::Shape)?;
    let foreseen: Vec<u32> = column(&mut rest, n)?.ok_or(DayError::Shape)?;
    let demand: Vec<f64> = column(&mut rest, n)?.ok_or(DayError::Shape)?;
    let [gpu_hours, missed, queued]: [Vec<f32>; 3] = {
        let mut next = || column(&mut rest, n * policies)?.ok_or(DayError::Shape);
        [next()?, next()?, next()?]
    };
    let sums = |i: usize| Costs {
        gpu_hours: f64::from(gpu_hours[i]),
        missed: f64::from(missed[i]),
        queued: f64::from(queued[i]),
    };
    let block = |b: usize| Block {
        start: Timestamp::from_second(starts[b]).unwrap_or(note.at),
        slots: slots[b],
        foreseen: foreseen[b],
        demand: demand[b],
        sums: (b * policies..(b + 1) * policies).map(sums).collect(),
    };
    Ok((0..n).map(block).collect())
}

/// Blocks of a day; a note that says more is broken.
const MOST_BLOCKS: u64 = 24;
const MOST_POLICIES: u64 = 1_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn block(hour: i64) -> Block {
        let sums = (0..69).map(|i| Costs {
            gpu_hours: f64::from(i) * 1.5,
            missed: f64::from(i % 3),
            queued: 0.25,
        });
        Block {
            start: instant(hour * 3600),
            slots: 1440,
            foreseen: 1000,
            demand: hour as f64,
            sums: sums.collect(),
        }
    }

    #[test]
    fn days_come_back_one_note_each() {
        let blocks: Vec<Block> = [6, 12, 18, 24, 36].map(block).into();
        let notes = pack_blocks(&blocks, 7).unwrap();
        assert_eq!(notes.iter().map(|note| note.at.as_second()).collect::<Vec<_>>(), [0, 86_400]);
        let back: Vec<Block> =
            notes.iter().flat_map(|note| unpack_blocks(note, 7).unwrap()).collect();
        assert_eq!(back, blocks);
        // Of another bank: of no use.
        assert_eq!(unpack_blocks(&notes[0], 8).unwrap(), []);
    }

    #[test]
    fn what_is_broken_is_an_error() {
        let whole = pack_blocks(&[block(6)], 7).unwrap().remove(0);
        for at in (0..whole.data.len()).step_by(7) {
            let mut note = whole.clone();
            note.data[at] ^= 0x10;
            assert!(unpack_blocks(&note, 7).is_err(), "byte {at}");
            note.data.truncate(at);
            assert!(unpack_blocks(&note, 7).is_err(), "{at} bytes");
        }
    }
}
