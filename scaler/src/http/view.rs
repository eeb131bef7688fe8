//! From the registry to the JSON of the API.

mod policy;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::decide::Check;
use prewarm_forecaster::decide::planner::Replicas;
use prewarm_forecaster::decide::policy::LeadTime;
use prewarm_forecaster::decide::selection::Costs;
use prewarm_forecaster::{Answer, Parts, Policy, Recommendation};
use serde::Deserialize;
use url::Url;

use policy::policy;

use super::{Sources, api, learned, sentence, settings};
use crate::registry::{Registration, Registry, Workload};
use crate::status::{NodeStarts, ReplicaStatus, SourceTrouble, TrainingStatus, node_name};
use crate::workload::{SeriesKey, WorkloadStatus};

/// Workloads in one line each: those that `filter` lets through, a page of them.
pub(super) fn workloads(registry: &Registry, filter: &Filter) -> api::Workloads {
    let now = registry.clock().now();
    let mut all = registry.workloads();
    all.retain(|workload| filter.namespace.as_ref().is_none_or(|n| *n == workload.key().namespace));
    all.sort_unstable_by(|a, b| a.key().cmp(b.key()));
    let line = |workload: &Workload| {
        summary(workload, &workload.registration(), workload.recommendation().as_deref(), now)
    };
    let mut lines: Vec<_> = all.iter().map(|workload| line(workload)).collect();
    lines.retain(|line| filter.state.as_ref().is_none_or(|state| *state == line.state));
    let total = lines.len();
    let place = |line: &api::Summary| format!("{}/{}/{}", line.namespace, line.name, line.metric);
    if let Some(after) = &filter.after {
        let key = |text: &str| text.splitn(3, '/').map(str::to_owned).collect::<Vec<_>>();
        let after = key(after);
        lines.retain(|line| key(&place(line)) > after);
    }
    let limit = filter.limit.unwrap_or(PAGE).clamp(1, LARGEST_PAGE);
    let more = lines.len() > limit;
    lines.truncate(limit);
    let next = lines.last().filter(|_| more).map(place);
    api::Workloads { now, total, workloads: lines, next }
}

/// One ScaledObject with its triggers; `None` if nobody has asked for it.
pub(super) fn explanation(
    registry: &Registry,
    sources: &Sources,
    namespace: &str,
    name: &str,
) -> Option<api::Explanation> {
    let now = registry.clock().now();
    let mut all = registry.triggers(namespace, name);
    all.sort_unstable_by(|a, b| a.key().cmp(b.key()));
    let triggers: Vec<_> = all.iter().map(|workload| trigger(workload, sources, now)).collect();
    let (namespace, name) = (namespace.to_owned(), name.to_owned());
    let sentences = triggers.iter().map(|trigger| sentence::whole(trigger, now)).collect();
    (!triggers.is_empty()).then_some(api::Explanation { now, namespace, name, sentences, triggers })
}

/// What else there is.
pub(super) fn unknown(registry: &Registry, namespace: &str, name: &str) -> api::Unknown {
    let shown = |text: &str| -> String {
        let short: String = text.chars().take(LONGEST_NAME).collect();
        if short.len() < text.len() { short + "…" } else { short }
    };
    let asked = format!("{}/{}", shown(namespace), shown(name));
    let error = format!(
        "{asked} is not known: KEDA has not asked for it since this server started; is its ScaledObject applied, and \
         its scalerAddress ours?"
    );
    api::Unknown { error, near: near(registry, namespace, name) }
}

/// Names that resemble the one asked for, nearest first. The distance of two texts takes time by the
/// product of their lengths, and anybody may ask: what is longer than a Kubernetes name resembles
/// none, and so does what differs in length by more than a few letters.
fn near(registry: &Registry, namespace: &str, name: &str) -> Vec<String> {
    if namespace.len() > LONGEST_NAME || name.len() > LONGEST_NAME {
        return Vec::new();
    }
    let asked = format!("{namespace}/{name}");
    let distance = |known: &SeriesKey| {
        // The right name in another namespace is nearer than most.
        let elsewhere = 1 + apart(&known.name, name);
        apart(&format!("{}/{}", known.namespace, known.name), &asked).min(elsewhere)
    };
    let mut near: Vec<(usize, String)> = registry
        .workloads()
        .iter()
        .map(|w| (distance(w.key()), format!("{}/{}", w.key().namespace, w.key().name)))
        .collect();
    near.sort_unstable();
    near.dedup();
    near.into_iter().take(NEAR).map(|(_, known)| known).collect()
}

/// Edits from one text to another; by their lengths alone where those say enough.
fn apart(a: &str, b: &str) -> usize {
    match a.len().abs_diff(b.len()) {
        lengths if lengths > FAR => lengths,
        _ => strsim::damerau_levenshtein(a, b),
    }
}

fn summary(
    workload: &Workload,
    registration: &Registration,
    latest: Option<&Recommendation>,
    now: Timestamp,
) -> api::Summary {
    let standing = WorkloadStatus::of(workload.registration().trigger.is_ok(), latest, now);
    let vouched = standing.vouched(latest);
    let decided = latest.filter(|_| matches!(standing, WorkloadStatus::Decided(_)));
    let key = workload.key();
    let errors = registration.trigger.as_ref().err().into_iter().flatten();
    api::Summary {
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        metric: key.metric.clone(),
        state: standing.as_str().to_owned(),
        reason: decided.map(|latest| latest.decision.reason.as_str().to_owned()),
        desired_replicas: vouched.and(latest).map(|latest| latest.decision.desired_replicas),
        metric_value: vouched.map(|(value, _)| value),
        active: vouched.map(|(_, active)| active),
        answer_age_seconds: latest.map(|latest| now.duration_since(latest.at).as_secs_f64()),
        last_seen: workload.last_seen(),
        replicas: replicas(&workload.replica_status()),
        floor_replicas: decided.map(|latest| latest.decision.parts.floor),
        forecast: decided.and_then(|latest| latest.decision.parts.forecast),
        forecast_acts: decided.map(|latest| latest.decision.parts.forecast_acts),
        lead_seconds: decided.map(|latest| latest.decision.parts.lead.as_secs_f64()),
        saved_gpu_hours: saved(&workload.training_status()),
        source_trouble: workload.source_trouble().as_deref().map(source_trouble),
        errors: errors
            .map(|error| api::Problem { key: error.key.clone(), problem: error.problem.clone() })
            .collect(),
    }
}

/// What the last finished day cost less than the best reactive way, missed hours weighted by the
/// cost ratio of the selection.
fn saved(status: &TrainingStatus) -> Option<f64> {
    let day = status.days.last()?;
    let ratio = status.selections.last()?.selection.cost_ratio;
    let cost = |hours: &Costs| hours.gpu_hours + ratio * hours.missed;
    Some(cost(&day.reactive) - cost(&day.prewarm)).filter(|saved| saved.is_finite())
}

fn replicas(status: &ReplicaStatus) -> Option<api::Replicas> {
    status.replicas.map(replica_counts)
}

/// Replicas, as the API counts them.
pub(super) fn replica_counts(Replicas { ready, starting }: Replicas) -> api::Replicas {
    api::Replicas { ready, starting }
}

fn trigger(workload: &Workload, sources: &Sources, now: Timestamp) -> api::Trigger {
    let registration = workload.registration();
    let latest = workload.recommendation();
    let valid = registration.trigger.as_ref().ok();
    api::Trigger {
        summary: summary(workload, &registration, latest.as_deref(), now),
        threshold: registration.spec.threshold.get(),
        policy: valid.map(|trigger| policy(&trigger.policy, now)),
        metadata: shown(&registration),
        warnings: valid.map(|trigger| trigger.warnings.clone()).unwrap_or_default(),
        signal_troubles: workload
            .signal_troubles()
            .iter()
            .map(|found| api::SignalTrouble {
                signal: found.signal.to_owned(),
                trouble: source_trouble(&found.trouble),
            })
            .collect(),
        questions: valid
            .map(|trigger| settings::questions(trigger, sources, latest.as_deref()))
            .unwrap_or_default(),
        settings: settings::settings(&registration, workload, latest.as_deref()),
        latest: latest.as_deref().map(decision),
        fleet: replica_status(&workload.replica_status(), valid.map(|trigger| &*trigger.policy)),
        learned: learned::learned(&workload.training_status()),
        transitions: workload.transitions().iter().map(|past| decision(past)).collect(),
    }
}

fn source_trouble(trouble: &SourceTrouble) -> api::SourceTrouble {
    api::SourceTrouble {
        kind: trouble.kind.to_owned(),
        message: trouble.message.clone(),
        since: trouble.since,
    }
}

fn replica_status(status: &ReplicaStatus, policy: Option<&Policy>) -> api::ReplicaStatus {
    let starts = &status.starts;
    let lead = match policy.map(|policy| policy.lead_time) {
        None => "",
        Some(LeadTime::Fixed(_)) => "fixed",
        Some(LeadTime::Auto) if starts.cold_start.is_some() => "learned",
        Some(LeadTime::Auto) => "seed",
    };
    let class = |class: &NodeStarts| api::StartUps {
        node: node_name(class.node).to_owned(),
        ready: class.ready,
        given_up: class.given_up,
        cold_start_seconds: class.cold_start.map(|span| span.as_secs_f64()),
        took_seconds: class.took.iter().map(SignedDuration::as_secs_f64).collect(),
    };
    api::ReplicaStatus {
        replicas: replicas(status),
        lead: lead.to_owned(),
        cold_start_seconds: starts.cold_start.map(|span| span.as_secs_f64()),
        scheduled_seconds: starts.stages.map(|(scheduled, _)| scheduled.as_secs_f64()),
        started_seconds: starts.stages.map(|(_, started)| started.as_secs_f64()),
        start_ups: starts.nodes.iter().map(class).collect(),
        scaling: status.scaling.map(|scaling| api::ScaledObjectLimits {
            min_replicas: scaling.min,
            max_replicas: scaling.max,
            none_while_idle: scaling.idle,
            cooldown_seconds: scaling.cooldown.as_secs_f64(),
            polling_seconds: scaling.polling.map(|span| span.as_secs_f64()),
            hpa_window_seconds: scaling.hpa_window.map(|span| span.as_secs_f64()),
        }),
    }
}

/// The metadata's values that hold no secret.
pub(super) fn shown(registration: &Registration) -> BTreeMap<String, String> {
    let plain = SHOWN.into_iter().filter_map(|key| Some((key, registration.sent(key)?.to_owned())));
    let address = registration.sent(ADDRESS).map(|address| (ADDRESS, without_credentials(address)));
    plain.chain(address).map(|(key, value)| (key.to_owned(), value)).collect()
}

/// An address without user, password and query.
pub(super) fn without_credentials(address: &str) -> String {
    match Url::parse(address) {
        Ok(url) if url.has_host() => {
            format!("{}{}", url.origin().ascii_serialization(), url.path())
        }
        _ => "(not an address)".to_owned(),
    }
}

pub(super) fn decision(recommendation: &Recommendation) -> api::Decision {
    let decision = &recommendation.decision;
    let parts = &decision.parts;
    let answer = match recommendation.answer {
        Answer::Value { .. } => "value",
        Answer::Unavailable => "unavailable",
        Answer::NoData => "no_data",
    };
    api::Decision {
        at: recommendation.at,
        valid_until: recommendation.valid_until,
        answer: answer.to_owned(),
        state: decision.state.as_str().to_owned(),
        reason: decision.reason.as_str().to_owned(),
        metric_value: decision.metric_value,
        active: decision.active,
        desired_replicas: decision.desired_replicas,
        parts: api::Parts {
            observed: parts.observed,
            live: parts.live,
            live_age_seconds: parts.live_age.map(|age: SignedDuration| age.as_secs_f64()),
            backlog: parts.backlog,
            backlog_demand: parts.backlog_demand,
            latency_factor: parts.latency_factor,
            forecast_quantile: parts.forecast_quantile,
            forecast: parts.forecast,
            forecast_replicas: parts.forecast_replicas,
            arrival: parts.arrival.map(|awaited| api::Arrival {
                probability: awaited.probability,
                within_seconds: awaited.within.as_secs_f64(),
                break_even: Some(awaited.break_even).filter(|share| share.is_finite()),
                acts: awaited.acts,
            }),
            forecast_acts: parts.forecast_acts,
            would_value: parts.would_value,
            floor_replicas: parts.floor,
            ceiling_replicas: parts.ceiling,
            hold_replicas: parts.hold,
            lead_seconds: parts.lead.as_secs_f64(),
            doubts: doubts(parts),
        },
    }
}

/// What was not believed at once, and what became of an earlier one.
fn doubts(parts: &Parts) -> Vec<api::Doubt> {
    let mut doubts = Vec::new();
    for (signal, check) in parts.checks() {
        if check != Check::default() {
            doubts.push(api::Doubt {
                signal: signal.to_owned(),
                verdict: check.verdict.as_str().to_owned(),
                earlier: check.earlier.map(|earlier| earlier.as_str().to_owned()),
            });
        }
    }
    doubts
}

/// Which workloads are asked for.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Those of this namespace alone.
    namespace: Option<String>,
    /// Those that stand so alone, as `state` of a workload has it.
    state: Option<String>,
    /// The `next` of the page before.
    after: Option<String>,
    /// Workloads a page: 1 … 5000, 1000 unless given.
    limit: Option<usize>,
}

const PAGE: usize = 1_000;
const LARGEST_PAGE: usize = 5_000;

/// Names offered for an unknown one.
const NEAR: usize = 5;

/// A Kubernetes name has at most 253 characters.
const LONGEST_NAME: usize = 253;

/// Texts whose lengths differ by more have nothing to do with each other.
const FAR: usize = 8;

/// The one key that may carry a user and a password by mistake.
const ADDRESS: &str = "serverAddress";

/// Keys whose values are shown. `…FromEnv` arrives resolved, TLS keys arrive as PEM, and an unknown
/// key may hold anything.
const SHOWN: [&str; 30] = [
    "scalerAddress",
    "query",
    "preset",
    "selector",
    "triggerName",
    "source",
    "threshold",
    "activationThreshold",
    "backlogQuery",
    "backlogThreshold",
    "latencyQuery",
    "latencyTarget",
    "mode",
    "leadTime",
    "coldStart",
    "quantile",
    "costRatio",
    "objective",
    "historyWindow",
    "maxPrewarmReplicas",
    "timezone",
    "windows",
    "holidays",
    "policyRef",
    "scaleToZero",
    "keepWarm",
    "scaledJob",
    "onNoData",
    "metricName",
    "enableTLS",
];
