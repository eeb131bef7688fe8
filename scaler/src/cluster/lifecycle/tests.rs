mod any;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStatus,
    Node as NodeObject, NodeCondition, NodeStatus, Pod, PodCondition, PodReadinessGate,
    PodSchedulingGate, PodSpec, PodStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};
use proptest::prelude::*;

use super::*;
use crate::cluster::pod::may_be_replica;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn time(second: i64) -> Option<Time> {
    Some(Time(at(second)))
}

fn seconds(n: i64) -> SignedDuration {
    SignedDuration::from_secs(n)
}

fn condition(kind: &str, status: &str, since: i64) -> PodCondition {
    let (type_, status) = (kind.to_owned(), status.to_owned());
    PodCondition { type_, status, last_transition_time: time(since), ..PodCondition::default() }
}

/// A pod as the API server shows it, created at second 0.
#[derive(Debug, Clone)]
struct Shown(Pod);

impl Shown {
    fn created() -> Self {
        let metadata = ObjectMeta {
            uid: Some("uid".into()),
            creation_timestamp: time(0),
            ..ObjectMeta::default()
        };
        Self(Pod { metadata, spec: Some(PodSpec::default()), status: Some(PodStatus::default()) })
    }

    fn spec(&mut self) -> &mut PodSpec {
        self.0.spec.as_mut().unwrap()
    }

    fn status(&mut self) -> &mut PodStatus {
        self.0.status.as_mut().unwrap()
    }

    fn with(mut self, kind: &str, status: &str, since: i64) -> Self {
        let all = self.status().conditions.get_or_insert_default();
        all.retain(|condition| condition.type_ != kind);
        all.push(condition(kind, status, since));
        self
    }

    /// Bound to a node; the kubelet has seen it a second later.
    fn scheduled(mut self, second: i64) -> Self {
        self.spec().node_name = Some("gpu-1".into());
        let bound = self.with("PodScheduled", "True", second);
        bound.with("Ready", "False", second + 1).with("ContainersReady", "False", second + 1)
    }

    /// Its container runs.
    fn started(mut self, second: i64) -> Self {
        let running = ContainerStateRunning { started_at: time(second) };
        let state = Some(ContainerState { running: Some(running), ..ContainerState::default() });
        let container =
            ContainerStatus { name: "model".into(), state, ..ContainerStatus::default() };
        self.status().container_statuses = Some(vec![container]);
        self
    }

    /// Its container ended and runs again.
    fn restarted(self, second: i64) -> Self {
        let mut again = self.started(second);
        let container = &mut again.status().container_statuses.as_mut().unwrap()[0];
        container.restart_count = 1;
        let terminated =
            ContainerStateTerminated { exit_code: 137, ..ContainerStateTerminated::default() };
        container.last_state =
            Some(ContainerState { terminated: Some(terminated), ..ContainerState::default() });
        again
    }

    fn ready(self, second: i64) -> Self {
        self.with("ContainersReady", "True", second).with("Ready", "True", second)
    }

    fn unready(self, second: i64) -> Self {
        self.with("ContainersReady", "False", second).with("Ready", "False", second)
    }

    /// Told to go at `second`, with `grace` seconds to do so.
    fn leaving(mut self, second: i64, grace: i64) -> Self {
        self.0.metadata.deletion_timestamp = time(second + grace);
        self.0.metadata.deletion_grace_period_seconds = Some(grace);
        self
    }

    fn phase(mut self, phase: &str) -> Self {
        self.status().phase = Some(phase.into());
        self
    }

    fn snapshot(&self) -> PodSnapshot {
        PodSnapshot::of(&self.0).unwrap()
    }
}

/// Seen one after the other from its creation on, each ten seconds after the one before, then
/// (perhaps) gone.
fn watched(story: &[Shown], gone: bool) -> Vec<Ended> {
    let mut moments = story.iter().map(Shown::snapshot);
    let (mut life, first) = PodLifecycle::begin(moments.next().unwrap(), false, at(0));
    let mut ended: Vec<Ended> = first.into_iter().collect();
    let mut now = 0;
    for snapshot in moments {
        now += 10;
        ended.extend(life.see(snapshot, at(now)));
    }
    if gone {
        ended.extend(life.vanish(true, at(now + 10)));
    }
    ended
}

fn listed(pod: &Shown) -> Option<Ended> {
    PodLifecycle::begin(pod.snapshot(), true, at(1_000_000)).1
}

fn brief(ended: &[Ended]) -> Vec<(StartOutcome, i64)> {
    ended.iter().map(|ended| (ended.how, ended.at.duration_since(at(0)).as_secs())).collect()
}

fn usual() -> [Shown; 4] {
    let created = Shown::created();
    let scheduled = created.clone().scheduled(2);
    let started = scheduled.clone().started(40);
    let ready = started.clone().ready(200);
    [created, scheduled, started, ready]
}

#[test]
fn creation_to_ready_with_its_stages() {
    let ended = watched(&usual(), true);
    assert_eq!(brief(&ended), [(StartOutcome::Ready, 200)]);
    let start_up = ended[0].start_up("uid", None).unwrap();
    assert_eq!((start_up.took, start_up.finished, start_up.node), (seconds(200), true, Node::Warm));
    assert_eq!(start_up.stages, Some(Stages { scheduled: seconds(2), started: seconds(40) }));
}

#[test]
fn later_restarts_flaps_and_the_end_are_no_start_ups() {
    let [.., ready] = usual();
    let flap = ready.clone().unready(500);
    let back = flap.clone().ready(520);
    let again = ready.clone().restarted(600).unready(601);
    let served = again.clone().ready(700);
    let story =
        [usual().to_vec(), vec![flap, back, again, served.clone(), served.leaving(900, 30)]]
            .concat();
    assert_eq!(brief(&watched(&story, true)), [(StartOutcome::Ready, 200)]);
}

#[test]
fn deleted_before_ready_is_given_up_when_it_was_told_to_go() {
    let [created, scheduled, started, _] = usual();
    for (story, expected) in [
        // The deletion timestamp lies a grace period ahead.
        (vec![created.clone(), scheduled.clone(), started.clone().leaving(100, 30)], 100),
        (vec![created.clone(), created.clone().leaving(50, 0)], 50),
        // Removed without a word: the watch says so ten seconds after the last snapshot.
        (vec![created.clone(), scheduled.clone()], 20),
        // Evicted: seen at that moment, or by then.
        (vec![created.clone(), scheduled.clone(), started.clone().phase("Failed")], 20),
    ] {
        assert_eq!(brief(&watched(&story, true)), [(StartOutcome::GivenUp, expected)]);
    }
    let never = watched(&[created.clone(), created.leaving(50, 0)], true);
    // No node_info was ever there for it.
    assert_eq!(
        never[0].start_up("uid", None).map(|seen| (seen.node, seen.finished)),
        Some((Node::Cold, false))
    );
}

#[test]
fn gone_while_nobody_watched_it_had_not_started_when_it_was_last_seen() {
    let [created, scheduled, ..] = usual();
    let (mut life, _) = PodLifecycle::begin(created.snapshot(), false, at(0));
    assert_eq!(life.see(scheduled.snapshot(), at(30)), None);
    assert_eq!(
        life.vanish(false, at(9_000)).map(|ended| (ended.how, ended.at)),
        Some((StartOutcome::GivenUp, at(30)))
    );
}

#[test]
fn a_crash_on_the_way_makes_it_neither_short_nor_long() {
    let [created, scheduled, started, _] = usual();
    let crashed = started.clone().restarted(120);
    let ready = crashed.clone().ready(400);
    let ended = watched(
        &[created.clone(), scheduled.clone(), started.clone(), crashed.clone(), ready],
        true,
    );
    assert_eq!(brief(&ended), [(StartOutcome::Crashed, 400)]);
    assert_eq!(ended[0].start_up("uid", None), None);
    let ended = watched(&[created, scheduled, crashed.clone(), crashed.leaving(90, 0)], true);
    assert_eq!(brief(&ended), [(StartOutcome::Crashed, 90)]);
}

#[test]
fn what_waits_for_a_quota_or_runs_to_an_end_is_no_replica() {
    let mut held = Shown::created();
    held.spec().scheduling_gates = Some(vec![PodSchedulingGate { name: "quota".into() }]);
    let [_, scheduled, started, ready] = usual();
    assert_eq!(watched(&[held, scheduled.clone(), started.clone(), ready], true), []);
    assert_eq!(watched(&[scheduled, started.clone(), started.phase("Succeeded")], true), []);
}

#[test]
fn clocks_that_differ_make_no_negative_time() {
    let early = Shown::created().scheduled(-3).started(-2).ready(-1);
    let start_up = watched(&[early], false)[0].start_up("uid", None).unwrap();
    assert_eq!(
        (start_up.took, start_up.stages.unwrap().started),
        (SignedDuration::ZERO, SignedDuration::ZERO)
    );
}

#[test]
fn of_pods_that_were_there_before_us_only_what_can_be_their_first_ready_counts() {
    let [created, scheduled, started, ready] = usual();
    // Took its time to load, yet plausible.
    assert_eq!(
        brief(&listed(&ready).into_iter().collect::<Vec<_>>()),
        [(StartOutcome::Ready, 200)]
    );
    let slow = started.clone().ready(40 + 30 * 60);
    assert!(listed(&slow).is_some());
    for (pod, why) in [
        (
            started.clone().ready(40 + 30 * 60 + 1),
            "Ready so long after its container's start: it was so before",
        ),
        (started.clone().restarted(120).ready(200), "a container was restarted, before or after"),
        (
            ready.clone().with("Ready", "True", 500),
            "its node was away: the containers stayed ready",
        ),
        (ready.clone().leaving(600, 30), "on its way out"),
        (Shown::created().scheduled(2).ready(200), "no container runs"),
        (ready.clone().phase("Succeeded"), "done"),
    ] {
        assert_eq!(listed(&pod), None, "{why}");
        let (mut life, _) = PodLifecycle::begin(pod.snapshot(), true, at(1_000));
        assert_eq!(life.see(pod.ready(2_000).snapshot(), at(2_000)), None, "{why}: nor later");
        assert_eq!(life.vanish(true, at(3_000)), None, "{why}: nor in the end");
    }
    // A gate opens after the containers: both transitions are the first.
    let mut gated = ready.clone().with("Ready", "True", 260);
    gated.spec().readiness_gates =
        Some(vec![PodReadinessGate { condition_type: "lb/attached".into() }]);
    assert_eq!(listed(&gated).map(|ended| ended.at), Some(at(260)));
    // Still starting when we came: its end is seen.
    for pod in [created, scheduled, started] {
        let (mut life, ended) = PodLifecycle::begin(pod.snapshot(), true, at(60));
        assert_eq!(ended, None);
        assert_eq!(
            life.see(ready.snapshot(), at(200)).map(|ended| ended.how),
            Some(StartOutcome::Ready)
        );
    }
    // Ready once, and not just now.
    let lost = ready.unready(900);
    let (mut life, ended) = PodLifecycle::begin(lost.snapshot(), true, at(1_000));
    assert_eq!((ended, life.see(lost.ready(1_100).snapshot(), at(1_100))), (None, None));
}

#[test]
fn new_nodes_and_nodes_that_came_back_are_cold() {
    let ready = watched(&usual().map(|shown| shown.0).map(Shown), false).remove(0);
    let node_info =
        |created: i64, ready: Option<i64>| NodeInfo { created: at(created), ready: ready.map(at) };
    for (node_info, node) in [
        (node_info(-9_000, Some(-8_900)), Node::Warm),
        (node_info(-9_000, None), Node::Warm),
        (node_info(30, Some(80)), Node::Cold),
        // Stopped, and started for it.
        (node_info(-9_000, Some(1)), Node::Cold),
        // Away for a moment after the pod had come.
        (node_info(-9_000, Some(90)), Node::Warm),
        // Made for somebody else, just before.
        (node_info(0, Some(0)), Node::Warm),
    ] {
        assert_eq!(ready.start_up("uid", Some(&node_info)).unwrap().node, node, "{node_info:?}");
    }
}

#[test]
fn nodes_are_read_as_they_are() {
    let condition = |status: &str| NodeCondition {
        type_: "Ready".into(),
        status: status.into(),
        last_transition_time: time(7),
        ..NodeCondition::default()
    };
    let node = |conditions| NodeObject {
        metadata: ObjectMeta { creation_timestamp: time(3), ..ObjectMeta::default() },
        status: Some(NodeStatus { conditions, ..NodeStatus::default() }),
        ..NodeObject::default()
    };
    let ready = |conditions| NodeInfo::of(&node(conditions)).unwrap().ready;
    assert_eq!(ready(Some(vec![condition("True")])), Some(at(7)));
    assert_eq!((ready(Some(vec![condition("Unknown")])), ready(None)), (None, None));
    assert_eq!(NodeInfo::of(&NodeObject::default()), None);
}

#[test]
fn daemons_jobs_and_static_pods_are_no_replicas() {
    let owned = |kind: &str, controller| {
        let mut pod = Shown::created().0;
        let owner = OwnerReference {
            kind: kind.into(),
            controller: Some(controller),
            ..OwnerReference::default()
        };
        pod.metadata.owner_references = Some(vec![owner]);
        may_be_replica(&pod)
    };
    assert!(["ReplicaSet", "StatefulSet", "LeaderWorkerSet"].iter().all(|kind| owned(kind, true)));
    assert!(!["DaemonSet", "Job", "Node"].iter().any(|kind| owned(kind, true)));
    assert!(owned("Job", false) && may_be_replica(&Shown::created().0));
}
