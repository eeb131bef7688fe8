//! Past moments that looked like now: the nearest in some space of keys. A scan over contiguous columns, exact: keys
//! that do not depend on the lead are added up once for all leads, and where they alone are too far the others are not
//! looked at. `linfa-nn` on the same 6,048 rows of ten keys, in one run: 6.8 ms for its tree (which each bucket would
//! need anew) and 0.40 ms a search, 0.23 ms for its linear search. This one, 250 neighbours, half of the keys
//! common: 6 µs for all leads and 3 µs a lead, where a plain scan with its selection takes 15 µs.

use wide::f32x8;

/// One coordinate: its rows over the range searched (less others, where it is a difference), its value now, its scale.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key<'a> {
    pub rows: &'a [f32],
    pub less: Option<&'a [f32]>,
    pub now: f32,
    pub scale: f32,
}

/// A past moment: its distance from now and its bucket in one number that orders by distance, then by age. Selecting
/// these takes a third of the time of pairs.
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

/// Rows that are looked at together: neighbours in time are about as far from now.
const BLOCK: usize = 16;

/// Values of the rows of a block.
type Block = [f32x8; 2];

/// A block of a column; beyond the last row `rest`.
fn block(rows: &[f32], b: usize, rest: f32) -> Block {
    let (blocks, tail) = rows.as_chunks::<BLOCK>();
    let mut last = [rest; BLOCK];
    let block = blocks.get(b).unwrap_or_else(|| {
        last.iter_mut().zip(tail).for_each(|(x, y)| *x = *y);
        &last
    });
    let (halves, _) = block.as_chunks::<8>();
    [f32x8::new(halves[0]), f32x8::new(halves[1])]
}

/// Adds what lies along some keys to the squared distances of a block.
#[inline(always)]
fn add(keys: &[Key<'_>], b: usize, distances: Block) -> Block {
    let [mut first, mut second] = distances;
    for Key { rows, less, now, scale } in keys {
        let mut rows = block(rows, b, 0.0);
        if let Some(less) = less {
            let less = block(less, b, 0.0);
            rows = [rows[0] - less[0], rows[1] - less[1]];
        }
        let (now, scale) = (f32x8::splat(*now), f32x8::splat(*scale));
        let apart = [scale * (rows[0] - now), scale * (rows[1] - now)];
        first += apart[0] * apart[0];
        second += apart[1] * apart[1];
    }
    [first, second]
}

/// Squared distances of rows from now along the keys that leads share; good for one bucket.
#[derive(Debug, Default)]
pub(super) struct Common {
    from: Option<usize>,
    blocks: Vec<Block>,
    /// The least distance of each block.
    least: Vec<f32>,
}

impl Common {
    /// Rows from bucket `from` on; what lies beyond the `barrier` is infinitely far. Does nothing if that was done.
    pub(super) fn measure(&mut self, from: usize, keys: &[Key<'_>], barrier: &[f32]) {
        if self.from.replace(from) == Some(from) {
            return;
        }
        debug_assert!(keys.iter().all(|key| key.rows.len() == barrier.len()));
        let all = barrier.len().div_ceil(BLOCK);
        self.blocks.clear();
        self.blocks.extend((0..all).map(|b| add(keys, b, block(barrier, b, f32::INFINITY))));
        self.least.clear();
        self.least.extend(self.blocks.iter().map(|[first, second]| {
            first.fast_min(*second).to_array().into_iter().fold(f32::INFINITY, |a, b| if b < a { b } else { a })
        }));
    }

    /// The nearest rows, as many as the first of `ks` says, in the order that [`select`] leaves. `keys` are the lead's
    /// own, the telling ones first; rows end where the `barrier` ends. More distance than `limit` is looked at only if
    /// need be; it becomes the one for the next bucket.
    pub(super) fn nearest(
        &self,
        keys: &[Key<'_>],
        barrier: &[f32],
        ks: &[usize],
        limit: &mut f32,
        found: &mut Vec<Neighbour>,
    ) {
        debug_assert!(keys.iter().all(|key| key.rows.len() == barrier.len()));
        let k = ks.first().copied().unwrap_or(0);
        found.reserve(2 * k);
        self.closer(keys, barrier, *limit, found);
        if found.len() < k && !found.is_empty() && *limit < f32::INFINITY {
            // About as many more as are missing.
            let wider = *limit * SLACK * (k as f32 / found.len() as f32).sqrt();
            self.closer(keys, barrier, wider, found);
        }
        if found.len() < k && *limit < f32::INFINITY {
            self.closer(keys, barrier, f32::INFINITY, found);
        }
        *limit = select(found, ks).map_or(f32::INFINITY, expected);
    }

    /// All rows closer than `limit`.
    fn closer(&self, keys: &[Key<'_>], barrier: &[f32], limit: f32, found: &mut Vec<Neighbour>) {
        found.clear();
        let from = self.from.unwrap_or(0);
        let (telling, others) = keys.split_at(keys.len().min(TELLING));
        let bound = f32x8::splat(limit);
        // Which blocks are near enough is found out apart from what is done with them: the processor need not guess.
        let all = barrier.len().div_ceil(BLOCK).min(self.least.len());
        let (mut near, mut count) = (vec![0u32; all], 0);
        for (b, least) in (0u32..).zip(&self.least[..all]) {
            near[count] = b;
            count += usize::from(*least < limit);
        }
        for b in near[..count].iter().map(|b| *b as usize) {
            let shared = self.blocks[b];
            let gap = block(barrier, b, f32::INFINITY);
            let distances = add(telling, b, [shared[0] + gap[0], shared[1] + gap[1]]);
            if !(distances[0].simd_lt(bound) | distances[1].simd_lt(bound)).any() {
                continue;
            }
            let distances = add(others, b, distances);
            let mut close = distances[0].simd_lt(bound).to_bitmask() | distances[1].simd_lt(bound).to_bitmask() << 8;
            let [first, second] = distances.map(f32x8::to_array);
            while close != 0 {
                let i = close.trailing_zeros() as usize;
                let distance = if i < 8 { first[i] } else { second[i % 8] };
                found.push(Neighbour::new(distance, from + b * BLOCK + i));
                close &= close - 1;
            }
        }
    }
}

/// Keys after which a block may be given up.
const TELLING: usize = 3;

/// A neighbour is expected within so many times the last farthest distance: in ten dimensions a little more distance
/// holds several times as many.
const SLACK: f32 = 1.2;

/// A limit within which neighbours are expected next time, after the farthest of this time.
pub(super) fn expected(farthest: f32) -> f32 {
    SLACK * farthest + 1e-3
}

/// Appends what is closer than `limit` of a block that begins at bucket `from`.
pub(super) fn push(distances: &[f32], from: usize, limit: f32, found: &mut Vec<Neighbour>) {
    let rows = distances.iter().enumerate();
    found.extend(rows.filter(|(_, d)| **d < limit).map(|(i, d)| Neighbour::new(*d, from + i)));
}

/// Keeps the nearest, as many as the first of `ks` (descending) says, in such an order that for each of them the first
/// `k` are the `k` nearest, the farthest of those last. The squared distance of the farthest, `None` if there are
/// fewer.
pub(super) fn select(found: &mut Vec<Neighbour>, ks: &[usize]) -> Option<f32> {
    let wanted = ks.first().copied().unwrap_or(0);
    let all = found.len();
    let mut within = all;
    for k in ks.iter().map(|k| (*k).min(all)).filter(|k| *k > 0) {
        found.get_mut(..within)?.select_nth_unstable(k - 1);
        within = k;
    }
    found.truncate(wanted);
    found.last().filter(|_| found.len() == wanted).map(|farthest| farthest.distance())
}

/// How much a neighbour's age leaves of it: half after each half-life. Two small tables, for there are a thousand
/// neighbours a lead.
#[derive(Debug, Clone)]
pub(super) struct Fading {
    coarse: Vec<f32>,
    fine: [f32; FINE],
}

const FINE: usize = 64;

impl Fading {
    /// For ages up to `oldest`.
    pub(super) fn new(half_life: f32, oldest: usize) -> Self {
        let after = |age: usize| (-(age as f32) / half_life).exp2();
        Self { coarse: (0..=oldest / FINE).map(|i| after(i * FINE)).collect(), fine: std::array::from_fn(after) }
    }

    /// What is left after `age` buckets; nothing beyond the oldest.
    pub(super) fn after(&self, age: usize) -> f32 {
        self.coarse.get(age / FINE).map_or(0.0, |coarse| coarse * self.fine[age % FINE])
    }

    /// Bytes held.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&self.coarse[..]) + size_of::<Self>()
    }
}

/// Weights of neighbours at `distances`, the farthest last, of which ages leave so much: near and young ones count
/// more.
pub(super) fn weights(distances: &[f32], fresh: &[f32], out: &mut Vec<f32>) {
    let scale = 1.0 / distances.last().map_or(1.0, |farthest| farthest.max(1e-9));
    out.clear();
    out.extend(distances.iter().zip(fresh).map(|(distance, fresh)| {
        let near = 1.0 - distance * scale;
        (if near > 0.0 { near } else { 0.0 } + 0.05) * fresh
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Evenly spread over [0, 1), the same for the same number.
    fn chance(n: usize) -> f32 {
        ((n * 7919 + 13) * 104_729 % 10_007) as f32 / 10_007.0
    }

    #[test]
    fn the_nearest_are_those_of_a_plain_search_whatever_the_limit() {
        let column = |k: usize| (0..1003).map(|i| chance(i * 5 + k) + (i as f32 / 90.0).sin()).collect::<Vec<f32>>();
        let columns: Vec<Vec<f32>> = (0..7).map(column).collect();
        let mut barrier = vec![0.0; 1003];
        (300..320).for_each(|i| barrier[i] = f32::INFINITY);
        let key = |k: usize| Key { rows: &columns[k], less: (k == 2).then_some(&columns[3][..]), now: 0.4, scale: 0.8 };
        let keys: Vec<Key<'_>> = (0..7).map(key).collect();
        let mut plain: Vec<(f32, usize)> = (0..1003)
            .map(|i| {
                let apart = |key: &Key<'_>| key.scale * (key.rows[i] - key.less.map_or(0.0, |less| less[i]) - key.now);
                (keys.iter().map(|key| apart(key).powi(2)).sum::<f32>() + barrier[i], i + 50)
            })
            .collect();
        plain.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut common = Common::default();
        common.measure(50, &keys[..3], &barrier);
        for limit in [f32::INFINITY, plain[120].0, plain[60].0, 1e-6, 0.0] {
            let (mut found, mut after) = (Vec::new(), limit);
            common.nearest(&keys[3..], &barrier, &[100, 40, 7], &mut after, &mut found);
            for k in [100, 40, 7] {
                let mut nearest: Vec<usize> = found[..k].iter().map(|one| one.bucket()).collect();
                assert_eq!(nearest[k - 1], plain[k - 1].1);
                nearest.sort_unstable();
                let mut wanted: Vec<usize> = plain[..k].iter().map(|(_, bucket)| *bucket).collect();
                wanted.sort_unstable();
                assert_eq!(nearest, wanted, "{k} within {limit}");
            }
            assert!(after > plain[99].0 && after < 2.0 * plain[99].0, "{after}");
        }
    }

    #[test]
    fn fewer_than_wanted_are_all_there_the_farthest_last() {
        let mut found: Vec<Neighbour> =
            [3.0, 9.0, 1.0].into_iter().zip(0..).map(|(d, i)| Neighbour::new(d, i)).collect();
        assert_eq!(select(&mut found, &[100, 3, 2]), None);
        assert_eq!(found.iter().map(|one| one.bucket()).collect::<Vec<_>>(), [2, 0, 1]);
        assert_eq!(select(&mut Vec::new(), &[5, 2]), None);
    }

    #[test]
    fn half_is_left_after_a_half_life() {
        let fading = Fading::new(100.0, 1000);
        for age in [0, 1, 63, 64, 100, 777, 1000] {
            let wanted = 0.5f32.powf(age as f32 / 100.0);
            assert!((fading.after(age) - wanted).abs() < 1e-6 * wanted, "{age}");
        }
        assert_eq!(fading.after(5000), 0.0);
    }
}
