//! `[policies.NAME]` and `[holidays.NAME]`: windows and holidays that many triggers share.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::civil::{Date, date};
use serde_json::Value as Json;

use super::reader::Section;
use crate::metadata::SharedPolicy;
use crate::metadata::ical;
use crate::metadata::windows::{parse_dates, shared_policy};

/// Things by the name that the configuration gives them.
type Named<T> = BTreeMap<String, T>;

/// Yearly events are expanded over this span: all of the history and more future than a process lives to see.
const HOLIDAYS: (Date, Date) = (date(2015, 1, 1), date(2060, 12, 31));

/// Reads `[holidays.NAME]`: an iCalendar file, or dates.
pub(super) fn read_holidays(root: &mut Section<'_>) -> Named<Vec<Date>> {
    let mut calendars = BTreeMap::new();
    for (name, mut section) in root.named("holidays") {
        let dates = match (section.path("file"), section.texts("dates")) {
            (Some(file), None) => from_file(&file).map_err(|problem| section.problem("file", problem)),
            (None, Some(dates)) => parse_dates(&dates.join(", ")).map_err(|errors| {
                errors.iter().for_each(|error| section.problem("dates", &error.problem));
            }),
            (None, None) => {
                section.problem("file", "is missing: give file (an iCalendar file) or dates = [\"2026-12-24\"]");
                Err(())
            }
            (Some(_), Some(_)) => {
                section.problem("file", "cannot stand beside dates: give one of them");
                Err(())
            }
        };
        section.finish();
        if let Ok(dates) = dates {
            calendars.insert(name, dates);
        }
    }
    calendars
}

fn from_file(file: &Path) -> Result<Vec<Date>, String> {
    let shown = file.display();
    let text = std::fs::read_to_string(file).map_err(|error| format!("cannot read {shown}: {error}"))?;
    ical::holidays(&text, HOLIDAYS.0, HOLIDAYS.1).map_err(|problem| format!("{shown} {problem}"))
}

/// Reads `[policies.NAME]`: timezone, windows and holidays as in a trigger; `holidays` may name a calendar from above.
pub(super) fn read_policies(root: &mut Section<'_>, calendars: &Named<Vec<Date>>) -> Named<SharedPolicy> {
    let mut policies = BTreeMap::new();
    for (name, mut section) in root.named("policies") {
        let keys = ["timezone", "windows", "holidays"];
        let mut fields: BTreeMap<String, Json> =
            keys.into_iter().filter_map(|key| Some((key.to_owned(), section.tree(key)?))).collect();
        let calendar = fields.get("holidays").and_then(Json::as_str).and_then(|name| calendars.get(name));
        if let Some(dates) = calendar {
            fields.insert("holidays".to_owned(), dates.iter().map(ToString::to_string).collect());
        }
        match shared_policy(&fields) {
            Ok(policy) => drop(policies.insert(name, policy)),
            Err(errors) => errors.iter().for_each(|error| section.problem(&error.key, &error.problem)),
        }
        section.finish();
    }
    policies
}
