//! Weighted quantiles without sorting everything: values are counted into narrow ranges, and only the ranges in which a
//! quantile lies are sorted. Less than half the time of a sort at 600 values, a third at 2,000.

use wide::{f32x8, u8x16};

/// At most so many ranges of equal width from the least value to the largest.
const RANGES: usize = 256;
/// Sums of each range that are kept side by side.
const APART: usize = 4;
/// So many values are sorted as they are.
const FEW: usize = 80;

/// A value and its weight in one number that orders by value: sorting these takes a third of the time of sorting pairs.
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
    /// The range of each value.
    ranges: Vec<u8>,
    /// Weights in each range, of every fourth value.
    apart: Vec<[f32; APART]>,
    /// First and last of the ranges that are looked at.
    parts: Vec<(usize, usize)>,
    read: Vec<Weighted>,
}

impl Reader {
    /// Weighted quantiles (`wanted` ascending), interpolated between the middles of the weights; values in any order,
    /// as many as weights ≥ 0. NaN without values.
    pub(super) fn read(&mut self, values: &[f32], weights: &[f32], wanted: &[f32], out: &mut Vec<f32>) {
        let Self { ranges, apart, parts, read } = self;
        read.clear();
        if values.len() <= FEW {
            read.extend(values.iter().zip(weights).map(|(value, weight)| Weighted::new(*value, *weight)));
            read.sort_unstable();
            return walk(read, wanted, weights.iter().sum(), |_| 0, &[0.0], out);
        }
        let (least, largest) = bounds(values);
        let count = (values.len() / 3).min(RANGES);
        let scale = (count as f32 - 0.5) / (largest - least);
        if !(scale.is_finite() && scale > 0.0) {
            // All the same, or too far apart for arithmetic.
            out.extend(wanted.iter().map(|_| least));
            return;
        }
        let range = |value: f32| ((value - least) * scale) as i32 as u8;
        let (eights, rest) = values.as_chunks::<8>();
        ranges.clear();
        ranges.reserve(values.len());
        for eight in eights {
            let eight = ((f32x8::new(*eight) - least) * scale).fast_trunc_int().to_array();
            ranges.extend(eight.map(|i| i as u8));
        }
        ranges.extend(rest.iter().map(|value| range(*value)));
        // Most values lie in few ranges: neighbours are summed apart, so that one need not wait for the other.
        apart.resize(RANGES, [0.0; APART]);
        let apart = &mut apart[..RANGES];
        apart[..count].fill([0.0; APART]);
        let (these, last) = ranges.as_chunks::<APART>();
        let (their, last_weights) = weights.as_chunks::<APART>();
        for (these, their) in these.iter().zip(their) {
            for (k, (i, weight)) in these.iter().zip(their).enumerate() {
                apart[usize::from(*i)][k] += weight;
            }
        }
        for (k, (i, weight)) in last.iter().zip(last_weights).enumerate() {
            apart[usize::from(*i)][k] += weight;
        }
        let mut sums = [0.0f32; RANGES];
        sums.iter_mut().zip(&apart[..count]).for_each(|(sum, [a, b, c, d])| *sum = (a + b) + (c + d));
        let mut all = 0.0;
        for sum in sums.iter_mut().take(count) {
            (*sum, all) = (all, all + *sum);
        }
        let below = &sums[..count];
        // The pair to interpolate between lies in the range that a quantile falls into or the next ones that hold
        // anything.
        parts.clear();
        let under = |i: usize| below.get(i).copied().unwrap_or(all);
        for q in wanted {
            let this = below.partition_point(|below| *below < q * all).saturating_sub(1);
            let before = (0..this).rev().find(|i| under(*i) < under(this)).unwrap_or(0);
            let after = (this + 1..count).find(|i| under(*i + 1) > under(this + 1)).unwrap_or(count - 1);
            match parts.last_mut() {
                Some((_, last)) if *last + 1 >= before => *last = after,
                _ => parts.push((before, after)),
            }
        }
        read.clear();
        let (sixteens, rest) = ranges.as_chunks::<16>();
        let splat = |range: usize| u8x16::splat(range as u8);
        let mut keep = |i: usize| {
            if let (Some(value), Some(weight)) = (values.get(i), weights.get(i)) {
                read.push(Weighted::new(*value, *weight));
            }
        };
        for (s, sixteen) in sixteens.iter().enumerate() {
            let these = u8x16::new(*sixteen);
            let within = |(first, last): &(usize, usize)| these.simd_ge(splat(*first)) & these.simd_le(splat(*last));
            let mut inside = parts.iter().map(within).fold(u8x16::ZERO, |a, b| a | b).to_bitmask();
            while inside != 0 {
                keep(16 * s + inside.trailing_zeros() as usize);
                inside &= inside - 1;
            }
        }
        for (i, range) in (16 * sixteens.len()..).zip(rest) {
            if parts.iter().any(|(first, last)| (*first..=*last).contains(&usize::from(*range))) {
                keep(i);
            }
        }
        read.sort_unstable();
        walk(read, wanted, all, range, below, out);
    }
}

/// Quantiles from sorted pairs, whose weights add up to `all` with those left out; `below` are the weights below each
/// range.
fn walk(read: &[Weighted], wanted: &[f32], all: f32, range: impl Fn(f32) -> u8, below: &[f32], out: &mut Vec<f32>) {
    let (mut at, mut under, mut before) = (None, 0.0, None);
    let mut rows = read.iter();
    let mut row = rows.next();
    for q in wanted.iter().map(|q| q * all) {
        let value = loop {
            let Some(pair) = row else { break read.last().map_or(f32::NAN, |pair| pair.value()) };
            let (value, weight, here) = (pair.value(), pair.weight(), range(pair.value()));
            if at.replace(here) != Some(here) {
                under = below.get(usize::from(here)).copied().unwrap_or(all);
            }
            let middle = under + 0.5 * weight;
            if middle >= q {
                break match before {
                    Some((place, low)) if middle > place => low + (value - low) * (q - place) / (middle - place),
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

fn bounds(values: &[f32]) -> (f32, f32) {
    const LANES: usize = 8;
    let (mut least, mut largest) = ([f32::INFINITY; LANES], [f32::NEG_INFINITY; LANES]);
    let (whole, rest) = values.as_chunks::<LANES>();
    let mut last = [values.first().copied().unwrap_or(0.0); LANES];
    last.iter_mut().zip(rest).for_each(|(last, x)| *last = *x);
    for lanes in whole.iter().chain([&last]) {
        for ((x, least), largest) in lanes.iter().zip(&mut least).zip(&mut largest) {
            *least = if x < least { *x } else { *least };
            *largest = if x > largest { *x } else { *largest };
        }
    }
    (least.into_iter().fold(f32::INFINITY, f32::min), largest.into_iter().fold(f32::NEG_INFINITY, f32::max))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[f32], weights: &[f32], wanted: &[f32]) -> Vec<f32> {
        let mut out = Vec::new();
        Reader::default().read(values, weights, wanted, &mut out);
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
        for n in [1, 2, 15, FEW, FEW + 1, 100, 257, 600, 2016] {
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
}
