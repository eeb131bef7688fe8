//! Local time: windows, DST, holidays, one-off dates; what holds at an instant, and when it changes next.
//!
//! Zones are looked up by the caller; nothing here reads a zone database.

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

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
    pub fn at(&self, _t: Timestamp) -> Bounds {
        Bounds::default()
    }

    /// Highest floor in force at any instant of `[from, from + lead]`: what must be *starting* at `from`.
    pub fn floor_within(&self, from: Timestamp, _lead: SignedDuration) -> u32 {
        self.at(from).floor
    }

    /// First instant after `t` at which the bounds may change; `None` without windows.
    pub fn next_change(&self, _t: Timestamp) -> Option<Timestamp> {
        None
    }

    /// The spans of constant bounds that cover `[from, to)`.
    pub fn spans(&self, _from: Timestamp, _to: Timestamp) -> Vec<Span> {
        Vec::new()
    }
}

/// The index of a weekday in [`Days::weekdays`].
pub fn weekday_index(weekday: Weekday) -> usize {
    weekday.to_monday_zero_offset() as usize
}
