//! How far ahead a workload must be forecast, and what its shadow policies are simulated with.

use jiff::SignedDuration;
use prewarm_forecaster::Policy;
use prewarm_forecaster::decide::choice::ShadowPolicy;
use prewarm_forecaster::decide::policy::{LeadTime, Objective, ScaleToZero};
use prewarm_forecaster::decide::rhythm::Rhythm;
use prewarm_forecaster::forecast::Spec;
use prewarm_forecaster::replay::bank::{Bank, BankSpec};
use prewarm_forecaster::replay::portfolio;
use prewarm_forecaster::replay::reach::{self, EXACT, QUANTILES};
use prewarm_forecaster::replay::scene::ColdStart;

use super::BUCKET;
use crate::scaling::Scaling;
use crate::start_ups::Assumed;

/// So late a refit may be without harm: the store or the source are away.
const LATE: SignedDuration = SignedDuration::from_mins(60);

/// What the bank adds to a cold start itself: poll, sync and buffer.
const BEYOND_COLD_START: SignedDuration = SignedDuration::from_secs(60);

/// From asked for to Ready, and what that means for models.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reach {
    /// The lead in whole buckets, rounded up, so that small changes of it change nothing.
    lead: SignedDuration,
    /// The cold start in it.
    cold_start: SignedDuration,
    /// What cold starts are drawn from.
    drawn: ColdStart,
    /// Limits and beats of the ScaledObject, where they are known.
    scaling: Option<Scaling>,
}

impl Reach {
    /// Of a policy; `lead`: as last decided with; `learned`: the cold starts to simulate with in place of the seed;
    /// `scaling`: what the ScaledObject says.
    pub(super) fn new(
        policy: &Policy,
        rhythm: &Rhythm,
        lead: Option<SignedDuration>,
        learned: Option<&Assumed>,
        scaling: Option<Scaling>,
    ) -> Self {
        let longest = reach::span(policy, rhythm);
        let cold_start = match policy.lead_time {
            LeadTime::Fixed(lead) => lead - BEYOND_COLD_START,
            LeadTime::Auto => learned.map_or(policy.cold_start, |learned| learned.lead),
        };
        let cold_start = cold_start.max(SignedDuration::from_secs(15));
        let drawn = learned.filter(|_| policy.lead_time == LeadTime::Auto).map(|learned| &learned.drawn);
        let drawn = drawn.and_then(|drawn| ColdStart::weighted(drawn.iter().map(|took| (*took, 1.0))));
        let lead = longest.max(lead.unwrap_or_default()).clamp(BUCKET, SignedDuration::from_hours(8));
        Self {
            lead: SignedDuration::from_secs(reach::whole_buckets(lead, BUCKET) * BUCKET.as_secs()),
            drawn: drawn.unwrap_or_else(|| ColdStart::constant(cold_start)),
            cold_start,
            scaling,
        }
    }

    /// What the models are to forecast; exact at as many leads as can be afforded.
    pub(super) fn spec(&self, policy: &Policy) -> Spec {
        let leads = reach::leads(BUCKET, self.lead, EXACT, Some(LATE));
        Spec { leads, quantiles: QUANTILES.to_vec(), calendar: policy.calendar.clone() }
    }

    /// The cold start that choices are made for.
    pub(super) fn cold_start(&self) -> SignedDuration {
        self.cold_start
    }

    /// A bank that has seen nothing.
    pub(super) fn bank(&self, policy: &Policy, rhythm: &Rhythm) -> Bank {
        // One that we never let go of runs whatever KEDA would allow.
        let ours = u32::from(policy.scale_to_zero != ScaleToZero::Auto);
        let mut spec = BankSpec {
            slot: super::SLOT,
            hpa_window: rhythm.hpa_window,
            // KEDA's own minimum is zero unless somebody sets it.
            min: ours,
            keep_warm: policy.keep_warm,
            cold_start: self.drawn.clone(),
            sees_queue: policy.sees_queue,
            plainly: policy.objective == Objective::Safe,
            ..BankSpec::new(policy.threshold.get(), self.cold_start)
        };
        if let Some(Scaling { min, idle, max, cooldown, .. }) = self.scaling {
            (spec.min, spec.idle) = (min.max(ours), idle && ours == 0);
            (spec.max, spec.cooldown) = (max, cooldown);
        }
        let policies: Vec<ShadowPolicy> = portfolio::reactive().into_iter().chain(portfolio::forecasting()).collect();
        Bank::new(spec, policies)
    }
}

/// Of what sums were simulated with: others say nothing about this bank.
pub(super) fn fingerprint(bank: &Bank) -> u64 {
    u64::from(crc32fast::hash(bank.identity().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;
    use prewarm_forecaster::Calendar;
    use prewarm_forecaster::decide::policy::Threshold;

    fn minutes(n: i64) -> SignedDuration {
        SignedDuration::from_mins(n)
    }

    #[test]
    fn forecasts_reach_beyond_the_hold_and_a_late_refit() {
        let policy = Policy {
            lead_time: LeadTime::Fixed(minutes(18)),
            ..Policy::new(Threshold::new(1.0).unwrap(), Calendar::empty(TimeZone::UTC))
        };
        let spec = Reach::new(&policy, &Rhythm::default(), None, None, None).spec(&policy);
        let leads: Vec<i64> = spec.leads.iter().map(SignedDuration::as_mins).collect();
        assert_eq!(leads, [5, 10, 15, 20, 25, 30, 50, 110]);
    }

    /// A number that stores of running services hold: sums of 28 days are discarded where it changes.
    #[test]
    fn sums_of_older_versions_are_found_again() {
        let policy = Policy::new(Threshold::new(4.0).unwrap(), Calendar::empty(TimeZone::UTC));
        let rhythm = Rhythm::default();
        let bank = Reach::new(&policy, &rhythm, None, None, None).bank(&policy, &rhythm);
        assert_eq!(fingerprint(&bank), 713_605_678);
    }

    #[test]
    fn a_ramp_that_takes_longer_changes_nothing() {
        let policy = Policy::new(Threshold::new(1.0).unwrap(), Calendar::empty(TimeZone::UTC));
        let reach = |seconds| {
            let lead = Some(SignedDuration::from_secs(seconds));
            Reach::new(&policy, &Rhythm::default(), lead, None, None)
        };
        assert_eq!(reach(240), reach(300));
        assert_ne!(reach(240), reach(3600));
    }

    #[test]
    fn shadow_policies_live_with_the_learned_cold_start_unless_the_lead_is_fixed() {
        let rhythm = Rhythm::default();
        let auto = Policy::new(Threshold::new(1.0).unwrap(), Calendar::empty(TimeZone::UTC));
        let fixed = Policy { lead_time: LeadTime::Fixed(minutes(7)), ..auto.clone() };
        let of = |policy: &Policy, learned: Option<&Assumed>| {
            Reach::new(policy, &rhythm, None, learned, None).bank(policy, &rhythm)
        };
        let assumed =
            |drawn: &[i64]| Assumed { lead: minutes(11), drawn: drawn.iter().copied().map(minutes).collect() };
        let (old, new) = (assumed(&[]), assumed(&[2, 2, 2, 11]));
        let [seed, constant, learned] = [None, Some(&old), Some(&new)].map(|learned| of(&auto, learned));
        assert_eq!(
            [&seed, &constant, &learned].map(|bank| bank.spec().lead),
            [auto.cold_start, minutes(11), minutes(11)]
        );
        assert_eq!(constant.spec().cold_start, ColdStart::constant(minutes(11)));
        assert_eq!(
            (0..3).map(|i| learned.spec().cold_start.quantile(0.5 * f64::from(i))).collect::<Vec<_>>(),
            [2, 2, 11].map(minutes)
        );
        // What was simulated with others says nothing of these any more.
        let of_all = [&seed, &constant, &learned].map(fingerprint);
        assert!(of_all[0] != of_all[1] && of_all[1] != of_all[2], "{of_all:?}");
        let fixed = of(&fixed, Some(&new));
        assert_eq!((fixed.spec().lead, &fixed.spec().cold_start), (minutes(6), &ColdStart::constant(minutes(6))));
    }

    #[test]
    fn shadow_policies_live_within_the_limits_of_the_scaled_object_and_ours() {
        let auto = Policy::new(Threshold::new(1.0).unwrap(), Calendar::empty(TimeZone::UTC));
        let never = Policy { scale_to_zero: ScaleToZero::Never, ..auto.clone() };
        let scaling = |min, idle| {
            let (cooldown, polling, hpa_window) = (minutes(1), None, Some(minutes(2)));
            Some(Scaling { min, idle, max: 12, cooldown, polling, hpa_window })
        };
        let of = |policy: &Policy, scaling: Option<Scaling>| {
            let rhythm = scaling.map_or(Rhythm::default(), |scaling| scaling.rhythm(Rhythm::default()));
            Reach::new(policy, &rhythm, None, None, scaling).bank(policy, &rhythm)
        };
        let limits = |policy: &Policy, scaling| {
            let BankSpec { min, idle, max, .. } = of(policy, scaling).spec().clone();
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
        let bank = of(&auto, scaling(0, false));
        assert_eq!((bank.spec().cooldown, bank.spec().hpa_window), (minutes(1), minutes(2)));
        assert_ne!(fingerprint(&bank), fingerprint(&of(&auto, scaling(1, false))));
    }
}
