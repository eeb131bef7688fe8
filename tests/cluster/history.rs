//! History as after weeks of operation.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use prewarm::config::Secret;
use prewarm::store::{self, Row, SeriesKey};
use prewarm_forecaster::Minute;

/// A day's demand as a function of seconds since its central moment.
pub(crate) type Day = fn(f64) -> f64;

/// The next full minute that is at least `ahead` away.
pub(crate) fn next_minute(ahead: Duration) -> Timestamp {
    let at = now() + SignedDuration::try_from(ahead).unwrap();
    Timestamp::from_second(at.as_second().div_euclid(60) * 60 + 60).unwrap()
}

/// The time.
pub(crate) fn now() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "scenarios run in real time")]
    Timestamp::now()
}

/// Fills the store with the `days` days before: each has `day` around the time of day of `moment`.
pub(crate) async fn preload(
    database: &str,
    namespace: &str,
    metric: &str,
    moment: Timestamp,
    days: i64,
    day: Day,
) {
    let store = store::open(&Secret::new(database)).await.unwrap();
    let key = Arc::new(SeriesKey {
        namespace: namespace.into(),
        name: "model".into(),
        metric: metric.into(),
    });
    let end = now().as_second().div_euclid(60) * 60;
    let rows: Vec<Row> = (1..=days * 1440)
        .map(|back| {
            let start = end - back * 60;
            // Seconds to the nearest moment of any day.
            let since = (start - moment.as_second() + 43_200).rem_euclid(86_400) - 43_200;
            let slots: [f64; 4] = std::array::from_fn(|i| day(since as f64 + 15.0 * i as f64));
            let (mean, max) =
                (slots.iter().sum::<f64>() / 4.0, slots.iter().copied().fold(0.0, f64::max));
            let start = Timestamp::from_second(start).unwrap();
            Row { key: key.clone(), minute: Minute { start, mean, max, backlog: None, samples: 4 } }
        })
        .collect();
    for rows in rows.chunks(10_000) {
        store.append(rows).await.unwrap();
    }
}
