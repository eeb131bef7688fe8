//! How far ahead, and for which quantiles, the policies that look ahead need forecasts.

use jiff::SignedDuration;

use super::portfolio::LONGEST_HOLD;
use crate::decide::lead::{Lead, StartUps};
use crate::decide::policy::Policy;
use crate::decide::timing::LoopTiming;

/// What the quantiles of the portfolio, the newsvendor's at usual cost ratios and people ask for.
pub const QUANTILES: [f64; 6] = [0.5, 0.8, 0.9, 0.95, 0.975, 0.99];

/// A forecast acts so long after its origin, on all replicas of the service from the same slot on:
/// two that answered differently would make the HPA waver.
pub const ACTIVATION_DELAY: SignedDuration = SignedDuration::from_secs(180);

/// Exact leads up to the end of the one that replicas are started ahead, in the service and in what
/// is to tell of it: with two, steps of demand between them are smeared, and Prewarm looks some 7 %
/// dearer than it is.
pub const EXACT: u32 = 6;

/// Leads, ascending, for forecasts in buckets of `bucket`, for policies that start replicas `lead`
/// ahead: the next bucket; up to `exact` ones up to the lead's end, because a step of demand that
/// lies between two of them is smeared; what is held beyond it; and `late` more, for which a
/// forecast may be overdue. Each costs memory and some hundred microseconds a bucket.
pub fn leads(
    bucket: SignedDuration,
    lead: SignedDuration,
    exact: u32,
    late: Option<SignedDuration>,
) -> Vec<SignedDuration> {
    let whole = |span: SignedDuration| whole_buckets(span, bucket).max(1);
    // A lead counts from the start of the newest bucket, and by the next forecast another one has
    // begun.
    let ready = whole(lead) + 2;
    let stride = (ready + i64::from(exact.max(1)) - 1) / i64::from(exact.max(1));
    let within = (0..ready / stride).map(|i| ready - i * stride);
    let held = ready + whole(LONGEST_HOLD);
    let overdue = late.map(|late| held + whole(late));
    let mut buckets: Vec<i64> = within.chain([1, held]).chain(overdue).collect();
    buckets.sort_unstable();
    buckets.dedup();
    buckets
        .into_iter()
        .map(|n| SignedDuration::from_secs(n.saturating_mul(bucket.as_secs())))
        .collect()
}

/// How far ahead a policy may have to start replicas: with as many of them as ever, after the
/// longest ramp.
pub fn span(policy: &Policy, timing: &LoopTiming) -> SignedDuration {
    Lead::new(policy, timing, &StartUps::default(), 1, u32::MAX).total()
}

/// `span` in buckets, rounded up.
pub fn whole_buckets(span: SignedDuration, bucket: SignedDuration) -> i64 {
    let (span, bucket) = (span.as_secs(), bucket.as_secs().max(1));
    span.div_euclid(bucket) + i64::from(span.rem_euclid(bucket) > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes(n: i64) -> SignedDuration {
        SignedDuration::from_mins(n)
    }

    fn of(bucket: i64, lead: i64, exact: u32, late: Option<i64>) -> Vec<i64> {
        let leads = leads(minutes(bucket), minutes(lead), exact, late.map(minutes));
        leads.iter().map(SignedDuration::as_mins).collect()
    }

    #[test]
    fn a_short_lead_is_exact_in_every_bucket() {
        assert_eq!(of(5, 4, 6, Some(60)), [5, 10, 15, 35, 95]);
        assert_eq!(of(5, 10, 6, Some(60)), [5, 10, 15, 20, 40, 100]);
        assert_eq!(of(5, 20, 6, Some(60)), [5, 10, 15, 20, 25, 30, 50, 110]);
    }

    #[test]
    fn a_long_one_in_some() {
        assert_eq!(of(5, 50, 6, Some(60)), [5, 10, 20, 30, 40, 50, 60, 80, 140]);
        assert!(of(5, 120, 6, Some(60)).len() <= 9);
    }

    #[test]
    fn one_may_do_and_buckets_may_be_longer_than_the_lead() {
        assert_eq!(of(5, 7, 1, None), [5, 20, 40]);
        assert_eq!(of(30, 12, 1, None), [30, 90, 120]);
    }
}
