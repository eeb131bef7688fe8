//! What was learned of a workload off the slots: read by the page, the metrics and `explain`.

mod notices;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
pub use notices::Notices;
use prewarm_forecaster::decide::lead::Node;
use prewarm_forecaster::decide::planner::Replicas;
use prewarm_forecaster::decide::selection::SelectionReason;
use prewarm_forecaster::forecast::{NoForecast, Report};
pub use prewarm_forecaster::tuning::daily_costs::DayCost;
pub use prewarm_forecaster::tuning::selection::SelectionRecord;

use crate::scaled_object::ScaledObjectLimits;

/// The latest of it. Nothing here is needed for an answer.
#[derive(Debug, Clone, Default)]
pub struct TrainingStatus {
    /// First instant that the latest forecast speaks of.
    pub forecast_origin: Option<Timestamp>,
    /// Why no forecast may act; `None` where one may, and on a replica that reads what another one
    /// makes.
    pub no_forecast: Option<NoForecast>,
    /// How forecasts did, by lead; only on the replica that makes them.
    pub report: Option<Report>,
    /// Changes of the selection, oldest first; the last one is in force.
    pub selections: Vec<SelectionRecord>,
    /// The last finished days, oldest first.
    pub days: Vec<DayCost>,
}

/// What is known of a workload's replicas. Only floors in an outage and leads depend on it.
#[derive(Debug, Clone, Default)]
pub struct ReplicaStatus {
    /// Ready and starting; `None` while the cluster does not say.
    pub replicas: Option<Replicas>,
    /// How they started.
    pub starts: Arc<Starts>,
    /// The ScaledObject's limits and beats; `None` where nobody could read them yet.
    pub scaling: Option<ScaledObjectLimits>,
}

/// The latest start-ups, in figures.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Starts {
    /// Learned cold start, creation to Ready (P90); `None` before enough of them were seen: then
    /// the seed counts.
    pub cold_start: Option<SignedDuration>,
    /// By class of nodes.
    pub nodes: Vec<NodeStarts>,
    /// Median over finished ones until there was a node, and until all containers ran; `None` where
    /// no pod says so.
    pub stages: Option<(SignedDuration, SignedDuration)>,
}

/// Start-ups on one class of nodes.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeStarts {
    /// There before, or made for them.
    pub node: Node,
    /// Got Ready.
    pub ready: u32,
    /// Deleted, or failed, before.
    pub given_up: u32,
    /// P90, creation to Ready; `None` before enough of them were seen.
    pub cold_start: Option<SignedDuration>,
    /// How long each of them took, oldest first.
    pub took: Vec<SignedDuration>,
}

/// Why the newest slot has no demand, or none to rely on: the source's refusal in its own words, or
/// that it gave nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceTrouble {
    /// snake_case: `missing` (the query gives nothing), `caveat` (the system may not show all of
    /// it), or the kind of the source's error.
    pub kind: &'static str,
    /// For a person: who said what to which query.
    pub message: String,
    /// Since when nothing but this kind was seen.
    pub since: Timestamp,
}

/// Why backlog or latency cannot be read: decisions go on without it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignalTrouble {
    /// `backlog` or `latency`.
    pub signal: &'static str,
    /// What is wrong.
    pub trouble: SourceTrouble,
}

impl SourceTrouble {
    /// Of a query that gives nothing.
    pub const MISSING: &str = "missing";
    /// Of demand that is there and may not tell the truth.
    pub const CAVEAT: &str = "caveat";
}

/// snake_case name of a class of nodes.
pub fn node_name(node: Node) -> &'static str {
    match node {
        Node::Warm => "warm",
        Node::Cold => "cold",
    }
}

/// snake_case name of a reason.
pub fn why_name(why: SelectionReason) -> &'static str {
    match why {
        SelectionReason::Prior => "learnt",
        SelectionReason::Untuned => "untuned",
        SelectionReason::FewDays => "few_days",
        SelectionReason::Earned => "earned",
        SelectionReason::NotProven => "not_proven",
        SelectionReason::ReactiveBest => "reactive_best",
        _ => "other",
    }
}
