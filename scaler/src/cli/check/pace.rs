//! Whether KEDA and the HPA can keep the pace that the lead time asks for.

use jiff::SignedDuration;
use prewarm_forecaster::control::keda::POLLING;
use prewarm_forecaster::decide::policy::LeadTime;
use prewarm_forecaster::decide::timing::LoopTiming;

use super::finding::Level;
use super::ramp::ScaleUp;
use super::resource::{Kind, Resource};
use super::traps::{Read, behavior};
use crate::duration::text;

/// A ramp that takes longer is worth a word although the lead allows for it.
const LONG_RAMP: SignedDuration = SignedDuration::from_secs(60);

/// Looks at every trigger of ours in a ScaledObject.
pub(super) fn find(resource: &mut Resource<'_>, read: &[Read], rhythm: &LoopTiming) {
    if resource.kind == Kind::ScaledJob {
        return;
    }
    let polling = resource.whole("pollingInterval").map_or(POLLING, SignedDuration::from_secs);
    let reaches_zero = resource.whole("minReplicaCount").unwrap_or(0) == 0
        || resource.whole("idleReplicaCount") == Some(0);
    for Read { index, parsed } in read {
        let Ok(trigger) = &parsed.trigger else { continue };
        let lead = match trigger.policy.lead_time {
            LeadTime::Fixed(lead) => Some(lead),
            LeadTime::Auto => None,
        };
        let push = resource.triggers[*index].tree.text("type") == Some("external-push");
        polls(resource, *index, polling, lead, reaches_zero && !push, rhythm);
        let target = resource.whole("maxReplicaCount").and_then(|max| u32::try_from(max).ok());
        if let Some(target) = target {
            ramps(
                resource,
                *index,
                target,
                if push { SignedDuration::ZERO } else { polling },
                lead,
                trigger.policy.cold_start,
                rhythm,
            );
        }
    }
}

/// From zero, KEDA is the one that wakes, and it asks once per polling interval unless we push.
fn polls(
    resource: &mut Resource<'_>,
    index: usize,
    polling: SignedDuration,
    lead: Option<SignedDuration>,
    wakes_by_polling: bool,
    rhythm: &LoopTiming,
) {
    if !wakes_by_polling {
        return;
    }
    const PATH: &str = "spec.pollingInterval";
    const ADVICE: &str = "lower pollingInterval, or use type external-push, which wakes at once";
    if let Some(lead) = lead.filter(|lead| polling > *lead) {
        let problem = format!(
            "is {}, longer than leadTime {}: KEDA may ask too late to wake from zero",
            text(polling),
            text(lead)
        );
        resource.warn(PATH, problem, Some(ADVICE));
    } else if lead.is_none() && polling > rhythm.keda_poll {
        let problem = format!(
            "is {}, the lead time reckons with {} (rhythm.kedaPollingInterval of the server)",
            text(polling),
            text(rhythm.keda_poll)
        );
        resource.warn(PATH, problem, Some(ADVICE));
    } else {
        let problem = format!(
            "is external: waking from zero waits for KEDA's next poll, up to {}",
            text(polling)
        );
        let advice = "external-push wakes at once";
        resource.find(Level::Note, &format!("spec.triggers[{index}].type"), problem, Some(advice));
    }
}

/// From one to the maximum, the HPA decides how many replicas it adds at once.
fn ramps(
    resource: &mut Resource<'_>,
    index: usize,
    target: u32,
    polling: SignedDuration,
    lead: Option<SignedDuration>,
    cold_start: SignedDuration,
    rhythm: &LoopTiming,
) {
    let up = ScaleUp::read(behavior(resource.tree));
    let from = resource
        .whole("minReplicaCount")
        .and_then(|min| u32::try_from(min).ok())
        .unwrap_or(0)
        .max(1);
    let path = if up.is_plain() {
        "spec.maxReplicaCount"
    } else {
        "spec.advanced.horizontalPodAutoscalerConfig.behavior.scaleUp"
    };
    let advice = format!(
        "allow more at once: scaleUp.policies: [{{type: Pods, value: {target}, periodSeconds: 15}}]"
    );
    let Some(ramp) = up.ramp(from, target) else {
        return resource.error(
            path,
            format!("never gets from {from} to {target} replicas"),
            Some(&advice),
        );
    };
    if let Some(lead) = lead {
        let needed = polling + rhythm.hpa_sync + ramp + cold_start;
        if needed > lead {
            let problem = format!(
                "from {from} to {target} replicas takes {}: {} until the HPA asks, {} to ramp, {} cold start; leadTime is {}",
                text(needed),
                text(polling + rhythm.hpa_sync),
                text(ramp),
                text(cold_start),
                text(lead)
            );
            let advice = format!("set leadTime: {} or more, or auto; or {advice}", text(needed));
            resource.warn(
                &format!("spec.triggers[{index}].metadata.leadTime"),
                problem,
                Some(&advice),
            );
        }
        return;
    }
    // `leadTime: auto` allows for the ramp of an HPA without behavior.
    let expected = ScaleUp::plain().ramp(from, target).unwrap_or(ramp);
    if ramp > expected {
        let problem = format!(
            "takes {} from {from} to {target} replicas, the lead time reckons with {}",
            text(ramp),
            text(expected)
        );
        resource.warn(path, problem, Some(&advice));
    } else if ramp > LONG_RAMP {
        let problem =
            format!("takes {} to reach from {from}, which lengthens the lead time", text(ramp));
        resource.find(Level::Note, path, problem, Some(&advice));
    }
}
