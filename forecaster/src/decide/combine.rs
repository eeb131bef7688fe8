//! min(ceiling, max(live + backlog, stable, forecast, floor, hold)).

use super::Reason;
use super::policy::Threshold;
use crate::control::average_value::{replicas, whole_replicas};
use crate::control::quantity::{MAX_REPLICAS, milli, sanitise};

/// What each part asks for.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Asked {
    /// Live demand with the SLO guard's factor, raw units.
    pub(super) live: f64,
    /// Live demand comes from the panic window.
    pub(super) panic: bool,
    /// The backlog's share, raw units.
    pub(super) backlog: f64,
    /// Replicas, if the forecast may act.
    pub(super) forecast: u32,
    /// Replicas that the windows want within the lead.
    pub(super) floor: u32,
    /// Replicas that run and should not go yet.
    pub(super) hold: u32,
    /// The most that was asked for within the scale-down window, in the raw units it was asked in: the HPA's own window
    /// keeps what demand was worth too, not what it was rounded up to.
    pub(super) stable: f64,
    /// Why one replica stays although nobody asks for it.
    pub(super) keep: Option<Reason>,
    /// Zero is not allowed.
    pub(super) never_zero: bool,
}

/// What it is measured against.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) threshold: Threshold,
    /// Live demand at or below this does not wake.
    pub(super) activation: f64,
    /// Replicas that the windows in force allow.
    pub(super) ceiling: Option<u32>,
    /// One replica stays even where the ceiling is zero: more were asked for a short while ago, or demand is out of sight.
    pub(super) keep_one: bool,
}

/// What it comes to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Combined {
    pub(super) value: f64,
    pub(super) active: bool,
    pub(super) reason: Reason,
}

/// Combines the parts. Ours are whole replicas, so that the HPA's ceil gives exactly as many; live demand stays in raw
/// units, so that the HPA's tolerance and behaviour stay in charge of it.
///
/// Active ⇔ value > activation, unless the ceiling is too low for the two to agree: then the ceiling wins.
pub(super) fn combine(asked: &Asked, limits: &Limits) -> Combined {
    let Limits { threshold, activation, .. } = *limits;
    let live = sanitise(asked.live + asked.backlog);
    let stable = sanitise(asked.stable);
    let queued = asked.backlog > 0.0;
    // What merely keeps replicas steps back behind demand that needs as many: the value stays in raw units. Floors and
    // forecasts do not, because the HPA's tolerance would swallow a replica of them.
    let raw = live.max(stable);
    let needed = if raw > activation { replicas(raw, threshold) } else { 0 };
    let keeping = |replicas: u32| if replicas > needed { replicas } else { 0 };
    let ours = [
        // Queued items are never left to a fleet of zero.
        (keeping(u32::from(queued)), Reason::Backlog),
        (asked.floor, Reason::Floor),
        (asked.forecast, Reason::Forecast),
        (keeping(asked.hold), Reason::Hold),
        (keeping(u32::from(asked.keep.is_some())), asked.keep.unwrap_or(Reason::Hold)),
        (keeping(u32::from(asked.never_zero)), Reason::NeverZero),
    ];
    let (own, mut reason) =
        ours.into_iter().fold((0, Reason::Idle), |best, part| if part.0 > best.0 { part } else { best });
    let active = own > 0 || raw > activation;
    let mut value = whole_replicas(own, threshold);
    if live > 0.0 && live >= value {
        value = live;
        reason = match () {
            () if !active => Reason::Idle,
            () if asked.backlog > asked.live => Reason::Backlog,
            () if asked.panic => Reason::Panic,
            () => Reason::Live,
        };
    }
    if stable > value {
        value = stable;
        reason = if active { Reason::Hold } else { Reason::Idle };
    }
    if active && value <= activation {
        // KEDA compares with the activation where scaling modifiers are used: it must read "active" from the value too.
        value = (milli(activation) + 1) as f64 / 1000.0;
    }
    if replicas(value, threshold) > MAX_REPLICAS {
        value = whole_replicas(MAX_REPLICAS, threshold);
    }
    let combined = Combined { value: sanitise(value), active, reason };
    cut(combined, asked, limits)
}

/// Applies the ceiling. Floors win over it; a window that is hard off still lets the queue drain, and lets the fleet come
/// down by way of one replica.
fn cut(combined: Combined, asked: &Asked, limits: &Limits) -> Combined {
    let Some(ceiling) = limits.ceiling else { return combined };
    let most = match ceiling.max(asked.floor).max(u32::from(asked.never_zero)) {
        0 => u32::from(asked.backlog > 0.0 || limits.keep_one),
        most => most,
    };
    if replicas(combined.value, limits.threshold) <= most {
        return combined;
    }
    let value = whole_replicas(most, limits.threshold);
    Combined { value, active: combined.active && most > 0, reason: Reason::Ceiling }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn limits(activation: f64, ceiling: Option<u32>) -> Limits {
        Limits { threshold: Threshold::new(10.0).unwrap(), activation, ceiling, keep_one: false }
    }

    #[test]
    fn floors_win_over_ceilings_and_ceilings_over_the_rest() {
        let asked = Asked { live: 95.0, floor: 5, ..Asked::default() };
        assert_eq!(combine(&asked, &limits(0.0, Some(2))).value, 50.0);
        assert_eq!(combine(&Asked { floor: 0, ..asked }, &limits(0.0, Some(2))).value, 20.0);
        let never = Asked { live: 95.0, never_zero: true, ..Asked::default() };
        assert_eq!(combine(&never, &limits(0.0, Some(0))).value, 10.0);
    }

    #[test]
    fn hard_off_comes_down_by_way_of_one() {
        let asked = Asked { live: 95.0, ..Asked::default() };
        let off = limits(0.0, Some(0));
        let down = combine(&asked, &Limits { keep_one: true, ..off });
        assert_eq!((down.value, down.active), (10.0, true));
        assert_eq!(combine(&asked, &off), Combined { value: 0.0, active: false, reason: Reason::Ceiling });
    }

    #[test]
    fn one_replica_of_ours_is_above_a_high_activation() {
        let asked = Asked { floor: 1, live: 9.0, ..Asked::default() };
        let combined = combine(&asked, &limits(12.5, None));
        assert_eq!((combined.value, combined.active, combined.reason), (12.501, true, Reason::Floor));
    }

    prop_compose! {
        fn parts()(live in 0.0f64..300.0, backlog in prop_oneof![Just(0.0), 0.0f64..50.0], panic: bool, never_zero: bool,
            forecast in 0u32..9, floor in 0u32..9, hold in 0u32..9, stable in prop_oneof![Just(0.0), 0.0f64..100.0], keep: bool)
            -> Asked {
            let keep = keep.then_some(Reason::KeepWarm);
            Asked { live, panic, backlog, forecast, floor, hold, stable, keep, never_zero }
        }
    }

    proptest! {
        #[test]
        fn every_part_is_honoured_within_the_ceiling(
            asked in parts(), activation in 0.0f64..30.0, ceiling in prop::option::of(0u32..30), more in 0.0f64..100.0,
        ) {
            let limits = limits(activation, ceiling);
            let combined = combine(&asked, &limits);
            let got = replicas(combined.value, limits.threshold);
            let most = ceiling.map(|c| c.max(asked.floor).max(u32::from(asked.never_zero)));
            let needs = [asked.forecast, asked.floor, asked.hold, u32::from(asked.never_zero), u32::from(asked.keep.is_some())];
            for need in needs {
                prop_assert!(got >= need.min(most.unwrap_or(need)), "{combined:?}");
            }
            if most.is_none_or(|most| got < most) {
                prop_assert!(combined.value >= sanitise(asked.live + asked.backlog).max(sanitise(asked.stable)), "C15");
                prop_assert_eq!(combined.active, combined.value > activation, "C13");
            }
            if let Some(most) = most {
                prop_assert!(got <= most.max(u32::from(asked.backlog > 0.0)));
            }
            let raised = combine(&Asked { live: asked.live + more, ..asked }, &limits);
            prop_assert!(replicas(raised.value, limits.threshold) >= got, "more demand, fewer replicas");
            prop_assert!(raised.active || !combined.active);
        }
    }
}
