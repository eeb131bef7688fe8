//! The JSON of `/api/v1`. Instants are RFC 3339, durations seconds, names camelCase; what is
//! unknown is `null`.
//!
//! These are types of the edge: the server writes them, `prewarm explain` reads them, the core
//! knows nothing of them.

mod decision;
mod past;
mod policy;
mod status;
mod trial;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use decision::{Arrival, Decision, Doubt, Parts};
pub use past::{Capacity, Decisions, Forecast, PastDecision, Series, WindowSpan, WindowSpans};
pub use policy::{Holidays, Policy, Window};
pub use status::{Notice, Question, Refused, Setting, Status};
pub use trial::{SignalProblem, Trial, TrialRequest};

/// `GET /api/v1/workloads`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Workloads {
    /// When this was read.
    pub now: Timestamp,
    /// How many there are, filters applied.
    #[serde(default)]
    pub total: usize,
    /// Sorted by namespace, name and metric.
    pub workloads: Vec<Summary>,
    /// What to give as `after` for the next page; null on the last.
    #[serde(default)]
    pub next: Option<String>,
}

/// One trigger in one line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Namespace.
    pub namespace: String,
    /// Name of the ScaledObject or ScaledJob.
    pub name: String,
    /// Metric, without KEDA's `sN-`.
    pub metric: String,
    /// Where it stands: `fresh`, `reactive`, `live_down`, `last_good`, `blind`, `asleep`,
    /// `no_data`, or `pending` (no decision yet), `expired` (no longer sampled), `invalid` (its
    /// metadata is wrong).
    pub state: String,
    /// The part that prevailed.
    pub reason: Option<String>,
    /// Replicas that the answer amounts to; null while callers are told to hold.
    pub desired_replicas: Option<u32>,
    /// Value answered, in the demand's unit; null while callers are told to hold.
    pub metric_value: Option<f64>,
    /// Whether at least one replica should run; null while callers are told to hold.
    pub active: Option<bool>,
    /// Age of the latest decision.
    pub answer_age_seconds: Option<f64>,
    /// When KEDA last asked, or held a stream open.
    pub last_seen: Timestamp,
    /// Replicas; null while the cluster does not say.
    #[serde(default)]
    pub replicas: Option<Replicas>,
    /// Replicas that windows demand within the lead; null before the first decision.
    #[serde(default)]
    pub floor_replicas: Option<u32>,
    /// What demand may reach within the lead, in its own unit; null without a fresh forecast.
    #[serde(default)]
    pub forecast: Option<f64>,
    /// Whether the forecast may act; null before the first decision.
    #[serde(default)]
    pub forecast_acts: Option<bool>,
    /// How far ahead replicas are asked for; null before the first decision.
    #[serde(default)]
    pub lead_seconds: Option<f64>,
    /// What the last finished UTC day cost less than the best reactive way to scale, in GPU-hours
    /// with missed ones weighted; null before the first.
    #[serde(default)]
    pub saved_gpu_hours: Option<f64>,
    /// Why the newest slot has no demand; null where it has.
    #[serde(default)]
    pub source_trouble: Option<SourceTrouble>,
    /// What is wrong with the metadata.
    pub errors: Vec<Problem>,
}

/// One thing that is wrong with a trigger's metadata.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// The key, as KEDA spells it.
    pub key: String,
    /// What is wrong, what is allowed, how to fix it.
    pub problem: String,
}

/// `GET /api/v1/workloads/{namespace}/{name}`: why the last answers were what they were.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// When this was read; where a time was asked for, that time.
    pub now: Timestamp,
    /// Namespace.
    pub namespace: String,
    /// Name of the ScaledObject or ScaledJob.
    pub name: String,
    /// Why it is as it is, in a sentence or two for each trigger, in their order.
    #[serde(default)]
    pub sentences: Vec<String>,
    /// Its triggers that are ours, sorted by metric.
    pub triggers: Vec<Trigger>,
}

/// One trigger, explained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Trigger {
    /// Where it stands, and what is answered.
    #[serde(flatten)]
    pub summary: Summary,
    /// Demand that one replica carries.
    pub threshold: f64,
    /// What its metadata says, where that is valid.
    pub policy: Option<Policy>,
    /// Its metadata as sent: only keys that hold no secret.
    pub metadata: BTreeMap<String, String>,
    /// Accepted, yet worth a word.
    pub warnings: Vec<String>,
    /// Why backlog or latency cannot be read, in the source's words; decisions go on without them.
    #[serde(default)]
    pub signal_troubles: Vec<SignalTrouble>,
    /// What its source is asked.
    #[serde(default)]
    pub questions: Vec<Question>,
    /// Its settings in force, and where each comes from.
    #[serde(default)]
    pub settings: Vec<Setting>,
    /// The latest decision; where a time was asked for, the one in force then.
    pub latest: Option<Decision>,
    /// What the cluster says of its replicas, and how they start.
    #[serde(default)]
    pub fleet: ReplicaStatus,
    /// What was learned of it.
    #[serde(rename = "learnt")]
    pub learned: TrainingSummary,
    /// The latest changes of desired replicas, activity, reason or state, oldest first.
    pub transitions: Vec<Decision>,
}

/// Why the newest slot has no demand.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceTrouble {
    /// `missing` (the query gives nothing), `caveat` (there is demand, and it may not tell the
    /// truth), `unreachable`, `partial`, `unauthorized`, `bad_query`, `garbage`, `unsupported` or
    /// `misconfigured`.
    pub kind: String,
    /// Who said what to which query.
    pub message: String,
    /// Since when.
    pub since: Timestamp,
}

/// Why backlog or latency cannot be read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignalTrouble {
    /// `backlog` or `latency`.
    pub signal: String,
    /// What is wrong.
    #[serde(flatten)]
    pub trouble: SourceTrouble,
}

/// Replicas and their start-ups.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ReplicaStatus {
    /// Replicas; null while the cluster does not say.
    pub replicas: Option<Replicas>,
    /// Where the lead comes from: `fixed` (the metadata's leadTime), `learned` (from start-ups),
    /// `seed` (the metadata's coldStart); empty where the metadata is wrong.
    pub lead: String,
    /// P90 of the last start-ups, creation to Ready; null before enough of them were seen.
    pub cold_start_seconds: Option<f64>,
    /// Median until there was a node for it, from creation; null where no pod says so.
    pub scheduled_seconds: Option<f64>,
    /// Median until all containers ran, from creation.
    pub started_seconds: Option<f64>,
    /// The last start-ups (at most 50) by class of nodes.
    pub start_ups: Vec<StartUps>,
    /// Limits and beats of the ScaledObject; null where nobody could read them yet.
    pub scaling: Option<ScaledObjectLimits>,
}

/// What a ScaledObject says, KEDA's defaults where it does not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScaledObjectLimits {
    /// `minReplicaCount`.
    pub min_replicas: u32,
    /// `maxReplicaCount`.
    pub max_replicas: u32,
    /// None run while it is inactive, whatever the minimum (`idleReplicaCount: 0`).
    pub none_while_idle: bool,
    /// `cooldownPeriod`.
    pub cooldown_seconds: f64,
    /// `pollingInterval`; null where it is not given.
    pub polling_seconds: Option<f64>,
    /// `behavior.scaleDown.stabilizationWindowSeconds`; null where it is not given.
    pub hpa_window_seconds: Option<f64>,
}

/// Replicas as the cluster has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Replicas {
    /// Ready.
    pub ready: u32,
    /// Created and not yet Ready.
    pub starting: u32,
}

/// Start-ups on one class of nodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StartUps {
    /// `warm` (the node was there) or `cold` (it was made for it, or came back for it).
    pub node: String,
    /// That got Ready.
    pub ready: u32,
    /// That were deleted, or failed, before.
    pub given_up: u32,
    /// P90 of them; null before enough of them were seen.
    pub cold_start_seconds: Option<f64>,
    /// How long each took, creation to Ready, oldest first; of those given up, until then.
    #[serde(default)]
    pub took_seconds: Vec<f64>,
}

/// What was learned of a trigger, off its slots.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct TrainingSummary {
    /// First instant that the latest forecast speaks of.
    pub forecast_origin: Option<Timestamp>,
    /// Why no forecast may act; absent where one may, and on a replica that reads what another one
    /// makes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_forecast: Option<NoForecast>,
    /// How forecasts did, by lead; empty on a replica that reads what another one makes.
    pub accuracy: Vec<Accuracy>,
    /// The selection in force; null while nothing speaks for any.
    #[serde(rename = "choice")]
    pub selection: Option<Selection>,
    /// Changes of the selection, oldest first, the one in force included.
    #[serde(rename = "choices")]
    pub selections: Vec<Selection>,
    /// What the last finished UTC days cost, oldest first.
    pub days: Vec<Day>,
}

/// Why no forecast may act.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct NoForecast {
    /// too_young, stale, … as the label of `prewarm_workload_no_forecast`.
    pub reason: String,
    /// The same in words, with its figures.
    pub detail: String,
}

/// How forecasts at one lead did lately (half-life of a week).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Accuracy {
    /// The lead.
    pub lead_seconds: f64,
    /// Forecasts that were scored.
    pub scored: usize,
    /// By quantile, ascending.
    pub quantiles: Vec<Quantile>,
}

/// How forecasts of one quantile did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Quantile {
    /// The quantile.
    pub quantile: f64,
    /// Share of demand at or below it: the nearer to the quantile, the better calibrated.
    pub coverage: Option<f64>,
    /// Mean pinball loss, in the demand's unit.
    pub pinball: Option<f64>,
}

/// A selection, and what speaks for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Selection {
    /// Since when it is in force.
    pub since: Timestamp,
    /// When it was last confirmed: the figures are of then.
    pub as_of: Timestamp,
    /// The policy that acts, while it may.
    pub policy: ScalingPolicy,
    /// The best of those that look at live demand alone: what acts where the forecast cannot.
    pub best_reactive: ScalingPolicy,
    /// `earned`, `few_days`, `learnt`: the forecast may act; `not_proven`, `reactive_best`,
    /// `untuned`: it may not, or need not. (`few_days` takes the cheapest, whichever that is.)
    pub why: String,
    /// Whether the forecast may act.
    pub forecast_acts: bool,
    /// Complete days that it rests on.
    pub days: u32,
    /// Days on which the policy cost less than the best reactive one.
    pub days_won: u32,
    /// Mean gain a day over the best reactive one, in GPU-hours (missed ones times the cost ratio
    /// included).
    pub gain: f64,
    /// 60 % confidence interval of the gain; null where there are too few days for one.
    pub gain_low: Option<f64>,
    /// Its upper end.
    pub gain_high: Option<f64>,
    /// GPU-hours and missed replica-hours of the policy's mean day.
    pub expected: Hours,
    /// The same of the best reactive one.
    pub expected_reactive: Hours,
    /// The cost ratio that it was chosen for.
    pub cost_ratio: f64,
}

/// A way to scale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScalingPolicy {
    /// Quantile of the forecast; null: live demand alone.
    pub quantile: Option<f64>,
    /// Forecast demand per replica as a share of the threshold.
    #[serde(rename = "forecastUtilisation")]
    pub forecast_utilization: Option<f64>,
    /// One replica stays or starts from so many times the break-even probability of an arrival on;
    /// null: that is not asked.
    #[serde(default)]
    pub arrival_from: Option<f64>,
    /// Live demand per replica as a share of the threshold.
    #[serde(rename = "utilisation")]
    pub utilization: f64,
    /// Scale down to the most that was wanted within so long.
    pub scale_down_seconds: f64,
}

/// What a way to scale costs and misses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hours {
    /// Hours of replicas ready or starting.
    pub gpu_hours: f64,
    /// Work that waited longer than 15 s, in replica-hours.
    pub missed: f64,
}

/// A finished UTC day in the shadow of each way to scale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Day {
    /// Midnight UTC.
    pub day: Timestamp,
    /// Demand, in replica-hours.
    pub demand: f64,
    /// By `prewarm`, `hpa`, `reactive-tuned`, `static-peak`.
    pub ways: BTreeMap<String, Hours>,
}

/// Why a question is not answered (400, 401, 503).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// What is wrong, and what is allowed.
    pub error: String,
}

/// Why there is no explanation (404).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Unknown {
    /// What is wrong and what to look at.
    pub error: String,
    /// Up to five workloads (`namespace/name`), nearest first.
    pub near: Vec<String>,
}
