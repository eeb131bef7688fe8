//! Rules for records, the same in both databases: what may be stored, which of two records of one
//! minute stays, how minutes become five minutes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use prewarm_forecaster::Minute;

use super::{Resolution, Row, SeriesKey, StoreError};

/// Seconds in a minute.
pub(super) const MINUTE_S: i64 = 60;
/// Seconds in a thinned record.
pub(super) const FIVE_MINUTES_S: i64 = 300;
/// Seconds in a UTC day.
pub(super) const DAY_S: i64 = 86_400;
/// Longest namespace + name + metric in bytes: what a PostgreSQL index row holds, with room to
/// spare.
const LONGEST_KEY: usize = 2_000;

/// The records of a batch that are to be written, each minute once, ordered by series and minute
/// (so that two writers lock rows in the same order).
pub(super) fn distinct(rows: &[Row]) -> Result<BTreeMap<(&SeriesKey, i64), &Minute>, StoreError> {
    let mut kept: BTreeMap<(&SeriesKey, i64), &Minute> = BTreeMap::new();
    for row in rows {
        check(row)?;
        let at = (&*row.key, row.minute.start.as_second());
        match kept.get(&at) {
            Some(earlier) if !replaces(&row.minute, earlier) => {}
            _ => {
                kept.insert(at, &row.minute);
            }
        }
    }
    Ok(kept)
}

/// Whether a row may be stored; the error says why not.
pub(super) fn check(Row { key, minute }: &Row) -> Result<(), StoreError> {
    let refuse = |what: String| {
        Err(StoreError::Refused(format!("{:?} at {}: {what}", shown(key), minute.start)))
    };
    let fits = |value: f64| value.is_finite() && value >= 0.0;
    if let Some(problem) = key_problem(key) {
        return refuse(problem);
    }
    if minute.start < Timestamp::UNIX_EPOCH || minute.start.as_nanosecond() % 60_000_000_000 != 0 {
        return refuse("a record starts at a full minute, 1970 or later".into());
    }
    if !fits(minute.mean) || !fits(minute.max) || !minute.backlog.is_none_or(fits) {
        let Minute { mean, max, backlog, .. } = minute;
        return refuse(format!(
            "mean {mean}, max {max}, backlog {backlog:?}: each is a finite number ≥ 0"
        ));
    }
    if minute.samples == 0 {
        return refuse("a record stands for at least one sample; leave empty minutes out".into());
    }
    Ok(())
}

/// Whether a series of that name may be stored.
pub(super) fn check_key(key: &SeriesKey) -> Result<(), StoreError> {
    match key_problem(key) {
        Some(problem) => Err(StoreError::Refused(format!("{:?}: {problem}", shown(key)))),
        None => Ok(()),
    }
}

fn key_problem(key: &SeriesKey) -> Option<String> {
    let length = key.namespace.len() + key.name.len() + key.metric.len();
    if length > LONGEST_KEY {
        return Some(format!(
            "namespace, name and metric are {length} bytes long; at most {LONGEST_KEY}"
        ));
    }
    let nul = [&key.namespace, &key.name, &key.metric].iter().any(|part| part.contains('\0'));
    nul.then(|| "the name holds a NUL character".to_owned())
}

fn shown(key: &SeriesKey) -> String {
    format!("{}/{}/{}", key.namespace, key.name, key.metric).chars().take(200).collect()
}

/// Whether `newer` takes the place of `older`: it does unless it was made of fewer samples.
fn replaces(newer: &Minute, older: &Minute) -> bool {
    newer.samples >= older.samples
}

/// One list of two, each ordered by time; of two records of one instant the fuller stays, of equals
/// the newer.
pub(super) fn merge(older: Vec<Minute>, newer: Vec<Minute>) -> Vec<Minute> {
    if older.is_empty() {
        return newer;
    }
    if newer.is_empty() {
        return older;
    }
    let mut merged: Vec<Minute> = Vec::with_capacity(older.len() + newer.len());
    let mut older = older.into_iter().peekable();
    for record in newer {
        while let Some(earlier) = older.next_if(|o| o.start < record.start) {
            merged.push(earlier);
        }
        match older.next_if(|o| o.start == record.start) {
            Some(same) if !replaces(&record, &same) => merged.push(same),
            _ => merged.push(record),
        }
    }
    merged.extend(older);
    merged
}

/// Minutes, ordered by time, as records of five minutes: mean of all samples (a minute counts by
/// its samples), largest maximum, mean backlog of the minutes that have one, sum of samples. Gaps
/// stay gaps.
pub(super) fn five_minutes(minutes: &[Minute]) -> Vec<Minute> {
    minutes.chunk_by(|a, b| bucket(a) == bucket(b)).map(thin).collect()
}

/// Start of the five minutes that a minute belongs to, epoch seconds.
pub(super) fn bucket(minute: &Minute) -> i64 {
    minute.start.as_second().div_euclid(FIVE_MINUTES_S) * FIVE_MINUTES_S
}

fn thin(minutes: &[Minute]) -> Minute {
    let first = &minutes[0];
    let samples: u32 = minutes.iter().map(|m| u32::from(m.samples)).sum();
    let max = minutes.iter().map(|m| m.max).fold(0.0, f64::max);
    let mean = weighted(minutes.iter().map(|m| (m.mean, m.samples))).unwrap_or(first.mean);
    Minute {
        start: instant(bucket(first)),
        mean,
        max,
        backlog: weighted(minutes.iter().filter_map(|m| Some((m.backlog?, m.samples)))),
        samples: u16::try_from(samples).unwrap_or(u16::MAX),
    }
}

/// Mean by weight; kept between its extremes, so that equal values give that value and huge ones do
/// not overflow.
fn weighted(values: impl Iterator<Item = (f64, u16)>) -> Option<f64> {
    let (mut mean, mut weight) = (0.0, 0.0);
    for (value, samples) in values {
        weight += f64::from(samples);
        mean += (value - mean) * (f64::from(samples) / weight);
    }
    (weight > 0.0).then_some(mean)
}

/// Epoch seconds as an instant. What no timestamp can hold is never stored, so the fallback is
/// never seen.
pub(super) fn instant(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Epoch seconds `[from, to)` of the minutes that make up the records of `[from, to)`.
pub(super) fn seconds(from: Timestamp, to: Timestamp, resolution: Resolution) -> (i64, i64) {
    let step = match resolution {
        Resolution::Minute => MINUTE_S,
        Resolution::FiveMinutes => FIVE_MINUTES_S,
    };
    let up = |at: Timestamp| {
        let floor = at.as_second().div_euclid(step) * step;
        // `as_second` rounds toward zero; compare whole instants.
        if instant(floor) < at { floor + step } else { floor }
    };
    (up(from), up(to))
}
