//! What an arm cost and missed.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use crate::decide::selection::Selection;
use crate::tuning::selection::SelectionRecord;

/// What an arm cost and missed, over everything that counts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outcome {
    /// Hours of replicas from scheduled to gone, starting ones included.
    pub gpu_hours: f64,
    /// Demand, in replica-hours.
    pub demand_replica_hours: f64,
    /// Demand that waited longer than the limit, in replica-hours.
    pub missed_replica_hours: f64,
    /// The same as a share of demand, 0 … 1; 0 without demand.
    pub miss_share: f64,
    /// Mean wait of all work, in seconds.
    pub queue_seconds: f64,
    /// Replicas started.
    pub starts: u64,
    /// Minutes in which less was Ready than demand needed.
    pub minutes_under_capacity: f64,
    /// By local day, ascending.
    pub days: Vec<DaySum>,
    /// Every step, if the scene asked for it; empty otherwise.
    pub timeline: Vec<Moment>,
    /// Settings of the HPA in force at the end; `None` for arms that are no HPA.
    pub settings: Option<Settings>,
    /// What Prewarm's tuner chose last.
    pub selection: Option<Selection>,
    /// What it chose before, and that, oldest first.
    pub selections: Vec<SelectionRecord>,
}

impl Outcome {
    /// GPU-hours + ρ × missed replica-hours.
    pub fn total_cost(&self, cost_ratio: f64) -> f64 {
        self.gpu_hours + cost_ratio * self.missed_replica_hours
    }
}

/// What can be set of an HPA.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Demand per replica as a share of the threshold, > 0.
    pub utilization: f64,
    /// `scaleDown.stabilizationWindowSeconds`.
    pub scale_down_window: SignedDuration,
    /// The metric has the panic rule of our own live demand.
    pub panics: bool,
}

/// One local day of an arm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DaySum {
    /// Which.
    pub date: Date,
    /// Replica-hours of demand.
    pub demand_replica_hours: f64,
    /// Hours of replicas, starting ones included.
    pub gpu_hours: f64,
    /// Replica-hours that waited too long.
    pub missed_replica_hours: f64,
    /// Replicas started.
    pub starts: u64,
}

impl DaySum {
    /// GPU-hours + ρ × missed replica-hours.
    pub fn total_cost(&self, cost_ratio: f64) -> f64 {
        self.gpu_hours + cost_ratio * self.missed_replica_hours
    }
}

/// One step of an arm.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment {
    /// Its start.
    pub time: Timestamp,
    /// In the demand's own unit; `None` in a gap.
    pub demand: Option<f64>,
    /// Replicas Ready.
    pub ready: u32,
    /// Replicas asked for: ready and starting.
    pub desired: u32,
    /// What the HPA is shown, in the demand's unit; `None` without an answer.
    pub metric_value: Option<f64>,
    /// Quantile of demand over the lead that Prewarm's forecast gives, in the demand's unit; `None`
    /// without one.
    pub forecast: Option<f64>,
    /// What KEDA is told.
    pub active: bool,
    /// Why: a [`Reason`](crate::Reason)'s name for Prewarm, else `live`, `yesterday`, `schedule`,
    /// `panic`, `foresight`.
    pub reason: &'static str,
}
