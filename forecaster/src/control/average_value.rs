//! The HPA's arithmetic for an external metric of type AverageValue.
//!
//! Source: Kubernetes v1.35 pkg/controller/podautoscaler/replica_calculator.go
//! `GetExternalPerPodMetricReplicas`.

use super::hpa::Tolerances;
use super::quantity::{MAX_VALUE, milli};
use crate::decide::policy::Threshold;

/// ceil(value / threshold), divided as the HPA divides: thousandths as doubles.
pub fn replicas(value: f64, threshold: Threshold) -> u32 {
    // `as` saturates: 1e13 over a threshold of 0.001.
    (milli(value) as f64 / threshold.milli() as f64).ceil() as u32
}

/// The value that the HPA's ceil turns into exactly `n` replicas: the largest double that does not
/// exceed `n × threshold` after KEDA's rounding and the HPA's division, because any residue above
/// it costs a whole replica. Exact for every `n` ≤ 10,000; beyond that it is cut at [`MAX_VALUE`].
pub fn whole_replicas(n: u32, threshold: Threshold) -> f64 {
    let target = u128::from(n) * u128::from(threshold.milli());
    let mut value = (target as f64 / 1000.0).min(MAX_VALUE);
    // Above 2⁵² thousandths neither they nor their quotient are exact doubles: step down to where
    // both fit.
    while u128::from(milli(value)) > target || replicas(value, threshold) > n {
        value = value.next_down();
    }
    value
}

/// Replicas that the HPA wants for a value: `current` while that is within the tolerance of
/// `current × threshold`, else ceil(value / threshold). Independent of readiness; no behavior
/// policies applied. At zero replicas, where the HPA is off, nothing is within the tolerance.
pub fn desired_replicas(
    value: f64,
    threshold: Threshold,
    current: u32,
    tolerances: &Tolerances,
) -> u32 {
    let ratio = milli(value) as f64 / (threshold.milli() as f64 * f64::from(current));
    if tolerances.is_within(ratio) { current } else { replicas(value, threshold) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::control::hpa::TOLERANCE;

    fn desired_replicas(value: f64, threshold: Threshold, current: u32) -> u32 {
        super::desired_replicas(value, threshold, current, &Tolerances::default())
    }

    #[test]
    fn within_a_tenth_nothing_moves() {
        let threshold = Threshold::new(10.0).unwrap();
        assert_eq!(desired_replicas(110.0, threshold, 10), 10);
        assert_eq!(desired_replicas(110.1, threshold, 10), 12);
        assert_eq!(desired_replicas(89.0, threshold, 10), 9);
        assert_eq!(desired_replicas(22.222, Threshold::new(6.111).unwrap(), 1), 4);
        assert_eq!(
            (desired_replicas(0.0, threshold, 0), desired_replicas(5.0, threshold, 0)),
            (0, 1)
        );
    }

    /// C12, over `current`: outside the dead band exactly `n`, inside it what runs.
    fn lands(n: u32, threshold: Threshold, current: u32) {
        let got = desired_replicas(whole_replicas(n, threshold), threshold, current);
        let off = (1.0 - f64::from(n) / f64::from(current)).abs();
        if off > TOLERANCE + 1e-9 {
            assert_eq!(got, n, "{threshold:?} from {current}");
        } else if off < TOLERANCE - 1e-3 {
            assert_eq!(got, current, "{threshold:?} from {current}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn the_hpa_lands_on_exactly_the_replicas_we_mean(
            n in 1u32..=10_000, exponent in -3.0f64..9.0, near in 0.8f64..1.25, current in 1u32..=10_000,
        ) {
            let threshold = Threshold::new(10f64.powf(exponent)).unwrap();
            lands(n, threshold, current);
            lands(n, threshold, ((f64::from(n) * near) as u32).max(1));
        }

        #[test]
        fn whole_replicas_lie_within_the_last_replica(n in 1u32..=10_000, threshold in 1u64..=1_000_000_000_000) {
            let threshold = Threshold::new(threshold as f64 / 1000.0).unwrap();
            let value = u128::from(milli(whole_replicas(n, threshold)));
            let exact = u128::from(n) * u128::from(threshold.milli());
            prop_assert!(value <= exact && value > exact - u128::from(threshold.milli()));
        }

        /// Thresholds next to powers of two, and the largest: where doubles run out.
        #[test]
        fn nor_does_it_miss_where_doubles_run_out(n in 9_000u32..=10_000, below in 0u64..5_000, bit in 30u32..40) {
            for milli in [1_000_000_000_000 - below, (1 << bit) - 1 + below, (1 << bit) + 1 + below] {
                lands(n, Threshold::new(milli.min(1_000_000_000_000) as f64 / 1000.0).unwrap(), 1);
            }
        }
    }

    #[test]
    fn every_count_at_awkward_thresholds() {
        for threshold in
            [0.001, 0.003, 0.1, 0.333, 1.0, 6.111, 7.0, 999.999, 123_456.789, 999_999_999.999, 1e9]
        {
            let threshold = Threshold::new(threshold).unwrap();
            for n in 1..=10_000 {
                lands(n, threshold, if n > 2 { 1 } else { 100 });
            }
        }
    }
}
