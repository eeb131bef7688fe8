//! Pods as they are now, and the ScaledObjects that they are replicas of. No I/O: events in, fleets
//! out.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::core::{Selector, SelectorExt};
use kube::runtime::watcher::Event;
use prewarm_forecaster::decide::planner::Replicas;
use tokio::sync::watch;

use super::lifecycle::{Ended, PodLifecycle};
use super::pod::{NodeInfo, PodSnapshot, may_be_replica};
use super::{KEPT, Name, StartUp, TargetStatus};
use crate::scaled_object::ScaledObjectLimits;

type Labels = BTreeMap<String, String>;

/// Everything that is known.
#[derive(Debug, Default)]
pub(super) struct Pods {
    /// By namespace and UID.
    namespaces: HashMap<String, HashMap<String, Entry>>,
    /// Each set of them once: replicas have the same, and they are the most of what is kept of a
    /// pod.
    labels: HashSet<Arc<Labels>>,
    targets: HashMap<String, HashMap<String, Target>>,
    /// UIDs of the list that is under way.
    listing: Option<HashSet<String>>,
    /// A whole list was seen.
    listed: bool,
    /// The watch has failed for too long for what was seen to be still so.
    blind: bool,
}

#[derive(Debug)]
struct Entry {
    labels: Arc<Labels>,
    life: PodLifecycle,
    /// Its start-up, once that has ended.
    ended: Option<Ended>,
}

/// A ScaledObject.
#[derive(Debug)]
struct Target {
    /// What it scales; `None` while that is not known.
    selector: Option<Selector>,
    /// It has selected a pod. Before, "no pods" may as well mean that it is wrong, and zero
    /// replicas would be believed.
    proven: bool,
    /// By pod.
    start_ups: HashMap<String, StartUp>,
    /// Whose node is being asked for.
    asked: HashSet<String>,
    /// What it said of limits and beats, and when.
    scaling: Option<(Timestamp, ScaledObjectLimits)>,
    outs: Vec<watch::Sender<Arc<TargetStatus>>>,
}

/// A start-up whose node is to be asked for; then it is [`Pods::remember`]ed.
#[derive(Debug, Clone)]
pub(super) struct Unclassified {
    pub(super) of: Name,
    pub(super) uid: String,
    pub(super) ended: Ended,
}

impl Pods {
    /// Takes in what the watch says at `now`; start-ups that have ended with it.
    pub(super) fn apply(&mut self, event: Event<Pod>, now: Timestamp) -> Vec<Unclassified> {
        match event {
            Event::Init => {
                self.listing = Some(HashSet::new());
                Vec::new()
            }
            Event::InitApply(pod) => {
                if let (Some(listing), Some(uid)) = (&mut self.listing, &pod.metadata.uid) {
                    listing.insert(uid.clone());
                }
                self.see(&pod, true, now)
            }
            Event::InitDone => {
                let gone = self.gone_meanwhile(now);
                self.listed = true;
                self.publish_all();
                gone
            }
            Event::Apply(pod) => self.see(&pod, false, now),
            Event::Delete(pod) => {
                let mut ended = self.see(&pod, false, now);
                ended.extend(self.vanish(&pod, now));
                ended
            }
        }
    }

    /// How many pods are remembered.
    pub(super) fn len(&self) -> usize {
        self.namespaces.values().map(HashMap::len).sum()
    }

    /// Whether replicas are known.
    pub(super) fn known(&self) -> bool {
        self.listed && !self.blind
    }

    /// The watch has failed for so long that replicas count as unknown, or works again.
    pub(super) fn set_blind(&mut self, blind: bool) {
        if std::mem::replace(&mut self.blind, blind) != blind {
            self.publish_all();
        }
    }

    /// Follows a ScaledObject; whether it is new, and what it scales has to be found out.
    pub(super) fn follow(&mut self, of: &Name, out: watch::Sender<Arc<TargetStatus>>) -> bool {
        let names = self.targets.entry(of.0.clone()).or_default();
        let new = !names.contains_key(&of.1);
        let target = names.entry(of.1.clone()).or_insert_with(|| Target {
            selector: None,
            proven: false,
            start_ups: HashMap::new(),
            asked: HashSet::new(),
            scaling: None,
            outs: Vec::new(),
        });
        target.outs.push(out);
        self.publish(&of.0, &of.1);
        new
    }

    /// Forgets whom nobody listens to any more; whether `of` is still followed.
    pub(super) fn is_followed(&mut self, of: &Name) -> bool {
        let Some(names) = self.targets.get_mut(&of.0) else { return false };
        let Some(target) = names.get_mut(&of.1) else { return false };
        target.outs.retain(|out| !out.is_closed());
        if !target.outs.is_empty() {
            return true;
        }
        names.remove(&of.1);
        if names.is_empty() {
            self.targets.remove(&of.0);
        }
        false
    }

    /// What a ScaledObject scales, or that it is not known any more; start-ups of its pods that
    /// have ended already.
    pub(super) fn target(&mut self, of: &Name, selector: Option<Selector>) -> Vec<Unclassified> {
        let Some(target) = self.targets.get_mut(&of.0).and_then(|names| names.get_mut(&of.1))
        else {
            return Vec::new();
        };
        if target.selector == selector {
            return Vec::new();
        }
        (target.selector, target.proven) = (selector, false);
        let mut ended = Vec::new();
        for (uid, entry) in self.namespaces.get(&of.0).into_iter().flatten() {
            if target.selects(&entry.labels) {
                target.proven = true;
                ended.extend(entry.ended.as_ref().and_then(|end| target.ask(of, uid, end)));
            }
        }
        self.publish(&of.0, &of.1);
        ended
    }

    /// What a ScaledObject says of limits and beats, and when.
    pub(super) fn says(&mut self, of: &Name, scaling: (Timestamp, ScaledObjectLimits)) {
        if let Some(target) = self.targets.get_mut(&of.0).and_then(|names| names.get_mut(&of.1)) {
            target.scaling = Some(scaling);
            self.publish(&of.0, &of.1);
        }
    }

    /// A start-up with its node, if that could be asked for.
    pub(super) fn remember(
        &mut self,
        start_up: &Unclassified,
        node_info: Option<&NodeInfo>,
    ) -> Option<StartUp> {
        let Unclassified { of, uid, ended } = start_up;
        let target = self.targets.get_mut(&of.0).and_then(|names| names.get_mut(&of.1))?;
        target.asked.remove(uid);
        let seen = ended.start_up(uid, node_info)?;
        target.start_ups.insert(uid.clone(), seen.clone());
        target.forget_old();
        self.publish(&of.0, &of.1);
        Some(seen)
    }

    fn see(&mut self, pod: &Pod, listed: bool, now: Timestamp) -> Vec<Unclassified> {
        let (Some(namespace), Some(uid)) = (&pod.metadata.namespace, &pod.metadata.uid) else {
            return Vec::new();
        };
        let Some(snapshot) = PodSnapshot::of(pod).filter(|_| may_be_replica(pod)) else {
            return Vec::new();
        };
        let labels = self.shared(pod.metadata.labels.clone().unwrap_or_default());
        let pods = self.namespaces.entry(namespace.clone()).or_default();
        let ended = match pods.get_mut(uid) {
            Some(entry) => {
                let before = std::mem::replace(&mut entry.labels, labels);
                Self::release(&mut self.labels, before);
                entry.life.see(snapshot, now)
            }
            None => {
                let (life, ended) = PodLifecycle::begin(snapshot, listed, now);
                pods.insert(uid.clone(), Entry { labels, life, ended: None });
                ended
            }
        };
        self.settle(namespace, uid, ended)
    }

    fn vanish(&mut self, pod: &Pod, now: Timestamp) -> Vec<Unclassified> {
        let (Some(namespace), Some(uid)) = (&pod.metadata.namespace, &pod.metadata.uid) else {
            return Vec::new();
        };
        self.drop_pod(namespace, uid, true, now)
    }

    fn drop_pod(
        &mut self,
        namespace: &str,
        uid: &str,
        watched: bool,
        now: Timestamp,
    ) -> Vec<Unclassified> {
        let Some(entry) = self.namespaces.get_mut(namespace).and_then(|pods| pods.remove(uid))
        else {
            return Vec::new();
        };
        let ended = entry.life.vanish(watched, now);
        let told = self.matching(namespace, uid, &entry.labels, ended.as_ref());
        Self::release(&mut self.labels, entry.labels);
        told
    }

    fn shared(&mut self, labels: Labels) -> Arc<Labels> {
        if let Some(known) = self.labels.get(&labels) {
            return known.clone();
        }
        let labels = Arc::new(labels);
        self.labels.insert(labels.clone());
        labels
    }

    /// Forgets labels that nobody else has.
    fn release(all: &mut HashSet<Arc<Labels>>, labels: Arc<Labels>) {
        // Ours and the set's.
        if Arc::strong_count(&labels) == 2 {
            all.remove(&labels);
        }
    }

    /// Those that the list did not hold went while nobody watched.
    fn gone_meanwhile(&mut self, now: Timestamp) -> Vec<Unclassified> {
        let Some(listed) = self.listing.take() else { return Vec::new() };
        let all = self
            .namespaces
            .iter()
            .flat_map(|(namespace, pods)| pods.keys().map(move |uid| (namespace, uid)));
        let gone: Vec<(String, String)> = all
            .filter(|(_, uid)| !listed.contains(*uid))
            .map(|(namespace, uid)| (namespace.clone(), uid.clone()))
            .collect();
        let ended = gone
            .iter()
            .flat_map(|(namespace, uid)| self.drop_pod(namespace, uid, false, now))
            .collect();
        self.namespaces.retain(|_, pods| !pods.is_empty());
        ended
    }

    fn settle(&mut self, namespace: &str, uid: &str, ended: Option<Ended>) -> Vec<Unclassified> {
        let Some(entry) = self.namespaces.get_mut(namespace).and_then(|pods| pods.get_mut(uid))
        else {
            return Vec::new();
        };
        if ended.is_some() {
            entry.ended.clone_from(&ended);
        }
        let labels = entry.labels.clone();
        self.matching(namespace, uid, &labels, ended.as_ref())
    }

    /// Tells every ScaledObject that selects such labels, and whose start-up it was.
    fn matching(
        &mut self,
        namespace: &str,
        uid: &str,
        labels: &Labels,
        ended: Option<&Ended>,
    ) -> Vec<Unclassified> {
        let mut unclassified = Vec::new();
        let Some(targets) = self.targets.get_mut(namespace) else { return unclassified };
        let mut changed = Vec::new();
        for (name, target) in targets.iter_mut().filter(|(_, target)| target.selects(labels)) {
            target.proven = true;
            let of = (namespace.to_owned(), name.clone());
            unclassified.extend(ended.and_then(|ended| target.ask(&of, uid, ended)));
            changed.push(of.1);
        }
        changed.iter().for_each(|name| self.publish(namespace, name));
        unclassified
    }

    fn publish_all(&self) {
        for (namespace, names) in &self.targets {
            names.keys().for_each(|name| self.publish(namespace, name));
        }
    }

    /// While a list is under way what it will say is not known yet.
    fn publish(&self, namespace: &str, name: &str) {
        let Some(target) = self.targets.get(namespace).and_then(|names| names.get(name)) else {
            return;
        };
        if self.known() && self.listing.is_some() {
            return;
        }
        let mut start_ups: Vec<StartUp> = target.start_ups.values().cloned().collect();
        start_ups.sort_by(|a, b| (a.at, &a.pod).cmp(&(b.at, &b.pod)));
        let status = Arc::new(TargetStatus {
            replicas: self.replicas(namespace, target),
            start_ups,
            scaling: target.scaling,
        });
        for out in &target.outs {
            out.send_if_modified(|before| {
                let news = **before != *status;
                if news {
                    *before = status.clone();
                }
                news
            });
        }
    }

    fn replicas(&self, namespace: &str, target: &Target) -> Option<Replicas> {
        let selector = target.selector.as_ref().filter(|_| target.proven && self.known())?;
        let mut replicas = Replicas { ready: 0, starting: 0 };
        for entry in self.namespaces.get(namespace).into_iter().flat_map(HashMap::values) {
            let pod = entry.life.now();
            if pod.runs() && selector.matches(&entry.labels) {
                let count =
                    if pod.is_ready() { &mut replicas.ready } else { &mut replicas.starting };
                *count = count.saturating_add(1);
            }
        }
        Some(replicas)
    }
}

impl Target {
    fn selects(&self, labels: &Labels) -> bool {
        self.selector.as_ref().is_some_and(|selector| selector.matches(labels))
    }

    /// Each start-up is asked after once.
    fn ask(&mut self, of: &Name, uid: &str, ended: &Ended) -> Option<Unclassified> {
        let new = !self.start_ups.contains_key(uid) && self.asked.insert(uid.to_owned());
        new.then(|| Unclassified { of: of.clone(), uid: uid.to_owned(), ended: ended.clone() })
    }

    fn forget_old(&mut self) {
        while self.start_ups.len() > KEPT {
            let oldest = self.start_ups.values().min_by(|a, b| (a.at, &a.pod).cmp(&(b.at, &b.pod)));
            let Some(oldest) = oldest.map(|start_up| start_up.pod.clone()) else { return };
            self.start_ups.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests;
