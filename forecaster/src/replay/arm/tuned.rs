//! The HPA that is tuned by what its settings would have cost: 9 utilizations × 6 scale-down
//! windows × with the panic rule or without, chosen anew each day.

use jiff::SignedDuration;

use crate::control::sliding_max::SlidingMax;
use crate::decide::selection::{ShadowPolicy, UNTUNED};
use crate::replay::closed::{Ahead, Driver, run};
use crate::replay::demand::Demand;
use crate::replay::fleet::Totals;
use crate::replay::outcome::Settings;
use crate::replay::scenario::Scenario;
use crate::tuning::portfolio;

/// The settings for each segment, by what all settings cost in the segments before it; untuned in
/// the first.
pub(in crate::replay) fn settings(
    demand: &Demand,
    scene: &Scenario,
    ahead: Option<Ahead<'_>>,
) -> Vec<Settings> {
    let grid = grid();
    let runs: Vec<Vec<Totals>> = grid
        .iter()
        .map(|settings| {
            run(
                demand,
                scene,
                &mut Driver::Metrics(ahead, scene.activation_share()),
                |_| *settings,
                false,
            )
            .tallies
        })
        .collect();
    let cost = |tally: &Totals| tally.replicas + scene.cost_ratio * tally.missed;
    let mut totals = vec![0.0; grid.len()];
    let mut chosen = Vec::with_capacity(demand.segments.len());
    for n in 0..demand.segments.len() {
        let cheapest = totals.iter().zip(&grid).min_by(|(a, _), (b, _)| f64::total_cmp(a, b));
        chosen.push(cheapest.filter(|_| n > 0).map_or(of(&UNTUNED), |(_, settings)| *settings));
        for (total, tallies) in totals.iter_mut().zip(&runs) {
            *total += tallies.get(n).map_or(0.0, cost);
        }
    }
    chosen
}

/// What the tuned HPA may be set to.
pub(in crate::replay) fn grid() -> Vec<Settings> {
    let calm: Vec<Settings> = portfolio::reactive().iter().map(of).collect();
    let panicking = calm.iter().map(|settings| Settings { panics: true, ..*settings });
    panicking.chain(calm.iter().copied()).collect()
}

fn of(policy: &ShadowPolicy) -> Settings {
    Settings {
        utilization: policy.utilization(),
        scale_down_window: policy.scale_down_window(),
        panics: false,
    }
}

/// Demand a day ago, the most of it within the lead: what is needed by then if today is like
/// yesterday. In replicas; nothing on the first day.
pub(in crate::replay) fn yesterday(demand: &Demand, lead: usize, day: usize) -> Vec<f64> {
    let mut window = SlidingMax::default();
    let mut next = 0;
    let mut most = vec![0.0; demand.len()];
    for (from, most) in most.iter_mut().skip(day).enumerate() {
        while next <= from + lead {
            let shown = demand.shown.get(next).copied().filter(|value| !value.is_nan());
            window.push(next, shown.unwrap_or(0.0));
            next += 1;
        }
        window.forget_before(from);
        *most = window.max().unwrap_or(0.0);
    }
    most
}

/// The plain HPA's settings.
pub(in crate::replay) fn plain(scene: &Scenario) -> Settings {
    let down = scene.hpa.behavior.as_ref().and_then(|behavior| behavior.down.stabilization);
    Settings {
        utilization: scene.hpa.utilization,
        scale_down_window: down.unwrap_or(scene.hpa.downscale_stabilization),
        panics: false,
    }
}

/// An HPA that leaves stabilization to what it is told.
pub(in crate::replay) const TRUSTING: Settings =
    Settings { utilization: 1.0, scale_down_window: SignedDuration::ZERO, panics: false };
