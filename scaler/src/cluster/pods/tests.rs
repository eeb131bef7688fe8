use jiff::SignedDuration;
use k8s_openapi::api::core::v1::{PodCondition, PodSpec, PodStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

use super::*;
use crate::cluster::StartOutcome;
use crate::cluster::labels::selector;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

/// A pod of namespace `llm`, created at second 0; Ready since `ready`.
fn pod(uid: &str, app: &str, ready: Option<i64>) -> Pod {
    let since = |second| Some(Time(at(second)));
    let condition = |kind: &str, status: &str, second| PodCondition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        last_transition_time: since(second),
        ..PodCondition::default()
    };
    let conditions = match ready {
        Some(second) => vec![condition("Ready", "True", second)],
        None => vec![condition("Ready", "False", 1)],
    };
    Pod {
        metadata: ObjectMeta {
            namespace: Some("llm".into()),
            uid: Some(uid.into()),
            labels: Some([("app".to_owned(), app.to_owned())].into()),
            creation_timestamp: since(0),
            ..ObjectMeta::default()
        },
        spec: Some(PodSpec { node_name: Some("gpu-1".into()), ..PodSpec::default() }),
        status: Some(PodStatus { conditions: Some(conditions), ..PodStatus::default() }),
    }
}

fn llama() -> Name {
    ("llm".into(), "llama".into())
}

/// Nothing known yet, `llm/llama` followed.
fn followed() -> (Pods, watch::Receiver<Arc<TargetStatus>>) {
    let mut pods = Pods::default();
    let (out, target) = watch::channel(Arc::default());
    assert!(pods.follow(&llama(), out));
    (pods, target)
}

fn list(pods: &mut Pods, all: &[Pod], second: i64) -> Vec<Unclassified> {
    let events = all.iter().cloned().map(Event::InitApply);
    let whole = std::iter::once(Event::Init).chain(events).chain([Event::InitDone]);
    whole.flat_map(|event| pods.apply(event, at(second))).collect()
}

fn replicas(target: &watch::Receiver<Arc<TargetStatus>>) -> Option<(u32, u32)> {
    target.borrow().replicas.map(|replicas| (replicas.ready, replicas.starting))
}

#[test]
fn replicas_are_known_once_list_and_selector_are() {
    let (mut pods, target) = followed();
    list(
        &mut pods,
        &[pod("a", "llama", Some(9)), pod("b", "llama", None), pod("c", "qwen", None)],
        10,
    );
    assert_eq!(replicas(&target), None, "no selector yet");
    pods.target(&llama(), selector("app=llama"));
    assert_eq!(replicas(&target), Some((1, 1)));

    pods.apply(Event::Apply(pod("b", "llama", Some(60))), at(60));
    assert_eq!(replicas(&target), Some((2, 0)));
    pods.apply(Event::Delete(pod("a", "llama", Some(9))), at(61));
    assert_eq!(replicas(&target), Some((1, 0)));
    let mut leaving = pod("b", "llama", Some(60));
    leaving.metadata.deletion_timestamp = Some(Time(at(70)));
    pods.apply(Event::Apply(leaving), at(62));
    assert_eq!(replicas(&target), Some((0, 0)), "what is on its way out runs no more");

    // What it scales cannot be found out any more.
    pods.target(&llama(), None);
    assert_eq!(replicas(&target), None);
}

#[test]
fn what_is_not_sure_is_not_known() {
    let (mut pods, target) = followed();
    pods.target(&llama(), selector("app=llama"));
    assert_eq!(replicas(&target), None, "no list yet");
    list(&mut pods, &[], 0);
    assert_eq!(replicas(&target), None, "zero, or a selector that selects nothing ever");
    pods.apply(Event::Init, at(0));
    pods.apply(Event::InitApply(pod("a", "llama", Some(9))), at(0));
    assert_eq!(replicas(&target), None, "half a list");
    pods.apply(Event::InitDone, at(0));
    assert_eq!(replicas(&target), Some((1, 0)));

    pods.apply(Event::Delete(pod("a", "llama", Some(9))), at(50));
    assert_eq!(replicas(&target), Some((0, 0)), "it has proved to select");
    pods.apply(Event::Apply(pod("a", "llama", Some(9))), at(51));

    // Listed anew: until that is whole the old count stands, then those that went meanwhile have
    // gone.
    pods.apply(Event::Init, at(100));
    pods.apply(Event::InitApply(pod("b", "llama", Some(50))), at(100));
    assert_eq!(replicas(&target), Some((1, 0)));
    pods.apply(Event::InitDone, at(100));
    assert_eq!((replicas(&target), pods.len()), (Some((1, 0)), 1));

    pods.set_blind(true);
    assert_eq!((replicas(&target), pods.known()), (None, false));
    pods.set_blind(false);
    assert_eq!(replicas(&target), Some((1, 0)));
}

#[test]
fn a_start_up_is_told_once_to_those_who_scale_the_pod() {
    let (mut pods, target) = followed();
    pods.target(&llama(), selector("app=llama"));
    list(&mut pods, &[], 0);
    assert!(pods.apply(Event::Apply(pod("a", "llama", None)), at(1)).is_empty());
    assert!(
        pods.apply(Event::Apply(pod("q", "qwen", Some(30))), at(30)).is_empty(),
        "nobody scales it"
    );
    let ended = pods.apply(Event::Apply(pod("a", "llama", Some(40))), at(41));
    assert_eq!(ended.len(), 1);
    assert_eq!(
        (ended[0].of.clone(), ended[0].ended.how, ended[0].uid.as_str()),
        (llama(), StartOutcome::Ready, "a")
    );
    // Its node is being asked for: another word of the pod asks no second time.
    assert!(pods.apply(Event::Apply(pod("a", "llama", Some(40))), at(42)).is_empty());
    assert_eq!(target.borrow().start_ups, []);
    let node_info = NodeInfo { created: at(20), ready: Some(at(25)) };
    pods.remember(&ended[0], Some(&node_info));
    let known = target.borrow().start_ups.clone();
    assert_eq!((known.len(), known[0].took), (1, SignedDuration::from_secs(40)));
    assert_eq!(known[0].node, prewarm_forecaster::decide::lead::Node::Cold);

    // Whoever comes later hears of it as well.
    let qwen = ("llm".to_owned(), "qwen".to_owned());
    let (out, _late) = watch::channel(Arc::default());
    assert!(pods.follow(&qwen, out));
    let ended = pods.target(&qwen, selector("app=qwen"));
    assert_eq!(ended.iter().map(|one| one.uid.as_str()).collect::<Vec<_>>(), ["q"]);
    assert!(pods.target(&qwen, selector("app=qwen")).is_empty(), "nothing new");
}

#[test]
fn deleted_on_the_way_counts_even_if_nobody_saw_it() {
    let (mut pods, _fleet) = followed();
    pods.target(&llama(), selector("app=llama"));
    list(&mut pods, &[], 0);
    pods.apply(Event::Apply(pod("a", "llama", None)), at(5));
    pods.apply(Event::Apply(pod("b", "llama", None)), at(6));
    let gone = pods.apply(Event::Delete(pod("a", "llama", None)), at(20));
    let missed = list(&mut pods, &[], 300);
    for (ended, uid, second) in [(&gone, "a", 20), (&missed, "b", 6)] {
        assert_eq!(ended.len(), 1, "{uid}");
        assert_eq!(
            (ended[0].uid.as_str(), ended[0].ended.how, ended[0].ended.at),
            (uid, StartOutcome::GivenUp, at(second))
        );
    }
    assert_eq!(pods.len(), 0);
}

#[test]
fn whom_nobody_listens_to_is_forgotten() {
    let (mut pods, target) = followed();
    let (out, second) = watch::channel(Arc::default());
    assert!(!pods.follow(&llama(), out), "a second trigger of the same ScaledObject");
    drop(target);
    assert!(pods.is_followed(&llama()));
    drop(second);
    assert!(!pods.is_followed(&llama()) && !pods.is_followed(&llama()));
}

#[test]
fn the_latest_start_ups_are_kept() {
    let (mut pods, target) = followed();
    pods.target(&llama(), selector("app=llama"));
    list(&mut pods, &[], 0);
    for i in 0..60 {
        let ended =
            pods.apply(Event::Apply(pod(&format!("pod-{i}"), "llama", Some(100 + i))), at(100 + i));
        ended.iter().for_each(|one| drop(pods.remember(one, None)));
    }
    let known = target.borrow().start_ups.clone();
    assert_eq!(
        (known.len(), known[0].pod.as_str(), known[KEPT - 1].pod.as_str()),
        (KEPT, "pod-10", "pod-59")
    );
}

#[test]
fn ten_thousand_pods_are_remembered_and_no_more_than_that() {
    let (mut pods, target) = followed();
    pods.target(&llama(), selector("app=llama"));
    let all: Vec<Pod> = (0..10_000)
        .map(|i| pod(&format!("uid-{i}"), if i % 100 == 0 { "llama" } else { "other" }, None))
        .collect();
    list(&mut pods, &all, 0);
    assert_eq!((pods.len(), replicas(&target), pods.labels.len()), (10_000, Some((0, 100)), 2));
    list(&mut pods, &all[..500], 60);
    assert_eq!((pods.len(), replicas(&target)), (500, Some((0, 5))));
    // Relabelled, then all gone: no label is kept.
    pods.apply(Event::Apply(pod("uid-1", "renamed", None)), at(61));
    assert_eq!(pods.labels.len(), 3);
    list(&mut pods, &[], 120);
    assert_eq!((pods.len(), pods.labels.len(), replicas(&target)), (0, 0, Some((0, 0))));
}

#[test]
fn what_a_scaled_object_says_is_told_whether_or_not_its_pods_are_found() {
    let (mut pods, target) = followed();
    let scaling = ScaledObjectLimits::of(&serde_json::json!({"spec": {"maxReplicaCount": 7}}));
    pods.says(&llama(), (at(5), scaling));
    assert_eq!(target.borrow().scaling, Some((at(5), scaling)));
    pods.says(&("llm".into(), "nobody".into()), (at(6), scaling));
    list(&mut pods, &[pod("a", "llama", Some(9))], 10);
    pods.target(&llama(), selector("app=llama"));
    assert_eq!(
        (replicas(&target), target.borrow().scaling),
        (Some((1, 0)), Some((at(5), scaling)))
    );
}
