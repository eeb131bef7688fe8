//! The selection acts: how much for live demand, for how long, and whether the forecast may.

use std::sync::Arc;

use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;
use crate::decide::policy::Quantile;
use crate::decide::selection::{Costs, Selection, SelectionReason, ShadowPolicy};

pub(super) fn minutes(n: i64) -> SignedDuration {
    SignedDuration::from_mins(n)
}

pub(super) fn reactive(utilization: f64, window: SignedDuration) -> ShadowPolicy {
    ShadowPolicy::Reactive { utilization, scale_down_window: window }
}

/// The median at 80 %, live demand at 125 %.
fn ahead() -> ShadowPolicy {
    ShadowPolicy::Forecast {
        quantile: 0.5,
        forecast_utilization: 0.8,
        utilization: 1.25,
        hold: minutes(10),
        stabilization: SignedDuration::from_secs(60),
        drain: minutes(1),
    }
}

pub(super) fn selection(policy: ShadowPolicy, best_reactive: ShadowPolicy) -> Arc<Selection> {
    let why =
        if policy.forecasts() { SelectionReason::Earned } else { SelectionReason::ReactiveBest };
    Arc::new(Selection {
        policy,
        best_reactive,
        why,
        days: 7,
        days_won: 6,
        gain: 1.0,
        gain_interval: (0.5, 1.5),
        expected: Costs::default(),
        expected_reactive: Costs::default(),
        cost_ratio: 30.0,
    })
}

/// 40 is expected from minute 10 to minute 20.
fn expecting(policy: Policy, chosen: &Arc<Selection>) -> Timeline {
    let mut line = Timeline::new(policy);
    line.0.install(forecast(0, 600, 1200, 40.0));
    line.0.install_selection(chosen.clone());
    line
}

#[test]
fn a_reactive_choice_gives_headroom_and_keeps_the_forecast_out() {
    let chosen = reactive(0.8, minutes(5));
    let mut line = expecting(policy(), &selection(chosen, chosen));
    line.hold(0, 360, demand(20.0));
    // 25 is 80 % of it; without the selection the forecast would ask for 40.
    line.check(25.0, true, Reason::Live);
    assert_eq!(line.1.decision.parts.policy, Some(chosen));
    assert!(!line.1.decision.parts.forecast_acts);
}

#[test]
fn a_forecasting_choice_uses_its_own_quantile_and_utilizations() {
    let mut line = expecting(policy(), &selection(ahead(), reactive(0.8, minutes(5))));
    line.hold(0, 60, demand(20.0));
    line.check(16.0, true, Reason::Live);
    // Within the lead: 40 at 80 %.
    line.hold(75, 360, demand(20.0));
    line.check(50.0, true, Reason::Forecast);
    let parts = &line.1.decision.parts;
    assert_eq!(
        (parts.policy, parts.forecast_quantile, parts.forecast),
        (Some(ahead()), 0.5, Some(40.0))
    );
}

#[test]
fn where_the_forecast_is_missing_the_best_reactive_policy_acts() {
    let best = reactive(0.5, minutes(5));
    let mut line = Timeline::new(policy());
    line.0.install_selection(selection(ahead(), best));
    line.hold(0, 60, demand(20.0));
    line.check(40.0, true, Reason::Live);
    assert_eq!(line.1.decision.parts.policy, Some(best));
}

/// What was wanted within a quarter of an hour is kept, whatever the forecast says.
fn patient(policy: Policy) -> Timeline {
    let chosen = reactive(1.0, minutes(15));
    expecting(policy, &selection(chosen, chosen))
}

#[test]
fn a_longer_window_than_the_hpas_is_ours_to_keep() {
    let mut line = patient(policy());
    line.hold(0, 60, demand(80.0));
    line.hold(75, 660, demand(20.0));
    // 80 was wanted until second 105; ten of the fifteen minutes are ours, the HPA's five come on
    // top.
    line.check(80.0, true, Reason::Hold);
    line.hold(675, 720, demand(20.0));
    line.check(20.0, true, Reason::Live);
    // With an HPA that leaves it to us, all fifteen are.
    let mut line = patient(policy());
    line.0.set_rhythm(LoopTiming { hpa_window: SignedDuration::ZERO, ..LoopTiming::default() });
    line.hold(0, 60, demand(80.0));
    line.hold(75, 960, demand(20.0));
    line.check(80.0, true, Reason::Hold);
    line.hold(975, 1020, demand(20.0));
    line.check(20.0, true, Reason::Live);
}

/// 88 keeps ten replicas within the HPA's tolerance no longer than 88 itself does; rounded up to
/// nine it would.
#[test]
fn what_was_wanted_is_kept_in_the_units_it_was_wanted_in() {
    let mut line = patient(policy());
    line.hold(0, 60, demand(88.0));
    line.hold(75, 300, demand(20.0));
    line.check(88.0, true, Reason::Hold);
    assert_eq!(line.1.decision.parts.hold, 9);
}

#[test]
fn a_trickle_below_activation_is_not_kept_awake_by_the_window() {
    let mut line = patient(Policy { activation: 2.0, ..policy() });
    line.hold(0, 600, demand(1.5));
    line.check(1.5, false, Reason::Idle);
    line.hold(615, 720, demand(0.0));
    line.check(0.0, false, Reason::Idle);
}

/// An HPA's metric holds demand and queue alike, so its utilization applies to both; but a queue
/// gets at least what the user allots to it.
#[test]
fn a_queue_has_the_headroom_of_demand_and_no_less_than_it_was_given() {
    let queued = Observation { backlog: Some(30.0), ..demand(20.0) };
    let answer = |utilization| {
        let chosen = reactive(utilization, minutes(5));
        let mut line = expecting(policy(), &selection(chosen, chosen));
        line.hold(0, 60, queued);
        line.1.decision.metric_value
    };
    assert_eq!(answer(0.5), 40.0 + 60.0);
    assert_eq!(answer(1.0), 20.0 + 30.0);
    assert_eq!(answer(1.25), 16.0 + 30.0);
}

#[test]
fn a_floor_is_not_kept_beyond_its_window() {
    let chosen = reactive(1.0, minutes(60));
    let mut line = Timeline::new(Policy { calendar: office(Some(6), None, None), ..policy() });
    line.0.install_selection(selection(chosen, chosen));
    line.hold(18 * 3600 - 600, 18 * 3600, demand(15.0));
    line.check(15.0, true, Reason::Live);
}

#[test]
fn shadow_answers_plainly_and_shows_what_the_choice_would_do_and_off_shows_nothing() {
    let answer = |mode, chosen: ShadowPolicy| {
        let mut line =
            expecting(Policy { mode, ..policy() }, &selection(chosen, reactive(0.8, minutes(5))));
        line.hold(0, 360, demand(20.0));
        let Decision { metric_value, parts, .. } = line.1.decision;
        (metric_value, parts.would_value, parts.policy)
    };
    assert_eq!(answer(Mode::Shadow, ahead()), (20.0, Some(50.0), None));
    assert_eq!(answer(Mode::Shadow, reactive(0.8, minutes(5))), (20.0, Some(25.0), None));
    assert_eq!(answer(Mode::Off, ahead()), (20.0, None, None));
}

#[test]
fn a_quantile_that_the_user_fixed_stays() {
    let fixed = Policy { quantile: Quantile::Fixed(0.75), ..policy() };
    let mut line = expecting(fixed, &selection(ahead(), reactive(0.8, minutes(5))));
    line.tick(0, demand(20.0));
    assert_eq!(line.1.decision.parts.forecast_quantile, 0.75);
}

#[test]
fn a_choice_neither_wakes_a_trickle_nor_lets_what_counts_sleep() {
    let waking = Policy { activation: 2.0, ..policy() };
    let headroom = reactive(0.5, minutes(5));
    let mut line = expecting(waking.clone(), &selection(headroom, headroom));
    line.hold(0, 60, demand(1.5));
    line.check(1.5, false, Reason::Idle);
    let mut line = expecting(waking, &selection(ahead(), headroom));
    line.hold(0, 60, demand(2.1));
    line.check(2.001, true, Reason::Live);
}

#[test]
fn a_scaled_job_counts_what_is_there_whatever_is_chosen() {
    let headroom = reactive(0.5, minutes(30));
    let mut line =
        expecting(Policy { scaled_job: true, ..policy() }, &selection(headroom, headroom));
    line.hold(0, 60, demand(20.0));
    line.check(20.0, true, Reason::Live);
    line.hold(75, 120, demand(0.0));
    line.check(0.0, false, Reason::Idle);
}

proptest! {
    /// More headroom, a longer window, more demand: never fewer replicas.
    #[test]
    fn more_never_gives_fewer(
        levels in prop::collection::vec(0.0f64..200.0, 1..120), utilization in 0.3f64..1.0, less in 0.0f64..0.9,
        window in 0i64..60, longer in 0i64..60, more in 1.0f64..2.0,
    ) {
        let line = |utilization: f64, window: i64| {
            let chosen = reactive(utilization, minutes(window));
            expecting(policy(), &selection(chosen, chosen))
        };
        let [mut base, mut headroom, mut slow, mut busy] = [
            line(utilization, window),
            line(utilization * (1.0 - less), window),
            line(utilization, window + longer),
            line(utilization, window),
        ];
        for (i, level) in levels.iter().enumerate() {
            let second = 15 * i as i64;
            let least = base.tick(second, demand(*level)).decision.desired_replicas;
            prop_assert!(headroom.tick(second, demand(*level)).decision.desired_replicas >= least);
            prop_assert!(slow.tick(second, demand(*level)).decision.desired_replicas >= least);
            prop_assert!(busy.tick(second, demand(*level * more)).decision.desired_replicas >= least);
        }
    }
}
