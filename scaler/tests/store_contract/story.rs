//! The life of a series, step by step.

use jiff::ToSpan;
use prewarm::config::Secret;
use prewarm::store::{self, Resolution, StoreError};
use prewarm_forecaster::Minute;

use crate::{at, key, minute, rows};

#[tokio::test]
async fn a_file_keeps_what_was_appended() {
    let directory = tempfile::tempdir().unwrap();
    let url = Secret::new(format!("sqlite://{}/history.db", directory.path().display()));
    let llama = key("llama");
    let noon = at("2026-11-24T12:00:00Z");
    let day = [
        minute(noon, 1.25),
        Minute { backlog: Some(0.1 + 0.2), ..minute(noon + 1.minute(), 0.0) },
        // 12:02 was not observed.
        minute(noon + 3.minutes(), 1.0 / 3.0),
    ];

    let store = store::open(&url).await.unwrap();
    store.append(&rows(&llama, &day)).await.unwrap();
    store.append(&rows(&llama, &day[..2])).await.unwrap();
    drop(store);

    let store = store::open(&url).await.unwrap();
    let loaded = store.load(&llama, noon, noon + 1.hour(), Resolution::Minute).await.unwrap();
    assert_eq!(loaded, day);
    let half_open = store.load(&llama, noon + 1.minute(), noon + 3.minutes(), Resolution::Minute).await.unwrap();
    assert_eq!(half_open, day[1..2]);
    let bad = store.append(&rows(&llama, &[minute(noon, f64::NAN)])).await.unwrap_err();
    assert!(matches!(bad, StoreError::Refused(_)), "{bad}");
    assert!(store.load(&key("other"), noon, noon + 1.hour(), Resolution::Minute).await.unwrap().is_empty());
}

#[tokio::test]
async fn packing_changes_nothing() {
    let store = store::open(&Secret::new("sqlite::memory:")).await.unwrap();
    let llama = key("llama");
    let start = at("2026-11-20T00:00:00Z");
    let minutes: Vec<Minute> =
        (0..4_000).filter(|i| i % 97 != 0).map(|i| minute(start + i.minutes(), f64::from(i % 13) / 3.0)).collect();
    let end = start + 5000.minutes();
    store.append(&rows(&llama, &minutes)).await.unwrap();

    let before = store.load(&llama, start, end, Resolution::Minute).await.unwrap();
    let coarse = store.load(&llama, start, end, Resolution::FiveMinutes).await.unwrap();
    assert_eq!(before, minutes);
    let done = store.compact(at("2026-11-22T12:00:00Z")).await.unwrap();
    assert_eq!((done.days_packed, done.rows_packed), (2, 2850));
    assert_eq!(store.load(&llama, start, end, Resolution::Minute).await.unwrap(), minutes);
    assert_eq!(store.load(&llama, start, end, Resolution::FiveMinutes).await.unwrap(), coarse);
    let done = store.compact(at("2026-11-22T12:00:00Z")).await.unwrap();
    assert_eq!(done, Default::default());

    let done = store.compact(at("2026-12-27T12:00:00Z")).await.unwrap();
    assert_eq!((done.days_packed, done.days_thinned, done.days_dropped), (1, 2, 0));
    assert_eq!(store.load(&llama, start, end, Resolution::FiveMinutes).await.unwrap(), coarse);
    let done = store.compact(at("2028-01-01T12:00:00Z")).await.unwrap();
    assert_eq!(done.days_dropped, 3);
    assert_eq!(store.load(&llama, start, end, Resolution::FiveMinutes).await.unwrap(), []);
}
