//! Workload → latest recommendation. Callers read; collectors publish; an unknown workload is
//! registered once.
//!
//! The answer path takes no lock that anything slow holds: the index is locked for a look-up or an
//! insertion only (metadata is parsed outside), publishing swaps a `watch` value. Registration is
//! the only message against the stream of data.

mod entry;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc;

pub use entry::{CapacityChange, Workload};

use crate::clock::Clock;
use crate::status::Notices;
use crate::trigger::{self, MetricSpec, Parsed, Rules, Trigger};
use crate::workload::SeriesKey;

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
