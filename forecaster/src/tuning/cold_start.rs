//! How long replicas take to start: what simulations draw from.

use jiff::SignedDuration;

/// How long replicas take from asked for to Ready: durations and how often they come. One class for
/// nodes that are there and one for nodes that must come, or every start-up that was seen.
#[derive(Debug, Clone, PartialEq)]
pub struct ColdStart {
    /// Durations ascending, and the share of start-ups that take at most so long; the last share is
    /// 1.
    shares: Vec<(SignedDuration, f64)>,
}

impl ColdStart {
    /// Always the same.
    pub fn constant(took: SignedDuration) -> Self {
        Self { shares: vec![(took.max(SignedDuration::ZERO), 1.0)] }
    }

    /// Durations with weights > 0, in any order; other weights are left out. `None` if none is
    /// left.
    pub fn weighted(classes: impl IntoIterator<Item = (SignedDuration, f64)>) -> Option<Self> {
        let usable = |(_, weight): &(SignedDuration, f64)| weight.is_finite() && *weight > 0.0;
        let mut shares: Vec<_> = classes.into_iter().filter(usable).collect();
        shares.sort_by_key(|(took, _)| *took);
        shares.dedup_by(|later, first| {
            let same = later.0 == first.0;
            first.1 += if same { later.1 } else { 0.0 };
            same
        });
        let total: f64 = shares.iter().map(|(_, weight)| weight).sum();
        let mut below = 0.0;
        for (took, share) in &mut shares {
            below += *share / total;
            (*took, *share) = ((*took).max(SignedDuration::ZERO), below);
        }
        shares.last_mut()?.1 = 1.0;
        Some(Self { shares })
    }

    /// Every duration once, ascending, and its share of start-ups.
    pub fn classes(&self) -> impl Iterator<Item = (SignedDuration, f64)> {
        let below = std::iter::once(0.0).chain(self.shares.iter().map(|(_, share)| *share));
        self.shares.iter().zip(below).map(|((took, share), below)| (*took, share - below))
    }

    /// Durations ascending, and the share of start-ups that take at most so long.
    pub(crate) fn shares(&self) -> &[(SignedDuration, f64)] {
        &self.shares
    }

    /// The smallest duration that a share `p` of start-ups does not exceed.
    pub fn quantile(&self, p: f64) -> SignedDuration {
        let found = self.shares.iter().find(|(_, share)| *share >= p).or(self.shares.last());
        found.map_or(SignedDuration::ZERO, |(took, _)| *took)
    }

    /// What counts as the lead: the P90.
    pub fn lead(&self) -> SignedDuration {
        self.quantile(0.9)
    }

    /// Of the `n`th start-up (SplitMix64 of seed and n): the same in every arm.
    pub fn draw(&self, seed: u64, n: u64) -> SignedDuration {
        let mut z = seed.wrapping_add(n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        self.quantile(((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_ups_come_as_often_as_they_weigh() {
        let seconds = SignedDuration::from_secs;
        let mixed =
            ColdStart::weighted([(seconds(600), 1.0), (seconds(60), 3.0), (seconds(9), 0.0)])
                .unwrap();
        assert_eq!(
            (mixed.quantile(0.75), mixed.quantile(0.76), mixed.lead()),
            (seconds(60), seconds(600), seconds(600))
        );
        let warm = (0..10_000).filter(|n| mixed.draw(7, *n) == seconds(60)).count();
        assert!((7_300..7_700).contains(&warm), "{warm}");
        assert!((0..100).all(|n| mixed.draw(7, n) == mixed.draw(7, n)));
        assert!((0..100).any(|n| mixed.draw(7, n) != mixed.draw(8, n)));
        assert_eq!(ColdStart::weighted([(seconds(9), f64::NAN)]), None);
    }
}
