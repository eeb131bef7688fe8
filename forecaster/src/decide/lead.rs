//! Lead time: how long before the need a replica must be asked for.
//!
//! lead = cold start + KEDA's poll + the HPA's sync + the HPA's ramp + buffer. The cold start is the P90 of start-ups seen,
//! the policy's seed until there are enough of them.

use std::collections::VecDeque;

use jiff::SignedDuration;

use super::hpa;
use super::planner::Rhythm;
use super::policy::{LeadTime, Policy};

/// Start-ups before the learned figure replaces the seed.
const ENOUGH: usize = 5;

/// Start-ups remembered per class; older ones were another image, another model.
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

/// Start-ups seen, warm and cold nodes apart.
#[derive(Debug, Clone, Default)]
pub struct StartUps {
    warm: VecDeque<SignedDuration>,
    cold: VecDeque<SignedDuration>,
}

impl StartUps {
    /// Remembers one: creation to Ready. Negative ones (clocks that differ) count as zero.
    pub fn observe(&mut self, node: Node, took: SignedDuration) {
        let seen = match node {
            Node::Warm => &mut self.warm,
            Node::Cold => &mut self.cold,
        };
        if seen.len() == REMEMBERED {
            seen.pop_front();
        }
        seen.push_back(took.max(SignedDuration::ZERO));
    }

    /// P90 of the class that was seen more often; `None` before five of it.
    pub fn cold_start(&self) -> Option<SignedDuration> {
        let seen = if self.cold.len() > self.warm.len() { &self.cold } else { &self.warm };
        if seen.len() < ENOUGH {
            return None;
        }
        let mut sorted: Vec<_> = seen.iter().copied().collect();
        sorted.sort_unstable();
        // Nearest rank: the smallest that at least nine in ten do not exceed.
        let rank = (QUANTILE * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).copied()
    }
}

/// The lead to reach `target` replicas from `current`. A fixed `leadTime` is taken exactly.
pub fn lead(
    policy: &Policy,
    rhythm: &Rhythm,
    learned: Option<SignedDuration>,
    current: u32,
    target: u32,
) -> SignedDuration {
    match policy.lead_time {
        LeadTime::Fixed(lead) => lead,
        LeadTime::Auto => {
            let steps = hpa::ramp_steps(current, target).min(MAX_STEPS);
            learned.unwrap_or(policy.cold_start)
                + rhythm.keda_poll
                + rhythm.hpa_sync
                + rhythm.hpa_sync * steps as i32
                + BUFFER
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

    #[test]
    fn the_parts_add_up() {
        let rhythm = Rhythm::default();
        assert_eq!(lead(&policy(), &rhythm, None, 1, 1), minutes(3) + SignedDuration::from_secs(30 + 15 + 15));
        assert_eq!(lead(&policy(), &rhythm, Some(minutes(6)), 1, 8), minutes(6) + SignedDuration::from_secs(90));
    }

    #[test]
    fn a_fixed_lead_is_exact() {
        let policy = Policy { lead_time: LeadTime::Fixed(minutes(7)), ..policy() };
        assert_eq!(lead(&policy, &Rhythm::default(), Some(minutes(60)), 1, 100), minutes(7));
    }

    #[test]
    fn the_ninetieth_of_a_hundred_of_the_last_fifty() {
        let mut seen = StartUps::default();
        for n in 1..=4 {
            seen.observe(Node::Warm, minutes(n));
        }
        assert_eq!(seen.cold_start(), None);
        for n in 5..=100 {
            seen.observe(Node::Warm, minutes(n));
        }
        assert_eq!(seen.cold_start(), Some(minutes(95)));
        seen.observe(Node::Cold, minutes(500));
        assert_eq!(seen.cold_start(), Some(minutes(95)));
    }
}
