//! What a replay assumes of workload, cluster and money.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use crate::calendar::Calendar;
use crate::control::hpa::Hpa;
use crate::control::keda::ScaledObject;
use crate::decide::choice::Choice;
use crate::decide::policy::{Objective, Threshold};

/// Simulated time goes in steps of this: the HPA's sync period and our own slot.
pub const STEP: SignedDuration = SignedDuration::from_secs(15);

/// What a replay assumes.
#[derive(Debug, Clone)]
pub struct Scene {
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
    /// Age of the newest demand that a metric shows: scrape, query.
    pub metric_delay: SignedDuration,
    /// Metrics show what waits: requests in flight do, or a backlog beside demand; a rate of arrivals does not, and an HPA
    /// on it knows of no queue.
    pub shows_queue: bool,
    /// One missed replica-hour costs as much as this many idle GPU-hours, ≥ 0.
    pub cost_ratio: f64,
    /// Work that waits longer is missed.
    pub wait_limit: SignedDuration,
    /// Work that waits longer goes away; `None`: never.
    pub patience: Option<SignedDuration>,
    /// Windows and zone, for the Prewarm arm; days are local days of its zone.
    pub calendar: Calendar,
    /// What Prewarm's tuner minimises.
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

impl Scene {
    /// Defaults for a threshold and a constant cold start: UTC, one replica at least, KEDA's and Kubernetes' defaults,
    /// ρ = 30, limit 15 s.
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

/// How the service behind the Prewarm arm is set up, and what it sees.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// Scale-down stabilisation of its HPA: 0 leaves that to the planner, which knows of it either way.
    pub hpa_window: SignedDuration,
    /// A forecast is in force so long after its origin.
    pub forecast_delay: SignedDuration,
    /// It is told what is Ready and what is starting.
    pub sees_replicas: bool,
    /// In force all the time, instead of what the tuner would choose.
    pub choice: Option<Choice>,
}

impl Default for Service {
    fn default() -> Self {
        Self {
            hpa_window: SignedDuration::ZERO,
            forecast_delay: SignedDuration::ZERO,
            sees_replicas: true,
            choice: None,
        }
    }
}

/// How far a replay is: simulated steps, each worth as much as one of a plain HPA. Clones count together, so that one can
/// be read while the replay runs elsewhere.
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

/// A concurrency limit: requests that a replica works on at once, where demand is requests per second. By Little's law it
/// then serves no more than limit ÷ service time, however it is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slots {
    /// Requests at once (`max_num_seqs`, `containerConcurrency`), ≥ 1.
    pub limit: u32,
    /// Time that one takes by itself.
    pub service: SignedDuration,
}

/// How long replicas take from asked for to Ready: durations and how often they come. One class for nodes that are there
/// and one for nodes that must come, or every start-up that was seen.
#[derive(Debug, Clone, PartialEq)]
pub struct ColdStart {
    /// Durations ascending, and the share of start-ups that take at most so long; the last share is 1.
    shares: Vec<(SignedDuration, f64)>,
}

impl ColdStart {
    /// Always the same.
    pub fn constant(took: SignedDuration) -> Self {
        Self { shares: vec![(took.max(SignedDuration::ZERO), 1.0)] }
    }

    /// Durations with weights > 0, in any order; other weights are left out. `None` if none is left.
    pub fn weighted(classes: impl IntoIterator<Item = (SignedDuration, f64)>) -> Option<Self> {
        let usable = |(_, weight): &(SignedDuration, f64)| weight.is_finite() && *weight > 0.0;
        let mut shares: Vec<_> = classes.into_iter().filter(usable).collect();
        shares.sort_by_key(|(took, _)| *took);
        shares.dedup_by(|later, first| {
            let same = later.0 == first.0;
            first.1 += if same { later.1 } else { 0.0 };
            same
        });
        let total: f64 = shares.iter().map(|(_, weight)| weight).sum();
        let mut below = 0.0;
        for (took, share) in &mut shares {
            below += *share / total;
            (*took, *share) = ((*took).max(SignedDuration::ZERO), below);
        }
        shares.last_mut()?.1 = 1.0;
        Some(Self { shares })
    }

    /// Every duration once, ascending, and its share of start-ups.
    pub fn classes(&self) -> impl Iterator<Item = (SignedDuration, f64)> {
        let below = std::iter::once(0.0).chain(self.shares.iter().map(|(_, share)| *share));
        self.shares.iter().zip(below).map(|((took, share), below)| (*took, share - below))
    }

    /// The smallest duration that a share `p` of start-ups does not exceed.
    pub fn quantile(&self, p: f64) -> SignedDuration {
        let found = self.shares.iter().find(|(_, share)| *share >= p).or(self.shares.last());
        found.map_or(SignedDuration::ZERO, |(took, _)| *took)
    }

    /// What counts as the lead: the P90.
    pub fn lead(&self) -> SignedDuration {
        self.quantile(0.9)
    }

    /// Of the `n`th start-up (SplitMix64 of seed and n): the same in every arm.
    pub fn draw(&self, seed: u64, n: u64) -> SignedDuration {
        let mut z = seed.wrapping_add(n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        self.quantile(((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_ups_come_as_often_as_they_weigh() {
        let seconds = SignedDuration::from_secs;
        let mixed = ColdStart::weighted([(seconds(600), 1.0), (seconds(60), 3.0), (seconds(9), 0.0)]).unwrap();
        assert_eq!(
            (mixed.quantile(0.75), mixed.quantile(0.76), mixed.lead()),
            (seconds(60), seconds(600), seconds(600))
        );
        let warm = (0..10_000).filter(|n| mixed.draw(7, *n) == seconds(60)).count();
        assert!((7_300..7_700).contains(&warm), "{warm}");
        assert!((0..100).all(|n| mixed.draw(7, n) == mixed.draw(7, n)));
        assert!((0..100).any(|n| mixed.draw(7, n) != mixed.draw(8, n)));
        assert_eq!(ColdStart::weighted([(seconds(9), f64::NAN)]), None);
    }
}
