//! What is kept besides history: notes of every kind, and who may refit.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp, ToSpan};
use prewarm::store::HistoryStore;
use prewarm::store::SeriesKey;
use prewarm::store::StoreError;
use prewarm::store::document::{Document, Kind};
use prewarm_tests::eventually;

use crate::place::Place;
use crate::{at, key};

over_both! {
    a_note_is_kept_until_it_is_written_anew,
    the_latest_forecasts_are_kept,
    ranges_of_notes_are_half_open,
    the_latest_notes_come_oldest_first,
    old_notes_go_by_their_kind,
    a_note_on_a_name_that_cannot_be_is_refused,
}

fn note(kind: Kind, at: Timestamp, text: &str) -> Document {
    Document { kind, at, codec: 1, data: text.as_bytes().to_vec() }
}

async fn of(store: &dyn HistoryStore, key: &SeriesKey, kind: Kind) -> Vec<Document> {
    store.documents(key, kind, Timestamp::UNIX_EPOCH, at("2100-01-01T00:00:00Z")).await.unwrap()
}

async fn a_note_is_kept_until_it_is_written_anew(place: &Place) {
    let (llama, qwen, noon) = (key("llama"), key("qwen"), at("2026-11-24T12:00:00Z"));
    let store = place.open().await;
    for kind in Kind::ALL {
        assert_eq!(of(&*store, &llama, kind).await, [], "no series, no notes");
    }
    let first: Vec<Document> = Kind::ALL.map(|kind| note(kind, noon, "first")).into();
    store.save_documents(&llama, &first).await.unwrap();
    store.save_documents(&llama, &first).await.unwrap();
    store.save_documents(&llama, &[]).await.unwrap();
    let again = note(Kind::Day, noon, "again, and longer than it was");
    store.save_documents(&llama, std::slice::from_ref(&again)).await.unwrap();
    let empty = Document { data: Vec::new(), codec: 9, ..note(Kind::Selection, noon, "") };
    store.save_documents(&qwen, std::slice::from_ref(&empty)).await.unwrap();

    // Another replica, or the same one after a restart.
    drop(store);
    let store = place.open().await;
    for kind in Kind::ALL {
        let expected = if kind == Kind::Day { again.clone() } else { note(kind, noon, "first") };
        assert_eq!(of(&*store, &llama, kind).await, [expected]);
    }
    assert_eq!(of(&*store, &qwen, Kind::Selection).await, [empty]);
    assert_eq!(of(&*store, &qwen, Kind::Day).await, []);
}

async fn the_latest_forecasts_are_kept(place: &Place) {
    let (llama, noon) = (key("llama"), at("2026-11-24T12:00:00Z"));
    let store = place.open().await;
    for minutes in [0, 5, 10] {
        store
            .save_documents(&llama, &[note(Kind::Forecast, noon + minutes.minutes(), "newer")])
            .await
            .unwrap();
    }
    // A replica that is late does not push the newer ones out.
    store.save_documents(&llama, &[note(Kind::Forecast, noon, "late")]).await.unwrap();
    let kept = [5, 10].map(|minutes: i64| note(Kind::Forecast, noon + minutes.minutes(), "newer"));
    assert_eq!(
        of(&*store, &llama, Kind::Forecast).await,
        kept,
        "the newest, and the one that is still in force"
    );
}

async fn ranges_of_notes_are_half_open(place: &Place) {
    let (llama, noon) = (key("llama"), at("2026-11-24T12:00:00Z"));
    let store = place.open().await;
    let written: Vec<Document> =
        [3, 1, 2].map(|n: i64| note(Kind::Selection, noon + n.minutes(), &n.to_string())).into();
    store.save_documents(&llama, &written).await.unwrap();
    let found = store
        .documents(&llama, Kind::Selection, noon + 1.minutes(), noon + 3.minutes())
        .await
        .unwrap();
    assert_eq!(found, [written[1].clone(), written[2].clone()]);
    assert_eq!(store.documents(&llama, Kind::Day, noon, noon + 9.minutes()).await.unwrap(), []);
}

async fn the_latest_notes_come_oldest_first(place: &Place) {
    let (llama, noon) = (key("llama"), at("2026-11-24T12:00:00Z"));
    let store = place.open().await;
    assert_eq!(store.latest_documents(&llama, Kind::Selection, 2).await.unwrap(), []);
    let written: Vec<Document> =
        [3, 1, 2].map(|n: i64| note(Kind::Selection, noon + n.minutes(), &n.to_string())).into();
    store.save_documents(&llama, &written).await.unwrap();
    let found = store.latest_documents(&llama, Kind::Selection, 2).await.unwrap();
    assert_eq!(found, [written[2].clone(), written[0].clone()]);
    assert_eq!(store.latest_documents(&llama, Kind::Day, 2).await.unwrap(), []);
}

async fn old_notes_go_by_their_kind(place: &Place) {
    let (llama, now) = (key("llama"), at("2026-11-24T12:00:00Z"));
    let store = place.open().await;
    let ago = |days: i64| now - SignedDuration::from_hours(24 * days);
    for kind in Kind::ALL {
        for days in [0, 2, 4, 29, 31, 399, 401] {
            store.save_documents(&llama, &[note(kind, ago(days), "old")]).await.unwrap();
        }
    }
    store.compact(now).await.unwrap();
    store.compact(now).await.unwrap();
    for (kind, kept) in [
        (Kind::Forecast, vec![2, 0]),
        (Kind::Arrival, vec![2, 0]),
        (Kind::Blocks, vec![29, 4, 2, 0]),
        (Kind::Decision, vec![399, 31, 29, 4, 2, 0]),
        (Kind::Selection, vec![399, 31, 29, 4, 2, 0]),
        (Kind::Day, vec![399, 31, 29, 4, 2, 0]),
        (Kind::StartUps, vec![0]),
    ] {
        let found: Vec<Timestamp> =
            of(&*store, &llama, kind).await.into_iter().map(|note| note.at).collect();
        assert_eq!(found, kept.into_iter().map(ago).collect::<Vec<_>>(), "{kind:?}");
    }
}

async fn a_note_on_a_name_that_cannot_be_is_refused(place: &Place) {
    let store = place.open().await;
    let nul = SeriesKey { name: "a\0b".into(), ..(*key("llama")).clone() };
    let written =
        store.save_documents(&nul, &[note(Kind::Day, at("2026-11-24T12:00:00Z"), "x")]).await;
    assert!(matches!(written, Err(StoreError::Refused(_))), "{written:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_replica_holds_the_lease_until_it_ends() {
    let place = Place::postgres().await;
    let (ours, theirs) = (place.open().await, place.open().await);
    let (llama, qwen, span) = (key("llama"), key("qwen"), SignedDuration::from_mins(10));
    assert!(ours.lease(&llama, "a", span).await.unwrap());
    assert!(ours.lease(&llama, "a", span).await.unwrap(), "renewed");
    assert!(!theirs.lease(&llama, "b", span).await.unwrap());
    assert!(theirs.lease(&qwen, "b", span).await.unwrap(), "each series has its own");

    // Given back, it is free at once; one that ends is free then.
    assert!(ours.lease(&llama, "a", SignedDuration::ZERO).await.unwrap());
    assert!(theirs.lease(&llama, "b", SignedDuration::from_secs(1)).await.unwrap());
    assert!(!theirs.lease(&qwen, "a", span).await.unwrap());
    eventually(Duration::from_secs(10), "the lease ends", || async {
        ours.lease(&llama, "a", span).await.unwrap().then_some(())
    })
    .await;
    assert!(!theirs.lease(&llama, "b", span).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_gives_no_sign_of_life_loses_all_its_leases() {
    let place = Place::postgres().await;
    let (ours, theirs) = (place.open().await, place.open().await);
    let (span, second) = (SignedDuration::from_mins(10), SignedDuration::from_secs(1));
    let keys = ["llama", "qwen", "mistral"].map(key);
    assert!(theirs.heartbeat("b", span).await.unwrap().is_empty(), "nobody else");
    assert_eq!(ours.heartbeat("a", second * 3).await.unwrap(), ["b"]);
    for key in &keys {
        assert!(ours.lease(key, "a", span).await.unwrap());
        assert!(!theirs.lease(key, "b", span).await.unwrap(), "it lives");
    }
    eventually(Duration::from_secs(10), "a has gone", || async {
        theirs.heartbeat("b", span).await.unwrap().is_empty().then_some(())
    })
    .await;
    for key in &keys[..2] {
        assert!(theirs.lease(key, "b", span).await.unwrap());
    }
    // Back again, it has what nobody took; who says farewell leaves the rest at once.
    assert_eq!(ours.heartbeat("a", span).await.unwrap(), ["b"]);
    assert!(!ours.lease(&keys[0], "a", span).await.unwrap());
    assert!(!theirs.lease(&keys[2], "b", span).await.unwrap());
    ours.heartbeat("a", SignedDuration::ZERO).await.unwrap();
    assert!(theirs.lease(&keys[2], "b", span).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_that_ask_at_once_one_gets_it() {
    let place = Place::postgres().await;
    let store = place.open().await;
    let (llama, span) = (key("llama"), SignedDuration::from_mins(10));
    let names: Vec<String> = (0..12).map(|n| format!("replica-{n}")).collect();
    let asked = names.iter().map(|name| store.lease(&llama, name, span));
    let granted = futures::future::join_all(asked)
        .await
        .into_iter()
        .filter(|granted| *granted.as_ref().unwrap());
    assert_eq!(granted.count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_has_one_process_that_may_always() {
    let place = Place::sqlite().await;
    let store = place.open().await;
    for holder in ["before the crash", "after it"] {
        assert!(store.lease(&key("llama"), holder, SignedDuration::from_mins(10)).await.unwrap());
    }
}
