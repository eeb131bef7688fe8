use proptest::prelude::*;

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn seconds(n: i64) -> SignedDuration {
    SignedDuration::from_secs(n)
}

fn start_up(pod: &str, second: i64, took: i64) -> StartUp {
    let (pod, at, took) = (pod.to_owned(), at(second), seconds(took));
    StartUp { pod, at, node: Node::Warm, took, finished: true, stages: None }
}

fn history(tooks: impl IntoIterator<Item = i64>) -> ColdStartHistory {
    let mut history = ColdStartHistory::default();
    let all: Vec<StartUp> =
        (0..).zip(tooks).map(|(i, took)| start_up(&format!("pod-{i}"), i, took)).collect();
    history.apply(&all);
    history
}

fn lead(history: &ColdStartHistory) -> Option<SignedDuration> {
    history.assumed().map(|assumed| assumed.lead)
}

#[test]
fn each_pod_counts_once_and_the_latest_fifty_are_kept() {
    let mut history = history((0..60).map(|i| 100 + i));
    assert_eq!(history.seen.len(), KEPT);
    assert!(!history.seen.contains_key("pod-9") && history.seen.contains_key("pod-10"));
    assert!(!history.apply(&[start_up("pod-59", 59, 159)]), "no news");
    assert!(!history.apply(&[start_up("pod-0", 0, 100)]), "too old to be news");
    assert_eq!(history.start_ups().cold_start(), Some(seconds(154)));
}

#[test]
fn a_note_brings_it_all_back() {
    let mut full = history([60, 70, 80, 90, 200]);
    let cold = StartUp {
        node: Node::Cold,
        stages: Some(Stages {
            scheduled: seconds(90),
            started: SignedDuration::from_millis(120_500),
        }),
        ..start_up("new-node", 40, 400)
    };
    full.apply(&[cold, StartUp { finished: false, ..start_up("given-up", 41, 30) }]);
    let document = full.document().unwrap();
    assert_eq!((document.kind, document.at), (Kind::StartUps, at(41)));
    assert_eq!(ColdStartHistory::of(&document), Some(full));
    assert!(document.data.len() < 1_500, "{} bytes", document.data.len());
    assert_eq!(ColdStartHistory::default().document(), None);
}

#[test]
fn what_is_no_note_of_ours_is_nothing() {
    let document = history([60; 5]).document().unwrap();
    assert_eq!(ColdStartHistory::of(&Document { codec: 2, ..document.clone() }), None);
    let text = String::from_utf8(document.data.clone()).unwrap();
    for (from, to) in
        [("\"warm\"", "\"tepid\""), ("60.0", "-60.0"), ("60.0", "1e300"), ("[{", "[[")]
    {
        let data = text.replace(from, to).into_bytes();
        assert_eq!(
            ColdStartHistory::of(&Document { data, ..document.clone() }),
            None,
            "{from} → {to}"
        );
    }
}

#[test]
fn the_bank_follows_where_the_learned_cold_start_has_moved_by_more_than_a_quarter() {
    let mut history = history([100; 4]);
    assert_eq!(lead(&history), None, "too few");
    history.apply(&[start_up("a", 10, 100)]);
    assert_eq!(lead(&history), Some(seconds(100)));
    let slower = |history: &mut ColdStartHistory, name: &str, took| {
        let all: Vec<StartUp> =
            (0..60).map(|i| start_up(&format!("{name}-{i}"), 1_000 + i, took)).collect();
        history.apply(&all);
        (history.start_ups().cold_start(), lead(history))
    };
    assert_eq!(slower(&mut history, "b", 125), (Some(seconds(125)), Some(seconds(100))));
    let mut later = history.clone();
    let all: Vec<StartUp> = (0..60).map(|i| start_up(&format!("c-{i}"), 5_000 + i, 126)).collect();
    later.apply(&all);
    assert_eq!(lead(&later), Some(seconds(126)));
    // Back by less than a quarter of that: it stays.
    let all: Vec<StartUp> = (0..60).map(|i| start_up(&format!("d-{i}"), 9_000 + i, 100)).collect();
    later.apply(&all);
    assert_eq!(
        (later.start_ups().cold_start(), lead(&later)),
        (Some(seconds(100)), Some(seconds(126)))
    );
    // After a restart: what the store's sums were simulated with.
    let mut fresh = ColdStartHistory::default();
    assert!(fresh.merge(&ColdStartHistory::of(&later.document().unwrap()).unwrap()));
    assert_eq!(lead(&fresh), Some(seconds(126)));
}

#[test]
fn the_bank_follows_where_the_mean_has_moved_though_the_slowest_are_as_before() {
    let mut history = history([[60; 5].as_slice(), &[300; 5]].concat());
    let drawn = |history: &ColdStartHistory| {
        history.assumed().map(|assumed| assumed.drawn.clone()).unwrap_or_default()
    };
    assert_eq!(drawn(&history), [60, 60, 60, 60, 60, 300, 300, 300, 300, 300].map(seconds));
    let more: Vec<StartUp> =
        (0..30).map(|i| start_up(&format!("new-{i}"), 1_000 + i, 60)).collect();
    history.apply(&more);
    assert_eq!(
        (lead(&history), drawn(&history)[7..].to_vec()),
        (Some(seconds(300)), [60, 60, 300].map(seconds).to_vec())
    );
    // What an older version wrote has none: all take the lead, and that is no reason to begin anew.
    let document = history.document().unwrap();
    let mut record: serde_json::Value = serde_json::from_slice(&document.data).unwrap();
    record.as_object_mut().unwrap().remove("assumedStartUpsSeconds");
    let old =
        ColdStartHistory::of(&Document { data: serde_json::to_vec(&record).unwrap(), ..document })
            .unwrap();
    assert_eq!((lead(&old), drawn(&old)), (Some(seconds(300)), vec![]));
}

#[test]
fn people_see_both_classes_and_the_stages() {
    let mut history = history([100; 6]);
    let stages = |scheduled, started| {
        Some(Stages { scheduled: seconds(scheduled), started: seconds(started) })
    };
    history.apply(&[
        StartUp { stages: stages(1, 30), ..start_up("x", 20, 110) },
        StartUp { stages: stages(3, 50), ..start_up("y", 21, 110) },
        StartUp { stages: stages(200, 260), node: Node::Cold, ..start_up("z", 22, 400) },
        StartUp { finished: false, node: Node::Cold, ..start_up("gone", 23, 9) },
    ]);
    let starts = history.starts();
    assert_eq!(starts.stages, Some((seconds(3), seconds(50))));
    let class = |of: &NodeStarts| (of.node, of.ready, of.given_up, of.cold_start, of.took.len());
    assert_eq!(
        starts.nodes.iter().map(class).collect::<Vec<_>>(),
        [(Node::Warm, 8, 0, Some(seconds(110)), 8), (Node::Cold, 1, 1, None, 1)]
    );
}

fn any_start_ups() -> impl Strategy<Value = Vec<StartUp>> {
    let one = ("[a-f]{1,2}", 0_i64..2_000, 0_i64..4_000, any::<[bool; 2]>()).prop_map(
        |(pod, second, took, [warm, finished])| StartUp {
            node: if warm { Node::Warm } else { Node::Cold },
            finished,
            ..start_up(&pod, second, took)
        },
    );
    prop::collection::vec(one, 0..80)
}

proptest! {
    #[test]
    fn replicas_of_ours_come_to_agree_in_whatever_order_they_write(a in any_start_ups(), b in any_start_ups()) {
        let of = |first: &[StartUp], then: &[StartUp]| {
            let mut history = ColdStartHistory::default();
            history.apply(first);
            let mut other = ColdStartHistory::default();
            other.apply(then);
            history.merge(&other);
            history
        };
        let (ab, ba) = (of(&a, &b), of(&b, &a));
        prop_assert_eq!(&ab.seen, &ba.seen);
        prop_assert_eq!(ab.start_ups().cold_start(), ba.start_ups().cold_start());
        // Once more changes nothing.
        let mut again = ab.clone();
        prop_assert!(!again.merge(&ab));
    }

    #[test]
    fn notes_come_back(all in any_start_ups()) {
        let mut history = ColdStartHistory::default();
        history.apply(&all);
        prop_assert_eq!(history.document().as_ref().and_then(ColdStartHistory::of).unwrap_or_default(), history);
    }

    #[test]
    fn any_bytes_are_read_or_refused(data in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = ColdStartHistory::of(&Document { kind: Kind::StartUps, at: at(0), codec: 1, data });
    }
}

fn scaling(max: u32) -> ScaledObjectLimits {
    let (polling, hpa_window) = (None, Some(seconds(0)));
    ScaledObjectLimits { min: 0, idle: false, max, cooldown: seconds(300), polling, hpa_window }
}

#[test]
fn of_what_a_scaled_object_said_the_latest_counts_whoever_heard_it() {
    let mut history = ColdStartHistory::default();
    assert!(!history.update_limits(None) && history.scaling().is_none());
    assert!(history.update_limits(Some((at(10), scaling(4)))));
    assert!(!history.update_limits(Some((at(600), scaling(4)))), "no news");
    assert!(!history.update_limits(None), "what cannot be read any more was said all the same");
    // Another replica asked after the edit; ours still says what it heard before.
    let mut other = history.clone();
    assert!(other.update_limits(Some((at(20), scaling(8)))) && history.merge(&other));
    assert!(
        !history.update_limits(Some((at(10), scaling(4)))) && history.scaling() == Some(scaling(8))
    );
    // The edit is taken back.
    assert!(history.update_limits(Some((at(30), scaling(4)))) && !history.merge(&other));
    assert_eq!(history.scaling(), Some(scaling(4)));
}

#[test]
fn what_a_scaled_object_said_is_noted_with_and_without_start_ups() {
    let mut history = ColdStartHistory::default();
    history.update_limits(Some((
        at(10),
        ScaledObjectLimits {
            polling: Some(seconds(5)),
            hpa_window: None,
            idle: true,
            min: 2,
            ..scaling(9)
        },
    )));
    let document = history.document().unwrap();
    assert_eq!((ColdStartHistory::of(&document), document.at), (Some(history.clone()), at(10)));
    history.apply(&[start_up("earlier", 5, 60)]);
    assert_eq!(
        (ColdStartHistory::of(&history.document().unwrap()), history.document().unwrap().at),
        (Some(history.clone()), at(10))
    );
    history.apply(&[start_up("later", 15, 60)]);
    assert_eq!(history.document().unwrap().at, at(15));
    // As an older version wrote it.
    let old = Document {
        data: br#"{"assumedColdStartSeconds":null,"startUps":[]}"#.to_vec(),
        ..document
    };
    assert_eq!(ColdStartHistory::of(&old), Some(ColdStartHistory::default()));
}
