//! Values as KEDA writes them: `resource.MustParse(fmt.Sprintf("%.3f", v))` (pkg/scalers/scaler.go).

use super::policy::Threshold;

/// Largest value that leaves the process. The HPA reads thousandths as int64: 1e13 leaves room for 10,000 replicas at the
/// largest threshold and stays far below the 9.2e15 at which KEDA before v2.20 overflowed.
pub const MAX_VALUE: f64 = 1e13;

/// Up to here a double is finer than a thousandth, so that rounding to three decimals is exact.
const EXACT_MILLI: u128 = 1 << 52;

/// A finite value ≥ 0 with three decimals, at most [`MAX_VALUE`]. NaN and negatives become 0, as KEDA would make them.
pub fn sanitise(value: f64) -> f64 {
    if value.is_nan() || value <= 0.0 {
        return 0.0;
    }
    (value.min(MAX_VALUE) * 1000.0).round() / 1000.0
}

/// Thousandths of a value, exactly as KEDA's `%.3f` and the HPA's `MilliValue` see them; 0 for what KEDA turns into 0.
pub fn milli(value: f64) -> u128 {
    if !value.is_finite() || value <= 0.0 {
        return 0;
    }
    format!("{value:.3}").bytes().filter(u8::is_ascii_digit).fold(0, |n, digit| n * 10 + u128::from(digit - b'0'))
}

/// The value that the HPA's ceil turns into exactly `n` replicas: the largest double whose `%.3f` is at most
/// `n × threshold`, because any residue above it costs a whole replica.
pub fn whole_replicas(n: u32, threshold: Threshold) -> f64 {
    let target = u128::from(n) * u128::from(threshold.milli());
    let mut value = target as f64 / 1000.0;
    if target > EXACT_MILLI {
        // The HPA divides as doubles: neither the thousandths nor their quotient may come out above.
        let above = |value: f64| milli(value) > target || milli(value) as f64 / threshold.milli() as f64 > f64::from(n);
        while above(value) {
            value = value.next_down();
        }
    }
    value.min(MAX_VALUE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_odd_leaves() {
        for odd in [f64::NAN, -1.0, f64::NEG_INFINITY, -0.0, 0.0004] {
            assert_eq!(sanitise(odd).to_bits(), 0.0f64.to_bits(), "{odd}");
        }
        assert_eq!(sanitise(f64::INFINITY), MAX_VALUE);
        assert_eq!(sanitise(1.23456), 1.235);
    }

    #[test]
    fn thousandths_are_read_as_keda_prints_them() {
        assert_eq!((milli(6.111), milli(22.222), milli(0.0004), milli(f64::NAN)), (6111, 22222, 0, 0));
    }

    proptest! {
        #[test]
        fn a_double_is_never_above_the_replicas_it_stands_for(
            n in 1u32..=10_000, threshold in 1u64..=1_000_000_000_000,
        ) {
            let threshold = Threshold::new(threshold as f64 / 1000.0).unwrap();
            let value = milli(whole_replicas(n, threshold));
            let exact = u128::from(n) * u128::from(threshold.milli());
            prop_assert!(value <= exact && value > exact - u128::from(threshold.milli()));
        }
    }
}
