//! Why an answer is what it is, in a sentence or two: for the page, the API and `prewarm explain`
//! alike.

use jiff::Timestamp;
use prewarm_forecaster::Reason;

use super::api::{Arrival, Decision, SourceTrouble, Trigger};
use super::words::{number, percentile, span};

/// The answer and why, in one paragraph.
pub(super) fn whole(trigger: &Trigger, now: Timestamp) -> String {
    match &trigger.latest {
        Some(latest) if trigger.summary.errors.is_empty() => {
            format!("{} {}", answer(trigger), because(latest, trigger, now))
        }
        _ => answer(trigger),
    }
}

/// What callers are told.
pub(crate) fn answer(trigger: &Trigger) -> String {
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
pub(crate) fn because(latest: &Decision, trigger: &Trigger, now: Timestamp) -> String {
    let policy = trigger.policy.as_ref();
    let no_demand = no_demand(trigger.summary.source_trouble.as_ref());
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
        Some(Reason::Arrival) => match &parts.arrival {
            Some(arrival) => format!("One replica is there for who may come: {}.", likely(arrival)),
            None => "One replica is there for who may come.".to_owned(),
        },
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
        Some(Reason::NoData) if trigger.summary.source_trouble.is_some() => format!("{no_demand}."),
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

/// How likely somebody is to come, and what would pay.
pub(crate) fn likely(arrival: &Arrival) -> String {
    let percent = |share: f64| format!("{}%", number((share * 1000.0).round() / 10.0));
    let pays = match arrival.break_even.filter(|from| *from <= 1.0) {
        Some(from) => format!("a replica pays from {} on", percent(from)),
        None => "no probability makes a replica pay".to_owned(),
    };
    format!(
        "{} within {} if nobody does before, {pays}",
        percent(arrival.probability),
        span(arrival.within_seconds)
    )
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

fn count(replicas: u32) -> String {
    format!("{replicas} replica{}", if replicas == 1 { "" } else { "s" })
}

fn optional(replicas: Option<u32>) -> String {
    replicas.map_or_else(|| "–".to_owned(), |replicas| replicas.to_string())
}

/// A source that is not there.
const DOWN: &str = "The source is down";
