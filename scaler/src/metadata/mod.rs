//! Trigger metadata (strings from a tenant) → policy and source. Every error names key, value, range and fix.

pub mod windows;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::tz::TimeZone;
use prewarm_forecaster::decide::policy::Threshold;
use prewarm_forecaster::{Calendar, Policy, Window};

use crate::config::Allow;
use crate::source::{Query, Signals, SourceRef, SourceSpec};

/// One thing that is wrong with a trigger's metadata.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {problem}")]
pub struct MetadataError {
    /// The key as KEDA spells it (`threshold`, `windows[1].from`).
    pub key: String,
    /// What is wrong with which value, what is allowed, and how to fix it. Never holds a secret.
    pub problem: String,
}

/// What the HPA is told: metric name and target per replica.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricSpec {
    /// `[a-z0-9-]{1,63}`, stable while the demand's source is the same.
    pub name: String,
    /// Target per replica.
    pub threshold: Threshold,
}

/// A trigger whose metadata is valid.
#[derive(Debug, Clone)]
pub struct Trigger {
    /// How to decide.
    pub policy: Arc<Policy>,
    /// Where to look.
    pub source: SourceSpec,
    /// Accepted, yet worth a word: unknown keys, a floor above a ceiling.
    pub warnings: Vec<String>,
}

/// Metadata, read as far as it can be. The spec may stand although the trigger does not (C07).
#[derive(Debug, Clone)]
pub struct Parsed {
    /// What the HPA is told, or why it can't be.
    pub spec: Result<MetricSpec, Vec<MetadataError>>,
    /// What to do, or why not; not empty on error.
    pub trigger: Result<Trigger, Vec<MetadataError>>,
}

/// A named set of windows that triggers refer to by `policyRef`.
#[derive(Debug, Clone)]
pub struct SharedPolicy {
    /// Zone of the windows, unless the trigger names its own.
    pub zone: Option<TimeZone>,
    /// The windows.
    pub windows: Vec<Window>,
    /// The holidays.
    pub holidays: Vec<jiff::civil::Date>,
}

/// What the server's configuration lets metadata refer to.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Addresses that metadata may name.
    pub allow: Allow,
    /// Names of configured sources.
    pub sources: Vec<String>,
    /// Shared windows by name.
    pub policies: BTreeMap<String, SharedPolicy>,
    /// Named holiday calendars.
    pub holidays: BTreeMap<String, Vec<jiff::civil::Date>>,
}

/// Reads a trigger's metadata. Pure: the same arguments give the same answer on every replica.
pub fn parse(_namespace: &str, _name: &str, metadata: &HashMap<String, String>, _rules: &Rules) -> Parsed {
    let threshold = metadata.get("threshold").and_then(|t| t.parse().ok()).and_then(|t| Threshold::new(t).ok());
    let Some(threshold) = threshold else {
        let errors = vec![MetadataError { key: "threshold".into(), problem: format!("must be {}", Threshold::RANGE) }];
        return Parsed { spec: Err(errors.clone()), trigger: Err(errors) };
    };
    let spec = MetricSpec { name: "prewarm-demand".into(), threshold };
    let trigger = Trigger {
        policy: Arc::new(Policy::new(threshold, Calendar::empty(TimeZone::UTC))),
        source: SourceSpec {
            at: SourceRef::Named("default".into()),
            signals: Signals {
                demand: Query::Text(metadata.get("query").cloned().unwrap_or_default()),
                backlog: None,
                latency: None,
            },
        },
        warnings: Vec::new(),
    };
    Parsed { spec: Ok(spec), trigger: Ok(trigger) }
}
