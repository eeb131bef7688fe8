//! Student's t.

/// Quantiles for 1 … 30 degrees of freedom.
const T80: [f64; 30] = [
    1.3764, 1.0607, 0.9785, 0.9410, 0.9195, 0.9057, 0.8960, 0.8889, 0.8834, 0.8791, 0.8755, 0.8726,
    0.8702, 0.8681, 0.8662, 0.8647, 0.8633, 0.8620, 0.8610, 0.8600, 0.8591, 0.8583, 0.8575, 0.8569,
    0.8562, 0.8557, 0.8551, 0.8546, 0.8542, 0.8538,
];
const T90: [f64; 30] = [
    3.0777, 1.8856, 1.6377, 1.5332, 1.4759, 1.4398, 1.4149, 1.3968, 1.3830, 1.3722, 1.3634, 1.3562,
    1.3502, 1.3450, 1.3406, 1.3368, 1.3334, 1.3304, 1.3277, 1.3253, 1.3232, 1.3212, 1.3195, 1.3178,
    1.3163, 1.3150, 1.3137, 1.3125, 1.3114, 1.3104,
];

/// The normal distribution's.
const Z80: f64 = 0.841_621;
const Z90: f64 = 1.281_552;

/// Quantile .8 of Student's t: one-sided p = .8, or the half width of a 60 % interval.
pub(super) fn t80(degrees: usize) -> f64 {
    quantile(degrees, &T80, Z80)
}

/// Quantile .9 of Student's t: one-sided p = .9.
pub(super) fn t90(degrees: usize) -> f64 {
    quantile(degrees, &T90, Z90)
}

/// Beyond the table the first two terms of its expansion in 1 / n (Abramowitz and Stegun 26.7.5),
/// exact to four digits there.
fn quantile(degrees: usize, table: &[f64; 30], z: f64) -> f64 {
    let first = (z.powi(3) + z) / 4.0;
    let second = (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0;
    let expanded = |n: f64| z + first / n + second / (n * n);
    degrees.checked_sub(1).map_or(f64::INFINITY, |i| {
        table.get(i).copied().unwrap_or_else(|| expanded(degrees as f64))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_fall_towards_the_normal_ones_without_a_step() {
        for (t, z) in [(t80 as fn(usize) -> f64, Z80), (t90, Z90)] {
            let all: Vec<f64> = (1..200).map(t).collect();
            assert!(all.windows(2).all(|pair| pair[0] > pair[1]));
            assert!((t(30) - t(31)) < 0.001 && (t(10_000) - z) < 1e-4);
            assert_eq!(t(0), f64::INFINITY);
        }
    }

    /// Two degrees of freedom have a closed form: t = (2p − 1) √(2 / (4 p (1 − p))).
    #[test]
    fn they_are_student_where_there_is_a_formula() {
        for (t, p) in [(t80(2), 0.8), (t90(2), 0.9f64)] {
            assert!((t - (2.0 * p - 1.0) * (2.0 / (4.0 * p * (1.0 - p))).sqrt()).abs() < 1e-4);
        }
    }
}
