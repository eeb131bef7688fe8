//! What members are worth, per quantile: the mean of two rules. One weighs by regret against the
//! combination, with second-order steps (BOA, Wintenberger 2017), the other by discounted loss,
//! sharply (exponential weights, Vovk 1990).

use super::predictions::Label;
use crate::forecast::accuracy::pinball;

/// Half-life of regrets in days.
const REGRET_DAYS: f64 = 10.0;
/// Half-life of losses in days.
const LOSS_DAYS: f64 = 8.0;
/// How fast a loss above the least costs a member its weight.
const SHARPNESS: f64 = 30.0;
/// So many scored forecasts count as much as the prior.
const YOUNG: usize = 40;
/// The prior's weight of the member that stands for the last value; the others share the rest.
const TRUSTED: f64 = 0.95;

/// Weights of members for one quantile.
#[derive(Debug, Clone)]
pub(super) struct Combination {
    q: f64,
    keep: f64,
    keep_loss: f64,
    scored: usize,
    members: Vec<Member>,
    weights: Vec<f64>,
    /// Weights before anything was scored.
    priors: Vec<f64>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Member {
    loss: f64,
    regret: f64,
    variance: f64,
    bound: f64,
    /// By the last two.
    rate: f64,
    /// By each of the two rules, before all are made to add up to one.
    worth: [f64; 2],
}

impl Combination {
    /// A combination of the predictions that are labeled so.
    pub(super) fn new(q: f64, labels: &[Label], per_day: usize) -> Self {
        let keep = |days: f64| 0.5f64.powf(1.0 / (days * per_day as f64));
        let priors = priors(labels);
        Self {
            q,
            keep: keep(REGRET_DAYS),
            keep_loss: keep(LOSS_DAYS),
            scored: 0,
            members: vec![Member::default(); labels.len()],
            weights: priors.clone(),
            priors,
        }
    }

    /// The quantile.
    pub(super) fn q(&self) -> f64 {
        self.q
    }

    /// Weights by member, adding up to one.
    pub(super) fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// Combines predictions, one of each member.
    pub(super) fn combine(&self, predictions: impl Iterator<Item = f64>) -> f64 {
        predictions.zip(&self.weights).map(|(f, w)| f * w).sum()
    }

    /// Learns from `y`, which came where `predictions` were made and combined to `combined`; `mean`
    /// is demand's. It counts for so many.
    pub(super) fn learn(
        &mut self,
        y: f64,
        predictions: impl Iterator<Item = f64>,
        combined: f64,
        mean: f64,
        counts: i32,
    ) {
        let slope = (if y < combined { 1.0 } else { 0.0 }) - self.q;
        let slope = if y == combined { 0.0 } else { slope };
        let n = (self.members.len() as f64).ln();
        let (keep, keep_loss, times) =
            (self.keep.powi(counts), self.keep_loss.powi(counts), f64::from(counts));
        for (member, f) in self.members.iter_mut().zip(predictions) {
            let l = slope * (f - combined) / mean;
            member.loss = keep_loss * member.loss + times * pinball(self.q, y, f);
            member.variance = keep * member.variance + times * l * l;
            member.bound = member.bound.max(l.abs());
            member.rate = member.learning_rate(n);
            member.regret = keep * member.regret - times * l * (1.0 + member.rate * l);
        }
        self.scored += usize::try_from(counts).unwrap_or(1);
        if self.scored >= YOUNG {
            self.weigh();
        }
    }

    /// Whether weights, and the sums that they come of, are finite.
    pub(super) fn is_finite(&self) -> bool {
        let members = self.members.iter().flat_map(|m| [m.loss, m.regret, m.variance, m.bound]);
        members.chain(self.weights.iter().copied()).all(f64::is_finite)
    }

    fn weigh(&mut self) {
        let most = self.members.iter().map(|m| m.rate * m.regret).fold(f64::NEG_INFINITY, f64::max);
        let by_regret = |member: &Member| member.rate * (member.rate * member.regret - most).exp();
        let least = self.members.iter().map(|m| m.loss).fold(f64::INFINITY, f64::min).max(1e-12);
        let by_loss = |member: &Member| (-SHARPNESS * (member.loss / least - 1.0).min(20.0)).exp();
        for member in &mut self.members {
            member.worth = [by_regret(member), by_loss(member)];
        }
        let [regrets, losses] =
            [0, 1].map(|rule: usize| self.members.iter().map(|m| m.worth[rule]).sum::<f64>());
        let young = (YOUNG as f64 / self.scored as f64 - 0.02).max(0.0);
        for ((weight, member), prior) in
            self.weights.iter_mut().zip(&self.members).zip(&self.priors)
        {
            let learned = 0.5 * (member.worth[0] / regrets + member.worth[1] / losses);
            *weight = young * prior + (1.0 - young) * learned;
        }
    }
}

/// Weights before anything was scored; one label is trusted.
fn priors(labels: &[Label]) -> Vec<f64> {
    let shared = (1.0 - TRUSTED) / labels.len() as f64;
    labels.iter().map(|label| if label.trusted { TRUSTED + shared } else { shared }).collect()
}

impl Member {
    fn learning_rate(&self, n: f64) -> f64 {
        let by_bound = 1.0 / (2.0 * self.bound.max(1e-9));
        by_bound.min((n / self.variance.max(1e-18)).sqrt())
    }
}
