//! An explanation as people read it: the answer, why, what each part asked for, what changed.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{learned, replicas};
use crate::cli::columns::{Align, aligned};
use crate::http::api::{Decision, Explanation, Trigger};
use crate::http::sentence::{answer, because, likely};
use crate::http::words::{age, number, percentile, span};

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
    if let Some(trouble) = &trigger.summary.source_trouble {
        paragraph(
            &mut output,
            &format!("source   {}, for {}", trouble.message, age(now, trouble.since)),
        );
    }
    for warning in &trigger.warnings {
        paragraph(&mut output, &format!("warning  {warning}"));
    }
    for found in &trigger.signal_troubles {
        let (signal, trouble) = (&found.signal, &found.trouble);
        let lasted = age(now, trouble.since);
        paragraph(
            &mut output,
            &format!("{signal:<8} {}, for {lasted}: going on without it", trouble.message),
        );
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

fn asked(trigger: &Trigger, now: Timestamp) -> String {
    // Another time was asked for: what KEDA has asked since says nothing about it.
    if trigger.summary.last_seen > now {
        return String::new();
    }
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
    if let Some(arrival) = &parts.arrival {
        let stays = arrival.break_even.is_some_and(|from| arrival.probability >= from);
        let one = if stays { "1" } else { "0" }.to_owned();
        let role = if arrival.acts { "" } else { ", recorded only" };
        let note = format!("{}{role}", likely(arrival));
        rows.push(row("arrival", NONE.to_owned(), one, note));
    }
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

fn optional(replicas: Option<u32>) -> String {
    replicas.map_or(NONE.to_owned(), |replicas| replicas.to_string())
}

fn yes_no(holds: bool) -> &'static str {
    if holds { "yes" } else { "no" }
}

/// What is unknown, or does not apply.
const NONE: &str = "–";
