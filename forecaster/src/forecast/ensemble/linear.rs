//! Weighted ridge regression by normal equations: a Cholesky factor serves several targets.

/// Sums of a regression of `n` columns: XᵀWX (lower triangle) and one XᵀWy a target.
#[derive(Debug, Clone)]
pub(super) struct Normal<const TARGETS: usize> {
    n: usize,
    gram: Vec<f64>,
    moments: [Vec<f64>; TARGETS],
    /// Sum of weights.
    pub(super) weight: f64,
}

impl<const TARGETS: usize> Normal<TARGETS> {
    pub(super) fn new(n: usize) -> Self {
        Self { n, gram: vec![0.0; n * n], moments: std::array::from_fn(|_| vec![0.0; n]), weight: 0.0 }
    }

    /// Adds a row.
    pub(super) fn add(&mut self, x: &[f64], targets: [f64; TARGETS], weight: f64) {
        self.weight += weight;
        for (i, xi) in x.iter().enumerate() {
            let wx = weight * xi;
            let row = &mut self.gram[i * self.n..i * self.n + i + 1];
            row.iter_mut().zip(x).for_each(|(sum, xj)| *sum += wx * xj);
            for (moments, y) in self.moments.iter_mut().zip(targets) {
                moments[i] += wx * y;
            }
        }
    }

    /// The same rows with another target's moments.
    pub(super) fn with_moments(mut self, moments: Vec<f64>) -> Self {
        if let Some(first) = self.moments.first_mut() {
            *first = moments;
        }
        self
    }

    /// Coefficients of target `target` with `penalty` on all of them but the last column, the intercept.
    pub(super) fn solve(&self, target: usize, penalty: f64) -> Option<Vec<f64>> {
        let n = self.n;
        let mut l = self.gram.clone();
        for i in 0..n {
            l[i * n + i] += if i + 1 == n { 1e-9 } else { penalty };
        }
        for i in 0..n {
            for j in 0..=i {
                let dot: f64 = (0..j).map(|k| l[i * n + k] * l[j * n + k]).sum();
                let rest = l[i * n + j] - dot;
                l[i * n + j] = if i == j {
                    if rest <= 0.0 {
                        return None;
                    }
                    rest.sqrt()
                } else {
                    rest / l[j * n + j]
                };
            }
        }
        let mut x = self.moments[target].clone();
        for i in 0..n {
            let dot: f64 = (0..i).map(|k| l[i * n + k] * x[k]).sum();
            x[i] = (x[i] - dot) / l[i * n + i];
        }
        for i in (0..n).rev() {
            let dot: f64 = (i + 1..n).map(|k| l[k * n + i] * x[k]).sum();
            x[i] = (x[i] - dot) / l[i * n + i];
        }
        x.iter().all(|value| value.is_finite()).then_some(x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plane_is_found_and_the_penalty_shrinks_its_slope_alone() {
        let mut normal = Normal::<2>::new(3);
        for i in 0..200 {
            let (a, b) = (f64::from(i % 7), f64::from(i % 11));
            normal.add(&[a, b, 1.0], [2.0 * a - b + 5.0, b], 1.0 + f64::from(i % 3));
        }
        let found = normal.solve(0, 0.0).unwrap();
        assert!((found[0] - 2.0).abs() < 1e-6 && (found[1] + 1.0).abs() < 1e-6 && (found[2] - 5.0).abs() < 1e-5);
        let shrunk = normal.solve(0, 1e9).unwrap();
        assert!(shrunk[0].abs() < 1e-3 && shrunk[2] > 5.0, "{shrunk:?}");
        assert_eq!(Normal::<1>::new(2).solve(0, 0.0).map(|x| x.len()), None, "nothing was seen");
    }
}
