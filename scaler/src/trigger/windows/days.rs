//! Days on which windows begin.

use prewarm_forecaster::calendar::HolidayRule;
use serde_json::Value;

use super::{WEEKDAYS, error, shown};
use crate::trigger::MetadataError;

/// What `days` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StartDays {
    pub(super) weekdays: [bool; 7],
    /// Holidays are named, beside the weekdays or alone.
    pub(super) holidays: bool,
}

/// `"*"`, `daily`, `holidays`, `Mon`, `Mon-Fri`, `Fri-Mon`, `Sat,Sun,holidays`, or a list of those.
pub(super) fn days(value: &Value, path: &str) -> Result<StartDays, MetadataError> {
    let expected =
        "write \"*\", Mon-Fri, \"Sat,Sun\", \"Sat,Sun,holidays\", [Mon, Wed] or holidays";
    let wrong = || error(path, format!("{} names no days: {expected}", shown(value)));
    let words: Vec<&str> = match value {
        Value::String(text) => text.split(',').map(str::trim).collect(),
        Value::Array(list) => list
            .iter()
            .map(|word| word.as_str().map(str::trim))
            .collect::<Option<_>>()
            .ok_or_else(wrong)?,
        _ => return Err(wrong()),
    };
    if words.is_empty() {
        return Err(wrong());
    }
    let mut started = StartDays { weekdays: [false; 7], holidays: false };
    for word in words {
        match word.to_ascii_lowercase().as_str() {
            "*" | "daily" => started.weekdays = [true; 7],
            "holidays" | "holiday" => started.holidays = true,
            word => {
                for index in weekdays_of(word).ok_or_else(wrong)? {
                    if let Some(day) = started.weekdays.get_mut(index) {
                        *day = true;
                    }
                }
            }
        }
    }
    Ok(started)
}

/// Indices of the weekdays of `Mon` or `Fri-Mon`; ranges may wrap.
fn weekdays_of(word: &str) -> Option<Vec<usize>> {
    let index = |name: &str| {
        let name = name.trim();
        let short = name.get(..3).filter(|_| name.len() == 3 || is_long_name(name))?;
        WEEKDAYS.iter().position(|known| known.eq_ignore_ascii_case(short))
    };
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    let (first, last) = (index(first)?, index(last)?);
    let days = (last + 7 - first) % 7;
    Some((0..=days).map(|step| (first + step) % 7).collect())
}

/// What a holiday does to a window. All days are all days: such a window holds on holidays as well,
/// unless it says otherwise; one for some weekdays leaves them out.
pub(super) fn holiday_rule(
    written: Option<&Value>,
    days: StartDays,
    path: &str,
) -> Result<HolidayRule, MetadataError> {
    let every_day = days.weekdays == [true; 7];
    match (written.map(|value| (value, value.as_str())), days.holidays) {
        (None, true) if days.weekdays == [false; 7] => Ok(HolidayRule::Only),
        (None | Some((_, Some("ignore"))), true) => Ok(HolidayRule::Also),
        (Some((_, Some("skip"))), true) => {
            Err(error(path, "skip contradicts days, which names holidays"))
        }
        (None, false) if every_day => Ok(HolidayRule::Ignore),
        (None | Some((_, Some("skip"))), false) => Ok(HolidayRule::Skip),
        (Some((_, Some("ignore"))), false) => Ok(HolidayRule::Ignore),
        (Some((other, _)), _) => {
            let default = if every_day { "ignore" } else { "skip" };
            let problem =
                format!("{} must be skip or ignore (default here: {default})", shown(other));
            Err(error(path, problem))
        }
    }
}

fn is_long_name(name: &str) -> bool {
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
        .contains(&name.to_lowercase().as_str())
}
