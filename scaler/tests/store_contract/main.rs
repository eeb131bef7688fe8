//! What every `HistoryStore` keeps to, told once and run over SQLite and PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod story;

use std::sync::Arc;

use jiff::Timestamp;
use prewarm::store::{Row, SeriesKey};
use prewarm_forecaster::Minute;

/// A series of that name.
fn key(name: &str) -> Arc<SeriesKey> {
    Arc::new(SeriesKey { namespace: "models".into(), name: name.into(), metric: "llama-demand".into() })
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
