//! What a Pod object says about its start, as far as we look. The generated types end here.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{ContainerStatus, Node, Pod, PodCondition, PodStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// A condition: whether it holds, and since when.
pub(super) type Condition = (bool, Timestamp);

/// A pod at one moment. Instants have whole seconds, by the clocks of API server, scheduler and
/// kubelet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PodSnapshot {
    /// When it was created.
    pub(super) created: Timestamp,
    /// When a node was found for it.
    pub(super) scheduled: Option<Timestamp>,
    /// When the newest of its running main containers was started.
    pub(super) started: Option<Timestamp>,
    /// `ContainersReady`.
    pub(super) containers_ready: Option<Condition>,
    /// `Ready`.
    pub(super) ready: Option<Condition>,
    /// It is Ready only when others say so as well (readiness gates), after its containers.
    pub(super) gated: bool,
    /// A container ended and was started again.
    pub(super) restarted: bool,
    /// Kept back from the scheduler: it waits for a quota, not for a node_info.
    pub(super) held: bool,
    /// When it was told to go.
    pub(super) leaving: Option<Timestamp>,
    /// Its containers have ended for good, in success or not.
    pub(super) over: Option<Over>,
    /// Where it runs.
    pub(super) node: Option<String>,
}

/// How a pod ended by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// `Succeeded`.
    Done,
    /// `Failed`: evicted, or its containers gave up.
    Failed,
}

impl PodSnapshot {
    /// Reads it; `None` for an object that has no creation timestamp, which the API server never
    /// sends.
    pub(super) fn of(pod: &Pod) -> Option<Self> {
        let created = instant(pod.metadata.creation_timestamp.as_ref())?;
        let none = PodStatus::default();
        let status = pod.status.as_ref().unwrap_or(&none);
        let condition = |kind: &str| {
            let all = status.conditions.iter().flatten();
            all.filter(|condition| condition.type_ == kind).find_map(since)
        };
        let spec = pod.spec.as_ref();
        let mains = status.container_statuses.iter().flatten();
        let started = mains.clone().filter_map(|container| {
            instant(container.state.as_ref()?.running.as_ref()?.started_at.as_ref())
        });
        Some(Self {
            created,
            scheduled: condition("PodScheduled").filter(|(holds, _)| *holds).map(|(_, at)| at),
            started: started.max(),
            containers_ready: condition("ContainersReady"),
            ready: condition("Ready"),
            gated: spec
                .and_then(|spec| spec.readiness_gates.as_ref())
                .is_some_and(|gates| !gates.is_empty()),
            restarted: mains.clone().any(has_restarted),
            held: spec
                .and_then(|spec| spec.scheduling_gates.as_ref())
                .is_some_and(|gates| !gates.is_empty()),
            leaving: leaving(pod),
            over: match status.phase.as_deref() {
                Some("Succeeded") => Some(Over::Done),
                Some("Failed") => Some(Over::Failed),
                _ => None,
            },
            node: spec.and_then(|spec| spec.node_name.clone()).filter(|name| !name.is_empty()),
        })
    }

    /// Ready, and nobody has told it to go.
    pub(super) fn is_ready(&self) -> bool {
        self.runs() && self.ready.is_some_and(|(holds, _)| holds)
    }

    /// A replica, Ready or not yet.
    pub(super) fn runs(&self) -> bool {
        self.leaving.is_none() && self.over.is_none()
    }
}

/// Init containers may fail and be tried again as part of a start; a restart policy of theirs says
/// nothing of the model.
fn has_restarted(container: &ContainerStatus) -> bool {
    container.restart_count > 0
        || container.last_state.as_ref().is_some_and(|state| state.terminated.is_some())
}

/// The deletion timestamp lies as far ahead as the pod may take to end.
fn leaving(pod: &Pod) -> Option<Timestamp> {
    let ends = instant(pod.metadata.deletion_timestamp.as_ref())?;
    let grace =
        SignedDuration::from_secs(pod.metadata.deletion_grace_period_seconds.unwrap_or(0).max(0));
    Some(ends.saturating_sub(grace).unwrap_or(ends))
}

fn since(condition: &PodCondition) -> Option<Condition> {
    let holds = match condition.status.as_str() {
        "True" => true,
        "False" => false,
        _ => return None,
    };
    Some((holds, instant(condition.last_transition_time.as_ref())?))
}

fn instant(time: Option<&Time>) -> Option<Timestamp> {
    time.map(|time| time.0)
}

/// Behind such a controller a pod is no replica of anything that scales.
const NO_REPLICAS: [&str; 3] = ["DaemonSet", "Job", "Node"];

/// Whether the pod may be a replica of something that has a scale subresource.
pub(super) fn may_be_replica(pod: &Pod) -> bool {
    let mut owners = pod.metadata.owner_references.iter().flatten();
    !owners
        .any(|owner| owner.controller == Some(true) && NO_REPLICAS.contains(&owner.kind.as_str()))
}

/// A node, as far as a start-up depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NodeInfo {
    /// When it was created.
    pub(super) created: Timestamp,
    /// Since when it has been Ready, if it is.
    pub(super) ready: Option<Timestamp>,
}

impl NodeInfo {
    /// Reads it.
    pub(super) fn of(node: &Node) -> Option<Self> {
        let created = instant(node.metadata.creation_timestamp.as_ref())?;
        let conditions =
            node.status.iter().filter_map(|status| status.conditions.as_ref()).flatten();
        let ready =
            conditions.filter(|condition| condition.type_ == "Ready" && condition.status == "True");
        Some(Self {
            created,
            ready: ready
                .filter_map(|condition| instant(condition.last_transition_time.as_ref()))
                .next(),
        })
    }
}
