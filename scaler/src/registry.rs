//! Workload → latest recommendation. Callers read; collectors publish; an unknown workload is
//! registered once.
//!
//! The answer path takes no lock that anything slow holds: the index is locked for a look-up or an
//! insertion only (metadata is parsed outside), publishing swaps a `watch` value. Registration is
//! the only message against the stream of data.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::Recommendation;
use prewarm_forecaster::decide::planner::Replicas;
use tokio::sync::{mpsc, watch};

use crate::clock::Clock;
use crate::status::{Notices, ReplicaStatus, SignalTrouble, SourceTrouble, TrainingStatus};
use crate::trigger::{self, MetricSpec, Parsed, Rules, Trigger};
use crate::workload::{Edit, Owner, SeriesKey};

/// Transitions that a workload remembers for `explain`.
const TRANSITIONS: usize = 20;

/// Changes of capacity that a workload remembers for its chart.
const CAPACITY_CHANGES: usize = 240;

/// A refused reference that is asked for no more was mended or deleted: not shown for longer.
const REFUSAL_SHOWN: SignedDuration = SignedDuration::from_mins(15);

/// Refused references that are remembered; the longest silent ones go first.
const REFUSALS: usize = 1_000;

/// What KEDA names a workload by.
#[derive(Clone, Copy)]
pub struct Reference<'a> {
    /// Namespace.
    pub namespace: &'a str,
    /// Name of the ScaledObject or ScaledJob.
    pub name: &'a str,
    /// The trigger's metadata.
    pub metadata: &'a HashMap<String, String>,
    /// Who says so; `None` where that cannot be told.
    pub peer: Option<IpAddr>,
}

/// Metadata as last seen and what it means.
pub struct Registration {
    /// As sent.
    metadata: HashMap<String, String>,
    /// Metric name and target.
    pub spec: MetricSpec,
    /// The trigger, or what is wrong with it.
    pub trigger: Result<Trigger, Vec<trigger::MetadataError>>,
}

// Metadata may hold secrets (`…FromEnv`, `tlsClientKey`): it never shows.
impl std::fmt::Debug for Reference<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reference")
            .field("namespace", &self.namespace)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Registration {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registration")
            .field("spec", &self.spec)
            .field("trigger", &self.trigger)
            .finish_non_exhaustive()
    }
}

/// One trigger of one ScaledObject or ScaledJob.
#[derive(Debug)]
pub struct Workload {
    key: Arc<SeriesKey>,
    registration: watch::Sender<Arc<Registration>>,
    published: watch::Sender<Option<Arc<Recommendation>>>,
    last_seen: AtomicI64,
    transitions: Mutex<VecDeque<Arc<Recommendation>>>,
    status: Mutex<Arc<TrainingStatus>>,
    replica_status: Mutex<ReplicaStatus>,
    source_trouble: Mutex<Option<Arc<SourceTrouble>>>,
    signal_troubles: Mutex<Vec<SignalTrouble>>,
    capacity: Mutex<VecDeque<CapacityChange>>,
    owner: Owner,
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
    fn new(
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
    fn may_be_edited(&self, peer: Option<IpAddr>, now: Timestamp) -> bool {
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

impl Registration {
    /// A value of the metadata as sent. It may hold a secret (`…FromEnv` arrives resolved): show it
    /// for keys only that are known to hold none.
    pub fn sent(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }
}

/// What a reference leads to.
#[derive(Debug, Clone)]
pub enum Found {
    /// A workload; its registration may still say that the trigger is invalid.
    Workload(Arc<Workload>),
    /// Not even name and target can be read: nothing to register.
    Refused(Vec<trigger::MetadataError>),
    /// The limit on workloads is reached.
    Full {
        /// The limit.
        limit: usize,
    },
}

/// A reference that cannot be registered: neither a name nor a target for the HPA can be read from
/// its metadata. KEDA shows its user no more than "got empty metric spec".
#[derive(Debug, Clone)]
pub struct Refusal {
    /// Namespace.
    pub namespace: String,
    /// Name of the ScaledObject or ScaledJob.
    pub name: String,
    /// What is wrong.
    pub errors: Vec<trigger::MetadataError>,
    /// When it was first refused so.
    pub since: Timestamp,
    /// When it was last refused.
    pub last_seen: Timestamp,
}

/// Namespace and name → why it is refused.
type Refusals = HashMap<(String, String), Refusal>;

/// Namespace → name → triggers of that ScaledObject.
type Index = HashMap<String, HashMap<String, Vec<Arc<Workload>>>>;

/// All workloads.
#[derive(Debug)]
pub struct Registry {
    index: RwLock<Index>,
    refusals: Mutex<Refusals>,
    count: AtomicUsize,
    rules: Rules,
    limit: usize,
    clock: Arc<dyn Clock>,
    arrivals: mpsc::UnboundedSender<Arc<Workload>>,
    notices: Notices,
}

impl Registry {
    /// An empty registry; newly registered workloads arrive at the receiver (bounded by `limit`).
    pub fn new(
        rules: Rules,
        limit: usize,
        clock: Arc<dyn Clock>,
    ) -> (Self, mpsc::UnboundedReceiver<Arc<Workload>>) {
        let (arrivals, receiver) = mpsc::unbounded_channel();
        let index = RwLock::default();
        let (refusals, count, notices) =
            (Mutex::default(), AtomicUsize::new(0), Notices::default());
        (Self { index, refusals, count, rules, limit, clock, arrivals, notices }, receiver)
    }

    /// What is wrong with the process while it answers.
    pub fn notices(&self) -> &Notices {
        &self.notices
    }

    /// The clock that ages answers.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Reads metadata without registering anything: a pure function of its arguments and the
    /// configuration.
    pub fn parse(&self, reference: Reference<'_>) -> Parsed {
        trigger::parse(reference.namespace, reference.name, reference.metadata, &self.rules)
    }

    /// Finds the workload, registering it or its edited metadata first where need be.
    pub fn find(&self, reference: Reference<'_>) -> Found {
        let workload = match self.unchanged(reference) {
            Some(workload) => {
                workload.owner.heard(reference.peer, self.clock.now());
                workload
            }
            None => match self.register(reference) {
                Ok(workload) => workload,
                Err(found) => return found,
            },
        };
        workload.touch(self.clock.now());
        Found::Workload(workload)
    }

    fn unchanged(&self, reference: Reference<'_>) -> Option<Arc<Workload>> {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let triggers = index.get(reference.namespace)?.get(reference.name)?;
        triggers.iter().find(|w| w.registration.borrow().metadata == *reference.metadata).cloned()
    }

    fn register(&self, reference: Reference<'_>) -> Result<Arc<Workload>, Found> {
        let Parsed { spec, trigger } = self.parse(reference);
        let spec = spec.map_err(|errors| {
            self.refuse(reference, &errors);
            Found::Refused(errors)
        })?;
        let key = SeriesKey {
            namespace: reference.namespace.to_owned(),
            name: reference.name.to_owned(),
            metric: spec.name.clone(),
        };
        let registration = Registration { metadata: reference.metadata.clone(), spec, trigger };

        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        let triggers = index.get(&key.namespace).and_then(|names| names.get(&key.name));
        if let Some(known) =
            triggers.and_then(|all| all.iter().find(|w| w.key.metric == key.metric))
        {
            if known.registration.borrow().metadata != registration.metadata
                && known.may_be_edited(reference.peer, self.clock.now())
            {
                tracing::info!(
                    workload.namespace = key.namespace,
                    workload.name = key.name,
                    "metadata changed"
                );
                known.registration.send_replace(Arc::new(registration));
                // What was decided under the old metadata is no answer to the new: callers wait for
                // the next tick, which the collector makes at once from memory.
                known.published.send_replace(None);
            }
            return Ok(known.clone());
        }
        if self.len() >= self.limit {
            return Err(Found::Full { limit: self.limit });
        }
        self.refusals
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&(key.namespace.clone(), key.name.clone()));
        let workload =
            Arc::new(Workload::new(Arc::new(key), registration, reference.peer, self.clock.now()));
        let triggers = index.entry(reference.namespace.to_owned()).or_default();
        triggers.entry(reference.name.to_owned()).or_default().push(workload.clone());
        self.count.fetch_add(1, Ordering::Relaxed);
        // The receiver is gone only while the process shuts down.
        let _ = self.arrivals.send(workload.clone());
        Ok(workload)
    }

    /// Remembers what could not be registered, for people to see.
    fn refuse(&self, reference: Reference<'_>, errors: &[trigger::MetadataError]) {
        let now = self.clock.now();
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (reference.namespace.to_owned(), reference.name.to_owned());
        if let Some(known) = refusals.get_mut(&key) {
            if known.errors != errors {
                (known.errors, known.since) = (errors.to_vec(), now);
            }
            known.last_seen = now;
            return;
        }
        if refusals.len() >= REFUSALS {
            let oldest = refusals.iter().min_by_key(|(_, refusal)| refusal.last_seen);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                refusals.remove(&oldest);
            }
        }
        let (namespace, name) = key.clone();
        let errors = errors.to_vec();
        refusals.insert(key, Refusal { namespace, name, errors, since: now, last_seen: now });
    }

    /// What could not be registered within the last [`REFUSAL_SHOWN`], by namespace and name.
    pub fn refusals(&self) -> Vec<Refusal> {
        let oldest = self.clock.now() - REFUSAL_SHOWN;
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        // KEDA repeats its question all the time: what is silent was mended or deleted.
        refusals.retain(|_, refusal| refusal.last_seen >= oldest);
        let mut all: Vec<Refusal> = refusals.values().cloned().collect();
        drop(refusals);
        all.sort_unstable_by(|a, b| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));
        all
    }

    /// Every workload, in no particular order.
    pub fn workloads(&self) -> Vec<Arc<Workload>> {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        index.values().flat_map(HashMap::values).flatten().cloned().collect()
    }

    /// The workloads (triggers) of one ScaledObject; empty if unknown.
    pub fn triggers(&self, namespace: &str, name: &str) -> Vec<Arc<Workload>> {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        index.get(namespace).and_then(|names| names.get(name)).cloned().unwrap_or_default()
    }

    /// How many workloads there are.
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets workloads of which nothing was heard for `silence`; returns them.
    pub fn evict(&self, silence: SignedDuration) -> Vec<Arc<Workload>> {
        let oldest = self.clock.now() - silence;
        let mut gone = Vec::new();
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        for names in index.values_mut() {
            for triggers in names.values_mut() {
                gone.extend(triggers.extract_if(.., |w| w.last_seen() < oldest));
            }
            names.retain(|_, triggers| !triggers.is_empty());
        }
        index.retain(|_, names| !names.is_empty());
        self.count.fetch_sub(gone.len(), Ordering::Relaxed);
        gone
    }
}
