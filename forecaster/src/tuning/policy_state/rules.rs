//! A simulated policy is a fast copy of the control loop: held here to the rules themselves.

use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;
use crate::control::hpa::{Controller, Hpa};
use crate::control::keda::{ScaleLoop, ScaledObject};

/// Seconds of a slot: the HPA's sync period, and KEDA's poll here.
const SLOT: i64 = 15;

/// Replicas after each slot by the rules: in every slot the HPA syncs, then KEDA polls. `active`:
/// what `IsActive` says.
fn by_the_rules(object: ScaledObject, window: u32, metric: &[f64], active: &[bool]) -> Vec<u32> {
    let mut hpa = Controller::new(&Hpa::default(), object.min, object.max);
    hpa.set_down_window(i64::from(window) * SLOT);
    let mut keda = ScaleLoop::new(object, 0);
    let mut current = if object.idle.is_some() { 0 } else { object.min };
    let mut seen = Vec::new();
    for (i, (metric, active)) in (1..).zip(metric.iter().zip(active)) {
        let now = i * SLOT;
        let proposed = hpa.replicas(*metric, current);
        current = hpa.sync(now, current, Some(proposed));
        current = keda.poll(now, current, *active, false);
        seen.push(current);
    }
    seen
}

/// The same by a simulated policy: nothing is served, so that only the metric counts.
fn by_the_policy(object: ScaledObject, window: u32, metric: &[f64]) -> Vec<u32> {
    let least = if object.idle.is_some() { 0 } else { object.min };
    let params = SimulationParams {
        slot_s: SLOT as f64,
        longest: 4,
        drawn: None,
        cooldown: if least == 0 { (object.cooldown.as_secs() / SLOT) as u32 } else { 0 },
        least,
        awake: object.min.max(1),
        max: object.max,
        activation: 0.0,
        active_value: 0.0,
        beyond_live: None,
    };
    // What an HPA wanted as long ago as the window it has forgotten; a simulated policy has not.
    let rule =
        Rule { live: 1.0, blind: 1.0, drain: 0.0, window: window - 1, late: false, plain: false };
    let mut state = PolicyState::new(&params, least);
    let mut seen = Vec::new();
    for (index, metric) in (1..).zip(metric) {
        let place = index % params.longest;
        let slot = Slot {
            index,
            place,
            demand: 0.0,
            recent: 0.0,
            due: 0.0,
            metric: *metric,
            warm: false,
            limits: SlotLimits::default(),
        };
        state.step(&params, &rule, &slot, None);
        seen.push(state.ready + state.pending);
    }
    seen
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Scale-up limit, tolerance, stabilization, minimum, maximum, idle, cooldown, zero to one and
    /// back.
    #[test]
    fn a_simulated_policy_does_what_the_rules_say(
        stretches in prop::collection::vec((0u32..12, 0u32..40, 0.9f64..1.1), 1..40),
        min in 0u32..5, idles: bool, max in 5u32..60, window in 1u32..30, cooldown in 0u32..30,
    ) {
        let cooldown = SignedDuration::from_secs(i64::from(cooldown) * SLOT);
        let idle = (idles && min > 0).then_some(0);
        let object = ScaledObject { min, idle, max, cooldown, ..ScaledObject::default() };
        let mut metric = Vec::new();
        for (slots, level, wobble) in stretches {
            // Half of the stretches ask for nothing.
            let level = f64::from(level.saturating_sub(20));
            metric.extend((0..slots).map(|slot| level * if slot % 2 == 0 { 1.0 } else { wobble }));
        }
        // A policy vouches for activity while something was wanted within its window.
        let within = |i: usize| metric[(i + 1).saturating_sub(window as usize)..=i].iter().any(|metric| *metric > 0.0);
        let active: Vec<bool> = (0..metric.len()).map(within).collect();
        prop_assert_eq!(by_the_policy(object, window, &metric), by_the_rules(object, window, &metric, &active));
    }
}
