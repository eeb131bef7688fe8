//! Checkpoints: of each series the youngest.

use jiff::{SignedDuration, Timestamp, ToSpan};
use prewarm::store::checkpoint::{PackedCheckpoint, SeriesCheckpoint};
use prewarm::store::{SeriesKey, StoreError};

use crate::place::Place;
use crate::{at, compact, key};

over_both! {
    a_checkpoint_takes_the_place_of_an_older_one,
    a_batch_holds_many_series,
    a_checkpoint_of_a_time_that_has_not_come_gives_way,
    old_checkpoints_go,
    a_checkpoint_of_a_name_that_cannot_be_is_refused,
}

fn checkpoint(name: &str, at: Timestamp, text: &str) -> SeriesCheckpoint {
    (key(name), PackedCheckpoint { at, codec: 1, data: text.as_bytes().to_vec() })
}

async fn a_checkpoint_takes_the_place_of_an_older_one(place: &Place) {
    let noon = at("2026-11-24T12:00:00Z");
    let store = place.open().await;
    assert_eq!(store.checkpoint(&key("llama")).await.unwrap(), None, "no series");
    store.save_checkpoints(&[]).await.unwrap();
    let first = checkpoint("llama", noon, "first");
    store.save_checkpoints(std::slice::from_ref(&first)).await.unwrap();
    assert_eq!(store.checkpoint(&key("llama")).await.unwrap(), Some(first.1.clone()));
    // Another replica's of the same slot changes nothing, one that is late neither.
    let late =
        [checkpoint("llama", noon, "the other's"), checkpoint("qwen", noon, "another series")];
    store.save_checkpoints(&late).await.unwrap();
    store.save_checkpoints(&[checkpoint("llama", noon - 1.minutes(), "late")]).await.unwrap();
    assert_eq!(store.checkpoint(&key("llama")).await.unwrap(), Some(first.1));

    let second = checkpoint("llama", noon + 15.seconds(), "second, and longer");
    store.save_checkpoints(std::slice::from_ref(&second)).await.unwrap();
    // Another replica, or the same one after a restart.
    drop(store);
    let store = place.open().await;
    assert_eq!(store.checkpoint(&key("llama")).await.unwrap(), Some(second.1));
    assert_eq!(store.checkpoint(&key("qwen")).await.unwrap(), Some(late[1].1.clone()));
}

async fn a_batch_holds_many_series(place: &Place) {
    let noon = at("2026-11-24T12:00:00Z");
    let store = place.open().await;
    for round in 0..2 {
        let at = noon + i64::from(round).minutes();
        let name = |n: i32| format!("series-{}", n * 7_919 % 2_000);
        let batch: Vec<_> = (0..2_000)
            .map(|n| checkpoint(&name(n), at, &format!("{n} of round {round}")))
            .collect();
        store.save_checkpoints(&batch).await.unwrap();
        for (key, packed) in batch.iter().step_by(97) {
            assert_eq!(store.checkpoint(key).await.unwrap().as_ref(), Some(packed));
        }
    }
}

async fn a_checkpoint_of_a_time_that_has_not_come_gives_way(place: &Place) {
    let noon = at("2026-11-24T12:00:00Z");
    let store = place.open().await;
    store
        .save_checkpoints(&[checkpoint("llama", noon + 24.hours(), "a clock was wrong")])
        .await
        .unwrap();
    let right = checkpoint("llama", noon, "right");
    store.save_checkpoints(std::slice::from_ref(&right)).await.unwrap();
    assert_eq!(store.checkpoint(&key("llama")).await.unwrap(), Some(right.1));
}

async fn old_checkpoints_go(place: &Place) {
    let now = at("2026-11-24T12:00:00Z");
    let store = place.open().await;
    let of = |days: i64| {
        checkpoint(&format!("{days}"), now - SignedDuration::from_hours(24 * days), "x")
    };
    store.save_checkpoints(&[of(0), of(29), of(31)]).await.unwrap();
    compact(&*store, now).await;
    for (days, kept) in [(0, true), (29, true), (31, false)] {
        assert_eq!(
            store.checkpoint(&key(&format!("{days}"))).await.unwrap().is_some(),
            kept,
            "{days} days"
        );
    }
}

async fn a_checkpoint_of_a_name_that_cannot_be_is_refused(place: &Place) {
    let store = place.open().await;
    let nul = SeriesKey { name: "a\0b".into(), ..(*key("llama")).clone() };
    let (_, packed) = checkpoint("llama", at("2026-11-24T12:00:00Z"), "x");
    let written = store.save_checkpoints(&[(nul.into(), packed)]).await;
    assert!(matches!(written, Err(StoreError::Refused(_))), "{written:?}");
}
