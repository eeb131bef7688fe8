//! One decision, as the API tells it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One decision with everything that led to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// The slot that it was made for.
    pub at: Timestamp,
    /// Until when it may be repeated.
    pub valid_until: Timestamp,
    /// What callers are told: `value`, `unavailable` (hold) or `no_data` (hold).
    pub answer: String,
    /// Row of the answer table.
    pub state: String,
    /// The part that prevailed.
    pub reason: String,
    /// Value that the parts come to, in the demand's unit; told to callers only if `answer` is
    /// `value`.
    pub metric_value: f64,
    /// Activity that the parts come to.
    pub active: bool,
    /// Replicas that the value amounts to.
    pub desired_replicas: u32,
    /// The numbers behind it.
    pub parts: Parts,
}

/// The numbers behind a decision. Demands are in the demand's own unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parts {
    /// The newest sample; null if the slot was missing.
    pub observed: Option<f64>,
    /// Live demand over the stable or panic window.
    pub live: Option<f64>,
    /// Age of the last good sample when this was decided.
    pub live_age_seconds: Option<f64>,
    /// Items waiting.
    pub backlog: Option<f64>,
    /// The backlog's share of the value.
    pub backlog_demand: f64,
    /// The SLO guard's factor on live demand, ≥ 1.
    pub latency_factor: f64,
    /// Which quantile the forecast is asked for, within (0, 1).
    pub forecast_quantile: f64,
    /// That quantile of demand over the lead; null without a fresh forecast.
    pub forecast: Option<f64>,
    /// Replicas that the forecast asks for.
    pub forecast_replicas: u32,
    /// Whether mode and gate let it act.
    pub forecast_acts: bool,
    /// How likely somebody is to come; absent while that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arrival: Option<Arrival>,
    /// What the value would have been had it acted (shadow mode).
    pub would_value: Option<f64>,
    /// Replicas that windows want at any time within the lead.
    pub floor_replicas: u32,
    /// Replicas that windows allow now.
    pub ceiling_replicas: Option<u32>,
    /// Replicas held although demand has gone.
    pub hold_replicas: u32,
    /// How far ahead replicas are asked for.
    pub lead_seconds: f64,
    /// What of the slot's samples was not believed at once, or was decided of an earlier one;
    /// absent if nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doubts: Vec<Doubt>,
}

/// How likely somebody is to come, and from when on a replica for that pays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Arrival {
    /// P(arrival within `withinSeconds`), in [0, 1].
    pub probability: f64,
    /// The lead.
    pub within_seconds: f64,
    /// From this probability on one replica stays or starts; null: it never pays.
    pub break_even: Option<f64>,
    /// Whether it decides between one replica and none.
    pub acts: bool,
}

/// A sample that one slot alone does not count for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Doubt {
    /// `demand`, `backlog` or `latency`.
    pub signal: String,
    /// The slot's own sample: `held` (waits for the next slot), `invalid` (no number ≥ 0) or
    /// `plausible`.
    pub verdict: String,
    /// The one that was held before: `confirmed` (counts now) or `rejected` (never counts).
    pub earlier: Option<String>,
}
