//! The latest start-ups of a workload, and the cold start that its shadow policies are simulated with.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::decide::lead::{Node, StartUps};
use serde::{Deserialize, Serialize};

use crate::cluster::{KEPT, Stages, StartUp};
use crate::insight::{NodeStarts, Starts, node_name};
use crate::store::note::{Kind, Note};

const CODEC: i32 = 1;

/// The bank follows a learned cold start only when that has left the one it is simulated with by more than this share:
/// whatever it is simulated with, its sums of 28 days begin anew.
const LEEWAY: f64 = 0.25;

/// Start-ups by pod: each has one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Book {
    seen: BTreeMap<String, StartUp>,
    assumed: Option<SignedDuration>,
}

impl Book {
    /// Adds start-ups; whether any of them is news. The latest count, as many as the planner looks at.
    pub fn take_in<'a>(&mut self, start_ups: impl IntoIterator<Item = &'a StartUp>) -> bool {
        let before = self.clone();
        for start_up in start_ups {
            match self.seen.get(&start_up.pod) {
                // Two replicas of ours that saw it differently come to agree.
                Some(known) if rank(known) <= rank(start_up) => {}
                _ => drop(self.seen.insert(start_up.pod.clone(), start_up.clone())),
            }
        }
        while self.seen.len() > KEPT {
            let Some(oldest) = self.ordered().first().map(|oldest| oldest.pod.clone()) else { break };
            self.seen.remove(&oldest);
        }
        self.assume();
        *self != before
    }

    /// Adds what another replica, or we before a restart, wrote; whether that is news. Its cold start of the bank goes
    /// first: what the store's sums were simulated with.
    pub fn merge(&mut self, stored: &Self) -> bool {
        let before = self.assumed;
        self.assumed = stored.assumed.or(self.assumed);
        let moved = self.assumed != before;
        self.take_in(stored.seen.values()) || moved
    }

    /// For the planner.
    pub fn start_ups(&self) -> StartUps {
        let mut start_ups = StartUps::default();
        for StartUp { node, took, finished, .. } in self.ordered() {
            if *finished {
                start_ups.observe(*node, *took);
            } else {
                start_ups.observe_unfinished(*node, *took);
            }
        }
        start_ups
    }

    /// The cold start that the shadow policies are simulated with; `None` while that is the policy's seed.
    pub fn assumed(&self) -> Option<SignedDuration> {
        self.assumed
    }

    /// For people.
    pub fn starts(&self) -> Starts {
        let learned = self.start_ups();
        let of = |node: Node, finished: bool| {
            let those = self.seen.values().filter(|seen| seen.node == node && seen.finished == finished);
            u32::try_from(those.count()).unwrap_or(u32::MAX)
        };
        let class = |node| NodeStarts {
            node,
            ready: of(node, true),
            given_up: of(node, false),
            cold_start: learned.cold_start_on(node),
        };
        let stages: Vec<Stages> = self.seen.values().filter_map(|seen| seen.stages).collect();
        let median = |of: fn(&Stages) -> SignedDuration| {
            let mut all: Vec<SignedDuration> = stages.iter().map(of).collect();
            all.sort_unstable();
            all.get(all.len() / 2).copied()
        };
        let stages = median(|stages| stages.scheduled).zip(median(|stages| stages.started));
        Starts { cold_start: learned.cold_start(), nodes: [Node::Warm, Node::Cold].map(class).into(), stages }
    }

    /// As a note; `None` if there is nothing to note.
    pub fn note(&self) -> Option<Note> {
        let ordered = self.ordered();
        let at = ordered.last()?.at;
        let record = Record {
            assumed_cold_start_seconds: self.assumed.map(|assumed| assumed.as_secs_f64()),
            start_ups: ordered.into_iter().map(StartUpRecord::of).collect(),
        };
        let data = serde_json::to_vec(&record).ok()?;
        // Notes are by the second.
        Some(Note {
            kind: Kind::StartUps,
            at: crate::clock::floor(at, SignedDuration::from_secs(1)),
            codec: CODEC,
            data,
        })
    }

    /// What a note holds; `None` if a newer version wrote it, or something broke it.
    pub fn of(note: &Note) -> Option<Self> {
        let record: Record = serde_json::from_slice(&note.data).ok().filter(|_| note.codec == CODEC)?;
        let seconds = |seconds: f64| SignedDuration::try_from_secs_f64(seconds).ok().filter(|span| !span.is_negative());
        let assumed = match record.assumed_cold_start_seconds {
            Some(assumed) => Some(seconds(assumed)?),
            None => None,
        };
        let seen: Option<Vec<StartUp>> = record.start_ups.into_iter().map(|record| record.start_up(seconds)).collect();
        let mut book = Self { seen: BTreeMap::new(), assumed };
        book.take_in(&seen?);
        Some(book)
    }

    /// Oldest first.
    fn ordered(&self) -> Vec<&StartUp> {
        let mut all: Vec<&StartUp> = self.seen.values().collect();
        all.sort_unstable_by(|a, b| (a.at, &a.pod).cmp(&(b.at, &b.pod)));
        all
    }

    fn assume(&mut self) {
        let Some(learned) = self.start_ups().cold_start() else { return };
        let near = self
            .assumed
            .is_some_and(|assumed| (learned - assumed).as_secs_f64().abs() <= LEEWAY * assumed.as_secs_f64());
        if !near {
            self.assumed = Some(learned);
        }
    }
}

/// Of two views of one start-up the first in this order is kept: that it finished, then the earlier end.
fn rank(start_up: &StartUp) -> (bool, Timestamp, SignedDuration, bool) {
    (!start_up.finished, start_up.at, start_up.took, start_up.node == Node::Warm)
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    assumed_cold_start_seconds: Option<f64>,
    start_ups: Vec<StartUpRecord>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StartUpRecord {
    pod: String,
    at: Timestamp,
    node: String,
    took_seconds: f64,
    finished: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scheduled_seconds: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    started_seconds: Option<f64>,
}

impl StartUpRecord {
    fn of(start_up: &StartUp) -> Self {
        Self {
            pod: start_up.pod.clone(),
            at: start_up.at,
            node: node_name(start_up.node).to_owned(),
            took_seconds: start_up.took.as_secs_f64(),
            finished: start_up.finished,
            scheduled_seconds: start_up.stages.map(|stages| stages.scheduled.as_secs_f64()),
            started_seconds: start_up.stages.map(|stages| stages.started.as_secs_f64()),
        }
    }

    fn start_up(self, seconds: impl Fn(f64) -> Option<SignedDuration>) -> Option<StartUp> {
        let node = [Node::Warm, Node::Cold].into_iter().find(|node| node_name(*node) == self.node)?;
        let stages = match (self.scheduled_seconds, self.started_seconds) {
            (Some(scheduled), Some(started)) => {
                Some(Stages { scheduled: seconds(scheduled)?, started: seconds(started)? })
            }
            _ => None,
        };
        let (pod, at, took, finished) = (self.pod, self.at, seconds(self.took_seconds)?, self.finished);
        Some(StartUp { pod, at, node, took, finished, stages })
    }
}

#[cfg(test)]
mod tests;
