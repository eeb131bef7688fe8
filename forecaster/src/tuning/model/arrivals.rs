//! The probability of an arrival, bucket by bucket, as the rest of a model follows history.

use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::bucket::BucketDemand;
use super::refit_schedule::{RefitSchedule, two_days};
use crate::arrival::{ArrivalHistory, ArrivalModel, TooFewArrivals};
use crate::decide::policy::Policy;
use crate::tuning::horizon::ACTIVATION_DELAY;
use crate::tuning::inputs::SimulationInputs;

/// Beyond the cold start, a replica is asked for so much ahead: poll, sync and ramp.
const BEYOND_COLD_START: SignedDuration = SignedDuration::from_secs(60);

/// Follows arrivals, and fits their probability once a day.
#[derive(Debug)]
pub(super) struct Arrivals {
    history: ArrivalHistory,
    zone: TimeZone,
    cost_ratio: f64,
    threshold: f64,
    /// Demand up to this is no arrival, in its own unit.
    activation: f64,
    bucket: SignedDuration,
    taken: usize,
    fitted: Result<Arc<ArrivalModel>, TooFewArrivals>,
    /// Acts until the newest does.
    previous: Option<Arc<ArrivalModel>>,
    /// When somebody was last seen, slot by slot.
    last: Option<Timestamp>,
    /// The minute that was looked at last, and what a replica was expected to save then.
    told: Option<(i64, Option<f64>)>,
}

impl Arrivals {
    /// Nothing yet; `None` where a replica always runs.
    pub(super) fn new(
        policy: &Policy,
        inputs: &SimulationInputs,
        fitted: Option<Arc<ArrivalModel>>,
    ) -> Option<Self> {
        let zone = policy.calendar.zone().clone();
        let lead = inputs.cold_start() + BEYOND_COLD_START;
        let history = ArrivalHistory::new(inputs.bucket(), lead, zone.clone());
        // For another lead it says nothing.
        let fitted = fitted.filter(|fitted| fitted.within == history.within());
        inputs.may_sleep(policy).then(|| Self {
            history,
            zone,
            cost_ratio: policy.cost_ratio,
            threshold: policy.threshold.get(),
            activation: policy.activation,
            bucket: inputs.bucket(),
            taken: 0,
            fitted: fitted.ok_or(TooFewArrivals { seen: 0 }),
            previous: None,
            last: None,
            told: None,
        })
    }

    /// Takes in the next bucket. `fits`: whether it may be followed by a fit, once a day.
    pub(super) fn push(
        &mut self,
        start: Timestamp,
        demand: &BucketDemand,
        schedule: &RefitSchedule,
        fits: bool,
    ) {
        let minutes: Vec<(Timestamp, f64)> =
            demand.minutes().map(|(at, mean)| (at, mean / self.threshold)).collect();
        self.history.push(start, &minutes, self.activation / self.threshold);
        self.last = self.history.last();
        self.taken += 1;
        let end = start + self.bucket;
        let newer = self.fitted.as_ref().is_ok_and(|known| known.fitted >= end);
        if fits && !newer && self.taken > two_days(self.bucket) && schedule.is_due(end) {
            let fitted = self.history.fit(end).map(Arc::new);
            self.previous = std::mem::replace(&mut self.fitted, fitted).ok();
        }
    }

    /// What a replica that stays from `slot` on is expected to save, in what it costs; `None` while
    /// that is not known. `demand`: of the slot, in its own unit.
    pub(super) fn saved(&mut self, slot: Timestamp, demand: Option<f64>) -> Option<f64> {
        if demand.is_some_and(|demand| demand > self.activation) {
            self.last = Some(slot);
        }
        let minute = slot.as_second().div_euclid(60);
        match self.told {
            Some((told, saved)) if told == minute => saved,
            _ => {
                let saved = self.in_force(slot).map(|model| {
                    let probability = model.probability(slot, self.last, &self.zone);
                    probability / model.break_even(self.cost_ratio)
                });
                self.told = Some((minute, saved));
                saved
            }
        }
    }

    /// The newest fit, once it acts: simulated policies are to know no sooner than the planner.
    fn in_force(&self, slot: Timestamp) -> Option<&Arc<ArrivalModel>> {
        let newest = self.fitted.as_ref().ok();
        newest.filter(|model| model.fitted + ACTIVATION_DELAY <= slot).or(self.previous.as_ref())
    }

    /// The newest fit.
    pub(super) fn fitted(&self) -> Option<&Arc<ArrivalModel>> {
        self.fitted.as_ref().ok()
    }
}
