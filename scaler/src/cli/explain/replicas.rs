//! Replicas and where the lead comes from, in words.

use crate::http::api::{Policy, ReplicaStatus, Replicas, ScaledObjectLimits, StartUps};
use crate::http::words::{number, span};

/// Sentences; none where there is nothing to tell.
pub(super) fn render(replicas: &ReplicaStatus, policy: Option<&Policy>) -> Vec<String> {
    let mut lines = Vec::new();
    lines.push(match replicas.replicas {
        Some(Replicas { ready, starting }) => {
            format!("The cluster has {ready} ready and {starting} starting.")
        }
        None => "How many replicas there are is not known here.".to_owned(),
    });
    lines.extend(replicas.scaling.as_ref().map(limits));
    let seen: Vec<String> = replicas.start_ups.iter().filter_map(class).collect();
    let seed = policy.map(|policy| span(policy.cold_start_seconds));
    let (learned, seed) = (replicas.cold_start_seconds.map(span), seed.unwrap_or_default());
    let lead = match (replicas.lead.as_str(), learned) {
        ("learned", Some(learned)) => {
            Some(format!("Cold start {learned}, learned (the trigger says {seed})"))
        }
        ("fixed", Some(learned)) => {
            Some(format!("The lead is fixed by leadTime; cold starts take {learned}"))
        }
        ("seed", _) if !seen.is_empty() => {
            Some(format!("Cold start {seed}, as the trigger says: too few were seen to learn it"))
        }
        ("seed", _) => Some(format!("Cold start {seed}, as the trigger says: none was seen yet")),
        _ => None,
    };
    let seen = if seen.is_empty() { String::new() } else { format!(": {}", seen.join("; ")) };
    lines.extend(lead.map(|lead| format!("{lead}{seen}.")));
    if let (Some(scheduled), Some(started)) = (replicas.scheduled_seconds, replicas.started_seconds)
    {
        lines.push(format!(
            "A start: {} until it has a node, {} until its containers run.",
            span(scheduled),
            span(started)
        ));
    }
    lines
}

fn limits(scaling: &ScaledObjectLimits) -> String {
    let idle = if scaling.none_while_idle { " (none while idle)" } else { "" };
    let held = match scaling.hpa_window_seconds {
        Some(0.0) => "leaves it to Prewarm how long replicas stay".to_owned(),
        window => {
            let long = window
                .map_or_else(|| "as long as the controller says, mostly 5 min".to_owned(), span);
            format!(
                "keeps replicas for {long} (scaleDown.stabilizationWindowSeconds: 0 leaves that to Prewarm)"
            )
        }
    };
    format!(
        "The ScaledObject allows {} to {} replicas{idle}, and its HPA {held}.",
        scaling.min_replicas, scaling.max_replicas
    )
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_says_how_long_replicas_stay_is_told() {
        let told = |none_while_idle, hpa_window_seconds| {
            let (min_replicas, max_replicas, cooldown_seconds, polling_seconds) =
                (2, 8, 300.0, None);
            limits(&ScaledObjectLimits {
                min_replicas,
                max_replicas,
                none_while_idle,
                cooldown_seconds,
                polling_seconds,
                hpa_window_seconds,
            })
        };
        assert_eq!(
            told(true, Some(0.0)),
            "The ScaledObject allows 2 to 8 replicas (none while idle), and its HPA leaves it to Prewarm how long replicas stay."
        );
        let for_long = |window| {
            told(false, window).contains("keeps replicas for as long as the controller says")
        };
        assert!(
            for_long(None)
                && !for_long(Some(60.0))
                && told(false, Some(60.0)).contains("for 1 min (scaleDown")
        );
    }
}
