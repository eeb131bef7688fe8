//! How far ahead a workload must be forecast, and what its shadow policies are simulated with.

use jiff::SignedDuration;
use prewarm_forecaster::Policy;
use prewarm_forecaster::decide::choice::ShadowPolicy;
use prewarm_forecaster::decide::policy::{LeadTime, ScaleToZero};
use prewarm_forecaster::decide::rhythm::Rhythm;
use prewarm_forecaster::forecast::Spec;
use prewarm_forecaster::replay::bank::{Bank, BankSpec};
use prewarm_forecaster::replay::portfolio;
use prewarm_forecaster::replay::reach::{self, EXACT, QUANTILES};

use super::BUCKET;

/// So late a refit may be without harm: the store or the source are away.
const LATE: SignedDuration = SignedDuration::from_mins(60);

/// What the bank adds to a cold start itself: poll, sync and buffer.
const BEYOND_COLD_START: SignedDuration = SignedDuration::from_secs(60);

/// From asked for to Ready, and what that means for models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reach {
    /// The lead in whole buckets, rounded up, so that small changes of it change nothing.
    lead: SignedDuration,
    /// The cold start in it.
    cold_start: SignedDuration,
}

impl Reach {
    /// Of a policy; `lead`: as last decided with; `learned`: the cold start to simulate with in place of the seed.
    pub(super) fn new(
        policy: &Policy,
        rhythm: &Rhythm,
        lead: Option<SignedDuration>,
        learned: Option<SignedDuration>,
    ) -> Self {
        let longest = reach::span(policy, rhythm);
        let cold_start = match policy.lead_time {
            LeadTime::Fixed(lead) => lead - BEYOND_COLD_START,
            LeadTime::Auto => learned.unwrap_or(policy.cold_start),
        };
        let lead = longest.max(lead.unwrap_or_default()).clamp(BUCKET, SignedDuration::from_hours(8));
        Self {
            lead: SignedDuration::from_secs(reach::whole_buckets(lead, BUCKET) * BUCKET.as_secs()),
            cold_start: cold_start.max(SignedDuration::from_secs(15)),
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
        let spec = BankSpec {
            slot: super::SLOT,
            hpa_window: rhythm.hpa_window,
            // KEDA's own minimum is not known here: it is zero unless somebody sets it.
            min: u32::from(policy.scale_to_zero != ScaleToZero::Auto),
            keep_warm: policy.keep_warm,
            ..BankSpec::new(policy.threshold.get(), self.cold_start)
        };
        let policies: Vec<ShadowPolicy> = portfolio::reactive().into_iter().chain(portfolio::forecasting()).collect();
        Bank::new(spec, policies)
    }
}

/// Of what sums were simulated with: others say nothing about this bank.
pub(super) fn fingerprint(bank: &Bank) -> u64 {
    let text = format!("{:?} {:?}", bank.spec(), bank.portfolio());
    u64::from(crc32fast::hash(text.as_bytes()))
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
        let spec = Reach::new(&policy, &Rhythm::default(), None, None).spec(&policy);
        let leads: Vec<i64> = spec.leads.iter().map(SignedDuration::as_mins).collect();
        assert_eq!(leads, [5, 10, 15, 20, 25, 30, 50, 110]);
    }

    #[test]
    fn a_ramp_that_takes_longer_changes_nothing() {
        let policy = Policy::new(Threshold::new(1.0).unwrap(), Calendar::empty(TimeZone::UTC));
        let reach = |seconds| Reach::new(&policy, &Rhythm::default(), Some(SignedDuration::from_secs(seconds)), None);
        assert_eq!(reach(240), reach(300));
        assert_ne!(reach(240), reach(3600));
    }

    #[test]
    fn shadow_policies_live_with_the_learned_cold_start_unless_the_lead_is_fixed() {
        let rhythm = Rhythm::default();
        let auto = Policy::new(Threshold::new(1.0).unwrap(), Calendar::empty(TimeZone::UTC));
        let fixed = Policy { lead_time: LeadTime::Fixed(minutes(7)), ..auto.clone() };
        let of = |policy: &Policy, learned| Reach::new(policy, &rhythm, None, learned).bank(policy, &rhythm);
        let [seed, learned] = [None, Some(minutes(11))].map(|learned| of(&auto, learned));
        assert_eq!((seed.spec().lead, learned.spec().lead), (auto.cold_start, minutes(11)));
        // What was simulated with the seed says nothing of it any more.
        assert_ne!(fingerprint(&seed), fingerprint(&learned));
        assert_eq!(of(&fixed, Some(minutes(11))).spec().lead, minutes(6));
    }
}
