//! The latest start-ups of a workload and its ScaledObject's limits: what its shadow policies are
//! simulated with.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::decide::lead::{Node, StartUps};
use serde::{Deserialize, Serialize};

use crate::cluster::{KEPT, Stages, StartUp};
use crate::scaled_object::ScaledObjectLimits;
use crate::status::{NodeStarts, Starts, node_name};
use crate::store::document::{Document, Kind};

const CODEC: i32 = 1;

/// The bank follows learned cold starts only when their P90 or their mean has left those it is
/// simulated with by more than this share: whatever it is simulated with, its sums of 28 days begin
/// anew.
const LEEWAY: f64 = 0.25;

/// What the bank is simulated with.
#[derive(Debug, Clone, PartialEq)]
pub struct ColdStartModel {
    /// The P90: what forecasts are asked for.
    pub lead: SignedDuration,
    /// Equally frequent ones, ascending, that start-ups are drawn from; none where an older version
    /// wrote it: all take the lead.
    pub drawn: Vec<SignedDuration>,
}

/// Start-ups by pod: each has one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ColdStartHistory {
    seen: BTreeMap<String, StartUp>,
    assumed: Option<ColdStartModel>,
    /// What the ScaledObject says of limits and beats, and since when as far as is known.
    scaling: Option<(Timestamp, ScaledObjectLimits)>,
}

impl ColdStartHistory {
    /// Adds start-ups; whether any of them is news. The latest count, as many as the planner looks
    /// at.
    pub fn apply<'a>(&mut self, start_ups: impl IntoIterator<Item = &'a StartUp>) -> bool {
        let before = self.clone();
        for start_up in start_ups {
            match self.seen.get(&start_up.pod) {
                // Two replicas of ours that saw it differently come to agree.
                Some(known) if rank(known) <= rank(start_up) => {}
                _ => drop(self.seen.insert(start_up.pod.clone(), start_up.clone())),
            }
        }
        while self.seen.len() > KEPT {
            let Some(oldest) = self.ordered().first().map(|oldest| oldest.pod.clone()) else {
                break;
            };
            self.seen.remove(&oldest);
        }
        self.assume();
        *self != before
    }

    /// Takes over what the ScaledObject said; whether it is news. Of two sayings that differ the
    /// later one counts: a replica of ours that asks seldom does not bring back what was.
    pub fn update_limits(&mut self, said: Option<(Timestamp, ScaledObjectLimits)>) -> bool {
        let news = match (said, self.scaling) {
            (Some((at, scaling)), Some((before, known))) => scaling != known && at > before,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if news {
            self.scaling = said;
        }
        news
    }

    /// What the ScaledObject says of limits and beats; `None` where nobody could read it yet.
    pub fn scaling(&self) -> Option<ScaledObjectLimits> {
        self.scaling.map(|(_, scaling)| scaling)
    }

    /// Adds what another replica, or we before a restart, wrote; whether that is news. Its cold
    /// start of the bank goes first: what the store's sums were simulated with.
    pub fn merge(&mut self, stored: &Self) -> bool {
        let moved = stored.assumed.is_some() && stored.assumed != self.assumed;
        if moved {
            self.assumed.clone_from(&stored.assumed);
        }
        let heard = self.update_limits(stored.scaling);
        self.apply(stored.seen.values()) || moved || heard
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

    /// The cold starts that the shadow policies are simulated with; `None` while that is the
    /// policy's seed.
    pub fn assumed(&self) -> Option<&ColdStartModel> {
        self.assumed.as_ref()
    }

    /// For people.
    pub fn starts(&self) -> Starts {
        let (learned, ordered) = (self.start_ups(), self.ordered());
        let of = |node: Node, finished: bool| {
            let those =
                self.seen.values().filter(|seen| seen.node == node && seen.finished == finished);
            u32::try_from(those.count()).unwrap_or(u32::MAX)
        };
        let class = |node| NodeStarts {
            node,
            ready: of(node, true),
            given_up: of(node, false),
            cold_start: learned.cold_start_on(node),
            took: ordered
                .iter()
                .filter(|seen| seen.node == node && seen.finished)
                .map(|seen| seen.took)
                .collect(),
        };
        let stages: Vec<Stages> = self.seen.values().filter_map(|seen| seen.stages).collect();
        let median = |of: fn(&Stages) -> SignedDuration| {
            let mut all: Vec<SignedDuration> = stages.iter().map(of).collect();
            all.sort_unstable();
            all.get(all.len() / 2).copied()
        };
        let stages = median(|stages| stages.scheduled).zip(median(|stages| stages.started));
        Starts {
            cold_start: learned.cold_start(),
            nodes: [Node::Warm, Node::Cold].map(class).into(),
            stages,
        }
    }

    /// As a document; `None` if there is nothing to document.
    pub fn document(&self) -> Option<Document> {
        let ordered = self.ordered();
        let (seen, said) = (ordered.last().map(|last| last.at), self.scaling.map(|(at, _)| at));
        let at = seen.max(said)?;
        let drawn =
            self.assumed.as_ref().map(|assumed| assumed.drawn.as_slice()).unwrap_or_default();
        let record = Record {
            assumed_cold_start_seconds: self
                .assumed
                .as_ref()
                .map(|assumed| assumed.lead.as_secs_f64()),
            assumed_start_ups_seconds: drawn.iter().map(SignedDuration::as_secs_f64).collect(),
            start_ups: ordered.into_iter().map(StartUpRecord::of).collect(),
            scaling: self.scaling.map(ScalingRecord::of),
        };
        let data = serde_json::to_vec(&record).ok()?;
        // Notes are by the second.
        Some(Document {
            kind: Kind::StartUps,
            at: crate::clock::floor(at, SignedDuration::from_secs(1)),
            codec: CODEC,
            data,
        })
    }

    /// What a document holds; `None` if a newer version wrote it, or something broke it.
    pub fn of(document: &Document) -> Option<Self> {
        let record: Record =
            serde_json::from_slice(&document.data).ok().filter(|_| document.codec == CODEC)?;
        let seconds = |seconds: f64| {
            SignedDuration::try_from_secs_f64(seconds).ok().filter(|span| !span.is_negative())
        };
        let assumed = match record.assumed_cold_start_seconds {
            Some(lead) => {
                let drawn: Option<_> =
                    record.assumed_start_ups_seconds.into_iter().map(seconds).collect();
                Some(ColdStartModel { lead: seconds(lead)?, drawn: drawn? })
            }
            None => None,
        };
        let scaling = match record.scaling {
            Some(record) => Some(record.scaling(seconds)?),
            None => None,
        };
        let seen: Option<Vec<StartUp>> =
            record.start_ups.into_iter().map(|record| record.start_up(seconds)).collect();
        let mut history = Self { seen: BTreeMap::new(), assumed, scaling };
        history.apply(&seen?);
        Some(history)
    }

    /// Oldest first.
    fn ordered(&self) -> Vec<&StartUp> {
        let mut all: Vec<&StartUp> = self.seen.values().collect();
        all.sort_unstable_by(|a, b| (a.at, &a.pod).cmp(&(b.at, &b.pod)));
        all
    }

    fn assume(&mut self) {
        let learned = self.start_ups();
        let Some((lead, drawn)) = learned.cold_start().zip(learned.tenths()) else { return };
        let learned = ColdStartModel { lead, drawn: drawn.into() };
        if self.assumed.as_ref().is_none_or(|assumed| !assumed.is_near(&learned)) {
            self.assumed = Some(learned);
        }
    }
}

impl ColdStartModel {
    fn is_near(&self, learned: &Self) -> bool {
        let near = |ours: f64, theirs: f64| (theirs - ours).abs() <= LEEWAY * ours;
        let mean = |drawn: &[SignedDuration]| {
            drawn.iter().map(SignedDuration::as_secs_f64).sum::<f64>() / drawn.len().max(1) as f64
        };
        near(self.lead.as_secs_f64(), learned.lead.as_secs_f64())
            && (self.drawn.is_empty() || near(mean(&self.drawn), mean(&learned.drawn)))
    }
}

/// Of two views of one start-up the first in this order is kept: that it finished, then the earlier
/// end.
fn rank(start_up: &StartUp) -> (bool, Timestamp, SignedDuration, bool) {
    (!start_up.finished, start_up.at, start_up.took, start_up.node == Node::Warm)
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    assumed_cold_start_seconds: Option<f64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    assumed_start_ups_seconds: Vec<f64>,
    start_ups: Vec<StartUpRecord>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scaling: Option<ScalingRecord>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ScalingRecord {
    at: Timestamp,
    min_replicas: u32,
    none_while_idle: bool,
    max_replicas: u32,
    cooldown_seconds: f64,
    polling_seconds: Option<f64>,
    hpa_window_seconds: Option<f64>,
}

impl ScalingRecord {
    fn of((at, scaling): (Timestamp, ScaledObjectLimits)) -> Self {
        let ScaledObjectLimits { min, idle, max, cooldown, polling, hpa_window } = scaling;
        Self {
            at,
            min_replicas: min,
            none_while_idle: idle,
            max_replicas: max,
            cooldown_seconds: cooldown.as_secs_f64(),
            polling_seconds: polling.map(|span| span.as_secs_f64()),
            hpa_window_seconds: hpa_window.map(|span| span.as_secs_f64()),
        }
    }

    fn scaling(
        self,
        seconds: impl Fn(f64) -> Option<SignedDuration>,
    ) -> Option<(Timestamp, ScaledObjectLimits)> {
        let given = |span: Option<f64>| match span {
            Some(span) => seconds(span).map(Some),
            None => Some(None),
        };
        let (polling, hpa_window) = (given(self.polling_seconds)?, given(self.hpa_window_seconds)?);
        let (min, idle, max) = (self.min_replicas, self.none_while_idle, self.max_replicas);
        Some((
            self.at,
            ScaledObjectLimits {
                min,
                idle,
                max,
                cooldown: seconds(self.cooldown_seconds)?,
                polling,
                hpa_window,
            },
        ))
    }
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
        let node =
            [Node::Warm, Node::Cold].into_iter().find(|node| node_name(*node) == self.node)?;
        let stages = match (self.scheduled_seconds, self.started_seconds) {
            (Some(scheduled), Some(started)) => {
                Some(Stages { scheduled: seconds(scheduled)?, started: seconds(started)? })
            }
            _ => None,
        };
        let (pod, at, took, finished) =
            (self.pod, self.at, seconds(self.took_seconds)?, self.finished);
        Some(StartUp { pod, at, node, took, finished, stages })
    }
}

#[cfg(test)]
mod tests;
