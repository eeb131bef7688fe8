//! Taking over: what a workload's answers stood on is recalled before its first one, so that a
//! restart, another replica or a return after eviction answers as if nothing had happened.
//!
//! The checkpoint is at most a minute old where its writer lived until now; the slots since then
//! are sampled again where the source remembers them. Until all of it is there nothing is vouched
//! for that could scale in.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::decide::planner::checkpoint::Checkpoint;
use prewarm_forecaster::decide::planner::{Gate, Replicas};
use prewarm_forecaster::tuning::update::ModelUpdate;
use prewarm_forecaster::{Answer, Minute, Observation, Planner, Recommendation, State};
use tokio::sync::watch;

use super::{Collector, Seen, WorkloadState};
use crate::clock::floor;
use crate::cold_starts::ColdStartHistory;
use crate::registry::Workload;
use crate::signal::Signals;
use crate::source::{MetricSource, Sample, SourceError};
use crate::store::{Resolution, StoreError};
use crate::trigger::Trigger;

/// How far back history is read at least where there is no checkpoint; further where the last
/// arrival counts for longer.
const WARM: SignedDuration = SignedDuration::from_hours(1);

/// A store that answers within this time is waited for before the first sample is asked for.
const HEAD_START: Duration = Duration::from_millis(300);

/// Between attempts while the store does not answer.
const AGAIN: Duration = Duration::from_secs(1);

/// The first decision waits no longer than this for slots that were missed.
const CATCH_UP: Duration = Duration::from_secs(2);

/// What the store knows of a workload's last answer.
#[derive(Debug)]
struct Recalled {
    checkpoint: Option<Checkpoint>,
    /// In place of a checkpoint, or where the checkpoint is older than it.
    recent: Vec<Minute>,
    update: ModelUpdate,
}

/// Slots and what was seen in them.
type Past = BTreeMap<Timestamp, Seen>;

impl Collector {
    /// A planner that goes on where its predecessor stopped. Waits for the store, for as long as a
    /// last good answer could be repeated; then what was seen meanwhile has to do.
    pub(super) async fn succeed(
        &self,
        workload: &Arc<Workload>,
        trigger: &Trigger,
        source: Option<&dyn MetricSource>,
        state: &mut WorkloadState,
    ) -> Planner {
        let mut cold = self.unseen(trigger);
        let mut past = Past::new();
        let mut latest = None;
        let history = state.history.clone();
        let (failing, mut failed) = watch::channel(false);
        let mut recall = pin!(self.recall(workload, trigger, &history, state.since, &failing));
        let recalled = match tokio::time::timeout(HEAD_START, &mut recall).await {
            Ok(recalled) => recalled,
            Err(_) => loop {
                // History loses nothing meanwhile.
                tokio::select! {
                    biased;
                    recalled = &mut recall => break recalled,
                    Ok(()) = failed.changed() => {}
                    seen = self.observe(workload, trigger, source, state) => {
                        past.insert(seen.slot, seen);
                        let decided = self.decide(workload, &mut cold, state, &seen);
                        self.record(workload, trigger, state, &seen, &decided);
                        latest = Some(decided);
                    }
                }
                // Published only where it cannot scale in what runs, or where everything is down.
                let replicas = state.target.borrow().replicas;
                let store_failed = *failed.borrow();
                if let Some(latest) =
                    latest.clone().filter(|latest| keeps_what_runs(latest, replicas, store_failed))
                {
                    self.publish(workload, latest);
                }
            },
        };
        let Some(Recalled { checkpoint, recent, update }) = recalled else { return cold };

        let mut planner = self.unseen(trigger);
        self.apply_cold_starts(&history.borrow(), &mut planner);
        state.pending.offer(update);
        state.pending.install_due(floor(self.clock.now(), self.rhythm.slot), &mut planner);
        match &checkpoint {
            Some(checkpoint) if recent.is_empty() => planner.restore(checkpoint),
            _ => planner.warm(self.clock.now(), &recent),
        }
        // A job is never asked for again by what was seen before.
        let known = (checkpoint.is_some() || !recent.is_empty()) && !trigger.policy.scaled_job;
        let undoubted = checkpoint.as_ref().is_none_or(|checkpoint| !checkpoint.holds());
        let preview = self.preview(&planner, state);
        if known && undoubted && matches!(preview.answer, Answer::Value { .. }) {
            self.publish(workload, preview);
        }
        if let Some(checkpoint) = checkpoint {
            self.catch_up(workload, trigger, source, checkpoint.at, &mut past).await;
        }
        let mut last = None;
        for seen in past.values() {
            last = Some(self.decide(workload, &mut planner, state, seen));
        }
        // The present slot's, if it has been sampled already.
        if let Some(last) = last.filter(|last| state.last_slot == Some(last.at)) {
            self.publish(workload, last);
        }
        planner
    }

    /// A planner that has seen nothing. Until there is a selection a forecast is recorded only.
    fn unseen(&self, trigger: &Trigger) -> Planner {
        let mut planner = Planner::new(trigger.policy.clone(), self.rhythm);
        planner.set_gate(Gate::Closed);
        planner
    }

    /// Reads all that the first decision needs; `None` if the store has not answered until `since`
    /// is longer ago than a last good answer could be repeated.
    async fn recall(
        &self,
        workload: &Workload,
        trigger: &Trigger,
        history: &watch::Sender<ColdStartHistory>,
        since: Timestamp,
        failing: &watch::Sender<bool>,
    ) -> Option<Recalled> {
        let key = workload.key();
        let attempts = async {
            let mut told = false;
            loop {
                match self.read(workload, trigger, history).await {
                    Ok(recalled) => return recalled,
                    Err(error) => {
                        self.metrics.store_error("load");
                        if !std::mem::replace(&mut told, true) {
                            failing.send_replace(true);
                            tracing::warn!(workload.namespace = key.namespace, workload.name = key.name, %error,
                                "what the last answer stood on cannot be read: nothing is vouched for yet");
                        }
                        tokio::time::sleep(AGAIN).await;
                    }
                }
            }
        };
        tokio::select! {
            recalled = attempts => Some(recalled),
            () = self.clock.sleep_until(since + self.rhythm.last_good) => {
                tracing::warn!(workload.namespace = key.namespace, workload.name = key.name,
                    "the store still does not answer: going on with what was seen since the start");
                None
            }
        }
    }

    async fn read(
        &self,
        workload: &Workload,
        trigger: &Trigger,
        history: &watch::Sender<ColdStartHistory>,
    ) -> Result<Recalled, StoreError> {
        let key = workload.key();
        let now = self.clock.now();
        let checkpoint = self.checkpoints.load(key);
        let update = self.refitter.saved(key, trigger, floor(now, self.rhythm.slot));
        let (checkpoint, update, ()) =
            tokio::try_join!(checkpoint, update, self.cold_start_sync.recall(key, history))?;
        let age = checkpoint.as_ref().map(|checkpoint| now.duration_since(checkpoint.at));
        if age.is_some_and(|age| age <= self.rhythm.last_good) {
            return Ok(Recalled { checkpoint, recent: Vec::new(), update });
        }
        // Written by a version without checkpoints, or while they could not be written: history may
        // know more.
        let from = now - trigger.policy.keep_warm.max(WARM);
        let mut recent = self.store.load(key, from, now, Resolution::Minute).await?;
        if let Some(checkpoint) = &checkpoint
            && recent.last().is_none_or(|last| last.start <= checkpoint.at)
        {
            recent.clear();
        }
        Ok(Recalled { checkpoint, recent, update })
    }

    /// Adds to `past` what the source remembers of the slots since `last`, and drops what is older.
    async fn catch_up(
        &self,
        workload: &Workload,
        trigger: &Trigger,
        source: Option<&dyn MetricSource>,
        last: Timestamp,
        past: &mut Past,
    ) {
        let slot = self.rhythm.slot;
        let current = floor(self.clock.now(), slot);
        let from = (last + slot).max(current - self.rhythm.last_good);
        let to = current - slot;
        past.retain(|at, _| *at > last);
        let missed =
            (to.duration_since(from).as_secs() / slot.as_secs().max(1) + 1).max(0) as usize;
        let seen = past.range(..current).count();
        let (Some(spec), Some(source)) = (&trigger.source, source) else { return };
        if from > to || seen >= missed || !source.has_history() {
            return;
        }
        let remembered = remembered(source, &spec.signals, (from, to), slot);
        match tokio::time::timeout(CATCH_UP, remembered).await {
            Ok(Ok(remembered)) => {
                for (at, seen) in remembered {
                    past.entry(at).or_insert(seen);
                }
            }
            Ok(Err(error)) => {
                let key = workload.key();
                tracing::debug!(workload.namespace = key.namespace, workload.name = key.name, %error,
                    "slots since the last checkpoint cannot be sampled again");
            }
            Err(_) => {}
        }
    }

    /// What would be decided now without a sample. The planner itself does not notice: its next
    /// slot is decided as on a replica that was not asked.
    pub(super) fn preview(&self, planner: &Planner, state: &WorkloadState) -> Recommendation {
        let replicas = state.target.borrow().replicas;
        planner.clone().tick(self.clock.now(), &Observation { replicas, ..Observation::default() })
    }
}

/// Whether an answer asks for at least one replica, and for no fewer than run. Where nobody can say
/// how many run it counts only if store and source are down both: then a floor is the best that is
/// known, and at zero an error would leave the workload asleep.
fn keeps_what_runs(
    recommendation: &Recommendation,
    replicas: Option<Replicas>,
    store_failed: bool,
) -> bool {
    if !matches!(recommendation.answer, Answer::Value { active: true, .. }) {
        return false;
    }
    let no_signal = matches!(recommendation.decision.state, State::NoSignal | State::NoData);
    match replicas {
        Some(replicas) => replicas.total() <= recommendation.decision.desired_replicas,
        None => store_failed && no_signal,
    }
}

/// What was to be seen at the slots `[from, to]`; a slot without a value is an absent observation.
async fn remembered(
    source: &dyn MetricSource,
    signals: &Signals,
    (from, to): (Timestamp, Timestamp),
    slot: SignedDuration,
) -> Result<Past, SourceError> {
    let demand = source.range(&signals.demand, from, to, slot).await?;
    let mut past = Past::new();
    let mut at = from;
    while at <= to {
        past.insert(at, Seen { slot: at, sample: Sample::default(), absent: true });
        at += slot;
    }
    for (at, demand) in demand {
        if let Some(seen) = past.get_mut(&at) {
            (seen.sample.demand, seen.absent) = (Some(demand), false);
        }
    }
    // As when a slot is sampled: without them the demand still counts.
    if let Some(query) = &signals.backlog {
        for (at, items) in source.range(query, from, to, slot).await.unwrap_or_default() {
            past.entry(at).and_modify(|seen| seen.sample.backlog = Some(items));
        }
    }
    if let Some(query) = &signals.latency {
        for (at, latency) in source.range(query, from, to, slot).await.unwrap_or_default() {
            past.entry(at).and_modify(|seen| seen.sample.latency = Some(latency));
        }
    }
    Ok(past)
}
