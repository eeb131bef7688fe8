//! What a replay assumes of workload, cluster and money.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use crate::calendar::Calendar;
use crate::control::hpa::Hpa;
use crate::control::keda::ScaledObject;
use crate::decide::policy::{Objective, Policy, Quantile, ScaleToZero, Threshold};
use crate::decide::selection::Selection;
use crate::decide::timing::LoopTiming;
pub use crate::tuning::cold_start::ColdStart;
use crate::tuning::inputs::{LearnedColdStart, ReplicaLimits, SimulationInputs};

/// Simulated time goes in steps of this: the HPA's sync period and our own slot.
pub const STEP: SignedDuration = SignedDuration::from_secs(15);

/// What a replay assumes.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// Demand that one replica carries, in the demand's own unit.
    pub threshold: Threshold,
    /// From asked for to Ready.
    pub cold_start: ColdStart,
    /// What bounds a replica beside what it carries; `None`: nothing.
    pub slots: Option<Slots>,
    /// The ScaledObject.
    pub keda: ScaledObject,
    /// The HPA that KEDA makes of it.
    pub hpa: Hpa,
    /// Age of the newest demand that a metric shows to who asks for it: scrape, query. KEDA's own
    /// triggers ask when the HPA syncs, we ask at our slots ([`Service::answer_age`]).
    pub metric_delay: SignedDuration,
    /// Metrics show what waits: requests in flight do, or a backlog beside demand; a rate of
    /// arrivals does not, and an HPA on it knows of no queue.
    pub shows_queue: bool,
    /// One missed replica-hour costs as much as this many idle GPU-hours, ≥ 0.
    pub cost_ratio: f64,
    /// Work that waits longer is missed.
    pub wait_limit: SignedDuration,
    /// Work that waits longer goes away; `None`: never.
    pub patience: Option<SignedDuration>,
    /// Windows, holidays and zone. Prewarm follows the windows; beside an HPA a cron trigger for
    /// each floor asks for as much as early, and its maximum is edited for ceilings. Days are local
    /// days of its zone.
    pub calendar: Calendar,
    /// Whether zero is allowed, where the ScaledObject allows it.
    pub scale_to_zero: ScaleToZero,
    /// Live demand at or below this does not wake a workload from zero, in the demand's own unit.
    pub activation: f64,
    /// The quantile that Prewarm's user fixed.
    pub quantile: Quantile,
    /// Prewarm's forecast never asks for more than this many replicas beyond live demand.
    pub max_prewarm_replicas: Option<u32>,
    /// What Prewarm's tuner minimizes.
    pub objective: Objective,
    /// Figures count from here; what is before is history to learn from. `None`: all counts.
    pub counted_from: Option<Timestamp>,
    /// Keep what happened at every step.
    pub timeline: bool,
    /// Of the cold starts that are drawn.
    pub seed: u64,
    /// The service behind the Prewarm arm.
    pub service: Service,
    /// Counts what was simulated.
    pub meter: Meter,
}

impl Scenario {
    /// Defaults for a threshold and a constant cold start: UTC, one replica at least, KEDA's and
    /// Kubernetes' defaults, ρ = 30, limit 15 s.
    pub fn new(threshold: Threshold, cold_start: SignedDuration) -> Self {
        Self {
            threshold,
            cold_start: ColdStart::constant(cold_start),
            slots: None,
            keda: ScaledObject::default(),
            hpa: Hpa::default(),
            metric_delay: SignedDuration::from_secs(30),
            shows_queue: true,
            cost_ratio: 30.0,
            wait_limit: SignedDuration::from_secs(15),
            patience: None,
            calendar: Calendar::empty(TimeZone::UTC),
            scale_to_zero: ScaleToZero::Auto,
            activation: 0.0,
            quantile: Quantile::Auto,
            max_prewarm_replicas: None,
            objective: Objective::Cost,
            counted_from: None,
            timeline: false,
            seed: 0,
            service: Service::default(),
            meter: Meter::default(),
        }
    }

    /// Demand that a replica serves at most, as a share of the threshold, in (0, 1].
    pub fn capacity(&self) -> f64 {
        let Some(Slots { limit, service }) = self.slots else { return 1.0 };
        let rate = f64::from(limit.max(1)) / service.as_secs_f64();
        (rate / self.threshold.get()).clamp(f64::MIN_POSITIVE, 1.0)
    }
}

/// The service behind the Prewarm arm.
impl Scenario {
    /// Live demand that does not wake a workload from zero, in replicas.
    pub(super) fn activation_share(&self) -> f64 {
        self.activation / self.threshold.get()
    }

    /// What the workload's metadata would say.
    pub(super) fn policy(&self) -> Policy {
        // Zero is reached where KEDA may take the last replica.
        let to_zero = self.keda.min == 0 || self.keda.idle == Some(0);
        Policy {
            cold_start: self.cold_start.lead(),
            cost_ratio: self.cost_ratio,
            objective: self.objective,
            sees_queue: self.shows_queue,
            scale_to_zero: if to_zero { self.scale_to_zero } else { ScaleToZero::Never },
            activation: self.activation,
            quantile: self.quantile,
            max_prewarm_replicas: self.max_prewarm_replicas,
            ..Policy::new(self.threshold, self.calendar.clone())
        }
    }

    /// The beats around the workload.
    pub(super) fn timing(&self) -> LoopTiming {
        LoopTiming {
            slot: STEP,
            keda_poll: self.keda.polling,
            hpa_sync: self.hpa.sync,
            hpa_window: self.service.hpa_window,
            ..LoopTiming::default()
        }
    }

    /// What the workload's policies are simulated with.
    pub(super) fn simulation_inputs(
        &self,
        policy: &Policy,
        bucket: SignedDuration,
    ) -> SimulationInputs {
        let cold_start =
            LearnedColdStart { lead: self.cold_start.lead(), drawn: Some(self.cold_start.clone()) };
        let limits = ReplicaLimits {
            min: self.keda.min,
            idle: self.keda.idle == Some(0),
            max: self.keda.max,
            cooldown: self.keda.cooldown,
        };
        SimulationInputs::new(policy, self.timing(), None, Some(&cold_start), Some(limits))
            .in_buckets(bucket)
            .with_wait_limit(self.wait_limit)
            .with_answer_age(self.service.answer_age)
    }
}

/// How the service behind the Prewarm arm is set up, and what it sees.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// Scale-down stabilization of its HPA: 0 leaves that to the planner, which knows of it either
    /// way.
    pub hpa_window: SignedDuration,
    /// Age of our answer when the HPA syncs. We sample at slots of 15 s on our own clock and answer
    /// from the newest one; where in a slot the HPA asks is chance. 15 s, the most, is what the
    /// rival may claim: KEDA's Prometheus trigger is asked at the sync itself.
    pub answer_age: SignedDuration,
    /// Spreads the refits of many workloads over the day, each at a time of its own; `None`: at the
    /// time of day at which the history starts.
    pub refit_spread: Option<u64>,
    /// It is told what is Ready and what is starting.
    pub sees_replicas: bool,
    /// In force all the time, instead of what the model would select.
    pub selection: Option<Selection>,
}

impl Default for Service {
    fn default() -> Self {
        Self {
            hpa_window: SignedDuration::ZERO,
            answer_age: STEP,
            refit_spread: None,
            sees_replicas: true,
            selection: None,
        }
    }
}

/// How far a replay is: simulated steps, each worth as much as one of a plain HPA. Clones count
/// together, so that one can be read while the replay runs elsewhere.
#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<AtomicUsize>);

impl Meter {
    /// Steps so far.
    pub fn done(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, steps: usize) {
        self.0.fetch_add(steps, Ordering::Relaxed);
    }
}

/// A concurrency limit: requests that a replica works on at once, where demand is requests per
/// second. By Little's law it then serves no more than limit ÷ service time, however it is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slots {
    /// Requests at once (`max_num_seqs`, `containerConcurrency`), ≥ 1.
    pub limit: u32,
    /// Time that one takes by itself.
    pub service: SignedDuration,
}
