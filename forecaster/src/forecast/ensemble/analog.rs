//! Past moments that looked like now: the nearest in some space of keys, and quantiles of what came after them.
//! A scan over contiguous columns; a tree (`linfa-nn`) is slower in ten dimensions and would have to be rebuilt each bucket.

use std::ops::Range;

/// One coordinate: its rows over the range searched, its value now, its scale.
pub(super) struct Key<'a> {
    pub rows: &'a [f32],
    pub now: f32,
    pub scale: f32,
}

/// A past moment: its distance now, its bucket.
pub(super) type Neighbour = (f32, usize);

/// Squared distances of rows `range`, appended to `found`; what is infinitely far is left out, and so is what is farther
/// than `limit`.
pub(super) fn scan(keys: &[Key<'_>], barriers: [&[f32]; 2], range: Range<usize>, scratch: &mut Vec<f32>) {
    scratch.clear();
    scratch.extend(barriers[0].iter().zip(barriers[1]).map(|(a, b)| a + b));
    debug_assert!(keys.iter().all(|key| key.rows.len() == range.len()) && scratch.len() == range.len());
    for key in keys {
        for (distance, x) in scratch.iter_mut().zip(key.rows) {
            let apart = key.scale * (x - key.now);
            *distance += apart * apart;
        }
    }
}

/// The `k` nearest of scanned rows that begin at bucket `from`, nearest first, ties by age.
pub(super) fn nearest(distances: &[f32], from: usize, k: usize, limit: f32, found: &mut Vec<Neighbour>) {
    let close = |limit: f32, found: &mut Vec<Neighbour>| {
        found.clear();
        let rows = distances.iter().enumerate();
        found.extend(rows.filter(|(_, d)| **d < limit).map(|(i, d)| (*d, from + i)));
    };
    close(limit, found);
    if found.len() < k {
        close(f32::INFINITY, found);
    }
    select(found, k);
}

/// Keeps the `k` nearest, sorted.
pub(super) fn select(found: &mut Vec<Neighbour>, k: usize) {
    let order = |a: &Neighbour, b: &Neighbour| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
    if found.len() > k && k > 0 {
        found.select_nth_unstable_by(k - 1, order);
        found.truncate(k);
    }
    found.sort_unstable_by(order);
}

/// Weights of the `k` nearest: near and young ones count more.
pub(super) fn weights(found: &[Neighbour], k: usize, now: usize, half_life: f32, out: &mut Vec<f32>) {
    let found = &found[..k.min(found.len())];
    let farthest = found.last().map_or(1.0, |(d, _)| d.max(1e-9));
    out.clear();
    out.extend(found.iter().map(|(d, s)| {
        let young = (-((now - s) as f32) / half_life).exp2();
        ((1.0 - d / farthest).max(0.0) + 0.05) * young
    }));
}

/// Weighted quantiles, interpolated between the middles of the weights; `pairs` are (value, weight), in any order. With a
/// tail, quantiles above .9 follow the exponential law of the mean excess over the .9 quantile.
pub(super) fn quantiles(pairs: &mut [(f32, f32)], wanted: &[f32], tail: bool, out: &mut Vec<f32>) {
    pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let all: f32 = pairs.iter().map(|pair| pair.1).sum();
    let read = |q: f32| {
        let (mut below, mut before) = (0.0, None);
        for (value, weight) in pairs.iter() {
            let middle = (below + 0.5 * weight) / all;
            if middle >= q {
                return match before {
                    Some((place, low)) if middle > place => low + (value - low) * (q - place) / (middle - place),
                    _ => *value,
                };
            }
            before = Some((middle, *value));
            below += weight;
        }
        pairs.last().map_or(f32::NAN, |pair| pair.0)
    };
    let upper = tail && wanted.iter().any(|q| *q > TAIL);
    let (mut start, mut excess) = (0.0, 0.0);
    if upper {
        start = read(TAIL);
        let above = pairs.iter().filter(|pair| pair.0 > start);
        let (sum, weight) = above.fold((0.0, 0.0), |(sum, all), (value, w)| (sum + w * (value - start), all + w));
        excess = if weight > 0.0 { sum / weight } else { 0.0 };
    }
    for q in wanted {
        out.push(if upper && *q > TAIL { start + excess * ((1.0 - TAIL) / (1.0 - q)).ln() } else { read(*q) });
    }
}

const TAIL: f32 = 0.9;
