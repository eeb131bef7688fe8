//! Ways to scale that are compared.

pub(super) mod knative;
pub(super) mod oracle;
pub(super) mod prewarm;
pub(super) mod schedule;
pub(super) mod tuned;

use std::fmt;

/// A way to scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Arm {
    /// Plain HPA: the scene's utilization and stabilization (75 %, 300 s).
    Hpa,
    /// HPA with utilization and scale-down window chosen anew each day, by what they cost on the
    /// days before.
    ReactiveTuned,
    /// The larger of live demand and demand at the same time yesterday, tuned alike.
    Yesterday,
    /// Plain HPA beside a schedule such as a careful person configures in KEDA's cron scaler,
    /// renewed each week.
    Cron,
    /// Knative's autoscaler: stable and panic window.
    Knative,
    /// AWS predictive scaling: hourly medians, launched five minutes early, beside target tracking.
    Aws,
    /// Prewarm.
    Prewarm,
    /// Knows what comes.
    Oracle,
}

impl Arm {
    /// All of them, in the order of tables.
    pub const ALL: [Self; 8] = [
        Self::Hpa,
        Self::ReactiveTuned,
        Self::Yesterday,
        Self::Cron,
        Self::Knative,
        Self::Aws,
        Self::Prewarm,
        Self::Oracle,
    ];

    /// As in tables, JSON and timelines.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hpa => "hpa",
            Self::ReactiveTuned => "reactive-tuned",
            Self::Yesterday => "yesterday",
            Self::Cron => "cron",
            Self::Knative => "knative",
            Self::Aws => "aws",
            Self::Prewarm => "prewarm",
            Self::Oracle => "oracle",
        }
    }

    /// The arm of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|arm| arm.name() == name)
    }
}

impl fmt::Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
