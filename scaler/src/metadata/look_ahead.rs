//! The keys that look ahead: mode, lead, quantile, cost; windows, holidays, zone and zero.

use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::decide::policy::{LeadTime, Mode, Objective, Quantile, ScaleToZero};
use prewarm_forecaster::{Calendar, Policy, Window};

use super::fields::Fields;
use super::keys::{
    COLD_START, COST_RATIO, HISTORY_WINDOW, HOLIDAYS, KEEP_WARM, LEAD_TIME, MAX_PREWARM_REPLICAS, MODE, OBJECTIVE,
    POLICY_REF, QUANTILE, SCALE_TO_ZERO, SCALED_JOB, TIMEZONE, WINDOWS, nearest,
};
use super::windows::{parse_dates, parse_windows};
use super::{MetadataError, Rules, SharedPolicy};
use crate::duration::quoted;

/// Reads everything but the calendar into the policy.
pub(super) fn read(fields: &mut Fields<'_>, policy: &mut Policy) {
    match fields.word(&MODE) {
        Some("shadow") => policy.mode = Mode::Shadow,
        Some("off") => policy.mode = Mode::Off,
        _ => {}
    }
    if let Some(Some(lead)) = fields.duration(&LEAD_TIME) {
        policy.lead_time = LeadTime::Fixed(lead);
    }
    if let Some(Some(cold_start)) = fields.duration(&COLD_START) {
        policy.cold_start = cold_start;
    }
    if let Some(Some(quantile)) = fields.number(&QUANTILE) {
        policy.quantile = Quantile::Fixed(quantile);
    }
    if let Some(Some(ratio)) = fields.number(&COST_RATIO) {
        policy.cost_ratio = ratio;
    }
    match fields.number(&OBJECTIVE) {
        Some(Some(percent)) => policy.objective = Objective::Late(percent / 100.0),
        Some(None) if fields.text(&OBJECTIVE) == Some("safe") => policy.objective = Objective::Safe,
        _ => {}
    }
    if let Some(Some(window)) = fields.duration(&HISTORY_WINDOW) {
        policy.history_window = window;
    }
    policy.max_prewarm_replicas = fields.whole(&MAX_PREWARM_REPLICAS);
    if let Some(Some(keep_warm)) = fields.duration(&KEEP_WARM) {
        policy.keep_warm = keep_warm;
    }
    read_zero_and_jobs(fields, policy);
}

fn read_zero_and_jobs(fields: &mut Fields<'_>, policy: &mut Policy) {
    match fields.word(&SCALE_TO_ZERO) {
        Some("never") => policy.scale_to_zero = ScaleToZero::Never,
        Some("windows") => policy.scale_to_zero = ScaleToZero::Windows,
        _ => {}
    }
    let zero_window = policy.calendar.windows().iter().any(|window| window.scale_to_zero.is_some());
    if policy.scale_to_zero == ScaleToZero::Windows && !zero_window {
        fields.warn(&SCALE_TO_ZERO, "no window says scaleToZero: allowed, so zero is never reached");
    }
    policy.scaled_job = fields.word(&SCALED_JOB) == Some("true");
    if policy.scaled_job {
        for key in [&WINDOWS, &POLICY_REF, &LEAD_TIME] {
            if fields.has(key) {
                fields.warn(key, "has no effect with scaledJob: a ScaledJob is answered from live demand alone");
            }
        }
    }
}

/// Reads zone, windows, holidays and the shared policy. A window of the trigger replaces a shared one of the same name.
pub(super) fn calendar(fields: &mut Fields<'_>, rules: &Rules) -> Calendar {
    let shared = fields.text(&POLICY_REF).and_then(|name| shared_policy(fields, rules, name));
    let zone = fields.text(&TIMEZONE).and_then(|name| match zone(name) {
        Ok(zone) => Some(zone),
        Err(problem) => {
            fields.error(&TIMEZONE, problem);
            None
        }
    });
    let zone = zone.or_else(|| shared?.zone.clone()).unwrap_or(TimeZone::UTC);

    let own = match fields.text(&WINDOWS).map(parse_windows) {
        Some(Ok(windows)) => windows,
        Some(Err(errors)) => {
            fields.errors.extend(errors);
            Vec::new()
        }
        None => Vec::new(),
    };
    let shared_windows = shared.map_or(&[][..], |shared| &shared.windows).iter();
    let replaced = |window: &Window| own.iter().any(|own| own.name == window.name);
    let mut windows: Vec<Window> = shared_windows.filter(|window| !replaced(window)).cloned().collect();
    windows.extend(own);

    let mut holidays = shared.map_or_else(Vec::new, |shared| shared.holidays.clone());
    if let Some(text) = fields.text(&HOLIDAYS) {
        match holidays_of(text, rules) {
            Ok(dates) => holidays.extend(dates),
            Err(errors) => fields.errors.extend(errors),
        }
    }
    let calendar = Calendar::new(zone, windows, holidays);
    warn_of_conflicts(fields, &calendar);
    calendar
}

fn shared_policy<'r>(fields: &mut Fields<'_>, rules: &'r Rules, name: &str) -> Option<&'r SharedPolicy> {
    let found = rules.policies.get(name);
    if found.is_none() {
        let hint = match nearest(name, rules.policies.keys().map(|other| (other.as_str(), other))) {
            Some(other) => format!("did you mean \"{other}\"?"),
            None => "add it there as policies.NAME".to_owned(),
        };
        fields.error(&POLICY_REF, format!("the server's configuration has no policy {}; {hint}", quoted(name)));
    }
    found
}

/// Whether `holidays` means a named calendar: a list of dates has digits first, a name is one word.
pub(crate) fn names_calendar(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && !text.contains([',', '\n', ' ', ':'])
}

fn holidays_of(text: &str, rules: &Rules) -> Result<Vec<jiff::civil::Date>, Vec<MetadataError>> {
    if let Some(dates) = rules.holidays.get(text) {
        return Ok(dates.clone());
    }
    if !names_calendar(text) {
        return parse_dates(text);
    }
    let hint = match nearest(text, rules.holidays.keys().map(|other| (other.as_str(), other))) {
        Some(other) => format!("did you mean \"{other}\"?"),
        None => "add it there as holidays.NAME, or write dates: 2026-12-24, 2026-12-25".to_owned(),
    };
    let problem = format!("the server's configuration has no calendar {}; {hint}", quoted(text));
    Err(vec![MetadataError { key: HOLIDAYS.name.to_owned(), problem }])
}

/// Looks a zone up in the bundled database, which is the same on every replica. The error suggests the nearest name.
pub(crate) fn zone(name: &str) -> Result<TimeZone, String> {
    let bundled = TimeZoneDatabase::bundled();
    bundled.get(name).map_err(|_| {
        let names: Vec<String> = bundled.available().map(|zone| zone.to_string()).collect();
        let written = name.to_lowercase();
        // "Berlin" means "Europe/Berlin" more than any name that is a few letters off.
        let by_city = names.iter().find(|zone| {
            zone.to_lowercase().rsplit_once('/').is_some_and(|(_, city)| city == written.replace(' ', "_"))
        });
        let near = by_city.or_else(|| nearest(name, names.iter().map(|zone| (zone.as_str(), zone))));
        let hint =
            near.map_or("write an IANA name like Europe/Berlin".to_owned(), |near| format!("did you mean \"{near}\"?"));
        format!("{} is not a time zone; {hint}", quoted(name))
    })
}

/// Warns of floors above ceilings that are in force together within an ordinary fortnight.
fn warn_of_conflicts(fields: &mut Fields<'_>, calendar: &Calendar) {
    // Any fortnight will do; a fixed one keeps parsing pure.
    const MONDAY: i64 = 1_780_272_000;
    let both = |windows: &[Window]| {
        windows.iter().any(|w| w.min_replicas.is_some()) && windows.iter().any(|w| w.max_replicas.is_some())
    };
    if !both(calendar.windows()) {
        return;
    }
    let Ok(from) = Timestamp::from_second(MONDAY) else { return };
    let spans = calendar.spans(from, from + SignedDuration::from_hours(14 * 24));
    if let Some(span) = spans.iter().find(|span| span.bounds.conflict) {
        let names = span.names.join(", ");
        fields.warn(&WINDOWS, format!("a floor lies above a ceiling while these overlap: {names}; the floor wins"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_fortnight_begins_on_a_monday() {
        let from = Timestamp::from_second(1_780_272_000).unwrap().to_zoned(TimeZone::UTC);
        assert_eq!(from.weekday(), jiff::civil::Weekday::Monday);
        assert_eq!(from.to_string(), "2026-06-01T00:00:00+00:00[UTC]");
    }

    #[test]
    fn unknown_zones_suggest_the_nearest() {
        let hint = |name: &str| zone(name).unwrap_err();
        assert!(zone("Europe/Berlin").is_ok() && zone("europe/berlin").is_ok() && zone("UTC").is_ok());
        assert_eq!(hint("Europe/Berlim"), r#""Europe/Berlim" is not a time zone; did you mean "Europe/Berlin"?"#);
        assert_eq!(hint("New York"), r#""New York" is not a time zone; did you mean "America/New_York"?"#);
        assert_eq!(hint("CEST7"), r#""CEST7" is not a time zone; write an IANA name like Europe/Berlin"#);
        assert!(hint("../../etc/passwd").contains("is not a time zone"));
    }
}
