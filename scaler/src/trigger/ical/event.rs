//! Components of a calendar: events and zones as they are written.

use std::sync::Arc;

use jiff::SignedDuration;

use super::lines::Property;
use super::rule::{self, Rule};
use super::value::{self, Form, Length, Moment};
use super::zone::{Change, LAST_CHANGE, Place, Zones};
use super::{MOST_PROBLEMS, on_line, quoted, recur};

/// A file's events and the zones that they are in.
#[derive(Debug)]
pub(super) struct Calendar {
    pub(super) zones: Zones,
    pub(super) events: Vec<Event>,
}

/// One event.
#[derive(Debug)]
pub(super) struct Event {
    /// Line on which it begins.
    pub(super) line: usize,
    /// `SUMMARY`, for people.
    pub(super) name: String,
    pub(super) uid: Option<String>,
    /// Version of the event; the highest counts.
    pub(super) sequence: i64,
    pub(super) canceled: bool,
    /// Outlook's mark of an event without a time.
    pub(super) all_day: bool,
    pub(super) start: Moment,
    pub(super) end: Option<End>,
    /// Read when they are needed: those of an event that is no holiday may say what they like.
    pub(super) rules: Vec<Property>,
    pub(super) further: Vec<(Moment, Option<End>)>,
    pub(super) without: Vec<Moment>,
    /// The occurrence of a series that this event takes the place of.
    pub(super) replaces: Option<Moment>,
}

/// Where an event ends.
#[derive(Debug, Clone)]
pub(super) enum End {
    At(Moment),
    After(Length),
}

/// A component whose properties are being gathered.
#[derive(Debug, Default)]
struct Component {
    line: usize,
    name: String,
    properties: Vec<Property>,
    /// Parts of a zone.
    parts: Vec<Component>,
}

/// Reads the events of all calendars in a file.
pub(super) fn calendar(properties: &[Property]) -> Result<Calendar, Vec<String>> {
    let Components { events, zones, home } =
        components(properties).map_err(|problem| vec![problem])?;
    let mut found = Calendar { zones: Zones::default(), events: Vec::new() };
    let mut names = Vec::new();
    let mut steps = super::MOST_STEPS;
    for zone in &zones {
        let Some(name) = zone.value("TZID") else { continue };
        names.push(name.to_owned());
        found.zones.defined.insert(name.to_owned(), changes(zone, &mut steps));
    }
    found.zones.home = home_of(&found.zones, home, &names);
    let mut problems = Vec::new();
    for component in events {
        match event(component) {
            Ok(event) => found.events.push(event),
            Err(problem) => problems.push(problem),
        }
    }
    problems.truncate(MOST_PROBLEMS);
    if !problems.is_empty() {
        return Err(problems);
    }
    if found.events.is_empty() {
        return Err(vec!["holds no event (BEGIN:VEVENT)".to_owned()]);
    }
    Ok(found)
}

/// `X-WR-TIMEZONE`, or the only zone that the file defines.
fn home_of(zones: &Zones, declared: Option<String>, names: &[String]) -> Option<Place> {
    match (declared, names) {
        (Some(name), _) => zones.place(&name).ok(),
        (None, [only]) => zones.place(only).ok(),
        (None, _) => None,
    }
}

/// What a file is made of, as far as it matters.
#[derive(Debug, Default)]
struct Components {
    events: Vec<Component>,
    zones: Vec<Component>,
    /// `X-WR-TIMEZONE`.
    home: Option<String>,
}

fn components(properties: &[Property]) -> Result<Components, String> {
    const NO_CALENDAR: &str = "an iCalendar file begins with BEGIN:VCALENDAR";
    let mut found = Components::default();
    let mut open: Vec<Component> = Vec::new();
    if properties.is_empty() {
        return Err(format!("is empty: {NO_CALENDAR}"));
    }
    for property in properties {
        match property.name.as_str() {
            "BEGIN" if open.is_empty() && property.word() != "VCALENDAR" => {
                return Err(on_line(
                    property.line,
                    format!("{} is no calendar: {NO_CALENDAR}", quoted(&property.value)),
                ));
            }
            "BEGIN" => open.push(Component {
                line: property.line,
                name: property.word(),
                ..Component::default()
            }),
            "END" => {
                let Some(closed) = open.pop().filter(|closed| closed.name == property.word())
                else {
                    let problem = format!("END:{} ends what is not begun", property.value.trim());
                    return Err(on_line(property.line, problem));
                };
                found.take(closed, open.as_mut_slice());
            }
            name => match open.as_mut_slice() {
                [] => {
                    return Err(on_line(
                        property.line,
                        format!("{name} stands outside of a calendar: {NO_CALENDAR}"),
                    ));
                }
                [_] if name == "X-WR-TIMEZONE" => {
                    found.home = Some(property.value.trim().to_owned())
                }
                [.., last] => last.properties.push(property.clone()),
            },
        }
    }
    match open.last() {
        Some(unfinished) => {
            let problem = format!("the file ends within BEGIN:{}: it is cut off", unfinished.name);
            Err(on_line(unfinished.line, problem))
        }
        None => Ok(found),
    }
}

impl Components {
    /// Takes a component that has just ended, within those that are still open.
    fn take(&mut self, closed: Component, open: &mut [Component]) {
        match (closed.name.as_str(), open) {
            ("VEVENT", [_]) => self.events.push(closed),
            ("VTIMEZONE", [_]) => self.zones.push(closed),
            ("STANDARD" | "DAYLIGHT", [_, zone]) => zone.parts.push(closed),
            // Alarms, tasks, journals, free and busy times.
            _ => {}
        }
    }
}

impl Component {
    fn first(&self, name: &str) -> Option<&Property> {
        self.properties.iter().find(|property| property.name == name)
    }

    fn all<'c>(&'c self, name: &'c str) -> impl Iterator<Item = &'c Property> {
        self.properties.iter().filter(move |property| property.name == name)
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.first(name).map(|property| property.value.trim())
    }

    /// A property that stands once at most.
    fn only(&self, name: &str) -> Result<Option<&Property>, String> {
        match self.all(name).nth(1) {
            Some(second) => {
                Err(on_line(second.line, format!("{name} is given twice in one event")))
            }
            None => Ok(self.first(name)),
        }
    }
}

fn event(component: Component) -> Result<Event, String> {
    if let Some(old) = component.first("EXRULE") {
        return Err(on_line(
            old.line,
            "EXRULE is not understood: list the dates that are left out as EXDATE",
        ));
    }
    let Some(start) = component.only("DTSTART")? else {
        return Err(on_line(component.line, "the event has no DTSTART"));
    };
    let status = component.first("STATUS").map(Property::word);
    let all_day = component
        .first("X-MICROSOFT-CDO-ALLDAYEVENT")
        .is_some_and(|property| property.word() == "TRUE");
    let mut event = Event {
        line: component.line,
        name: component.value("SUMMARY").unwrap_or("without a name").to_owned(),
        uid: component.value("UID").map(str::to_owned),
        sequence: sequence(&component)?,
        canceled: matches!(status.as_deref(), Some("CANCELLED" | "CANCELED")),
        all_day,
        start: value::moment(start)?,
        end: end(&component)?,
        rules: component.all("RRULE").cloned().collect(),
        further: Vec::new(),
        without: Vec::new(),
        replaces: replaces(&component)?,
    };
    for property in component.all("RDATE") {
        event.further.extend(further(property)?);
    }
    for property in component.all("EXDATE") {
        event.without.extend(value::moments(property)?);
    }
    Ok(event)
}

fn sequence(component: &Component) -> Result<i64, String> {
    let Some(property) = component.only("SEQUENCE")? else { return Ok(0) };
    let wrong =
        || on_line(property.line, format!("SEQUENCE {} is no number", quoted(&property.value)));
    property.value.trim().parse().map_err(|_| wrong())
}

fn end(component: &Component) -> Result<Option<End>, String> {
    match (component.only("DTEND")?, component.only("DURATION")?) {
        (Some(_), Some(duration)) => {
            Err(on_line(duration.line, "DURATION cannot stand beside DTEND: remove one"))
        }
        (Some(end), None) => Ok(Some(End::At(value::moment(end)?))),
        (None, Some(duration)) => {
            Ok(Some(End::After(value::length(duration.line, &duration.value)?)))
        }
        (None, None) => Ok(None),
    }
}

fn replaces(component: &Component) -> Result<Option<Moment>, String> {
    let Some(property) = component.only("RECURRENCE-ID")? else { return Ok(None) };
    if let Some(range) = property.parameter("RANGE") {
        let problem = format!(
            "RECURRENCE-ID with RANGE={range} is not understood: end the series and begin another"
        );
        return Err(on_line(property.line, problem));
    }
    value::moment(property).map(Some)
}

/// Dates, date-times or periods.
fn further(property: &Property) -> Result<Vec<(Moment, Option<End>)>, String> {
    if !property.parameter("VALUE").is_some_and(|value| value.eq_ignore_ascii_case("PERIOD")) {
        let moments = value::moments(property)?;
        return Ok(moments.into_iter().map(|moment| (moment, None)).collect());
    }
    let mut found = Vec::new();
    for period in property.value.split(',').map(str::trim).filter(|period| !period.is_empty()) {
        let Some((start, end)) = period.split_once('/') else {
            let problem =
                format!("RDATE {} is no period: write START/END or START/DURATION", quoted(period));
            return Err(on_line(property.line, problem));
        };
        let end = match end.trim_start().starts_with(['P', 'p', '+', '-']) {
            true => End::After(value::length(property.line, end)?),
            false => End::At(value::parse_moment(property, end)?),
        };
        found.push((value::parse_moment(property, start)?, Some(end)));
    }
    Ok(found)
}

/// When the clocks of a `VTIMEZONE` change.
fn changes(zone: &Component, steps: &mut u64) -> Result<Arc<[Change]>, String> {
    let mut found = Vec::new();
    for part in &zone.parts {
        let missing = |name: &str| on_line(part.line, format!("{} has no {name}", part.name));
        let start = value::moment(part.first("DTSTART").ok_or_else(|| missing("DTSTART"))?)?;
        let before = offset(part.first("TZOFFSETFROM").ok_or_else(|| missing("TZOFFSETFROM"))?)?;
        let after = offset(part.first("TZOFFSETTO").ok_or_else(|| missing("TZOFFSETTO"))?)?;
        let mut readings = vec![start.local];
        for property in part.all("RRULE") {
            let rule: Rule = rule::parse(property)?;
            let last = match &rule.until {
                Some(until) => until.local.date().min(LAST_CHANGE),
                None => LAST_CHANGE,
            };
            let dates = recur::dates(&rule, start.local.date(), last, steps)
                .ok_or_else(|| on_line(property.line, super::series::TOO_MUCH))?;
            readings.extend(dates.into_iter().map(|date| date.to_datetime(start.local.time())));
        }
        for property in part.all("RDATE") {
            readings.extend(value::moments(property)?.into_iter().map(|moment| moment.local));
        }
        for local in readings {
            let at = local.checked_sub(SignedDuration::from_secs(before));
            found.extend(at.ok().map(|at| Change { at, before, after }));
        }
    }
    found.sort_unstable();
    found.dedup();
    Ok(found.into())
}

/// `+0100`, `-0330`, with or without seconds.
fn offset(property: &Property) -> Result<i64, String> {
    let text = property.value.trim();
    let wrong = || {
        on_line(
            property.line,
            format!("{} {} is no offset: write it like +0100", property.name, quoted(text)),
        )
    };
    let (sign, digits) = match text.split_at_checked(1) {
        Some(("+", digits)) => (1, digits),
        Some(("-", digits)) => (-1, digits),
        _ => return Err(wrong()),
    };
    let well_formed =
        matches!(digits.len(), 4 | 6) && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number: i64 =
        if well_formed { digits.parse().map_err(|_| wrong())? } else { return Err(wrong()) };
    let number = if digits.len() == 4 { number * 100 } else { number };
    Ok(sign * (number / 10_000 * 3600 + number / 100 % 100 * 60 + number % 100))
}

impl Event {
    /// Whether its occurrences are dates, not date-times.
    pub(super) fn is_dated(&self) -> bool {
        self.start.form == Form::Date
    }
}
