//! Knows what comes: replicas are Ready when they are needed, having been started exactly one cold
//! start before.
//!
//! The n-th replica is worth having in a step for the demand between n − 1 and n. So each is a path
//! of its own through two states, off and on, and the cheapest path is found exactly (Viterbi): on
//! costs a GPU-step, off what it misses, and going on a cold start's GPU time; between two needs it
//! stays on if that is cheaper than another start.

use crate::control::hpa::whole;
use crate::replay::demand::{Demand, steps};
use crate::replay::fleet::start_steps;
use crate::replay::scenario::Scenario;

/// What is missed makes others wait behind it: how much dearer misses may be than they look by
/// themselves.
pub(in crate::replay) const DEARER: [f64; 4] = [1.0, 4.0, 16.0, 1e9];

/// Work may wait up to the limit: for how many steps each step's demand is spread evenly over
/// itself and those that follow. As it comes, or over all that it may take.
pub(in crate::replay) fn spreads(scene: &Scenario) -> [usize; 2] {
    [1, steps(scene.wait_limit).max(1) as usize + 1]
}

/// Ready and starting replicas of every step, where a miss costs `ratio` GPU-steps and demand is
/// served evenly over `spread` steps; and how many start.
pub(in crate::replay) fn plan(
    demand: &Demand,
    scene: &Scenario,
    ratio: f64,
    spread: usize,
) -> (Vec<(u32, u32)>, u64) {
    let n = demand.len();
    let values = spread_out(demand, spread);
    let (min, max) = (scene.keda.min, scene.keda.max.max(1));
    let first = demand.values.iter().copied().find(|value| !value.is_nan()).unwrap_or(0.0);
    let initial = whole(first).clamp(min.min(max), max);
    let capacity = scene.capacity();
    let most =
        whole(values.iter().copied().fold(0.0, f64::max) / capacity).clamp(min.min(max), max);
    let quantiles = (0..100)
        .map(|p| f64::from(start_steps(scene.cold_start.quantile((f64::from(p) + 0.5) / 100.0))));
    let start = quantiles.sum::<f64>() / 100.0;
    let earliest = start_steps(scene.cold_start.quantile(1.0)) as usize;
    let mut plan = vec![(0u32, 0u32); n];
    let mut came_from = vec![0u8; n];
    let mut ready_at = Vec::new();
    for layer in 0..most.max(initial) {
        if layer < min {
            plan.iter_mut().for_each(|(ready, _)| *ready += 1);
            continue;
        }
        let running = layer < initial;
        let need = Need { below: f64::from(layer), capacity, ratio: ratio * capacity };
        let mut on = cheapest(&values, need, start, running, earliest, &mut came_from);
        for i in (0..n).rev() {
            let before = came_from.get(i).is_some_and(|from| from & if on { 1 } else { 2 } != 0);
            if let Some((ready, _)) = plan.get_mut(i).filter(|_| on) {
                *ready += 1;
            }
            if on && !before {
                ready_at.push(i);
            }
            on = before;
        }
    }
    ready_at.sort_unstable();
    for (nth, ready) in ready_at.iter().enumerate() {
        let took = start_steps(scene.cold_start.draw(scene.seed, nth as u64)) as usize;
        for (_, starting) in plan.get_mut(ready.saturating_sub(took)..*ready).unwrap_or_default() {
            *starting += 1;
        }
    }
    (plan, ready_at.len() as u64)
}

/// The mean of the last `spread` steps, gaps as nothing; a gap stays one.
fn spread_out(demand: &Demand, spread: usize) -> Vec<f64> {
    let arrived = |i: usize| demand.arrived.get(i).copied().unwrap_or(0.0);
    let mean = |(i, value): (usize, &f64)| match spread {
        ..=1 => *value,
        _ if value.is_nan() => f64::NAN,
        _ => (arrived(i + 1) - arrived((i + 1).saturating_sub(spread))) / spread as f64,
    };
    demand.values.iter().enumerate().map(mean).collect()
}

/// What one of the replicas is for: the demand above that of `below` others.
#[derive(Debug, Clone, Copy)]
struct Need {
    below: f64,
    /// Demand that a replica serves in a step.
    capacity: f64,
    /// What it costs to miss as much, in GPU-steps.
    ratio: f64,
}

/// Fills in from where each state of each step was reached (bit 0: on came from on, bit 1: off came
/// from on), and says whether the cheapest path ends on.
fn cheapest(
    values: &[f64],
    need: Need,
    start: f64,
    running: bool,
    earliest: usize,
    came_from: &mut [u8],
) -> bool {
    let (mut on, mut off) = if running { (0.0, 0.0) } else { (f64::INFINITY, 0.0) };
    for (i, (value, from)) in values.iter().zip(came_from).enumerate() {
        let start = if i >= earliest { start } else { f64::INFINITY };
        let stays_on = on <= off + start;
        let goes_off = on < off;
        *from = u8::from(stays_on) | u8::from(goes_off) << 1;
        let next = if stays_on { on } else { off + start };
        off = if goes_off { on } else { off };
        on = next;
        if !value.is_nan() {
            on += 1.0;
            off += need.ratio * (value / need.capacity - need.below).clamp(0.0, 1.0);
        }
    }
    on < off
}
