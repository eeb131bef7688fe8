//! An explanation as people read it: the answer, why, what each part asked for, what changed.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use prewarm_forecaster::Reason;

use super::format::{age, number, percentile, span};
use super::{learned, replicas};
use crate::cli::columns::{Align, aligned};
use crate::http::api::{Decision, Explanation, SourceTrouble, Trigger};

/// The output of every trigger.
pub(super) fn render(explanation: &Explanation) -> String {
    let stories =
        explanation.triggers.iter().map(|trigger| trigger_story(trigger, explanation.now));
    stories.collect::<Vec<_>>().join("\n")
}

fn trigger_story(trigger: &Trigger, now: Timestamp) -> String {
    let summary = &trigger.summary;
    let mut output = format!("{}/{}  {}\n\n", summary.namespace, summary.name, summary.metric);
    paragraph(&mut output, &answer(trigger));
    for error in &summary.errors {
        paragraph(&mut output, &format!("error    {}: {}", error.key, error.problem));
    }
    if let Some(trouble) = &trigger.source_trouble {
        paragraph(
            &mut output,
            &format!("source   {}, for {}", trouble.message, age(now, trouble.since)),
        );
    }
    for warning in &trigger.warnings {
        paragraph(&mut output, &format!("warning  {warning}"));
    }
    if let Some(policy) = trigger.policy.as_ref().filter(|policy| policy.holidays.dates > 0) {
        let next = if policy.holidays.next.is_empty() {
            "none to come".to_owned()
        } else {
            policy.holidays.next.join(", ")
        };
        paragraph(&mut output, &format!("holidays {} dates, next: {next}", policy.holidays.dates));
    }
    if let Some(latest) = &trigger.latest {
        if summary.errors.is_empty() {
            paragraph(&mut output, &because(latest, trigger, now));
        }
        paragraph(
            &mut output,
            &format!("Decided {} ago.{}", age(now, latest.at), asked(trigger, now)),
        );
        output.push('\n');
        output.push_str(&parts(latest, trigger.threshold));
    } else {
        paragraph(&mut output, asked(trigger, now).trim());
    }
    let mut learned = replicas::render(&trigger.fleet, trigger.policy.as_ref());
    learned.extend(learned::render(&trigger.learned, trigger.policy.as_ref(), now));
    if !learned.is_empty() {
        output.push('\n');
        learned.iter().for_each(|line| paragraph(&mut output, line));
    }
    if !trigger.transitions.is_empty() {
        output.push('\n');
        output.push_str(&transitions(trigger, now));
    }
    output
}

/// What callers are told.
fn answer(trigger: &Trigger) -> String {
    let summary = &trigger.summary;
    match (summary.desired_replicas, summary.metric_value, summary.active) {
        (Some(replicas), Some(value), Some(active)) => format!(
            "{}: KEDA is told {} at {} per replica, {}.",
            count(replicas),
            number(value),
            number(trigger.threshold),
            if active { "active" } else { "inactive" },
        ),
        _ => match summary.state.as_str() {
            "invalid" => "The metadata is wrong: KEDA is told INVALID_ARGUMENT and holds.",
            "pending" => "Registered; the first decision comes with the next slot.",
            "expired" => "No longer sampled here: KEDA is told UNAVAILABLE and holds.",
            "no_data" => {
                "No sample has ever been seen: KEDA is told FAILED_PRECONDITION and holds."
            }
            _ => "Nothing can be vouched for: KEDA is told UNAVAILABLE and holds.",
        }
        .to_owned(),
    }
}

/// Which part prevailed, and what state that was decided in.
fn because(latest: &Decision, trigger: &Trigger, now: Timestamp) -> String {
    let policy = trigger.policy.as_ref();
    let no_demand = no_demand(trigger.source_trouble.as_ref());
    let parts = &latest.parts;
    let within = span(parts.lead_seconds);
    let why = match Reason::named(&latest.reason) {
        Some(Reason::Live) => "Live demand prevails.".to_owned(),
        Some(Reason::Panic) => {
            "Live demand has jumped to at least twice its level: the last seconds count.".to_owned()
        }
        Some(Reason::Backlog) => "What is waiting prevails.".to_owned(),
        Some(Reason::Forecast) => {
            let (forecast, quantile) =
                (parts.forecast.unwrap_or_default(), percentile(parts.forecast_quantile));
            format!(
                "The forecast prevails: demand may reach {} ({quantile}) within {within}.",
                number(forecast)
            )
        }
        Some(Reason::Floor) => {
            format!(
                "A window's floor prevails: {} to be Ready within {within}.",
                count(parts.floor_replicas)
            )
        }
        Some(Reason::Ceiling) => {
            format!("A window's ceiling cuts it: at most {} now.", optional(parts.ceiling_replicas))
        }
        Some(Reason::Hold) => "Demand has gone; replicas are held for a while.".to_owned(),
        Some(Reason::KeepWarm) => {
            let keep =
                policy.map(|policy| format!(" less than {} ago", span(policy.keep_warm_seconds)));
            format!(
                "The last arrival was{}: one replica stays warm.",
                keep.unwrap_or_else(|| " recent".to_owned())
            )
        }
        Some(Reason::NeverZero) => {
            "There is no demand, and zero is not allowed here: one replica stays.".to_owned()
        }
        Some(Reason::Idle) => format!("There is no demand, and none is expected within {within}."),
        Some(Reason::LastGood) => format!("{no_demand}: the last good value is repeated."),
        Some(Reason::Unavailable) if no_demand == DOWN => {
            "The source has been down for too long.".to_owned()
        }
        Some(Reason::Unavailable) => format!("{no_demand}, and has not for too long."),
        Some(Reason::ScaledToZero) => {
            "At zero replicas their metrics are gone, and nothing is expected: zero.".to_owned()
        }
        Some(Reason::NoData) if trigger.source_trouble.is_some() => format!("{no_demand}."),
        Some(Reason::NoData) => "Does the query give a value? Try it on the source.".to_owned(),
        // A newer server's.
        None => format!("Reason: {}.", latest.reason),
    };
    let state = match latest.state.as_str() {
        "reactive" => match (parts.forecast, policy.map(|policy| policy.mode.as_str())) {
            (_, Some("off")) => " Mode is off: the forecast does not act.".to_owned(),
            (Some(_), Some("shadow")) => shadow(latest),
            (Some(_), _) => " The forecast may not act yet: it has not earned it.".to_owned(),
            (None, _) => " There is no fresh forecast: plain reactive scaling.".to_owned(),
        },
        "live_down" => format!(" {no_demand}: forecast and last good value answer."),
        "blind" => match parts.live_age_seconds {
            Some(age) => {
                let since = now.duration_since(latest.at).as_secs_f64();
                format!(" The last good sample is {} old.", span(age + since))
            }
            None => String::new(),
        },
        _ => String::new(),
    };
    why + &state + &doubts(latest)
}

/// What was not believed, and why it counts for less.
fn doubts(latest: &Decision) -> String {
    let mut text = String::new();
    for doubt in &latest.parts.doubts {
        let signal = &doubt.signal;
        if doubt.verdict == "held" {
            text += &format!(
                " The newest {signal} is far above all that is known: it waits for the next slot to confirm it."
            );
        }
        if doubt.verdict == "invalid" {
            text +=
                &format!(" The newest {signal} is no number of 0 or more: it counts as missing.");
        }
        match doubt.earlier.as_deref() {
            Some("confirmed") => {
                text += &format!(" The {signal} before it is confirmed and counts.")
            }
            Some("rejected") => {
                text += &format!(" The {signal} before it was not confirmed: it never counts.")
            }
            _ => {}
        }
    }
    text
}

/// What is wrong with the newest sample, in a few words; the line of the source says more.
fn no_demand(trouble: Option<&SourceTrouble>) -> &'static str {
    match trouble.map(|trouble| trouble.kind.as_str()) {
        None | Some("unreachable") => DOWN,
        Some("missing") => "The demand query does not return anything",
        Some("partial") => "The source does not read all of its data",
        Some("unauthorized") => "The source does not take our credentials",
        Some("misconfigured") => "The source does not work as it is configured",
        Some(_) => "The source does not answer the query with a number",
    }
}

fn shadow(latest: &Decision) -> String {
    let would = latest.parts.would_value;
    would.map_or_else(String::new, |value| {
        format!(" Shadow mode: with the forecast it would be {}.", number(value))
    })
}

fn asked(trigger: &Trigger, now: Timestamp) -> String {
    format!(" KEDA asked {} ago.", age(now, trigger.summary.last_seen))
}

/// What each part asked for; the one that prevailed is marked.
fn parts(latest: &Decision, threshold: f64) -> String {
    let parts = &latest.parts;
    let ceil = |demand: f64| (demand / threshold).ceil().to_string();
    let row = |of: &str, demand: String, replicas: String, note: String| {
        let prevailed = of == latest.reason
            || matches!((of, latest.reason.as_str()), ("live", "panic" | "last_good"));
        let mark = if prevailed { "▸" } else { " " };
        vec![format!("{mark} {of}"), demand, replicas, note]
    };
    let observed = parts.observed.map_or("the newest sample is missing".to_owned(), |seen| {
        format!("newest sample {}", number(seen))
    });
    let mut rows = vec![["  part", "demand", "replicas", ""].map(str::to_owned).to_vec()];
    let live = parts.live.map_or(NONE.to_owned(), number);
    rows.push(row("live", live, parts.live.map_or(NONE.to_owned(), ceil), observed));
    if parts.latency_factor > 1.0 {
        let (factor, note) = (parts.latency_factor, "latency is above its target".to_owned());
        rows.push(row("latency", format!("× {}", number(factor)), NONE.to_owned(), note));
    }
    if parts.backlog.is_some() || parts.backlog_demand > 0.0 {
        let items = parts.backlog.map_or(NONE.to_owned(), number);
        let sum = parts.live.unwrap_or_default() * parts.latency_factor + parts.backlog_demand;
        let note = format!("{items} waiting; with live {}", number(sum));
        rows.push(row("backlog", format!("+ {}", number(parts.backlog_demand)), ceil(sum), note));
    }
    let (forecast, replicas, note) = match parts.forecast {
        Some(forecast) => {
            let role = if parts.forecast_acts { "" } else { ", recorded only" };
            let note = format!(
                "{} within {}{role}",
                percentile(parts.forecast_quantile),
                span(parts.lead_seconds)
            );
            (number(forecast), parts.forecast_replicas.to_string(), note)
        }
        None => (NONE.to_owned(), NONE.to_owned(), "none, or too old".to_owned()),
    };
    rows.push(row("forecast", forecast, replicas, note));
    let within = format!("windows, within {}", span(parts.lead_seconds));
    rows.push(row("floor", NONE.to_owned(), parts.floor_replicas.to_string(), within));
    rows.push(row("hold", NONE.to_owned(), parts.hold_replicas.to_string(), String::new()));
    rows.push(row(
        "ceiling",
        NONE.to_owned(),
        optional(parts.ceiling_replicas),
        "windows, now".to_owned(),
    ));
    aligned(&rows, &[Align::Left, Align::Right, Align::Right])
}

/// The last changes, oldest first, in the zone of the windows.
fn transitions(trigger: &Trigger, now: Timestamp) -> String {
    let named = trigger.policy.as_ref().and_then(|policy| policy.timezone.as_deref());
    let zone = named.and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC);
    let title = format!("  changed ({})", zone.iana_name().unwrap_or("UTC"));
    let head = [&title, "replicas", "active", "reason", "state", "live", "forecast", "value"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for past in &trigger.transitions {
        let told = past.answer == "value";
        let at = past.at.to_zoned(zone.clone());
        let day =
            if now.duration_since(past.at).as_hours() < 12 { "%H:%M:%S" } else { "%b %d %H:%M:%S" };
        rows.push(vec![
            format!("  {}", at.strftime(day)),
            if told { past.desired_replicas.to_string() } else { "hold".to_owned() },
            if told { yes_no(past.active).to_owned() } else { NONE.to_owned() },
            past.reason.clone(),
            past.state.clone(),
            past.parts.live.map_or(NONE.to_owned(), number),
            past.parts.forecast.map_or(NONE.to_owned(), number),
            if told { number(past.metric_value) } else { NONE.to_owned() },
        ]);
    }
    use Align::{Left, Right};
    aligned(&rows, &[Left, Right, Left, Left, Left, Right, Right, Right])
}

fn paragraph(output: &mut String, text: &str) {
    output.push_str("  ");
    output.push_str(text);
    output.push('\n');
}

fn count(replicas: u32) -> String {
    format!("{replicas} replica{}", if replicas == 1 { "" } else { "s" })
}

fn optional(replicas: Option<u32>) -> String {
    replicas.map_or(NONE.to_owned(), |replicas| replicas.to_string())
}

fn yes_no(holds: bool) -> &'static str {
    if holds { "yes" } else { "no" }
}

/// A source that is not there.
const DOWN: &str = "The source is down";
/// What is unknown, or does not apply.
const NONE: &str = "–";
