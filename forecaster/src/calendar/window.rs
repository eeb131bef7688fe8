//! A window as written: on which local dates it starts, between which readings of the clock, and
//! what it demands.

use jiff::ToSpan;
use jiff::civil::{Date, DateTime, Time, Weekday};

/// On which local dates a window *starts*. A window that crosses midnight belongs to the date of
/// its start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Days {
    /// Weekdays, indexed Monday = 0 … Sunday = 6.
    pub weekdays: [bool; 7],
    /// Dates on which the window starts whatever their weekday, holidays or not.
    pub dates: Vec<Date>,
    /// What holidays of the calendar do to this window.
    pub holidays: HolidayRule,
}

/// What a holiday does to a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HolidayRule {
    /// The window does not start on a holiday (default of windows for some weekdays: `days:
    /// Mon-Fri` means working days).
    #[default]
    Skip,
    /// Holidays are ordinary days for this window (default of windows for all seven: `days: "*"`
    /// means all days).
    Ignore,
    /// The window starts on holidays only, whatever their weekday (`days: holidays`).
    Only,
    /// The window starts on holidays as well as on its weekdays (`days: Sat,Sun,holidays`).
    Also,
}

/// Whether zero replicas are allowed while a window is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ZeroRule {
    /// Zero is allowed (what `scaleToZero: windows` waits for).
    Allowed,
    /// At least one replica stays: a floor of one.
    Never,
}

/// A recurring window in local time with a floor, a ceiling or a word on zero.
///
/// It is in force from the first instant at which clocks read `from` or later, until they read `to`
/// or later for good: whenever clocks read a time within it, and in one unbroken stretch. So where
/// clocks go forward over its start or its end, that moves to the first instant after the gap;
/// where they go back, it runs from the first reading of its start to the last one of its end. A
/// window that lies wholly in the gap would be lost: it starts at the gap's end and keeps its
/// length as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// For people; unique within a policy.
    pub name: String,
    /// On which local dates it starts.
    pub days: Days,
    /// Local start.
    pub from: Time,
    /// Local end, exclusive; before or equal to `from` it lies on the next day (`from == to` is 24
    /// hours).
    pub to: Time,
    /// Replicas that must be Ready while it is in force.
    pub min_replicas: Option<u32>,
    /// Replicas that may not be exceeded while it is in force; 0 is an "off" window.
    pub max_replicas: Option<u32>,
    /// Its word on zero.
    pub scale_to_zero: Option<ZeroRule>,
}

impl Window {
    /// Replicas that must be Ready while it is in force; a window that forbids zero has a floor of
    /// at least one.
    pub fn floor(&self) -> u32 {
        let least = u32::from(self.scale_to_zero == Some(ZeroRule::Never));
        self.min_replicas.unwrap_or(0).max(least)
    }

    /// Whether an occurrence starts on `day`. `holidays` are sorted.
    pub(super) fn starts_on(&self, day: Date, holidays: &[Date]) -> bool {
        let weekday =
            || self.days.weekdays.get(weekday_index(day.weekday())).copied().unwrap_or(false);
        let holiday = || holidays.binary_search(&day).is_ok();
        self.days.dates.contains(&day)
            || match self.days.holidays {
                HolidayRule::Skip => weekday() && !holiday(),
                HolidayRule::Ignore => weekday(),
                HolidayRule::Only => holiday(),
                HolidayRule::Also => weekday() || holiday(),
            }
    }

    /// The first date at or after `day` on which an occurrence starts; `None` where none ever does
    /// again.
    pub(super) fn next_start(&self, day: Date, holidays: &[Date]) -> Option<Date> {
        let upcoming = || {
            holidays.get(holidays.partition_point(|holiday| *holiday < day)..).unwrap_or_default()
        };
        let weekly = || {
            // Each holiday ahead can put a weekday off by a week at most, and past the last one
            // nothing does.
            let most = 7 * (1 + upcoming().len());
            super::days_from(day).take(most).find(|day| self.starts_on(*day, holidays))
        };
        let recurring = match self.days.holidays {
            HolidayRule::Only => upcoming().first().copied(),
            HolidayRule::Also if self.days.weekdays == [false; 7] => upcoming().first().copied(),
            _ if self.days.weekdays == [false; 7] => None,
            _ => weekly(),
        };
        let once = self.days.dates.iter().copied().filter(|date| *date >= day).min();
        recurring.into_iter().chain(once).min()
    }

    /// What clocks read at the start and at the end of the occurrence that starts on `day`.
    pub(super) fn local(&self, day: Date) -> (DateTime, DateTime) {
        let last = if self.to > self.from { day } else { day.saturating_add(1.day()) };
        (day.to_datetime(self.from), last.to_datetime(self.to))
    }
}

/// The index of a weekday in [`Days::weekdays`].
pub fn weekday_index(weekday: Weekday) -> usize {
    weekday.to_monday_zero_offset() as usize
}
