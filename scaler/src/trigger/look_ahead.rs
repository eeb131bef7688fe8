//! The keys that look ahead: mode, lead, quantile, cost; windows, holidays, zone and zero.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::decide::policy::{LeadTime, Mode, Objective, Quantile, ScaleToZero};
use prewarm_forecaster::{Calendar, Policy, Window};

use super::fields::Fields;
use super::keys::{
    COLD_START, COST_RATIO, HISTORY_WINDOW, HOLIDAYS, KEEP_WARM, LEAD_TIME, MAX_PREWARM_REPLICAS,
    MODE, OBJECTIVE, POLICY_REF, QUANTILE, SCALE_TO_ZERO, SCALED_JOB, TIMEZONE, WINDOWS, nearest,
};
use super::windows::parse_windows;
use super::{Rules, SharedPolicy, holidays, zone};
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
        policy.keep_warm_fixed = true;
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
        fields
            .warn(&SCALE_TO_ZERO, "no window says scaleToZero: allowed, so zero is never reached");
    }
    policy.scaled_job = fields.word(&SCALED_JOB) == Some("true");
    if policy.scaled_job {
        for key in [&WINDOWS, &POLICY_REF, &LEAD_TIME] {
            if fields.has(key) {
                fields.warn(
                    key,
                    "has no effect with scaledJob: a ScaledJob is answered from live demand alone",
                );
            }
        }
    }
}

/// Reads zone, windows, holidays and the shared policy.
pub(super) fn calendar(fields: &mut Fields<'_>, rules: &Rules) -> Calendar {
    let SharedPolicy { zone, windows, holidays } = own_policy(fields, rules);
    let calendar = Calendar::new(zone.unwrap_or(TimeZone::UTC), windows, holidays);
    warn_of_conflicts(fields, &calendar);
    calendar
}

/// What a trigger says of windows, together with the shared policy that it names. A window of the
/// trigger replaces a shared one of the same name.
pub(super) fn own_policy(fields: &mut Fields<'_>, rules: &Rules) -> SharedPolicy {
    let shared = fields.text(&POLICY_REF).and_then(|name| shared_policy(fields, rules, name));
    let zone = own_zone(fields).or_else(|| shared?.zone.clone());

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
    let mut windows: Vec<Window> =
        shared_windows.filter(|window| !replaced(window)).cloned().collect();
    windows.extend(own);

    let mut dates = shared.map_or_else(Vec::new, |shared| shared.holidays.clone());
    if let Some(text) = fields.text(&HOLIDAYS) {
        match holidays::parse(text, &rules.holidays) {
            Ok(more) => dates.extend(more),
            Err(errors) => fields.errors.extend(errors),
        }
    }
    SharedPolicy { zone, windows, holidays: dates }
}

fn own_zone(fields: &mut Fields<'_>) -> Option<TimeZone> {
    let name = fields.text(&TIMEZONE)?;
    if let Some(warning) = zone::surprise(name) {
        fields.warn(&TIMEZONE, warning);
    }
    match zone::parse(name) {
        Ok(zone) => Some(zone),
        Err(problem) => {
            fields.error(&TIMEZONE, problem);
            None
        }
    }
}

fn shared_policy<'r>(
    fields: &mut Fields<'_>,
    rules: &'r Rules,
    name: &str,
) -> Option<&'r SharedPolicy> {
    let found = rules.policies.get(name);
    if found.is_none() {
        let hint = match nearest(name, rules.policies.keys().map(|other| (other.as_str(), other))) {
            Some(other) => format!("did you mean \"{other}\"?"),
            None => "add it there as policies.NAME".to_owned(),
        };
        fields.error(
            &POLICY_REF,
            format!("the server's configuration has no policy {}; {hint}", quoted(name)),
        );
    }
    found
}

/// Warns of floors above ceilings that are in force together within an ordinary fortnight.
fn warn_of_conflicts(fields: &mut Fields<'_>, calendar: &Calendar) {
    // Any fortnight will do; a fixed one keeps parsing pure.
    const MONDAY: i64 = 1_780_272_000;
    let both = |windows: &[Window]| {
        windows.iter().any(|w| w.min_replicas.is_some())
            && windows.iter().any(|w| w.max_replicas.is_some())
    };
    if !both(calendar.windows()) {
        return;
    }
    let Ok(from) = Timestamp::from_second(MONDAY) else { return };
    let spans = calendar.spans(from, from + SignedDuration::from_hours(14 * 24));
    if let Some(span) = spans.iter().find(|span| span.bounds.conflict) {
        let names = span.names.join(", ");
        fields.warn(
            &WINDOWS,
            format!("a floor lies above a ceiling while these overlap: {names}; the floor wins"),
        );
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
}
