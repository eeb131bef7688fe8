//! A mixture of the point forecasts at a lead: least squares on forecasts as issued, shrunk toward
//! the mean of the smoothers' and the ridge's.

use nalgebra::{Cholesky, Matrix4, Vector4};

/// Point forecasts mixed: smoothers, ridge, season, last value.
pub(super) const SOURCES: usize = 4;

/// Penalty as a share of the mean spread of the sources.
const LAMBDA: f64 = 0.02;
/// Misses count up to so many times the expected size of error.
const LARGEST: f32 = 3.0;

/// Weights of the sources; they add up to one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mixture([f32; SOURCES]);

/// Sums over past bucket from which a mixture is solved.
#[derive(Debug, Default)]
pub(super) struct Sums {
    gram: [[f64; SOURCES]; SOURCES],
    right: [f64; SOURCES],
}

impl Default for Mixture {
    fn default() -> Self {
        Self([0.5, 0.5, 0.0, 0.0])
    }
}

impl Mixture {
    pub(super) fn of(&self, forecasts: [f32; SOURCES]) -> f32 {
        self.0.iter().zip(forecasts).map(|(weight, z)| weight * z).sum()
    }
}

impl Sums {
    /// One bucket: what the sources forecast, what came, the size of error expected then, its
    /// weight.
    pub(super) fn add(&mut self, forecasts: [f32; SOURCES], came: f32, size: f32, weight: f64) {
        let average = Mixture::default().of(forecasts);
        let size = size.max(1e-4);
        let apart = forecasts.map(|z| f64::from((z - average) / size));
        let miss = f64::from(((came - average) / size).clamp(-LARGEST, LARGEST));
        for (i, a) in apart.iter().enumerate() {
            for (sum, b) in self.gram[i].iter_mut().zip(&apart) {
                *sum += weight * a * b;
            }
            self.right[i] += weight * a * miss;
        }
    }

    pub(super) fn solve(self) -> Mixture {
        let mut gram = Matrix4::from(self.gram);
        let penalty = LAMBDA * gram.trace() / SOURCES as f64 + 1e-9;
        gram += Matrix4::from_diagonal_element(penalty);
        let base = Mixture::default().0;
        let Some(factor) = Cholesky::new(gram) else { return Mixture(base) };
        let x = factor.solve(&Vector4::from(self.right));
        Mixture(std::array::from_fn(|i| (f64::from(base[i]) * (1.0 - x.sum()) + x[i]) as f32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_source_that_is_right_gets_the_weight_and_without_evidence_the_average_stays() {
        let mut sums = Sums::default();
        for i in 0..200 {
            let forecasts = [(i % 7) as f32, (i % 5) as f32, (i % 3) as f32, (i % 11) as f32];
            sums.add(forecasts, forecasts[2], 4.0, 1.0);
        }
        let forecasts = [1.0, 2.0, 9.0, 4.0];
        assert!((sums.solve().of(forecasts) - 9.0).abs() < 1.0);
        assert!((Sums::default().solve().of(forecasts) - 1.5).abs() < 1e-6);
    }
}
