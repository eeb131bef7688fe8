//! What clocks read where an event takes place: zones by `TZID`, as the IANA database or the file
//! itself defines them.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::{Date, DateTime};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};

use super::value::{Form, Moment};
use super::{on_line, quoted};

/// Zones that a file uses.
#[derive(Debug, Default)]
pub(super) struct Zones {
    /// Where the whole calendar is at home: moments in UTC are read there.
    pub(super) home: Option<Place>,
    /// By `TZID`; a definition that cannot be read is a problem only where it is needed.
    pub(super) defined: BTreeMap<String, Result<Arc<[Change]>, String>>,
}

/// Where clocks are read.
#[derive(Debug, Clone)]
pub(super) enum Place {
    Known(TimeZone),
    /// Changes of the clocks in order of time, not empty.
    Defined(Arc<[Change]>),
}

/// A change of the clocks as a `VTIMEZONE` defines it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Change {
    /// In UTC.
    pub(super) at: DateTime,
    /// Seconds ahead of UTC until then.
    pub(super) before: i64,
    /// Seconds ahead of UTC from then on.
    pub(super) after: i64,
}

impl Zones {
    /// What clocks read at `moment` where a moment of the form `like` is at home.
    pub(super) fn local(&self, moment: &Moment, like: &Form) -> Result<DateTime, String> {
        let wrong = |problem: String| on_line(moment.line, problem);
        match (&moment.form, like) {
            (Form::Date | Form::Floating, _) | (Form::Zoned(_), Form::Date | Form::Floating) => {
                Ok(moment.local)
            }
            (Form::Zoned(own), Form::Zoned(other)) if own == other => Ok(moment.local),
            (Form::Utc, Form::Utc) => match &self.home {
                Some(home) => {
                    home.reading(moment.local).ok_or_else(|| wrong(OUT_OF_RANGE.to_owned()))
                }
                None => Ok(moment.local),
            },
            (Form::Utc, Form::Date | Form::Floating) => match &self.home {
                Some(home) => {
                    home.reading(moment.local).ok_or_else(|| wrong(OUT_OF_RANGE.to_owned()))
                }
                None if moment.local.time().hour() == 0 => Ok(moment.local),
                None => Err(wrong(NO_HOME.to_owned())),
            },
            (Form::Utc, Form::Zoned(zone)) => {
                let place = self.place(zone).map_err(wrong)?;
                place.reading(moment.local).ok_or_else(|| wrong(OUT_OF_RANGE.to_owned()))
            }
            (Form::Zoned(zone), Form::Utc | Form::Zoned(_)) => {
                let place = self.place(zone).map_err(wrong)?;
                let utc = place.utc(moment.local).ok_or_else(|| wrong(OUT_OF_RANGE.to_owned()))?;
                self.local(&Moment { local: utc, form: Form::Utc, ..moment.clone() }, like)
            }
        }
    }

    /// The zone that a `TZID` names.
    pub(super) fn place(&self, name: &str) -> Result<Place, String> {
        if let Some(zone) = known(name) {
            return Ok(Place::Known(zone));
        }
        match self.defined.get(name) {
            Some(Ok(changes)) if !changes.is_empty() => Ok(Place::Defined(Arc::clone(changes))),
            Some(Err(problem)) => Err(problem.clone()),
            _ => Err(format!(
                "TZID {} is no zone of the IANA database, and the file has no VTIMEZONE that defines it",
                quoted(name)
            )),
        }
    }
}

/// A zone of the IANA database; programs put prefixes before its name
/// (`/mozilla.org/20050126_1/Europe/Berlin`).
fn known(name: &str) -> Option<TimeZone> {
    let mut rest = name.trim().trim_matches('/');
    loop {
        if let Ok(zone) = TimeZoneDatabase::bundled().get(rest) {
            return Some(zone);
        }
        rest = rest.split_once('/')?.1;
    }
}

impl Place {
    /// What clocks read at an instant in UTC.
    fn reading(&self, utc: DateTime) -> Option<DateTime> {
        match self {
            Self::Known(zone) => {
                let instant = utc.to_zoned(TimeZone::UTC).ok()?.timestamp();
                Some(zone.to_datetime(instant))
            }
            Self::Defined(changes) => {
                let next = changes.partition_point(|change| change.at <= utc);
                let ahead = match next.checked_sub(1).and_then(|last| changes.get(last)) {
                    Some(last) => last.after,
                    None => changes.first()?.before,
                };
                utc.checked_add(SignedDuration::from_secs(ahead)).ok()
            }
        }
    }

    /// The instant, in UTC, at which clocks read `local`.
    fn utc(&self, local: DateTime) -> Option<DateTime> {
        match self {
            Self::Known(zone) => {
                let instant: Timestamp = zone.to_timestamp(local).ok()?;
                Some(TimeZone::UTC.to_datetime(instant))
            }
            Self::Defined(changes) => {
                let offsets = changes.iter().flat_map(|change| [change.before, change.after]);
                let mut candidates = offsets
                    .filter_map(|ahead| local.checked_sub(SignedDuration::from_secs(ahead)).ok());
                candidates.find(|utc| self.reading(*utc) == Some(local))
            }
        }
    }
}

/// Changes of the clocks are worked out up to here.
pub(super) const LAST_CHANGE: Date = jiff::civil::date(2061, 12, 31);

const OUT_OF_RANGE: &str = "lies beyond the dates that can be told";

const NO_HOME: &str = "is in UTC, and the calendar does not say where it is at home: \
                       add X-WR-TIMEZONE:Europe/Berlin to it, or write a date";
