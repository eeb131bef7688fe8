//! Series, forecasts, decisions and windows of one trigger. What is kept is read through the
//! archive, which answers within seconds or says why not.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{Shared, api, off_the_reactor, view};
use crate::archive::{Bucket, Buckets, DecisionRecord, StoreError};
use crate::registry::Workload;

/// Which trigger, and which span of it.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Span {
    /// The trigger's metric; the first of the ScaledObject's triggers unless given.
    metric: Option<String>,
    /// First instant (RFC 3339); a day before `to` unless given.
    from: Option<Timestamp>,
    /// First instant after it; now unless given.
    to: Option<Timestamp>,
    /// Points, or decisions, at most: 1 … 5000, 800 unless given.
    limit: Option<usize>,
}

/// Demand on an even grid, downsampled to at most `limit` points: any span of the 13 months that
/// are kept.
#[utoipa::path(get, path = "/api/v1/workloads/{namespace}/{name}/series",
    params(("namespace" = String, Path, description = "Namespace"), ("name" = String, Path, description = "Name of the ScaledObject or ScaledJob"), Span),
    responses((status = 200, body = api::Series), (status = 400, body = api::Refusal), (status = 404, body = api::Unknown), (status = 503, body = api::Refusal)))]
pub(super) async fn series(
    State(shared): State<Shared>,
    Path((namespace, name)): Path<(String, String)>,
    span: Result<Query<Span>, QueryRejection>,
) -> Result<Json<api::Series>, Response> {
    let asked = Asked::new(&shared, &namespace, &name, span)?;
    let key = asked.workload.key();
    let found = shared.archive.series(key, asked.from, asked.to, asked.limit).await;
    let Buckets { start, step, values } = found.map_err(|error| unavailable(&error))?;
    let column = |of: fn(&Bucket) -> Option<f64>| {
        values.iter().map(|bucket| bucket.as_ref().and_then(of)).collect()
    };
    Ok(Json(api::Series {
        metric: key.metric.clone(),
        start,
        step_seconds: step.as_secs(),
        threshold: asked.workload.registration().spec.threshold.get(),
        mean: column(|bucket| Some(bucket.mean)),
        max: column(|bucket| Some(bucket.max)),
        backlog: column(|bucket| bucket.backlog),
    }))
}

/// The latest forecast: quantiles of demand ahead.
#[utoipa::path(get, path = "/api/v1/workloads/{namespace}/{name}/forecast",
    params(("namespace" = String, Path, description = "Namespace"), ("name" = String, Path, description = "Name of the ScaledObject or ScaledJob"), Span),
    responses((status = 200, body = api::Forecast), (status = 400, body = api::Refusal), (status = 404, body = api::Unknown), (status = 503, body = api::Refusal)))]
pub(super) async fn forecast(
    State(shared): State<Shared>,
    Path((namespace, name)): Path<(String, String)>,
    span: Result<Query<Span>, QueryRejection>,
) -> Result<Json<api::Forecast>, Response> {
    let asked = Asked::new(&shared, &namespace, &name, span)?;
    let key = asked.workload.key();
    let found = shared.archive.forecast(key).await.map_err(|error| unavailable(&error))?;
    let metric = key.metric.clone();
    let Some(forecast) = found else {
        let (origin, step_seconds, quantiles, values) = (None, 0.0, Vec::new(), Vec::new());
        return Ok(Json(api::Forecast { metric, origin, step_seconds, quantiles, values }));
    };
    let row = |i: usize| {
        let at = |step: &Vec<f64>| step.get(i).copied().filter(|value| value.is_finite());
        forecast.values().iter().map(at).collect()
    };
    Ok(Json(api::Forecast {
        metric,
        origin: Some(forecast.origin()),
        step_seconds: forecast.step().as_secs_f64(),
        quantiles: forecast.quantiles().to_vec(),
        values: (0..forecast.quantiles().len()).map(row).collect(),
    }))
}

/// Decisions that changed something, with the replicas that there were.
#[utoipa::path(get, path = "/api/v1/workloads/{namespace}/{name}/decisions",
    params(("namespace" = String, Path, description = "Namespace"), ("name" = String, Path, description = "Name of the ScaledObject or ScaledJob"), Span),
    responses((status = 200, body = api::Decisions), (status = 400, body = api::Refusal), (status = 404, body = api::Unknown), (status = 503, body = api::Refusal)))]
pub(super) async fn decisions(
    State(shared): State<Shared>,
    Path((namespace, name)): Path<(String, String)>,
    span: Result<Query<Span>, QueryRejection>,
) -> Result<Json<api::Decisions>, Response> {
    let asked = Asked::new(&shared, &namespace, &name, span)?;
    let workload = &asked.workload;
    let kept = shared.archive.decisions(workload.key(), asked.from, asked.to).await;
    let mut decisions: Vec<_> =
        kept.map_err(|error| unavailable(&error))?.iter().map(past_decision).collect();
    add_remembered(&mut decisions, workload, asked.from, asked.to);
    let surplus = decisions.len().saturating_sub(asked.limit);
    decisions.drain(..surplus);
    let capacity = workload.capacity().into_iter().map(|change| api::Capacity {
        at: change.at,
        replicas: change.replicas.map(view::replica_counts),
    });
    Ok(Json(api::Decisions {
        metric: workload.key().metric.clone(),
        decisions,
        more: surplus > 0,
        capacity: capacity.collect(),
    }))
}

/// When floors and ceilings of the trigger's windows hold, within at most 400 days.
#[utoipa::path(get, path = "/api/v1/workloads/{namespace}/{name}/windows",
    params(("namespace" = String, Path, description = "Namespace"), ("name" = String, Path, description = "Name of the ScaledObject or ScaledJob"), Span),
    responses((status = 200, body = api::WindowSpans), (status = 400, body = api::Refusal), (status = 404, body = api::Unknown)))]
pub(super) async fn windows(
    State(shared): State<Shared>,
    Path((namespace, name)): Path<(String, String)>,
    span: Result<Query<Span>, QueryRejection>,
) -> Result<Json<api::WindowSpans>, Response> {
    let asked = Asked::new(&shared, &namespace, &name, span)?;
    let metric = asked.workload.key().metric.clone();
    let registration = asked.workload.registration();
    let Ok(trigger) = &registration.trigger else {
        let none =
            api::WindowSpans { metric, timezone: None, spans: Vec::new(), next_change: None };
        return Ok(Json(none));
    };
    let policy = trigger.policy.clone();
    let now = shared.registry.clock().now();
    off_the_reactor(move || {
        let calendar = &policy.calendar;
        let spans = calendar.spans(asked.from, asked.to);
        let shown = spans.into_iter().filter(|span| !span.names.is_empty());
        Json(api::WindowSpans {
            metric,
            timezone: calendar.zone().iana_name().map(str::to_owned),
            spans: shown
                .map(|span| api::WindowSpan {
                    from: span.from,
                    to: span.to,
                    floor_replicas: span.bounds.floor,
                    ceiling_replicas: span.bounds.ceiling,
                    names: span.names,
                })
                .collect(),
            next_change: calendar.next_change(now),
        })
    })
    .await
}

/// Adds what is not saved yet: the newest decisions are, with the next bucket of five minutes.
pub(super) fn add_remembered(
    decisions: &mut Vec<api::PastDecision>,
    workload: &Workload,
    from: Timestamp,
    to: Timestamp,
) {
    let last = decisions.last().map(|last| last.decision.at);
    for past in workload.transitions() {
        if from <= past.at && past.at < to && last.is_none_or(|last| past.at > last) {
            let replicas = workload.capacity_at(past.at).map(view::replica_counts);
            decisions.push(api::PastDecision { decision: view::decision(&past), replicas });
        }
    }
}

/// A question about a span of one trigger, understood.
struct Asked {
    workload: Arc<Workload>,
    from: Timestamp,
    to: Timestamp,
    limit: usize,
}

impl Asked {
    fn new(
        shared: &Shared,
        namespace: &str,
        name: &str,
        span: Result<Query<Span>, QueryRejection>,
    ) -> Result<Self, Unanswered> {
        let Query(span) = span.map_err(|error| Unanswered::Refused(error.body_text()))?;
        let mut triggers = shared.registry.triggers(namespace, name);
        triggers.sort_unstable_by(|a, b| a.key().cmp(b.key()));
        let wanted = |workload: &Arc<Workload>| {
            span.metric.as_ref().is_none_or(|metric| *metric == workload.key().metric)
        };
        let Some(workload) = triggers.into_iter().find(wanted) else {
            return Err(Unanswered::Unknown(view::unknown(&shared.registry, namespace, name)));
        };
        let to = span.to.unwrap_or_else(|| shared.registry.clock().now());
        let from = match span.from {
            Some(from) => from,
            None => to
                .saturating_sub(DAY)
                .map_err(|_| Unanswered::Refused("to is out of range".to_owned()))?,
        };
        if from >= to {
            return Err(Unanswered::Refused(format!("from = {from}: must be before to = {to}")));
        }
        if to.duration_since(from) > LONGEST {
            let most = LONGEST.as_hours() / 24;
            let why = format!("from = {from}, to = {to}: at most {most} days at once");
            return Err(Unanswered::Refused(why));
        }
        let limit = span.limit.unwrap_or(POINTS);
        if !(1..=MOST_POINTS).contains(&limit) {
            let why = format!("limit = {limit}: must be from 1 to {MOST_POINTS}");
            return Err(Unanswered::Refused(why));
        }
        Ok(Self { workload, from, to, limit })
    }
}

/// Why a question about a span has no answer.
#[derive(Debug)]
enum Unanswered {
    /// 404: nobody has asked for that workload.
    Unknown(api::Unknown),
    /// 400: what is wrong with the question.
    Refused(String),
}

impl From<Unanswered> for Response {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Unknown(unknown) => (StatusCode::NOT_FOUND, Json(unknown)).into_response(),
            Unanswered::Refused(why) => refused(&why),
        }
    }
}

/// As the API tells a decision that was kept.
pub(super) fn past_decision(kept: &DecisionRecord) -> api::PastDecision {
    let replicas = kept
        .ready
        .map(|ready| api::Replicas { ready, starting: kept.starting.unwrap_or_default() });
    let decision = api::Decision {
        at: kept.at,
        valid_until: kept.at,
        answer: kept.answer.clone(),
        state: kept.state.clone(),
        reason: kept.reason.clone(),
        metric_value: kept.metric_value,
        active: kept.active,
        desired_replicas: kept.desired_replicas,
        parts: api::Parts {
            // Not recorded of the past.
            arrival: None,
            observed: kept.observed,
            live: kept.live,
            live_age_seconds: None,
            backlog: kept.backlog,
            backlog_demand: kept.backlog_demand.unwrap_or_default(),
            latency_factor: kept.latency_factor,
            forecast_quantile: kept.forecast_quantile,
            forecast: kept.forecast,
            forecast_replicas: kept.forecast_replicas,
            forecast_acts: kept.forecast_acts,
            would_value: None,
            floor_replicas: kept.floor_replicas,
            ceiling_replicas: kept.ceiling_replicas,
            hold_replicas: kept.hold_replicas,
            lead_seconds: kept.lead_seconds as f64,
            doubts: Vec::new(),
        },
    };
    api::PastDecision { decision, replicas }
}

/// 400: what is wrong with the question.
pub(super) fn refused(why: &str) -> Response {
    (StatusCode::BAD_REQUEST, Json(api::Refusal { error: why.to_owned() })).into_response()
}

/// 503: the database does not answer; the rest of the API does.
pub(super) fn unavailable(error: &StoreError) -> Response {
    let error = format!("{error}; answers to KEDA go on from memory");
    (StatusCode::SERVICE_UNAVAILABLE, Json(api::Refusal { error })).into_response()
}

const DAY: SignedDuration = SignedDuration::from_hours(24);
/// 13 months, and the forecast's horizon.
const LONGEST: SignedDuration = SignedDuration::from_hours(24 * 401);
const POINTS: usize = 800;
const MOST_POINTS: usize = 5_000;
