//! Local time: windows, DST, holidays, one-off dates; what holds at an instant, and when it changes next.
//!
//! Zones are looked up by the caller; nothing here reads a zone database.

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

/// On which local dates a window *starts*.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Days {
    /// Weekdays, indexed Monday = 0 … Sunday = 6.
    pub weekdays: [bool; 7],
    /// Dates on which the window starts whatever their weekday.
    pub dates: Vec<Date>,
    /// What holidays of the calendar do to this window.
    pub holidays: HolidayRule,
}

/// What a holiday does to a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HolidayRule {
    /// The window does not start on a holiday (default; `days: Mon-Fri` means working days).
    #[default]
    Skip,
    /// Holidays are ordinary days for this window.
    Ignore,
    /// The window starts on holidays only (`days: holidays`).
    Only,
}

/// Whether zero replicas are allowed while a window is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ZeroRule {
    /// Zero is allowed (what `scaleToZero: windows` waits for).
    Allowed,
    /// At least one replica stays.
    Never,
}

/// A recurring window in local time with a floor, a ceiling or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// For people; unique within a policy.
    pub name: String,
    /// On which local dates it starts.
    pub days: Days,
    /// Local start; in a DST gap it shifts forward to the first instant that exists.
    pub from: Time,
    /// Local end, exclusive; before or equal to `from` it lies on the next day (`from == to` is 24 hours).
    pub to: Time,
    /// Replicas that must be Ready while it is in force.
    pub min_replicas: Option<u32>,
    /// Replicas that may not be exceeded while it is in force.
    pub max_replicas: Option<u32>,
    /// Its word on zero.
    pub scale_to_zero: Option<ZeroRule>,
}

/// What the windows demand at an instant, or over a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bounds {
    /// Highest floor of the windows in force; 0 without one.
    pub floor: u32,
    /// Lowest ceiling of the windows in force, never below `floor` (floor wins).
    pub ceiling: Option<u32>,
    /// Some window in force allows zero and none forbids it.
    pub zero_allowed: bool,
    /// Some window in force forbids zero.
    pub zero_forbidden: bool,
    /// A floor and a lower ceiling are in force together; the floor won.
    pub conflict: bool,
}

/// A stretch of time over which the bounds do not change.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// First instant.
    pub from: Timestamp,
    /// First instant after it.
    pub to: Timestamp,
    /// What holds.
    pub bounds: Bounds,
    /// Names of the windows in force, in the policy's order.
    pub names: Vec<String>,
}

/// Windows and holidays in one time zone.
#[derive(Debug, Clone)]
pub struct Calendar {
    zone: TimeZone,
    windows: Vec<Window>,
    holidays: Vec<Date>,
}

impl Calendar {
    /// A calendar from a zone, its windows and its holidays (local dates, any order).
    pub fn new(zone: TimeZone, windows: Vec<Window>, mut holidays: Vec<Date>) -> Self {
        holidays.sort_unstable();
        holidays.dedup();
        Self { zone, windows, holidays }
    }

    /// A calendar without windows.
    pub fn empty(zone: TimeZone) -> Self {
        Self::new(zone, Vec::new(), Vec::new())
    }

    /// The zone in which windows and seasons are read.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The windows, in the policy's order.
    pub fn windows(&self) -> &[Window] {
        &self.windows
    }

    /// The holidays, sorted.
    pub fn holidays(&self) -> &[Date] {
        &self.holidays
    }

    /// What holds at `t`.
    pub fn at(&self, t: Timestamp) -> Bounds {
        let day = self.day(t);
        let force = self
            .windows
            .iter()
            .filter(|window| self.occurrences(window, day, day).any(|occurrence| occurrence.contains(t)));
        bounds(force)
    }

    /// Highest floor in force at any instant of `[from, from + lead]`: what must be *starting* at `from`.
    pub fn floor_within(&self, from: Timestamp, lead: SignedDuration) -> u32 {
        let to = from.saturating_add(lead).unwrap_or(Timestamp::MAX).max(from);
        let (first, last) = (self.day(from), self.day(to));
        let due = |window: &&Window| {
            self.occurrences(window, first, last).any(|occurrence| occurrence.start <= to && from < occurrence.end)
        };
        self.windows
            .iter()
            .filter(|window| window.min_replicas > Some(0))
            .filter(due)
            .filter_map(|w| w.min_replicas)
            .max()
            .unwrap_or(0)
    }

    /// First instant after `t` at which a window begins or ends; `None` where none does within [`HORIZON_DAYS`].
    pub fn next_change(&self, t: Timestamp) -> Option<Timestamp> {
        let today = self.day(t);
        let edges = |offset: i64| {
            let day = today.saturating_add(offset.days());
            self.windows
                .iter()
                .flat_map(move |window| self.occurrences(window, day, day))
                .flat_map(|o| [o.start, o.end])
        };
        // An edge of one day may lie before one of the day before (windows cross midnight): look one day further.
        let first = (0..=HORIZON_DAYS).find(|offset| edges(*offset).any(|edge| edge > t))?;
        edges(first).chain(edges(first + 1)).filter(|edge| *edge > t).min()
    }

    /// The spans of constant bounds that partition `[from, to)`.
    pub fn spans(&self, from: Timestamp, to: Timestamp) -> Vec<Span> {
        let (first, last) = (self.day(from), self.day(to));
        let mut edges: Vec<Timestamp> = self
            .windows
            .iter()
            .flat_map(|window| self.occurrences(window, first, last))
            .flat_map(|occurrence| [occurrence.start, occurrence.end])
            .filter(|edge| from < *edge && *edge < to)
            .chain((from < to).then_some(from))
            .collect();
        edges.sort_unstable();
        edges.dedup();
        let ends = edges.iter().copied().skip(1).chain([to]).collect::<Vec<_>>();
        let mut spans: Vec<Span> = Vec::with_capacity(edges.len());
        for (from, to) in edges.into_iter().zip(ends) {
            let names = self.names_at(from);
            match spans.last_mut() {
                // One window ends where the same one begins again (24 hours a day): that is no change.
                Some(last) if last.names == names => last.to = to,
                _ => spans.push(Span { from, to, bounds: self.at(from), names }),
            }
        }
        spans
    }

    fn names_at(&self, t: Timestamp) -> Vec<String> {
        let day = self.day(t);
        let force = |window: &&Window| self.occurrences(window, day, day).any(|occurrence| occurrence.contains(t));
        self.windows.iter().filter(force).map(|window| window.name.clone()).collect()
    }

    /// The local date of an instant.
    fn day(&self, t: Timestamp) -> Date {
        self.zone.to_datetime(t).date()
    }

    /// Occurrences that may touch the local days `first..=last`: a window is at most 24 hours long (25 when clocks go
    /// back), so one that started the day before may still be in force.
    fn occurrences<'a>(&'a self, window: &'a Window, first: Date, last: Date) -> impl Iterator<Item = Occurrence> + 'a {
        let from = first.saturating_sub(1.day());
        from.series(1.day())
            .take_while(move |day| *day <= last)
            .filter(|day| self.starts_on(window, *day))
            .filter_map(|day| self.occurrence(window, day))
    }

    fn starts_on(&self, window: &Window, day: Date) -> bool {
        let days = &window.days;
        if days.dates.contains(&day) {
            return true;
        }
        let weekday = days.weekdays.get(weekday_index(day.weekday())).copied().unwrap_or(false);
        let holiday = || self.holidays.binary_search(&day).is_ok();
        match days.holidays {
            HolidayRule::Skip => weekday && !holiday(),
            HolidayRule::Ignore => weekday,
            HolidayRule::Only => holiday(),
        }
    }

    /// Local to absolute time. In a DST gap both ends shift forward by the gap; in an overlap the window runs from the
    /// first occurrence of its start to the last of its end: once, unbroken. `None` at the ends of representable time.
    fn occurrence(&self, window: &Window, day: Date) -> Option<Occurrence> {
        let ends_on = if window.to <= window.from { day.tomorrow().ok()? } else { day };
        let start = self.zone.to_ambiguous_timestamp(day.to_datetime(window.from)).compatible().ok()?;
        let end = self.zone.to_ambiguous_timestamp(ends_on.to_datetime(window.to)).later().ok()?;
        (start < end).then_some(Occurrence { start, end })
    }
}

/// How far ahead a change is looked for: a window on one date of the year is found.
const HORIZON_DAYS: i64 = 366;

/// One occurrence of a window, half-open.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Occurrence {
    start: Timestamp,
    end: Timestamp,
}

impl Occurrence {
    fn contains(self, t: Timestamp) -> bool {
        self.start <= t && t < self.end
    }
}

/// What windows in force come to: highest floor, lowest ceiling, floor wins over ceiling.
fn bounds<'a>(force: impl Iterator<Item = &'a Window>) -> Bounds {
    let mut bounds = Bounds::default();
    let mut allowed = false;
    for window in force {
        bounds.floor = bounds.floor.max(window.min_replicas.unwrap_or(0));
        bounds.ceiling = match (bounds.ceiling, window.max_replicas) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        allowed |= window.scale_to_zero == Some(ZeroRule::Allowed);
        bounds.zero_forbidden |= window.scale_to_zero == Some(ZeroRule::Never);
    }
    bounds.zero_allowed = allowed && !bounds.zero_forbidden;
    if let Some(ceiling) = &mut bounds.ceiling
        && *ceiling < bounds.floor
    {
        *ceiling = bounds.floor;
        bounds.conflict = true;
    }
    bounds
}

/// The index of a weekday in [`Days::weekdays`].
pub fn weekday_index(weekday: Weekday) -> usize {
    weekday.to_monday_zero_offset() as usize
}

#[cfg(test)]
mod tests;
