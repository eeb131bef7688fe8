//! Local time: windows, DST, holidays, one-off dates; what holds at an instant, and when it changes
//! next.
//!
//! Zones are looked up by the caller; nothing here reads a zone database. Instants are half-open:
//! what ends at `t` is not in force at `t`. The rule for changes of the clocks stands at
//! [`Window`].

mod wall;
mod window;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

pub use window::{Days, HolidayRule, Window, ZeroRule, weekday_index};

/// What the windows demand at an instant, or over a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bounds {
    /// Highest floor of the windows in force ([`Window::floor`]); 0 without one.
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

/// A stretch of time over which the same windows are in force.
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

/// One time that a window is in force: as written, and as it comes out. Half-open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Occurrence {
    /// Index into [`Calendar::windows`].
    pub window: usize,
    /// Local start as written.
    pub from: DateTime,
    /// Local end as written.
    pub to: DateTime,
    /// First instant.
    pub start: Timestamp,
    /// First instant after it.
    pub end: Timestamp,
}

/// Windows and holidays in one time zone.
#[derive(Debug, Clone, PartialEq)]
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

    /// The holidays on `day` and later, in order.
    pub fn holidays_from(&self, day: Date) -> &[Date] {
        let first = self.holidays.partition_point(|holiday| *holiday < day);
        self.holidays.get(first..).unwrap_or_default()
    }

    /// One-off events: the window's index, and what clocks read at the start and the end of each
    /// date that is named in a window without weekdays; any order.
    pub fn events(&self) -> impl Iterator<Item = (usize, DateTime, DateTime)> {
        let dated = self
            .windows
            .iter()
            .enumerate()
            .filter(|(_, window)| window.days.weekdays == [false; 7]);
        dated.flat_map(|(i, window)| {
            window.days.dates.iter().map(move |day| {
                let (from, to) = window.local(*day);
                (i, from, to)
            })
        })
    }

    /// What holds at `t`. Allocates nothing; under a microsecond for a handful of windows.
    pub fn at(&self, t: Timestamp) -> Bounds {
        bounds(self.touching(t, t))
    }

    /// The windows in force at `t`, in the policy's order.
    pub fn in_force(&self, t: Timestamp) -> impl Iterator<Item = &Window> {
        self.touching(t, t)
    }

    /// Highest floor in force at any instant of `[from, from + lead]`: what must be *starting* at
    /// `from`. A lead below 0 is read as 0, one beyond [`LONGEST_LEAD`] as that.
    pub fn floor_within(&self, from: Timestamp, lead: SignedDuration) -> u32 {
        let lead = lead.clamp(SignedDuration::ZERO, LONGEST_LEAD);
        let to = from.checked_add(lead).unwrap_or(Timestamp::MAX);
        self.touching(from, to).map(Window::floor).max().unwrap_or(0)
    }

    /// First instant after `t` at which a window begins or ends; `None` where none ever does again.
    pub fn next_change(&self, t: Timestamp) -> Option<Timestamp> {
        let first = self.local(t).date().saturating_sub(REACH.days());
        let edges = (0..self.windows.len()).flat_map(|window| {
            let mut begun = false;
            // The first start after `t` comes before every later edge of the same window.
            self.starting(window, first)
                .take_while(move |it| !std::mem::replace(&mut begun, it.start > t))
        });
        edges
            .filter(|it| it.start < it.end)
            .flat_map(|it| [it.start, it.end])
            .filter(|edge| *edge > t)
            .min()
    }

    /// The spans that partition `[from, to)`, each with the windows in force; neighbors differ.
    /// Work and memory grow with the number of days; empty where `from >= to`.
    pub fn spans(&self, from: Timestamp, to: Timestamp) -> Vec<Span> {
        if from >= to {
            return Vec::new();
        }
        let occurrences = self.occurrences(from, to);
        let mut edges: Vec<(Timestamp, usize, bool)> = occurrences
            .iter()
            .flat_map(|it| [(it.start.max(from), it.window, true), (it.end, it.window, false)])
            .filter(|(edge, ..)| *edge < to)
            .collect();
        edges.sort_unstable_by_key(|(edge, ..)| *edge);
        // A window may touch itself (24 hours a day): count, so that its end does not hide its next
        // start.
        let mut running = vec![0_u32; self.windows.len()];
        let mut spans: Vec<Span> = Vec::new();
        let mut since = from;
        for group in edges.chunk_by(|a, b| a.0 == b.0).map(Some).chain([None]) {
            let until = group.and_then(<[_]>::first).map_or(to, |(edge, ..)| *edge);
            if since < until {
                let force = || {
                    self.windows
                        .iter()
                        .zip(&running)
                        .filter(|(_, count)| **count > 0)
                        .map(|(it, _)| it)
                };
                let names: Vec<String> = force().map(|window| window.name.clone()).collect();
                match spans.last_mut() {
                    Some(last) if last.names == names => last.to = until,
                    _ => {
                        spans.push(Span { from: since, to: until, bounds: bounds(force()), names })
                    }
                }
                since = until;
            }
            for (_, window, begins) in group.unwrap_or_default() {
                if let Some(count) = running.get_mut(*window) {
                    *count = if *begins { *count + 1 } else { count.saturating_sub(1) };
                }
            }
        }
        spans
    }

    /// The times that windows are in force at some instant of `[from, to)`, ordered by start, then
    /// by window. Work and memory grow with the number of days.
    pub fn occurrences(&self, from: Timestamp, to: Timestamp) -> Vec<Occurrence> {
        let first = self.local(from).date().saturating_sub(REACH.days());
        let mut found: Vec<Occurrence> = (0..self.windows.len())
            .flat_map(|window| self.starting(window, first).take_while(|it| it.start < to))
            .filter(|it| it.start < it.end && from < it.end)
            .collect();
        found.sort_by_key(|it| (it.start, it.window));
        found
    }

    /// The windows in force at some instant of the closed `[lo, hi]`.
    fn touching(&self, lo: Timestamp, hi: Timestamp) -> impl Iterator<Item = &Window> {
        let (from, to) = (self.local(lo), self.local(hi));
        let calm = self.calm(lo, hi);
        let reach = if calm { 1 } else { REACH };
        let first = from.date().saturating_sub(reach.days());
        let last = if calm { to.date() } else { to.date().saturating_add(1.day()) };
        let touches = move |window: &Window, day: Date| {
            let local = window.local(day);
            if calm {
                // Far from a change of the clocks, readings order as instants do.
                return local.0 <= to && from < local.1;
            }
            let (start, end) = self.resolve(local);
            start <= hi && lo < end
        };
        self.windows.iter().filter(move |window| {
            days_from(first)
                .take_while(|day| *day <= last)
                .any(|day| window.starts_on(day, &self.holidays) && touches(window, day))
        })
    }

    /// Whether clocks do not change so near to `[lo, hi]` that an occurrence could be moved into it
    /// or out of it.
    fn calm(&self, lo: Timestamp, hi: Timestamp) -> bool {
        let since = lo.checked_sub(NEAR).unwrap_or(Timestamp::MIN);
        let until = hi.checked_add(NEAR).unwrap_or(Timestamp::MAX);
        self.zone.following(since).next().is_none_or(|change| change.timestamp() > until)
    }

    /// The occurrences of a window that start on the local date `first` or later, in order.
    fn starting(&self, window: usize, first: Date) -> impl Iterator<Item = Occurrence> {
        let mut from = Some(first);
        std::iter::from_fn(move || {
            let written = self.windows.get(window)?;
            let day = written.next_start(from?, &self.holidays)?;
            from = day.tomorrow().ok();
            let local = written.local(day);
            let (start, end) = self.resolve(local);
            Some(Occurrence { window, from: local.0, to: local.1, start, end })
        })
    }

    /// Instants of an occurrence: see [`Window`].
    fn resolve(&self, (from, to): (DateTime, DateTime)) -> (Timestamp, Timestamp) {
        let (start, end) =
            (wall::first_reading(&self.zone, from), wall::last_reading(&self.zone, to));
        if start < end {
            return (start, end);
        }
        (start, start.checked_add(to.duration_since(from)).unwrap_or(Timestamp::MAX))
    }

    fn local(&self, t: Timestamp) -> DateTime {
        self.zone.to_datetime(t)
    }
}

/// Local dates from `first` on.
fn days_from(first: Date) -> impl Iterator<Item = Date> {
    std::iter::successors(Some(first), |day| day.tomorrow().ok())
}

/// What windows in force come to: highest floor, lowest ceiling, floor wins over ceiling.
fn bounds<'a>(force: impl Iterator<Item = &'a Window>) -> Bounds {
    let mut bounds = Bounds::default();
    let mut allowed = false;
    for window in force {
        bounds.floor = bounds.floor.max(window.floor());
        bounds.ceiling = [bounds.ceiling, window.max_replicas].into_iter().flatten().min();
        allowed |= window.scale_to_zero == Some(ZeroRule::Allowed);
        bounds.zero_forbidden |= window.scale_to_zero == Some(ZeroRule::Never);
    }
    bounds.zero_allowed = allowed && !bounds.zero_forbidden;
    bounds.conflict = bounds.ceiling.is_some_and(|ceiling| ceiling < bounds.floor);
    bounds.ceiling = bounds.ceiling.map(|ceiling| ceiling.max(bounds.floor));
    bounds
}

/// The longest lead that is looked ahead: keeps the work of a call bounded whatever it is given.
pub const LONGEST_LEAD: SignedDuration = SignedDuration::from_hours(366 * 24);

/// Local days before an instant on which an occurrence that touches it may start: one for midnight,
/// one for the largest jump of clocks on record (a whole day, where a country changes sides of the
/// date line).
const REACH: i64 = 2;

/// The same in time: a window lasts 24 hours as written, and clocks jump by 24 at most.
const NEAR: SignedDuration = SignedDuration::from_hours(48);

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
