//! LocalRegression time of buckets: time of day, weekday, holidays, events, and the bucket of the
//! same local time days ago.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::calendar::Calendar;

/// What kind of day it is: like is compared with like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// No other.
    Ordinary,
    /// A holiday of the calendar.
    Holiday,
    /// Within a one-off event: the window that names it.
    Event(u16),
}

/// Where a bucket lies in local time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Place {
    /// Seconds that local time is ahead of UTC.
    pub offset: i32,
    /// LocalRegression bucket of the day, `0..per_day`.
    pub slot: u32,
    /// Day of the week, Monday = 0; holidays count as Sundays.
    pub weekday: u8,
    /// Kind of day.
    pub kind: Kind,
}

/// Reads places of buckets.
#[derive(Debug, Clone)]
pub(super) struct Season {
    start: Timestamp,
    step_s: i64,
    calendar: Calendar,
    /// LocalRegression seconds from which and up to which one-off events last.
    events: Vec<(i64, i64, u16)>,
    /// Buckets of a day, ≥ 1.
    pub per_day: usize,
}

impl Season {
    pub(super) fn new(start: Timestamp, step: SignedDuration, calendar: Calendar) -> Self {
        let step_s = step.as_secs().max(1);
        let per_day = usize::try_from(86_400 / step_s).unwrap_or(1).max(1);
        let event = |(i, from, to): (usize, DateTime, DateTime)| {
            Some((second(from)?, second(to)?, u16::try_from(i).ok()?))
        };
        let events = calendar.events().filter_map(event).collect();
        Self { start, step_s, calendar, events, per_day }
    }

    /// Buckets of `seconds`, at least one.
    pub(super) fn buckets(&self, seconds: usize) -> usize {
        (seconds / usize::try_from(self.step_s).unwrap_or(1)).max(1)
    }

    /// Length of a bucket in seconds.
    pub(super) fn step_s(&self) -> usize {
        usize::try_from(self.step_s).unwrap_or(1)
    }

    pub(super) fn instant(&self, i: usize) -> Timestamp {
        let ahead = i64::try_from(i).unwrap_or(i64::MAX).saturating_mul(self.step_s);
        self.start.saturating_add(SignedDuration::from_secs(ahead)).unwrap_or(Timestamp::MAX)
    }

    pub(super) fn place(&self, i: usize) -> Place {
        let at = self.instant(i);
        let offset = self.calendar.zone().to_offset(at).seconds();
        let local = at.as_second() + i64::from(offset);
        let (day, second) = (local.div_euclid(86_400), local.rem_euclid(86_400));
        let holiday = !self.calendar.holidays().is_empty() && self.is_holiday(at);
        let event = self.events.iter().find(|(from, to, _)| (*from..*to).contains(&local));
        let other = if holiday { Kind::Holiday } else { Kind::Ordinary };
        let kind = event.map_or(other, |(.., i)| Kind::Event(*i));
        // The epoch was a Thursday.
        let weekday = if holiday { 6 } else { (day + 3).rem_euclid(7) as u8 };
        let slot = ((second / self.step_s) as usize).min(self.per_day - 1) as u32;
        Place { offset, slot, weekday, kind }
    }

    /// The bucket of the same local time `days` before `i`, given the offset then.
    pub(super) fn back(&self, i: usize, days: usize, now: i32, then: i32) -> Option<usize> {
        let moved = i64::from(now - then) / self.step_s;
        let before = i64::try_from(days * self.per_day).ok()?;
        usize::try_from(i64::try_from(i).ok()? - before + moved).ok()
    }

    fn is_holiday(&self, at: Timestamp) -> bool {
        let date: Date = self.calendar.zone().to_datetime(at).date();
        self.calendar.holidays().binary_search(&date).is_ok()
    }
}

/// Seconds on clocks since they read 1970.
fn second(local: DateTime) -> Option<i64> {
    Some(local.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
}
