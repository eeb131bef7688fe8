//! How far ahead a workload must be forecast, and what its simulated policies are simulated with.

use jiff::SignedDuration;

use super::cold_start::ColdStart;
use super::horizon::{self, EXACT, QUANTILES};
use super::portfolio;
use super::simulator::{PolicyLimits, PolicySimulator, SimulatorSpec};
use super::{BUCKET, SLOT};
use crate::decide::policy::{LeadTime, Objective, Policy, ScaleToZero};
use crate::decide::selection::ShadowPolicy;
use crate::decide::timing::LoopTiming;
use crate::forecast::Spec;

/// So late a refit may be without harm: the store or the source are away.
const LATE: SignedDuration = SignedDuration::from_mins(60);

/// What the simulator adds to a cold start itself: poll, sync and buffer.
const BEYOND_COLD_START: SignedDuration = SignedDuration::from_secs(60);

/// Replica limits of a ScaledObject that simulated policies live within.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplicaLimits {
    /// `minReplicaCount`.
    pub min: u32,
    /// `idleReplicaCount: 0`: none run while nothing is wanted, whatever `min` is.
    pub idle: bool,
    /// `maxReplicaCount`.
    pub max: u32,
    /// `cooldownPeriod`.
    pub cooldown: SignedDuration,
}

/// Cold starts that were learned.
#[derive(Debug, Clone, PartialEq)]
pub struct LearnedColdStart {
    /// The P90: what forecasts are asked for.
    pub lead: SignedDuration,
    /// What start-ups are drawn from; `None`: all take the lead.
    pub drawn: Option<ColdStart>,
}

/// From asked for to Ready, and what that means for models.
#[derive(Debug, Clone, PartialEq)]
pub struct SimulationInputs {
    /// The lead in whole buckets, rounded up, so that small changes of it change nothing.
    lead: SignedDuration,
    /// The cold start in it.
    cold_start: SignedDuration,
    /// What cold starts are drawn from.
    drawn: ColdStart,
    /// Limits of the ScaledObject, where they are known.
    limits: Option<ReplicaLimits>,
    /// The beats around the workload.
    timing: LoopTiming,
    /// Resolution of the model.
    bucket: SignedDuration,
    /// Work that waits longer is missed.
    wait_limit: SignedDuration,
    /// Age of our answer when the HPA syncs.
    answer_age: SignedDuration,
}

impl SimulationInputs {
    /// Of a policy; `timing`: those of the ScaledObject, where they are known; `lead`: as last
    /// decided with; `learned`: the cold starts to simulate with in place of the seed; `limits`:
    /// what the ScaledObject says.
    pub fn new(
        policy: &Policy,
        timing: LoopTiming,
        lead: Option<SignedDuration>,
        learned: Option<&LearnedColdStart>,
        limits: Option<ReplicaLimits>,
    ) -> Self {
        let longest = horizon::span(policy, &timing);
        let cold_start = match policy.lead_time {
            LeadTime::Fixed(lead) => lead - BEYOND_COLD_START,
            LeadTime::Auto => learned.map_or(policy.cold_start, |learned| learned.lead),
        };
        let cold_start = cold_start.max(SignedDuration::from_secs(15));
        let drawn = match policy.lead_time {
            LeadTime::Fixed(_) => None,
            LeadTime::Auto => learned.and_then(|learned| learned.drawn.clone()),
        };
        let lead =
            longest.max(lead.unwrap_or_default()).clamp(BUCKET, SignedDuration::from_hours(8));
        Self {
            lead: SignedDuration::from_secs(
                horizon::whole_buckets(lead, BUCKET) * BUCKET.as_secs(),
            ),
            drawn: drawn.unwrap_or_else(|| ColdStart::constant(cold_start)),
            cold_start,
            limits,
            timing,
            bucket: BUCKET,
            wait_limit: SLOT,
            answer_age: SLOT,
        }
    }

    /// For a model in other buckets: a history may be coarser.
    pub fn in_buckets(self, bucket: SignedDuration) -> Self {
        Self { bucket: bucket.max(SignedDuration::from_secs(1)), ..self }
    }

    /// For work that may wait longer than a slot.
    pub fn with_wait_limit(self, wait_limit: SignedDuration) -> Self {
        Self { wait_limit, ..self }
    }

    /// For a loop in which the HPA asks for our answer sooner, or later, than a slot after it.
    pub fn with_answer_age(self, answer_age: SignedDuration) -> Self {
        Self { answer_age, ..self }
    }

    /// Resolution of the model.
    pub fn bucket(&self) -> SignedDuration {
        self.bucket
    }

    /// What the models are to forecast; exact at as many leads as can be afforded.
    pub fn spec(&self, policy: &Policy) -> Spec {
        let leads = horizon::leads(self.bucket, self.lead, EXACT, Some(LATE));
        Spec { leads, quantiles: QUANTILES.to_vec(), calendar: policy.calendar.clone() }
    }

    /// The cold start that choices are made for.
    pub fn cold_start(&self) -> SignedDuration {
        self.cold_start
    }

    /// Whether none may run while nothing is wanted.
    pub fn may_sleep(&self, policy: &Policy) -> bool {
        let auto = policy.scale_to_zero == ScaleToZero::Auto;
        auto && self.limits.is_none_or(|limits| limits.min == 0 || limits.idle)
    }

    /// A simulator that has seen nothing.
    pub fn simulator(&self, policy: &Policy) -> PolicySimulator {
        // One that we never let go of runs whatever KEDA would allow.
        let ours = u32::from(policy.scale_to_zero == ScaleToZero::Never);
        let mut spec = SimulatorSpec {
            slot: SLOT,
            wait_limit: self.wait_limit,
            answer_age: self.answer_age,
            limits: PolicyLimits::of(policy),
            hpa_window: self.timing.hpa_window,
            // KEDA's own minimum is zero unless somebody sets it.
            min: ours,
            keep_warm: policy.keep_warm,
            keep_warm_fixed: policy.keep_warm_fixed,
            cold_start: self.drawn.clone(),
            sees_queue: policy.sees_queue,
            plainly: policy.objective == Objective::Safe,
            ..SimulatorSpec::new(policy.threshold.get(), self.cold_start)
        };
        if let Some(ReplicaLimits { min, idle, max, cooldown }) = self.limits {
            (spec.min, spec.idle) = (min.max(ours), idle && ours == 0);
            (spec.max, spec.cooldown) = (max, cooldown);
        }
        let mut policies: Vec<ShadowPolicy> =
            portfolio::reactive().into_iter().chain(portfolio::forecasting()).collect();
        if self.may_sleep(policy) {
            policies.extend(portfolio::awaiting());
        }
        PolicySimulator::new(spec, policies)
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::calendar::Calendar;
    use crate::decide::policy::Threshold;

    fn minutes(n: i64) -> SignedDuration {
        SignedDuration::from_mins(n)
    }

    #[test]
    fn forecasts_reach_beyond_the_hold_and_a_late_refit() {
        let policy = Policy {
            lead_time: LeadTime::Fixed(minutes(18)),
            ..Policy::new(Threshold::new(1.0).unwrap(), Calendar::empty(TimeZone::UTC))
        };
        let spec =
            SimulationInputs::new(&policy, LoopTiming::default(), None, None, None).spec(&policy);
        let leads: Vec<i64> = spec.leads.iter().map(SignedDuration::as_mins).collect();
        assert_eq!(leads, [5, 10, 15, 20, 25, 30, 50, 110]);
    }

    #[test]
    fn a_ramp_that_takes_longer_changes_nothing() {
        let policy = Policy::new(Threshold::new(1.0).unwrap(), Calendar::empty(TimeZone::UTC));
        let reach = |seconds| {
            let lead = Some(SignedDuration::from_secs(seconds));
            SimulationInputs::new(&policy, LoopTiming::default(), lead, None, None)
        };
        assert_eq!(reach(240), reach(300));
        assert_ne!(reach(240), reach(3600));
    }

    #[test]
    fn shadow_policies_live_with_the_learned_cold_start_unless_the_lead_is_fixed() {
        let timing = LoopTiming::default();
        let auto = Policy::new(Threshold::new(1.0).unwrap(), Calendar::empty(TimeZone::UTC));
        let fixed = Policy { lead_time: LeadTime::Fixed(minutes(7)), ..auto.clone() };
        let of = |policy: &Policy, learned: Option<&LearnedColdStart>| {
            SimulationInputs::new(policy, timing, None, learned, None).simulator(policy)
        };
        let assumed = |drawn: &[i64]| LearnedColdStart {
            lead: minutes(11),
            drawn: ColdStart::weighted(drawn.iter().map(|took| (minutes(*took), 1.0))),
        };
        let (old, new) = (assumed(&[]), assumed(&[2, 2, 2, 11]));
        let [seed, constant, learned] =
            [None, Some(&old), Some(&new)].map(|learned| of(&auto, learned));
        assert_eq!(
            [&seed, &constant, &learned].map(|simulator| simulator.spec().lead),
            [auto.cold_start, minutes(11), minutes(11)]
        );
        assert_eq!(constant.spec().cold_start, ColdStart::constant(minutes(11)));
        assert_eq!(
            (0..3)
                .map(|i| learned.spec().cold_start.quantile(0.5 * f64::from(i)))
                .collect::<Vec<_>>(),
            [2, 2, 11].map(minutes)
        );
        // What was simulated with others says nothing of these any more.
        let of_all = [&seed, &constant, &learned].map(PolicySimulator::identity);
        assert!(of_all[0] != of_all[1] && of_all[1] != of_all[2], "{of_all:?}");
        let fixed = of(&fixed, Some(&new));
        assert_eq!(
            (fixed.spec().lead, &fixed.spec().cold_start),
            (minutes(6), &ColdStart::constant(minutes(6)))
        );
    }

    #[test]
    fn shadow_policies_live_within_the_limits_of_the_scaled_object_and_ours() {
        let auto = Policy::new(Threshold::new(1.0).unwrap(), Calendar::empty(TimeZone::UTC));
        let never = Policy { scale_to_zero: ScaleToZero::Never, ..auto.clone() };
        let scaling = |min, idle| Some(ReplicaLimits { min, idle, max: 12, cooldown: minutes(1) });
        let timing = LoopTiming { hpa_window: minutes(2), ..LoopTiming::default() };
        let of = |policy: &Policy, limits: Option<ReplicaLimits>| {
            SimulationInputs::new(policy, timing, None, None, limits).simulator(policy)
        };
        let limits = |policy: &Policy, scaling| {
            let SimulatorSpec { min, idle, max, .. } = of(policy, scaling).spec().clone();
            (min, idle, max)
        };
        assert_eq!(limits(&auto, scaling(0, false)), (0, false, 12));
        assert_eq!(limits(&auto, scaling(3, false)), (3, false, 12));
        assert_eq!(limits(&auto, scaling(3, true)), (3, true, 12));
        assert_eq!(limits(&never, scaling(0, false)), (1, false, 12));
        // KEDA would let go of all of them; we never say so.
        assert_eq!(limits(&never, scaling(3, true)), (3, false, 12));
        assert_eq!(
            [limits(&auto, None), limits(&never, None)].map(|(min, idle, _)| (min, idle)),
            [(0, false), (1, false)]
        );
        let simulator = of(&auto, scaling(0, false));
        assert_eq!(
            (simulator.spec().cooldown, simulator.spec().hpa_window),
            (minutes(1), minutes(2))
        );
        assert_ne!(simulator.identity(), of(&auto, scaling(1, false)).identity());
    }
}
