//! Which policy acts and why, in words; how forecasts did; what yesterday cost.

use jiff::Timestamp;

use super::format::{age, number, percentile, span};
use crate::http::api::{Choice, Day, Learnt, Policy, ScalingPolicy};

/// Sentences; none where nothing was learnt.
pub(super) fn render(learnt: &Learnt, policy: Option<&Policy>, now: Timestamp) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(choice) = &learnt.choice {
        lines.push(format!("{}: {}.", verdict(choice), why(choice)));
        lines.push(format!("{}: {}.", role(policy), way(&choice.policy)));
        if choice.forecast_acts {
            lines.push(format!("Where the forecast cannot: {}.", way(&choice.best_reactive)));
        }
        if choice.days > 0 {
            lines.push(expected(choice));
        }
    }
    if let Some(missing) = &learnt.no_forecast {
        lines.push(format!("No forecast may act: {}.", missing.detail));
    }
    lines.extend(learnt.days.last().map(yesterday));
    let accuracy = learnt.accuracy.iter().filter(|lead| lead.scored > 0).filter_map(|lead| {
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
    if learnt.choices.len() > 1 {
        let before = learnt.choices.iter().rev().skip(1).take(EARLIER).map(|choice| {
            format!(
                "{} ago {}",
                age(now, choice.since),
                if choice.forecast_acts { "with forecast" } else { "reactive" }
            )
        });
        let before: Vec<String> = before.collect();
        let since = learnt.choice.as_ref().map_or(now, |choice| choice.since);
        lines.push(format!("In force for {}; before: {}.", age(now, since), before.join(", ")));
    }
    lines
}

fn verdict(choice: &Choice) -> &'static str {
    if choice.forecast_acts { "The gate is open" } else { "The gate is closed" }
}

fn role(policy: Option<&Policy>) -> &'static str {
    match policy.map(|policy| policy.mode.as_str()) {
        Some("shadow") => "Would act (mode is shadow)",
        _ => "Acts",
    }
}

fn why(choice: &Choice) -> String {
    let gain = || {
        let interval = match (choice.gain_low, choice.gain_high) {
            (Some(low), Some(high)) => {
                format!(" (60% interval {} to {})", number(low), number(high))
            }
            _ => String::new(),
        };
        format!("{} GPU-hours a day{interval}", number(choice.gain))
    };
    let won = || format!("{} of {} days won", choice.days_won, choice.days);
    match choice.why.as_str() {
        "earned" => {
            format!("against the best reactive policy the forecast is worth {}, {}", gain(), won())
        }
        "not_proven" => format!(
            "on {} days a forecast would have been cheaper, by no more than chance",
            choice.days
        ),
        "reactive_best" => {
            format!("on {} days no forecast would have been cheaper than reacting", choice.days)
        }
        "few_days" => {
            format!("{} complete days, the cheapest policy of them is taken", choice.days)
        }
        "learnt" => {
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
        percent(way.utilisation),
        span(way.scale_down_seconds)
    );
    match (way.quantile, way.forecast_utilisation) {
        (Some(quantile), Some(utilisation)) => {
            format!(
                "{} of the forecast at {} of the threshold, or {live}",
                percentile(quantile),
                percent(utilisation)
            )
        }
        _ => live,
    }
}

fn expected(choice: &Choice) -> String {
    let (ours, theirs) = (&choice.expected, &choice.expected_reactive);
    let ours_text = format!("{} GPU-hours, {} missed", number(ours.gpu_hours), number(ours.missed));
    if !choice.forecast_acts {
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

/// Earlier choices that are told.
const EARLIER: usize = 3;
