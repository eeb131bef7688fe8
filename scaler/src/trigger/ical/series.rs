//! From events to dates: how long they last, when they come again, what is left out or moved.

use std::collections::{BTreeMap, BTreeSet};

use jiff::ToSpan;
use jiff::civil::{Date, DateTime, Time};

use super::event::{Calendar, End, Event};
use super::value::{Form, Length, Moment};
use super::zone::Zones;
use super::{Holidays, MOST_PROBLEMS, MOST_STEPS, on_line, quoted, recur, rule};

/// An event longer than this is no holiday, but a season, or a slip of the pen.
const LONGEST_DAYS: i64 = 366;

/// Names that a note lists.
const MOST_NAMES: usize = 3;

/// What is said when a file's rules are more work than [`MOST_STEPS`].
pub(super) const TOO_MUCH: &str =
    "the file's rules name more days than can be looked at: end them by UNTIL or COUNT";

/// The dates of all events within `from ..= to`.
pub(super) fn dates(calendar: &Calendar, from: Date, to: Date) -> Result<Holidays, Vec<String>> {
    let mut work = Work {
        zones: &calendar.zones,
        from,
        to,
        steps: MOST_STEPS,
        dates: BTreeSet::new(),
        timed: Vec::new(),
    };
    let mut problems = Vec::new();
    let mut outdated = Vec::new();
    for series in all_series(&calendar.events) {
        outdated.extend(series.outdated.iter().map(|event| named(event)));
        if let Err(problem) = work.take(&series) {
            problems.push(problem);
        }
    }
    if !problems.is_empty() {
        problems.truncate(MOST_PROBLEMS);
        return Err(problems);
    }
    let timed = work.timed.iter().map(|event| named(event)).collect::<Vec<_>>();
    let mut notes = Vec::new();
    notes.extend(note("left out, for they are no whole days", &timed));
    notes.extend(note("left out, for a newer version of them (SEQUENCE) is there", &outdated));
    Ok(Holidays { dates: work.dates.into_iter().collect(), notes })
}

fn named(event: &Event) -> String {
    format!("{} on line {}", quoted(&event.name), event.line)
}

fn note(what: &str, events: &[String]) -> Option<String> {
    if events.is_empty() {
        return None;
    }
    let listed = events.iter().take(MOST_NAMES).cloned().collect::<Vec<_>>().join(", ");
    let more = if events.len() > MOST_NAMES { ", …" } else { "" };
    Some(format!("events {what}: {} ({listed}{more})", events.len()))
}

/// Events of one `UID`: what recurs, and what takes the place of single occurrences.
#[derive(Debug, Default)]
struct Series<'c> {
    /// In the newest version; more than one where programs give one `UID` to all.
    masters: Vec<&'c Event>,
    replacements: Vec<&'c Event>,
    outdated: Vec<&'c Event>,
}

fn all_series(events: &[Event]) -> Vec<Series<'_>> {
    let mut by_uid: BTreeMap<(Option<&str>, usize), Series<'_>> = BTreeMap::new();
    for (index, event) in events.iter().enumerate() {
        // Events without a UID have nothing to do with each other.
        let key = match &event.uid {
            Some(uid) => (Some(uid.as_str()), 0),
            None => (None, index),
        };
        let series = by_uid.entry(key).or_default();
        let newest = series.masters.first().map_or(i64::MIN, |master| master.sequence);
        if event.replaces.is_some() {
            series.replacements.push(event);
        } else if event.sequence < newest {
            series.outdated.push(event);
        } else {
            if event.sequence > newest {
                series.outdated.append(&mut series.masters);
            }
            series.masters.push(event);
        }
    }
    by_uid.into_values().collect()
}

/// Dates as they are gathered.
struct Work<'c> {
    zones: &'c Zones,
    from: Date,
    to: Date,
    steps: u64,
    dates: BTreeSet<Date>,
    /// Events that are no whole days.
    timed: Vec<&'c Event>,
}

impl<'c> Work<'c> {
    fn take(&mut self, series: &Series<'c>) -> Result<(), String> {
        let replacements = self.newest_replacements(&series.replacements)?;
        let mut left_out = BTreeSet::new();
        for master in &series.masters {
            for moment in &master.without {
                left_out.insert(self.zones.local(moment, &master.start.form)?.date());
            }
            self.take_master(master, &replacements)?;
        }
        for (replaced, event) in replacements {
            if event.canceled || left_out.contains(&replaced) {
                continue;
            }
            match whole_days(self.zones, event, &event.start, event.end.as_ref())? {
                Some((first, days)) => self.add(event, first, days)?,
                None => self.timed.push(event),
            }
        }
        Ok(())
    }

    /// By the date of the occurrence that they replace, the newest version of each.
    fn newest_replacements(&self, all: &[&'c Event]) -> Result<BTreeMap<Date, &'c Event>, String> {
        let mut newest: BTreeMap<Date, &'c Event> = BTreeMap::new();
        for event in all {
            let Some(replaced) = &event.replaces else { continue };
            let date = self.zones.local(replaced, &event.start.form)?.date();
            if newest.get(&date).is_none_or(|other| other.sequence <= event.sequence) {
                newest.insert(date, event);
            }
        }
        Ok(newest)
    }

    fn take_master(
        &mut self,
        event: &'c Event,
        replacements: &BTreeMap<Date, &'c Event>,
    ) -> Result<(), String> {
        if event.canceled {
            return Ok(());
        }
        let Some((first, days)) = whole_days(self.zones, event, &event.start, event.end.as_ref())?
        else {
            self.timed.push(event);
            return Ok(());
        };
        let mut starts = BTreeMap::from([(first, days)]);
        for property in &event.rules {
            let rule = rule::parse(property)?;
            let last = match &rule.until {
                Some(until) => until_date(self.zones, until, event)?.min(self.to),
                None => self.to,
            };
            let dates = recur::dates(&rule, first, last, &mut self.steps)
                .ok_or_else(|| on_line(property.line, TOO_MUCH))?;
            starts.extend(dates.into_iter().map(|date| (date, days)));
        }
        for (moment, end) in &event.further {
            // Without an end of its own it lasts as long as the event.
            let lasts = End::After(Length { days, seconds: 0 });
            match whole_days(self.zones, event, moment, Some(end.as_ref().unwrap_or(&lasts)))? {
                Some((start, days)) => drop(starts.insert(start, days)),
                None => self.timed.push(event),
            }
        }
        for moment in &event.without {
            let local = self.zones.local(moment, &event.start.form)?;
            // A time of day that no occurrence has excludes nothing.
            if event.is_dated() || moment.form == Form::Date || local.time() == Time::midnight() {
                starts.remove(&local.date());
            }
        }
        for (start, days) in
            starts.into_iter().filter(|(start, _)| !replacements.contains_key(start))
        {
            self.add(event, start, days)?;
        }
        Ok(())
    }

    fn add(&mut self, event: &Event, first: Date, days: i64) -> Result<(), String> {
        for offset in 0..days {
            self.steps = self.steps.checked_sub(1).ok_or_else(|| on_line(event.line, TOO_MUCH))?;
            let Ok(date) = first.checked_add(offset.days()) else { break };
            if (self.from..=self.to).contains(&date) {
                self.dates.insert(date);
            }
        }
        Ok(())
    }
}

/// The last date that a rule may give. A date is never before its own midnight.
fn until_date(zones: &Zones, until: &Moment, event: &Event) -> Result<Date, String> {
    // What stands beside dates should be one; programs write a date-time, and mean its date.
    let as_written = matches!(event.start.form, Form::Date | Form::Floating);
    if as_written {
        Ok(until.local.date())
    } else {
        Ok(zones.local(until, &event.start.form)?.date())
    }
}

/// The first date and the number of days; `None` for an event with a time of day.
fn whole_days(
    zones: &Zones,
    event: &Event,
    start: &Moment,
    end: Option<&End>,
) -> Result<Option<(Date, i64)>, String> {
    if start.form == Form::Date {
        return dated_days(zones, start, end).and_then(|found| limited(start, found)).map(Some);
    }
    // Midnight in UTC is a day in UTC, wherever the calendar is at home.
    let in_utc = start.form == Form::Utc
        && start.local.time() == Time::midnight()
        && ends_at_midnight_utc(start, end);
    let at_home = Moment { form: Form::Floating, ..start.clone() };
    let start = if in_utc { &at_home } else { start };
    let first = zones.local(start, &start.form)?;
    let last = match end {
        None => first,
        Some(End::At(end)) if in_utc => end.local,
        Some(End::At(end)) => zones.local(end, &start.form)?,
        Some(End::After(length)) => later(start, first, *length)?,
    };
    if last < first {
        return Err(on_line(start.line, "the event ends before it begins"));
    }
    let homeless = start.form == Form::Utc && zones.home.is_none();
    let whole = last > first && last.duration_since(first).as_secs() % 86_400 == 0;
    if homeless && first.time() != Time::midnight() && (event.all_day || whole) {
        let problem = "whole days begin at another time than midnight UTC, and the calendar does not say where it is at \
                       home: add X-WR-TIMEZONE:Europe/Berlin to it, or write dates (DTSTART;VALUE=DATE)";
        return Err(on_line(start.line, problem));
    }
    let from_midnight = first.time() == Time::midnight() && last > first && is_end_of_day(last);
    if !event.all_day && !from_midnight {
        return Ok(None);
    }
    let days = days_between(first.date(), last.date()) + i64::from(last.time() != Time::midnight());
    limited(start, (first.date(), days.max(1))).map(Some)
}

fn dated_days(zones: &Zones, start: &Moment, end: Option<&End>) -> Result<(Date, i64), String> {
    let first = start.local;
    let last = match end {
        None => return Ok((first.date(), 1)),
        Some(End::At(end)) => zones.local(end, &Form::Date)?,
        Some(End::After(length)) => later(start, first, *length)?,
    };
    if last < first {
        return Err(on_line(start.line, "the event ends before it begins"));
    }
    if !is_end_of_day(last) {
        return Err(on_line(
            start.line,
            "the event begins on a date and ends at a time of day: write a date for both",
        ));
    }
    // An end is exclusive; one on the date of the start means that date.
    let days = days_between(first.date(), last.date()) + i64::from(last.time() != Time::midnight());
    Ok((first.date(), days.max(1)))
}

fn limited(start: &Moment, (first, days): (Date, i64)) -> Result<(Date, i64), String> {
    if days > LONGEST_DAYS {
        let problem = format!(
            "the event lasts {days} days: a holiday of more than {LONGEST_DAYS} is a slip of the pen"
        );
        return Err(on_line(start.line, problem));
    }
    Ok((first, days))
}

fn ends_at_midnight_utc(start: &Moment, end: Option<&End>) -> bool {
    match end {
        Some(End::At(end)) => {
            end.form == Form::Utc && end.local > start.local && end.local.time() == Time::midnight()
        }
        Some(End::After(length)) => length.seconds % 86_400 == 0,
        None => false,
    }
}

/// Midnight, or the last minute before it: programs write both for the end of a day.
fn is_end_of_day(reading: DateTime) -> bool {
    let time = reading.time();
    time == Time::midnight() || (time.hour(), time.minute()) == (23, 59)
}

fn later(start: &Moment, first: DateTime, length: Length) -> Result<DateTime, String> {
    let span = 0.days().try_days(length.days).and_then(|span| span.try_seconds(length.seconds));
    let moved = span.and_then(|span| first.checked_add(span));
    moved.map_err(|_| on_line(start.line, "the event lasts beyond the dates that can be told"))
}

fn days_between(first: Date, last: Date) -> i64 {
    i64::from((last - first).get_days())
}
