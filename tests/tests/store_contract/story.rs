//! The life of a series, step by step.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use jiff::{SignedDuration, ToSpan};
use prewarm::config::Secret;
use prewarm::store::{self, Resolution, Row, SeriesKey, StoreError};
use prewarm_forecaster::Minute;

use crate::place::Place;
use crate::{all, at, compact, history, key, minute, rows};

over_both! {
    what_was_appended_is_kept,
    ranges_are_half_open,
    the_fuller_record_stays,
    what_is_no_record_is_refused,
    names_may_be_strange,
    ten_thousand_series_in_one_batch,
    two_replicas_write_at_once,
    replicas_start_at_once,
}

async fn what_was_appended_is_kept(place: &Place) {
    let (llama, qwen) = (key("llama"), key("qwen"));
    let written = history(at("2026-11-24T12:00:00Z"), 300);
    let store = place.open().await;
    store.ping().await.unwrap();
    store.append(&[]).await.unwrap();
    store.append(&rows(&llama, &written)).await.unwrap();
    store.append(&rows(&qwen, &written[..1])).await.unwrap();
    assert_eq!(all(&*store, &llama, Resolution::Minute).await, written);

    // Once more, shuffled: nothing changes.
    let mut again = rows(&llama, &written);
    again.reverse();
    store.append(&again).await.unwrap();
    assert_eq!(all(&*store, &llama, Resolution::Minute).await, written);

    drop(store);
    let store = place.open().await;
    assert_eq!(all(&*store, &llama, Resolution::Minute).await, written);
    assert_eq!(all(&*store, &qwen, Resolution::Minute).await, written[..1]);
    assert_eq!(all(&*store, &key("nobody"), Resolution::Minute).await, []);
}

async fn ranges_are_half_open(place: &Place) {
    let (llama, noon) = (key("llama"), at("2026-11-24T12:00:00Z"));
    let store = place.open().await;
    let written: Vec<Minute> = (0..60).map(|i| minute(noon + i.minutes(), f64::from(i))).collect();
    store.append(&rows(&llama, &written)).await.unwrap();

    let load = async |from: i64, to: i64, resolution| {
        let (from, to) =
            (noon + SignedDuration::from_secs(from), noon + SignedDuration::from_secs(to));
        let loaded = store.load(&llama, from, to, resolution).await.unwrap();
        loaded.iter().map(|m| m.start.duration_since(noon).as_mins()).collect::<Vec<_>>()
    };
    assert_eq!(load(60, 180, Resolution::Minute).await, [1, 2]);
    assert_eq!(load(61, 181, Resolution::Minute).await, [2, 3]);
    assert_eq!(load(59, 120, Resolution::Minute).await, [1]);
    assert_eq!(load(120, 120, Resolution::Minute).await, [0; 0]);
    assert_eq!(load(180, 60, Resolution::Minute).await, [0; 0]);
    assert_eq!(load(0, 900, Resolution::FiveMinutes).await, [0, 5, 10]);
    assert_eq!(load(1, 901, Resolution::FiveMinutes).await, [5, 10, 15]);
    assert_eq!(load(-600, 300, Resolution::FiveMinutes).await, [0]);
}

async fn the_fuller_record_stays(place: &Place) {
    let (llama, noon) = (key("llama"), at("2026-11-24T12:00:00Z"));
    let store = place.open().await;
    let record = |mean, samples| Minute { samples, ..minute(noon, mean) };
    // Before packing, and after it, when the first record lies in a packed day.
    for packed in [false, true] {
        let series = if packed { key("packed") } else { llama.clone() };
        let written = [
            // What is written, and what is there then.
            (record(1.0, 2), 1.0),
            (record(2.0, 1), 1.0),
            (record(3.0, 2), 3.0),
            (record(4.0, 4), 4.0),
            (record(5.0, 3), 4.0),
        ];
        for (record, expected) in written {
            store.append(&rows(&series, &[record])).await.unwrap();
            let found = all(&*store, &series, Resolution::Minute).await;
            assert_eq!(
                found.iter().map(|m| m.mean).collect::<Vec<_>>(),
                [expected],
                "packed {packed}, {record:?}"
            );
            if packed {
                compact(&*store, at("2026-11-26T12:00:00Z")).await;
                assert_eq!(all(&*store, &series, Resolution::Minute).await, found);
            }
        }
    }
    // Within one batch as well.
    let once = key("once");
    store
        .append(&rows(&once, &[record(1.0, 2), record(2.0, 3), record(3.0, 3), record(4.0, 1)]))
        .await
        .unwrap();
    assert_eq!(all(&*store, &once, Resolution::Minute).await, [record(3.0, 3)]);
    // A backlog goes with its record.
    let backlog = Minute { backlog: Some(7.0), ..record(3.0, 3) };
    store.append(&rows(&once, &[backlog])).await.unwrap();
    assert_eq!(all(&*store, &once, Resolution::Minute).await, [backlog]);
    store.append(&rows(&once, &[record(3.0, 3)])).await.unwrap();
    assert_eq!(all(&*store, &once, Resolution::Minute).await, [record(3.0, 3)]);
}

async fn what_is_no_record_is_refused(place: &Place) {
    let (llama, noon) = (key("llama"), at("2026-11-24T12:00:00Z"));
    let store = place.open().await;
    let good = minute(noon, 1.0);
    let bad = [
        Minute { mean: f64::NAN, ..good },
        Minute { mean: f64::INFINITY, ..good },
        Minute { mean: -1.0, ..good },
        Minute { max: f64::NAN, ..good },
        Minute { backlog: Some(f64::NAN), ..good },
        Minute { backlog: Some(-0.5), ..good },
        Minute { samples: 0, ..good },
        Minute { start: noon + 1.second(), ..good },
        Minute { start: noon + 1.nanosecond(), ..good },
        Minute { start: at("1969-12-31T23:59:00Z"), ..good },
    ];
    for record in bad {
        let other = Minute { start: noon + 1.minute(), ..good };
        let refused = store.append(&rows(&llama, &[other, record])).await.unwrap_err();
        assert!(matches!(refused, StoreError::Refused(_)), "{record:?}: {refused}");
        assert!(
            refused.to_string().contains("models/llama/llama-demand"),
            "names the series: {refused}"
        );
        // All or nothing: and above all no zero.
        assert_eq!(all(&*store, &llama, Resolution::Minute).await, [], "{record:?}");
    }
    let extremes = [
        Minute {
            mean: f64::MAX,
            max: f64::MAX,
            backlog: Some(f64::MAX),
            samples: u16::MAX,
            ..good
        },
        Minute {
            start: noon + 1.minute(),
            mean: f64::MIN_POSITIVE,
            max: 5e-324,
            backlog: Some(0.0),
            samples: 1,
        },
    ];
    store.append(&rows(&llama, &extremes)).await.unwrap();
    assert_eq!(all(&*store, &llama, Resolution::Minute).await, extremes);
    compact(&*store, at("2026-11-26T12:00:00Z")).await;
    assert_eq!(all(&*store, &llama, Resolution::Minute).await, extremes);
}

async fn names_may_be_strange(place: &Place) {
    let noon = at("2026-11-24T12:00:00Z");
    let store = place.open().await;
    let long = "n".repeat(253);
    let names = [
        "",
        " ",
        "'; DROP TABLE days; --",
        "\"",
        "\\",
        "%_",
        "ÄÖ",
        "模型",
        "🦙",
        "e\u{301}",
        "\u{e9}",
        "A",
        "a",
        &long,
    ];
    let keys: Vec<Arc<SeriesKey>> = names
        .iter()
        .map(|name| {
            Arc::new(SeriesKey {
                namespace: "{}".into(),
                name: name.to_string(),
                metric: "[]".into(),
            })
        })
        .collect();
    let one_each = |value: f64| {
        let row = |(i, key): (usize, &Arc<SeriesKey>)| Row {
            key: key.clone(),
            minute: minute(noon, value + i as f64),
        };
        keys.iter().enumerate().map(row).collect::<Vec<_>>()
    };
    store.append(&one_each(1.0)).await.unwrap();
    let again = place.open().await;
    for (i, key) in keys.iter().enumerate() {
        assert_eq!(
            all(&*again, key, Resolution::Minute).await,
            [minute(noon, 1.0 + i as f64)],
            "{key:?}"
        );
    }
    again.append(&one_each(2.0)).await.unwrap();
    assert_eq!(all(&*store, &keys[3], Resolution::Minute).await, [minute(noon, 5.0)]);

    for name in ["nul\0".to_owned(), "é".repeat(1_000)] {
        let key = Arc::new(SeriesKey { namespace: "models".into(), name, metric: "demand".into() });
        let refused = store.append(&rows(&key, &[minute(noon, 1.0)])).await.unwrap_err();
        assert!(matches!(refused, StoreError::Refused(_)), "{refused}");
    }
}

async fn ten_thousand_series_in_one_batch(place: &Place) {
    let noon = at("2026-11-24T12:00:00Z");
    let store = place.open().await;
    let keys: Vec<_> = (0..10_000).map(|i| key(&format!("model-{i}"))).collect();
    for tick in 0..3 {
        let row = |(i, key): (usize, &Arc<SeriesKey>)| Row {
            key: key.clone(),
            minute: minute(noon + i64::from(tick).minutes(), i as f64),
        };
        let batch: Vec<Row> = keys.iter().enumerate().map(row).collect();
        store.append(&batch).await.unwrap();
    }
    for i in [0, 1, 4_999, 9_999] {
        let expected =
            (0..3).map(|tick: i64| minute(noon + tick.minutes(), i as f64)).collect::<Vec<_>>();
        assert_eq!(all(&*store, &keys[i], Resolution::Minute).await, expected);
    }
}

async fn two_replicas_write_at_once(place: &Place) {
    let replicas = [place.open().await, place.open().await];
    let keys: Vec<_> = (0..20).map(|i| key(&format!("model-{i}"))).collect();
    let written = history(at("2026-11-20T00:00:00Z"), 3_000);
    // Both see the same minutes; each wakes up to pack at its own time.
    let work = replicas.iter().enumerate().map(|(which, store)| {
        let (keys, written) = (&keys, &written);
        async move {
            for (i, part) in written.chunks(300).enumerate() {
                let batch: Vec<Row> = keys.iter().flat_map(|key| rows(key, part)).collect();
                store.append(&batch).await.unwrap();
                if i % 3 == which {
                    store.compact(at("2026-11-24T12:00:00Z")).await.unwrap();
                }
            }
        }
    });
    join_all(work).await;
    for key in &keys {
        assert_eq!(all(&*replicas[0], key, Resolution::Minute).await, written);
    }
    join_all(replicas.iter().map(|store| store.compact(at("2026-11-24T12:00:00Z")))).await;
    // Where one replica was at a series the other left it alone, so the rest may take another run.
    replicas[0].compact(at("2026-11-24T12:00:00Z")).await.unwrap();
    assert_eq!(place.sql("DELETE FROM minutes").await, 0, "nothing was left behind");
    for key in &keys {
        assert_eq!(all(&*replicas[1], key, Resolution::Minute).await, written);
    }
}

async fn replicas_start_at_once(place: &Place) {
    let stores = join_all((0..8).map(|_| place.open())).await;
    let llama = key("llama");
    let written = history(at("2026-11-24T12:00:00Z"), 8);
    let batches: Vec<_> = written.iter().map(|&record| rows(&llama, &[record])).collect();
    // All of them meet the series for the first time.
    for result in
        join_all(stores.iter().zip(&batches).map(|(store, batch)| store.append(batch))).await
    {
        result.unwrap();
    }
    assert_eq!(all(&*stores[7], &llama, Resolution::Minute).await, written);
}

#[tokio::test]
async fn a_url_is_an_error_that_says_what_is_wrong_and_no_password() {
    let missing = tempfile::tempdir().unwrap().path().join("gone/history.db");
    let cases = [
        ("mysql://u:s3cret@h/d", "scheme \"mysql\" is unknown"),
        ("prewarm.db", "no scheme"),
        ("postgres://u:s3cret@h:port/d", "port"),
        (
            "postgres://u:s3cret@h/d?sslmode=perhaps",
            "database: unknown value \"perhaps\" for `ssl_mode`",
        ),
        (&format!("sqlite://{}", missing.display()), "does not exist"),
    ];
    for (url, says) in cases {
        let error = store::open(&Secret::new(url)).await.unwrap_err().to_string();
        assert!(error.contains(says), "{url}: {error}");
        assert!(!error.contains("s3cret"), "{url}: {error}");
    }
}

#[tokio::test]
async fn a_locked_file_is_waited_for_and_then_unavailable() {
    let place = Place::sqlite().await;
    let (llama, noon) = (key("llama"), at("2026-11-24T12:00:00Z"));
    let store = place.open().await;
    store.append(&rows(&llama, &[minute(noon, 1.0)])).await.unwrap();

    let lock = place.lock().await;
    let before = Instant::now();
    let error = store.append(&rows(&llama, &[minute(noon + 1.minute(), 2.0)])).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
    assert!((4..10).contains(&before.elapsed().as_secs()), "{:?}", before.elapsed());
    // Reading goes on, and the lock's end is noticed.
    assert_eq!(all(&*store, &llama, Resolution::Minute).await.len(), 1);
    let row = rows(&llama, &[minute(noon + 1.minute(), 2.0)]);
    let (waited, ()) = tokio::join!(store.append(&row), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        drop(lock);
    });
    waited.unwrap();
    assert_eq!(all(&*store, &llama, Resolution::Minute).await.len(), 2);
}
