//! One task per workload: sample at slot boundaries → append → tick → publish.
//!
//! Sampling runs on our clock, never on KEDA's calls: they stop when a ScaledObject is paused, double on errors and
//! come from two paths.

mod doubt;
mod minute;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::decide::planner::{Gate, Replicas};
use prewarm_forecaster::decide::rhythm::Rhythm;
use prewarm_forecaster::tuning::update::{ModelUpdate, PendingUpdate};
use prewarm_forecaster::{Observation, Planner, Recommendation};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::{Clock, floor};
use crate::cluster::{Cluster, Fleet};
use crate::insight;
use crate::metadata::Trigger;
use crate::metrics::Metrics;
use crate::registry::{Registration, Registry, Workload};
use crate::scaling::Scaling;
use crate::source::{MetricSource, Sample, SourceError, SourceRef, Sources};
use crate::start_ups::{Book, Keeper};
use crate::store::queue::HistoryQueue;
use crate::store::{HistoryStore, Resolution, Row};
use crate::training::Trainer;

use doubt::Doubt;
use minute::OpenMinute;

/// How far back the store is read at least to warm a planner; further where the last arrival counts for longer.
const WARM: SignedDuration = SignedDuration::from_hours(1);

/// A new workload's first answer does not wait longer than this for the store.
const WARM_LIMIT: Duration = Duration::from_millis(300);

/// Silence is looked for this often.
const EVICTION_EVERY: SignedDuration = SignedDuration::from_mins(1);

/// What every workload's task needs.
#[derive(Debug)]
pub struct Collector {
    /// Where recommendations are published.
    pub registry: Arc<Registry>,
    /// Where demand is read.
    pub sources: Arc<Sources>,
    /// Where history is kept.
    pub store: Arc<dyn HistoryStore>,
    /// What takes finished minutes there.
    pub queue: Arc<HistoryQueue>,
    /// What turns history into forecasts.
    pub refitter: Arc<Trainer>,
    /// What tells of replicas and of start-ups.
    pub cluster: Cluster,
    /// What keeps start-ups.
    pub keeper: Keeper,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The beats.
    pub rhythm: Rhythm,
    /// A workload of which nothing was heard for so long is forgotten.
    pub evict_after: SignedDuration,
}

impl Collector {
    /// Follows every workload that arrives until `shutdown`; returns when all tasks have handed over their last minute.
    pub async fn run(self, mut arrivals: mpsc::UnboundedReceiver<Arc<Workload>>, shutdown: CancellationToken) {
        let this = Arc::new(self);
        let tasks = TaskTracker::new();
        let mut running = HashMap::new();
        loop {
            let eviction = this.clock.sleep_until(this.clock.now() + EVICTION_EVERY);
            tokio::select! {
                () = shutdown.cancelled() => break,
                arrived = arrivals.recv() => {
                    let Some(workload) = arrived else { break };
                    let stop = shutdown.child_token();
                    running.insert(workload.key().clone(), stop.clone());
                    tasks.spawn(Arc::clone(&this).follow(workload, stop));
                }
                () = eviction => {
                    for workload in this.registry.evict(this.evict_after) {
                        let key = workload.key();
                        tracing::info!(workload.namespace = key.namespace, workload.name = key.name,
                            workload.metric = key.metric, "nothing heard for long: forgotten, its history stays");
                        if let Some(stop) = running.remove(key) {
                            stop.cancel();
                        }
                    }
                }
            }
        }
        tasks.close();
        tasks.wait().await;
    }

    /// One workload, from its registration to its eviction or the process's end.
    async fn follow(self: Arc<Self>, workload: Arc<Workload>, stop: CancellationToken) {
        let mut registrations = workload.registrations();
        let mut planner: Option<Planner> = None;
        let (learned, news) = watch::channel(ModelUpdate::default());
        let (book, start_ups) = watch::channel(Book::default());
        // A ScaledJob has no replicas: each of its jobs is one of its own.
        let scaled_job = matches!(&workload.registration().trigger, Ok(trigger) if trigger.policy.scaled_job);
        let fleet = if scaled_job {
            watch::channel(Arc::default()).1
        } else {
            self.cluster.follow(&workload.key().namespace, &workload.key().name)
        };
        let mut seat = Seat {
            fleet,
            book,
            start_ups,
            starts: Arc::default(),
            scaling: None,
            open: OpenMinute::default(),
            last_slot: None,
            outage: None,
            doubt: Doubt::default(),
            news,
            pending: PendingUpdate::default(),
            offset: offset(&workload, self.rhythm.slot),
        };
        while !stop.is_cancelled() {
            let registration = registrations.borrow_and_update().clone();
            let edited = tokio::select! {
                () = stop.cancelled() => break,
                changed = registrations.changed() => changed,
                () = self.attend(&workload, &registration, &mut planner, &mut seat, &learned, &stop) => Ok(()),
            };
            if edited.is_err() {
                break;
            }
        }
        self.append(&workload, seat.open.take());
    }

    /// One workload under one version of its metadata; returns only when there is nothing to attend to until an edit.
    async fn attend(
        &self,
        workload: &Arc<Workload>,
        registration: &Registration,
        planner: &mut Option<Planner>,
        seat: &mut Seat,
        learned: &watch::Sender<ModelUpdate>,
        stop: &CancellationToken,
    ) {
        let Ok(trigger) = &registration.trigger else {
            // The answer path tells the tenant what is wrong; here nothing can be sampled until it is mended.
            std::future::pending::<()>().await;
            return;
        };
        let key = workload.key();
        for warning in &trigger.warnings {
            tracing::warn!(workload.namespace = key.namespace, workload.name = key.name, "{warning}");
        }
        let planner = match planner {
            Some(planner) => {
                // An edit takes effect at once, from memory; the sample of this slot follows.
                planner.revise(trigger.policy.clone());
                self.publish(workload, planner.tick(self.clock.now(), &Observation::default()));
                seat.last_slot = None;
                planner
            }
            none => none.insert(self.warmed(workload, trigger, &seat.book).await),
        };
        let source = trigger.source.as_ref().and_then(|spec| match self.sources.resolve(&spec.at) {
            Ok(source) => Some(source),
            Err(error) => {
                tracing::error!(workload.namespace = key.namespace, workload.name = key.name, error = %error,
                    "source cannot be used; only windows are answered");
                None
            }
        });
        let tending = self.refitter.run(workload, trigger.clone(), source.clone(), learned);
        let (mut fleet, book) = (seat.fleet.clone(), seat.book.clone());
        let keeping = self.keeper.keep(key, &mut fleet, &book);
        let sampling = async {
            loop {
                self.slot(workload, trigger, source.as_deref(), planner, seat).await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = tending => {}
            () = keeping => {}
            () = sampling => {}
        }
    }

    /// A planner that remembers what a restart would lose.
    async fn warmed(&self, workload: &Workload, trigger: &Trigger, book: &watch::Sender<Book>) -> Planner {
        let mut planner = Planner::new(trigger.policy.clone(), self.rhythm);
        // Until there is a choice a forecast is recorded only.
        planner.set_gate(Gate::Closed);
        let now = self.clock.now();
        let load = self.store.load(workload.key(), now - trigger.policy.keep_warm.max(WARM), now, Resolution::Minute);
        let both = async {
            // Windows ask for replicas by the lead, from the first tick on.
            let (recent, recalled) = tokio::join!(load, self.keeper.recall(workload.key(), book));
            recalled.and(recent)
        };
        match tokio::time::timeout(WARM_LIMIT, both).await {
            Ok(Ok(recent)) => {
                self.look_at_book(&book.borrow(), &mut planner);
                planner.warm(now, &recent);
            }
            Ok(Err(error)) => self.cold(workload, &error.to_string()),
            Err(_) => self.cold(workload, "the store did not answer in time"),
        }
        planner
    }

    fn cold(&self, workload: &Workload, error: &str) {
        self.metrics.store_error("load");
        let key = workload.key();
        tracing::warn!(
            workload.namespace = key.namespace,
            workload.name = key.name,
            error,
            "no recent history: starting cold"
        );
    }

    /// Waits for the next slot, samples as of it, ticks, publishes.
    async fn slot(
        &self,
        workload: &Workload,
        trigger: &Trigger,
        source: Option<&dyn MetricSource>,
        planner: &mut Planner,
        seat: &mut Seat,
    ) {
        let now = self.clock.now();
        let current = floor(now, self.rhythm.slot);
        if seat.last_slot.is_some_and(|last| last >= current && last <= now) {
            // Slots are spread over workloads, so that a thousand queries do not leave in one instant.
            let wake = self.clock.sleep_until(current + self.rhythm.slot + seat.offset);
            // A clock that was set back must not keep us waiting for the old time: look again after two slots.
            let guard = Duration::try_from(self.rhythm.slot * 2).unwrap_or(Duration::from_secs(30));
            let _ = tokio::time::timeout(guard, wake).await;
            return;
        }
        seat.last_slot = Some(current);
        if seat.news.has_changed().unwrap_or(false) {
            seat.pending.offer(seat.news.borrow_and_update().clone());
        }
        seat.pending.install_due(current, planner);
        let asked = self.sample(workload, trigger, source, current, seat).await;
        let absent = matches!(asked, Some(Sample { demand: None, .. }));
        let sample = asked.unwrap_or_default();
        let replicas = self.look_at_fleet(workload, planner, seat);
        let Sample { demand, backlog, latency } = sample;
        let observation = Observation { demand, backlog, latency, replicas, absent };
        if planner.is_new() {
            self.witness(trigger, source, current, &sample, planner).await;
        }
        let recommendation = planner.tick(current, &observation);
        if trigger.source.is_some() {
            self.append(workload, seat.open.add(current, &sample, &recommendation.decision.parts));
        }
        seat.doubt.tell(workload, &self.metrics, &recommendation);
        self.publish(workload, recommendation);
    }

    /// Nothing is known yet to judge the first sample by: the source's word on the slot before is, if it remembers that.
    async fn witness(
        &self,
        trigger: &Trigger,
        source: Option<&dyn MetricSource>,
        at: Timestamp,
        sample: &Sample,
        planner: &mut Planner,
    ) {
        let (Some(spec), Some(source)) = (&trigger.source, source.filter(|source| source.has_history())) else {
            return;
        };
        let replica = trigger.policy.threshold.get();
        let small =
            sample.demand.is_none_or(|demand| demand <= replica) && sample.backlog.is_none_or(|items| items == 0.0);
        if small {
            return;
        }
        let before = at - self.rhythm.slot;
        let limit = self.clock.sleep_until(self.clock.now().max(at) + self.rhythm.slot / 4);
        let asked = tokio::select! {
            asked = source.sample(&spec.signals, before) => asked,
            () = limit => return,
        };
        if let Ok(Sample { demand, backlog, .. }) = asked {
            planner.witness(before, &Observation { demand, backlog, ..Observation::default() });
        }
    }

    /// What the cluster says by now: never waited for.
    fn look_at_fleet(&self, workload: &Workload, planner: &mut Planner, seat: &mut Seat) -> Option<Replicas> {
        if seat.start_ups.has_changed().unwrap_or(false) {
            let book = seat.start_ups.borrow_and_update();
            self.look_at_book(&book, planner);
            (seat.starts, seat.scaling) = (Arc::new(book.starts()), book.scaling());
        }
        let replicas = seat.fleet.borrow().replicas;
        let (starts, scaling) = (seat.starts.clone(), seat.scaling);
        workload.set_fleet(insight::Fleet { replicas, starts, scaling });
        replicas
    }

    /// How long starts take, and the beats of this ScaledObject.
    fn look_at_book(&self, book: &Book, planner: &mut Planner) {
        planner.learn_start_ups(book.start_ups());
        planner.set_may_run(book.scaling().map(|scaling| scaling.max));
        planner.set_rhythm(book.scaling().map_or(self.rhythm, |scaling| scaling.rhythm(self.rhythm)));
    }

    fn publish(&self, workload: &Workload, recommendation: Recommendation) {
        self.metrics.decided(recommendation.decision.reason);
        workload.publish(recommendation);
    }

    /// Asks the source; a failure is `None`, told once per outage.
    async fn sample(
        &self,
        workload: &Workload,
        trigger: &Trigger,
        source: Option<&dyn MetricSource>,
        at: Timestamp,
        seat: &mut Seat,
    ) -> Option<Sample> {
        let Some(spec) = &trigger.source else {
            // Windows and nothing else: there is no demand by definition, which is not the same as not knowing it.
            return Some(Sample { demand: Some(0.0), ..Sample::default() });
        };
        let source = source?;
        let name = match &spec.at {
            SourceRef::Named(name) => name.as_str(),
            SourceRef::Address(_) => "address",
        };
        let started = Instant::now();
        // Half a slot is left for the tick: floors and ceilings move on time whatever hangs.
        let limit = self.clock.sleep_until(self.clock.now().max(at) + self.rhythm.slot / 2);
        let result = tokio::select! {
            result = source.sample(&spec.signals, at) => result,
            () = limit => Err(SourceError::Unreachable {
                source_name: name.to_owned(),
                cause: "no answer within half a slot".to_owned(),
            }),
        };
        let outcome = match &result {
            Ok(Sample { demand: Some(_), .. }) => "ok",
            Ok(_) => "missing",
            Err(error) => error.kind(),
        };
        self.metrics.sampled(name, outcome, started.elapsed());
        let key = workload.key();
        let outage = (outcome != "ok").then_some(outcome);
        if outage != seat.outage {
            match &result {
                Ok(Sample { demand: Some(_), .. }) => tracing::info!(
                    workload.namespace = key.namespace,
                    workload.name = key.name,
                    source.name = name,
                    "demand is back"
                ),
                Ok(_) => tracing::warn!(
                    workload.namespace = key.namespace,
                    workload.name = key.name,
                    source.name = name,
                    "the demand query gives nothing: treated as missing, not as zero"
                ),
                Err(error) => tracing::warn!(workload.namespace = key.namespace, workload.name = key.name,
                    source.name = name, error = %error, "cannot sample"),
            }
            seat.outage = outage;
        }
        result.ok()
    }

    fn append(&self, workload: &Workload, minute: Option<prewarm_forecaster::Minute>) {
        if let Some(minute) = minute {
            self.queue.push(Row { key: workload.key().clone(), minute });
        }
    }
}

/// What a workload's task carries from slot to slot, whatever its metadata says.
#[derive(Debug)]
struct Seat {
    /// As the cluster has it.
    fleet: watch::Receiver<Arc<Fleet>>,
    /// Start-ups, the store's included, and word of them.
    book: watch::Sender<Book>,
    start_ups: watch::Receiver<Book>,
    starts: Arc<insight::Starts>,
    scaling: Option<Scaling>,
    open: OpenMinute,
    last_slot: Option<Timestamp>,
    outage: Option<&'static str>,
    doubt: Doubt,
    news: watch::Receiver<ModelUpdate>,
    /// Learnt, and not yet in force.
    pending: PendingUpdate,
    offset: SignedDuration,
}

/// A fixed place within the first quarter of a slot, spread evenly over workloads.
fn offset(workload: &Workload, slot: SignedDuration) -> SignedDuration {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    workload.key().hash(&mut hasher);
    slot / 4 * (hasher.finish() % 1000) as i32 / 1000
}
