//! A policy as people read it.

use jiff::Timestamp;
use prewarm_forecaster::decide::policy::{
    LeadTime, Mode, Objective, OnNoData, Quantile, ScaleToZero,
};
use prewarm_forecaster::{Calendar, Policy};

use crate::http::api;

pub(super) fn policy(policy: &Policy, now: Timestamp) -> api::Policy {
    let mode = match policy.mode {
        Mode::Auto => "auto",
        Mode::Shadow => "shadow",
        Mode::Off => "off",
    };
    let scale_to_zero = match policy.scale_to_zero {
        ScaleToZero::Auto => "auto",
        ScaleToZero::Never => "never",
        ScaleToZero::Windows => "windows",
    };
    let on_no_data = match policy.on_no_data {
        OnNoData::Error => "error",
        OnNoData::Zero => "zero",
    };
    let objective = match policy.objective {
        Objective::Cost => "cost".to_owned(),
        Objective::Safe => "safe".to_owned(),
        Objective::Late(share) => format!("{}%", share * 100.0),
    };
    let window = |window: &prewarm_forecaster::Window| api::Window {
        name: window.name.clone(),
        from: window.from.strftime("%H:%M").to_string(),
        to: window.to.strftime("%H:%M").to_string(),
        min_replicas: window.min_replicas,
        max_replicas: window.max_replicas,
    };
    api::Policy {
        mode: mode.to_owned(),
        activation_threshold: policy.activation,
        backlog_threshold: policy.backlog_threshold.map(|threshold| threshold.get()),
        latency_target_seconds: policy.latency_target,
        lead_time_seconds: match policy.lead_time {
            LeadTime::Auto => None,
            LeadTime::Fixed(lead) => Some(lead.as_secs_f64()),
        },
        cold_start_seconds: policy.cold_start.as_secs_f64(),
        quantile: match policy.quantile {
            Quantile::Auto => None,
            Quantile::Fixed(quantile) => Some(quantile),
        },
        cost_ratio: policy.cost_ratio,
        objective,
        history_window_seconds: policy.history_window.as_secs_f64(),
        max_prewarm_replicas: policy.max_prewarm_replicas,
        scale_to_zero: scale_to_zero.to_owned(),
        keep_warm_seconds: policy.keep_warm.as_secs_f64(),
        scaled_job: policy.scaled_job,
        on_no_data: on_no_data.to_owned(),
        timezone: policy.calendar.zone().iana_name().map(str::to_owned),
        windows: policy.calendar.windows().iter().map(window).collect(),
        holidays: holidays(&policy.calendar, now),
    }
}

fn holidays(calendar: &Calendar, now: Timestamp) -> api::Holidays {
    let today = now.to_zoned(calendar.zone().clone()).date();
    let next = calendar.holidays_from(today).iter().take(5);
    api::Holidays {
        dates: calendar.holidays().len(),
        next: next.map(ToString::to_string).collect(),
    }
}
