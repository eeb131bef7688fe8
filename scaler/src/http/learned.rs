//! What was learned of a workload, as the API tells it.

use prewarm_forecaster::NoForecast;
use prewarm_forecaster::decide::selection::{Costs, ShadowPolicy};
use prewarm_forecaster::forecast::ensemble::LeadAccuracy;

use super::api;
use crate::status::{DayCost, SelectionRecord, TrainingStatus, why_name};

/// All of it.
pub(super) fn learned(status: &TrainingStatus) -> api::TrainingSummary {
    api::TrainingSummary {
        forecast_origin: status.forecast_origin,
        no_forecast: status.no_forecast.as_ref().map(no_forecast),
        accuracy: status.report.iter().flat_map(|report| &report.leads).map(accuracy).collect(),
        selection: status.selections.last().map(selection),
        selections: status.selections.iter().map(selection).collect(),
        days: status.days.iter().map(day).collect(),
    }
}

fn no_forecast(reason: &NoForecast) -> api::NoForecast {
    api::NoForecast { reason: reason.as_str().to_owned(), detail: reason.to_string() }
}

fn accuracy(report: &LeadAccuracy) -> api::Accuracy {
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

fn selection(chosen: &SelectionRecord) -> api::Selection {
    let selection = &*chosen.selection;
    let (low, high) = selection.gain_interval;
    api::Selection {
        since: chosen.since,
        as_of: chosen.as_of,
        policy: way(&selection.policy),
        best_reactive: way(&selection.best_reactive),
        why: why_name(selection.why).to_owned(),
        forecast_acts: selection.policy.forecasts(),
        days: selection.days,
        days_won: selection.days_won,
        gain: selection.gain,
        gain_low: Some(low).filter(|low| low.is_finite()),
        gain_high: Some(high).filter(|high| high.is_finite()),
        expected: hours(&selection.expected),
        expected_reactive: hours(&selection.expected_reactive),
        cost_ratio: selection.cost_ratio,
    }
}

fn way(policy: &ShadowPolicy) -> api::ScalingPolicy {
    let ahead = policy.ahead();
    api::ScalingPolicy {
        quantile: ahead.map(|ahead| ahead.quantile),
        forecast_utilization: ahead.map(|ahead| ahead.utilization),
        arrival_from: policy.stays_from(),
        utilization: policy.utilization(),
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
