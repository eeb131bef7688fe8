//! The choice among shadow policies, and the gate: forecasting must earn its authority.

use crate::decide::policy::Objective;
use jiff::SignedDuration;

use super::bank::Block;
use crate::decide::choice::{Choice, ShadowPolicy, Sums, UNTUNED, Why};

/// A day of every policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Day {
    /// Demand, in replica-hours.
    pub demand: f64,
    /// Per policy, in the portfolio's order.
    pub sums: Vec<Sums>,
}

/// What a choice is made for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wish {
    /// What to minimise.
    pub objective: Objective,
    /// One missed replica-hour costs as much as this many idle GPU-hours.
    pub cost_ratio: f64,
    /// Cold start.
    pub lead: SignedDuration,
    /// A trained forecast exists.
    pub forecast_available: bool,
}

/// Complete days (UTC) among the blocks, oldest first; a day of `slots` slots is complete with nine in ten of them.
pub fn days(blocks: &[Block], slots: u32) -> Vec<Day> {
    let _ = (blocks, slots);
    Vec::new()
}

/// Chooses.
pub fn choose(portfolio: &[ShadowPolicy], days: &[Day], wish: &Wish) -> Choice {
    let _ = (portfolio, days);
    Choice {
        policy: UNTUNED,
        best_reactive: UNTUNED,
        why: Why::Untuned,
        days: 0,
        days_won: 0,
        gain: 0.0,
        gain_interval: (0.0, 0.0),
        expected: Sums::default(),
        expected_reactive: Sums::default(),
        cost_ratio: wish.cost_ratio,
    }
}
