//! Student's t.

/// Quantile .8 for 1 … 30 degrees of freedom.
const T80: [f64; 30] = [
    1.3764, 1.0607, 0.9785, 0.9410, 0.9195, 0.9057, 0.8960, 0.8889, 0.8834, 0.8791, 0.8755, 0.8726, 0.8702, 0.8681,
    0.8662, 0.8647, 0.8633, 0.8620, 0.8610, 0.8600, 0.8591, 0.8583, 0.8575, 0.8569, 0.8562, 0.8557, 0.8551, 0.8546,
    0.8542, 0.8538,
];

/// The normal distribution's.
const Z80: f64 = 0.841_621;

/// Quantile .8 of Student's t: one-sided p = .8, or the half width of a 60 % interval. Beyond the table the first two terms
/// of its expansion in 1 / n (Abramowitz and Stegun 26.7.5), exact to four digits there.
pub(super) fn t80(degrees: usize) -> f64 {
    let first = (Z80.powi(3) + Z80) / 4.0;
    let second = (5.0 * Z80.powi(5) + 16.0 * Z80.powi(3) + 3.0 * Z80) / 96.0;
    let expanded = |n: f64| Z80 + first / n + second / (n * n);
    degrees.checked_sub(1).map_or(f64::INFINITY, |i| T80.get(i).copied().unwrap_or_else(|| expanded(degrees as f64)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_falls_towards_the_normal_one_without_a_step() {
        let all: Vec<f64> = (1..200).map(t80).collect();
        assert!(all.windows(2).all(|pair| pair[0] > pair[1]));
        assert!((t80(30) - t80(31)) < 0.001 && (t80(10_000) - Z80) < 1e-4);
        assert_eq!(t80(0), f64::INFINITY);
    }

    /// Two degrees of freedom have a closed form: t = (2p − 1) √(2 / (4 p (1 − p))).
    #[test]
    fn it_is_student_where_there_is_a_formula() {
        let p: f64 = 0.8;
        assert!((t80(2) - (2.0 * p - 1.0) * (2.0 / (4.0 * p * (1.0 - p))).sqrt()).abs() < 1e-4);
    }
}
