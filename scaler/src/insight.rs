//! What was learnt of a workload off the slots: read by the page, the metrics and `explain`.

use std::sync::Arc;

use jiff::Timestamp;
use prewarm_forecaster::decide::choice::{Choice, ShadowPolicy, Sums, Why};
use prewarm_forecaster::forecast::Report;

/// The latest of it. Nothing here is needed for an answer.
#[derive(Debug, Clone, Default)]
pub struct Insight {
    /// First instant that the latest forecast speaks of.
    pub forecast_origin: Option<Timestamp>,
    /// How forecasts did, by lead; only on the replica that makes them.
    pub report: Option<Report>,
    /// Changes of the tuner's choice, oldest first; the last one is in force.
    pub choices: Vec<Chosen>,
    /// The last finished days, oldest first.
    pub days: Vec<DayCost>,
}

/// A choice of the tuner.
#[derive(Debug, Clone, PartialEq)]
pub struct Chosen {
    /// Since when it is in force.
    pub since: Timestamp,
    /// When it was last confirmed: its figures are of then.
    pub as_of: Timestamp,
    /// The choice.
    pub choice: Arc<Choice>,
}

impl Chosen {
    /// Something that acts, or the reason for it, is not the same.
    pub fn differs(&self, choice: &Choice) -> bool {
        let Choice { policy, best_reactive, why, .. } = &*self.choice;
        (policy, best_reactive, why) != (&choice.policy, &choice.best_reactive, &choice.why)
    }
}

/// What a finished UTC day cost and missed in the shadow bank, under each way to scale. Hours are replica-hours.
#[derive(Debug, Clone, PartialEq)]
pub struct DayCost {
    /// Midnight UTC.
    pub day: Timestamp,
    /// Demand, in replica-hours.
    pub demand: f64,
    /// The policy at the day's end, if there was a choice.
    pub policy: Option<ShadowPolicy>,
    /// The choices in force.
    pub prewarm: Sums,
    /// The HPA at its default of 75 % and 300 s.
    pub hpa: Sums,
    /// The best reactive policy of those choices.
    pub reactive: Sums,
    /// GPU-hours of a fleet that is always as large as the day's peak needs; it misses nothing.
    pub peak_gpu_hours: f64,
}

impl DayCost {
    /// Name and figures of each way to scale.
    pub fn arms(&self) -> [(&'static str, Sums); 4] {
        let peak = Sums { gpu_hours: self.peak_gpu_hours, ..Sums::default() };
        [("prewarm", self.prewarm), ("hpa", self.hpa), ("reactive-tuned", self.reactive), ("static-peak", peak)]
    }
}

/// snake_case name of a reason.
pub fn why_name(why: Why) -> &'static str {
    match why {
        Why::Learnt => "learnt",
        Why::Untuned => "untuned",
        Why::FewDays => "few_days",
        Why::Earned => "earned",
        Why::NotProven => "not_proven",
        Why::ReactiveBest => "reactive_best",
        _ => "other",
    }
}
