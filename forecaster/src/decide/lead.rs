//! Lead time: how long before the need a replica must be asked for.
//!
//! lead = cold start + KEDA's poll + the HPA's sync + the HPA's ramp + buffer. The cold start is
//! the P90 of start-ups seen, the policy's seed until there are enough of them.

use std::collections::VecDeque;

use jiff::SignedDuration;

use super::policy::{LeadTime, Policy};
use super::timing::LoopTiming;
use crate::control::hpa;

/// Start-ups before the learned figure replaces the seed.
const ENOUGH: usize = 5;

/// Start-ups remembered; older ones were another image, another model.
const REMEMBERED: usize = 50;

/// The share of start-ups that should be over in time.
const QUANTILE: f64 = 0.9;

/// For what nobody measured: our own slot, the scheduler, clocks that differ.
const BUFFER: SignedDuration = SignedDuration::from_secs(15);

/// More HPA steps than this are not waited for: 4 · 2⁹ replicas.
const MAX_STEPS: u32 = 10;

/// Where a replica started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Node {
    /// On a node that was there.
    Warm,
    /// On a node made for it.
    Cold,
}

#[derive(Debug, Clone, Copy)]
struct StartUp {
    node: Node,
    took: SignedDuration,
    /// It became Ready; else it was given up, or still runs, after `took`.
    finished: bool,
}

/// The last start-ups seen, warm and cold nodes in the mix in which they came: where one in ten
/// needs a new node, the P90 is that of new nodes.
#[derive(Debug, Clone, Default)]
pub struct StartUps {
    seen: VecDeque<StartUp>,
    /// Of all of them; renewed with each, because it is read at every tick.
    p90: Option<SignedDuration>,
}

impl StartUps {
    /// Remembers one: creation to Ready. Negative ones (clocks that differ) count as zero.
    pub fn observe(&mut self, node: Node, took: SignedDuration) {
        self.remember(StartUp { node, took: took.max(SignedDuration::ZERO), finished: true });
    }

    /// Remembers one that was given up before it was Ready: it would have taken longer than
    /// `so_far`. Leaving these out would make the slowest start-ups look as if they had never been.
    pub fn observe_unfinished(&mut self, node: Node, so_far: SignedDuration) {
        self.remember(StartUp { node, took: so_far.max(SignedDuration::ZERO), finished: false });
    }

    /// P90 over the mix; `None` before five start-ups finished.
    pub fn cold_start(&self) -> Option<SignedDuration> {
        self.p90
    }

    /// The middle of each tenth of start-ups over the mix (P5, P15 … P95), ascending; `None` before
    /// five finished.
    pub fn tenths(&self) -> Option<[SignedDuration; 10]> {
        let mut tenths = [SignedDuration::ZERO; 10];
        for (i, tenth) in (0..).zip(&mut tenths) {
            *tenth = quantile(self.seen.iter().copied(), 0.05 + 0.1 * f64::from(i))?;
        }
        Some(tenths)
    }

    /// P90 of one class, for people; `None` before five of it finished.
    pub fn cold_start_on(&self, node: Node) -> Option<SignedDuration> {
        quantile(self.seen.iter().copied().filter(|start_up| start_up.node == node), QUANTILE)
    }

    fn remember(&mut self, start_up: StartUp) {
        if self.seen.len() == REMEMBERED {
            self.seen.pop_front();
        }
        self.seen.push_back(start_up);
        self.p90 = quantile(self.seen.iter().copied(), QUANTILE);
    }
}

/// A quantile `p` of Kaplan and Meier's estimate (JASA 53, 1958): with nothing unfinished, the
/// smallest duration that at least so many do not exceed. Where more than the rest outlived every
/// finished one, the longest seen.
fn quantile(start_ups: impl Iterator<Item = StartUp>, p: f64) -> Option<SignedDuration> {
    let mut sorted: Vec<StartUp> = start_ups.collect();
    if sorted.iter().filter(|start_up| start_up.finished).count() < ENOUGH {
        return None;
    }
    // One that was given up at the moment when another got Ready was still at risk then.
    sorted.sort_by_key(|start_up| (start_up.took, !start_up.finished));
    let mut survive = 1.0;
    for (i, start_up) in sorted.iter().enumerate() {
        if start_up.finished {
            let at_risk = (sorted.len() - i) as f64;
            survive *= 1.0 - 1.0 / at_risk;
        }
        // A product of fractions: 45 of 50 must count as nine in ten.
        if survive <= 1.0 - p + 1e-9 {
            return Some(start_up.took);
        }
    }
    sorted.last().map(|longest| longest.took)
}

/// The lead and what it is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lead {
    /// The policy says so.
    Fixed(SignedDuration),
    /// The sum of what has to happen until a replica is Ready.
    Sum {
        /// From creation to Ready.
        cold_start: SignedDuration,
        /// The cold start was learned; else it is the policy's seed.
        learned: bool,
        /// Until KEDA asks.
        keda_poll: SignedDuration,
        /// Until the HPA asks.
        hpa_sync: SignedDuration,
        /// Until the HPA has asked for the last of the replicas.
        hpa_ramp: SignedDuration,
        /// For what nobody measured.
        buffer: SignedDuration,
    },
}

impl Lead {
    /// The lead to reach `target` replicas from `current`. A fixed `leadTime` is taken exactly.
    pub fn new(
        policy: &Policy,
        timing: &LoopTiming,
        start_ups: &StartUps,
        current: u32,
        target: u32,
    ) -> Self {
        if let LeadTime::Fixed(lead) = policy.lead_time {
            return Self::Fixed(lead);
        }
        let learned = start_ups.cold_start();
        Self::Sum {
            cold_start: learned.unwrap_or(policy.cold_start),
            learned: learned.is_some(),
            keda_poll: timing.keda_poll,
            hpa_sync: timing.hpa_sync,
            hpa_ramp: timing.hpa_sync * hpa::ramp_steps(current, target).min(MAX_STEPS) as i32,
            buffer: BUFFER,
        }
    }

    /// All of it.
    pub fn total(&self) -> SignedDuration {
        match *self {
            Self::Fixed(lead) => lead,
            Self::Sum { cold_start, learned: _, keda_poll, hpa_sync, hpa_ramp, buffer } => {
                [keda_poll, hpa_sync, hpa_ramp, buffer]
                    .into_iter()
                    .fold(cold_start, SignedDuration::saturating_add)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;

    use super::*;
    use crate::calendar::Calendar;
    use crate::decide::policy::Threshold;

    fn policy() -> Policy {
        Policy::new(Threshold::new(1.0).unwrap(), Calendar::empty(TimeZone::UTC))
    }

    fn minutes(n: i64) -> SignedDuration {
        SignedDuration::from_mins(n)
    }

    fn seen(warm: impl IntoIterator<Item = i64>) -> StartUps {
        let mut seen = StartUps::default();
        warm.into_iter().for_each(|n| seen.observe(Node::Warm, minutes(n)));
        seen
    }

    #[test]
    fn the_parts_add_up() {
        let timing = LoopTiming::default();
        let lead = |start_ups: &StartUps, target| {
            Lead::new(&policy(), &timing, start_ups, 1, target).total()
        };
        assert_eq!(
            lead(&StartUps::default(), 1),
            minutes(3) + SignedDuration::from_secs(30 + 15 + 15)
        );
        assert_eq!(lead(&seen([6; 5]), 8), minutes(6) + SignedDuration::from_secs(90));
        // 1 → 4 → 8 → … → 2048, and no further.
        assert_eq!(lead(&seen([6; 5]), u32::MAX), minutes(6) + SignedDuration::from_secs(60 + 150));
    }

    #[test]
    fn a_fixed_lead_is_exact() {
        let policy = Policy { lead_time: LeadTime::Fixed(minutes(7)), ..policy() };
        assert_eq!(
            Lead::new(&policy, &LoopTiming::default(), &seen([60; 9]), 1, 100).total(),
            minutes(7)
        );
    }

    #[test]
    fn the_ninetieth_of_the_last_fifty() {
        assert_eq!(seen(1..=4).cold_start(), None);
        assert_eq!(seen(1..=5).cold_start(), Some(minutes(5)));
        assert_eq!(seen(1..=100).cold_start(), Some(minutes(95)));
    }

    #[test]
    fn tenths_are_as_many_as_start_ups_took_so_long() {
        let mut mixed = seen([2; 40]);
        assert_eq!(seen([2; 4]).tenths(), None);
        (0..10).for_each(|_| mixed.observe(Node::Cold, minutes(9)));
        assert_eq!(mixed.tenths(), Some([2, 2, 2, 2, 2, 2, 2, 2, 9, 9].map(minutes)));
        assert_eq!(seen(1..=5).tenths(), Some([1, 1, 2, 2, 3, 3, 4, 4, 5, 5].map(minutes)));
    }

    #[test]
    fn new_nodes_count_by_their_share() {
        let mut mixed = seen([2; 46]);
        (0..4).for_each(|_| mixed.observe(Node::Cold, minutes(9)));
        assert_eq!(mixed.cold_start(), Some(minutes(2)));
        assert_eq!(mixed.cold_start_on(Node::Cold), None);
        (0..2).for_each(|_| mixed.observe(Node::Cold, minutes(9)));
        assert_eq!(mixed.cold_start(), Some(minutes(9)));
        assert_eq!(
            (mixed.cold_start_on(Node::Warm), mixed.cold_start_on(Node::Cold)),
            (Some(minutes(2)), Some(minutes(9)))
        );
    }

    #[test]
    fn start_ups_that_were_given_up_are_not_forgotten() {
        let mut seen = seen([2; 8]);
        (0..2).for_each(|_| seen.observe_unfinished(Node::Warm, minutes(30)));
        assert_eq!(seen.cold_start(), Some(minutes(30)));
        // Given up early, they say little: the rest decides.
        let mut early = self::seen([2, 2, 2, 2, 3]);
        early.observe_unfinished(Node::Warm, minutes(1));
        assert_eq!(early.cold_start(), Some(minutes(3)));
    }

    #[test]
    fn clocks_that_differ_and_unfinished_ones_alone() {
        let mut odd = StartUps::default();
        (0..9).for_each(|_| odd.observe_unfinished(Node::Cold, minutes(30)));
        assert_eq!(odd.cold_start(), None);
        (0..5).for_each(|_| odd.observe(Node::Warm, minutes(-3)));
        assert_eq!(odd.cold_start_on(Node::Warm), Some(SignedDuration::ZERO));
    }
}
