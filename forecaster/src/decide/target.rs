//! The target: min(ceiling, max(live + backlog, stable, forecast, floor, hold)).

use super::Reason;
use super::policy::Policy;
use crate::control::average_value::{replicas, whole_replicas};
use crate::control::quantity::{MAX_REPLICAS, milli, sanitise};

/// What each part asks for, and what the windows allow.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ReplicaRequests {
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
    /// The most that was asked for within the scale-down window, in the raw units it was asked in:
    /// the HPA's own window keeps what demand was worth too, not what it was rounded up to.
    pub(super) stable: f64,
    /// Why one replica stays although nobody asks for it.
    pub(super) keep: Option<Reason>,
    /// Zero is not allowed.
    pub(super) never_zero: bool,
    /// Replicas that the windows in force allow.
    pub(super) ceiling: Option<u32>,
    /// One replica stays even where the ceiling is zero.
    pub(super) keep_one: bool,
}

impl ReplicaRequests {
    /// The most replicas that the windows in force allow: floors win over a ceiling.
    pub(super) fn most(&self) -> Option<u32> {
        let most = self.ceiling?.max(self.floor).max(u32::from(self.never_zero));
        let off = u32::from(self.backlog > 0.0 || self.keep_one);
        Some(if most == 0 { off } else { most })
    }
}

/// What the requests come to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Target {
    pub(super) value: f64,
    pub(super) active: bool,
    pub(super) reason: Reason,
}

/// Combines the requests. Ours are whole replicas, so that the HPA's ceil gives exactly as many;
/// live demand stays in raw units, so that the HPA's tolerance and behavior stay in charge of it.
///
/// Active ⇔ value > activation, unless the ceiling is too low for the two to agree: then the
/// ceiling wins.
pub(super) fn combine(requests: &ReplicaRequests, policy: &Policy) -> Target {
    let Policy { threshold, activation, .. } = *policy;
    let live = sanitise(requests.live + requests.backlog);
    let stable = sanitise(requests.stable);
    let queued = requests.backlog > 0.0;
    // What merely keeps replicas steps back behind demand that needs as many: the value stays in
    // raw units. Floors and forecasts do not, because the HPA's tolerance would swallow a replica
    // of them.
    let raw = live.max(stable);
    let needed = if raw > activation { replicas(raw, threshold) } else { 0 };
    let keeping = |replicas: u32| if replicas > needed { replicas } else { 0 };
    let ours = [
        // Queued items are never left to a fleet of zero.
        (keeping(u32::from(queued)), Reason::Backlog),
        (requests.floor, Reason::Floor),
        (requests.forecast, Reason::Forecast),
        (keeping(requests.hold), Reason::Hold),
        (keeping(u32::from(requests.keep.is_some())), requests.keep.unwrap_or(Reason::Hold)),
        (keeping(u32::from(requests.never_zero)), Reason::NeverZero),
    ];
    let (mut own, mut reason) = (0, Reason::Idle);
    for (replicas, part) in ours {
        if replicas > own {
            (own, reason) = (replicas, part);
        }
    }
    let active = own > 0 || raw > activation;
    let mut value = whole_replicas(own, threshold);
    if live > 0.0 && live >= value {
        value = live;
        reason = if active { live_reason(requests) } else { Reason::Idle };
    }
    if stable > value {
        value = stable;
        reason = if active { Reason::Hold } else { Reason::Idle };
    }
    if active && value <= activation {
        // KEDA compares with the activation where scaling modifiers are used: it must read "active"
        // from the value too.
        value = (milli(activation) + 1) as f64 / 1000.0;
    }
    if replicas(value, threshold) > MAX_REPLICAS {
        value = whole_replicas(MAX_REPLICAS, threshold);
    }
    let target = Target { value: sanitise(value), active, reason };
    cut(target, requests, policy)
}

/// What live demand in raw units stands for.
fn live_reason(requests: &ReplicaRequests) -> Reason {
    if requests.backlog > requests.live {
        Reason::Backlog
    } else if requests.panic {
        Reason::Panic
    } else {
        Reason::Live
    }
}

/// Applies the ceiling. Floors win over it; a window that is hard off still lets the queue drain,
/// and lets the fleet come down by way of one replica.
fn cut(target: Target, requests: &ReplicaRequests, policy: &Policy) -> Target {
    let Some(most) = requests.most() else { return target };
    if replicas(target.value, policy.threshold) <= most {
        return target;
    }
    let value = whole_replicas(most, policy.threshold);
    Target { value, active: target.active && most > 0, reason: Reason::Ceiling }
}

#[cfg(test)]
mod tests {
    use jiff::tz::TimeZone;
    use proptest::prelude::*;

    use super::*;
    use crate::calendar::Calendar;
    use crate::decide::policy::Threshold;

    fn policy(activation: f64) -> Policy {
        Policy {
            activation,
            ..Policy::new(Threshold::new(10.0).unwrap(), Calendar::empty(TimeZone::UTC))
        }
    }

    fn value(requests: ReplicaRequests) -> f64 {
        combine(&requests, &policy(0.0)).value
    }

    #[test]
    fn floors_win_over_ceilings_and_ceilings_over_the_rest() {
        let requests = ReplicaRequests {
            live: 95.0,
            floor: 5,
            ceiling: Some(2),
            ..ReplicaRequests::default()
        };
        assert_eq!(value(requests), 50.0);
        assert_eq!(value(ReplicaRequests { floor: 0, ..requests }), 20.0);
        assert_eq!(
            value(ReplicaRequests { floor: 0, never_zero: true, ceiling: Some(0), ..requests }),
            10.0
        );
    }

    #[test]
    fn hard_off_comes_down_by_way_of_one() {
        let off = ReplicaRequests { live: 95.0, ceiling: Some(0), ..ReplicaRequests::default() };
        let down = combine(&ReplicaRequests { keep_one: true, ..off }, &policy(0.0));
        assert_eq!((down.value, down.active), (10.0, true));
        let none = Target { value: 0.0, active: false, reason: Reason::Ceiling };
        assert_eq!(combine(&off, &policy(0.0)), none);
    }

    #[test]
    fn one_replica_of_ours_is_above_a_high_activation() {
        let requests = ReplicaRequests { floor: 1, live: 9.0, ..ReplicaRequests::default() };
        let target = combine(&requests, &policy(12.5));
        assert_eq!((target.value, target.active, target.reason), (12.501, true, Reason::Floor));
    }

    prop_compose! {
        fn parts()(live in 0.0f64..300.0, backlog in prop_oneof![Just(0.0), 0.0f64..50.0], panic: bool, never_zero: bool,
            forecast in 0u32..9, floor in 0u32..9, hold in 0u32..9, stable in prop_oneof![Just(0.0), 0.0f64..100.0], keep: bool)
            -> ReplicaRequests {
            let keep = keep.then_some(Reason::KeepWarm);
            let (ceiling, keep_one) = (None, false);
            ReplicaRequests { live, panic, backlog, forecast, floor, hold, stable, keep, never_zero, ceiling, keep_one }
        }
    }

    proptest! {
        #[test]
        fn every_part_is_honored_within_the_ceiling(
            requests in parts(), activation in 0.0f64..30.0, ceiling in prop::option::of(0u32..30), more in 0.0f64..100.0,
        ) {
            let policy = policy(activation);
            let asked = ReplicaRequests { ceiling, ..requests };
            let combined = combine(&asked, &policy);
            let got = replicas(combined.value, policy.threshold);
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
            let raised = combine(&ReplicaRequests { live: asked.live + more, ..asked }, &policy);
            prop_assert!(replicas(raised.value, policy.threshold) >= got, "more demand, fewer replicas");
            prop_assert!(raised.active || !combined.active);
        }
    }
}
