//! Holiday calendars as iCalendar files (RFC 5545): the dates that whole-day events cover.
//!
//! An event counts when it lasts whole days: its `DTSTART` is a date, or it runs from midnight to
//! midnight where it takes place. An event with a time of day is no holiday; it is left out, and a
//! note says so. What is not understood is an error that names its line: a calendar that is read
//! half would be wrong on a day that nobody looks at.
//!
//! The reader is our own because of that: `icalendar` and `calcard` keep no lines and pass over
//! what they do not know, and `rrule` brings chrono-tz along, a second database of zones beside
//! jiff's. The results are compared with Python's `recurring-ical-events` in `generated.rs`.

mod event;
mod lines;
mod recur;
mod rule;
mod series;
mod value;
mod zone;

use jiff::civil::Date;

use crate::duration::quoted;

/// Longest file that is read, in bytes.
pub const MOST_BYTES: usize = 4 * 1024 * 1024;

/// Most problems that are told at once.
const MOST_PROBLEMS: usize = 20;

/// Days that all rules of a file together may look at: a fraction of a second of work. A yearly
/// event looks at some 1,500.
const MOST_STEPS: u64 = 10_000_000;

/// What a calendar says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Holidays {
    /// Local dates, sorted, each once.
    pub dates: Vec<Date>,
    /// What was left out, and why.
    pub notes: Vec<String>,
}

/// Reads the dates within `from ..= to` that a file names. Recurring events are expanded by RFC
/// 5545's rules.
///
/// Errors name the line, what stands there and the fix; there is at least one.
pub fn holidays(file: &[u8], from: Date, to: Date) -> Result<Holidays, Vec<String>> {
    if file.len() > MOST_BYTES {
        let problem = format!("is longer than {} MiB", MOST_BYTES / 1024 / 1024);
        return Err(vec![problem]);
    }
    let properties = lines::properties(file).map_err(|problem| vec![problem])?;
    let calendar = event::calendar(&properties)?;
    series::dates(&calendar, from, to)
}

/// A problem on a line.
fn on_line(line: usize, problem: impl std::fmt::Display) -> String {
    format!("line {line}: {problem}")
}

#[cfg(test)]
mod generated;
#[cfg(test)]
mod tests;
