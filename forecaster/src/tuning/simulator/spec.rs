//! What simulated policies live in: the fleet, its limits, its cold starts.

use jiff::SignedDuration;

use super::limits::PolicyLimits;
use crate::tuning::cold_start::ColdStart;

/// What the policies of one workload have in common.
#[derive(Debug, Clone, PartialEq)]
pub struct SimulatorSpec {
    /// Demand that one replica sustains, in the demand's unit; > 0.
    pub threshold: f64,
    /// Cold start that forecasts are asked for: the learned P90.
    pub lead: SignedDuration,
    /// Cold starts that are drawn: with all of them as long as the P90, policies that hold more
    /// than they need look better than they are.
    pub cold_start: ColdStart,
    /// Replicas that run while anything is wanted; always, unless `idle`.
    pub min: u32,
    /// None run while nothing is wanted, whatever `min` is (KEDA's `idleReplicaCount: 0`).
    pub idle: bool,
    /// Replicas that there are at most.
    pub max: u32,
    /// Where none may run: the last replica is wanted for so long after the last arrival, whatever
    /// the policy …
    pub keep_warm: SignedDuration,
    /// The user has said so: the probability of an arrival shortens it not.
    pub keep_warm_fixed: bool,
    /// … and goes so long after nothing was wanted (KEDA's `cooldownPeriod`).
    pub cooldown: SignedDuration,
    /// Distance between steps.
    pub slot: SignedDuration,
    /// Work that waits longer is missed; counted in whole slots, at least one.
    pub wait_limit: SignedDuration,
    /// The scale-down stabilization that the HPA applies whatever we answer: no policy comes down
    /// faster.
    pub hpa_window: SignedDuration,
    /// What waits is seen (`backlogQuery`, or a demand that holds it): else no policy answers it.
    pub sees_queue: bool,
    /// Live demand is seen as an HPA sees it, the mean of a whole minute, at its sync: reactive
    /// policies then are what an HPA does, instead of what the planner does, which panics and
    /// answers from a slot.
    pub plainly: bool,
    /// Age of our answer when the HPA syncs: a slot, or none.
    pub answer_age: SignedDuration,
    /// Windows, caps and the like.
    pub limits: PolicyLimits,
}

impl SimulatorSpec {
    /// The defaults for a threshold and a lead that all cold starts take: slots and wait limit of
    /// 15 s, at least one replica, the usual patience with the last one, an HPA that leaves
    /// stabilization to us.
    pub fn new(threshold: f64, lead: SignedDuration) -> Self {
        let slot = SignedDuration::from_secs(15);
        Self {
            threshold,
            lead,
            cold_start: ColdStart::constant(lead),
            min: 1,
            idle: false,
            max: 10_000,
            keep_warm: SignedDuration::from_mins(10),
            keep_warm_fixed: false,
            cooldown: SignedDuration::from_mins(5),
            slot,
            wait_limit: slot,
            hpa_window: SignedDuration::ZERO,
            sees_queue: true,
            plainly: false,
            answer_age: slot,
            limits: PolicyLimits::default(),
        }
    }

    /// Whole slots, rounded.
    pub(super) fn slots(&self, span: SignedDuration) -> u32 {
        let (span, slot) = (span.as_secs().max(0), self.slot.as_secs().max(1));
        u32::try_from((span + slot / 2) / slot).unwrap_or(u32::MAX)
    }
}
