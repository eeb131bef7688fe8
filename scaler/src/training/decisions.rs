//! What was decided, as a document: one for all changes since the last.

use std::sync::Arc;

use jiff::Timestamp;
use prewarm_forecaster::decide::planner::Replicas;
use prewarm_forecaster::{Answer, Recommendation};

use crate::store::document::{DecisionRecord, Document, pack_decisions};

/// Those of `transitions` (oldest first) after `last`, with the replicas that there were; `None` if
/// there are none.
pub(super) fn document(
    transitions: &[Arc<Recommendation>],
    last: Option<Timestamp>,
    replicas_at: impl Fn(Timestamp) -> Option<Replicas>,
) -> Option<Document> {
    let new = transitions.iter().filter(|past| last.is_none_or(|last| past.at > last));
    let records: Vec<DecisionRecord> = new.map(|past| record(past, replicas_at(past.at))).collect();
    pack_decisions(&records)
}

fn record(recommendation: &Recommendation, replicas: Option<Replicas>) -> DecisionRecord {
    let decision = &recommendation.decision;
    let parts = &decision.parts;
    DecisionRecord {
        at: recommendation.at,
        answer: match recommendation.answer {
            Answer::Value { .. } => "value".to_owned(),
            Answer::Unavailable => "unavailable".to_owned(),
            Answer::NoData => "no_data".to_owned(),
        },
        reason: decision.reason.as_str().to_owned(),
        state: decision.state.as_str().to_owned(),
        active: decision.active,
        desired_replicas: decision.desired_replicas,
        metric_value: decision.metric_value,
        observed: parts.observed,
        live: parts.live,
        backlog: parts.backlog,
        backlog_demand: Some(parts.backlog_demand),
        latency_factor: parts.latency_factor,
        forecast: parts.forecast,
        forecast_quantile: parts.forecast_quantile,
        forecast_replicas: parts.forecast_replicas,
        forecast_acts: parts.forecast_acts,
        floor_replicas: parts.floor,
        ceiling_replicas: parts.ceiling,
        hold_replicas: parts.hold,
        lead_seconds: parts.lead.as_secs(),
        ready: replicas.map(|replicas| replicas.ready),
        starting: replicas.map(|replicas| replicas.starting),
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
        let all = document(&transitions, None, |_| None).unwrap();
        let later = document(&transitions, Some(at(3)), |_| None).unwrap();
        assert_eq!(
            (all.at, later.at, document(&transitions, Some(at(7)), |_| None)),
            (at(0), at(7), None)
        );
        let read = |document: &Document| {
            serde_json::from_slice::<serde_json::Value>(&document.data).unwrap()
        };
        assert_eq!(read(&all).as_array().unwrap().len(), 3);
        assert_eq!(read(&later)[0]["desiredReplicas"], 3);
        assert_eq!(read(&later)[0]["reason"], "live");
    }
}
