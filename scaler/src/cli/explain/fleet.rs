//! Replicas and where the lead comes from, in words.

use super::words::{number, span};
use crate::dashboard::api::{Fleet, Policy, Replicas, StartUps};

/// Sentences; none where there is nothing to tell.
pub(super) fn tell(fleet: &Fleet, policy: Option<&Policy>) -> Vec<String> {
    let mut lines = Vec::new();
    lines.push(match fleet.replicas {
        Some(Replicas { ready, starting }) => format!("The cluster has {ready} ready and {starting} starting."),
        None => "How many replicas there are is not known here.".to_owned(),
    });
    let seen: Vec<String> = fleet.start_ups.iter().filter_map(class).collect();
    let seed = policy.map(|policy| span(policy.cold_start_seconds));
    let (learned, seed) = (fleet.cold_start_seconds.map(span), seed.unwrap_or_default());
    let lead = match (fleet.lead.as_str(), learned) {
        ("learned", Some(learned)) => Some(format!("Cold start {learned}, learned (the trigger says {seed})")),
        ("fixed", Some(learned)) => Some(format!("The lead is fixed by leadTime; cold starts take {learned}")),
        ("seed", _) if !seen.is_empty() => {
            Some(format!("Cold start {seed}, as the trigger says: too few were seen to learn it"))
        }
        ("seed", _) => Some(format!("Cold start {seed}, as the trigger says: none was seen yet")),
        _ => None,
    };
    let seen = if seen.is_empty() { String::new() } else { format!(": {}", seen.join("; ")) };
    lines.extend(lead.map(|lead| format!("{lead}{seen}.")));
    if let (Some(scheduled), Some(started)) = (fleet.scheduled_seconds, fleet.started_seconds) {
        lines.push(format!(
            "A start: {} until it has a node, {} until its containers run.",
            span(scheduled),
            span(started)
        ));
    }
    lines
}

fn class(class: &StartUps) -> Option<String> {
    let mut text = match class.node.as_str() {
        "cold" => format!("{} on new nodes", number(f64::from(class.ready))),
        _ => format!("{} on nodes that were there", number(f64::from(class.ready))),
    };
    if let Some(took) = class.cold_start_seconds {
        text += &format!(" ({})", span(took));
    }
    if class.given_up > 0 {
        text += &format!(", {} given up", class.given_up);
    }
    (class.ready + class.given_up > 0).then_some(text)
}
