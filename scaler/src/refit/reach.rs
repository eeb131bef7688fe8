//! How far ahead a workload must be forecast, and what its shadow policies are simulated with.

use jiff::SignedDuration;
use prewarm_forecaster::Policy;
use prewarm_forecaster::decide::choice::ShadowPolicy;
use prewarm_forecaster::decide::lead::{Lead, StartUps};
use prewarm_forecaster::decide::planner::Rhythm;
use prewarm_forecaster::decide::policy::LeadTime;
use prewarm_forecaster::forecast::Spec;
use prewarm_forecaster::replay::bank::{Bank, BankSpec};
use prewarm_forecaster::replay::portfolio;

use super::BUCKET;

/// Beyond the lead a forecast keeps what runs: the portfolio's hold, and the untuned one.
const HOLD: SignedDuration = SignedDuration::from_mins(10);

/// So late a refit may be without harm: the store or the source are away.
const LATE: SignedDuration = SignedDuration::from_mins(60);

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

    /// Leads at which forecasts are exact: the next bucket, the lead, what is held beyond it, and what a late refit needs.
    pub(super) fn spec(&self, policy: &Policy) -> Spec {
        // A lead counts from the start of the newest bucket, and by the next refit another one has begun.
        let from_now = self.lead + BUCKET * 2;
        let leads = vec![BUCKET, self.lead, from_now, from_now + HOLD, from_now + HOLD + LATE];
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
            ..BankSpec::new(policy.threshold.get(), self.cold_start)
        };
        let policies: Vec<ShadowPolicy> =
            portfolio::reactive().into_iter().chain(portfolio::forecasting(self.cold_start)).collect();
        Bank::new(spec, policies)
    }
}

/// Of what sums were simulated with: others say nothing about this bank.
pub(super) fn fingerprint(bank: &Bank) -> u64 {
    let text = format!("{:?} {:?}", bank.spec(), bank.portfolio());
    u64::from(crc32fast::hash(text.as_bytes()))
}
