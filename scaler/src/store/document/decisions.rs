//! Decisions as they are kept: JSON, so that SQL can read them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Document, Kind};

const CODEC: i32 = 1;

/// A decision with its parts; demands in the demand's own unit. Field names are those of the API.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DecisionRecord {
    /// The slot that it was made for.
    pub at: Timestamp,
    /// `value`, `unavailable` or `no_data`.
    pub answer: String,
    /// The part that prevailed.
    pub reason: String,
    /// Row of the answer table.
    pub state: String,
    /// Whether at least one replica should run.
    pub active: bool,
    /// Replicas that the value amounts to.
    pub desired_replicas: u32,
    /// Value that the parts come to.
    pub metric_value: f64,
    /// The newest sample.
    pub observed: Option<f64>,
    /// Live demand over its window.
    pub live: Option<f64>,
    /// Items waiting.
    pub backlog: Option<f64>,
    /// The backlog's share of the value; null in older records.
    #[serde(default)]
    pub backlog_demand: Option<f64>,
    /// The SLO guard's factor, ≥ 1.
    pub latency_factor: f64,
    /// Quantile of demand over the lead.
    pub forecast: Option<f64>,
    /// Which quantile.
    pub forecast_quantile: f64,
    /// Replicas that the forecast asks for.
    pub forecast_replicas: u32,
    /// Whether it may act.
    pub forecast_acts: bool,
    /// Replicas that windows want within the lead.
    pub floor_replicas: u32,
    /// Replicas that windows allow.
    pub ceiling_replicas: Option<u32>,
    /// Replicas held although demand has gone.
    pub hold_replicas: u32,
    /// How far ahead replicas are asked for.
    pub lead_seconds: i64,
    /// Ready replicas then; null while the cluster did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<u32>,
    /// Created and not yet Ready; null likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starting: Option<u32>,
}

/// A document of records, oldest first; `None` if there are none.
pub fn pack_decisions(records: &[DecisionRecord]) -> Option<Document> {
    let at = records.first()?.at;
    let data = serde_json::to_vec(records).ok()?;
    Some(Document { kind: Kind::Decision, at, codec: CODEC, data })
}

/// The records of a document; none of one that cannot be read.
pub fn unpack_decisions(document: &Document) -> Vec<DecisionRecord> {
    serde_json::from_slice(&document.data).unwrap_or_default()
}
