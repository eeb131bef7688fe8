//! How far ahead a workload must be forecast, and what its shadow policies are simulated with.

use jiff::SignedDuration;
use prewarm_forecaster::Policy;
use prewarm_forecaster::decide::choice::ShadowPolicy;
use prewarm_forecaster::decide::lead::{Lead, StartUps};
use prewarm_forecaster::decide::planner::Rhythm;
use prewarm_forecaster::decide::policy::{LeadTime, ScaleToZero};
use prewarm_forecaster::forecast::Spec;
use prewarm_forecaster::replay::bank::{Bank, BankSpec};
use prewarm_forecaster::replay::portfolio::{self, LONGEST_HOLD};

use super::BUCKET;

/// So late a refit may be without harm: the store or the source are away.
const LATE: SignedDuration = SignedDuration::from_mins(60);

/// Leads up to the lead's end; each costs memory and some hundred microseconds a bucket.
const EXACT: i64 = 6;

/// What the bank adds to a cold start itself: poll, sync and buffer.
const BEYOND_COLD_START: SignedDuration = SignedDuration::from_secs(60);

/// What the quantiles of the portfolio, the newsvendor's at usual cost ratios and people ask for.
pub(super) const QUANTILES: [f64; 6] = [0.5, 0.8, 0.9, 0.95, 0.975, 0.99];

/// From asked for to Ready, and what that means for models.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reach {
    /// The lead in whole buckets, rounded up, so that small changes of it change nothing.
    lead: SignedDuration,
    /// The cold start in it.
    cold_start: SignedDuration,
}

impl Reach {
    /// Of a policy; `lead`: as last decided with.
    pub(super) fn new(policy: &Policy, rhythm: &Rhythm, lead: Option<SignedDuration>) -> Self {
        // As many replicas as ever: the longest ramp.
        let longest = Lead::new(policy, rhythm, &StartUps::default(), 1, u32::MAX).total();
        let cold_start = match policy.lead_time {
            LeadTime::Fixed(lead) => lead - BEYOND_COLD_START,
            LeadTime::Auto => policy.cold_start,
        };
        let step = BUCKET.as_secs();
        let lead = longest.max(lead.unwrap_or_default()).as_secs().clamp(step, 8 * 3600);
        Self {
            lead: SignedDuration::from_secs(lead.div_euclid(step) * step + if lead % step > 0 { step } else { 0 }),
            cold_start: cold_start.max(SignedDuration::from_secs(15)),
        }
    }

    /// Leads at which forecasts are exact: up to the lead's end as many as can be afforded, because a step of demand that
    /// lies between two of them is smeared; then what is held beyond it, and what a late refit needs.
    pub(super) fn spec(&self, policy: &Policy) -> Spec {
        // A lead counts from the start of the newest bucket, and by the next refit another one has begun.
        let from_now = self.lead + BUCKET * 2;
        let buckets = from_now.as_secs() / BUCKET.as_secs();
        let stride = ((buckets + EXACT - 1) / EXACT).max(1);
        let within = (0..buckets / stride).map(|i| from_now - BUCKET * (i * stride) as i32);
        let beyond = [BUCKET, from_now + LONGEST_HOLD, from_now + LONGEST_HOLD + LATE];
        let leads = within.chain(beyond).collect();
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

    fn leads(lead: i64) -> Vec<i64> {
        let policy = Policy {
            lead_time: LeadTime::Fixed(minutes(lead)),
            ..Policy::new(Threshold::new(1.0).unwrap(), Calendar::empty(TimeZone::UTC))
        };
        let mut leads = Reach::new(&policy, &Rhythm::default(), None).spec(&policy).leads;
        leads.sort();
        leads.dedup();
        leads.iter().map(SignedDuration::as_mins).collect()
    }

    #[test]
    fn a_short_lead_is_exact_in_every_bucket() {
        assert_eq!(leads(1), [5, 10, 15, 35, 95]);
        assert_eq!(leads(10), [5, 10, 15, 20, 40, 100]);
        assert_eq!(leads(18), [5, 10, 15, 20, 25, 30, 50, 110]);
    }

    #[test]
    fn a_long_one_in_some() {
        assert_eq!(leads(50), [5, 10, 20, 30, 40, 50, 60, 80, 140]);
        assert!(leads(120).len() <= 9);
    }

    #[test]
    fn a_ramp_that_takes_longer_changes_nothing() {
        let policy = Policy::new(Threshold::new(1.0).unwrap(), Calendar::empty(TimeZone::UTC));
        let reach = |seconds| Reach::new(&policy, &Rhythm::default(), Some(SignedDuration::from_secs(seconds)));
        assert_eq!(reach(240), reach(300));
        assert_ne!(reach(240), reach(3600));
    }
}
