//! Off the slots: fill history from the source's past, follow it with models, hand forecasts and
//! selections to the collector.
//!
//! One replica refits a series at a time (a lease in the store); the others read from the store
//! what it has made, and so does each after a restart, until its own models have caught up.

mod backfill;
mod decisions;
mod heartbeat;
mod inputs;
mod outcome;
mod records;
mod saved;
mod trainer;

use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::decide::policy::Mode;
use prewarm_forecaster::decide::timing::LoopTiming;
use prewarm_forecaster::tuning::BUCKET;
use prewarm_forecaster::tuning::update::ModelUpdate;
use tokio::sync::{Semaphore, watch};

use crate::clock::{Clock, floor};
use crate::metrics::Metrics;
use crate::registry::Workload;
use crate::source::MetricSource;
use crate::store::{HistoryStore, SeriesKey};
use crate::trigger::Trigger;
use trainer::WorkloadTrainer;

/// After the end of a bucket its last minute is on its way to the store for so long.
const GRACE: SignedDuration = SignedDuration::from_secs(30);

/// Refits of many workloads are spread over so long after a bucket's end.
const SPREAD_S: u64 = 90;

/// By then whoever refits has refitted, and the others read what came of it.
const READ: SignedDuration = SignedDuration::from_secs(150);

/// A forecast that is not there by then is looked for again so often, and for so long.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(10);
const LOOKED_FOR: SignedDuration = SignedDuration::from_mins(1);

/// After a failure: the store may be back.
const AGAIN: SignedDuration = SignedDuration::from_mins(1);

/// A lease that is not renewed for so long is free, whether its holder lives or not: two refits and
/// a bit.
const LEASE: SignedDuration = SignedDuration::from_mins(12);

/// Workloads whose models stay in memory, at about 2 MB each. Others are built from history for
/// each refit, which is then made [`SELDOM`].
const MODELS: usize = 2_000;

/// Refits of workloads whose models are not kept; forecasts reach an hour further than is needed.
const SELDOM: SignedDuration = SignedDuration::from_mins(45);

/// So often it is asked whether history has begun anew, in real time.
const LOOK_FOR_BEGINNINGS: Duration = Duration::from_secs(10);

/// A backfill goes first for so long; a longer one goes on beside the refits.
const BACKFILL_ALONE: Duration = Duration::from_secs(300);

/// Turns history into forecasts and selections.
#[derive(Debug)]
pub struct Trainer {
    store: Arc<dyn HistoryStore>,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    rhythm: LoopTiming,
    /// This replica, as others see it.
    holder: String,
    /// How often another replica was found to have gone: its leases are free.
    gone: watch::Sender<u64>,
    /// Backfills at once: they are the heaviest thing that we ask of a source.
    backfills: Semaphore,
    /// Fits at once: all cores but one, so that answers keep that.
    fits: Semaphore,
    /// Models that may be kept.
    models: Arc<Semaphore>,
}

impl Trainer {
    /// A refitter over a store.
    pub fn new(
        store: Arc<dyn HistoryStore>,
        metrics: Arc<Metrics>,
        clock: Arc<dyn Clock>,
        rhythm: LoopTiming,
    ) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            store,
            metrics,
            clock,
            rhythm,
            holder: format!("{:016x}", RandomState::new().hash_one(std::process::id())),
            gone: watch::Sender::new(0),
            backfills: Semaphore::new(2),
            fits: Semaphore::new(cores.saturating_sub(1).max(1)),
            models: Arc::new(Semaphore::new(MODELS)),
        }
    }

    /// Keeps one workload's forecast and selection fresh; never returns. Where history begins anew
    /// it is filled once more.
    pub async fn run(
        &self,
        workload: &Arc<Workload>,
        trigger: Trigger,
        source: Option<Arc<dyn MetricSource>>,
        out: &watch::Sender<ModelUpdate>,
    ) {
        let fills = source.as_ref().is_some_and(|source| source.has_history());
        loop {
            let known = self.store.begun_anew();
            tokio::select! {
                () = self.follow(workload, trigger.clone(), source.clone(), out) => return,
                () = self.beginning_after(known), if fills => {}
            }
        }
    }

    /// Waits until history has begun anew.
    async fn beginning_after(&self, known: u64) {
        while self.store.begun_anew() == known {
            tokio::time::sleep(LOOK_FOR_BEGINNINGS).await;
        }
    }

    async fn follow(
        &self,
        workload: &Arc<Workload>,
        trigger: Trigger,
        source: Option<Arc<dyn MetricSource>>,
        out: &watch::Sender<ModelUpdate>,
    ) {
        // A ScaledJob is never forecast; windows alone have no demand that could be.
        if trigger.policy.scaled_job || trigger.source.is_none() {
            return std::future::pending().await;
        }
        let forecasts = trigger.policy.mode != Mode::Off;
        let mut trainer = WorkloadTrainer::new(workload, trigger.policy.clone(), out);
        if forecasts {
            // What was made before a restart, or by another replica, is there at once.
            self.load_checkpoint(&mut trainer).await;
            // What the store knows already is put to use before the source is asked for more.
            self.refresh(&mut trainer).await;
        }
        let past = source.filter(|source| source.has_history());
        let filling = async {
            match &past {
                Some(source) => self.backfill(workload.key(), &trigger, source.as_ref()).await,
                None => 0,
            }
        };
        tokio::pin!(filling);
        // History is there for when the mode changes.
        if !forecasts {
            filling.await;
            return std::future::pending().await;
        }
        // A source that puts us off for hours must not keep forecasts from what the store has.
        let mut filled = match tokio::time::timeout(BACKFILL_ALONE, &mut filling).await {
            Ok(added) => {
                // Another replica may have filled it meanwhile.
                if past.is_some() && (added > 0 || !trainer.has_forecast()) {
                    trainer.reset();
                    self.refresh(&mut trainer).await;
                }
                true
            }
            Err(_) => false,
        };
        let spread = SignedDuration::from_secs((refit_spread(workload.key()) % SPREAD_S) as i64);
        let mut failed = false;
        let mut gone = self.gone.subscribe();
        loop {
            let now = self.clock.now();
            let after = |wait: SignedDuration| next_bucket(now - wait) + wait;
            let due = match () {
                () if failed => now + AGAIN,
                () if trainer.is_behind(now) => now + LOOK_AGAIN,
                () if trainer.reads => after(READ),
                () if trainer.keeps_models() => after(GRACE + spread),
                () => now + SELDOM,
            };
            tokio::select! {
                added = &mut filling, if !filled => {
                    filled = true;
                    if added > 0 {
                        trainer.reset();
                    }
                }
                () = self.clock.sleep_until(due) => {}
                () = heartbeat::takeover(&mut gone, workload.key()), if trainer.reads => {}
            }
            failed = !self.refresh(&mut trainer).await;
        }
    }

    /// Renews what is known of a workload, by refitting or by reading what another replica has
    /// made; `false` where that should be tried again soon.
    async fn refresh(&self, trainer: &mut WorkloadTrainer<'_>) -> bool {
        let key = trainer.key().clone();
        match self.store.lease(&key, &self.holder, LEASE).await {
            Ok(true) => {
                trainer.reads = false;
                self.refit(trainer).await
            }
            Ok(false) => {
                trainer.reads = true;
                trainer.reset();
                self.load_checkpoint(trainer).await
            }
            Err(error) => {
                self.metrics.refitted("store_error", Duration::ZERO);
                tracing::warn!(workload.namespace = key.namespace, workload.name = key.name, error = %error,
                    "cannot ask who refits: the forecast stays as it is");
                false
            }
        }
    }

    /// Takes in what history has gained, and hands on what follows from it.
    async fn refit(&self, trainer: &mut WorkloadTrainer<'_>) -> bool {
        let Ok(_turn) = self.fits.acquire().await else { return false };
        let started = Instant::now();
        let outcome =
            trainer.learn(&*self.store, &self.models, self.rhythm, self.clock.now()).await;
        self.metrics.refitted(outcome.as_str(), started.elapsed());
        trainer.save(&*self.store, &self.metrics).await && outcome.settled()
    }

    /// Reads what was made before, or elsewhere.
    async fn load_checkpoint(&self, trainer: &mut WorkloadTrainer<'_>) -> bool {
        match trainer.load_checkpoint(&*self.store, self.clock.now()).await {
            Ok(()) => {
                self.metrics.refitted("recalled", Duration::ZERO);
                true
            }
            Err(error) => {
                self.metrics.store_error("documents");
                let key = trainer.key();
                tracing::warn!(workload.namespace = key.namespace, workload.name = key.name, error = %error,
                    "cannot read the saved forecast");
                false
            }
        }
    }
}

/// The end of the bucket that `at` lies in.
fn next_bucket(at: Timestamp) -> Timestamp {
    floor(at, BUCKET) + BUCKET
}

/// A number of its own for every series, the same on every replica of this version: refits are
/// spread over the day by it.
pub fn refit_spread(key: &SeriesKey) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}
