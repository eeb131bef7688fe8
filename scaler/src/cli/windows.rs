//! `prewarm windows`: when floors and ceilings of a policy hold, and which holidays it knows.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::Calendar;
use prewarm_forecaster::calendar::Span;
use serde::Serialize;

use super::columns::aligned;
use crate::clock::{Clock, SystemClock};
use crate::config::{self, Config};
use crate::trigger::windows::{FoundPolicy, policies};
use crate::trigger::zone;

/// Arguments of `prewarm windows`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Policy (timezone, windows, holidays), PrewarmPolicy, or ScaledObject with windows; several
    /// documents are all shown
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
    /// The server's configuration, for the calendars and shared policies that are named
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// First instant: RFC 3339, a local date, or now
    #[arg(long, value_name = "TIME", default_value = "now")]
    from: String,
    /// How many days to show (1 … 400)
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=400))]
    days: u16,
    /// Start-up time, to see from when on a floor's replicas are asked for, e.g. 6m
    #[arg(long, value_name = "DURATION")]
    lead: Option<SignedDuration>,
    /// Zone, where the policy names none
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    timezone: String,
    /// JSON instead of a table
    #[arg(long)]
    json: bool,
}

/// A span in which something holds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    policy: String,
    from: Timestamp,
    to: Timestamp,
    local_from: String,
    local_to: String,
    windows: Vec<String>,
    min_replicas: u32,
    max_replicas: Option<u32>,
    scale_to_zero: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ready_by_asked_at: Option<Timestamp>,
    notes: Vec<String>,
}

/// Holidays that are listed.
const LISTED: usize = 5;

/// Runs the command.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let file = args.policy.display();
    let text =
        std::fs::read_to_string(&args.policy).with_context(|| format!("cannot read {file}"))?;
    let config = match &args.config {
        Some(path) => Some(Config::load(Some(path), config::environment())?),
        None => None,
    };
    for note in config.iter().flat_map(|config| &config.notes) {
        eprintln!("prewarm: {note}");
    }
    let rules = config.as_ref().map(Config::rules).unwrap_or_default();
    let found = match policies(&text, rules, config.is_none()) {
        Ok(found) => found,
        Err(errors) => {
            for error in errors {
                eprintln!("{file}: {error}");
            }
            return Ok(ExitCode::FAILURE);
        }
    };
    let several = found.len() > 1;
    let mut all = Vec::new();
    let mut text = String::new();
    for FoundPolicy { title, policy, warnings } in found {
        for warning in warnings {
            eprintln!("prewarm: {title}: {warning}");
        }
        let zone = match policy.zone {
            Some(zone) => zone,
            None => zone::parse(&args.timezone)
                .map_err(|problem| anyhow::anyhow!("--timezone: {problem}"))?,
        };
        let from = instant(&args.from, &zone)?;
        let to = from.saturating_add(SignedDuration::from_hours(24 * i64::from(args.days)))?;
        let calendar = Calendar::new(zone, policy.windows, policy.holidays);
        let rows = rows(&title, &calendar, from, to, args.lead);
        let holidays = holidays(&calendar, from);
        if args.json {
            eprint!(
                "{}",
                holidays.map(|line| format!("prewarm: {title}: {line}\n")).unwrap_or_default()
            );
        } else {
            if several {
                text += &format!("{}{title}\n", if text.is_empty() { "" } else { "\n" });
            }
            text += &table(&calendar, &rows, args.lead);
            text += &holidays.map(|line| format!("{line}\n")).unwrap_or_default();
        }
        all.extend(rows);
    }
    if args.json {
        text = serde_json::to_string_pretty(&all)? + "\n";
    }
    super::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// How many holidays are known, and the next ones from the local date of `from` on; `None` without
/// any.
fn holidays(calendar: &Calendar, from: Timestamp) -> Option<String> {
    let all = calendar.holidays();
    let today = from.to_zoned(calendar.zone().clone()).date();
    let next: Vec<String> = calendar.holidays_from(today).iter().take(LISTED).map(shown).collect();
    let last = all.last()?;
    let upcoming = match next.as_slice() {
        [] => format!("none from {today} on, the last is {}", shown(last)),
        _ => format!("next {}", next.join(", ")),
    };
    Some(format!(
        "holidays: {} {}; {upcoming}",
        all.len(),
        if all.len() == 1 { "date" } else { "dates" }
    ))
}

fn shown(date: &Date) -> String {
    date.strftime("%a %Y-%m-%d").to_string()
}

fn instant(text: &str, zone: &TimeZone) -> anyhow::Result<Timestamp> {
    if text == "now" {
        return Ok(SystemClock.now());
    }
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant);
    }
    match text.parse::<Date>() {
        Ok(date) => Ok(date.to_zoned(zone.clone())?.timestamp()),
        Err(_) => bail!(
            "--from {text:?} is no time: write it like 2026-11-24T08:00:00Z, 2026-11-24 (local) or now"
        ),
    }
}

fn rows(
    policy: &str,
    calendar: &Calendar,
    from: Timestamp,
    to: Timestamp,
    lead: Option<SignedDuration>,
) -> Vec<Row> {
    let spans = calendar.spans(from, to);
    spans
        .iter()
        .filter(|span| !span.names.is_empty())
        .map(|span| row(policy, calendar, span, lead))
        .collect()
}

fn row(policy: &str, calendar: &Calendar, span: &Span, lead: Option<SignedDuration>) -> Row {
    let local = |t: Timestamp| {
        t.to_zoned(calendar.zone().clone()).strftime("%a %Y-%m-%d %H:%M %Z").to_string()
    };
    let offset = |t: Timestamp| calendar.zone().to_offset(t);
    let bounds = span.bounds;
    let before = span.from.saturating_sub(SignedDuration::from_secs(1)).unwrap_or(span.from);
    let floor_before = calendar.at(before).floor;
    let mut notes = Vec::new();
    if bounds.conflict {
        notes.push("floor above ceiling: the floor wins".to_owned());
    }
    let just_before = span.to.saturating_sub(SignedDuration::from_secs(1)).unwrap_or(span.to);
    if offset(span.from) != offset(just_before) {
        notes.push("clocks change".to_owned());
    }
    Row {
        policy: policy.to_owned(),
        from: span.from,
        to: span.to,
        local_from: local(span.from),
        local_to: local(span.to),
        windows: span.names.clone(),
        min_replicas: bounds.floor,
        max_replicas: bounds.ceiling,
        scale_to_zero: match (bounds.zero_forbidden, bounds.zero_allowed) {
            (true, _) => Some("never"),
            (_, true) => Some("allowed"),
            _ => None,
        },
        // Replicas are asked for ahead of time only where the floor rises.
        ready_by_asked_at: lead
            .filter(|_| bounds.floor > floor_before)
            .and_then(|lead| span.from.checked_sub(lead).ok()),
        notes,
    }
}

/// Aligned columns; a header above.
fn table(calendar: &Calendar, rows: &[Row], lead: Option<SignedDuration>) -> String {
    let zone = calendar.zone().iana_name().unwrap_or("UTC").to_owned();
    let mut head = vec![format!("from ({zone})"), "to".into(), "UTC".into()];
    if lead.is_some() {
        head.push("asked from".into());
    }
    head.extend(["min", "max", "zero", "windows"].map(str::to_owned));
    let mut lines = vec![head];
    for row in rows {
        let mut line = vec![row.local_from.clone(), row.local_to.clone(), utc(row)];
        if lead.is_some() {
            line.push(row.ready_by_asked_at.map_or_else(String::new, |at| {
                at.to_zoned(calendar.zone().clone()).strftime("%a %H:%M").to_string()
            }));
        }
        let bound = |n: Option<u32>| n.map_or_else(|| "-".to_owned(), |n| n.to_string());
        line.push(bound(Some(row.min_replicas).filter(|n| *n > 0)));
        line.push(bound(row.max_replicas));
        line.push(row.scale_to_zero.unwrap_or("-").to_owned());
        let notes = if row.notes.is_empty() {
            String::new()
        } else {
            format!("  ({})", row.notes.join("; "))
        };
        line.push(format!("{}{notes}", row.windows.join(", ")));
        lines.push(line);
    }
    if rows.is_empty() {
        return format!("no window is in force in this time ({zone})\n");
    }
    aligned(&lines, &[])
}

fn utc(row: &Row) -> String {
    format!("{} – {}", row.from.strftime("%m-%d %H:%M"), row.to.strftime("%m-%d %H:%M"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trigger::Rules;

    const POLICY: &str = r#"
timezone: Europe/Berlin
windows:
- {name: office, days: Mon-Fri, from: "08:00", to: "18:00", minReplicas: 2, maxReplicas: 12}
- {name: backup, days: Sun, from: "01:30", to: "03:30", maxReplicas: 1, scaleToZero: allowed}
- {name: standup, days: Mon, from: "09:00", to: "10:00", minReplicas: 20}
"#;

    #[test]
    fn the_table_reads_well_over_a_change_of_clocks() {
        let calendar = only(POLICY);
        let from = instant("2026-10-24", calendar.zone()).unwrap();
        let lead = Some(SignedDuration::from_mins(6));
        let rows = rows("policy", &calendar, from, from + SignedDuration::from_hours(72), lead);
        insta::assert_snapshot!(table(&calendar, &rows, lead), @r"
        from (Europe/Berlin)       to                        UTC                        asked from  min  max  zero     windows
        Sun 2026-10-25 01:30 CEST  Sun 2026-10-25 03:30 CET  10-24 23:30 – 10-25 02:30              -    1    allowed  backup  (clocks change)
        Mon 2026-10-26 08:00 CET   Mon 2026-10-26 09:00 CET  10-26 07:00 – 10-26 08:00  Mon 07:54   2    12   -        office
        Mon 2026-10-26 09:00 CET   Mon 2026-10-26 10:00 CET  10-26 08:00 – 10-26 09:00  Mon 08:54   20   20   -        office, standup  (floor above ceiling: the floor wins)
        Mon 2026-10-26 10:00 CET   Mon 2026-10-26 18:00 CET  10-26 09:00 – 10-26 17:00              2    12   -        office
        ");
    }

    /// The calendar of a file's only policy.
    fn only(text: &str) -> Calendar {
        let mut found = policies(text, Rules::default(), false).unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        let policy = found.remove(0).policy;
        Calendar::new(policy.zone.unwrap(), policy.windows, policy.holidays)
    }

    /// The example of business hours over Christmas: a cap and a permission for zero of every night
    /// hold on holidays, too. While they did not, a workload of nights at zero cost more on
    /// holidays than on working days.
    #[test]
    fn the_nights_of_the_business_hours_example_hold_over_christmas() {
        let example = include_str!("../../../deploy/examples/business-hours.yaml");
        // It says so in words; without them the default is the same.
        let calendar = only(&example.replace("holidays: ignore, ", ""));
        assert_eq!(calendar.windows(), only(example).windows());
        let from = instant("2026-12-23", calendar.zone()).unwrap();
        let rows = rows("", &calendar, from, from + SignedDuration::from_hours(6 * 24), None);
        insta::assert_snapshot!(table(&calendar, &rows, None), @"
        from (Europe/Berlin)      to                        UTC                        min  max  zero     windows
        Wed 2026-12-23 00:00 CET  Wed 2026-12-23 06:00 CET  12-22 23:00 – 12-23 05:00  -    2    allowed  night
        Wed 2026-12-23 08:00 CET  Wed 2026-12-23 18:00 CET  12-23 07:00 – 12-23 17:00  2    12   -        office
        Wed 2026-12-23 18:00 CET  Wed 2026-12-23 22:00 CET  12-23 17:00 – 12-23 21:00  -    4    -        evening
        Wed 2026-12-23 22:00 CET  Thu 2026-12-24 06:00 CET  12-23 21:00 – 12-24 05:00  -    2    allowed  night
        Thu 2026-12-24 08:00 CET  Thu 2026-12-24 18:00 CET  12-24 07:00 – 12-24 17:00  2    12   -        office
        Thu 2026-12-24 18:00 CET  Thu 2026-12-24 22:00 CET  12-24 17:00 – 12-24 21:00  -    4    -        evening
        Thu 2026-12-24 22:00 CET  Fri 2026-12-25 06:00 CET  12-24 21:00 – 12-25 05:00  -    2    allowed  night
        Fri 2026-12-25 22:00 CET  Sat 2026-12-26 06:00 CET  12-25 21:00 – 12-26 05:00  -    2    allowed  night
        Sat 2026-12-26 22:00 CET  Sun 2026-12-27 06:00 CET  12-26 21:00 – 12-27 05:00  -    2    allowed  night
        Sun 2026-12-27 22:00 CET  Mon 2026-12-28 06:00 CET  12-27 21:00 – 12-28 05:00  -    2    allowed  night
        Mon 2026-12-28 08:00 CET  Mon 2026-12-28 18:00 CET  12-28 07:00 – 12-28 17:00  2    12   -        office
        Mon 2026-12-28 18:00 CET  Mon 2026-12-28 22:00 CET  12-28 17:00 – 12-28 21:00  -    4    -        evening
        Mon 2026-12-28 22:00 CET  Tue 2026-12-29 00:00 CET  12-28 21:00 – 12-28 23:00  -    2    allowed  night
        ");
        insta::assert_snapshot!(holidays(&calendar, from).unwrap(), @"holidays: 3 dates; next Fri 2026-12-25, Sat 2026-12-26, Fri 2027-01-01");
    }

    #[test]
    fn holidays_are_counted_and_the_next_five_are_listed() {
        let policy = |holidays: &str| only(&format!("{POLICY}holidays: {holidays}\n"));
        let from = "2026-11-24T00:00:00Z".parse().unwrap();
        insta::assert_snapshot!(holidays(&policy("DE-BY"), from).unwrap(), @"holidays: 252 dates; next Fri 2026-12-25, Sat 2026-12-26, Fri 2027-01-01, Wed 2027-01-06, Fri 2027-03-26");
        insta::assert_snapshot!(holidays(&policy("2025-12-25"), from).unwrap(), @"holidays: 1 date; none from 2026-11-24 on, the last is Thu 2025-12-25");
        assert_eq!(holidays(&policy("[]"), from), None);
    }

    #[test]
    fn a_wrong_time_says_how_to_write_it() {
        let error = instant("tomorrow", &TimeZone::UTC).unwrap_err().to_string();
        assert!(error.contains("--from \"tomorrow\" is no time: write it like"), "{error}");
    }
}
