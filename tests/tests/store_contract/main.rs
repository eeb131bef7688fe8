//! What every `HistoryStore` keeps to, told once and run over SQLite and PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

/// Runs each story over both stores.
macro_rules! over_both {
    ($($story:ident),+ $(,)?) => {
        mod sqlite {
            use crate::place::Place;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() { super::$story(&Place::sqlite().await).await })+
        }
        mod postgres {
            use crate::place::Place;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $story() { super::$story(&Place::postgres().await).await })+
        }
    };
}

mod checkpoints;
mod compaction;
mod notes;
mod place;
mod properties;
mod story;

use std::sync::Arc;

use jiff::{Timestamp, ToSpan};
use prewarm::store::{Compacted, HistoryStore, Resolution, Row, SeriesKey};
use prewarm_forecaster::Minute;

/// A series of that name.
fn key(name: &str) -> Arc<SeriesKey> {
    Arc::new(SeriesKey {
        namespace: "models".into(),
        name: name.into(),
        metric: "llama-demand".into(),
    })
}

/// An instant.
fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A record of four samples.
fn minute(start: Timestamp, mean: f64) -> Minute {
    Minute { start, mean, max: mean * 1.5, backlog: None, samples: 4 }
}

/// Rows of one series.
fn rows(key: &Arc<SeriesKey>, minutes: &[Minute]) -> Vec<Row> {
    minutes.iter().map(|&minute| Row { key: key.clone(), minute }).collect()
}

/// `n` minutes from `start` on that do not repeat, some missing, some with a backlog.
fn history(start: Timestamp, n: u32) -> Vec<Minute> {
    let kept = (0..n).filter(|i| i % 97 != 5 && !(400..430).contains(&(i % 1440)));
    kept.map(|i| {
        let mean = (f64::from(i) / 229.0).sin().abs() * 100.0 / 3.0;
        let backlog = (i % 3 != 0).then_some(f64::from(i % 7) / 10.0);
        Minute {
            start: start + i64::from(i).minutes(),
            mean,
            max: mean + f64::from(i % 5),
            backlog,
            samples: 1 + (i % 4) as u16,
        }
    })
    .collect()
}

/// Everything that a series has.
async fn all(store: &dyn HistoryStore, key: &SeriesKey, resolution: Resolution) -> Vec<Minute> {
    let end = at("2100-01-01T00:00:00Z");
    store.load(key, Timestamp::UNIX_EPOCH, end, resolution).await.unwrap()
}

/// Compacts until nothing is left to be done.
async fn compact(store: &dyn HistoryStore, now: Timestamp) -> Compacted {
    let done = store.compact(now).await.unwrap();
    assert_eq!(
        store.compact(now).await.unwrap(),
        Compacted::default(),
        "a second run finds nothing"
    );
    done
}
