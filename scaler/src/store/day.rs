//! A packed day: all records of one series and UTC day in one small blob.
//!
//! Layout of codec 1: CRC-32 of the rest (little-endian), then five sections, each a little-endian
//! `u16` length and so many bytes of pco (<https://github.com/pcodec/pcodec>): slots of the day
//! that have a record (empty = all of them), means, maxima, backlogs (empty = none; NaN = not
//! observed in that minute), samples. Values come back bit by bit.

use pco::ChunkConfig;
use pco::data_types::Number;
use pco::standalone::{simple_compress, simple_decompress_into};
use prewarm_forecaster::Minute;

use super::records::{self, DAY_S, FIVE_MINUTES_S, MINUTE_S};

/// The only layout so far.
const CODEC: i32 = 1;

/// A row of `days`.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub(super) struct PackedDay {
    /// Midnight UTC, epoch seconds.
    pub(super) day: i64,
    /// Distance of records: 60 or 300 s.
    pub(super) step_s: i32,
    /// Records within.
    pub(super) n: i32,
    /// Layout of `data`.
    pub(super) codec: i32,
    /// The records.
    pub(super) data: Vec<u8>,
}

/// Why a day cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(super) enum DayError {
    #[error("codec {0} is unknown; a newer version wrote it")]
    Codec(i32),
    #[error("checksum does not match")]
    Checksum,
    #[error("sections do not fit the records")]
    Shape,
    #[error("{0}")]
    Pco(#[from] pco::errors::PcoError),
}

impl PackedDay {
    /// Packs records of one day, ordered by time, `step_s` apart or a multiple of it.
    pub(super) fn pack(day: i64, step_s: i64, records: &[Minute]) -> Result<Self, DayError> {
        let slots: Vec<u16> = if records.len() as i64 == DAY_S / step_s {
            Vec::new()
        } else {
            records.iter().map(|r| ((r.start.as_second() - day) / step_s) as u16).collect()
        };
        let backlogs: Vec<f64> = if records.iter().all(|r| r.backlog.is_none()) {
            Vec::new()
        } else {
            records.iter().map(|r| r.backlog.unwrap_or(f64::NAN)).collect()
        };
        let mut data = vec![0; 4];
        section(&mut data, &slots)?;
        section(&mut data, &records.iter().map(|r| r.mean).collect::<Vec<_>>())?;
        section(&mut data, &records.iter().map(|r| r.max).collect::<Vec<_>>())?;
        section(&mut data, &backlogs)?;
        section(&mut data, &records.iter().map(|r| r.samples).collect::<Vec<_>>())?;
        Ok(Self {
            day,
            step_s: step_s as i32,
            n: records.len() as i32,
            codec: CODEC,
            data: sealed(data),
        })
    }

    /// The records, ordered by time.
    pub(super) fn unpack(&self) -> Result<Vec<Minute>, DayError> {
        if self.codec != CODEC {
            return Err(DayError::Codec(self.codec));
        }
        let mut rest = unsealed(&self.data)?;
        let step_s = i64::from(self.step_s);
        let slots_a_day =
            if step_s == MINUTE_S || step_s == FIVE_MINUTES_S { DAY_S / step_s } else { 0 };
        let n = usize::try_from(self.n).unwrap_or(0);
        if n == 0 || n as i64 > slots_a_day {
            return Err(DayError::Shape);
        }
        let slots: Option<Vec<u16>> = column(&mut rest, n)?;
        let means: Vec<f64> = column(&mut rest, n)?.ok_or(DayError::Shape)?;
        let maxima: Vec<f64> = column(&mut rest, n)?.ok_or(DayError::Shape)?;
        let backlogs: Option<Vec<f64>> = column(&mut rest, n)?;
        let samples: Vec<u16> = column(&mut rest, n)?.ok_or(DayError::Shape)?;
        let ordered = slots.as_ref().is_none_or(|s| s.is_sorted_by(|a, b| a < b));
        let last = slots.as_ref().map_or(n as i64 - 1, |s| s.last().copied().map_or(0, i64::from));
        if !rest.is_empty()
            || !ordered
            || last >= slots_a_day
            || (slots.is_none() && n as i64 != slots_a_day)
        {
            return Err(DayError::Shape);
        }
        let record = |i: usize| Minute {
            start: records::instant(
                self.day + slots.as_ref().map_or(i as i64, |s| i64::from(s[i])) * step_s,
            ),
            mean: means[i],
            max: maxima[i],
            backlog: backlogs.as_ref().map(|b| b[i]).filter(|b| !b.is_nan()),
            samples: samples[i],
        };
        Ok((0..n).map(record).collect())
    }
}

/// Puts the checksum into the first four bytes.
pub(super) fn sealed(mut data: Vec<u8>) -> Vec<u8> {
    let sum = crc32fast::hash(data.get(4..).unwrap_or_default());
    if let Some(head) = data.first_chunk_mut::<4>() {
        *head = sum.to_le_bytes();
    }
    data
}

/// What follows the checksum, if that is right.
pub(super) fn unsealed(data: &[u8]) -> Result<&[u8], DayError> {
    let (sum, rest) = data.split_first_chunk::<4>().ok_or(DayError::Shape)?;
    if crc32fast::hash(rest) == u32::from_le_bytes(*sum) {
        Ok(rest)
    } else {
        Err(DayError::Checksum)
    }
}

pub(super) fn section<T: Number>(data: &mut Vec<u8>, numbers: &[T]) -> Result<(), DayError> {
    let packed = if numbers.is_empty() {
        Vec::new()
    } else {
        simple_compress(numbers, &ChunkConfig::default())?
    };
    let length = u16::try_from(packed.len()).map_err(|_| DayError::Shape)?;
    data.extend_from_slice(&length.to_le_bytes());
    data.extend_from_slice(&packed);
    Ok(())
}

/// Reads a section of `n` numbers; `None` if it is empty. Memory is bounded by `n` whatever the
/// bytes say.
pub(super) fn column<T: Number>(rest: &mut &[u8], n: usize) -> Result<Option<Vec<T>>, DayError> {
    let (length, after) = rest.split_first_chunk::<2>().ok_or(DayError::Shape)?;
    let length = usize::from(u16::from_le_bytes(*length));
    let (packed, after) = after.split_at_checked(length).ok_or(DayError::Shape)?;
    *rest = after;
    if packed.is_empty() {
        return Ok(None);
    }
    let mut numbers = vec![T::default(); n];
    let progress = simple_decompress_into(packed, &mut numbers)?;
    if progress.n_processed == n && progress.finished {
        Ok(Some(numbers))
    } else {
        Err(DayError::Shape)
    }
}
