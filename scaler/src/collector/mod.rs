//! One task per workload: sample at slot boundaries → append → tick → publish.
//!
//! Sampling runs on our clock, never on KEDA's calls: they stop when a ScaledObject is paused,
//! double on errors and come from two paths.

mod doubt;
mod external_metrics;
mod minute;
mod observe;
mod recall;
mod skew;

use std::collections::HashMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::decide::planner::Replicas;
use prewarm_forecaster::decide::timing::LoopTiming;
use prewarm_forecaster::tuning::update::{ModelUpdate, PendingUpdate};
use prewarm_forecaster::{Observation, Planner, Recommendation, State};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::{Clock, floor};
use crate::cluster::{Cluster, TargetStatus};
use crate::cold_starts::{ColdStartHistory, ColdStartSync};
use crate::metrics::Metrics;
use crate::registry::{Registration, Registry, Workload};
use crate::scaled_object::ScaledObjectLimits;
use crate::source::{MetricSource, Sample, Sources};
use crate::status;
use crate::store::checkpoint::CheckpointQueue;
use crate::store::queue::HistoryQueue;
use crate::store::{HistoryStore, Row};
use crate::training::Trainer;
use crate::trigger::Trigger;

use doubt::Doubt;
use minute::OpenMinute;
use observe::{Seen, trouble};
pub use skew::Skews;

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
    /// What keeps that on which the latest answers stand.
    pub checkpoints: Arc<CheckpointQueue>,
    /// What turns history into forecasts.
    pub refitter: Arc<Trainer>,
    /// What tells of replicas and of start-ups.
    pub cluster: Cluster,
    /// What keeps start-ups.
    pub cold_start_sync: ColdStartSync,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Others' time.
    pub skews: Skews,
    /// The beats.
    pub rhythm: LoopTiming,
    /// A workload of which nothing was heard for so long is forgotten.
    pub evict_after: SignedDuration,
}

impl Collector {
    /// Follows every workload that arrives until `shutdown`; returns when all tasks have handed
    /// over their last minute.
    pub async fn run(
        self,
        mut arrivals: mpsc::UnboundedReceiver<Arc<Workload>>,
        shutdown: CancellationToken,
    ) {
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
        let (learned, updates) = watch::channel(ModelUpdate::default());
        let (history, start_ups) = watch::channel(ColdStartHistory::default());
        // A ScaledJob has no replicas: each of its jobs is one of its own.
        let scaled_job =
            matches!(&workload.registration().trigger, Ok(trigger) if trigger.policy.scaled_job);
        let target = if scaled_job {
            watch::channel(Arc::default()).1
        } else {
            self.cluster.follow(&workload.key().namespace, &workload.key().name)
        };
        let mut state = WorkloadState {
            target,
            history,
            start_ups,
            starts: Arc::default(),
            scaling: None,
            since: self.clock.now(),
            saved: None,
            open: OpenMinute::default(),
            last_slot: None,
            outage: None,
            cautioned: false,
            doubt: Doubt::default(),
            updates,
            pending: PendingUpdate::default(),
            offset: offset(&workload, self.rhythm.slot),
        };
        while !stop.is_cancelled() {
            let registration = registrations.borrow_and_update().clone();
            let edited = tokio::select! {
                () = stop.cancelled() => break,
                changed = registrations.changed() => changed,
                () = self.run_revision(&workload, &registration, &mut planner, &mut state, &learned, &stop) => Ok(()),
            };
            if edited.is_err() {
                break;
            }
        }
        self.append(&workload, state.open.take());
        if let Some(planner) = &planner {
            self.keep(&workload, planner);
        }
    }

    /// Hands over what the next answers stand on.
    fn keep(&self, workload: &Workload, planner: &Planner) {
        if let Some(checkpoint) = planner.checkpoint() {
            self.checkpoints.push(workload.key().clone(), checkpoint);
        }
    }

    /// One workload under one version of its metadata; returns only when there is nothing to
    /// run_revision to until an edit.
    async fn run_revision(
        &self,
        workload: &Arc<Workload>,
        registration: &Registration,
        planner: &mut Option<Planner>,
        state: &mut WorkloadState,
        learned: &watch::Sender<ModelUpdate>,
        stop: &CancellationToken,
    ) {
        let Ok(trigger) = &registration.trigger else {
            // The answer path tells the tenant what is wrong; here nothing can be sampled until it
            // is mended.
            std::future::pending::<()>().await;
            return;
        };
        let key = workload.key();
        for warning in &trigger.warnings {
            tracing::warn!(
                workload.namespace = key.namespace,
                workload.name = key.name,
                "{warning}"
            );
        }
        let source = trigger.source.as_ref().and_then(|spec| match self.source(workload, spec) {
            Ok(source) => Some(source),
            Err(error) => {
                tracing::error!(workload.namespace = key.namespace, workload.name = key.name, error = %error,
                    "source cannot be used; only windows are answered");
                workload.set_source_trouble(Some(trouble(&error, self.clock.now())));
                None
            }
        });
        let planner = match planner {
            Some(planner) => {
                // An edit takes effect at once, from memory; the sample of this slot follows.
                planner.revise(trigger.policy.clone());
                self.publish(workload, self.preview(planner, state));
                state.last_slot = None;
                planner
            }
            none => none.insert(self.succeed(workload, trigger, source.as_deref(), state).await),
        };
        let training = self.refitter.run(workload, trigger.clone(), source.clone(), learned);
        let (mut target, history) = (state.target.clone(), state.history.clone());
        let keeping = self.cold_start_sync.keep(key, &mut target, &history);
        let sampling = async {
            loop {
                self.slot(workload, trigger, source.as_deref(), planner, state).await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = training => {}
            () = keeping => {}
            () = sampling => {}
        }
    }

    /// Waits for the next slot, samples as of it, decides, publishes.
    async fn slot(
        &self,
        workload: &Workload,
        trigger: &Trigger,
        source: Option<&dyn MetricSource>,
        planner: &mut Planner,
        state: &mut WorkloadState,
    ) {
        let seen = self.observe(workload, trigger, source, state).await;
        if state.updates.has_changed().unwrap_or(false) {
            state.pending.offer(state.updates.borrow_and_update().clone());
        }
        if planner.is_new() {
            self.witness(trigger, source, &seen, planner).await;
        }
        let recommendation = self.decide(workload, planner, state, &seen);
        self.record(workload, trigger, state, &seen, &recommendation);
        // What a source forgets cannot be sampled again after a restart.
        let forgotten = source.is_some_and(|source| !source.has_history());
        if forgotten || state.is_unsaved(&recommendation) {
            state.saved = Some(Saved::of(&recommendation));
            self.keep(workload, planner);
        }
        self.publish(workload, recommendation);
    }

    /// Decides for a slot by what was seen in it, what has been learned, and the replicas of now.
    fn decide(
        &self,
        workload: &Workload,
        planner: &mut Planner,
        state: &mut WorkloadState,
        seen: &Seen,
    ) -> Recommendation {
        state.pending.install_due(seen.slot, planner);
        let replicas = self.apply_cluster_state(workload, planner, state, seen.slot);
        planner.tick(seen.slot, &seen.observation(replicas))
    }

    /// Takes a slot into history, as far as its sample was believed.
    fn record(
        &self,
        workload: &Workload,
        trigger: &Trigger,
        state: &mut WorkloadState,
        seen: &Seen,
        recommendation: &Recommendation,
    ) {
        if trigger.source.is_some() {
            self.append(
                workload,
                state.open.add(seen.slot, &seen.sample, &recommendation.decision.parts),
            );
        }
        state.doubt.tell(workload, &self.metrics, recommendation);
    }

    /// What the cluster says by now: never waited for.
    fn apply_cluster_state(
        &self,
        workload: &Workload,
        planner: &mut Planner,
        state: &mut WorkloadState,
        slot: Timestamp,
    ) -> Option<Replicas> {
        if state.start_ups.has_changed().unwrap_or(false) {
            let history = state.start_ups.borrow_and_update();
            self.apply_cold_starts(&history, planner);
            (state.starts, state.scaling) = (Arc::new(history.starts()), history.scaling());
        }
        let replicas = state.target.borrow().replicas;
        let (starts, scaling) = (state.starts.clone(), state.scaling);
        workload.set_replica_status(status::ReplicaStatus { replicas, starts, scaling }, slot);
        replicas
    }

    /// How long starts take, and the beats of this ScaledObject.
    fn apply_cold_starts(&self, history: &ColdStartHistory, planner: &mut Planner) {
        planner.learn_start_ups(history.start_ups());
        planner.set_may_run(history.scaling().map(|scaling| scaling.max));
        planner.set_rhythm(
            history.scaling().map_or(self.rhythm, |scaling| scaling.rhythm(self.rhythm)),
        );
    }

    fn publish(&self, workload: &Workload, recommendation: Recommendation) {
        self.metrics.decided(recommendation.decision.reason);
        workload.publish(recommendation);
    }

    fn append(&self, workload: &Workload, minute: Option<prewarm_forecaster::Minute>) {
        if let Some(minute) = minute {
            self.queue.push(Row { key: workload.key().clone(), minute });
        }
    }
}

/// What a workload's task carries from slot to slot, whatever its metadata says.
#[derive(Debug)]
struct WorkloadState {
    /// As the cluster has it.
    target: watch::Receiver<Arc<TargetStatus>>,
    /// Start-ups, the store's included, and word of them.
    history: watch::Sender<ColdStartHistory>,
    start_ups: watch::Receiver<ColdStartHistory>,
    starts: Arc<status::Starts>,
    scaling: Option<ScaledObjectLimits>,
    /// Since when it is followed here.
    since: Timestamp,
    /// What the last checkpoint led to.
    saved: Option<Saved>,
    open: OpenMinute,
    last_slot: Option<Timestamp>,
    outage: Option<&'static str>,
    /// It was told that demand may not tell the truth.
    cautioned: bool,
    doubt: Doubt,
    updates: watch::Receiver<ModelUpdate>,
    /// Learned, and not yet in force.
    pending: PendingUpdate,
    offset: SignedDuration,
}

impl WorkloadState {
    /// Whether a restart would know too little of a recommendation: another minute has begun, or it
    /// asks for something else.
    fn is_unsaved(&self, recommendation: &Recommendation) -> bool {
        self.saved.as_ref() != Some(&Saved::of(recommendation))
    }
}

impl Seen {
    fn observation(&self, replicas: Option<Replicas>) -> Observation {
        let Sample { demand, backlog, latency, .. } = self.sample;
        Observation { demand, backlog, latency, replicas, absent: self.absent }
    }
}

/// What a checkpoint is taken anew for, when it changes.
#[derive(Debug, PartialEq)]
struct Saved {
    minute: Timestamp,
    replicas: u32,
    active: bool,
    state: State,
}

impl Saved {
    fn of(recommendation: &Recommendation) -> Self {
        let minute = floor(recommendation.at, SignedDuration::from_mins(1));
        let decision = &recommendation.decision;
        Self {
            minute,
            replicas: decision.desired_replicas,
            active: decision.active,
            state: decision.state,
        }
    }
}

/// A fixed place within the first quarter of a slot, spread evenly over workloads.
fn offset(workload: &Workload, slot: SignedDuration) -> SignedDuration {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    workload.key().hash(&mut hasher);
    slot / 4 * (hasher.finish() % 1000) as i32 / 1000
}
