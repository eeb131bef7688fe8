//! Windows and holidays as people write them (YAML) → [`Window`]s.

mod days;
mod policy;

use std::collections::BTreeMap;

use jiff::civil::{Date, Time};
use prewarm_forecaster::Window;
use prewarm_forecaster::calendar::{Days, HolidayRule, ZeroRule};
use serde_json::Value;

use super::MetadataError;
use days::{StartDays, days, holiday_rule};
pub use policy::{FoundPolicy, policies, shared_policy};

/// More windows than this are a mistake, and a cost at every tick.
const MOST_WINDOWS: usize = 64;

/// Longest text of a `windows` or `holidays` key, in bytes.
pub(super) const MOST_BYTES: usize = 64 * 1024;

/// No cluster has more.
const MOST_REPLICAS: u64 = 100_000;

/// Fields of a window.
const FIELDS: [&str; 9] = [
    "name",
    "days",
    "dates",
    "holidays",
    "from",
    "to",
    "minReplicas",
    "maxReplicas",
    "scaleToZero",
];

const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// One document of a policy file, or the like, as a tree.
type Map = BTreeMap<String, Value>;

/// Reads the `windows` key: a YAML list. Errors name `windows[i].field`; all of them are told, not
/// only the first.
pub fn parse_windows(text: &str) -> Result<Vec<Window>, Vec<MetadataError>> {
    let tree = tree(
        text,
        "windows",
        "a YAML list such as - {name: office, days: Mon-Fri, from: \"08:00\", to: \"18:00\", minReplicas: 2}",
    )?;
    windows(&tree, "windows")
}

/// Reads a list of dates: `2026-12-24, 2026-12-25` or a YAML list. Errors name `holidays`.
pub fn parse_dates(text: &str) -> Result<Vec<Date>, Vec<MetadataError>> {
    let mut errors = Vec::new();
    if text.len() > MOST_BYTES {
        return Err(vec![too_long("holidays")]);
    }
    let words = text.split(|c: char| {
        c == ',' || c == '[' || c == ']' || c == '"' || c == '\'' || c.is_whitespace()
    });
    let words = words.filter(|word| !word.is_empty() && *word != "-");
    let dates = words.filter_map(|word| noted(date(word, "holidays"), &mut errors)).collect();
    if errors.is_empty() { Ok(dates) } else { Err(errors) }
}

/// YAML as a tree; the parser's own limits stop alias bombs and deep nesting.
fn tree(text: &str, key: &str, expected: &str) -> Result<Value, Vec<MetadataError>> {
    if text.len() > MOST_BYTES {
        return Err(vec![too_long(key)]);
    }
    serde_saphyr::from_str_with_options(text, options())
        .map_err(|cause| vec![unreadable(&cause, key, expected)])
}

fn unreadable(cause: &serde_saphyr::Error, key: &str, expected: &str) -> MetadataError {
    let cause = cause.to_string();
    let first = cause.lines().next().unwrap_or_default();
    error(key, format!("cannot be read as YAML ({first}): write {expected}"))
}

/// `off`, `on`, `yes` and `no` are words here, as in YAML 1.2: wherever they can stand, text is
/// meant.
fn options() -> serde_saphyr::Options {
    serde_saphyr::options! { strict_booleans: true }
}

fn windows(tree: &Value, path: &str) -> Result<Vec<Window>, Vec<MetadataError>> {
    let Value::Array(list) = tree else {
        return Err(vec![error(path, format!("must be a list of windows, not {}", kind(tree)))]);
    };
    if list.len() > MOST_WINDOWS {
        return Err(vec![error(
            path,
            format!("{} windows are too many: at most {MOST_WINDOWS}", list.len()),
        )]);
    }
    let mut errors = Vec::new();
    let mut found: Vec<Window> = Vec::new();
    for (i, item) in list.iter().enumerate() {
        match window(item, &format!("{path}[{i}]"), i) {
            Ok(window) if found.iter().any(|other| other.name == window.name) => {
                errors.push(error(
                    format!("{path}[{i}].name"),
                    format!("{:?} is taken: names are unique", window.name),
                ));
            }
            Ok(window) => found.push(window),
            Err(more) => errors.extend(more),
        }
    }
    if errors.is_empty() { Ok(found) } else { Err(errors) }
}

/// Names reach terminals, pages and labels.
fn is_window_name(name: &str) -> bool {
    (1..=63).contains(&name.len()) && !name.chars().any(char::is_control)
}

fn window(item: &Value, path: &str, index: usize) -> Result<Window, Vec<MetadataError>> {
    let Value::Object(fields) = item else {
        return Err(vec![error(
            path,
            format!(
                "must be a mapping such as {{days: Mon-Fri, from: \"08:00\", …}}, not {}",
                kind(item)
            ),
        )]);
    };
    let mut errors = Vec::new();
    for unknown in fields.keys().filter(|key| !FIELDS.contains(&key.as_str())) {
        let near = FIELDS.iter().min_by_key(|known| {
            strsim::osa_distance(&unknown.to_lowercase(), &known.to_lowercase())
        });
        let near = near.copied().unwrap_or_default();
        errors.push(error(
            format!("{path}.{}", shortened(unknown).escape_debug()),
            format!(
                "is no field of a window; did you mean {near}? There are {}",
                FIELDS.join(", ")
            ),
        ));
    }
    let at = |field: &str| format!("{path}.{field}");
    let name = match fields.get("name") {
        None => format!("window-{}", index + 1),
        Some(Value::String(name)) if is_window_name(name) => name.clone(),
        Some(other) => {
            let fix = if other.is_boolean() || other.is_number() {
                format!(": write \"{other}\"")
            } else {
                String::new()
            };
            errors.push(error(
                at("name"),
                format!(
                    "{} must be text of 1 to 63 bytes without control characters{fix}",
                    shown(other)
                ),
            ));
            String::new()
        }
    };
    let dates = match fields.get("dates") {
        None => Vec::new(),
        Some(tree) => noted_all(dates(tree, &at("dates")), &mut errors),
    };
    let started = match fields.get("days") {
        None if dates.is_empty() => Some(StartDays { weekdays: [true; 7], holidays: false }),
        None => Some(StartDays { weekdays: [false; 7], holidays: false }),
        Some(value) => noted(days(value, &at("days")), &mut errors),
    };
    let started = started.unwrap_or(StartDays { weekdays: [false; 7], holidays: false });
    let rule = holiday_rule(fields.get("holidays"), started, &at("holidays"));
    let holidays = noted(rule, &mut errors).unwrap_or_default();
    let weekdays = started.weekdays;
    let from = noted(clock(fields.get("from"), &at("from"), false), &mut errors);
    let to = noted(clock(fields.get("to"), &at("to"), true), &mut errors);
    let min_replicas =
        noted(replicas(fields.get("minReplicas"), &at("minReplicas")), &mut errors).flatten();
    let max_replicas =
        noted(replicas(fields.get("maxReplicas"), &at("maxReplicas")), &mut errors).flatten();
    let scale_to_zero = match fields.get("scaleToZero").map(|value| (value, value.as_str())) {
        None => None,
        Some((_, Some("allowed"))) => Some(ZeroRule::Allowed),
        Some((_, Some("never"))) => Some(ZeroRule::Never),
        Some((other, _)) => {
            errors.push(error(
                at("scaleToZero"),
                format!("{} must be allowed or never", shown(other)),
            ));
            None
        }
    };
    if let (Some(min), Some(max)) = (min_replicas, max_replicas)
        && min > max
    {
        errors.push(error(
            at("minReplicas"),
            format!("{min} is above maxReplicas {max}: a window cannot hold both"),
        ));
    }
    let says = ["minReplicas", "maxReplicas", "scaleToZero"];
    if says.iter().all(|field| !fields.contains_key(*field)) {
        errors.push(error(path, "says nothing: it needs minReplicas, maxReplicas or scaleToZero"));
    }
    match (from, to) {
        (Some(from), Some(to)) if errors.is_empty() => {
            let days = Days { weekdays, dates, holidays };
            Ok(Window { name, days, from, to, min_replicas, max_replicas, scale_to_zero })
        }
        _ => Err(errors),
    }
}

/// Names of the windows for all days that do not say what holidays are to them: they hold on
/// holidays, too. Until version 0.1 they did not.
pub(crate) fn undecided_on_holidays(text: &str) -> Vec<String> {
    let Ok(Value::Array(list)) = tree(text, "windows", "") else { return Vec::new() };
    let mut names = Vec::new();
    for (index, item) in list.iter().enumerate() {
        if item.get("holidays").is_some() {
            continue;
        }
        if let Ok(window) = window(item, "", index)
            && window.days.holidays == HolidayRule::Ignore
        {
            names.push(window.name);
        }
    }
    names
}

/// `"08:00"`; `"24:00"` as an end.
fn clock(value: Option<&Value>, path: &str, end: bool) -> Result<Time, MetadataError> {
    let Some(value) = value else {
        return Err(error(path, "is missing: a local time such as \"08:00\""));
    };
    let wrong = || {
        error(
            path,
            format!(
                "{} is no local time: write it like \"08:00\"{}",
                shown(value),
                if end { ", or \"24:00\"" } else { "" }
            ),
        )
    };
    let text = value.as_str().ok_or_else(wrong)?;
    if end && text == "24:00" {
        return Ok(Time::midnight());
    }
    let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
    let digits = |part: &str| {
        part.len() <= 2 && !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit())
    };
    if !digits(hour) || minute.len() != 2 || !digits(minute) {
        return Err(wrong());
    }
    let (hour, minute) = (hour.parse().map_err(|_| wrong())?, minute.parse().map_err(|_| wrong())?);
    Time::new(hour, minute, 0, 0).map_err(|_| wrong())
}

fn replicas(value: Option<&Value>, path: &str) -> Result<Option<u32>, MetadataError> {
    let Some(value) = value else { return Ok(None) };
    let whole = value.as_u64().filter(|n| *n <= MOST_REPLICAS).and_then(|n| u32::try_from(n).ok());
    whole.map(Some).ok_or_else(|| {
        error(path, format!("{} must be a whole number from 0 to {MOST_REPLICAS}", shown(value)))
    })
}

fn dates(tree: &Value, path: &str) -> Result<Vec<Date>, Vec<MetadataError>> {
    let Value::Array(list) = tree else {
        return Err(vec![error(
            path,
            format!("{} must be a list of dates such as [2026-12-24]", shown(tree)),
        )]);
    };
    let mut errors = Vec::new();
    let read = |(i, value): (usize, &Value)| {
        date(value.as_str().unwrap_or(&value.to_string()), &format!("{path}[{i}]"))
    };
    let found =
        list.iter().enumerate().map(read).filter_map(|one| noted(one, &mut errors)).collect();
    if errors.is_empty() { Ok(found) } else { Err(errors) }
}

pub(super) fn date(text: &str, path: &str) -> Result<Date, MetadataError> {
    let wrong =
        || error(path, format!("{:?} is no date: write it like 2026-12-24", shortened(text)));
    let shape = text.len() == 10
        && text
            .bytes()
            .enumerate()
            .all(|(i, b)| if i == 4 || i == 7 { b == b'-' } else { b.is_ascii_digit() });
    if !shape {
        return Err(wrong());
    }
    text.parse().map_err(|_| wrong())
}

fn error(key: impl Into<String>, problem: impl Into<String>) -> MetadataError {
    MetadataError { key: key.into(), problem: problem.into() }
}

pub(super) fn too_long(key: &str) -> MetadataError {
    error(key, format!("is longer than {} KiB", MOST_BYTES / 1024))
}

fn noted<T>(result: Result<T, MetadataError>, errors: &mut Vec<MetadataError>) -> Option<T> {
    result.map_err(|error| errors.push(error)).ok()
}

fn noted_all<T>(
    result: Result<Vec<T>, Vec<MetadataError>>,
    errors: &mut Vec<MetadataError>,
) -> Vec<T> {
    result.unwrap_or_else(|more| {
        errors.extend(more);
        Vec::new()
    })
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}

fn shown(value: &Value) -> String {
    shortened(&value.to_string())
}

/// Outside text in an error: at most 60 characters of it.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
