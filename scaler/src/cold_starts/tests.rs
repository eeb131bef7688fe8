use std::time::Duration;

use jiff::Timestamp;
use prewarm_forecaster::decide::lead::Node;

use super::*;
use crate::clock::ManualClock;
use crate::cluster::StartUp;
use crate::config::Secret;

fn key() -> SeriesKey {
    SeriesKey { namespace: "llm".into(), name: "llama".into(), metric: "prewarm".into() }
}

fn status(pods: std::ops::Range<i64>) -> Arc<TargetStatus> {
    let start_up = |i: i64| StartUp {
        pod: format!("pod-{i}"),
        at: Timestamp::from_second(1_800_000_000 + i).unwrap(),
        node: Node::Warm,
        took: SignedDuration::from_secs(60 + i),
        finished: true,
        stages: None,
    };
    Arc::new(TargetStatus { start_ups: pods.map(start_up).collect(), ..TargetStatus::default() })
}

/// A replica of ours over a store.
struct Replica {
    cold_start_sync: ColdStartSync,
    clock: Arc<ManualClock>,
    seen: watch::Sender<Arc<TargetStatus>>,
    history: watch::Sender<ColdStartHistory>,
}

impl Replica {
    fn over(store: &Arc<dyn HistoryStore>) -> Self {
        let clock = Arc::new(ManualClock::new(Timestamp::from_second(1_800_000_100).unwrap()));
        let cold_start_sync = ColdStartSync::new(store.clone(), Arc::default(), clock.clone());
        let (seen, history) =
            (watch::channel(Arc::default()).0, watch::channel(ColdStartHistory::default()).0);
        Self { cold_start_sync, clock, seen, history }
    }

    /// Runs until its history, and the store's, hold so many start-ups.
    async fn until(&self, store: &Arc<dyn HistoryStore>, own: usize, stored: usize) {
        let count = |history: &ColdStartHistory| {
            history.starts().nodes.iter().map(|class| class.ready as usize).sum::<usize>()
        };
        let (key, mut status) = (key(), self.seen.subscribe());
        let reached = async {
            loop {
                let kept =
                    read(&**store, &key, self.clock.now()).await.map(|history| count(&history));
                if count(&self.history.borrow()) == own
                    && matches!(kept, Ok(kept) if kept == stored)
                {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            () = self.cold_start_sync.keep(&key, &mut status, &self.history) => {}
            () = reached => {}
            () = tokio::time::sleep(Duration::from_secs(20)) => panic!("{:?}", self.history.borrow()),
        }
    }
}

async fn sqlite(dir: &tempfile::TempDir) -> Arc<dyn HistoryStore> {
    let url = format!("sqlite://{}", dir.path().join("prewarm.db").display());
    crate::store::open(&Secret::new(url)).await.unwrap()
}

#[tokio::test]
async fn what_one_replica_saw_another_has() {
    let dir = tempfile::tempdir().unwrap();
    let store = sqlite(&dir).await;
    let first = Replica::over(&store);
    first.seen.send_replace(status(0..6));
    first.until(&store, 6, 6).await;

    // Later on, with other pods; those of before have gone.
    let second = Replica::over(&store);
    second.cold_start_sync.recall(&key(), &second.history).await.unwrap();
    assert_eq!(*second.history.borrow(), *first.history.borrow());
    second.seen.send_replace(status(4..9));
    second.until(&store, 9, 9).await;
    // The first comes upon them when it has something to write itself.
    first.seen.send_replace(status(5..10));
    first.until(&store, 10, 10).await;
    assert_eq!(
        first.history.borrow().start_ups().cold_start(),
        Some(SignedDuration::from_secs(68))
    );
}

#[tokio::test]
async fn without_access_what_was_learned_stays() {
    let dir = tempfile::tempdir().unwrap();
    let store = sqlite(&dir).await;
    let before = Replica::over(&store);
    before.seen.send_replace(status(0..5));
    before.until(&store, 5, 5).await;
    let Replica { cold_start_sync, history, seen, clock } = Replica::over(&store);
    let mut nobody = seen.subscribe();
    drop(seen);
    let (key, mut news) = (key(), history.subscribe());
    tokio::select! {
        () = cold_start_sync.keep(&key, &mut nobody, &history) => {}
        _ = news.wait_for(|history| history.assumed().is_some()) => {}
    }
    assert_eq!(*history.borrow(), read(&*store, &key, clock.now()).await.unwrap());
}
