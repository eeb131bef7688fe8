//! Readings at even steps.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use anyhow::bail;
use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::Series;

use super::{History, Reading, Readings};
use crate::cli::history::{MOST_BUCKETS, written};

/// Rows in a row at one distance that show a step which was meant: chance makes no such runs.
const RUN: usize = 20;

/// The shortest step that is believed where rows stand only where there was traffic, in seconds:
/// below, it is clocks that jitter.
const SPARSE: i64 = 60;

/// All readings on one grid; several series are summed. `name` is for errors.
pub(super) fn history(name: &str, readings: &Readings) -> anyhow::Result<History> {
    let mut notes = Vec::new();
    let mut each = Vec::new();
    for rows in readings.by_series() {
        let rows = in_order(name, rows)?;
        let Some(step) = step(&rows) else { continue };
        each.push((rows, step));
    }
    let (Some(least), false) = (each.iter().map(|(_, step)| step.least()).max(), each.is_empty())
    else {
        match readings.is_empty() {
            true => bail!("{name}: no rows after the header"),
            false => bail!(
                "{name}: a single row does not show how far apart rows are: at least two are needed"
            ),
        }
    };
    for (rows, step) in &each {
        step.check(name, rows)?;
    }
    let several = each.len() > 1;
    if several {
        notes.push(format!("{name}: {} series are summed at steps of {}", each.len(), span(least)));
    }
    if let Some(Step::Changing { least, most }) =
        each.iter().map(|(_, step)| *step).find(|step| matches!(step, Step::Changing { .. }))
    {
        notes.push(format!(
            "{name}: rows are {} apart and {} elsewhere: all are read at the longer step, as means",
            span(most),
            span(least)
        ));
    }
    let series = sum(name, &each, least)?;
    if series.values().iter().all(|value| value.is_nan()) {
        bail!("{name}: no row has a value");
    }
    Ok(History { series, notes })
}

/// Distances between rows, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// One, with rows missing.
    Even(i64),
    /// Rows only where there was traffic: the grid that all of them lie on.
    Sparse(i64),
    /// One, and another elsewhere: old data are kept more coarsely.
    Changing { least: i64, most: i64 },
}

impl Step {
    /// The step at which all rows can be told.
    fn least(self) -> i64 {
        match self {
            Self::Even(step) | Self::Sparse(step) | Self::Changing { most: step, .. } => step,
        }
    }

    /// Every row must lie on the grid.
    fn check(self, name: &str, rows: &[&Reading]) -> anyhow::Result<()> {
        let Self::Even(step) = self else { return Ok(()) };
        let Some(first) = rows.first() else { return Ok(()) };
        for pair in rows.windows(2) {
            let [before, row] = pair else { continue };
            if seconds(first.at, row.at) % step != 0 {
                bail!(
                    "{name}:{}: {} comes {} after the row above, but rows are {} apart: steps must be even (a row may \
                     be missing, not shifted)",
                    row.line,
                    row.at,
                    span(seconds(before.at, row.at)),
                    span(step)
                );
            }
        }
        Ok(())
    }
}

/// The rows of one series in ascending order: a file that is newest first is turned around.
fn in_order<'r>(name: &str, mut rows: Vec<&'r Reading>) -> anyhow::Result<Vec<&'r Reading>> {
    if rows.len() > 1 && rows.windows(2).all(|pair| pair[0].at > pair[1].at) {
        rows.reverse();
    }
    for pair in rows.windows(2) {
        let [before, row] = pair else { continue };
        let place = format!("{name}:{}: {}", row.line, row.at);
        match seconds(before.at, row.at) {
            0 => bail!(
                "{place} stands there twice (line {} as well): keep one row a time",
                before.line
            ),
            distance if distance < 0 => {
                bail!("{place} is before the row above ({}): sort the rows by time", before.at)
            }
            _ => {}
        }
    }
    Ok(rows)
}

/// How far apart rows are; `None` for a single one.
fn step(rows: &[&Reading]) -> Option<Step> {
    let distances: Vec<i64> = rows.windows(2).map(|pair| seconds(pair[0].at, pair[1].at)).collect();
    let mut counts = BTreeMap::new();
    for distance in &distances {
        *counts.entry(*distance).or_insert(0usize) += 1;
    }
    let (usual, _) =
        counts.iter().max_by_key(|(distance, count)| (**count, Reverse(**distance)))?;
    let meant = runs(&distances);
    if let (Some(least), Some(most)) = (meant.first(), meant.last())
        && least < most
        && most % least == 0
        && distances.iter().all(|distance| distance % least == 0)
    {
        return Some(Step::Changing { least: *least, most: *most });
    }

    if distances.iter().all(|distance| distance % usual == 0) {
        return Some(Step::Even(*usual));
    }

    // Rows only where there was traffic: distances of many kinds on one grid. Few odd ones among
    // many even ones are rows that were shifted.
    let grid = distances.iter().fold(0, |a, b| gcd(a, *b));
    let odd = distances.iter().filter(|distance| **distance % usual != 0).count();
    let sparse = odd * 10 >= distances.len() && (grid >= SPARSE && 86_400 % grid == 0);
    Some(if sparse && meant.is_empty() { Step::Sparse(grid) } else { Step::Even(*usual) })
}

/// Distances that come many times in a row, ascending.
fn runs(distances: &[i64]) -> Vec<i64> {
    let mut meant: Vec<i64> = distances
        .chunk_by(|a, b| a == b)
        .filter(|run| run.len() >= RUN)
        .map(|run| run[0])
        .collect();
    meant.sort_unstable();
    meant.dedup();
    meant
}

/// The sum over series of their means in each step. A series that misses one step counts with its
/// value before, as with Prometheus: samples jitter over the edges of steps.
fn sum(name: &str, each: &[(Vec<&Reading>, Step)], step: i64) -> anyhow::Result<Series> {
    let ends = |pick: fn(&Vec<&Reading>) -> Option<Timestamp>| {
        each.iter().filter_map(move |(rows, _)| pick(rows))
    };
    let first = ends(|rows| rows.first().map(|row| row.at)).min().unwrap_or(Timestamp::UNIX_EPOCH);
    let last = ends(|rows| rows.last().map(|row| row.at)).max().unwrap_or(first);
    // One series keeps its own phase; several, or one that is averaged, share that of the clock.
    let start = match each {
        [(_, Step::Even(_) | Step::Sparse(_))] => first,
        _ => Timestamp::from_second(first.as_second().div_euclid(step) * step)?,
    };
    let buckets = seconds(start, last) / step + 1;
    if buckets > MOST_BUCKETS {
        bail!(
            "{name}: from {first} to {last} there are {buckets} steps of {}, but at most {MOST_BUCKETS} can be read: \
             is there a wrong year among the timestamps?",
            span(step)
        );
    }

    let mut total = vec![f64::NAN; usize::try_from(buckets)?];
    for (rows, _) in each {
        let mut own = means(rows, start, step, total.len());
        if each.len() > 1 {
            fill_holes(&mut own);
        }
        for (sum, value) in total.iter_mut().zip(own).filter(|(_, value)| !value.is_nan()) {
            *sum = if sum.is_nan() { value } else { *sum + value };
        }
    }
    Ok(Series::new(start, SignedDuration::from_secs(step), total))
}

/// The mean of what one series says in each step; NaN where it says nothing.
fn means(rows: &[&Reading], start: Timestamp, step: i64, steps: usize) -> Vec<f64> {
    let mut means = vec![f64::NAN; steps];
    let index = |row: &Reading| seconds(start, row.at) / step;
    for rows in rows.chunk_by(|a, b| index(a) == index(b)) {
        let known = rows.iter().map(|row| row.value).filter(|value| !value.is_nan());
        let (count, sum) = known.fold((0u32, 0.0), |(count, sum), value| (count + 1, sum + value));
        let place = rows.first().and_then(|row| usize::try_from(index(row)).ok());
        if let Some(mean) = place.and_then(|place| means.get_mut(place))
            && count > 0
        {
            *mean = sum / f64::from(count);
        }
    }
    means
}

/// One missing value between two others is what the one before it was.
fn fill_holes(values: &mut [f64]) {
    let known: Vec<bool> = values.iter().map(|value| !value.is_nan()).collect();
    for i in 1..values.len().saturating_sub(1) {
        if !known[i] && known[i - 1] && known[i + 1] {
            values[i] = values[i - 1];
        }
    }
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn seconds(from: Timestamp, to: Timestamp) -> i64 {
    to.as_second() - from.as_second()
}

fn span(seconds: i64) -> String {
    written(SignedDuration::from_secs(seconds))
}
