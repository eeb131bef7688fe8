//! A trigger's policy.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a trigger's metadata comes to, defaults filled in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// `auto`, `shadow` or `off`.
    pub mode: String,
    /// Live demand at or below this does not wake a workload from zero.
    pub activation_threshold: f64,
    /// Queued items that one replica may have waiting.
    pub backlog_threshold: Option<f64>,
    /// Latency above which live demand is scaled up.
    pub latency_target_seconds: Option<f64>,
    /// Fixed lead; null = learned.
    pub lead_time_seconds: Option<f64>,
    /// Cold start until enough start-ups were seen.
    pub cold_start_seconds: f64,
    /// Fixed quantile; null = from the cost ratio.
    pub quantile: Option<f64>,
    /// One missed replica-hour costs as much as this many idle GPU-hours.
    pub cost_ratio: f64,
    /// `cost`, `safe` or a share of late demand (`1%`).
    pub objective: String,
    /// How much history forecasts use.
    pub history_window_seconds: f64,
    /// The forecast asks for no more than this beyond live demand.
    pub max_prewarm_replicas: Option<u32>,
    /// `auto`, `never` or `windows`.
    pub scale_to_zero: String,
    /// How long after the last arrival one replica stays.
    pub keep_warm_seconds: f64,
    /// Live demand only.
    pub scaled_job: bool,
    /// `error` or `zero`.
    pub on_no_data: String,
    /// IANA name of the windows' time zone.
    pub timezone: Option<String>,
    /// Windows in local time.
    pub windows: Vec<Window>,
    /// Holidays that windows and seasons know.
    #[serde(default)]
    pub holidays: Holidays,
}

/// The holidays of a policy, in short.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Holidays {
    /// How many dates were read, past ones included.
    pub dates: usize,
    /// The next five local dates, today included.
    pub next: Vec<String>,
}

/// A recurring window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// Name.
    pub name: String,
    /// Local start, `HH:MM`.
    pub from: String,
    /// Local end, `HH:MM`, exclusive.
    pub to: String,
    /// Replicas that must be Ready while it is in force.
    pub min_replicas: Option<u32>,
    /// Replicas that may not be exceeded while it is in force.
    pub max_replicas: Option<u32>,
}
