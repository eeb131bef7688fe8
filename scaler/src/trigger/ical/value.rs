//! Dates, date-times and durations (RFC 5545, 3.3).

use jiff::civil::{Date, DateTime, Time};

use super::lines::Property;
use super::{on_line, quoted};

/// A date or date-time as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) line: usize,
    /// What clocks read; midnight for a date.
    pub(super) local: DateTime,
    pub(super) form: Form,
}

/// What a moment is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form {
    /// A date without a time.
    Date,
    /// A date-time wherever one is.
    Floating,
    /// A date-time in UTC.
    Utc,
    /// A date-time in the zone of this `TZID`.
    Zoned(String),
}

/// A length as written: days and weeks are those of the calendar, the rest is time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Length {
    pub(super) days: i64,
    pub(super) seconds: i64,
}

/// What is more than this is no event's length; keeps sums in range.
const MOST_DAYS: i64 = 100_000;

/// The property's one value.
pub(super) fn moment(property: &Property) -> Result<Moment, String> {
    parse_moment(property, property.value.trim())
}

/// The values of a list (`EXDATE`, `RDATE`), separated by commas.
pub(super) fn moments(property: &Property) -> Result<Vec<Moment>, String> {
    let values = property.value.split(',').map(str::trim);
    values.filter(|value| !value.is_empty()).map(|value| parse_moment(property, value)).collect()
}

/// One value in the form that the property's parameters say.
pub(super) fn parse_moment(property: &Property, text: &str) -> Result<Moment, String> {
    let name = &property.name;
    let wrong = || {
        let advice = "write it like 20261224, or 20261224T080000";
        on_line(property.line, format!("{name} {} is no date: {advice}", quoted(text)))
    };
    let (date, time) = match text.split_once(['T', 't']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let date = parse_date(date).ok_or_else(wrong)?;
    let value = property.parameter("VALUE").map(str::to_ascii_uppercase);
    let Some(time) = time else {
        if value.as_deref() == Some("DATE-TIME") {
            return Err(wrong());
        }
        return Ok(Moment {
            line: property.line,
            local: date.to_datetime(Time::midnight()),
            form: Form::Date,
        });
    };
    if value.as_deref() == Some("DATE") {
        return Err(wrong());
    }
    let (time, utc) = match time.strip_suffix(['Z', 'z']) {
        Some(time) => (time, true),
        None => (time, false),
    };
    let time = parse_time(time).ok_or_else(wrong)?;
    let form = match property.parameter("TZID") {
        // A `Z` says it already; some programs write both.
        _ if utc => Form::Utc,
        Some(zone) if !zone.is_empty() => Form::Zoned(zone.to_owned()),
        _ => Form::Floating,
    };
    Ok(Moment { line: property.line, local: date.to_datetime(time), form })
}

fn parse_date(text: &str) -> Option<Date> {
    let number = digits(text, 8)?;
    Date::new(
        i16::try_from(number / 10_000).ok()?,
        (number / 100 % 100) as i8,
        (number % 100) as i8,
    )
    .ok()
}

fn parse_time(text: &str) -> Option<Time> {
    let number = digits(text, 6)?;
    // A leap second is the last one of its minute.
    let second = (number % 100).min(if number % 100 == 60 { 59 } else { 99 });
    Time::new((number / 10_000) as i8, (number / 100 % 100) as i8, second as i8, 0).ok()
}

fn digits(text: &str, count: usize) -> Option<u32> {
    let all = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    if all { text.parse().ok() } else { None }
}

/// `P3D`, `P1W`, `PT24H`, `P1DT12H30M`; a minus sign makes it negative.
pub(super) fn length(line: usize, text: &str) -> Result<Length, String> {
    let wrong =
        || on_line(line, format!("{} is no duration: write it like P3D or PT24H", quoted(text)));
    let upper = text.trim().to_ascii_uppercase();
    let (sign, rest) = match upper.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, upper.strip_prefix('+').unwrap_or(&upper)),
    };
    let rest = rest.strip_prefix('P').ok_or_else(wrong)?;
    let (date, time) = rest.split_once('T').unwrap_or((rest, ""));
    let [mut days, mut seconds] = [0_i64; 2];
    let amounts = amounts(date).and_then(|date| Some((date, amounts(time)?))).ok_or_else(wrong)?;
    if amounts.0.is_empty() && amounts.1.is_empty() {
        return Err(wrong());
    }
    for (amount, unit) in amounts.0 {
        match unit {
            'W' => days += amount * 7,
            'D' => days += amount,
            _ => return Err(wrong()),
        }
    }
    for (amount, unit) in amounts.1 {
        match unit {
            'H' => seconds += amount * 3600,
            'M' => seconds += amount * 60,
            'S' => seconds += amount,
            _ => return Err(wrong()),
        }
    }
    if days > MOST_DAYS || seconds / 86_400 > MOST_DAYS {
        return Err(wrong());
    }
    Ok(Length { days: sign * days, seconds: sign * seconds })
}

/// `1D2H` as amounts with their units; at most seven digits each, and few of them.
fn amounts(text: &str) -> Option<Vec<(i64, char)>> {
    let mut found = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|character: char| !character.is_ascii_digit())?;
        let (number, unit) = rest.split_at_checked(end)?;
        let unit_character = unit.chars().next()?;
        if number.len() > 10 || found.len() > 3 {
            return None;
        }
        found.push((number.parse().ok()?, unit_character));
        rest = unit.get(unit_character.len_utf8()..)?;
    }
    Some(found)
}
