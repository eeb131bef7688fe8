//! Past origins that looked like this one, and what came after them: analogs with quantiles of their own.

use std::f64::consts::TAU;

/// Half-life of an analog's weight, in days.
const HALF_LIFE_DAYS: f64 = 14.0;

/// Weight that even the farthest of the chosen keeps.
const LEAST: f64 = 0.05;

/// A key column: the values of past origins, the value now, and its weight in the distance.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key<'a> {
    /// One for each candidate.
    pub(super) past: &'a [f32],
    /// The value now.
    pub(super) now: f32,
    /// Factor of the difference.
    pub(super) weight: f32,
}

/// Chosen origins, nearest first.
#[derive(Debug, Clone, Default)]
pub(super) struct Chosen {
    /// Place within the candidates, squared distance.
    pub(super) found: Vec<(u32, f32)>,
}

/// A search whose buffers are used again.
#[derive(Debug, Clone, Default)]
pub(super) struct Search {
    distance: Vec<f32>,
    order: Vec<u64>,
}

impl Search {
    /// The `k` nearest of `n` candidates. `phases` are sines and cosines of the time of day of each candidate.
    pub(super) fn nearest(&mut self, n: usize, keys: &[Key<'_>], k: usize, allowed: impl Fn(usize) -> bool) -> Chosen {
        self.distance.clear();
        self.distance.resize(n, 0.0);
        for key in keys {
            let (now, weight) = (key.now, key.weight);
            for (sum, past) in self.distance.iter_mut().zip(key.past) {
                let off = weight * (past - now);
                *sum += off * off;
            }
        }
        self.order.clear();
        // Distances are ≥ 0, so their bits sort as they do; NaN sorts last and is left out.
        let bits = self.distance.iter().enumerate().filter(|(i, d)| d.is_finite() && allowed(*i));
        self.order.extend(bits.map(|(i, d)| u64::from(d.to_bits()) << 32 | i as u64));
        let k = k.min(self.order.len());
        if k == 0 {
            return Chosen::default();
        }
        if k < self.order.len() {
            self.order.select_nth_unstable(k - 1);
            self.order.truncate(k);
        }
        self.order.sort_unstable();
        let found = self.order.iter().map(|both| (*both as u32, f32::from_bits((both >> 32) as u32)));
        Chosen { found: found.collect() }
    }
}

impl Chosen {
    /// The nearest `k` with their weights: near ones more, recent ones more (`age` in days of a place).
    pub(super) fn weighted(&self, k: usize, age: impl Fn(usize) -> f64) -> Vec<(usize, f64)> {
        let chosen = &self.found[..k.min(self.found.len())];
        let farthest = chosen.last().map_or(1.0, |(_, d)| f64::from(*d).sqrt().max(1e-9));
        let weight = |place: usize, d: f32| {
            let near = (1.0 - f64::from(d).sqrt() / farthest).max(0.0) + LEAST;
            near * 0.5f64.powf(age(place) / HALF_LIFE_DAYS)
        };
        chosen.iter().map(|(place, d)| (*place as usize, weight(*place as usize, *d))).collect()
    }
}

/// Values with weights, sorted; answers quantiles between the mid-points of the weights (Hyndman & Fan 1996, type 5).
#[derive(Debug, Clone, Default)]
pub(super) struct Sample {
    /// Value, share of the weight below its middle, weight.
    sorted: Vec<(f64, f64, f64)>,
    total: f64,
}

impl Sample {
    pub(super) fn new(mut values: Vec<(f64, f64)>) -> Self {
        values.retain(|(value, weight)| value.is_finite() && *weight > 0.0);
        values.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let total: f64 = values.iter().map(|(_, weight)| weight).sum();
        let mut below = 0.0;
        let place = |(value, weight): (f64, f64)| {
            let middle = (below + weight / 2.0) / total;
            below += weight;
            (value, middle, weight)
        };
        Self { sorted: values.into_iter().map(place).collect(), total }
    }

    /// `None` without values; beyond the outermost middles the outermost value answers.
    pub(super) fn quantile(&self, q: f64) -> Option<f64> {
        let above = self.sorted.partition_point(|(_, place, _)| *place < q);
        let Some((high, high_place, _)) = self.sorted.get(above).copied() else {
            return self.sorted.last().map(|v| v.0);
        };
        let Some((low, low_place, _)) = above.checked_sub(1).and_then(|i| self.sorted.get(i)).copied() else {
            return Some(high);
        };
        Some(low + (high - low) * (q - low_place) / (high_place - low_place))
    }

    /// With an exponential tail above the 90th percentile, as long as the mean excess over it.
    pub(super) fn tailed(&self, q: f64) -> Option<f64> {
        if q <= 0.9 {
            return self.quantile(q);
        }
        let base = self.quantile(0.9)?;
        let (mut excess, mut weight) = (0.0, 0.0);
        for (value, _, w) in self.sorted.iter().rev().take_while(|(value, ..)| *value > base) {
            excess += w * (value - base);
            weight += w;
        }
        let mean = if weight > 0.0 { excess / weight } else { 0.0 };
        Some(base + mean * (0.1 / (1.0 - q)).ln())
    }

    /// Sum of weights.
    pub(super) fn weight(&self) -> f64 {
        self.total
    }
}

/// Sine and cosine of a phase within `period`.
pub(super) fn circle(phase: usize, period: usize) -> (f32, f32) {
    let (sin, cos) = (TAU * phase as f64 / period as f64).sin_cos();
    (sin as f32, cos as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_come_first_and_what_is_not_allowed_never() {
        let past = [0.0, 5.0, 1.0, 2.0, f32::NAN, 0.5];
        let key = Key { past: &past, now: 0.9, weight: 2.0 };
        let found = Search::default().nearest(6, &[key], 3, |i| i != 2).found;
        assert_eq!(found.iter().map(|(place, _)| *place).collect::<Vec<_>>(), [5, 0, 3]);
        let weights = Chosen { found }.weighted(3, |_| 0.0);
        assert!(weights[0].1 > weights[1].1 && weights[2].1 > 0.0);
    }

    #[test]
    fn tails_go_beyond_what_was_seen() {
        let sample = Sample::new((0..100).map(|i| (f64::from(i), 1.0)).collect());
        assert!((sample.quantile(0.5).unwrap() - 49.5).abs() < 1e-9);
        assert!(sample.tailed(0.999).unwrap() > 99.0);
        assert_eq!(sample.tailed(0.9), sample.quantile(0.9));
        assert_eq!(Sample::new(Vec::new()).tailed(0.99), None);
    }
}
