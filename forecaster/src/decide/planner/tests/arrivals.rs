//! Whether somebody will come decides between one replica and none, where that policy is selected.

use std::sync::Arc;

use jiff::SignedDuration;

use super::tactics::{minutes, reactive, selection};
use super::*;
use crate::arrival::{ArrivalModel, FEATURES, Profile};
use crate::decide::selection::ShadowPolicy;

/// P(arrival within ten minutes) is this at every time; a replica pays from 1/3 on.
fn arrival(probability: f64) -> Arc<ArrivalModel> {
    let mut coefficients = [0.0; FEATURES + 1];
    coefficients[0] = (probability / (1.0 - probability)).ln();
    Arc::new(ArrivalModel {
        fitted: at(0),
        within: minutes(10),
        work: 1.0 / 60.0,
        coefficients,
        profile: Profile::default(),
        brier: (0.1, 0.2),
    })
}

/// Somebody came for a minute; then nobody for an hour.
fn after_an_hour(policy: Policy, probability: f64, chosen: ShadowPolicy) -> Timeline {
    let mut line = Timeline::new(policy);
    line.0.install_arrival(arrival(probability));
    line.0.install_selection(selection(chosen, reactive(0.8, minutes(1))));
    line.hold(0, 60, demand(5.0));
    line.hold(75, 3600, demand(0.0));
    line
}

fn awaiting() -> ShadowPolicy {
    ShadowPolicy::Arrival {
        utilization: 1.0,
        scale_down_window: minutes(1),
        from: 1.0,
        ahead: None,
    }
}

#[test]
fn one_replica_stays_while_an_arrival_pays_for_it() {
    let likely = after_an_hour(policy(), 0.35, awaiting());
    likely.check(10.0, true, Reason::Arrival);
    let awaited = likely.1.decision.parts.arrival.unwrap();
    assert!((awaited.probability - 0.35).abs() < 1e-6 && awaited.acts && awaited.stays());
    assert!((awaited.break_even - 1.0 / 3.0).abs() < 1e-9, "{awaited:?}");
    after_an_hour(policy(), 0.3, awaiting()).check(0.0, false, Reason::Idle);
}

#[test]
fn one_replica_starts_for_who_is_likely_to_come() {
    let mut line = after_an_hour(policy(), 0.3, awaiting());
    line.0.install_arrival(arrival(0.4));
    line.hold(3615, 3615, demand(0.0));
    line.check(10.0, true, Reason::Arrival);
}

#[test]
fn it_acts_only_where_it_was_selected_and_may() {
    let reactive = reactive(0.8, minutes(1));
    after_an_hour(policy(), 0.9, reactive).check(0.0, false, Reason::Idle);
    for mode in [Mode::Shadow, Mode::Off] {
        let line = after_an_hour(Policy { mode, ..policy() }, 0.9, awaiting());
        line.check(0.0, false, Reason::Idle);
    }
}

#[test]
fn a_keep_warm_of_the_users_is_not_shortened() {
    let keep_warm = SignedDuration::from_hours(2);
    let fixed = Policy { keep_warm, keep_warm_fixed: true, ..policy() };
    after_an_hour(fixed, 0.01, awaiting()).check(10.0, true, Reason::KeepWarm);
    let default = Policy { keep_warm, ..policy() };
    after_an_hour(default, 0.01, awaiting()).check(0.0, false, Reason::Idle);
}
