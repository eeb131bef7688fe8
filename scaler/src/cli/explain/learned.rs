//! Which policy acts and why, in words; how forecasts did; what yesterday cost.

use jiff::Timestamp;

use crate::http::api::{Day, Policy, ScalingPolicy, Selection, TrainingSummary};
use crate::http::words::{age, number, percentile, span};

/// Sentences; none where nothing was learned.
pub(super) fn render(
    learned: &TrainingSummary,
    policy: Option<&Policy>,
    now: Timestamp,
) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(selection) = &learned.selection {
        lines.push(format!("{}: {}.", verdict(selection), why(selection)));
        lines.push(format!("{}: {}.", role(policy), way(&selection.policy)));
        if selection.forecast_acts {
            lines.push(format!("Where the forecast cannot: {}.", way(&selection.best_reactive)));
        }
        if selection.days > 0 {
            lines.push(expected(selection));
        }
    }
    if let Some(missing) = &learned.no_forecast {
        lines.push(format!("No forecast may act: {}.", missing.detail));
    }
    lines.extend(learned.days.last().map(yesterday));
    let accuracy = learned.accuracy.iter().filter(|lead| lead.scored > 0).filter_map(|lead| {
        let high = lead.quantiles.iter().rfind(|q| q.quantile <= 0.955)?;
        let covered = format!("{:.1}", high.coverage? * 100.0);
        Some(format!(
            "{} ahead, {}% of demand was at or below the {}",
            span(lead.lead_seconds),
            covered.trim_end_matches('0').trim_end_matches('.'),
            percentile(high.quantile)
        ))
    });
    let accuracy: Vec<String> = accuracy.take(LEADS).collect();
    if !accuracy.is_empty() {
        lines.push(format!("Forecasts lately: {}.", accuracy.join("; ")));
    }
    if learned.selections.len() > 1 {
        let before = learned.selections.iter().rev().skip(1).take(EARLIER).map(|selection| {
            format!(
                "{} ago {}",
                age(now, selection.since),
                if selection.forecast_acts { "with forecast" } else { "reactive" }
            )
        });
        let before: Vec<String> = before.collect();
        let since = learned.selection.as_ref().map_or(now, |selection| selection.since);
        lines.push(format!("In force for {}; before: {}.", age(now, since), before.join(", ")));
    }
    lines
}

fn verdict(selection: &Selection) -> &'static str {
    if selection.forecast_acts { "The gate is open" } else { "The gate is closed" }
}

fn role(policy: Option<&Policy>) -> &'static str {
    match policy.map(|policy| policy.mode.as_str()) {
        Some("shadow") => "Would act (mode is shadow)",
        _ => "Acts",
    }
}

fn why(selection: &Selection) -> String {
    let gain = || {
        let interval = match (selection.gain_low, selection.gain_high) {
            (Some(low), Some(high)) => {
                format!(" (60% interval {} to {})", number(low), number(high))
            }
            _ => String::new(),
        };
        format!("{} GPU-hours a day{interval}", number(selection.gain))
    };
    let won = || format!("{} of {} days won", selection.days_won, selection.days);
    match selection.why.as_str() {
        "earned" => {
            format!("against the best reactive policy the forecast is worth {}, {}", gain(), won())
        }
        "not_proven" => format!(
            "on {} days a forecast would have been cheaper, by no more than chance",
            selection.days
        ),
        "reactive_best" => {
            format!("on {} days no forecast would have been cheaper than reacting", selection.days)
        }
        "few_days" => {
            format!("{} complete days, the cheapest policy of them is taken", selection.days)
        }
        "learned" => {
            "no complete day with a forecast yet, so what was best for others with such a lead"
                .to_owned()
        }
        _ => "no complete day and no forecast yet".to_owned(),
    }
}

fn way(way: &ScalingPolicy) -> String {
    let percent = |share: f64| format!("{}%", number((share * 1000.0).round() / 10.0));
    let live = format!(
        "live demand at {} of the threshold, down after {}",
        percent(way.utilization),
        span(way.scale_down_seconds)
    );
    let live = match way.arrival_from {
        Some(1.0) => format!("{live}, one replica while an arrival pays for it"),
        Some(from) => {
            format!("{live}, one replica from {} times an arrival's break-even on", number(from))
        }
        None => live,
    };
    match (way.quantile, way.forecast_utilization) {
        (Some(quantile), Some(utilization)) => {
            format!(
                "{} of the forecast at {} of the threshold, or {live}",
                percentile(quantile),
                percent(utilization)
            )
        }
        _ => live,
    }
}

fn expected(selection: &Selection) -> String {
    let (ours, theirs) = (&selection.expected, &selection.expected_reactive);
    let ours_text = format!("{} GPU-hours, {} missed", number(ours.gpu_hours), number(ours.missed));
    if !selection.forecast_acts {
        return format!("A mean day: {ours_text}.");
    }
    format!(
        "A mean day: {ours_text}; reactive {} and {}.",
        number(theirs.gpu_hours),
        number(theirs.missed)
    )
}

fn yesterday(day: &Day) -> String {
    let told: Vec<String> = ["prewarm", "reactive-tuned", "hpa", "static-peak"]
        .iter()
        .filter_map(|name| {
            let hours = day.ways.get(*name)?;
            Some(format!("{name} {} ({} missed)", number(hours.gpu_hours), number(hours.missed)))
        })
        .collect();
    format!("{} in GPU-hours, simulated: {}.", day.day.strftime("%b %-d"), told.join(", "))
}

/// Leads whose accuracy is told, shortest first; the API has all.
const LEADS: usize = 3;

/// Earlier selections that are told.
const EARLIER: usize = 3;
