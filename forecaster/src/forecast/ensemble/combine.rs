//! One forecast of many, per quantile: the mean of exponential weights and of BOA (Wintenberger 2017), both by recent
//! pinball loss.

/// Sharpness of the exponential weights.
const SHARPNESS: f64 = 8.0;

/// Half-lives of losses, in days.
const EXPONENTIAL_DAYS: f64 = 3.0;
const BOA_DAYS: f64 = 10.0;

/// Judged this often, all count the same.
const YOUNG: u32 = 20;

/// Weights of the members for one quantile at one lead.
#[derive(Debug, Clone)]
pub(super) struct Weights {
    q: f64,
    judged: u32,
    /// Discounted pinball losses.
    losses: Vec<f64>,
    regrets: Vec<f64>,
    squares: Vec<f64>,
    largest: Vec<f64>,
    decay: f64,
    boa_decay: f64,
    weights: Vec<f64>,
    /// Of the combination, discounted by a half-life of a week: losses, hits, and what they are divided by.
    lost: f64,
    covered: f64,
    recent: f64,
    report_decay: f64,
}

impl Weights {
    /// Equal weights of `members`; `per_day` is how often a day they are judged.
    pub(super) fn new(q: f64, members: usize, per_day: f64) -> Self {
        let decay = |days: f64| 0.5f64.powf(1.0 / (days * per_day));
        Self {
            q,
            judged: 0,
            losses: vec![0.0; members],
            regrets: vec![0.0; members],
            squares: vec![0.0; members],
            largest: vec![0.0; members],
            decay: decay(EXPONENTIAL_DAYS),
            boa_decay: decay(BOA_DAYS),
            weights: vec![1.0 / members as f64; members],
            lost: 0.0,
            covered: 0.0,
            recent: 0.0,
            report_decay: decay(7.0),
        }
    }

    /// The weights; they sum to 1.
    pub(super) fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// How often the combination was judged.
    pub(super) fn judged(&self) -> usize {
        self.judged as usize
    }

    /// Recent share of values at or below the combination; NaN before the first.
    pub(super) fn coverage(&self) -> f64 {
        self.covered / self.recent
    }

    /// Recent mean pinball loss of the combination; NaN before the first.
    pub(super) fn pinball(&self) -> f64 {
        self.lost / self.recent
    }

    /// What the members say, weighted; members without an opinion (NaN) are passed over.
    pub(super) fn combine(&self, said: impl Iterator<Item = f64>) -> f64 {
        let (mut sum, mut all) = (0.0, 0.0);
        for (value, weight) in said.zip(&self.weights).filter(|(value, _)| !value.is_nan()) {
            sum += weight * value;
            all += weight;
        }
        sum / all
    }

    /// `y` came where `said` was said by the members and `combined` by all; `level` is the mean of |y|.
    pub(super) fn judge(&mut self, y: f64, said: &[f64], combined: f64, level: f64) {
        let members = said.len();
        self.recent = self.report_decay * self.recent + 1.0;
        self.covered = self.report_decay * self.covered + f64::from(u8::from(y <= combined));
        self.lost = self.report_decay * self.lost + (self.q - f64::from(u8::from(y < combined))) * (y - combined);
        let slope = f64::from(u8::from(y < combined)) - self.q;
        for (i, value) in said.iter().enumerate() {
            let value = if value.is_nan() { combined } else { *value };
            self.losses[i] =
                self.decay * self.losses[i] + ((self.q - f64::from(u8::from(y < value))) * (y - value)).max(0.0);
            let loss = slope * (value - combined) / level.max(1e-12);
            self.squares[i] = self.boa_decay * self.squares[i] + loss * loss;
            self.largest[i] = self.largest[i].max(loss.abs());
            let eta = self.eta(i, members);
            self.regrets[i] = self.boa_decay * self.regrets[i] - loss * (1.0 + eta * loss);
        }
        self.judged = self.judged.saturating_add(1);
        if self.judged >= YOUNG {
            self.weigh();
        }
    }

    fn eta(&self, i: usize, members: usize) -> f64 {
        if self.squares[i] <= 0.0 {
            return 0.0;
        }
        (0.5 / self.largest[i].max(1e-12)).min(((members as f64).ln() / self.squares[i]).sqrt())
    }

    fn weigh(&mut self) {
        let n = self.losses.len();
        let best = self.losses.iter().copied().fold(f64::INFINITY, f64::min).max(1e-12);
        let exponential =
            normal((0..n).map(|i| (-SHARPNESS * (self.losses[i] / best - 1.0).min(50.0)).exp()).collect());
        let powers: Vec<f64> = (0..n).map(|i| self.eta(i, n) * self.regrets[i]).collect();
        let top = powers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let boa = normal((0..n).map(|i| self.eta(i, n).max(1e-12) * (powers[i] - top).exp()).collect());
        for (weight, (a, b)) in self.weights.iter_mut().zip(exponential.into_iter().zip(boa)) {
            *weight = (a + b) / 2.0;
        }
    }
}

fn normal(mut weights: Vec<f64>) -> Vec<f64> {
    let sum: f64 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= sum);
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weight_goes_to_who_is_right() {
        let mut weights = Weights::new(0.5, 3, 288.0);
        for i in 0..400 {
            let y = f64::from(i % 13);
            let said = [y + 1.0, y + 6.0, f64::NAN];
            let combined = weights.combine(said.into_iter());
            weights.judge(y, &said, combined, 6.0);
        }
        assert!(weights.weights()[0] > 0.6, "{:?}", weights.weights());
        assert!(weights.weights()[1] < 0.1, "{:?}", weights.weights());
        assert!((weights.weights().iter().sum::<f64>() - 1.0).abs() < 1e-9);
    }
}
