//! What a pod's history means: a start-up that was seen to its end, one that was given up, or
//! neither.
//!
//! First Ready only: a container that is restarted later and a pod that stops being Ready for a
//! while have started long ago. Everything here is a function of what was seen, in the order in
//! which it was seen.

use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::decide::lead::Node;

use super::pod::{NodeInfo, Over, PodSnapshot};
use super::{Stages, StartUp};

/// Of a pod that was Ready when we first looked: its Ready is believed to be the first if it came
/// no longer than this after its containers were started. Longer ones are rather a pod that was not
/// Ready for a while.
const LONGEST_LOAD: SignedDuration = SignedDuration::from_mins(30);

/// Conditions that change together differ by no more than this.
const TOGETHER: SignedDuration = SignedDuration::from_secs(2);

/// A pod between its creation and its end, as far as its start-up is concerned.
#[derive(Debug, Clone)]
pub(super) struct PodLifecycle {
    now: PodSnapshot,
    /// When that was seen.
    seen: Timestamp,
    starting: bool,
}

/// A start-up has ended, well or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ended {
    /// Ready, or why not.
    pub(super) how: StartOutcome,
    /// When.
    pub(super) at: Timestamp,
    /// What the pod said then.
    pub(super) pod: PodSnapshot,
}

/// How a start-up ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StartOutcome {
    /// The pod got Ready.
    Ready,
    /// It was deleted, or failed, before.
    GivenUp,
    /// A container ended and was started again before: how long that took says nothing of the next
    /// one.
    Crashed,
}

impl StartOutcome {
    /// snake_case name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::GivenUp => "given_up",
            Self::Crashed => "crashed",
        }
    }
}

impl PodLifecycle {
    /// A pod that is seen for the first time at `now`. `listed`: it was there when we began to
    /// look, and what it was before nobody tells; else we have seen it from its creation on.
    pub(super) fn begin(pod: PodSnapshot, listed: bool, now: Timestamp) -> (Self, Option<Ended>) {
        let mut life = Self { now: pod, seen: now, starting: true };
        if listed && !life.is_open() {
            life.starting = false;
            return (life, None);
        }
        let ended = life.end();
        (life, ended)
    }

    /// The same pod later on.
    pub(super) fn see(&mut self, pod: PodSnapshot, now: Timestamp) -> Option<Ended> {
        self.now = pod;
        self.seen = now;
        self.end()
    }

    /// It is gone. `watched`: as of `now`; else it was gone when we looked again, and what counts
    /// is when it was last seen.
    pub(super) fn vanish(mut self, watched: bool, now: Timestamp) -> Option<Ended> {
        if watched {
            self.seen = now;
        }
        let how = if self.now.restarted { StartOutcome::Crashed } else { StartOutcome::GivenUp };
        let at = self.now.leaving.unwrap_or(self.seen);
        self.starting.then_some(Ended { how, at, pod: self.now })
    }

    /// What was seen last.
    pub(super) fn now(&self) -> &PodSnapshot {
        &self.now
    }

    /// Whether what a listed pod says can be taken for its first start.
    fn is_open(&self) -> bool {
        let pod = &self.now;
        if !pod.runs() || pod.restarted {
            return false;
        }
        match (pod.ready, pod.started) {
            (Some((true, ready)), Some(started)) => {
                let with_containers = pod.gated
                    || pod
                        .containers_ready
                        .is_some_and(|(holds, at)| holds && apart(at, ready) <= TOGETHER);
                with_containers && ready.duration_since(started) <= LONGEST_LOAD
            }
            // Ready without a running container is nothing that a kubelet says.
            (Some((true, _)), None) => false,
            // From the kubelet's first word on it is not Ready, which comes before any container is
            // started.
            (Some((false, lost)), Some(started)) => lost.duration_since(started) <= TOGETHER,
            _ => true,
        }
    }

    fn end(&mut self) -> Option<Ended> {
        let pod = &self.now;
        if !self.starting {
            return None;
        }
        let (how, at) = match (pod.ready, pod.over, pod.leaving) {
            _ if pod.held => {
                // Its wait for a quota would count as a cold start.
                self.starting = false;
                return None;
            }
            (Some((true, at)), ..) => {
                (if pod.restarted { StartOutcome::Crashed } else { StartOutcome::Ready }, at)
            }
            (_, Some(Over::Done), _) => {
                self.starting = false;
                return None;
            }
            (_, Some(Over::Failed), leaving) => {
                (StartOutcome::GivenUp, leaving.unwrap_or(self.seen))
            }
            (_, None, Some(at)) => {
                (if pod.restarted { StartOutcome::Crashed } else { StartOutcome::GivenUp }, at)
            }
            (_, None, None) => return None,
        };
        self.starting = false;
        Some(Ended { how, at, pod: self.now.clone() })
    }
}

fn apart(a: Timestamp, b: Timestamp) -> SignedDuration {
    a.duration_since(b).abs()
}

impl Ended {
    /// What is remembered of it: `None` of one that crashed. `machine`: its node, if it had one
    /// that can be asked for.
    pub(super) fn start_up(&self, uid: &str, node_info: Option<&NodeInfo>) -> Option<StartUp> {
        let pod = &self.pod;
        let finished = match self.how {
            StartOutcome::Ready => true,
            StartOutcome::GivenUp => false,
            StartOutcome::Crashed => return None,
        };
        Some(StartUp {
            pod: uid.to_owned(),
            at: self.at,
            node: class(pod, node_info),
            took: since(pod.created, self.at),
            finished,
            stages: if finished { stages(pod) } else { None },
        })
    }
}

/// Clocks differ: nothing takes less than no time.
fn since(from: Timestamp, to: Timestamp) -> SignedDuration {
    to.duration_since(from).max(SignedDuration::ZERO)
}

fn stages(pod: &PodSnapshot) -> Option<Stages> {
    let scheduled = since(pod.created, pod.scheduled?);
    let started = since(pod.created, pod.started?).max(scheduled);
    Some(Stages { scheduled, started })
}

/// Cold: made for it, or come back for it. One that never had a node waited for one.
fn class(pod: &PodSnapshot, node_info: Option<&NodeInfo>) -> Node {
    let Some(node_info) = node_info else {
        return if pod.node.is_some() { Node::Warm } else { Node::Cold };
    };
    let made = node_info.created > pod.created;
    // Nothing is put on a node that is not Ready: one that got Ready after the pod came to it was
    // away for a while.
    let came = node_info
        .ready
        .is_some_and(|ready| ready > pod.created && pod.scheduled.is_none_or(|at| ready <= at));
    if made || came { Node::Cold } else { Node::Warm }
}

#[cfg(test)]
mod tests;
