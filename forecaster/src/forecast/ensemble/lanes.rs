//! Sixteen numbers at a time, by the widest instructions that the processor has. Each lane is computed alike on all of them and
//! sums have a fixed order, so that results are the same to the last bit.

use fearless_simd::prelude::*;
use fearless_simd::{Level, Simd, f32x16, i32x16, mask32x16, u32x16};

pub(super) const LANES: usize = 16;

/// What the processor can do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Processor(Level);

impl Default for Processor {
    fn default() -> Self {
        Self(Level::new())
    }
}

impl Processor {
    /// What each of its kind can do.
    #[cfg(test)]
    pub(super) fn plainest() -> Self {
        Self(Level::baseline())
    }

    pub(super) fn level(self) -> Level {
        self.0
    }
}

/// Room for vectors behind what is kept.
pub(super) const SLACK: usize = LANES;

/// Writes the lanes that are `taken`, in their order, to both columns from row `at` on; up to [`SLACK`] rows there are
/// overwritten. How many.
#[inline(always)]
pub(super) fn pack<S: Simd>(
    (buckets, distances): (u32x16<S>, f32x16<S>),
    taken: mask32x16<S>,
    (to_buckets, to_distances): (&mut [u32], &mut [f32]),
    at: usize,
) -> usize {
    buckets.compress(taken).store_slice(&mut to_buckets[at..at + LANES]);
    distances.compress(taken).store_slice(&mut to_distances[at..at + LANES]);
    taken.to_bitmask().count_ones() as usize
}

/// The sum of all lanes, always in the same order.
#[inline(always)]
pub(super) fn sum<S: Simd>(lanes: f32x16<S>) -> f32 {
    let (a, b) = lanes.split();
    let (a, b) = (a + b).split();
    let [a, b, c, d] = (a + b).to_array();
    (a + c) + (b + d)
}

/// The sum of all lanes.
#[inline(always)]
pub(super) fn total<S: Simd>(lanes: i32x16<S>) -> i32 {
    let (a, b) = lanes.split();
    let (a, b) = (a + b).split();
    let [a, b, c, d] = (a + b).to_array();
    (a + c) + (b + d)
}

/// The least of all lanes.
#[inline(always)]
pub(super) fn least<S: Simd>(lanes: i32x16<S>) -> i32 {
    let (a, b) = lanes.split();
    let (a, b) = a.min(b).split();
    let [a, b, c, d] = a.min(b).to_array();
    a.min(c).min(b.min(d))
}

/// The largest of all lanes.
#[inline(always)]
pub(super) fn most<S: Simd>(lanes: i32x16<S>) -> i32 {
    let (a, b) = lanes.split();
    let (a, b) = a.max(b).split();
    let [a, b, c, d] = a.max(b).to_array();
    a.max(c).max(b.max(d))
}

/// The least of all lanes, which are numbers.
#[inline(always)]
pub(super) fn lowest<S: Simd>(lanes: f32x16<S>) -> f32 {
    let (a, b) = lanes.split();
    let (a, b) = a.min(b).split();
    let [a, b, c, d] = a.min(b).to_array();
    a.min(c).min(b.min(d))
}

/// The largest of all lanes, which are numbers.
#[inline(always)]
pub(super) fn highest<S: Simd>(lanes: f32x16<S>) -> f32 {
    let (a, b) = lanes.split();
    let (a, b) = a.max(b).split();
    let [a, b, c, d] = a.max(b).to_array();
    a.max(c).max(b.max(d))
}
