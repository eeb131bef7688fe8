//! The nearest of some moments, by age: columns are read in their order. Distances are counted
//! against a bound that is narrowed until few are left between.

use fearless_simd::prelude::*;
use fearless_simd::{Simd, dispatch, f32x16, i32x16, mask32x16, u32x16};

use super::simd::{LANES, Processor, SLACK, highest, pack, total};

/// Past moments: their buckets and squared distances from now.
#[derive(Debug, Clone, Default)]
pub(super) struct Neighbors {
    pub buckets: Vec<u32>,
    pub distances: Vec<f32>,
}

impl Neighbors {
    pub(super) fn len(&self) -> usize {
        self.buckets.len()
    }

    pub(super) fn clear(&mut self) {
        self.buckets.clear();
        self.distances.clear();
    }

    #[cfg(test)]
    pub(super) fn push(&mut self, bucket: u32, distance: f32) {
        self.buckets.push(bucket);
        self.distances.push(distance);
    }

    /// Takes as many as `write` says that it wrote, at most `most`, instead; it may write [`SLACK`]
    /// rows more.
    #[inline(always)]
    pub(super) fn fill(
        &mut self,
        most: usize,
        write: impl FnOnce(&mut [u32], &mut [f32]) -> usize,
    ) {
        self.buckets.resize(most + SLACK, 0);
        self.distances.resize(most + SLACK, 0.0);
        let kept = write(&mut self.buckets, &mut self.distances);
        self.buckets.truncate(kept);
        self.distances.truncate(kept);
    }

    /// Takes the `k` nearest of `other` instead. The squared distance of the farthest.
    fn take(
        &mut self,
        processor: Processor,
        other: &Self,
        k: usize,
        guess: f32,
        between: &mut Vec<u64>,
    ) -> f32 {
        if other.len() <= k {
            self.copy(other);
            return other.distances.iter().fold(0.0, |a, b| if *b > a { *b } else { a });
        }
        dispatch!(processor.level(), simd => self.take_nearest(simd, other, k, guess, between))
    }

    #[inline(always)]
    fn take_nearest<S: Simd>(
        &mut self,
        simd: S,
        other: &Self,
        k: usize,
        guess: f32,
        between: &mut Vec<u64>,
    ) -> f32 {
        let last = nth(simd, other, k, guess, between);
        self.fill(other.len(), |buckets, distances| {
            let mut kept = 0;
            let (whole, rest) = other.buckets.as_chunks::<LANES>();
            let (their, last_distances) = other.distances.as_chunks::<LANES>();
            for (these, their) in whole.iter().zip(their) {
                let these =
                    (u32x16::load_array_ref(simd, these), f32x16::load_array_ref(simd, their));
                kept += pack(these, within(these, last), (buckets, distances), kept);
            }
            for (bucket, distance) in rest.iter().zip(last_distances) {
                // Overwritten by the next one if it is too far: that is quicker than to branch.
                (buckets[kept], distances[kept]) = (*bucket, *distance);
                kept += usize::from(order(*bucket, *distance) <= last);
            }
            kept
        });
        f32::from_bits((last >> 32) as u32)
    }

    /// Takes all that `other` holds instead.
    pub(super) fn copy(&mut self, other: &Self) {
        self.clear();
        self.buckets.extend_from_slice(&other.buckets);
        self.distances.extend_from_slice(&other.distances);
    }
}

/// Orders moments by distance, then by age.
fn order(bucket: u32, distance: f32) -> u64 {
    u64::from(distance.to_bits()) << 32 | u64::from(bucket)
}

/// Which are no farther than `last`, by [`order`].
#[inline(always)]
fn within<S: Simd>((buckets, distances): (u32x16<S>, f32x16<S>), last: u64) -> mask32x16<S> {
    let (bucket, distance) = (last as u32, f32::from_bits((last >> 32) as u32));
    distances.simd_lt(distance) | (distances.simd_eq(distance) & buckets.simd_le(bucket))
}

/// So few are sorted at once.
const FEW: usize = 12;

/// The nearest of what was found, and the nearest of those.
#[derive(Debug, Default)]
pub(super) struct Nearest {
    /// By age, as is `few`.
    pub all: Neighbors,
    /// Squared distance of the farthest of all.
    farthest: f32,
    few: Neighbors,
    /// Takes its place when there are to be fewer.
    fewer: Neighbors,
    farthest_few: f32,
    /// How many were asked for when few were taken.
    few_k: Option<usize>,
    between: Vec<u64>,
}

impl Nearest {
    /// Takes the `k` nearest of `found` (by age); the farthest is expected about at `guess`. Its
    /// squared distance, `None` if there are fewer.
    pub(super) fn select(
        &mut self,
        processor: Processor,
        found: &Neighbors,
        k: usize,
        guess: f32,
    ) -> Option<f32> {
        self.few_k = None;
        self.farthest = self.all.take(processor, found, k, guess, &mut self.between);
        Some(self.farthest).filter(|_| found.len() >= k && k > 0)
    }

    /// The `k` nearest of those, by age, and the squared distance of the farthest of them.
    pub(super) fn of(&mut self, processor: Processor, k: usize) -> (&Neighbors, f32) {
        let Self { all, farthest, few, fewer, farthest_few, few_k, between } = self;
        if k >= all.len() {
            return (all, *farthest);
        }
        match few_k.replace(k) {
            Some(before) if before == k => {}
            Some(before) if before > k => {
                *farthest_few = fewer.take(processor, few, k, 0.0, between);
                std::mem::swap(few, fewer);
            }
            _ => *farthest_few = few.take(processor, all, k, 0.0, between),
        }
        (few, *farthest_few)
    }
}

/// How many are less than `bound`.
#[inline(always)]
fn count<S: Simd>(simd: S, distances: &[f32], bound: f32) -> usize {
    let (whole, rest) = distances.as_chunks::<LANES>();
    let none = i32x16::splat(simd, 0);
    let mut counts = none;
    for distances in whole {
        counts += f32x16::load_array_ref(simd, distances)
            .simd_lt(bound)
            .select(i32x16::splat(simd, 1), none);
    }
    let mut all = total(counts) as usize;
    for distance in rest {
        all += usize::from(*distance < bound);
    }
    all
}

/// Above the largest distance.
#[inline(always)]
fn least_above<S: Simd>(simd: S, distances: &[f32]) -> f32 {
    let (whole, rest) = distances.as_chunks::<LANES>();
    let mut most = f32x16::splat(simd, 0.0);
    for distances in whole {
        most = most.max(f32x16::load_array_ref(simd, distances));
    }
    let mut most = highest(most);
    for distance in rest {
        most = most.max(*distance);
    }
    most.next_up()
}

/// The `k`th nearest (0 < `k` ≤ as many as there are), by narrowing; it is looked for at `guess`
/// first.
#[inline(always)]
fn nth<S: Simd>(simd: S, found: &Neighbors, k: usize, guess: f32, between: &mut Vec<u64>) -> u64 {
    let distances = &found.distances;
    let (mut lower, mut upper) = ((0.0, 0), (least_above(simd, distances), distances.len()));
    let mut middle = guess;
    let mut rounds = 0;
    loop {
        if middle > lower.0 && middle < upper.0 {
            let below = count(simd, distances, middle);
            *(if below < k { &mut lower } else { &mut upper }) = (middle, below);
        } else if rounds > 0 {
            break;
        }
        if upper.1 - lower.1 <= FEW {
            break;
        }
        rounds += 1;
        // Aimed a little beyond, so that both bounds come near.
        let aim = if lower.0 == middle { k + FEW / 3 } else { k.saturating_sub(FEW / 3) };
        let share = (aim.clamp(lower.1, upper.1) - lower.1) as f32 / (upper.1 - lower.1) as f32;
        // Near now, about as many are closer than a squared distance as its power of 8/3 says.
        let share = if lower.1 == 0 { (share.sqrt() * share.sqrt().sqrt()).sqrt() } else { share };
        let share = if rounds % 4 == 0 { 0.5 } else { share.clamp(0.02, 0.98) };
        middle = lower.0 + share * (upper.0 - lower.0);
    }
    between.clear();
    let (whole, rest) = distances.as_chunks::<LANES>();
    let mut take = |i: usize, distance: f32| {
        between.push(order(found.buckets.get(i).copied().unwrap_or_default(), distance));
    };
    for (c, distances) in whole.iter().enumerate() {
        let these = f32x16::load_array_ref(simd, distances);
        let mut inside = (these.simd_ge(lower.0) & these.simd_lt(upper.0)).to_bitmask();
        while inside != 0 {
            let i = inside.trailing_zeros() as usize;
            take(LANES * c + i, distances[i % LANES]);
            inside &= inside - 1;
        }
    }
    for (i, distance) in
        (LANES * whole.len()..).zip(rest).filter(|(_, d)| (lower.0..upper.0).contains(d))
    {
        take(i, *distance);
    }
    between.sort_unstable();
    between.get(k - lower.1 - 1).copied().unwrap_or_default()
}

/// A neighbor is expected within so many times the last farthest distance: in ten dimensions a
/// little more distance holds several times as many.
const WIDER: f32 = 1.2;

/// What a limit was [`expected`] after.
pub(super) fn unexpected(limit: f32) -> f32 {
    (limit - 1e-3) / WIDER
}

/// A limit within which neighbors are expected next time, after the farthest of this time.
pub(super) fn expected(farthest: f32) -> f32 {
    WIDER * farthest + 1e-3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_are_the_first_of_all_sorted_and_stay_in_order() {
        let processor = Processor::default();
        let chance = |n: usize| ((n * 7919 + 13) * 104_729 % 10_007) as f32 / 10_007.0;
        // Spread evenly, few that are near, all the same, many the same.
        let kinds: [fn(f32) -> f32; 4] = [|u| u, |u| u.powi(9), |_| 0.25, |u| (u * 4.0).floor()];
        for n in [1, 7, 100, 611, 2000] {
            for (kind, of) in kinds.into_iter().enumerate() {
                let mut found = Neighbors::default();
                (0..n).for_each(|i| found.push(i as u32 + 7, of(chance(i))));
                let mut sorted: Vec<u64> = found
                    .buckets
                    .iter()
                    .zip(&found.distances)
                    .map(|(bucket, d)| order(*bucket, *d))
                    .collect();
                sorted.sort_unstable();
                let mut nearest = Nearest::default();
                let farthest =
                    nearest.select(processor, &found, 600, [0.0, 0.3, 9.0, f32::INFINITY][n % 4]);
                assert_eq!(farthest.is_some(), n >= 600);
                for k in [250, 600, 120, 30, 200, 15, 1] {
                    let (moments, farthest) = nearest.of(processor, k);
                    let mut wanted = sorted[..k.min(n)].to_vec();
                    assert_eq!(
                        farthest.to_bits(),
                        (wanted[wanted.len() - 1] >> 32) as u32,
                        "{k} of {n}, {kind}"
                    );
                    wanted.sort_unstable_by_key(|one| one & u64::from(u32::MAX));
                    let said = moments
                        .buckets
                        .iter()
                        .zip(&moments.distances)
                        .map(|(bucket, d)| order(*bucket, *d));
                    assert_eq!(said.collect::<Vec<_>>(), wanted, "{k} of {n}, {kind}");
                }
            }
        }
        assert_eq!(Nearest::default().select(processor, &Neighbors::default(), 5, 0.0), None);
    }
}
