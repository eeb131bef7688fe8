//! `[policies.NAME]` and `[holidays.NAME]`: windows and holidays that many triggers share.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::civil::{Date, date};
use serde_json::Value as Json;

use super::reader::Section;
use crate::trigger::windows::shared_policy;
use crate::trigger::{SharedPolicy, holidays, ical};

/// Things by the name that the configuration gives them.
type Named<T> = BTreeMap<String, T>;

/// Recurring events are expanded over this span: all of the history and more future than a process
/// lives to see.
const HOLIDAYS: (Date, Date) = (date(2015, 1, 1), date(2060, 12, 31));

/// Calendars by name, and what is worth a word about them.
#[derive(Debug, Default)]
pub(super) struct Calendars {
    pub(super) dates: Named<Vec<Date>>,
    pub(super) notes: Vec<String>,
}

/// Reads `[holidays.NAME]`: an iCalendar file, or dates and country codes.
pub(super) fn read_holidays(root: &mut Section<'_>) -> Calendars {
    let mut calendars = Calendars::default();
    for (name, mut section) in root.named("holidays") {
        match (section.path("file"), section.texts("dates")) {
            (Some(file), None) => match from_file(&file) {
                Ok(read) => {
                    let notes = read
                        .notes
                        .iter()
                        .map(|note| format!("holidays.{name}: {}: {note}", file.display()));
                    calendars.notes.extend(notes);
                    calendars.dates.insert(name, read.dates);
                }
                Err(problems) => {
                    problems.iter().for_each(|problem| section.problem("file", problem))
                }
            },
            (None, Some(words)) => match holidays::parse(&words.join(", "), &Named::new()) {
                Ok(mut dates) => {
                    dates.sort_unstable();
                    dates.dedup();
                    drop(calendars.dates.insert(name, dates));
                }
                Err(errors) => {
                    errors.iter().for_each(|error| section.problem("dates", &error.problem))
                }
            },
            (None, None) => {
                section.problem(
                    "file",
                    "is missing: give file (an iCalendar file) or dates = [\"2026-12-24\", \"DE-BY\"]",
                );
            }
            (Some(_), Some(_)) => {
                section.problem("file", "cannot stand beside dates: give one of them")
            }
        }
        section.finish();
    }
    calendars
}

fn from_file(file: &Path) -> Result<ical::Holidays, Vec<String>> {
    let shown = file.display();
    let text =
        std::fs::read(file).map_err(|error| vec![format!("cannot read {shown}: {error}")])?;
    let read = ical::holidays(&text, HOLIDAYS.0, HOLIDAYS.1);
    read.map_err(|problems| problems.iter().map(|problem| format!("{shown}: {problem}")).collect())
}

/// Reads `[policies.NAME]`: timezone, windows and holidays as in a trigger; `holidays` may name a
/// calendar from above.
pub(super) fn read_policies(
    root: &mut Section<'_>,
    calendars: &Named<Vec<Date>>,
) -> Named<SharedPolicy> {
    let mut policies = BTreeMap::new();
    for (name, mut section) in root.named("policies") {
        let keys = ["timezone", "windows", "holidays"];
        let fields: BTreeMap<String, Json> =
            keys.into_iter().filter_map(|key| Some((key.to_owned(), section.tree(key)?))).collect();
        match shared_policy(&fields, calendars) {
            Ok(policy) => drop(policies.insert(name, policy)),
            Err(errors) => {
                errors.iter().for_each(|error| section.problem(&error.key, &error.problem))
            }
        }
        section.finish();
    }
    policies
}
