use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::Minute;

use super::super::checkpoint::{PackedCheckpoint, SeriesCheckpoint};
use super::super::document::{Document, Kind};
use super::super::{Compacted, Resolution, SeriesKey};
use super::*;

/// A store that can be taken away, and that refuses minutes with a mean of 13.
#[derive(Debug, Default)]
struct Fickle {
    down: AtomicBool,
    taken: Mutex<Vec<Row>>,
}

impl HistoryStore for Fickle {
    fn append<'a>(&'a self, rows: &'a [Row]) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            if self.down.load(Ordering::Relaxed) {
                return Err(StoreError::Unavailable("away".into()));
            }
            if rows.iter().any(|row| row.minute.mean == 13.0) {
                return Err(StoreError::Refused("unlucky".into()));
            }
            self.taken.lock().unwrap().extend_from_slice(rows);
            Ok(())
        })
    }

    fn load<'a>(
        &'a self,
        _: &'a SeriesKey,
        _: Timestamp,
        _: Timestamp,
        _: Resolution,
    ) -> BoxFuture<'a, Result<Vec<Minute>, StoreError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn save_documents<'a>(
        &'a self,
        _: &'a SeriesKey,
        _: &'a [Document],
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async { Ok(()) })
    }

    fn documents<'a>(
        &'a self,
        _: &'a SeriesKey,
        _: Kind,
        _: Timestamp,
        _: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<Document>, StoreError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn latest_documents<'a>(
        &'a self,
        _: &'a SeriesKey,
        _: Kind,
        _: u32,
    ) -> BoxFuture<'a, Result<Vec<Document>, StoreError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn save_checkpoints<'a>(
        &'a self,
        _: &'a [SeriesCheckpoint],
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async { Ok(()) })
    }

    fn checkpoint<'a>(
        &'a self,
        _: &'a SeriesKey,
    ) -> BoxFuture<'a, Result<Option<PackedCheckpoint>, StoreError>> {
        Box::pin(async { Ok(None) })
    }

    fn lease<'a>(
        &'a self,
        _: &'a SeriesKey,
        _: &'a str,
        _: SignedDuration,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(async { Ok(true) })
    }

    fn heartbeat<'a>(
        &'a self,
        _: &'a str,
        _: SignedDuration,
    ) -> BoxFuture<'a, Result<Vec<String>, StoreError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn compact<'a>(&'a self, _: Timestamp) -> BoxFuture<'a, Result<Compacted, StoreError>> {
        Box::pin(async { Ok(Compacted::default()) })
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async { Ok(()) })
    }
}

fn row(n: i64) -> Row {
    let key = Arc::new(SeriesKey { namespace: "n".into(), name: "w".into(), metric: "m".into() });
    let start = Timestamp::from_second(60 * n).unwrap();
    Row { key, minute: Minute { start, mean: n as f64, max: n as f64, backlog: None, samples: 4 } }
}

fn waiting(queue: &HistoryQueue) -> Vec<f64> {
    queue.shared.waiting().rows.iter().map(|row| row.minute.mean).collect()
}

fn means(store: &Fickle) -> Vec<f64> {
    store.taken.lock().unwrap().iter().map(|row| row.minute.mean).collect()
}

#[tokio::test(start_paused = true)]
async fn an_outage_loses_nothing_and_keeps_the_order() {
    let store = Arc::new(Fickle::default());
    store.down.store(true, Ordering::Relaxed);
    let queue = HistoryQueue::new(store.clone(), Arc::default(), 100_000, FLUSH_EVERY);
    for n in 100..12_100 {
        queue.push(row(n));
    }
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(waiting(&queue).len(), 12_000);
    store.down.store(false, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(means(&store), (100..12_100).map(|n| n as f64).collect::<Vec<_>>());
    assert!(waiting(&queue).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_gives_up_the_oldest() {
    let store = Arc::new(Fickle::default());
    store.down.store(true, Ordering::Relaxed);
    let queue = HistoryQueue::new(store.clone(), Arc::default(), 3, FLUSH_EVERY);
    for n in 100..105 {
        queue.push(row(n));
    }
    store.down.store(false, Ordering::Relaxed);
    queue.close(Duration::from_secs(5)).await;
    assert_eq!(means(&store), [102.0, 103.0, 104.0]);
}

#[tokio::test(start_paused = true)]
async fn rows_given_up_while_their_batch_is_under_way_do_not_take_others_along() {
    let queue = HistoryQueue::new(Arc::new(Fickle::default()), Arc::default(), 3, FLUSH_EVERY);
    for n in 0..3 {
        queue.push(row(n));
    }
    let (first, batch) = queue.shared.front(2);
    assert_eq!((first, batch.len()), (0, 2));
    queue.push(row(3));
    queue.shared.settle(first + 2);
    assert_eq!(waiting(&queue), [2.0, 3.0]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_row_blocks_no_others() {
    let store = Arc::new(Fickle::default());
    let queue = HistoryQueue::new(store.clone(), Arc::default(), 100, FLUSH_EVERY);
    for n in 10..20 {
        queue.push(row(n));
    }
    queue.close(Duration::from_secs(5)).await;
    assert_eq!(means(&store), [10.0, 11.0, 12.0, 14.0, 15.0, 16.0, 17.0, 18.0, 19.0]);
}

#[tokio::test(start_paused = true)]
async fn closing_waits_no_longer_than_its_limit() {
    let store = Arc::new(Fickle::default());
    store.down.store(true, Ordering::Relaxed);
    let queue = HistoryQueue::new(store, Arc::default(), 100, FLUSH_EVERY);
    queue.push(row(1));
    let before = tokio::time::Instant::now();
    assert_eq!(queue.close(Duration::from_secs(5)).await, 1);
    assert_eq!(before.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn rows_share_a_transaction_for_two_seconds_at_most() {
    let store = Arc::new(Fickle::default());
    let queue = HistoryQueue::new(store.clone(), Arc::default(), 100_000, FLUSH_EVERY);
    queue.push(row(100));
    tokio::time::sleep(Duration::from_millis(1_900)).await;
    assert_eq!(means(&store).len(), 0);
    queue.push(row(101));
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(means(&store), [100.0, 101.0]);

    // A full batch waits for nobody.
    (200..200 + BATCH as i64).for_each(|n| queue.push(row(n)));
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(means(&store).len(), BATCH + 2);
}
