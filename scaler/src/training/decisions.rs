//! What was decided, as a document: one for all changes since the last.

use std::sync::Arc;

use jiff::Timestamp;
use prewarm_forecaster::{Answer, Recommendation};
use serde::Serialize;

use crate::store::document::{Document, Kind};

const CODEC: i32 = 1;

/// A decision with its parts; demands in the demand's own unit.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    at: Timestamp,
    answer: &'static str,
    reason: &'static str,
    state: &'static str,
    active: bool,
    desired_replicas: u32,
    metric_value: f64,
    observed: Option<f64>,
    live: Option<f64>,
    backlog: Option<f64>,
    latency_factor: f64,
    forecast: Option<f64>,
    forecast_quantile: f64,
    forecast_replicas: u32,
    forecast_acts: bool,
    floor_replicas: u32,
    ceiling_replicas: Option<u32>,
    hold_replicas: u32,
    lead_seconds: i64,
}

/// Those of `transitions` (oldest first) after `last`; `None` if there are none.
pub(super) fn document(
    transitions: &[Arc<Recommendation>],
    last: Option<Timestamp>,
) -> Option<Document> {
    let new = transitions.iter().filter(|past| last.is_none_or(|last| past.at > last));
    let records: Vec<Record> = new.map(|past| record(past)).collect();
    let at = records.first()?.at;
    let data = serde_json::to_vec(&records).ok()?;
    Some(Document { kind: Kind::Decision, at, codec: CODEC, data })
}

fn record(recommendation: &Recommendation) -> Record {
    let decision = &recommendation.decision;
    let parts = &decision.parts;
    Record {
        at: recommendation.at,
        answer: match recommendation.answer {
            Answer::Value { .. } => "value",
            Answer::Unavailable => "unavailable",
            Answer::NoData => "no_data",
        },
        reason: decision.reason.as_str(),
        state: decision.state.as_str(),
        active: decision.active,
        desired_replicas: decision.desired_replicas,
        metric_value: decision.metric_value,
        observed: parts.observed,
        live: parts.live,
        backlog: parts.backlog,
        latency_factor: parts.latency_factor,
        forecast: parts.forecast,
        forecast_quantile: parts.forecast_quantile,
        forecast_replicas: parts.forecast_replicas,
        forecast_acts: parts.forecast_acts,
        floor_replicas: parts.floor,
        ceiling_replicas: parts.ceiling,
        hold_replicas: parts.hold,
        lead_seconds: parts.lead.as_secs(),
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use prewarm_forecaster::{Parts, Reason};

    use super::*;
    use crate::http::fixtures::recommend;

    #[test]
    fn each_change_is_noted_once() {
        let start = Timestamp::from_second(1_800_000_000).unwrap();
        let at = |slot: i32| start + SignedDuration::from_secs(15) * slot;
        let change = |slot, replicas| {
            Arc::new(recommend(at(slot), Reason::Live, replicas, Parts::default()))
        };
        let transitions = [change(0, 1), change(3, 2), change(7, 3)];
        let all = document(&transitions, None).unwrap();
        let later = document(&transitions, Some(at(3))).unwrap();
        assert_eq!((all.at, later.at, document(&transitions, Some(at(7)))), (at(0), at(7), None));
        let read = |document: &Document| {
            serde_json::from_slice::<serde_json::Value>(&document.data).unwrap()
        };
        assert_eq!(read(&all).as_array().unwrap().len(), 3);
        assert_eq!(read(&later)[0]["desiredReplicas"], 3);
        assert_eq!(read(&later)[0]["reason"], "live");
    }
}
