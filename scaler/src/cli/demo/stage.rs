//! One workload on stage twice: a fleet under Prewarm, and the same arrivals under KEDA alone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::decide::policy::Threshold;

use super::autoscaler::{Autoscaler, POLLING, SYNC};
use super::demand::Dice;
use super::fleet::{Fleet, SERVICE, Tally};
use super::picture::Moment;
use super::story::Story;
use super::{NAMESPACE, THRESHOLD};
use crate::grpc::client::KedaClient;
use crate::registry::Registry;

/// A workload with both of its fleets.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) story: Story,
    metadata: HashMap<String, String>,
    with: Autoscaler,
    alone: Autoscaler,
    fleet: Arc<Mutex<Fleet>>,
    alone_fleet: Fleet,
    dice: Dice,
    /// Replicas that Prewarm last asked for; `None` while it does not know.
    wanted: Option<u32>,
    why: String,
    /// What there was to see.
    pub(super) moments: Vec<Moment>,
}

/// A stage as it stands, for the table.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct StageView {
    pub(super) needed: u32,
    pub(super) ready: usize,
    pub(super) starting: usize,
    pub(super) waiting: usize,
    pub(super) wanted: Option<u32>,
    pub(super) why: String,
    pub(super) alone_ready: usize,
    pub(super) alone_starting: usize,
    pub(super) alone_waiting: usize,
}

impl Stage {
    /// A stage whose fleets are empty.
    pub(super) fn new(
        story: Story,
        cold_start: SignedDuration,
        created: Timestamp,
    ) -> anyhow::Result<Self> {
        let threshold = Threshold::new(THRESHOLD)?;
        let autoscaler = || Autoscaler::new(threshold, story.max_replicas, created);
        Ok(Self {
            story,
            metadata: metadata(&story, cold_start),
            with: autoscaler(),
            alone: autoscaler(),
            fleet: Arc::new(Mutex::new(Fleet::new(story.name, cold_start, 1))),
            alone_fleet: Fleet::new(story.name, cold_start, 1),
            dice: Dice::new(42),
            wanted: None,
            why: "…".to_owned(),
            moments: Vec::new(),
        })
    }

    /// The fleet that Prewarm scales: its metrics are what the server reads.
    pub(super) fn fleet(&self) -> Arc<Mutex<Fleet>> {
        self.fleet.clone()
    }

    /// One second of both fleets. KEDA polls and the HPA syncs on their own beats; both ask spec,
    /// value and activity in this order.
    pub(super) async fn second(
        &mut self,
        now: Timestamp,
        client: &mut KedaClient,
        registry: &Registry,
    ) {
        let arrivals = self.dice.poisson((self.story.rate)(now));
        self.alone_fleet.second(now, arrivals);
        let current = {
            let mut fleet = locked(&self.fleet);
            fleet.second(now, arrivals);
            fleet.current() as u32
        };
        let second = now.as_second();
        let (poll, sync) = (second % POLLING.as_secs() == 0, second % SYNC.as_secs() == 0);
        if poll || (sync && current > 0) {
            let answer = client.poll(NAMESPACE, self.story.name, &self.metadata).await;
            let told = answer.as_ref().ok();
            let mut target = current;
            if poll {
                target = self.with.poll(now, told.map(|answer| answer.active), target);
            }
            if sync {
                target = self.with.sync(now, told.map(|answer| answer.value), target);
            }
            self.wanted = told.map(|answer| (answer.value / THRESHOLD).ceil() as u32);
            self.why = match &answer {
                Ok(_) => reason(registry, self.story.name),
                Err(status) => status.to_string(),
            };
            locked(&self.fleet).scale_to(target as usize, now);
        }
        let demand = self.alone_fleet.demand();
        let mut target = self.alone_fleet.current() as u32;
        if poll {
            target = self.alone.poll(now, Some(demand > 0.0), target);
        }
        if sync {
            target = self.alone.sync(now, Some(demand), target);
        }
        self.alone_fleet.scale_to(target as usize, now);
        if second % MOMENT == 0 {
            let prewarm = locked(&self.fleet).ready();
            let needed = self.needed(now);
            self.moments.push(Moment { at: now, needed, prewarm, alone: self.alone_fleet.ready() });
        }
    }

    /// Replicas that demand needs at the threshold.
    fn needed(&self, now: Timestamp) -> f64 {
        (self.story.rate)(now) * SERVICE.as_secs_f64() / THRESHOLD
    }

    /// As it stands.
    pub(super) fn scene(&self, now: Timestamp) -> StageView {
        let fleet = locked(&self.fleet);
        StageView {
            needed: self.needed(now).ceil() as u32,
            ready: fleet.ready(),
            starting: fleet.current() - fleet.ready(),
            waiting: fleet.waiting(),
            wanted: self.wanted,
            why: self.why.clone(),
            alone_ready: self.alone_fleet.ready(),
            alone_starting: self.alone_fleet.current() - self.alone_fleet.ready(),
            alone_waiting: self.alone_fleet.waiting(),
        }
    }

    /// What was counted so far: with Prewarm, and with KEDA alone.
    pub(super) fn tallies(&self, now: Timestamp) -> (Tally, Tally) {
        (locked(&self.fleet).tally(now), self.alone_fleet.tally(now))
    }
}

fn locked(fleet: &Mutex<Fleet>) -> MutexGuard<'_, Fleet> {
    fleet.lock().unwrap_or_else(PoisonError::into_inner)
}

fn reason(registry: &Registry, name: &str) -> String {
    let triggers = registry.triggers(NAMESPACE, name);
    let latest = triggers.first().and_then(|workload| workload.recommendation());
    latest.map_or("", |latest| latest.decision.reason.as_str()).to_owned()
}

/// The trigger's metadata, as a ScaledObject would carry it.
fn metadata(story: &Story, cold_start: SignedDuration) -> HashMap<String, String> {
    [
        ("preset", "vllm".to_owned()),
        ("selector", format!("model_name=\"{}\"", story.name)),
        ("threshold", THRESHOLD.to_string()),
        ("coldStart", format!("{}s", cold_start.as_secs())),
        ("metricName", story.metric()),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value))
    .collect()
}

/// Simulated seconds between moments that are drawn.
const MOMENT: i64 = 15;
