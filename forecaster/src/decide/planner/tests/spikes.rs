//! What one slot says alone: bad samples, spikes, and how they are told apart.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::control::average_value::replicas;
use crate::control::quantity::MAX_REPLICAS;
use crate::decide::selection::{Selection, SelectionReason, ShadowPolicy};
use crate::decide::{Check, Earlier, Verdict};
use crate::series::Minute;

const NOTHING: Observation =
    Observation { demand: None, backlog: None, latency: None, replicas: None, absent: false };

fn running(ready: u32, observation: Observation) -> Observation {
    Observation { replicas: Some(Replicas { ready, starting: 0 }), ..observation }
}

fn queued(items: f64) -> Observation {
    Observation { backlog: Some(items), ..demand(0.0) }
}

/// Demand of 10, one replica, has been there for ten minutes.
fn usual() -> Timeline {
    let mut line = Timeline::unseen(policy());
    line.hold(0, 600, demand(10.0));
    line
}

#[test]
fn one_sample_of_1e12_asks_for_no_more_than_four_times_what_was_needed_and_is_not_repeated() {
    let mut line = usual();
    line.tick(615, demand(1e12));
    line.check(40.0, true, Reason::Panic);
    let parts = line.1.decision.parts;
    assert_eq!((parts.observed, parts.live), (Some(1e12), Some(40.0)));
    assert_eq!(parts.demand_check, Check { verdict: Verdict::Held, earlier: None });
    line.tick(630, demand(10.0));
    line.check(10.0, true, Reason::Live);
    assert_eq!(line.1.decision.parts.demand_check.earlier, Some(Earlier::Rejected));
    // Nor in an outage.
    line.tick(645, demand(1e12));
    line.hold(660, 900, NOTHING);
    line.check(10.0, true, Reason::LastGood);
}

#[test]
fn a_spike_of_any_size_waits_for_one_slot() {
    let mut line = usual();
    line.tick(615, demand(30.0));
    line.check(30.0, true, Reason::Panic);
    let mut line = usual();
    line.tick(615, demand(9000.0));
    line.check(40.0, true, Reason::Panic);
    line.tick(630, demand(9000.0));
    line.check(9000.0, true, Reason::Panic);
    assert_eq!(line.1.decision.parts.demand_check.earlier, Some(Earlier::Confirmed));
    // A unit that changed for good is a spike like another; the way back needs no confirmation.
    line.hold(645, 700, demand(9000.0));
    line.hold(705, 900, demand(9.0));
    line.check(9.0, true, Reason::Live);
}

#[test]
fn a_missed_slot_between_two_samples_is_bridged_and_a_gap_is_not() {
    let mut line = usual();
    line.tick(615, demand(9000.0));
    line.tick(630, NOTHING);
    line.check(10.0, true, Reason::Live);
    line.tick(645, demand(9000.0));
    line.check(9000.0, true, Reason::Panic);
    let mut line = usual();
    line.tick(615, demand(9000.0));
    line.hold(630, 690, NOTHING);
    line.tick(705, demand(9000.0));
    assert_eq!(line.1.decision.parts.demand_check.verdict, Verdict::Held);
    assert_eq!(line.1.decision.metric_value, 40.0);
}

#[test]
fn sleepers_wake_at_once() {
    let mut line = Timeline::unseen(policy());
    line.hold(0, 3600, demand(0.0));
    line.tick(3615, demand(1.0));
    line.check(1.0, true, Reason::Panic);
    // By more than one replica's worth: by one, and by all of it when it is confirmed.
    let mut line = Timeline::unseen(policy());
    line.hold(0, 3600, demand(0.0));
    line.tick(3615, demand(80.0));
    line.check(10.0, true, Reason::Panic);
    line.tick(3630, demand(80.0));
    line.check(80.0, true, Reason::Panic);
    let mut line = Timeline::unseen(policy());
    line.hold(0, 3600, demand(0.0));
    line.tick(3615, queued(1e12));
    line.check(10.0, true, Reason::Backlog);
    line.tick(3630, queued(80.0));
    line.check(80.0, true, Reason::Backlog);
}

#[test]
fn the_first_sample_of_all_is_judged_by_what_runs_and_else_waits() {
    let first = |observation| {
        let mut line = Timeline::unseen(policy());
        line.tick(0, observation);
        line
    };
    first(demand(8.0)).check(8.0, true, Reason::Live);
    first(running(3, demand(100.0))).check(100.0, true, Reason::Live);
    first(running(3, demand(1e12))).check(120.0, true, Reason::Panic);
    first(running(0, demand(1e12))).check(10.0, true, Reason::Panic);
    // Who runs is not known: less than what runs may not be answered, nor more than can be.
    for unknown in
        [demand(100.0), queued(100.0), Observation { backlog: Some(100.0), ..demand(5.0) }]
    {
        let mut line = first(unknown);
        assert_eq!(line.1.answer, Answer::NoData);
        line.tick(15, unknown);
        assert!(line.1.decision.metric_value >= 100.0, "{:?}", line.1);
    }
    // An empty history says nothing of it either.
    let mut line = Timeline::unseen(policy());
    line.0.warm(at(5), &[]);
    line.tick(0, demand(100.0));
    assert_eq!(line.1.answer, Answer::NoData);
    // The slot before, asked for after the fact, confirms it at once.
    let mut line = Timeline::unseen(policy());
    line.0.witness(at(-15), &demand(90.0));
    line.tick(0, demand(100.0));
    line.check(100.0, true, Reason::Live);
    let mut line = Timeline::unseen(policy());
    line.0.witness(at(-15), &demand(10.0));
    line.tick(0, demand(1e12));
    assert_eq!(line.1.answer, Answer::NoData);
}

#[test]
fn a_restart_between_the_two_samples_waits_for_another() {
    let minutes: Vec<Minute> = (-30..0)
        .map(|n| Minute { start: at(n * 60), mean: 10.0, max: 11.0, backlog: None, samples: 4 })
        .collect();
    let mut line = Timeline::unseen(policy());
    line.0.warm(at(5), &minutes);
    line.tick(0, demand(9000.0));
    line.check(44.0, true, Reason::Panic);
    line.tick(15, demand(9000.0));
    line.check(9000.0, true, Reason::Panic);
    // A backfilled minute of the last hour is not repeated either.
    let mut bad = minutes;
    bad[10] = Minute { mean: 1e12, max: 1e12, samples: 1, ..bad[10] };
    bad[29] = Minute { mean: 1e12, max: 1e12, samples: 1, ..bad[29] };
    let mut line = Timeline::unseen(policy());
    line.0.warm(at(5), &bad[..29]);
    line.tick(0, demand(10.0));
    line.check(10.0, true, Reason::Live);
}

#[test]
fn a_queue_and_a_latency_that_cannot_be_are_held_like_demand() {
    let mut line = usual();
    line.tick(615, Observation { backlog: Some(1e12), ..demand(10.0) });
    line.check(40.0, true, Reason::Backlog);
    assert_eq!(line.1.decision.parts.backlog_check.verdict, Verdict::Held);
    line.hold(630, 660, demand(10.0));
    line.check(10.0, true, Reason::Live);
    let mut line = Timeline::unseen(Policy { latency_target: Some(2.0), ..policy() });
    line.hold(0, 600, Observation { latency: Some(1.0), ..demand(10.0) });
    line.tick(615, Observation { latency: Some(1e12), ..demand(10.0) });
    assert_eq!(line.1.decision.metric_value, 20.0);
    // A latency is bridged; one that cannot be is not.
    line.tick(630, demand(10.0));
    line.check(10.0, true, Reason::Live);
}

#[test]
fn what_may_run_bounds_what_is_held_and_nothing_asks_for_more_than_a_cluster_holds() {
    let mut line = usual();
    line.0.set_may_run(Some(2));
    line.tick(615, demand(1e12));
    line.check(20.0, true, Reason::Panic);
    line.tick(630, demand(1e12));
    assert_eq!(line.1.decision.desired_replicas, MAX_REPLICAS);
    let mut line = Timeline::new(policy());
    line.0.install(forecast(0, 0, 3600, 1e15));
    line.tick(0, demand(1.0));
    assert_eq!(line.1.decision.desired_replicas, MAX_REPLICAS);
    assert_eq!(line.1.decision.parts.forecast_replicas, MAX_REPLICAS);
}

#[test]
fn what_is_held_is_not_kept_by_a_scale_down_window() {
    let hour = ShadowPolicy::Reactive {
        utilization: 0.5,
        scale_down_window: SignedDuration::from_hours(1),
    };
    let mut line = Timeline::unseen(policy());
    line.0.install_selection(Arc::new(Selection::untried(
        hour,
        hour,
        SelectionReason::ReactiveBest,
        30.0,
    )));
    line.hold(0, 600, demand(10.0));
    line.tick(615, demand(1e12));
    assert_eq!(line.1.decision.desired_replicas, 8, "four times the two of before");
    line.tick(630, demand(10.0));
    assert_eq!(line.1.decision.desired_replicas, 2);
}

fn sane() -> impl Strategy<Value = Vec<(Option<f64>, Option<f64>, Option<f64>)>> {
    let demand = prop_oneof![4 => (0.0f64..200.0).prop_map(Some), 1 => Just(None)];
    let one = (demand, prop::option::of(0.0f64..50.0), prop::option::of(0.0f64..1.5));
    prop::collection::vec(one, 0..60)
}

fn anything() -> impl Strategy<Value = Observation> {
    let number = || {
        prop_oneof![Just(None), prop::num::f64::ANY.prop_map(Some), (0.0f64..1e13).prop_map(Some)]
    };
    (number(), number(), number()).prop_map(|(demand, backlog, latency)| Observation {
        demand,
        backlog,
        latency,
        ..NOTHING
    })
}

proptest! {
    /// The false-flood property: whatever a single slot says, wherever it falls, whatever is
    /// chosen.
    #[test]
    fn no_single_slot_floods(
        before in sane(), bad in anything(), after in sane(), ready in prop::option::of(0u32..40),
        floor in prop::option::of(1u32..5), utilization in 0.3f64..1.2,
    ) {
        let chosen = ShadowPolicy::Reactive { utilization, scale_down_window: SignedDuration::from_mins(10) };
        let calendar = office(floor, None, None);
        let mut line = Timeline::unseen(Policy { latency_target: Some(1.0), calendar, ..policy() });
        line.0.install_selection(Arc::new(Selection::untried(chosen, chosen, SelectionReason::ReactiveBest, 30.0)));
        let seen = |(demand, backlog, latency)| Observation { demand, backlog, latency, ..NOTHING };
        let all = before.iter().copied().map(seen).chain([bad]).chain(after.iter().copied().map(seen));
        // What a slot needs at the most, as it is answered; latency may lift demand by a half.
        let share = utilization.min(1.0);
        let sane = before.iter().chain(&after);
        let (most_demand, most_backlog) = sane.fold((0.0f64, 0.0f64), |(demand, backlog), slot| {
            (demand.max(slot.0.unwrap_or(0.0)), backlog.max(slot.1.unwrap_or(0.0)))
        });
        let needed = replicas((1.5 * most_demand + most_backlog) / share, policy().threshold);
        let most = 4 * needed.max(ready.unwrap_or(0));
        let most = most.max(floor.unwrap_or(0)).max(1);
        for (slot, observation) in (0..).zip(all) {
            let observation = ready.map_or(observation, |ready| running(ready, observation));
            let decision = line.tick(36_000 + 15 * slot, observation).decision;
            prop_assert!(decision.desired_replicas <= most, "{} > {most} in slot {slot}: {decision:?}", decision.desired_replicas);
        }
    }

    #[test]
    fn two_equal_slots_in_a_row_are_always_followed(before in sane(), value in 0.0f64..1e6, items in 0.0f64..1e6) {
        let mut line = Timeline::unseen(policy());
        let mut second = 0;
        for (demand, backlog, latency) in before {
            line.tick(second, Observation { demand, backlog, latency, ..NOTHING });
            second += 15;
        }
        let observation = Observation { backlog: Some(items), ..demand(value) };
        line.hold(second, second + 15, observation);
        let decision = line.1.decision;
        let panic = decision.parts.live.unwrap_or(0.0);
        let stable = 0.0f64.max(panic);
        prop_assert_eq!(decision.parts.backlog_demand, items);
        // The stable window's mean, or the panic window's: in both the sample is whole.
        prop_assert!(stable >= value / 4.0 && decision.metric_value >= decision.parts.live.unwrap_or(0.0) - 0.001);
        prop_assert!(decision.parts.demand_check.verdict == Verdict::Plausible);
    }
}
