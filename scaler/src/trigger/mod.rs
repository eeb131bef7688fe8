//! Trigger metadata (strings from a tenant) → policy and source. Every error names key, value,
//! range and fix.
//!
//! Keys are matched exactly; the whole list is [`keys::ALL`]. A misspelt key is an error, an
//! unknown one a warning. A query may ask a source for anything that the source holds: a source
//! that not every tenant may read is restricted to namespaces in the server's configuration.

mod allow;
mod countries;
mod demand;
mod fields;
pub mod holidays;
pub mod ical;
pub mod keys;
mod look_ahead;
mod name;
mod trust;
pub mod windows;
pub(crate) mod zone;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::tz::TimeZone;
use prewarm_forecaster::decide::policy::{OnNoData, Threshold};
use prewarm_forecaster::{Policy, Window};

use crate::signal::{Signals, SourceSpec};
pub use allow::{AddressPattern, Allow, is_local_ip};

use demand::Demand;
use fields::Fields;
use keys::{
    ACTIVATION_THRESHOLD, BACKLOG_THRESHOLD, LATENCY_QUERY, LATENCY_TARGET, METRIC_NAME,
    ON_NO_DATA, THRESHOLD,
};

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
    /// Where to look; `None` = windows alone decide, and demand is zero by definition, not by
    /// observation.
    pub source: Option<SourceSpec>,
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
#[derive(Debug, Clone, Default)]
pub struct SharedPolicy {
    /// Zone of the windows, unless the trigger names its own.
    pub zone: Option<TimeZone>,
    /// The windows.
    pub windows: Vec<Window>,
    /// The holidays.
    pub holidays: Vec<jiff::civil::Date>,
}

/// What kind of thing a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// Prometheus HTTP API, or anything that speaks it (Thanos, Mimir, VictoriaMetrics).
    Prometheus,
    /// Exposition text, scraped directly from one or more endpoints.
    Exposition,
    /// Queries of the server's configuration, asked of a database.
    Sql,
}

impl SourceKind {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "prometheus" => Self::Prometheus,
            "exposition" => Self::Exposition,
            "sql" => Self::Sql,
            _ => return None,
        })
    }
}

/// What metadata must know of a configured source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRule {
    /// How it is read.
    pub kind: SourceKind,
    /// Namespaces whose triggers may use it; empty = all.
    pub namespaces: Vec<String>,
    /// What it may be asked, by name; `None` = whatever a trigger says.
    pub queries: Option<Vec<String>>,
}

/// What the server's configuration lets metadata refer to.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Addresses that metadata may name.
    pub allow: Allow,
    /// Configured sources. `None` = the configuration is not at hand (`check` without `--config`,
    /// tests): names are taken on trust.
    pub sources: Option<BTreeMap<String, SourceRule>>,
    /// Shared windows by name.
    pub policies: BTreeMap<String, SharedPolicy>,
    /// Named holiday calendars.
    pub holidays: BTreeMap<String, Vec<jiff::civil::Date>>,
    /// The Kubernetes API is not read: other triggers cannot be demand.
    pub without_cluster: bool,
}

/// Reads a trigger's metadata. Pure: the same arguments give the same answer on every replica.
pub fn parse(
    namespace: &str,
    _name: &str,
    metadata: &HashMap<String, String>,
    rules: &Rules,
) -> Parsed {
    let mut fields = match Fields::new(metadata) {
        Ok(fields) => fields,
        Err(error) => return Parsed { spec: Err(vec![error.clone()]), trigger: Err(vec![error]) },
    };
    let misspelt = fields.errors.len();
    let demand = demand::read(&mut fields, namespace, rules);
    let before_spec = fields.errors.len();
    let threshold = threshold(&mut fields, &demand);
    let name = metric_name(&mut fields, &demand);
    let spec = match (name, threshold) {
        (Some(name), Some(threshold)) => Ok(MetricSpec { name, threshold }),
        _ => {
            // Misspelt keys may be the cause, a wrong preset is one.
            let spelling = &fields.errors[..misspelt];
            Err(spelling.iter().chain(&fields.errors[before_spec..]).cloned().collect::<Vec<_>>())
        }
    };
    // Everything is read even without a threshold, so that all errors are told at once.
    let placeholder = Threshold::new(1.0);
    let policy = threshold
        .or(placeholder.ok())
        .map(|threshold| read_policy(&mut fields, rules, threshold, &demand));
    let Fields { errors, warnings, .. } = fields;
    let trigger = match policy {
        Some(policy) if errors.is_empty() => {
            Ok(Trigger { policy: Arc::new(policy), source: demand.source, warnings })
        }
        _ => Err(errors),
    };
    Parsed { spec, trigger }
}

fn threshold(fields: &mut Fields<'_>, demand: &Demand<'_>) -> Option<Threshold> {
    if fields.has(&THRESHOLD) {
        return fields.threshold(&THRESHOLD);
    }
    let value = demand::default_threshold(fields, demand)?;
    Threshold::new(value).map_err(|error| fields.error(&THRESHOLD, error)).ok()
}

fn metric_name(fields: &mut Fields<'_>, demand: &Demand<'_>) -> Option<String> {
    if !fields.has(&METRIC_NAME) {
        // A misspelt metricName must not become another name for a while: histories hang on it.
        return (!fields.misspelt(&METRIC_NAME)).then(|| name::derive(demand.text));
    }
    let given = fields.text(&METRIC_NAME)?;
    name::parse(given).map_err(|problem| fields.error(&METRIC_NAME, problem)).ok()
}

fn read_policy(
    fields: &mut Fields<'_>,
    rules: &Rules,
    threshold: Threshold,
    demand: &Demand<'_>,
) -> Policy {
    let calendar = look_ahead::calendar(fields, rules);
    let mut policy = Policy::new(threshold, calendar);
    if let Some(Some(activation)) = fields.number(&ACTIVATION_THRESHOLD) {
        policy.activation = activation;
    }
    read_backlog_and_latency(fields, &mut policy, demand);
    if fields.word(&ON_NO_DATA) == Some("zero") {
        policy.on_no_data = OnNoData::Zero;
    }
    look_ahead::read(fields, &mut policy);
    policy
}

fn read_backlog_and_latency(fields: &mut Fields<'_>, policy: &mut Policy, demand: &Demand<'_>) {
    policy.backlog_threshold = fields.threshold(&BACKLOG_THRESHOLD);
    policy.latency_target = fields.number(&LATENCY_TARGET).flatten();
    let signals = demand.source.as_ref().map(|source| &source.signals);
    policy.sees_queue = signals.is_some_and(Signals::show_queue);
    if fields.has(&BACKLOG_THRESHOLD) && signals.is_some_and(|signals| signals.backlog.is_none()) {
        fields.warn(&BACKLOG_THRESHOLD, "has no effect without backlogQuery");
    }
    if fields.has(&LATENCY_QUERY) && !fields.has(&LATENCY_TARGET) {
        fields.missing(
            &LATENCY_TARGET,
            "latencyQuery needs it: seconds above which live demand is scaled up",
        );
    } else if fields.has(&LATENCY_TARGET)
        && signals.is_some_and(|signals| signals.latency.is_none())
    {
        fields.warn(&LATENCY_TARGET, "has no effect without latencyQuery");
    }
}

#[cfg(test)]
mod tests;
