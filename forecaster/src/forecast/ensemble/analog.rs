//! Past moments that looked like now: the nearest in some space of keys, and quantiles of what came after them.
//! A scan over contiguous columns. `linfa-nn` on the same 6,048 rows of ten keys, in one run: 6.8 ms for its tree (which each
//! bucket would need anew) and 0.40 ms a search, 0.23 ms for its linear search; this scan with its selection 0.03 ms.

use std::ops::Range;

/// One coordinate: its rows over the range searched (less others, where it is a difference), its value now, its scale.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key<'a> {
    pub rows: &'a [f32],
    pub less: Option<&'a [f32]>,
    pub now: f32,
    pub scale: f32,
}

/// A past moment: its distance from now and its bucket in one number that orders by distance, then by age. Selecting and
/// sorting these takes a third of the time of pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Neighbour(u64);

impl Neighbour {
    /// `distance` ≥ 0.
    pub(super) fn new(distance: f32, bucket: usize) -> Self {
        Self(u64::from(distance.to_bits()) << 32 | bucket as u64 & u64::from(u32::MAX))
    }

    /// Squared distance from now.
    pub(super) fn distance(self) -> f32 {
        f32::from_bits((self.0 >> 32) as u32)
    }

    /// Its bucket.
    pub(super) fn bucket(self) -> usize {
        (self.0 & u64::from(u32::MAX)) as usize
    }
}

/// Squared distances of rows from now; what lies beyond a barrier is infinitely far.
pub(super) fn scan(keys: &[Key<'_>], barriers: [&[f32]; 2], distances: &mut Vec<f32>) {
    distances.clear();
    distances.extend(barriers[0].iter().zip(barriers[1]).map(|(a, b)| a + b));
    let rows = distances.len();
    debug_assert!(keys.iter().all(|key| key.rows.len() == rows));
    for (n, block) in distances.chunks_mut(BLOCK).enumerate() {
        let from = n * BLOCK;
        let part = |of: &'_ [f32]| -> Range<usize> { from.min(of.len())..(from + BLOCK).min(of.len()) };
        for Key { rows, less, now, scale } in keys {
            let rows = rows.get(part(rows)).unwrap_or_default();
            if let Some(less) = less {
                let less = less.get(part(less)).unwrap_or_default();
                for ((distance, x), y) in block.iter_mut().zip(rows).zip(less) {
                    let apart = scale * (x - y - now);
                    *distance += apart * apart;
                }
            } else {
                for (distance, x) in block.iter_mut().zip(rows) {
                    let apart = scale * (x - now);
                    *distance += apart * apart;
                }
            }
        }
    }
}

/// Rows whose distances stay in the nearest cache while all keys are added.
const BLOCK: usize = 1024;

/// The `k` nearest of scanned rows that begin at bucket `from`, nearest first, ties by age.
pub(super) fn nearest(distances: &[f32], from: usize, k: usize, limit: f32, found: &mut Vec<Neighbour>) {
    let close = |limit: f32, found: &mut Vec<Neighbour>| {
        found.clear();
        let rows = distances.iter().enumerate();
        found.extend(rows.filter(|(_, d)| **d < limit).map(|(i, d)| Neighbour::new(*d, from + i)));
    };
    close(limit, found);
    if found.len() < k {
        close(f32::INFINITY, found);
    }
    select(found, k);
}

/// Keeps the `k` nearest, sorted.
pub(super) fn select(found: &mut Vec<Neighbour>, k: usize) {
    if found.len() > k && k > 0 {
        found.select_nth_unstable(k - 1);
        found.truncate(k);
    }
    found.sort_unstable();
}

/// How much a neighbour's age leaves of it, by neighbour.
pub(super) fn freshness(found: &[Neighbour], now: usize, half_life: f32, out: &mut Vec<f32>) {
    out.clear();
    out.extend(found.iter().map(|one| (-((now - one.bucket()) as f32) / half_life).exp2()));
}

/// Weights of the `k` nearest: near and young ones count more.
pub(super) fn weights(found: &[Neighbour], freshness: &[f32], k: usize, out: &mut Vec<f32>) {
    let found = &found[..k.min(found.len())];
    let farthest = found.last().map_or(1.0, |one| one.distance().max(1e-9));
    out.clear();
    let near = found.iter().map(|one| (1.0 - one.distance() / farthest).max(0.0) + 0.05);
    out.extend(near.zip(freshness).map(|(near, fresh)| near * fresh));
}

/// A value and its weight in one number that orders by value: sorting these takes a third of the time of sorting pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Weighted(u64);

impl Weighted {
    /// `weight` ≥ 0.
    pub(super) fn new(value: f32, weight: f32) -> Self {
        let bits = value.to_bits();
        let ordered = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
        Self(u64::from(ordered) << 32 | u64::from(weight.to_bits()))
    }

    /// The value.
    pub(super) fn value(self) -> f32 {
        let ordered = (self.0 >> 32) as u32;
        f32::from_bits(if ordered >> 31 == 1 { ordered & !(1 << 31) } else { !ordered })
    }

    /// Its weight.
    pub(super) fn weight(self) -> f32 {
        f32::from_bits(self.0 as u32)
    }
}

/// Weighted quantiles (`wanted` ascending), interpolated between the middles of the weights; `pairs` in any order.
pub(super) fn quantiles(pairs: &mut [Weighted], wanted: &[f32], out: &mut Vec<f32>) {
    pairs.sort_unstable();
    let all: f32 = pairs.iter().map(|pair| pair.weight()).sum();
    let (mut below, mut before) = (0.0, None);
    let mut rows = pairs.iter();
    let mut row = rows.next();
    for q in wanted {
        let value = loop {
            let Some(pair) = row else { break pairs.last().map_or(f32::NAN, |pair| pair.value()) };
            let (value, weight) = (pair.value(), pair.weight());
            let middle = (below + 0.5 * weight) / all;
            if middle >= *q {
                break match before {
                    Some((place, low)) if middle > place => low + (value - low) * (q - place) / (middle - place),
                    _ => value,
                };
            }
            before = Some((middle, value));
            below += weight;
            row = rows.next();
        };
        out.push(value);
    }
}
