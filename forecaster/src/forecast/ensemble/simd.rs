//! Sixteen numbers at a time, by the widest instructions that the processor has. Each lane is
//! computed alike on all of them and sums have a fixed order, so that results are the same to the
//! last bit.

use std::ops::Add;

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
    pub(super) fn level(self) -> Level {
        self.0
    }
}

/// Room for vectors behind what is kept.
pub(super) const SLACK: usize = LANES;

/// Writes the lanes that are `taken`, in their order, to both columns from row `at` on; up to
/// [`SLACK`] rows there are overwritten. How many.
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

/// All lanes by halves, always in the same order.
macro_rules! join {
    ($lanes:expr, $both:ident) => {{
        let (a, b) = $lanes.split();
        let (a, b) = a.$both(b).split();
        let [a, b, c, d] = a.$both(b).to_array();
        a.$both(c).$both(b.$both(d))
    }};
}

/// The sum of all lanes.
#[inline(always)]
pub(super) fn sum<S: Simd>(lanes: f32x16<S>) -> f32 {
    join!(lanes, add)
}

/// The sum of all lanes.
#[inline(always)]
pub(super) fn total<S: Simd>(lanes: i32x16<S>) -> i32 {
    join!(lanes, add)
}

/// The least of all lanes.
#[inline(always)]
pub(super) fn least<S: Simd>(lanes: i32x16<S>) -> i32 {
    join!(lanes, min)
}

/// The largest of all lanes.
#[inline(always)]
pub(super) fn most<S: Simd>(lanes: i32x16<S>) -> i32 {
    join!(lanes, max)
}

/// The least of all lanes, which are numbers.
#[inline(always)]
pub(super) fn lowest<S: Simd>(lanes: f32x16<S>) -> f32 {
    join!(lanes, min)
}

/// The largest of all lanes, which are numbers.
#[inline(always)]
pub(super) fn highest<S: Simd>(lanes: f32x16<S>) -> f32 {
    join!(lanes, max)
}

#[cfg(test)]
mod tests {
    use super::super::Ensemble;
    use super::super::tests::{DAY, Kind, bits, fed, sparse, stairs, wave};
    use super::*;

    /// What this one can do, and what lesser ones can.
    fn processors() -> Vec<Processor> {
        let best = Level::new();
        #[cfg(target_arch = "x86_64")]
        let lesser =
            [best.as_avx2().map(|simd| simd.level()), best.as_sse4_2().map(|simd| simd.level())];
        #[cfg(not(target_arch = "x86_64"))]
        let lesser: [Option<Level>; 0] = [];
        [Some(best), Some(Level::baseline())]
            .into_iter()
            .chain(lesser)
            .flatten()
            .map(Processor)
            .collect()
    }

    #[test]
    fn all_processors_forecast_the_same_to_the_last_bit() {
        let kinds: [Kind; 3] = [wave, sparse, stairs];
        for (kind, value) in kinds.into_iter().enumerate() {
            let mut ensembles: Vec<Ensemble> = processors()
                .into_iter()
                .map(|processor| {
                    let mut ensemble = fed([]);
                    ensemble.state.processor = processor;
                    ensemble
                })
                .collect();
            for i in 0..12 * DAY {
                let value = if i % 97 == 90 { f64::NAN } else { value(i) };
                ensembles.iter_mut().for_each(|ensemble| ensemble.push(value));
                if i % 5 == 0 && i > DAY {
                    let said = |ensemble: &Ensemble| {
                        let members =
                            ensemble.members().into_iter().flatten().flat_map(|(_, said)| said);
                        (
                            bits(&ensemble.forecast().unwrap()),
                            members.map(f64::to_bits).collect::<Vec<_>>(),
                        )
                    };
                    let first = said(&ensembles[0]);
                    assert!(
                        ensembles.iter().all(|ensemble| said(ensemble) == first),
                        "kind {kind} after {i}"
                    );
                }
            }
        }
    }

    #[test]
    fn sums_and_extremes_are_those_of_all_lanes_and_what_is_taken_stays_in_order() {
        for processor in processors() {
            fearless_simd::dispatch!(processor.level(), simd => {
                let values: [f32; LANES] = std::array::from_fn(|i| ((i * 7 + 3) % 16) as f32 - 4.0);
                let lanes = f32x16::load_array(simd, values);
                let whole: i32x16<_> = lanes.to_int();
                assert_eq!((sum(lanes), total(whole)), (56.0, 56));
                assert_eq!((lowest(lanes), highest(lanes), least(whole), most(whole)), (-4.0, 11.0, -4, 11));
                let buckets = u32x16::load_array(simd, std::array::from_fn(|i| i as u32));
                let (mut to_buckets, mut to_distances) = ([9; 20], [9.0; 20]);
                let taken = pack((buckets, lanes), lanes.simd_lt(0.0), (&mut to_buckets, &mut to_distances), 2);
                assert_eq!((taken, &to_buckets[..6]), (4, &[9, 9, 0, 2, 9, 11][..]));
                assert_eq!(to_distances[..6], [9.0, 9.0, -1.0, -3.0, -2.0, -4.0]);
            });
        }
    }
}
