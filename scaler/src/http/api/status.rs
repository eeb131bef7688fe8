//! What is wrong, in words; what a trigger's settings come to, and where each comes from.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Problem;

/// `GET /api/v1/status`: what is wrong with the server and what it stands on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// When this was read.
    pub now: Timestamp,
    /// Of the server.
    pub version: String,
    /// Whether it answers callers.
    pub ready: bool,
    /// Triggers that are followed.
    pub workloads: usize,
    /// Namespaces that they are in, sorted.
    pub namespaces: Vec<String>,
    /// What is wrong, errors first.
    pub notices: Vec<Notice>,
    /// References that cannot be followed at all: not even a name and a target for the HPA can be
    /// read from their metadata.
    pub refused: Vec<Refused>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// `error` (answers suffer) or `warning` (they do not yet).
    pub level: String,
    /// `source`, `store`, `trigger` or `refused`, or a part of the process as `prewarm_degraded` names
    /// it.
    pub subject: String,
    /// What is wrong, in the words of who says so.
    pub title: String,
    /// What it means, and the next step.
    pub detail: String,
    /// How many triggers it is about.
    pub count: usize,
    /// The first of them (`namespace/name`).
    pub workloads: Vec<String>,
}

/// A reference that cannot be followed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Refused {
    /// Namespace.
    pub namespace: String,
    /// Name of the ScaledObject or ScaledJob.
    pub name: String,
    /// What is wrong with its metadata.
    pub errors: Vec<Problem>,
    /// Since when.
    pub since: Timestamp,
    /// When KEDA last asked.
    pub last_seen: Timestamp,
}

/// What a source is asked, as a person can ask it too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    /// `demand`, `backlog` or `latency`.
    pub signal: String,
    /// As PromQL.
    pub query: String,
    /// A name of the server's configuration, or an address.
    pub source: String,
    /// Asks the same by hand (credentials left out); null where the address is not known here.
    pub curl: Option<String>,
    /// What it last said; null where it said nothing.
    pub last_value: Option<f64>,
}

/// One setting of a trigger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Setting {
    /// The key, as KEDA spells it.
    pub key: String,
    /// The value in force.
    pub value: String,
    /// `metadata`, `default`, `learned` or `selection`.
    pub origin: String,
    /// What it means.
    pub meaning: String,
}
