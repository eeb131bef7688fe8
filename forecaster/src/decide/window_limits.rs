//! What windows and `scaleToZero` ask of an instant. Planner, simulated policies and the arms of a
//! replay read the same.

use jiff::{SignedDuration, Timestamp};

use super::later;
use super::policy::ScaleToZero;
use crate::calendar::{Bounds, Calendar};

/// What windows and `scaleToZero` ask of an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct WindowLimits {
    /// What the windows in force say.
    pub(crate) bounds: Bounds,
    /// Highest floor of any instant within the lead.
    pub(crate) floor: u32,
    /// Zero is not allowed, now or at the lead's end.
    pub(crate) never_zero: bool,
}

impl WindowLimits {
    /// At `now`, for replicas that take `lead` to be Ready.
    pub(crate) fn at(
        calendar: &Calendar,
        zero: ScaleToZero,
        now: Timestamp,
        lead: SignedDuration,
    ) -> Self {
        let bounds = calendar.at(now);
        let denied = |bounds: &Bounds| {
            let by_policy = match zero {
                ScaleToZero::Auto => false,
                ScaleToZero::Never => true,
                ScaleToZero::Windows => !bounds.zero_allowed,
            };
            bounds.zero_forbidden || by_policy
        };
        Self {
            bounds,
            floor: calendar.floor_within(now, lead),
            never_zero: denied(&bounds) || denied(&calendar.at(later(now, lead))),
        }
    }

    /// The most replicas that are allowed, where a ceiling is in force: floors and a zero that is
    /// denied win over it.
    pub(crate) fn most(&self) -> Option<u32> {
        self.bounds.ceiling.map(|ceiling| ceiling.max(self.floor).max(u32::from(self.never_zero)))
    }
}

/// The same for ascending instants, looked up where a window begins or ends.
#[derive(Debug, Clone, Default)]
pub(crate) struct WindowWatch {
    known: Option<(WindowLimits, Timestamp)>,
}

impl WindowWatch {
    /// At `now`, which is never before the last one.
    pub(crate) fn at(
        &mut self,
        calendar: &Calendar,
        zero: ScaleToZero,
        now: Timestamp,
        lead: SignedDuration,
    ) -> WindowLimits {
        if let Some((limits, _)) = self.known.filter(|(_, until)| now < *until) {
            return limits;
        }
        let limits = WindowLimits::at(calendar, zero, now, lead);
        let change = |at: Timestamp| calendar.next_change(at).unwrap_or(Timestamp::MAX);
        // The next edge leaves the view at its near end, or comes into it at the far one.
        let (near, far) = (change(now), change(later(now, lead)));
        self.known = Some((limits, near.min(later(far, -lead))));
        limits
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::Time;
    use jiff::tz::TimeZone;

    use super::*;
    use crate::calendar::{Days, HolidayRule, Window, ZeroRule};

    fn window(from: (i8, i8), to: (i8, i8), weekdays: [bool; 7]) -> Window {
        let time = |(hour, minute): (i8, i8)| Time::constant(hour, minute, 0, 0);
        Window {
            name: format!("{from:?}"),
            days: Days { weekdays, dates: Vec::new(), holidays: HolidayRule::Skip },
            from: time(from),
            to: time(to),
            min_replicas: None,
            max_replicas: None,
            scale_to_zero: None,
        }
    }

    fn calendar() -> Calendar {
        let working = [true, true, true, true, true, false, false];
        let office = Window { min_replicas: Some(4), ..window((8, 0), (18, 30), working) };
        let night = Window {
            max_replicas: Some(2),
            scale_to_zero: Some(ZeroRule::Allowed),
            ..window((22, 0), (6, 0), [true; 7])
        };
        let holiday = jiff::civil::date(2026, 3, 31);
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        Calendar::new(zone, vec![office, night], vec![holiday])
    }

    /// Over a change of the clocks and a holiday, for each rule on zero.
    #[test]
    fn what_is_kept_is_what_would_be_looked_up() {
        let calendar = calendar();
        let from: Timestamp = "2026-03-26T00:00:00Z".parse().unwrap();
        for zero in [ScaleToZero::Auto, ScaleToZero::Never, ScaleToZero::Windows] {
            for lead in [0, 240, 2 * 3600, 30 * 3600].map(SignedDuration::from_secs) {
                let mut watch = WindowWatch::default();
                let mut looks = 0;
                for slot in 0..8 * 5760 {
                    let now = from + SignedDuration::from_secs(15 * slot);
                    let before = watch.known.map(|(_, until)| until);
                    let kept = watch.at(&calendar, zero, now, lead);
                    looks += u32::from(before != watch.known.map(|(_, until)| until));
                    assert_eq!(kept, WindowLimits::at(&calendar, zero, now, lead), "{now} {lead}");
                }
                assert!(looks < 150, "{looks}");
            }
        }
    }

    #[test]
    fn floors_and_a_zero_that_is_denied_win_over_a_ceiling() {
        let calendar = calendar();
        let at = |text: &str, zero, lead| {
            let lead = SignedDuration::from_mins(lead);
            let limits = WindowLimits::at(&calendar, zero, text.parse().unwrap(), lead);
            (limits.floor, limits.most(), limits.never_zero)
        };
        // Winter: 23:00 in Berlin; a morning's floor is asked for ahead.
        let night = "2026-03-25T22:00:00Z";
        assert_eq!(at(night, ScaleToZero::Windows, 5), (0, Some(2), false));
        assert_eq!(at(night, ScaleToZero::Never, 5), (0, Some(2), true));
        assert_eq!(at("2026-03-25T04:55:00Z", ScaleToZero::Windows, 10), (0, Some(2), true));
        assert_eq!(at("2026-03-25T06:55:00Z", ScaleToZero::Windows, 10), (4, None, true));
    }
}
