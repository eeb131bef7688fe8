//! Student's t.

/// Quantile .9 for 1 … 30 degrees of freedom.
const T90: [f64; 30] = [
    3.0777, 1.8856, 1.6377, 1.5332, 1.4759, 1.4398, 1.4149, 1.3968, 1.3830, 1.3722, 1.3634, 1.3562, 1.3502, 1.3450,
    1.3406, 1.3368, 1.3334, 1.3304, 1.3277, 1.3253, 1.3232, 1.3212, 1.3195, 1.3178, 1.3163, 1.3150, 1.3137, 1.3125,
    1.3114, 1.3104,
];

/// The normal distribution's.
const Z90: f64 = 1.281_552;

/// Quantile .9 of Student's t: one-sided p = .9, or the half width of an 80 % interval. Beyond the table the first two terms
/// of its expansion in 1 / n (Abramowitz and Stegun 26.7.5), exact to four digits there.
pub(super) fn t90(degrees: usize) -> f64 {
    let first = (Z90.powi(3) + Z90) / 4.0;
    let second = (5.0 * Z90.powi(5) + 16.0 * Z90.powi(3) + 3.0 * Z90) / 96.0;
    let expanded = |n: f64| Z90 + first / n + second / (n * n);
    degrees.checked_sub(1).map_or(f64::INFINITY, |i| T90.get(i).copied().unwrap_or_else(|| expanded(degrees as f64)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_falls_towards_the_normal_one_without_a_step() {
        let all: Vec<f64> = (1..200).map(t90).collect();
        assert!(all.windows(2).all(|pair| pair[0] > pair[1]));
        assert!((t90(30) - t90(31)) < 0.001 && (t90(10_000) - Z90) < 1e-4);
        assert_eq!(t90(0), f64::INFINITY);
    }

    /// Two degrees of freedom have a closed form: t = (2p − 1) √(2 / (4 p (1 − p))).
    #[test]
    fn it_is_student_where_there_is_a_formula() {
        let p: f64 = 0.9;
        assert!((t90(2) - (2.0 * p - 1.0) * (2.0 / (4.0 * p * (1.0 - p))).sqrt()).abs() < 1e-4);
    }
}
