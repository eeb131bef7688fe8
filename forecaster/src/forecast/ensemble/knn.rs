//! Past moments that looked like now: the nearest in some space of keys. A scan over contiguous
//! columns, exact: keys that do not depend on the lead are added up once for all leads, and where
//! they alone are too far the others are not looked at. `linfa-nn` on the same 6,048 rows of ten
//! keys, in one run: 6.8 ms for its tree (which each bucket would need anew) and 0.40 ms a search,
//! 0.23 ms for its linear search. This one takes microseconds.

use fearless_simd::prelude::*;
use fearless_simd::{Simd, dispatch, f32x16, mask32x16, u32x16};

use super::neighbors::{Neighbors, expected};
use super::simd::{LANES, Processor, pack};

/// One coordinate: its rows over the range searched, its value now, its scale.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key<'a> {
    pub rows: &'a [f32],
    pub now: f32,
    pub scale: f32,
}

/// Squared distances that are known already, if any, and what they weigh.
pub(super) type Known<'a> = Option<(&'a [f32], f32)>;

/// Rows that are looked at together: neighbors in time are about as far from now.
const BLOCK: usize = LANES;

/// Values of the rows of a block.
type Rows = [f32; BLOCK];

/// Columns by blocks, the last one filled up.
#[derive(Debug)]
struct Blocks<'a, const K: usize> {
    whole: [&'a [Rows]; K],
    last: [Rows; K],
}

impl<'a, const K: usize> Blocks<'a, K> {
    fn new(columns: [&'a [f32]; K]) -> Self {
        let mut last = [[0.0; BLOCK]; K];
        let whole = std::array::from_fn(|k| {
            let (whole, rest) = columns[k].as_chunks::<BLOCK>();
            last[k][..rest.len()].copy_from_slice(rest);
            whole
        });
        Self { whole, last }
    }

    #[inline(always)]
    fn at<S: Simd>(&self, simd: S, b: usize, k: usize) -> f32x16<S> {
        f32x16::load_array_ref(simd, self.whole[k].get(b).unwrap_or(&self.last[k]))
    }
}

/// Some keys, all of the same length; where `less` is given, they are differences from it.
#[derive(Debug)]
pub(super) struct Keys<'a, const K: usize> {
    rows: Blocks<'a, K>,
    less: Option<Blocks<'a, 1>>,
    now: [f32; K],
    scale: [f32; K],
    len: usize,
}

impl<'a, const K: usize> Keys<'a, K> {
    pub(super) fn new(keys: [Key<'a>; K], less: Option<&'a [f32]>) -> Self {
        let len = keys.first().map_or(0, |key| key.rows.len());
        debug_assert!(
            keys.iter().all(|key| key.rows.len() == len)
                && less.is_none_or(|less| less.len() == len)
        );
        Self {
            rows: Blocks::new(keys.map(|key| key.rows)),
            less: less.map(|less| Blocks::new([less])),
            now: keys.map(|key| key.now),
            scale: keys.map(|key| key.scale),
            len,
        }
    }

    /// Adds what lies along the keys to the squared distances of a block.
    #[inline(always)]
    fn add<S: Simd>(&self, simd: S, b: usize, mut distances: f32x16<S>) -> f32x16<S> {
        #[expect(clippy::manual_map, reason = "a map's closure may be compiled for any processor")]
        let less = match &self.less {
            Some(less) => Some(less.at(simd, b, 0)),
            None => None,
        };
        for k in 0..K {
            let rows = self.rows.at(simd, b, k);
            let rows = if let Some(less) = less { rows - less } else { rows };
            let apart = (rows - self.now[k]) * self.scale[k];
            distances += apart * apart;
        }
        distances
    }
}

/// Squared distances of rows from now along the keys that leads share; good for one bucket.
#[derive(Debug, Default)]
pub(super) struct Common {
    of: Option<(usize, usize)>,
    blocks: Vec<Rows>,
    /// The least distance of each block.
    least: Vec<f32>,
    /// What blocks are usually apart: the quartile of the least distances.
    usual: f32,
    sorted: Vec<f32>,
    near: Vec<u32>,
}

/// How far the farthest neighbor was, and blocks usually then: where now is unusual, all are
/// farther.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    farthest: f32,
    usual: f32,
}

impl Default for Limit {
    /// Nothing is known.
    fn default() -> Self {
        Self { farthest: f32::INFINITY, usual: 1.0 }
    }
}

impl Limit {
    fn guess(self, usual: f32) -> f32 {
        let farther = (usual / self.usual).clamp(0.5, 4.0);
        self.farthest * if farther.is_finite() { farther } else { 1.0 }
    }
}

impl Common {
    /// Rows from bucket `from` on, along keys that are the same for all leads of a `kind`. What is
    /// `known` of their distances (each as long as the keys, with its weight) is added. Does
    /// nothing if that was done.
    pub(super) fn measure<const K: usize>(
        &mut self,
        processor: Processor,
        (from, kind): (usize, usize),
        keys: &Keys<'_, K>,
        known: [Known<'_>; 3],
    ) {
        if self.of.replace((from, kind)) == Some((from, kind)) {
            return;
        }
        let known = known.map(|known| known.map(|(rows, weight)| (Blocks::new([rows]), weight)));
        dispatch!(processor.level(), simd => self.measure_all(simd, keys, &known));
        self.sorted.clear();
        self.sorted.extend_from_slice(&self.least);
        let quartile = self.sorted.len() / 4;
        self.usual = match self.sorted.get_mut(..) {
            Some(sorted) if !sorted.is_empty() => {
                *sorted.select_nth_unstable_by(quartile, f32::total_cmp).1
            }
            _ => 0.0,
        };
    }

    #[inline(always)]
    fn measure_all<S: Simd, const K: usize>(
        &mut self,
        simd: S,
        keys: &Keys<'_, K>,
        known: &[Option<(Blocks<'_, 1>, f32)>; 3],
    ) {
        let all = keys.len.div_ceil(BLOCK);
        self.blocks.clear();
        self.least.clear();
        self.blocks.reserve(all);
        self.least.reserve(all);
        for b in 0..all {
            let mut sums = f32x16::splat(simd, 0.0);
            for (rows, weight) in known.iter().flatten() {
                sums += rows.at(simd, b, 0) * *weight;
            }
            let sums = keys.add(simd, b, sums);
            self.blocks.push(sums.to_array());
            self.least.push(least_of(sums));
        }
    }

    /// The nearest rows, as many as `k`, and some that are farther, by age. `keys` are the lead's
    /// own; they end with the last row that is looked at. What has a `gap` that is infinite is left
    /// out. More distance than `limit` is looked at only if need be.
    pub(super) fn nearest<const K: usize>(
        &mut self,
        processor: Processor,
        keys: &Keys<'_, K>,
        gap: Option<&[f32]>,
        k: usize,
        limit: Limit,
        found: &mut Neighbors,
    ) {
        let gap = gap.map(|gap| Blocks::new([gap]));
        let limit = expected(limit.guess(self.usual));
        let mut closer = |limit: f32, found: &mut Neighbors| {
            dispatch!(processor.level(), simd => self.closer(simd, keys, &gap, limit, found));
        };
        closer(limit, found);
        if found.len() < k && found.len() > 0 && limit < f32::INFINITY {
            // About as many more as are missing.
            closer(expected(limit) * (k as f32 / found.len() as f32).sqrt(), found);
        }
        if found.len() < k && limit < f32::INFINITY {
            closer(f32::INFINITY, found);
        }
    }

    /// How far the farthest neighbor is about.
    pub(super) fn guess(&self, limit: Limit) -> f32 {
        limit.guess(self.usual)
    }

    /// The limit for the next bucket, after the farthest of this one.
    pub(super) fn limit(&self, farthest: f32) -> Limit {
        Limit { farthest, usual: self.usual }
    }

    /// All rows closer than `limit`.
    #[inline(always)]
    fn closer<S: Simd, const K: usize>(
        &mut self,
        simd: S,
        keys: &Keys<'_, K>,
        gap: &Option<Blocks<'_, 1>>,
        limit: f32,
        found: &mut Neighbors,
    ) {
        let Self { of, blocks, least, near, .. } = self;
        let from = of.map_or(0, |(from, _)| from) as u32;
        // Which blocks are near enough is found out apart from what is done with them: the
        // processor need not guess.
        let all = keys.len.div_ceil(BLOCK).min(least.len());
        near.resize(all.max(near.len()), 0);
        let mut count = 0;
        for (b, least) in (0u32..).zip(&least[..all]) {
            near[count] = b;
            count += usize::from(*least < limit);
        }
        let counted = u32x16::load_array(simd, std::array::from_fn(|i| i as u32));
        found.fill(count * BLOCK, |buckets, distances| {
            let mut kept = 0;
            for b in near[..count].iter().map(|b| *b as usize) {
                let mut apart = keys.add(simd, b, f32x16::load_array_ref(simd, &blocks[b]));
                if let Some(gap) = gap {
                    apart += gap.at(simd, b, 0);
                }
                let mut close = apart.simd_lt(limit);
                if keys.len < (b + 1) * BLOCK {
                    close &= mask32x16::from_bitmask(simd, (1 << (keys.len - b * BLOCK)) - 1);
                }
                let these = counted + (from + (b * BLOCK) as u32);
                kept += pack((these, apart), close, (buckets, distances), kept);
            }
            kept
        });
    }
}

/// The least of a block.
#[inline(always)]
fn least_of<S: Simd>(block: f32x16<S>) -> f32 {
    let (first, second) = block.split();
    let eight = first.simd_lt(second).select(first, second).to_array();
    let lesser = |a: f32, b: f32| if b < a { b } else { a };
    let four: [f32; 4] = std::array::from_fn(|i| lesser(eight[i], eight[i + 4]));
    lesser(lesser(four[0], four[2]), lesser(four[1], four[3]))
}

/// How much a neighbor's age leaves of it: half after each half-life. Two small tables, for there
/// are a thousand neighbors a lead.
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
        Self {
            coarse: (0..=oldest / FINE).map(|i| after(i * FINE)).collect(),
            fine: std::array::from_fn(after),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Evenly spread over [0, 1), the same for the same number.
    fn chance(n: usize) -> f32 {
        ((n * 7919 + 13) * 104_729 % 10_007) as f32 / 10_007.0
    }

    #[test]
    fn what_is_found_holds_the_nearest_of_a_plain_search_whatever_the_limit() {
        const LEAD: usize = 40;
        let column = |k: usize| {
            (0..1003).map(|i| chance(i * 5 + k) + (i as f32 / 90.0).sin()).collect::<Vec<f32>>()
        };
        let columns: Vec<Vec<f32>> = (0..7).map(column).collect();
        let mut gap = vec![0.0; 1003];
        (300..320).for_each(|i| gap[i] = f32::INFINITY);
        let processor = Processor::default();
        let key = |k: usize, rows: usize| Key {
            rows: &columns[k][..rows],
            now: 0.4 - 0.1 * k as f32,
            scale: 0.8,
        };
        // Differences from a column in common, the lead's own keys as they are, or the other way
        // round.
        for less in [true, false] {
            let less = |of: bool, rows: usize| (of == less).then_some(&columns[6][..rows]);
            let (shared, own) =
                ([0, 1, 2].map(|k| key(k, 1003)), [3, 4, 5].map(|k| key(k, 1003 - LEAD)));
            let (shared, own) =
                (Keys::new(shared, less(true, 1003)), Keys::new(own, less(false, 1003 - LEAD)));
            let mut plain: Vec<(f32, u32)> = (0..1003 - LEAD)
                .map(|i| {
                    let from = |k: usize| less(k < 3, 1003).map_or(0.0, |less| less[i]);
                    let apart =
                        |k: usize| (0.8 * (columns[k][i] - from(k) - 0.4 + 0.1 * k as f32)).powi(2);
                    let known = 0.5 * columns[6][i].abs() + gap[i] + gap[i + LEAD];
                    ((0..6).map(apart).sum::<f32>() + known, i as u32 + 50)
                })
                .collect();
            plain.sort_by(|a, b| a.0.total_cmp(&b.0));
            let level: Vec<f32> = columns[6].iter().map(|x| x.abs()).collect();
            let mut common = Common::default();
            common.measure(
                processor,
                (50, 0),
                &shared,
                [Some((&level, 0.5)), None, Some((&gap, 1.0))],
            );
            for limit in [f32::INFINITY, plain[120].0, plain[60].0, 1e-6, 0.0] {
                let mut found = Neighbors::default();
                common.nearest(
                    processor,
                    &own,
                    Some(&gap[LEAD..]),
                    100,
                    common.limit(limit),
                    &mut found,
                );
                assert!(found.buckets.is_sorted() && found.len() >= 100, "{}", found.len());
                for (distance, bucket) in &plain[..100] {
                    let i = found.buckets.binary_search(bucket).unwrap();
                    assert!(
                        (found.distances[i] - distance).abs() < 1e-5,
                        "{bucket} within {limit}"
                    );
                }
                assert!(
                    found
                        .buckets
                        .iter()
                        .all(|i| !(310..370).contains(i) || !(350..370).contains(i))
                );
            }
        }
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
