//! What KEDA and the HPA make of a resource that looks fine. Facts are KEDA 2.21's, checked in its
//! source.

use std::collections::BTreeMap;

use prewarm_forecaster::calendar::{Window, ZeroRule};

use super::address;
use super::finding::Level;
use super::resource::{Kind, Resource, Trigger};
use super::tree::{Node, Tree};
use crate::trigger::Parsed;

/// KEDA's default of `maxReplicaCount`.
pub(super) const MAX_REPLICAS: i64 = 100;

/// A trigger of ours and what its metadata means.
#[derive(Debug)]
pub(super) struct Read {
    /// Index among all triggers of the resource.
    pub(super) index: usize,
    pub(super) parsed: Parsed,
}

/// Looks for traps in a resource that has at least one trigger of ours.
pub(super) fn find(resource: &mut Resource<'_>, read: &[Read]) {
    address::find(resource);
    metric_types(resource, read);
    paused(resource);
    kind_and_flag(resource, read);
    equal_names(resource, read);
    if resource.kind == Kind::ScaledJob {
        job_metric_types(resource);
        return;
    }
    hpa_name(resource);
    replicas(resource, read);
    fallback(resource);
    modifiers(resource);
    stabilization(resource);
}

fn metric_types(resource: &mut Resource<'_>, read: &[Read]) {
    for Read { index, .. } in read {
        let trigger = &resource.triggers[*index];
        let (path, tree) = (trigger.path.clone(), trigger.tree);
        match tree.text("metricType").filter(|_| resource.kind == Kind::ScaledObject) {
            Some("Value") => resource.error(
                &format!("{path}.metricType"),
                "is Value",
                Some("the HPA would multiply the ready pods, so replicas that are still loading make it overshoot; use AverageValue"),
            ),
            Some("Utilization") => resource.error(
                &format!("{path}.metricType"),
                "is Utilization",
                Some("KEDA refuses it for external metrics; use AverageValue"),
            ),
            _ => {}
        }
        if tree.at("useCachedMetrics").is_some_and(|tree| tree.node == Node::Flag(true))
            && resource.tree.at("spec.fallback").is_some()
        {
            resource.warn(
                &format!("{path}.useCachedMetrics"),
                "stands beside a fallback",
                Some("each read of a cached error counts again and each cached fallback value resets the count, so fallback and errors alternate; use one of them"),
            );
        }
    }
}

fn kind_and_flag(resource: &mut Resource<'_>, read: &[Read]) {
    for Read { index, .. } in read {
        let trigger = &resource.triggers[*index];
        let path = trigger.path.clone();
        let flagged = trigger.metadata.get("scaledJob").is_some_and(|flag| flag.trim() == "true");
        let push = trigger.tree.text("type") == Some("external-push");
        match resource.kind {
            Kind::ScaledJob if !flagged => resource.error(
                &format!("{path}.metadata.scaledJob"),
                "is missing: write scaledJob: \"true\"",
                Some("each unit of a forecast or floor would start a real job, and a request does not tell us that it is for a ScaledJob"),
            ),
            Kind::ScaledObject if flagged => resource.error(
                &format!("{path}.metadata.scaledJob"),
                "is true in a ScaledObject",
                Some("floors and forecasts are switched off by it; remove the key"),
            ),
            _ => {}
        }
        if resource.kind == Kind::ScaledJob && push {
            resource.warn(
                &format!("{path}.type"),
                "is external-push",
                Some("KEDA ignores pushes for a ScaledJob; use external"),
            );
        }
    }
}

/// Annotations that stop KEDA, or keep a workload up, for as long as they are there. They are often
/// left from an incident.
fn paused(resource: &mut Resource<'_>) {
    const PREFIX: &str = "autoscaling.keda.sh/";
    let Some(annotations) = resource.tree.at("metadata.annotations") else { return };
    for (key, value) in annotations.entries() {
        let Some(name) = key.strip_prefix(PREFIX) else { continue };
        let effect = match name {
            "paused" => "KEDA scales nothing while it is there",
            "paused-replicas" => "KEDA holds this number of replicas while it is there",
            "paused-scale-in" => "KEDA never scales in while it is there",
            "paused-scale-out" => "KEDA never scales out while it is there, no forecast acts",
            "force-activation" => "the workload never goes to zero while it is there",
            _ => continue,
        };
        let path = format!("metadata.annotations.{key}");
        let text = if let Node::Text(text) = &value.node { text.as_str() } else { "" };
        let off = ["false", "0", "f", "F", "FALSE", "False"].contains(&text);
        if name == "paused-replicas" && text.parse::<i32>().is_err() {
            let problem = format!("{text:?} is no number");
            resource.find_at(
                value.line,
                Level::Error,
                &path,
                problem,
                Some("KEDA pauses, at no number that it knows"),
            );
        } else if !off || name == "paused-replicas" {
            let advice =
                "left from an incident? Take the annotation out, or leave it if it is meant";
            resource.find_at(
                value.line,
                Level::Warning,
                &path,
                format!("is set: {effect}"),
                Some(advice),
            );
        }
    }
}

/// A metric type of whichever trigger, ours or not, leaves the whole ScaledJob unready (KEDA's
/// `reconcileScaledJob`).
fn job_metric_types(resource: &mut Resource<'_>) {
    let typed = |trigger: &&Trigger<'_>| {
        trigger.tree.text("metricType").is_some_and(|kind| !kind.is_empty())
    };
    let paths: Vec<String> =
        resource.triggers.iter().filter(typed).map(|trigger| trigger.path.clone()).collect();
    for path in paths {
        resource.error(
            &format!("{path}.metricType"),
            "is set in a ScaledJob",
            Some("KEDA refuses the whole ScaledJob then and starts no job; remove the line"),
        );
    }
}

fn equal_names(resource: &mut Resource<'_>, read: &[Read]) {
    let mut first: BTreeMap<&str, usize> = BTreeMap::new();
    let mut twins = Vec::new();
    for Read { index, parsed } in read {
        let Ok(spec) = &parsed.spec else { continue };
        match first.get(spec.name.as_str()) {
            Some(twin) => twins.push((*index, *twin, spec.name.clone())),
            None => drop(first.insert(&spec.name, *index)),
        }
    }
    for (index, twin, name) in twins {
        resource.error(
            &format!("spec.triggers[{index}]"),
            format!("has the metric name of spec.triggers[{twin}], {name}"),
            Some("they would share one history and overwrite each other's settings; give one of them a metricName"),
        );
    }
}

fn hpa_name(resource: &mut Resource<'_>) {
    const CUSTOM: &str = "spec.advanced.horizontalPodAutoscalerConfig.name";
    let (path, length) = match resource.tree.text(CUSTOM) {
        Some(name) => (CUSTOM, name.len()),
        None => ("metadata.name", "keda-hpa-".len() + resource.name.len()),
    };
    if length > 63 {
        let problem = format!("gives the HPA a name of {length} characters");
        resource.error(
            path,
            problem,
            Some("KEDA refuses more than 63 (keda-hpa-<name>); shorten it"),
        );
    }
}

fn replicas(resource: &mut Resource<'_>, read: &[Read]) {
    let min = resource.whole("minReplicaCount").unwrap_or(0);
    let max = resource.whole("maxReplicaCount").unwrap_or(MAX_REPLICAS);
    let idle = resource.whole("idleReplicaCount");
    if idle.is_some_and(|idle| idle > 0 && idle < min.max(1)) {
        resource.error(
            "spec.idleReplicaCount",
            "is not 0",
            Some("KEDA supports no other value; set minReplicaCount for a floor"),
        );
    }
    let reaches_zero = min == 0 || idle == Some(0);
    if reaches_zero && resource.whole("cooldownPeriod") == Some(0) {
        resource.error(
            "spec.cooldownPeriod",
            "is 0",
            Some("a scaler that KEDA is just rebuilding counts as inactive for one poll: that poll would scale to zero; use 60 or more"),
        );
    }
    for Read { index, parsed } in read {
        let Ok(trigger) = &parsed.trigger else { continue };
        let metadata = format!("spec.triggers[{index}].metadata");
        let windows = trigger.policy.calendar.windows();
        let at = |key: &str| format!("{metadata}.{key}");
        let own = resource.triggers[*index].metadata.contains_key("windows");
        let windows_key = if own { "windows" } else { "policyRef" };
        let above =
            |window: &&Window| window.min_replicas.is_some_and(|floor| i64::from(floor) > max);
        if let Some(window) = windows.iter().find(above) {
            let floor = window.min_replicas.unwrap_or_default();
            resource.error(
                &at(windows_key),
                format!(
                    "window {:?} wants {floor} replicas, maxReplicaCount is {max}",
                    window.name
                ),
                Some("the HPA never goes above maxReplicaCount; raise it or lower the floor"),
            );
        }
        let below =
            |window: &&Window| window.max_replicas.is_some_and(|ceiling| i64::from(ceiling) < min);
        if let Some(window) = windows.iter().find(below) {
            let ceiling = window.max_replicas.unwrap_or_default();
            resource.warn(
                &at(windows_key),
                format!(
                    "window {:?} allows {ceiling} replicas, minReplicaCount is {min}",
                    window.name
                ),
                Some("the HPA never goes below minReplicaCount; lower it or raise the ceiling"),
            );
        }
        if reaches_zero {
            continue;
        }
        let asked = resource.triggers[*index]
            .metadata
            .get("scaleToZero")
            .is_some_and(|rule| rule.trim() != "never");
        if asked || windows.iter().any(|window| window.scale_to_zero == Some(ZeroRule::Allowed)) {
            let key = if asked { "scaleToZero" } else { windows_key };
            resource.warn(
                &at(key),
                format!("allows zero, minReplicaCount is {min}"),
                Some("KEDA never goes to zero then; set minReplicaCount: 0, or idleReplicaCount: 0 to wake straight to the minimum"),
            );
        }
    }
}

fn fallback(resource: &mut Resource<'_>) {
    let Some(replicas) = resource.whole("fallback.replicas") else { return };
    if replicas == 0 {
        resource.error(
            "spec.fallback.replicas",
            "is 0",
            Some("in an outage KEDA would scale to zero instead of holding; use 1 or more, or no fallback at all (then it holds)"),
        );
    } else if matches!(
        resource.tree.text("spec.fallback.behavior"),
        None | Some("static" | "currentReplicasIfLower")
    ) {
        resource.warn(
            "spec.fallback",
            format!("may lower running replicas to {replicas} in an outage"),
            Some("write behavior: currentReplicasIfHigher"),
        );
    }
}

fn modifiers(resource: &mut Resource<'_>) {
    const PATH: &str = "spec.advanced.scalingModifiers";
    if resource.tree.at(&format!("{PATH}.formula")).is_none() {
        return;
    }
    resource.warn(
        PATH,
        "replaces threshold by its own target, and our word on activity by its activationTarget",
        Some("keep-warm and start-up before a window then work with type external-push only; write the target in the unit of the demand"),
    );
}

fn stabilization(resource: &mut Resource<'_>) {
    const PATH: &str = "advanced.horizontalPodAutoscalerConfig.behavior";
    for direction in ["scaleUp", "scaleDown"] {
        let key = format!("{PATH}.{direction}.stabilizationWindowSeconds");
        if resource.whole(&key).is_some_and(|seconds| !(0..=3600).contains(&seconds)) {
            resource.error(
                &format!("spec.{key}"),
                "is out of range",
                Some("Kubernetes allows 0 to 3600"),
            );
        }
    }
    let up = format!("{PATH}.scaleUp.stabilizationWindowSeconds");
    if let Some(seconds) = resource.whole(&up).filter(|seconds| (1..=3600).contains(seconds)) {
        let problem = format!("delays every scale-up by {seconds} s");
        resource.find(
            Level::Warning,
            &format!("spec.{up}"),
            problem,
            Some("demand is smoothed before it gets here; use 0"),
        );
    }
}

/// `advanced.horizontalPodAutoscalerConfig.behavior`.
pub(super) fn behavior(tree: &Tree) -> Option<&Tree> {
    tree.at("spec.advanced.horizontalPodAutoscalerConfig.behavior")
}
