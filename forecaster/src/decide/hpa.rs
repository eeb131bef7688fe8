//! The HPA's arithmetic for an external metric of type AverageValue.
//!
//! Source: Kubernetes v1.35 pkg/controller/podautoscaler/replica_calculator.go `GetExternalPerPodMetricReplicas`,
//! horizontal.go `calculateScaleUpLimit`.

use super::policy::Threshold;
use super::quantity::milli;

/// `--horizontal-pod-autoscaler-tolerance`.
pub const TOLERANCE: f64 = 0.1;

/// Replicas that the HPA wants for a value: within ±10 % of `current × threshold` it keeps `current`, else
/// ceil(value / threshold). Independent of readiness; no behaviour policies applied.
pub fn desired_replicas(value: f64, threshold: Threshold, current: u32) -> u32 {
    let (usage, target) = (milli(value) as f64, threshold.milli() as f64);
    let ratio = usage / (target * f64::from(current));
    // `Tolerances.isWithin`, both edges included.
    if (1.0 - TOLERANCE..=1.0 + TOLERANCE).contains(&ratio) {
        return current;
    }
    (usage / target).ceil() as u32
}

/// The most replicas that one sync may reach without `behavior`: max(2 × current, 4).
pub fn scale_up_limit(current: u32) -> u32 {
    current.saturating_mul(2).max(4)
}

/// Syncs that the HPA needs from `current` to `target` without `behavior`.
pub fn ramp_steps(current: u32, target: u32) -> u32 {
    let mut steps = 0;
    let mut reached = current.max(1);
    while reached < target {
        reached = scale_up_limit(reached);
        steps += 1;
    }
    steps
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::decide::quantity::whole_replicas;

    #[test]
    fn the_ramp_is_1_4_8_16_32() {
        assert_eq!([1, 4, 5, 8, 16, 32].map(|target| ramp_steps(1, target)), [0, 1, 2, 2, 3, 4]);
        assert_eq!(ramp_steps(0, 4), 1);
    }

    #[test]
    fn within_a_tenth_nothing_moves() {
        let threshold = Threshold::new(10.0).unwrap();
        assert_eq!(desired_replicas(110.0, threshold, 10), 10);
        assert_eq!(desired_replicas(110.1, threshold, 10), 12);
        assert_eq!(desired_replicas(89.0, threshold, 10), 9);
        assert_eq!(desired_replicas(22.222, Threshold::new(6.111).unwrap(), 1), 4);
    }

    proptest! {
        /// C12: exactly the intended replicas, for every count and threshold, unless the HPA's dead band keeps `current`.
        #[test]
        fn the_hpa_lands_on_exactly_the_replicas_we_mean(
            n in 1u32..=10_000, exponent in -3.0f64..9.0, current in 1u32..=10_000,
        ) {
            let threshold = Threshold::new(10f64.powf(exponent)).unwrap();
            let got = desired_replicas(whole_replicas(n, threshold), threshold, current);
            let ratio = f64::from(n) / f64::from(current);
            if (1.0 - ratio).abs() > TOLERANCE + 1e-9 {
                prop_assert_eq!(got, n);
            } else if (1.0 - ratio).abs() < TOLERANCE - 1e-3 {
                prop_assert_eq!(got, current);
            }
        }
    }

    #[test]
    fn every_count_at_awkward_thresholds() {
        for threshold in [0.001, 0.003, 0.1, 0.333, 1.0, 6.111, 7.0, 999.999, 123_456.789, 999_999_999.999, 1e9] {
            let threshold = Threshold::new(threshold).unwrap();
            for n in 1..=10_000 {
                let from = if n > 2 { 1 } else { 100 };
                assert_eq!(desired_replicas(whole_replicas(n, threshold), threshold, from), n, "{threshold:?}");
            }
        }
    }
}
