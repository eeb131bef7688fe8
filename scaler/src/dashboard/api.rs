//! The API's own types: what leaves the process has a type at its edge. Durations in seconds, instants in RFC 3339.
//!
//! Metadata is shown as what it means, never as it was sent: a value may have been resolved from a secret.

use jiff::Timestamp;
use prewarm_forecaster::{Answer, Recommendation};
use serde::{Deserialize, Serialize};

use crate::registry::{Registry, Workload};

/// All workloads.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Workloads {
    /// Sorted by namespace, name, metric.
    pub workloads: Vec<Trigger>,
}

/// One ScaledObject with its triggers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScaledObject {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Now.
    pub now: Timestamp,
    /// Its triggers that are ours.
    pub triggers: Vec<Trigger>,
}

/// One trigger.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trigger {
    /// Namespace.
    pub namespace: String,
    /// Name of the ScaledObject or ScaledJob.
    pub name: String,
    /// Metric without KEDA's `sN-`.
    pub metric: String,
    /// Demand that one replica carries.
    pub threshold: f64,
    /// When KEDA last asked.
    pub last_seen: Timestamp,
    /// What is wrong with the metadata.
    pub errors: Vec<String>,
    /// What is odd about it.
    pub warnings: Vec<String>,
    /// The latest decision; absent before the first.
    pub latest: Option<Decision>,
    /// The last changes, oldest first.
    pub trail: Vec<Decision>,
}

/// One decision.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// Its slot.
    pub at: Timestamp,
    /// `value`, `unavailable` or `noData`.
    pub answer: String,
    /// Row of the answer table.
    pub state: String,
    /// The part that prevailed.
    pub reason: String,
    /// Value told to KEDA, if any.
    pub metric_value: Option<f64>,
    /// Activity told to KEDA, if any.
    pub active: Option<bool>,
    /// Replicas that the parts come to.
    pub desired_replicas: u32,
    /// Newest sample.
    pub observed: Option<f64>,
    /// Live demand over its window.
    pub live: Option<f64>,
    /// Age of the last good live sample.
    pub live_age_seconds: Option<f64>,
    /// Items waiting.
    pub backlog: Option<f64>,
    /// The backlog's share of the value.
    pub backlog_demand: f64,
    /// Quantile of demand over the lead.
    pub forecast: Option<f64>,
    /// Replicas that the forecast asks for.
    pub forecast_replicas: u32,
    /// Whether it may act.
    pub forecast_acts: bool,
    /// The value had the forecast acted (shadow mode).
    pub would_value: Option<f64>,
    /// Floor within the lead.
    pub floor: u32,
    /// Ceiling now.
    pub ceiling: Option<u32>,
    /// Replicas held.
    pub hold: u32,
    /// The SLO guard's factor.
    pub latency_factor: f64,
    /// The lead.
    pub lead_seconds: f64,
}

/// An unknown workload.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unknown {
    /// What is wrong and what to do.
    pub error: String,
    /// Workloads that there are, nearest first.
    pub near: Vec<String>,
}

/// Lists every workload, without trails.
pub fn workloads(registry: &Registry) -> Workloads {
    let mut all: Vec<_> = registry.workloads().iter().map(|w| trigger(w, false)).collect();
    all.sort_by(|a, b| (&a.namespace, &a.name, &a.metric).cmp(&(&b.namespace, &b.name, &b.metric)));
    Workloads { workloads: all }
}

/// Explains one ScaledObject; `None` if nobody has asked for it.
pub fn scaled_object(registry: &Registry, namespace: &str, name: &str) -> Option<ScaledObject> {
    let triggers: Vec<_> = registry.triggers(namespace, name).iter().map(|w| trigger(w, true)).collect();
    let now = registry.clock().now();
    let (namespace, name) = (namespace.to_owned(), name.to_owned());
    (!triggers.is_empty()).then_some(ScaledObject { namespace, name, now, triggers })
}

/// Says what else there is.
pub fn unknown(registry: &Registry, namespace: &str, name: &str) -> Unknown {
    let asked = format!("{namespace}/{name}");
    let mut near: Vec<_> =
        registry.workloads().iter().map(|w| format!("{}/{}", w.key().namespace, w.key().name)).collect();
    near.sort_by_cached_key(|known| (strsim::levenshtein(known, &asked), known.clone()));
    near.dedup();
    near.truncate(5);
    Unknown {
        error: format!(
            "KEDA has not asked for {asked} since this server started: is its ScaledObject applied, and its scalerAddress ours?"
        ),
        near,
    }
}

fn trigger(workload: &Workload, with_trail: bool) -> Trigger {
    let registration = workload.registration();
    let key = workload.key();
    let (errors, warnings) = match &registration.trigger {
        Ok(trigger) => (Vec::new(), trigger.warnings.clone()),
        Err(errors) => (errors.iter().map(ToString::to_string).collect(), Vec::new()),
    };
    Trigger {
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        metric: key.metric.clone(),
        threshold: registration.spec.threshold.get(),
        last_seen: workload.last_seen(),
        errors,
        warnings,
        latest: workload.recommendation().map(|latest| decision(&latest)),
        trail: if with_trail { workload.trail().iter().map(|past| decision(past)).collect() } else { Vec::new() },
    }
}

fn decision(recommendation: &Recommendation) -> Decision {
    let of = &recommendation.decision;
    let parts = &of.parts;
    let (answer, metric_value, active) = match recommendation.answer {
        Answer::Value { metric_value, active } => ("value", Some(metric_value), Some(active)),
        Answer::Unavailable => ("unavailable", None, None),
        Answer::NoData => ("noData", None, None),
    };
    Decision {
        at: recommendation.at,
        answer: answer.to_owned(),
        state: of.state.as_str().to_owned(),
        reason: of.reason.as_str().to_owned(),
        metric_value,
        active,
        desired_replicas: of.desired_replicas,
        observed: parts.observed,
        live: parts.live,
        live_age_seconds: parts.live_age.map(|age| age.as_secs_f64()),
        backlog: parts.backlog,
        backlog_demand: parts.backlog_demand,
        forecast: parts.forecast,
        forecast_replicas: parts.forecast_replicas,
        forecast_acts: parts.forecast_acts,
        would_value: parts.would_value,
        floor: parts.floor,
        ceiling: parts.ceiling,
        hold: parts.hold,
        latency_factor: parts.latency_factor,
        lead_seconds: parts.lead.as_secs_f64(),
    }
}
