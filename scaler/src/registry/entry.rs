//! One workload: what its collector publishes, and what is known of it besides.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use prewarm_forecaster::Recommendation;
use prewarm_forecaster::decide::planner::Replicas;
use tokio::sync::watch;

use super::Registration;
use crate::status::{ReplicaStatus, SignalTrouble, SourceTrouble, TrainingStatus};
use crate::workload::{Edit, Owner, SeriesKey};

/// Changes of capacity that a workload remembers for its chart.
const CAPACITY_CHANGES: usize = 240;

/// Transitions that a workload remembers for `explain`.
const TRANSITIONS: usize = 20;

/// One trigger of one ScaledObject or ScaledJob.
#[derive(Debug)]
pub struct Workload {
    pub(super) key: Arc<SeriesKey>,
    pub(super) registration: watch::Sender<Arc<Registration>>,
    pub(super) published: watch::Sender<Option<Arc<Recommendation>>>,
    last_seen: AtomicI64,
    transitions: Mutex<VecDeque<Arc<Recommendation>>>,
    status: Mutex<Arc<TrainingStatus>>,
    replica_status: Mutex<ReplicaStatus>,
    source_trouble: Mutex<Option<Arc<SourceTrouble>>>,
    signal_troubles: Mutex<Vec<SignalTrouble>>,
    capacity: Mutex<VecDeque<CapacityChange>>,
    pub(super) owner: Owner,
}

/// From when on there were so many replicas; `None`: the cluster did not say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CapacityChange {
    /// The slot at which it was seen.
    pub at: Timestamp,
    /// Ready and starting.
    pub replicas: Option<Replicas>,
}

impl Workload {
    pub(super) fn new(
        key: Arc<SeriesKey>,
        registration: Registration,
        peer: Option<IpAddr>,
        now: Timestamp,
    ) -> Self {
        Self {
            key,
            registration: watch::Sender::new(Arc::new(registration)),
            published: watch::Sender::new(None),
            last_seen: AtomicI64::new(now.as_second()),
            transitions: Mutex::default(),
            status: Mutex::default(),
            replica_status: Mutex::default(),
            source_trouble: Mutex::default(),
            capacity: Mutex::default(),
            signal_troubles: Mutex::default(),
            owner: Owner::new(peer, now),
        }
    }

    /// Whether other metadata counts; said once where it does not.
    pub(super) fn may_be_edited(&self, peer: Option<IpAddr>, now: Timestamp) -> bool {
        match self.owner.edit(peer, now) {
            Edit::Taken => true,
            Edit::Held { owner, news } => {
                if news {
                    tracing::warn!(
                        workload.namespace = self.key.namespace,
                        workload.name = self.key.name,
                        peer.address = ?peer,
                        "other metadata is not taken from there while {owner} sends what is in force"
                    );
                }
                false
            }
        }
    }

    /// Its identity.
    pub fn key(&self) -> &Arc<SeriesKey> {
        &self.key
    }

    /// What its metadata says now.
    pub fn registration(&self) -> Arc<Registration> {
        self.registration.borrow().clone()
    }

    /// Follows edits of its metadata.
    pub fn registrations(&self) -> watch::Receiver<Arc<Registration>> {
        self.registration.subscribe()
    }

    /// The latest recommendation; `None` before the first.
    pub fn recommendation(&self) -> Option<Arc<Recommendation>> {
        self.published.borrow().clone()
    }

    /// Whether its first decision is still to come; never of a trigger that cannot be acted upon.
    pub fn is_undecided(&self) -> bool {
        self.published.borrow().is_none() && self.registration.borrow().trigger.is_ok()
    }

    /// Follows recommendations; a slow reader sees the latest only.
    pub fn recommendations(&self) -> watch::Receiver<Option<Arc<Recommendation>>> {
        self.published.subscribe()
    }

    /// Replaces the recommendation that callers read. Called by the workload's collector alone.
    pub fn publish(&self, recommendation: Recommendation) {
        let recommendation = Arc::new(recommendation);
        let mut transitions = self.transitions.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = transitions.back().is_none_or(|last| {
            last.decision.reason != recommendation.decision.reason
                || last.decision.state != recommendation.decision.state
                || last.decision.desired_replicas != recommendation.decision.desired_replicas
                || last.decision.active != recommendation.decision.active
        });
        if changed {
            if transitions.len() == TRANSITIONS {
                transitions.pop_front();
            }
            transitions.push_back(recommendation.clone());
        }
        drop(transitions);
        self.published.send_replace(Some(recommendation));
    }

    /// The last transitions, oldest first.
    pub fn transitions(&self) -> Vec<Arc<Recommendation>> {
        self.transitions.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// What was learned of it off the slots.
    pub fn training_status(&self) -> Arc<TrainingStatus> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces what was learned of it.
    pub fn learn(&self, status: TrainingStatus) {
        *self.status.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(status);
    }

    /// What is known of its replicas.
    pub fn replica_status(&self) -> ReplicaStatus {
        self.replica_status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces what is known of its replicas, as seen at the slot `at`. Called by the workload's
    /// collector alone.
    pub fn set_replica_status(&self, status: ReplicaStatus, at: Timestamp) {
        let mut capacity = self.capacity.lock().unwrap_or_else(PoisonError::into_inner);
        let replicas = status.replicas;
        let known = capacity.back().map_or(replicas.is_none(), |last| last.replicas == replicas);
        if !known {
            if capacity.len() == CAPACITY_CHANGES {
                capacity.pop_front();
            }
            capacity.push_back(CapacityChange { at, replicas });
        }
        drop(capacity);
        *self.replica_status.lock().unwrap_or_else(PoisonError::into_inner) = status;
    }

    /// The last changes of capacity, oldest first.
    pub fn capacity(&self) -> Vec<CapacityChange> {
        self.capacity.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }

    /// Replicas at an instant, as far as they are remembered.
    pub fn capacity_at(&self, at: Timestamp) -> Option<Replicas> {
        let capacity = self.capacity.lock().unwrap_or_else(PoisonError::into_inner);
        capacity.iter().rev().find(|change| change.at <= at)?.replicas
    }

    /// Why the newest slot has no demand; `None` where it has.
    pub fn source_trouble(&self) -> Option<Arc<SourceTrouble>> {
        self.source_trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces what is wrong with its source; trouble of the same kind goes on since it began.
    /// Called by the workload's collector alone.
    pub fn set_source_trouble(&self, trouble: Option<SourceTrouble>) {
        let mut last = self.source_trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let began = last.as_ref().map(|last| (last.kind, last.since));
        *last = trouble.map(|mut trouble| {
            if let Some((kind, since)) = began
                && kind == trouble.kind
            {
                trouble.since = since;
            }
            Arc::new(trouble)
        });
    }

    /// What is wrong with backlog and latency; empty where nothing is.
    pub fn signal_troubles(&self) -> Vec<SignalTrouble> {
        self.signal_troubles.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces what is wrong with backlog and latency; trouble of the same kind goes on since it
    /// began. Called by the workload's collector alone.
    pub fn set_signal_troubles(&self, mut troubles: Vec<SignalTrouble>) {
        let mut last = self.signal_troubles.lock().unwrap_or_else(PoisonError::into_inner);
        for SignalTrouble { signal, trouble } in &mut troubles {
            let same =
                |old: &&SignalTrouble| old.signal == *signal && old.trouble.kind == trouble.kind;
            if let Some(before) = last.iter().find(same) {
                trouble.since = before.trouble.since;
            }
        }
        *last = troubles;
    }

    /// When KEDA last asked (or held a stream open).
    pub fn last_seen(&self) -> Timestamp {
        Timestamp::from_second(self.last_seen.load(Ordering::Relaxed))
            .unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// A sign of life.
    pub fn touch(&self, now: Timestamp) {
        self.last_seen.store(now.as_second(), Ordering::Relaxed);
    }
}
