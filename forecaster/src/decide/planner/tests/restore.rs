//! A planner that goes on from a checkpoint answers as one that never stopped.

use proptest::prelude::*;

use super::tactics::{minutes, reactive, selection};
use super::*;
use crate::decide::Verdict;
use crate::decide::planner::checkpoint::Checkpoint;
use crate::decide::selection::ShadowPolicy;

const SLOT: i64 = 15;

/// The planner that a restart makes: what is kept elsewhere is installed, the rest comes from the
/// checkpoint.
fn successor(of: &Planner, checkpoint: &Checkpoint) -> Planner {
    let mut planner = Planner::new(of.policy.clone(), of.timing);
    planner.set_gate(of.gate);
    planner.learn_start_ups(of.start_ups.clone());
    of.forecast.iter().for_each(|forecast| planner.install(forecast.clone()));
    of.selection.iter().for_each(|selection| planner.install_selection(selection.clone()));
    planner.restore(checkpoint);
    planner
}

fn observations() -> impl Strategy<Value = Vec<Observation>> {
    let number = prop_oneof![
        4 => (0.0f64..200.0).prop_map(Some),
        3 => Just(Some(0.0)),
        2 => Just(None),
        1 => prop::num::f64::ANY.prop_map(Some),
    ];
    let replicas = (0u32..6, 0u32..3).prop_map(|(ready, starting)| Replicas { ready, starting });
    let (backlog, replicas) = (prop::option::of(0.0f64..50.0), prop::option::of(replicas));
    let one = (number.clone(), backlog, number, any::<bool>(), replicas);
    let one = one.prop_map(|(demand, backlog, latency, absent, replicas)| Observation {
        demand,
        backlog,
        latency,
        absent,
        replicas,
    });
    prop::collection::vec(one, 2..120)
}

fn policies() -> impl Strategy<Value = ShadowPolicy> {
    let ahead = ShadowPolicy::Forecast {
        quantile: 0.5,
        forecast_utilization: 0.8,
        utilization: 1.25,
        hold: minutes(10),
        stabilization: minutes(15),
        drain: minutes(1),
    };
    prop_oneof![Just(ahead), Just(reactive(0.8, minutes(30))), Just(reactive(1.25, minutes(6)))]
}

proptest! {
    #[test]
    fn it_goes_on_as_if_it_had_never_stopped(
        seen in observations(), cut in 1usize..120, pause in 0i64..30, chosen in prop::option::of(policies()),
        floor in prop::option::of(0u32..5), ceiling in prop::option::of(0u32..9), keep_warm in 0i64..20,
    ) {
        let calendar = office(floor, ceiling, None);
        let policy = Policy { latency_target: Some(1.0), keep_warm: minutes(keep_warm), calendar, ..policy() };
        let mut whole = Planner::new(Arc::new(policy), LoopTiming::default());
        whole.install(forecast(28_000, 600, 1_200, 55.0));
        if let Some(policy) = chosen {
            whole.install_selection(selection(policy, reactive(0.8, minutes(10))));
        }
        let cut = cut.min(seen.len() - 1);
        let slot = |i: usize| at(28_000 + SLOT * i as i64);
        for (i, observation) in seen[..cut].iter().enumerate() {
            whole.tick(slot(i), observation);
        }
        let checkpoint = whole.checkpoint().unwrap();
        let mut restored = successor(&whole, &checkpoint);
        prop_assert_eq!(&restored.checkpoint().unwrap(), &checkpoint, "nothing is lost on the way");
        // Both were asked for nothing for a while, or for none.
        for (i, observation) in seen.iter().enumerate().skip(cut) {
            let now = slot(i) + SignedDuration::from_secs(SLOT * pause);
            let (expected, told) = (whole.tick(now, observation), restored.tick(now, observation));
            // By their text, because NaN differs from itself.
            prop_assert_eq!(format!("{:?}", told), format!("{:?}", expected));
        }
        prop_assert_eq!(whole.checkpoint(), restored.checkpoint());
    }

    /// Before the first sample after a restart: what was known says no less than the last answer
    /// said.
    #[test]
    fn without_a_sample_it_says_no_less_than_before(seen in observations(), chosen in prop::option::of(policies())) {
        let mut whole = Planner::new(Arc::new(policy()), LoopTiming::default());
        whole.install(forecast(0, 600, 1_200, 55.0));
        if let Some(policy) = chosen {
            whole.install_selection(selection(policy, reactive(0.8, minutes(10))));
        }
        let mut last = None;
        for (i, observation) in seen.iter().enumerate() {
            last = Some(whole.tick(at(SLOT * i as i64), observation));
        }
        let checkpoint = whole.checkpoint().unwrap();
        if checkpoint.holds() {
            return Ok(());
        }
        let mut restored = successor(&whole, &checkpoint);
        let nothing = Observation { replicas: seen.last().unwrap().replicas, ..Observation::default() };
        let told = restored.tick(whole.last_tick.unwrap(), &nothing);
        if let (Some(Recommendation { answer: Answer::Value { metric_value: before, active: was }, decision, .. }),
                Answer::Value { metric_value, active }) = (last, told.answer)
        {
            // What one slot alone said, and nobody confirmed, is never repeated.
            let held = decision.parts.checks().iter().any(|(_, check)| check.verdict == Verdict::Held);
            prop_assert!(held || metric_value >= before, "{decision:?} then {:?}", told.decision);
            prop_assert!(active || !was, "{decision:?} then {:?}", told.decision);
        }
    }
}

#[test]
fn a_sleeping_workload_that_is_being_prewarmed_stays_so() {
    let mut line = Timeline::new(policy());
    line.hold(0, 3600, demand(0.0));
    line.0.install(forecast(0, 3900, 7200, 64.0));
    line.hold(3615, 3630, demand(0.0));
    line.check(70.0, true, Reason::Forecast);
    let mut restored = successor(&line.0, &line.0.checkpoint().unwrap());
    let told = restored.tick(at(3637), &Observation::default());
    assert_eq!(told.answer, Answer::Value { metric_value: 70.0, active: true });
    let told = restored.tick(at(3645), &demand(0.0));
    assert_eq!(told.answer, Answer::Value { metric_value: 70.0, active: true });
}

#[test]
fn a_planner_that_has_not_ticked_has_nothing_to_hand_on() {
    assert_eq!(Planner::new(Arc::new(policy()), LoopTiming::default()).checkpoint(), None);
}
