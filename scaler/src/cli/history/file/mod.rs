//! Histories in files, as people have them: CSV of any origin, ranges of Prometheus, of promtool and
//! of CloudWatch. What would need a guess is refused, with what to write instead.

mod delimited;
mod export;
mod grid;
mod moment;
mod table;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::History;
use crate::duration::quoted;

/// Which columns count, and how.
#[derive(Debug, Clone, Default)]
pub(crate) struct Columns {
    /// Columns of demand by name, summed; empty: the one called `value`, or the only one of numbers.
    pub(crate) columns: Vec<String>,
    /// The column of times; `None`: by its name, or the only one that holds times.
    pub(crate) time_column: Option<String>,
    /// Columns that tell apart series which are to be summed.
    pub(crate) sum_by: Vec<String>,
    /// Zone of times that say none.
    pub(crate) zone: Option<TimeZone>,
}

/// Reads a file, or standard input for `-`. Errors name file and line.
pub(crate) fn read(path: &Path, columns: &Columns) -> anyhow::Result<History> {
    let mut bytes = Vec::new();
    if path.as_os_str() == "-" {
        std::io::stdin().lock().read_to_end(&mut bytes).context("standard input")?;
        return parse("standard input", &bytes, columns);
    }
    let name = path.display().to_string();
    let cannot = || format!("--input {name}: cannot be read");
    let mut file = std::fs::File::open(path).with_context(cannot)?;
    file.read_to_end(&mut bytes).with_context(cannot)?;
    parse(&name, &bytes, columns)
}

/// One value of one series.
#[derive(Debug, Clone, Copy)]
struct Reading {
    line: u64,
    series: usize,
    at: Timestamp,
    value: f64,
}

/// All of a file, series told apart.
#[derive(Debug, Default)]
struct Readings {
    all: Vec<Reading>,
    /// Number of each series, by its labels and the column of its values.
    series: HashMap<(String, usize), usize>,
    /// The latest instant of each.
    last: Vec<Option<Timestamp>>,
    negative: usize,
}

impl Readings {
    fn series(&mut self, labels: &str, column: usize) -> usize {
        let next = self.series.len();
        let number = *self.series.entry((labels.to_owned(), column)).or_insert(next);
        if number == next {
            self.last.push(None);
        }
        number
    }

    fn last_of(&self, series: usize) -> Option<Timestamp> {
        self.last.get(series).copied().flatten()
    }

    /// Negative values count as 0, as everywhere else.
    fn push(&mut self, mut reading: Reading) {
        if reading.value < 0.0 {
            (reading.value, self.negative) = (0.0, self.negative + 1);
        }
        if let Some(last) = self.last.get_mut(reading.series) {
            *last = Some(reading.at);
        }
        self.all.push(reading);
    }

    fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The readings of each series, in the order of the file.
    fn by_series(&self) -> Vec<Vec<&Reading>> {
        let mut each = vec![Vec::new(); self.last.len()];
        for reading in &self.all {
            if let Some(rows) = each.get_mut(reading.series) {
                rows.push(reading);
            }
        }
        each
    }
}

/// Reads what people have. A missing row, an empty value and NaN are gaps. `name` is for errors.
fn parse(name: &str, bytes: &[u8], columns: &Columns) -> anyhow::Result<History> {
    let text = text(name, bytes)?;
    let table = match text.trim_start().chars().next() {
        Some('{' | '[') if !export::is_promtool(text) => export::json(name, text)?,
        _ if export::is_promtool(text) => export::promtool(name, text)?,
        _ => delimited::table(name, text)?,
    };
    let readings = table.readings(name, columns)?;
    let mut history = grid::history(name, &readings)?;
    if readings.negative > 0 {
        history.notes.push(format!("{name}: negative values counted as 0: {}", readings.negative));
    }
    Ok(history)
}

/// UTF-8 without its mark. Other things are named.
fn text<'b>(name: &str, bytes: &'b [u8]) -> anyhow::Result<&'b str> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match bytes {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => bail!("{name}: it is UTF-16: save it as UTF-8"),
        [0x1f, 0x8b, ..] | [b'P', b'K', 3, 4, ..] => {
            bail!("{name}: it is compressed, or a spreadsheet: unpack it, or save it as CSV")
        }
        _ => {}
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let line = bytes.iter().take(error.valid_up_to()).filter(|b| **b == b'\n').count() + 1;
        anyhow!("{name}:{line}: it is not UTF-8: save it as UTF-8")
    })
}

/// An instant, in whole seconds.
pub(crate) fn instant(text: &str) -> anyhow::Result<Timestamp> {
    let at: Timestamp = text.parse().map_err(|_| {
        let zoneless = text.parse::<jiff::civil::DateTime>().is_ok();
        let fix = if zoneless {
            "its zone is missing: for UTC add a Z"
        } else {
            "write it like 2026-11-24T08:00:00Z"
        };
        anyhow!("timestamp {} is no time: {fix}", quoted(text))
    })?;
    if at.subsec_nanosecond() != 0 {
        bail!("timestamp {text} must be a whole second");
    }
    Ok(at)
}
