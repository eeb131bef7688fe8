//! Values as KEDA writes them: `resource.MustParse(fmt.Sprintf("%.3f", v))`
//! (pkg/scalers/scaler.go).

/// Largest value that leaves the process. The HPA reads thousandths as int64: 1e13 leaves room for
/// 10,000 replicas at the largest threshold and stays far below the 9.2e15 at which KEDA before
/// v2.20 overflowed.
pub const MAX_VALUE: f64 = 1e13;

/// Replicas that are asked for at most, whatever a source or a forecast says: the pods of the
/// largest cluster that Kubernetes supports ("no more than 150,000 total pods", considerations for
/// large clusters).
pub const MAX_REPLICAS: u32 = 150_000;

/// A finite value ≥ 0 with three decimals, at most [`MAX_VALUE`]; never negative zero. NaN and
/// negatives become 0, as KEDA would make them.
pub fn sanitise(value: f64) -> f64 {
    if value.is_nan() { 0.0 } else { milli(value.min(MAX_VALUE)) as f64 / 1000.0 }
}

/// Thousandths of a value, exactly as `%.3f` and the HPA's `MilliValue` see them: the double's
/// exact value, rounded half to even. 0 for what KEDA turns into 0 (NaN, infinities, negatives);
/// saturates.
pub fn milli(value: f64) -> u64 {
    if !value.is_finite() || value <= 0.0 {
        return 0;
    }
    // value = mantissa · 2^exponent, so thousandths = 1000 · mantissa shifted: integers, hence no
    // second rounding.
    let bits = value.to_bits();
    let (biased, fraction) = ((bits >> 52) & 0x7ff, bits & ((1 << 52) - 1));
    let (mantissa, exponent) =
        if biased == 0 { (fraction, -1074) } else { (fraction | 1 << 52, biased as i32 - 1075) };
    let scaled = u128::from(mantissa) * 1000;
    let rounded = match exponent {
        // The largest scaled mantissa has 63 bits: what is shifted by more is less than half a
        // thousandth.
        ..=-65 => 0,
        -64..0 => {
            let shift = exponent.unsigned_abs();
            let (whole, rest, half) =
                (scaled >> shift, scaled & ((1 << shift) - 1), 1 << (shift - 1));
            whole + u128::from(rest > half || (rest == half && whole % 2 == 1))
        }
        0..=64 => scaled << exponent,
        _ => u128::MAX,
    };
    u64::try_from(rounded).unwrap_or(u64::MAX)
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
    fn ties_go_to_even_as_printf_has_it() {
        // 1.0005 has no double: the nearest lies below it.
        assert_eq!([0.0625, 0.1875, 1.0005, 2.5].map(milli), [62, 188, 1000, 2500]);
        assert_eq!([f64::NAN, f64::INFINITY, f64::MIN_POSITIVE, 5e-324].map(milli), [0; 4]);
        assert_eq!(milli(f64::MAX), u64::MAX);
    }

    /// `%.3f` by way of text; the standard library rounds the exact value half to even, as Go does.
    fn printed(value: f64) -> u128 {
        format!("{value:.3}")
            .bytes()
            .filter(u8::is_ascii_digit)
            .fold(0, |n, digit| n * 10 + u128::from(digit - b'0'))
    }

    proptest! {
        #[test]
        fn thousandths_are_what_is_printed(mantissa in 1.0f64..10.0, exponent in -12i32..13, eighths in 0u32..80_000_000) {
            for value in [mantissa * 10f64.powi(exponent), f64::from(eighths) / 16.0, f64::from(eighths) / 2000.0] {
                prop_assert_eq!(u128::from(milli(value)), printed(value), "{}", value);
                let once = sanitise(value);
                prop_assert_eq!(once.to_bits(), sanitise(once).to_bits());
            }
        }
    }
}
