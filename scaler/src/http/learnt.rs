//! What was learnt of a workload, as the API tells it.

use prewarm_forecaster::NoForecast;
use prewarm_forecaster::decide::selection::{Costs, ShadowPolicy};
use prewarm_forecaster::forecast::ensemble::LeadReport;

use super::api;
use crate::insight::{DayCost, SelectionRecord, TrainingStatus, why_name};

/// All of it.
pub(super) fn learnt(insight: &TrainingStatus) -> api::Learnt {
    api::Learnt {
        forecast_origin: insight.forecast_origin,
        no_forecast: insight.no_forecast.as_ref().map(no_forecast),
        accuracy: insight.report.iter().flat_map(|report| &report.leads).map(accuracy).collect(),
        choice: insight.choices.last().map(choice),
        choices: insight.choices.iter().map(choice).collect(),
        days: insight.days.iter().map(day).collect(),
    }
}

fn no_forecast(reason: &NoForecast) -> api::NoForecast {
    api::NoForecast { reason: reason.as_str().to_owned(), detail: reason.to_string() }
}

fn accuracy(report: &LeadReport) -> api::Accuracy {
    let known = |values: &[f64], i: usize| values.get(i).copied().filter(|value| value.is_finite());
    let quantile = |(i, quantile): (usize, &f64)| api::Quantile {
        quantile: *quantile,
        coverage: known(&report.coverage, i),
        pinball: known(&report.pinball, i),
    };
    api::Accuracy {
        lead_seconds: report.lead.as_secs_f64(),
        scored: report.scored,
        quantiles: report.quantiles.iter().enumerate().map(quantile).collect(),
    }
}

fn choice(chosen: &SelectionRecord) -> api::Choice {
    let choice = &*chosen.selection;
    let (low, high) = choice.gain_interval;
    api::Choice {
        since: chosen.since,
        as_of: chosen.as_of,
        policy: way(&choice.policy),
        best_reactive: way(&choice.best_reactive),
        why: why_name(choice.why).to_owned(),
        forecast_acts: choice.policy.forecasts(),
        days: choice.days,
        days_won: choice.days_won,
        gain: choice.gain,
        gain_low: Some(low).filter(|low| low.is_finite()),
        gain_high: Some(high).filter(|high| high.is_finite()),
        expected: hours(&choice.expected),
        expected_reactive: hours(&choice.expected_reactive),
        cost_ratio: choice.cost_ratio,
    }
}

fn way(policy: &ShadowPolicy) -> api::ScalingPolicy {
    let (quantile, forecast_utilisation) = match *policy {
        ShadowPolicy::Forecast { quantile, forecast_utilisation, .. } => {
            (Some(quantile), Some(forecast_utilisation))
        }
        ShadowPolicy::Reactive { .. } => (None, None),
    };
    api::ScalingPolicy {
        quantile,
        forecast_utilisation,
        utilisation: policy.utilisation(),
        scale_down_seconds: policy.scale_down_window().as_secs_f64(),
    }
}

fn hours(sums: &Costs) -> api::Hours {
    api::Hours { gpu_hours: sums.gpu_hours, missed: sums.missed }
}

fn day(day: &DayCost) -> api::Day {
    let ways = day.arms().iter().map(|(name, sums)| ((*name).to_owned(), hours(sums))).collect();
    api::Day { day: day.day, demand: day.demand, ways }
}
