//! The one task that talks to the Kubernetes API.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use kube::core::Selector;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use tokio::sync::{Semaphore, mpsc};

use super::pod::NodeInfo;
use super::pods::{Pods, Unclassified};
use super::target::{self, Failure, Found, with_causes};
use super::{Follow, Name};
use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::status::node_name;

/// The watch is asked for anew each minute and goes on where it was: by then a connection that died
/// in silence is noticed, and rights that were withdrawn.
const WATCH_S: u32 = 60;

/// Pods that have ended are no replicas, and of no interest unless their end was seen.
const RUNNING: &str = "status.phase!=Succeeded,status.phase!=Failed";

/// The watch may fail for so long until what was seen last counts as unknown.
const GRACE: SignedDuration = SignedDuration::from_secs(60);

/// A watch that has not failed for so long works again: tries come every 30 s at least, and take a
/// minute at most.
const QUIET: SignedDuration = SignedDuration::from_secs(100);

/// What a ScaledObject scales, and within which limits, hardly ever changes …
const AGAIN: SignedDuration = SignedDuration::from_mins(10);

/// … but it may not be there yet, or the API is away.
const RETRY: SignedDuration = SignedDuration::from_secs(30);

/// The first tries: KEDA asks us before it writes what it scales.
const SOON: SignedDuration = SignedDuration::from_secs(5);

/// … which are so many.
const EARLY: u32 = 6;

/// Distance between looks at what is due.
const LOOK: Duration = Duration::from_secs(1);

/// Requests under way at once.
const REQUESTS: usize = 8;

/// Nodes are asked for again after so long: they do not change, but they get Ready.
const MACHINE_AGE: SignedDuration = SignedDuration::from_mins(1);

/// What a request came to.
enum Answer {
    Target(Name, Result<Found, Failure>),
    NodeInfo(Box<Unclassified>, Result<Option<NodeInfo>, Failure>),
}

/// Watches for ever.
pub(super) async fn run(
    client: Client,
    mut subscriptions: mpsc::UnboundedReceiver<Follow>,
    metrics: &Metrics,
    clock: &dyn Clock,
) {
    let config = watcher::Config::default().fields(RUNNING).timeout(WATCH_S);
    let mut events = watcher(Api::<Pod>::all(client.clone()), config).default_backoff().boxed();
    let mut watch = Watch {
        client,
        metrics,
        pods: Pods::default(),
        due: HashMap::new(),
        failures: HashMap::new(),
        machines: HashMap::new(),
        requests: FuturesUnordered::new(),
        turns: std::sync::Arc::new(Semaphore::new(REQUESTS)),
        failing: None,
        told: HashSet::new(),
    };
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            Some(event) = events.next() => watch.event(event, clock.now()),
            Some(Follow { of, out }) = subscriptions.recv() => {
                if watch.pods.follow(&of, out) {
                    watch.due.insert(of, clock.now());
                }
            }
            Some(answer) = watch.requests.next() => watch.answer(answer, clock.now()),
            _ = look.tick() => watch.look(clock.now()),
        }
    }
}

struct Watch<'a> {
    client: Client,
    metrics: &'a Metrics,
    pods: Pods,
    /// When what a ScaledObject scales is to be asked for again.
    due: HashMap<Name, Timestamp>,
    /// How often that has failed in a row, and how at last.
    failures: HashMap<Name, (u32, &'static str)>,
    /// Nodes as of an instant.
    machines: HashMap<String, (Timestamp, Option<NodeInfo>)>,
    requests: FuturesUnordered<BoxFuture<'static, Answer>>,
    turns: std::sync::Arc<Semaphore>,
    /// First and last failure of the watch in a row.
    failing: Option<(Timestamp, Timestamp)>,
    /// What has been complained about.
    told: HashSet<(&'static str, &'static str)>,
}

impl Watch<'_> {
    fn event(&mut self, event: watcher::Result<watcher::Event<Pod>>, now: Timestamp) {
        match event {
            Ok(event) => {
                let listed = matches!(event, watcher::Event::InitDone);
                self.works();
                let ended = self.pods.apply(event, now);
                self.ask_for_nodes(ended);
                if listed {
                    tracing::info!(pods = self.pods.len(), "pods are watched");
                }
            }
            Err(error) => {
                let (first, _) = self.failing.unwrap_or((now, now));
                self.failing = Some((first, now));
                let failure = match error {
                    // What it knew was too old: it lists again, by itself and at once.
                    watcher::Error::WatchError(status) if status.code == 410 => return,
                    watcher::Error::InitialListFailed(error)
                    | watcher::Error::WatchStartFailed(error)
                    | watcher::Error::WatchFailed(error) => Failure::from(error),
                    error => Failure::Unreachable(with_causes(&error)),
                };
                self.complain("pods", &failure);
            }
        }
        self.gauges();
    }

    fn works(&mut self) {
        self.failing = None;
        self.pods.set_blind(false);
        self.settled("pods", |_| true);
    }

    /// Once a second: what is due.
    fn look(&mut self, now: Timestamp) {
        match self.failing {
            Some((_, last)) if now.duration_since(last) > QUIET => self.works(),
            Some((first, _)) if now.duration_since(first) > GRACE => self.pods.set_blind(true),
            _ => {}
        }
        self.gauges();
        let due: Vec<Name> =
            self.due.iter().filter(|(_, at)| **at <= now).map(|(of, _)| of.clone()).collect();
        for of in due {
            self.due.remove(&of);
            if self.pods.is_followed(&of) {
                let (client, turns) = (self.client.clone(), self.turns.clone());
                self.requests.push(Box::pin(async move {
                    let _turn = turns.acquire().await;
                    let found = target::find(&client, &of).await;
                    Answer::Target(of, found)
                }));
            } else {
                self.failures.remove(&of);
            }
        }
        self.machines.retain(|_, (at, _)| now.duration_since(*at) <= MACHINE_AGE);
    }

    fn ask_for_nodes(&mut self, ended: Vec<Unclassified>) {
        for start_up in ended {
            let name = start_up.ended.pod.node.clone();
            let known = name.as_ref().map_or(Some(None), |name| {
                self.machines.get(name).map(|(_, node_info)| *node_info)
            });
            match (known, name) {
                (Some(node_info), _) => self.remember(&start_up, node_info.as_ref()),
                (None, Some(name)) => {
                    let (client, turns) = (self.client.clone(), self.turns.clone());
                    self.requests.push(Box::pin(async move {
                        let _turn = turns.acquire().await;
                        let node_info = target::machine(&client, &name).await;
                        Answer::NodeInfo(Box::new(start_up), node_info)
                    }));
                }
                (None, None) => {}
            }
        }
    }

    fn answer(&mut self, answer: Answer, now: Timestamp) {
        match answer {
            Answer::Target(of, found) => {
                let selector = found.and_then(|Found { scaling, selector }| {
                    self.pods.says(&of, (now, scaling));
                    selector
                });
                self.found(of, selector, now);
            }
            Answer::NodeInfo(start_up, node_info) => {
                match &node_info {
                    Ok(node_info) => {
                        self.settled("node", |_| true);
                        let name = start_up.ended.pod.node.clone();
                        self.machines.extend(name.map(|name| (name, (now, *node_info))));
                    }
                    Err(failure) => self.complain("node", failure),
                }
                self.remember(&start_up, node_info.ok().flatten().as_ref());
            }
        }
    }

    fn found(&mut self, of: Name, selector: Result<Selector, Failure>, now: Timestamp) {
        match selector {
            Ok(selector) => {
                self.failures.remove(&of);
                // One that works says nothing of another that is refused.
                let failing: HashSet<_> = self.failures.values().map(|(_, kind)| *kind).collect();
                self.settled("target", |kind| !failing.contains(kind));
                let ended = self.pods.target(&of, Some(selector));
                self.ask_for_nodes(ended);
                self.due.insert(of, now + AGAIN);
            }
            Err(failure) => {
                let (tries, kind) = self.failures.entry(of.clone()).or_default();
                (*tries, *kind) = (tries.saturating_add(1), failure.kind());
                let early = *tries <= EARLY;
                // Nobody minds that a ScaledObject has not been looked at by KEDA yet.
                if !(early && matches!(failure, Failure::Missing(_))) {
                    self.complain("target", &failure);
                }
                if !matches!(failure, Failure::Unreachable(_)) {
                    // What was refused, or is gone, is not known any more; an absent server changes
                    // nothing.
                    self.pods.target(&of, None);
                }
                self.due.insert(of, now + if early { SOON } else { RETRY });
            }
        }
    }

    fn remember(&mut self, start_up: &Unclassified, node_info: Option<&NodeInfo>) {
        let seen = self.pods.remember(start_up, node_info);
        let node = seen.as_ref().map_or("unknown", |seen| node_name(seen.node));
        self.metrics.start_up(node, start_up.ended.how.as_str());
        let ((namespace, name), took) = (&start_up.of, seen.map(|seen| seen.took.as_secs()));
        tracing::debug!(
            workload.namespace = namespace,
            workload.name = name,
            pod.node = node,
            outcome = start_up.ended.how.as_str(),
            seconds = took,
            "a start-up has ended"
        );
    }

    /// Counts a failure; told once, until it works again.
    fn complain(&mut self, what: &'static str, failure: &Failure) {
        self.metrics.cluster_error(what, failure.kind());
        if self.told.insert((what, failure.kind())) {
            tracing::warn!(
                cluster.what = what,
                cluster.failure = failure.kind(),
                error = %failure,
                "the cluster does not say; answers go on without (told once)"
            );
        }
    }

    fn settled(&mut self, what: &'static str, over: impl Fn(&'static str) -> bool) {
        let before = self.told.len();
        self.told.retain(|(of, kind)| *of != what || !over(kind));
        if self.told.len() < before {
            tracing::info!(cluster.what = what, "the cluster answers again");
        }
    }

    fn gauges(&self) {
        self.metrics.cluster(self.pods.known(), self.pods.len());
    }
}
