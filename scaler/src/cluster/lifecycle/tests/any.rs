//! Pods with whatever lives.

use super::*;

/// Any pod that an API server might show, sense or nonsense.
fn any_shown() -> impl Strategy<Value = Shown> {
    let second = || prop::option::of(-100_i64..4_000);
    let status = || prop::sample::select(vec!["True", "False", "Unknown", "?"]);
    let phase = prop::option::of(prop::sample::select(vec![
        "Pending",
        "Running",
        "Succeeded",
        "Failed",
        "Unknown",
    ]));
    let conditions = prop::collection::btree_map(
        prop::sample::select(vec!["PodScheduled", "Initialized", "ContainersReady", "Ready"]),
        (status(), -100_i64..4_000),
        0..5,
    );
    (
        conditions,
        second(),
        0..3_i32,
        prop::option::of((0_i64..4_000, -5_i64..60)),
        phase,
        any::<[bool; 3]>(),
    )
        .prop_map(|(conditions, started, restarts, leaving, phase, [gated, held, node])| {
            let conditions: BTreeMap<&str, (&str, i64)> = conditions;
            let mut shown =
                conditions.into_iter().fold(Shown::created(), |shown, (kind, (status, since))| {
                    shown.with(kind, status, since)
                });
            if let Some(second) = started {
                shown = shown.started(second);
                shown.status().container_statuses.as_mut().unwrap()[0].restart_count = restarts;
            }
            if let Some((second, grace)) = leaving {
                shown = shown.leaving(second, grace);
            }
            shown.status().phase = phase.map(str::to_owned);
            shown.spec().readiness_gates =
                gated.then(|| vec![PodReadinessGate { condition_type: "gate".into() }]);
            shown.spec().scheduling_gates =
                held.then(|| vec![PodSchedulingGate { name: "quota".into() }]);
            shown.spec().node_name = node.then(|| "gpu-1".to_owned());
            shown
        })
}

proptest! {
    #[test]
    fn a_pod_starts_once_whatever_it_shows(
        story in prop::collection::vec(any_shown(), 1..8), was_listed: bool, was_watched: bool,
    ) {
        let mut moments = story.iter().map(Shown::snapshot);
        let (mut life, first) = PodLifecycle::begin(moments.next().unwrap(), was_listed, at(0));
        let mut ended: Vec<Ended> = first.into_iter().collect();
        for (snapshot, now) in moments.zip(1..) {
            ended.extend(life.see(snapshot, at(now)));
        }
        ended.extend(life.vanish(was_watched, at(99)));
        prop_assert!(ended.len() <= 1);
        for ended in ended {
            let start_up = ended.start_up("uid", None);
            prop_assert_eq!(start_up.is_none(), ended.how == StartOutcome::Crashed);
            if let Some(start_up) = start_up {
                prop_assert!(!start_up.took.is_negative());
                prop_assert_eq!(start_up.finished, ended.pod.ready.is_some_and(|(holds, _)| holds));
                let ordered = |stages: Stages| !stages.scheduled.is_negative() && stages.scheduled <= stages.started;
                prop_assert!(start_up.stages.is_none_or(ordered));
            }
        }
    }

    #[test]
    fn it_makes_no_difference_how_often_the_same_is_shown(
        story in prop::collection::vec(any_shown(), 1..6), repeats in prop::collection::vec(1_usize..4, 6),
    ) {
        let play = |times: &[usize]| {
            let moments = story.iter().zip(times).flat_map(|(shown, n)| std::iter::repeat_n(shown.snapshot(), *n));
            let mut life: Option<PodLifecycle> = None;
            let mut ended = Vec::new();
            for snapshot in moments {
                match &mut life {
                    Some(life) => ended.extend(life.see(snapshot, at(5))),
                    none => {
                        let (begun, first) = PodLifecycle::begin(snapshot, false, at(5));
                        *none = Some(begun);
                        ended.extend(first);
                    }
                }
            }
            ended
        };
        prop_assert_eq!(play(&[1; 6]), play(&repeats));
    }
}
