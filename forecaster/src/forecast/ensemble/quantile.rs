//! Weighted quantiles: few values are sorted, among many they are looked for.

mod many;

use fearless_simd::dispatch;

use super::simd::Processor;
use many::Many;

/// So many values are sorted.
const FEW: usize = 64;

/// A value and its weight in one number that orders by value: sorting these takes a third of the
/// time of sorting pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Weighted(u64);

impl Weighted {
    /// `weight` ≥ 0.
    fn new(value: f32, weight: f32) -> Self {
        let bits = value.to_bits();
        let ordered = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
        Self(u64::from(ordered) << 32 | u64::from(weight.to_bits()))
    }

    fn value(self) -> f32 {
        let ordered = (self.0 >> 32) as u32;
        f32::from_bits(if ordered >> 31 == 1 { ordered & !(1 << 31) } else { !ordered })
    }

    fn weight(self) -> f32 {
        f32::from_bits(self.0 as u32)
    }
}

/// Room to read quantiles in.
#[derive(Debug, Default)]
pub(super) struct Reader {
    sorted: Vec<Weighted>,
    many: Many,
}

impl Reader {
    /// Weighted quantiles (`wanted` ascending), interpolated between the middles of the weights;
    /// values in any order, as many as weights ≥ 0. NaN without values.
    pub(super) fn read(
        &mut self,
        processor: Processor,
        values: &[f32],
        weights: &[f32],
        wanted: &[f32],
        out: &mut Vec<f32>,
    ) {
        if values.len() > FEW {
            dispatch!(processor.level(), simd => self.many.read(simd, values, weights, wanted, out));
            return;
        }
        self.sorted.clear();
        self.sorted.extend(
            values.iter().zip(weights).map(|(value, weight)| Weighted::new(*value, *weight)),
        );
        self.sorted.sort_unstable();
        walk(&self.sorted, wanted, weights.iter().sum(), out);
    }
}

/// Quantiles from sorted pairs, whose weights add up to `all`.
fn walk(sorted: &[Weighted], wanted: &[f32], all: f32, out: &mut Vec<f32>) {
    let (mut under, mut before) = (0.0, None);
    let mut rows = sorted.iter();
    let mut row = rows.next();
    for q in wanted.iter().map(|q| q * all) {
        let value = loop {
            let Some(pair) = row else { break sorted.last().map_or(f32::NAN, |pair| pair.value()) };
            let (value, weight) = (pair.value(), pair.weight());
            let middle = under + 0.5 * weight;
            if middle >= q {
                break match before {
                    Some((place, low)) if middle > place => {
                        low + (value - low) * (q - place) / (middle - place)
                    }
                    _ => value,
                };
            }
            before = Some((middle, value));
            under += weight;
            row = rows.next();
        };
        out.push(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[f32], weights: &[f32], wanted: &[f32]) -> Vec<f32> {
        let mut out = Vec::new();
        Reader::default().read(Processor::default(), values, weights, wanted, &mut out);
        out
    }

    /// By its definition: everything sorted, interpolated between the middles of the weights.
    fn plain(values: &[f32], weights: &[f32], q: f32) -> f32 {
        let mut pairs: Vec<(f64, f64)> =
            values.iter().zip(weights).map(|(x, w)| (f64::from(*x), f64::from(*w))).collect();
        // Of equal values the lightest comes first.
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let all: f64 = pairs.iter().map(|pair| pair.1).sum();
        let mut below = 0.0;
        let middles: Vec<(f64, f64)> = (pairs.iter())
            .map(|(x, w)| {
                below += w;
                ((below - 0.5 * w) / all, *x)
            })
            .collect();
        let next = middles.partition_point(|(middle, _)| *middle < f64::from(q));
        let Some((m1, x1)) = middles.get(next) else { return middles[middles.len() - 1].1 as f32 };
        let Some((m0, x0)) = next.checked_sub(1).map(|i| middles[i]) else { return *x1 as f32 };
        (x0 + (x1 - x0) * (f64::from(q) - m0) / (m1 - m0)) as f32
    }

    #[test]
    fn quantiles_are_those_of_everything_sorted() {
        let chance = |n: usize| ((n * 7919 + 13) * 104_729 % 10_007) as f32 / 10_007.0;
        let wanted = [0.001, 0.1, 0.5, 0.51, 0.9, 0.95, 0.99, 0.9999];
        let kinds: [fn(f32) -> f32; 4] =
            [|u| u, |u| (20.0 * u).exp(), |u| (u * 4.0).floor() - 2.0, |u| -1.0 / (u + 1e-6)];
        for n in [1, 2, 15, FEW, FEW + 1, 100, 128, 257, 600, 2016] {
            for kind in kinds {
                let values: Vec<f32> = (0..n).map(|i| kind(chance(i))).collect();
                let weights: Vec<f32> = (0..n).map(|i| 0.05 + chance(i + 5000)).collect();
                for (q, said) in wanted.iter().zip(read(&values, &weights, &wanted)) {
                    let truth = plain(&values, &weights, *q);
                    let spread = 1e-3 * truth.abs().max(1e-3);
                    assert!((said - truth).abs() <= spread, "{n} values, {q}: {said} {truth}");
                }
            }
        }
    }

    #[test]
    fn equal_values_are_their_own_quantiles_and_none_have_none() {
        assert_eq!(read(&[3.0; 70], &[0.1; 70], &[0.5, 0.99]), [3.0, 3.0]);
        assert_eq!(read(&[0.0; 7], &[1.0; 7], &[0.5]), [0.0]);
        assert!(read(&[], &[], &[0.5])[0].is_nan());
    }

    #[test]
    fn many_equal_values_and_some_that_are_no_numbers_have_quantiles() {
        let equal: Vec<f32> =
            (0..600).map(|i| if i % 3 == 0 { (i / 3) as f32 } else { 50.0 }).collect();
        assert_eq!(read(&equal, &[1.0; 600], &[0.3, 0.5]), [50.0, 50.0]);
        let mut values: Vec<f32> = (0..300).map(|i| i as f32).collect();
        (values[7], values[290]) = (f32::NAN, f32::NAN);
        assert_eq!(read(&values, &[1.0; 300], &[0.5, 0.9]).len(), 2);
        assert_eq!(read(&values, &[0.0; 300], &[0.5]).len(), 1);
    }
}
