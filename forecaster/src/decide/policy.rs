//! One workload's policy. A `Policy` that exists is valid: constructors parse, there is no
//! `validate()`.

use jiff::SignedDuration;

use crate::calendar::Calendar;

/// A value out of range; the caller adds the key's name.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{value} is out of range: {range}")]
pub struct OutOfRange {
    /// The value as given.
    pub value: String,
    /// The allowed range, for people.
    pub range: &'static str,
}

/// Demand that one replica sustains, 0.001 … 1e9, kept in thousandths (the HPA's own resolution).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Threshold(u64);

impl Threshold {
    /// Allowed range, for people.
    pub const RANGE: &'static str =
        "a number from 0.001 to 1000000000, rounded to 3 decimals as KEDA does";

    /// Rounds to thousandths as KEDA does (`fmt.Sprintf("%.3f")`, pkg/scalers/scaler.go
    /// `GetMetricTargetMili`).
    pub fn new(value: f64) -> Result<Self, OutOfRange> {
        let milli = (value * 1000.0).round();
        if milli.is_finite() && (1.0..=1e12).contains(&milli) {
            Ok(Self(milli as u64))
        } else {
            Err(OutOfRange { value: value.to_string(), range: Self::RANGE })
        }
    }

    /// In thousandths.
    pub fn milli(self) -> u64 {
        self.0
    }

    /// In the demand's unit.
    pub fn get(self) -> f64 {
        self.0 as f64 / 1000.0
    }
}

/// Who may act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// The forecast acts where the gate lets it.
    #[default]
    Auto,
    /// Answers reactively and records what the forecast would have done.
    Shadow,
    /// Reactive only.
    Off,
}

/// Where the lead comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LeadTime {
    /// Learned cold start plus KEDA's and the HPA's delays.
    #[default]
    Auto,
    /// Exactly this.
    Fixed(SignedDuration),
}

/// Which quantile of demand to be ready for.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Quantile {
    /// From the cost ratio, tuned.
    #[default]
    Auto,
    /// Within (0, 1).
    Fixed(f64),
}

/// What the tuner minimizes.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Objective {
    /// GPU-hours + costRatio × missed replica-hours.
    #[default]
    Cost,
    /// Never more of either than the best reactive policy.
    Safe,
    /// At most this share of demand late, within (0, 1).
    Late(f64),
}

/// Whether zero replicas are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ScaleToZero {
    /// When demand has been gone for `keep_warm` and none is expected within the lead.
    #[default]
    Auto,
    /// At least one replica always.
    Never,
    /// Only inside windows that say `scaleToZero: allowed`.
    Windows,
}

/// What to answer before the first sample has ever been seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnNoData {
    /// `FAILED_PRECONDITION`: replicas are held (default).
    #[default]
    Error,
    /// Zero, inactive: only where the user asks for it.
    Zero,
}

/// Everything about one workload that does not change between ticks.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Demand that one replica sustains.
    pub threshold: Threshold,
    /// Live demand at or below this does not wake a workload from zero; ≥ 0.
    pub activation: f64,
    /// Queued items that one replica may have waiting.
    pub backlog_threshold: Option<Threshold>,
    /// What waits shows in demand or beside it: shadow policies answer their own queues only then.
    pub sees_queue: bool,
    /// SLO guard: latency above this scales live demand up; seconds, > 0.
    pub latency_target: Option<f64>,
    /// Who may act.
    pub mode: Mode,
    /// Where the lead comes from.
    pub lead_time: LeadTime,
    /// Cold start until enough start-ups were seen.
    pub cold_start: SignedDuration,
    /// Which quantile of demand to be ready for.
    pub quantile: Quantile,
    /// One missed replica-hour costs as much as this many idle GPU-hours; ≥ 0.1.
    pub cost_ratio: f64,
    /// What the tuner minimizes.
    pub objective: Objective,
    /// How much history forecasts use.
    pub history_window: SignedDuration,
    /// The forecast never asks for more than this many replicas beyond live demand.
    pub max_prewarm_replicas: Option<u32>,
    /// Windows, holidays, zone.
    pub calendar: Calendar,
    /// Whether zero is allowed.
    pub scale_to_zero: ScaleToZero,
    /// How long after the last arrival one replica stays.
    pub keep_warm: SignedDuration,
    /// The user has said so: the probability of an arrival may lengthen it, and not shorten it.
    pub keep_warm_fixed: bool,
    /// A ScaledJob: live demand only, no floors and no forecast.
    pub scaled_job: bool,
    /// What to answer before the first sample.
    pub on_no_data: OnNoData,
}

impl Policy {
    /// A policy with every default, for a threshold and a calendar.
    pub fn new(threshold: Threshold, calendar: Calendar) -> Self {
        Self {
            threshold,
            activation: 0.0,
            backlog_threshold: None,
            sees_queue: false,
            latency_target: None,
            mode: Mode::default(),
            lead_time: LeadTime::default(),
            cold_start: SignedDuration::from_mins(3),
            quantile: Quantile::default(),
            cost_ratio: 30.0,
            objective: Objective::default(),
            history_window: SignedDuration::from_hours(28 * 24),
            max_prewarm_replicas: None,
            calendar,
            scale_to_zero: ScaleToZero::default(),
            keep_warm: SignedDuration::from_mins(10),
            keep_warm_fixed: false,
            scaled_job: false,
            on_no_data: OnNoData::default(),
        }
    }
}
