//! What is sent and answered when a trigger is tried.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::Problem;

/// `POST /api/v1/try`: a trigger as KEDA would send it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrialRequest {
    /// Namespace of the ScaledObject: sources may be restricted to some.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The trigger's metadata.
    pub metadata: HashMap<String, String>,
}

/// What a trial found. Without errors and troubles, `demand` is what would be answered from.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Trial {
    /// What is wrong with the metadata; nothing was asked then.
    pub errors: Vec<Problem>,
    /// Whether a source answered.
    pub asked: bool,
    /// Demand now, in the threshold's unit.
    pub demand: Option<f64>,
    /// Items waiting now.
    pub backlog: Option<f64>,
    /// Latency now, in seconds.
    pub latency: Option<f64>,
    /// What could not be read, in the source's words.
    pub troubles: Vec<SignalProblem>,
}

/// Why a signal could not be read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignalProblem {
    /// `demand`, `backlog` or `latency`.
    pub signal: String,
    /// Who said what to which query.
    pub message: String,
}
