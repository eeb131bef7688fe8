//! What was, and what is expected: series, forecasts, decisions, windows. Columns rather than rows,
//! so that a chart of a thousand points is a few kilobytes.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Decision, Replicas};

/// `GET /api/v1/workloads/{namespace}/{name}/series`: demand on an even grid.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Series {
    /// The trigger.
    pub metric: String,
    /// Start of the first bucket.
    pub start: Timestamp,
    /// Width of each bucket.
    pub step_seconds: i64,
    /// Demand that one replica carries now.
    pub threshold: f64,
    /// Mean demand, in the demand's unit; null where nothing was seen.
    pub mean: Vec<Option<f64>>,
    /// Largest sample.
    pub max: Vec<Option<f64>>,
    /// Items waiting.
    pub backlog: Vec<Option<f64>>,
}

/// `GET /api/v1/workloads/{namespace}/{name}/forecast`: the latest forecast.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Forecast {
    /// The trigger.
    pub metric: String,
    /// First instant that it speaks of; null while there is no forecast.
    pub origin: Option<Timestamp>,
    /// Width of each step.
    pub step_seconds: f64,
    /// Quantiles, ascending.
    pub quantiles: Vec<f64>,
    /// One row a quantile: demand by step, in the demand's unit; null where it is not known.
    pub values: Vec<Vec<Option<f64>>>,
}

/// `GET /api/v1/workloads/{namespace}/{name}/decisions`: decisions that changed something.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Decisions {
    /// The trigger.
    pub metric: String,
    /// Oldest first. Replicas are as the cluster had them then.
    pub decisions: Vec<PastDecision>,
    /// There are more than the limit: these are the newest of the span.
    pub more: bool,
    /// Changes of replicas that this server has seen lately, oldest first.
    pub capacity: Vec<Capacity>,
}

/// A decision, and the replicas that there were.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PastDecision {
    /// The decision.
    #[serde(flatten)]
    pub decision: Decision,
    /// Replicas then; null while the cluster did not say.
    pub replicas: Option<Replicas>,
}

/// From when on there were so many replicas.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Capacity {
    /// The slot at which it was seen.
    pub at: Timestamp,
    /// Replicas; null from when on the cluster did not say.
    pub replicas: Option<Replicas>,
}

/// `GET /api/v1/workloads/{namespace}/{name}/windows`: when floors and ceilings hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WindowSpans {
    /// The trigger.
    pub metric: String,
    /// IANA name of the windows' time zone.
    pub timezone: Option<String>,
    /// Spans within which the same windows are in force, oldest first; the rest has none.
    pub spans: Vec<WindowSpan>,
    /// The next instant at which the windows in force change; null without windows.
    pub next_change: Option<Timestamp>,
}

/// A span within which the same windows are in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WindowSpan {
    /// First instant.
    pub from: Timestamp,
    /// First instant after it.
    pub to: Timestamp,
    /// Replicas that must be Ready; 0 without a floor.
    pub floor_replicas: u32,
    /// Replicas that may not be exceeded.
    pub ceiling_replicas: Option<u32>,
    /// The windows in force.
    pub names: Vec<String>,
}
