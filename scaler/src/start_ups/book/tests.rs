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

fn book(tooks: impl IntoIterator<Item = i64>) -> Book {
    let mut book = Book::default();
    let all: Vec<StartUp> = (0..).zip(tooks).map(|(i, took)| start_up(&format!("pod-{i}"), i, took)).collect();
    book.take_in(&all);
    book
}

fn lead(book: &Book) -> Option<SignedDuration> {
    book.assumed().map(|assumed| assumed.lead)
}

#[test]
fn each_pod_counts_once_and_the_latest_fifty_are_kept() {
    let mut book = book((0..60).map(|i| 100 + i));
    assert_eq!(book.seen.len(), KEPT);
    assert!(!book.seen.contains_key("pod-9") && book.seen.contains_key("pod-10"));
    assert!(!book.take_in(&[start_up("pod-59", 59, 159)]), "no news");
    assert!(!book.take_in(&[start_up("pod-0", 0, 100)]), "too old to be news");
    assert_eq!(book.start_ups().cold_start(), Some(seconds(154)));
}

#[test]
fn a_note_brings_it_all_back() {
    let mut full = book([60, 70, 80, 90, 200]);
    let cold = StartUp {
        node: Node::Cold,
        stages: Some(Stages { scheduled: seconds(90), started: SignedDuration::from_millis(120_500) }),
        ..start_up("new-node", 40, 400)
    };
    full.take_in(&[cold, StartUp { finished: false, ..start_up("given-up", 41, 30) }]);
    let note = full.note().unwrap();
    assert_eq!((note.kind, note.at), (Kind::StartUps, at(41)));
    assert_eq!(Book::of(&note), Some(full));
    assert!(note.data.len() < 1_500, "{} bytes", note.data.len());
    assert_eq!(Book::default().note(), None);
}

#[test]
fn what_is_no_note_of_ours_is_nothing() {
    let note = book([60; 5]).note().unwrap();
    assert_eq!(Book::of(&Note { codec: 2, ..note.clone() }), None);
    let text = String::from_utf8(note.data.clone()).unwrap();
    for (from, to) in [("\"warm\"", "\"tepid\""), ("60.0", "-60.0"), ("60.0", "1e300"), ("[{", "[[")] {
        let data = text.replace(from, to).into_bytes();
        assert_eq!(Book::of(&Note { data, ..note.clone() }), None, "{from} → {to}");
    }
}

#[test]
fn the_bank_follows_where_the_learned_cold_start_has_moved_by_more_than_a_quarter() {
    let mut book = book([100; 4]);
    assert_eq!(lead(&book), None, "too few");
    book.take_in(&[start_up("a", 10, 100)]);
    assert_eq!(lead(&book), Some(seconds(100)));
    let slower = |book: &mut Book, name: &str, took| {
        let all: Vec<StartUp> = (0..60).map(|i| start_up(&format!("{name}-{i}"), 1_000 + i, took)).collect();
        book.take_in(&all);
        (book.start_ups().cold_start(), lead(book))
    };
    assert_eq!(slower(&mut book, "b", 125), (Some(seconds(125)), Some(seconds(100))));
    let mut later = book.clone();
    let all: Vec<StartUp> = (0..60).map(|i| start_up(&format!("c-{i}"), 5_000 + i, 126)).collect();
    later.take_in(&all);
    assert_eq!(lead(&later), Some(seconds(126)));
    // Back by less than a quarter of that: it stays.
    let all: Vec<StartUp> = (0..60).map(|i| start_up(&format!("d-{i}"), 9_000 + i, 100)).collect();
    later.take_in(&all);
    assert_eq!((later.start_ups().cold_start(), lead(&later)), (Some(seconds(100)), Some(seconds(126))));
    // After a restart: what the store's sums were simulated with.
    let mut fresh = Book::default();
    assert!(fresh.merge(&Book::of(&later.note().unwrap()).unwrap()));
    assert_eq!(lead(&fresh), Some(seconds(126)));
}

#[test]
fn the_bank_follows_where_the_mean_has_moved_though_the_slowest_are_as_before() {
    let mut book = book([[60; 5].as_slice(), &[300; 5]].concat());
    let drawn = |book: &Book| book.assumed().map(|assumed| assumed.drawn.clone()).unwrap_or_default();
    assert_eq!(drawn(&book), [60, 60, 60, 60, 60, 300, 300, 300, 300, 300].map(seconds));
    let more: Vec<StartUp> = (0..30).map(|i| start_up(&format!("new-{i}"), 1_000 + i, 60)).collect();
    book.take_in(&more);
    assert_eq!((lead(&book), drawn(&book)[7..].to_vec()), (Some(seconds(300)), [60, 60, 300].map(seconds).to_vec()));
    // What an older version wrote has none: all take the lead, and that is no reason to begin anew.
    let note = book.note().unwrap();
    let mut record: serde_json::Value = serde_json::from_slice(&note.data).unwrap();
    record.as_object_mut().unwrap().remove("assumedStartUpsSeconds");
    let old = Book::of(&Note { data: serde_json::to_vec(&record).unwrap(), ..note }).unwrap();
    assert_eq!((lead(&old), drawn(&old)), (Some(seconds(300)), vec![]));
}

#[test]
fn people_see_both_classes_and_the_stages() {
    let mut book = book([100; 6]);
    let stages = |scheduled, started| Some(Stages { scheduled: seconds(scheduled), started: seconds(started) });
    book.take_in(&[
        StartUp { stages: stages(1, 30), ..start_up("x", 20, 110) },
        StartUp { stages: stages(3, 50), ..start_up("y", 21, 110) },
        StartUp { stages: stages(200, 260), node: Node::Cold, ..start_up("z", 22, 400) },
        StartUp { finished: false, node: Node::Cold, ..start_up("gone", 23, 9) },
    ]);
    let starts = book.starts();
    assert_eq!(starts.stages, Some((seconds(3), seconds(50))));
    let class = |node, ready, given_up, cold_start| NodeStarts { node, ready, given_up, cold_start };
    assert_eq!(starts.nodes, [class(Node::Warm, 8, 0, Some(seconds(110))), class(Node::Cold, 1, 1, None)]);
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
            let mut book = Book::default();
            book.take_in(first);
            let mut other = Book::default();
            other.take_in(then);
            book.merge(&other);
            book
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
        let mut book = Book::default();
        book.take_in(&all);
        prop_assert_eq!(book.note().as_ref().and_then(Book::of).unwrap_or_default(), book);
    }

    #[test]
    fn any_bytes_are_read_or_refused(data in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Book::of(&Note { kind: Kind::StartUps, at: at(0), codec: 1, data });
    }
}

fn scaling(max: u32) -> Scaling {
    let (polling, hpa_window) = (None, Some(seconds(0)));
    Scaling { min: 0, idle: false, max, cooldown: seconds(300), polling, hpa_window }
}

#[test]
fn of_what_a_scaled_object_said_the_latest_counts_whoever_heard_it() {
    let mut book = Book::default();
    assert!(!book.hear(None) && book.scaling().is_none());
    assert!(book.hear(Some((at(10), scaling(4)))));
    assert!(!book.hear(Some((at(600), scaling(4)))), "no news");
    assert!(!book.hear(None), "what cannot be read any more was said all the same");
    // Another replica asked after the edit; ours still says what it heard before.
    let mut other = book.clone();
    assert!(other.hear(Some((at(20), scaling(8)))) && book.merge(&other));
    assert!(!book.hear(Some((at(10), scaling(4)))) && book.scaling() == Some(scaling(8)));
    // The edit is taken back.
    assert!(book.hear(Some((at(30), scaling(4)))) && !book.merge(&other));
    assert_eq!(book.scaling(), Some(scaling(4)));
}

#[test]
fn what_a_scaled_object_said_is_noted_with_and_without_start_ups() {
    let mut book = Book::default();
    book.hear(Some((
        at(10),
        Scaling { polling: Some(seconds(5)), hpa_window: None, idle: true, min: 2, ..scaling(9) },
    )));
    let note = book.note().unwrap();
    assert_eq!((Book::of(&note), note.at), (Some(book.clone()), at(10)));
    book.take_in(&[start_up("earlier", 5, 60)]);
    assert_eq!((Book::of(&book.note().unwrap()), book.note().unwrap().at), (Some(book.clone()), at(10)));
    book.take_in(&[start_up("later", 15, 60)]);
    assert_eq!(book.note().unwrap().at, at(15));
    // As an older version wrote it.
    let old = Note { data: br#"{"assumedColdStartSeconds":null,"startUps":[]}"#.to_vec(), ..note };
    assert_eq!(Book::of(&old), Some(Book::default()));
}
