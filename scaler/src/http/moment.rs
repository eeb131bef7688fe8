//! Why an answer was what it was at an instant: the decision in force then, and those around it.

use axum::response::{IntoResponse, Json, Response};
use jiff::{SignedDuration, Timestamp};

use super::{Shared, api, past, sentence};
use crate::archive::{Archive, StoreError};
use crate::registry::Workload;

/// The explanation with each trigger's decision of `at` in place of its latest. What is a matter of
/// now (settings, what was learned, the source's state) stays as it is.
pub(super) async fn explained(
    shared: &Shared,
    mut explanation: api::Explanation,
    at: Timestamp,
) -> Response {
    explanation.now = at;
    explanation.sentences.clear();
    for workload in shared.registry.triggers(&explanation.namespace, &explanation.name) {
        let of = |trigger: &&mut api::Trigger| trigger.summary.metric == workload.key().metric;
        let Some(trigger) = explanation.triggers.iter_mut().find(of) else { continue };
        if let Err(error) = rewind(&shared.archive, &workload, trigger, at).await {
            return past::unavailable(&error);
        }
    }
    explanation.sentences = explanation.triggers.iter().map(|t| sentence::whole(t, at)).collect();
    Json(explanation).into_response()
}

/// Takes a trigger back to an instant.
async fn rewind(
    archive: &Archive,
    workload: &Workload,
    trigger: &mut api::Trigger,
    at: Timestamp,
) -> Result<(), StoreError> {
    let (from, to) = (around(at, -AROUND), around(at, AROUND));
    let kept = archive.decisions(workload.key(), from, to).await?;
    let mut decisions: Vec<api::PastDecision> = kept.iter().map(past::past_decision).collect();
    past::add_remembered(&mut decisions, workload, from, to);
    let before = decisions.iter().rfind(|past| past.decision.at <= at).cloned();
    let then = match before {
        Some(found) => Some(found),
        None => archive.decision_at(workload.key(), at).await?.as_ref().map(past::past_decision),
    };
    let summary = &mut trigger.summary;
    let told = then.as_ref().map(|then| &then.decision).filter(|then| then.answer == "value");
    summary.state = then.as_ref().map_or("pending", |then| &then.decision.state).to_owned();
    summary.reason = then.as_ref().map(|then| then.decision.reason.clone());
    summary.desired_replicas = told.map(|then| then.desired_replicas);
    summary.metric_value = told.map(|then| then.metric_value);
    summary.active = told.map(|then| then.active);
    summary.answer_age_seconds =
        then.as_ref().map(|then| at.duration_since(then.decision.at).as_secs_f64());
    summary.replicas = then.as_ref().and_then(|then| then.replicas);
    summary.errors.clear();
    summary.source_trouble = None;
    trigger.fleet.replicas = summary.replicas;
    trigger.latest = then.map(|then| then.decision);
    trigger.transitions = decisions.into_iter().map(|past| past.decision).collect();
    Ok(())
}

fn around(at: Timestamp, span: SignedDuration) -> Timestamp {
    at.checked_add(span).unwrap_or(at)
}

/// Changes this near are shown beside the decision.
const AROUND: SignedDuration = SignedDuration::from_hours(1);
