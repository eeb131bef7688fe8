//! Quantiles of many values: these are counted into narrow ranges, those in a quantile's range and
//! the next ones are set apart, and among them two bounds are moved together until one value is
//! left. Nothing is sorted, so that many equal values do no harm.

mod search;

use fearless_simd::prelude::*;
use fearless_simd::{Simd, f32x16, i32x16, mask32x16, u8x64};

use super::super::simd::{LANES, highest, least, lowest, most, total};
use search::{Search, Sides, search};

/// At most so many ranges of equal width from the least value to the largest.
const RANGES: usize = 255;
/// The range of what fills up the last block.
const NOWHERE: u8 = 255;
/// Ranges that are looked at together.
const BLOCK: usize = 64;
/// Sums of each range that are kept side by side.
const APART: usize = 4;
/// Bounds that were moved so often by what weights say are moved to the middle.
const PATIENCE: usize = 6;
/// Halving ends long before, but among values that are no numbers.
const ROUNDS: usize = 64;

/// Room to read quantiles of many values in.
#[derive(Debug, Default)]
pub(super) struct Many {
    all: Pairs,
    /// The range of each.
    ranges: Vec<[u8; BLOCK]>,
    /// Weights in each range, of every fourth value.
    apart: Vec<[i32; RANGES + 1]>,
    /// Those in ranges that are looked at.
    some: Pairs,
    /// The same, by search.
    near: Pairs,
    searches: Vec<Search>,
}

/// Values and their weights as whole numbers, of which every sum is exact.
#[derive(Debug, Default)]
struct Pairs {
    values: Vec<f32>,
    weights: Vec<i32>,
    /// Blocks that are filled, where they are not known otherwise.
    blocks: usize,
}

/// Values of a block and their weights.
type Lanes<S> = (f32x16<S>, i32x16<S>);

impl Pairs {
    /// Room for so many.
    fn grow(&mut self, len: usize) {
        if self.values.len() < len {
            self.values.resize(len, 0.0);
            self.weights.resize(len, 0);
        }
    }

    /// Blocks of lanes `from` … `to`.
    #[inline(always)]
    fn blocks<S: Simd>(
        &self,
        simd: S,
        (from, to): (usize, usize),
    ) -> impl Iterator<Item = Lanes<S>> {
        let (values, weights) =
            (self.values.as_chunks::<LANES>().0, self.weights.as_chunks::<LANES>().0);
        let load = move |(values, weights)| {
            (f32x16::load_array_ref(simd, values), i32x16::load_array_ref(simd, weights))
        };
        values[from..to].iter().zip(&weights[from..to]).map(load)
    }

    /// Writes the lanes that are `taken` from `at` on; a block may be overwritten there. How many.
    #[inline(always)]
    fn pack<S: Simd>(
        &mut self,
        at: usize,
        (values, weights): Lanes<S>,
        taken: mask32x16<S>,
    ) -> usize {
        values.compress(taken).store_slice(&mut self.values[at..at + LANES]);
        weights.compress(taken).store_slice(&mut self.weights[at..at + LANES]);
        taken.to_bitmask().count_ones() as usize
    }

    /// Fills up the block that ends with `end`, with what weighs nothing. The block after it.
    #[inline(always)]
    fn fill_up(&mut self, end: usize) -> usize {
        let whole = end.next_multiple_of(LANES);
        self.values[end..whole].fill(f32::INFINITY);
        self.weights[end..whole].fill(0);
        whole / LANES
    }
}

/// Ranges of equal width.
#[derive(Debug, Clone, Copy)]
struct Ranges {
    least: f32,
    scale: f32,
}

impl Ranges {
    #[inline(always)]
    fn of<S: Simd>(self, values: f32x16<S>) -> i32x16<S> {
        ((values - self.least) * self.scale).to_int()
    }
}

impl Many {
    /// As [`super::Reader::read`] does.
    #[inline(always)]
    pub(super) fn read<S: Simd>(
        &mut self,
        simd: S,
        values: &[f32],
        weights: &[f32],
        wanted: &[f32],
        out: &mut Vec<f32>,
    ) {
        let (least, largest, heaviest) = bounds(simd, values, weights);
        let count = (values.len() / 3).min(RANGES);
        let ranges = Ranges { least, scale: (count as f32 - 0.5) / (largest - least) };
        if !(ranges.scale.is_finite() && ranges.scale > 0.0 && heaviest > 0.0) {
            // All the same, or too far apart for arithmetic.
            out.extend(wanted.iter().map(|_| least));
            return;
        }
        self.take(simd, values, weights, heaviest, ranges);
        let mut below = [0; RANGES + 1];
        self.count(count, &mut below);
        self.searches.clear();
        // Not by a map, whose closure would be compiled for any processor.
        for q in wanted {
            self.searches.push(search(f64::from(*q), &below[..count + 1]));
        }
        self.set_apart(simd, values.len());
        self.share_out(simd, ranges);
        let (mut round, mut open) = (0, true);
        while open && round < ROUNDS {
            (round, open) = (round + 1, false);
            // In turn, so that one need not wait for the other.
            for i in 0..self.searches.len() {
                if self.searches[i].low < self.searches[i].high {
                    open = true;
                    let bound = self.searches[i].bound(round > PATIENCE);
                    let sides = self.sides(simd, &self.searches[i], bound);
                    self.searches[i].learn(sides);
                }
            }
        }
        for search in &self.searches {
            out.push(self.between(simd, search));
        }
    }

    /// Takes all pairs in whole blocks, with their ranges.
    #[inline(always)]
    fn take<S: Simd>(
        &mut self,
        simd: S,
        values: &[f32],
        weights: &[f32],
        heaviest: f32,
        of: Ranges,
    ) {
        let Self { all, ranges, .. } = self;
        let (n, whole) = (values.len(), values.len().next_multiple_of(BLOCK));
        all.grow(whole);
        all.values[..n].copy_from_slice(values);
        all.values[n..whole].fill(f32::INFINITY);
        all.weights[n / LANES * LANES..whole].fill(0);
        let scale = MOST as f32 / (n as f32 * heaviest);
        let (blocks, rest) = weights.as_chunks::<LANES>();
        let mut last = [0.0; LANES];
        last[..rest.len()].copy_from_slice(rest);
        let to = all.weights.as_chunks_mut::<LANES>().0;
        for (weights, to) in blocks.iter().chain((!rest.is_empty()).then_some(&last)).zip(to) {
            let weights: i32x16<S> = (f32x16::load_array_ref(simd, weights) * scale + 0.5).to_int();
            weights.store_array(to);
        }
        ranges.resize(whole / BLOCK, [NOWHERE; BLOCK]);
        let ranges = ranges.as_flattened_mut();
        for (to, (values, _)) in
            ranges.as_chunks_mut::<LANES>().0.iter_mut().zip(all.blocks(simd, (0, whole / LANES)))
        {
            let these = of.of(values).to_array();
            to.iter_mut().zip(these).for_each(|(to, this)| *to = this as u8);
        }
        ranges[n..].fill(NOWHERE);
    }

    /// Weights below each range, and of all.
    #[inline(always)]
    fn count(&mut self, count: usize, below: &mut [i32; RANGES + 1]) {
        self.apart.resize(APART, [0; RANGES + 1]);
        let Some(apart) = self.apart.first_chunk_mut::<APART>() else { return };
        apart.iter_mut().for_each(|sums| sums[..count].fill(0));
        // Most values lie in few ranges: neighbors are summed apart, so that one need not wait for
        // the other.
        let ranges = self.ranges.as_flattened().as_chunks::<APART>().0;
        for (these, weights) in ranges.iter().zip(self.all.weights.as_chunks::<APART>().0) {
            for k in 0..APART {
                apart[k][usize::from(these[k])] += weights[k];
            }
        }
        let [a, b, c, d] = &*apart;
        let mut all = 0;
        for i in 0..count {
            below[i] = all;
            all += a[i] + b[i] + c[i] + d[i];
        }
        below[count] = all;
    }

    /// Sets apart what lies in ranges that are looked at.
    #[inline(always)]
    fn set_apart<S: Simd>(&mut self, simd: S, n: usize) {
        let Self { all, ranges, some, searches, .. } = self;
        some.grow(n + 2 * LANES);
        let mut kept = 0;
        for (b, ranges) in ranges.iter().enumerate() {
            let ranges = u8x64::load_array_ref(simd, ranges);
            let mut inside = 0;
            for Search { parts: (first, last), .. } in &*searches {
                inside |= (ranges.simd_ge(*first) & ranges.simd_le(*last)).to_bitmask();
            }
            for pair in all.blocks(simd, (b * BLOCK / LANES, (b + 1) * BLOCK / LANES)) {
                kept += some.pack(kept, pair, mask32x16::from_bitmask(simd, inside & 0xffff));
                inside >>= LANES;
            }
        }
        some.blocks = some.fill_up(kept);
    }

    /// Gives each search what is near.
    #[inline(always)]
    fn share_out<S: Simd>(&mut self, simd: S, ranges: Ranges) {
        let Self { some, near, searches, .. } = self;
        near.grow((some.blocks + 2) * LANES * searches.len());
        let (infinite, below_all) =
            (f32x16::splat(simd, f32::INFINITY), f32x16::splat(simd, f32::NEG_INFINITY));
        let mut block = 0;
        for search in searches {
            let (first, last) = search.parts;
            let (mut low, mut high, mut before, mut after) =
                (infinite, below_all, below_all, infinite);
            let mut kept = block * LANES;
            for (values, weights) in some.blocks(simd, (0, some.blocks)) {
                let these = ranges.of(values);
                let inside = these.simd_ge(i32::from(first)) & these.simd_le(i32::from(last));
                let here = these.simd_eq(search.range);
                low = low.min(here.select(values, infinite));
                high = high.max(here.select(values, below_all));
                before =
                    before.max((inside & these.simd_lt(search.range)).select(values, below_all));
                after = after.min((inside & these.simd_gt(search.range)).select(values, infinite));
                kept += near.pack(kept, (values, weights), inside);
            }
            (search.low, search.high) = (lowest(low), highest(high));
            (search.before, search.after) = (highest(before), lowest(after));
            let end = near.fill_up(kept);
            search.blocks = (block, end);
            block = end;
        }
    }

    /// What lies on both sides of a bound.
    #[inline(always)]
    fn sides<S: Simd>(&self, simd: S, search: &Search, bound: f32) -> Sides {
        let nothing = i32x16::splat(simd, 0);
        let (low, high) =
            (f32x16::splat(simd, f32::NEG_INFINITY), f32x16::splat(simd, f32::INFINITY));
        let (mut below, mut before, mut from) = (nothing, low, high);
        for (values, weights) in self.near.blocks(simd, search.blocks) {
            let under = values.simd_lt(bound);
            below += under.select(weights, nothing);
            before = before.max(under.select(values, low));
            from = from.min(under.select(high, values));
        }
        Sides { below: search.base + total(below), before: highest(before), from: lowest(from) }
    }

    /// The quantile at the value that was found, or between it and the one before or after: of
    /// equal values, the lightest comes first.
    #[inline(always)]
    fn between<S: Simd>(&self, simd: S, search: &Search) -> f32 {
        let Search { target, low, before, below, after, upto, .. } = *search;
        let (none, all) = (i32x16::splat(simd, 0), i32x16::splat(simd, MOST));
        let (mut lightest, mut heaviest, mut heaviest_before, mut lightest_after) =
            (all, none, none, all);
        for (values, weights) in self.near.blocks(simd, search.blocks) {
            let here = values.simd_eq(low);
            lightest = lightest.min(here.select(weights, all));
            heaviest = heaviest.max(here.select(weights, none));
            heaviest_before = heaviest_before.max(values.simd_eq(before).select(weights, none));
            lightest_after = lightest_after.min(values.simd_eq(after).select(weights, all));
        }
        let half = |weight: i32| 0.5 * f64::from(weight);
        let (below, upto) = (f64::from(below), f64::from(upto));
        let (first, last) = (below + half(least(lightest)), upto - half(most(heaviest)));
        let ((from, start), (to, end)) = if target <= first {
            ((below - half(most(heaviest_before)), before), (first, low))
        } else if target <= last {
            return low;
        } else {
            ((last, low), (upto + half(least(lightest_after)), after))
        };
        if !(start.is_finite() && end.is_finite() && to > from) {
            return low;
        }
        start + (end - start) * ((target - from) / (to - from)) as f32
    }
}

/// All weights together come to less.
const MOST: i32 = 1 << 30;

/// The least and the largest value and the largest weight.
#[inline(always)]
fn bounds<S: Simd>(simd: S, values: &[f32], weights: &[f32]) -> (f32, f32, f32) {
    let (mut least, mut largest) =
        (f32x16::splat(simd, f32::INFINITY), f32x16::splat(simd, f32::NEG_INFINITY));
    let mut heaviest = f32x16::splat(simd, 0.0);
    let ((blocks, rest), (their, last)) =
        (values.as_chunks::<LANES>(), weights.as_chunks::<LANES>());
    for (values, weights) in blocks.iter().zip(their) {
        let (values, weights) =
            (f32x16::load_array_ref(simd, values), f32x16::load_array_ref(simd, weights));
        least = values.simd_lt(least).select(values, least);
        largest = values.simd_gt(largest).select(values, largest);
        heaviest = weights.simd_gt(heaviest).select(weights, heaviest);
    }
    let (mut least, mut largest, mut heaviest) =
        (lowest(least), highest(largest), highest(heaviest));
    for (value, weight) in rest.iter().zip(last) {
        least = if *value < least { *value } else { least };
        largest = if *value > largest { *value } else { largest };
        heaviest = if *weight > heaviest { *weight } else { heaviest };
    }
    (least, largest, heaviest)
}
