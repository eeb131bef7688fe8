//! What holds of every arm on every history.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::arm::prewarm::{observe, policy, rhythm};
use super::fleet::Fleet;
use super::scene::{ColdStart, Keda};
use super::*;
use crate::decide::planner::Planner;
use crate::decide::policy::Threshold;

fn seconds(n: i64) -> SignedDuration {
    SignedDuration::from_secs(n)
}

fn scene(cold_start: i64) -> Scene {
    Scene::new(Threshold::new(10.0).unwrap(), seconds(cold_start))
}

fn trace(step: i64, values: Vec<f64>) -> Series {
    Series::new(Timestamp::UNIX_EPOCH, seconds(step), values)
}

/// Days of minutes with a wave of `low` to `high` that peaks at noon.
fn days(n: i64, low: f64, high: f64) -> Series {
    let wave = |minute: i64| {
        let angle = minute as f64 / 1440.0 * std::f64::consts::TAU;
        low + (high - low) * 0.5 * (1.0 - angle.cos())
    };
    trace(60, (0..n * 1440).map(wave).collect())
}

/// What the wave will be, known exactly, issued every five minutes.
fn foresight(trace: &Series) -> Vec<Forecast> {
    let minutes = trace.values().len();
    let issue = |minute: usize| {
        let rows = (minute..minute + 60).map(|m| vec![trace.values().get(m).copied().unwrap_or(f64::NAN); 2]).collect();
        Forecast::new(trace.instant(minute), SignedDuration::from_mins(1), vec![0.5, 0.99], rows)
    };
    (0..minutes.saturating_sub(60)).step_by(5).map(issue).collect()
}

fn cost(outcome: &Outcome, scene: &Scene) -> f64 {
    outcome.total_cost(scene.cost_ratio)
}

#[test]
fn arms_have_the_names_that_people_type() {
    let names = Arm::ALL.map(Arm::name);
    assert_eq!(names, ["hpa", "reactive-tuned", "yesterday", "cron", "knative", "aws", "prewarm", "oracle"]);
    assert!(Arm::ALL.into_iter().all(|arm| Arm::named(arm.name()) == Some(arm)));
    assert_eq!(Arm::named("HPA"), None);
}

#[test]
fn the_same_seed_gives_the_same_outcome_and_another_seed_another() {
    let cold_start = ColdStart::weighted([(seconds(60), 3.0), (seconds(600), 1.0)]).unwrap();
    let scene = |seed| Scene { cold_start: cold_start.clone(), seed, timeline: true, ..scene(60) };
    let trace = days(3, 5.0, 90.0);
    let forecasts = foresight(&trace);
    for arm in [Arm::Hpa, Arm::Knative, Arm::Prewarm, Arm::Oracle] {
        let of = |seed| replay(&trace, &forecasts, &scene(seed), arm);
        assert_eq!(of(1), of(1), "{arm}");
        assert_ne!(of(1), of(2), "{arm}");
    }
}

#[test]
fn what_a_forecast_knows_is_ready_in_time() {
    let trace = days(8, 5.0, 150.0);
    let scene = Scene { counted_from: Some(trace.instant(5 * 1440)), ..scene(600) };
    let forecasts = foresight(&trace);
    let of = |arm| replay(&trace, &forecasts, &scene, arm);
    let (tuned, prewarm) = (of(Arm::ReactiveTuned), of(Arm::Prewarm));
    assert!(cost(&prewarm, &scene) < 0.95 * cost(&tuned, &scene), "{prewarm:?} {tuned:?}");
    assert!(prewarm.choice.is_some_and(|choice| choice.policy.forecasts()));
    assert_eq!(prewarm.days.len(), 3);
}

#[test]
fn schedules_and_yesterday_foresee_what_recurs() {
    // Two hours at noon, out of nothing.
    let burst = |minute: i64| if (720..840).contains(&(minute % 1440)) { 150.0 } else { 5.0 };
    let trace = trace(60, (0..15 * 1440).map(burst).collect());
    let scene = Scene { counted_from: Some(trace.instant(8 * 1440)), ..scene(600) };
    let missed = |arm| replay(&trace, &[], &scene, arm).missed_replica_hours;
    let hpa = missed(Arm::Hpa);
    assert!(hpa > 0.0);
    for arm in [Arm::Yesterday, Arm::Cron, Arm::Aws] {
        assert!(missed(arm) < hpa, "{arm}");
    }
}

#[test]
fn days_add_up_to_the_whole_and_the_timeline_covers_what_counts() {
    let trace = days(4, 5.0, 90.0);
    let scene = Scene { counted_from: Some(trace.instant(1440 + 90)), timeline: true, ..scene(180) };
    for arm in Arm::ALL {
        let outcome = replay(&trace, &[], &scene, arm);
        let sum = |figure: fn(&DaySum) -> f64| outcome.days.iter().map(figure).sum::<f64>();
        assert!((sum(|day| day.gpu_hours) - outcome.gpu_hours).abs() < 1e-6, "{arm}");
        assert!((sum(|day| day.missed_replica_hours) - outcome.missed_replica_hours).abs() < 1e-6, "{arm}");
        assert_eq!((outcome.days.len(), outcome.timeline.len()), (3, (3 * 1440 - 90) * 4), "{arm}");
        let ran: f64 = outcome.timeline.iter().map(|moment| f64::from(moment.desired)).sum::<f64>() / 240.0;
        assert!((ran - outcome.gpu_hours).abs() < 1e-6, "{arm}");
    }
}

#[test]
fn a_history_of_nothing_costs_nothing() {
    for arm in Arm::ALL {
        assert_eq!(cost(&replay(&trace(60, Vec::new()), &[], &scene(60), arm), &scene(60)), 0.0, "{arm}");
        let gaps = replay(&trace(60, vec![f64::NAN; 1000]), &[], &scene(60), arm);
        assert_eq!((gaps.gpu_hours, gaps.miss_share), (0.0, 0.0), "{arm}");
    }
}

#[test]
fn zero_demand_for_ever_costs_the_minimum_and_no_more() {
    let quiet = trace(60, vec![0.0; 2 * 1440]);
    for arm in Arm::ALL {
        for min in [0, 1, 3] {
            let scene = Scene { keda: Keda { min, ..Keda::default() }, ..scene(180) };
            let outcome = replay(&quiet, &[], &scene, arm);
            assert_eq!((outcome.gpu_hours, outcome.missed_replica_hours), (48.0 * f64::from(min), 0.0), "{arm} {min}");
            assert_eq!(outcome.starts, 0, "{arm} {min}");
        }
    }
}

#[test]
fn a_workload_at_zero_wakes_serves_and_goes_back() {
    let mut values = vec![0.0; 240];
    values[60..70].fill(20.0);
    for arm in [Arm::Hpa, Arm::Prewarm, Arm::Oracle] {
        let scene = Scene { keda: Keda { min: 0, ..Keda::default() }, timeline: true, ..scene(60) };
        let outcome = replay(&trace(60, values.clone()), &[], &scene, arm);
        let ready = |minute: usize| outcome.timeline[minute * 4].ready;
        assert_eq!((ready(10), ready(239)), (0, 0), "{arm}");
        assert!(ready(69) >= 2, "{arm}");
    }
}

/// The planner in the loop answers what one answers that is driven as the collector drives it.
#[test]
fn the_planner_in_replay_and_the_planner_of_the_service_decide_alike() {
    let trace = days(2, 5.0, 90.0);
    let forecasts = foresight(&trace);
    let scene = Scene { timeline: true, ..scene(180) };
    let outcome = replay(&trace, &forecasts, &scene, Arm::Prewarm);
    let demand = Demand::new(&trace, &scene);
    let mut planner = Planner::new(Arc::new(policy(&scene)), rhythm(&scene));
    let mut fleet = Fleet::new(&demand, &scene, 0);
    let mut pilot = Pilot::new(&scene, &forecasts);
    let mut installed = 0;
    let mut queue = 0.0f64;
    for (i, moment) in outcome.timeline.iter().enumerate() {
        // Before the step: as the service saw it after the one before.
        let (ready, starting) = match i.checked_sub(1).and_then(|before| outcome.timeline.get(before)) {
            Some(before) => (before.ready, before.desired - before.ready),
            None => (1, 0),
        };
        let landed = if i == 0 { 0 } else { moment.ready.saturating_sub(ready).min(starting) };
        fleet.dictate(ready + landed, starting - landed);
        fleet.queue = queue;
        // The tuner's part is its own test; here the choice is handed over.
        pilot.signal(&demand, i, &fleet);
        if let Some(choice) = pilot.choice().filter(|choice| planner.choice() != Some(choice)) {
            planner.install_choice(choice.clone());
        }
        while let Some(forecast) = forecasts.get(installed).filter(|forecast| forecast.origin() <= moment.time) {
            planner.install(forecast.clone());
            installed += 1;
        }
        let seen = observe(&demand, i, steps(scene.metric_delay) as usize, &fleet, 10.0);
        let recommendation = planner.tick(moment.time, &seen);
        assert_eq!(recommendation.decision.reason.as_str(), moment.reason, "step {i}");
        let value = moment.metric_value.unwrap();
        assert!((recommendation.decision.metric_value - value).abs() < 1e-9, "step {i}: {recommendation:?} {value}");
        queue = (queue + demand.values[i] - f64::from(moment.ready)).max(0.0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever comes, no arm costs less than the one that knows; and all that is counted is in bounds.
    #[test]
    fn the_oracle_is_never_beaten(
        levels in prop::collection::vec((0.0f64..120.0, 1usize..60), 1..30), lead in 1i64..60, ratio in 0.5f64..300.0,
        min in 0u32..3, seed in any::<u64>(),
    ) {
        let values = levels.iter().flat_map(|(level, minutes)| std::iter::repeat_n(*level, *minutes)).collect();
        let trace = trace(60, values);
        let keda = Keda { min, max: 30, ..Keda::default() };
        let scene = Scene { keda, cost_ratio: ratio, seed, ..scene(15 * lead) };
        let outcomes = replay_all(&trace, &[], &scene, &Arm::ALL);
        let oracle = outcomes.iter().find(|(arm, _)| *arm == Arm::Oracle).map(|(_, outcome)| cost(outcome, &scene));
        for (arm, outcome) in &outcomes {
            prop_assert!(cost(outcome, &scene) >= oracle.unwrap(), "{arm}");
            prop_assert!((0.0..=1.0 + 1e-9).contains(&outcome.miss_share), "{arm} {}", outcome.miss_share);
            prop_assert!(outcome.gpu_hours >= f64::from(min) * trace.values().len() as f64 / 60.0 - 1e-6, "{arm}");
        }
    }

    /// Nor by its own plan alone, without looking at the others, where a quiet first quarter of an hour leaves it time to
    /// start what the first need takes. (It plans no spare capacity for a queue that it could not prevent.)
    #[test]
    fn its_own_plan_is_hardly_ever_the_dearer(
        levels in prop::collection::vec((0.0f64..120.0, 5usize..60), 1..30), lead in 1i64..60,
    ) {
        let quiet = std::iter::repeat_n(0.0, 15);
        let levels = levels.iter().flat_map(|(level, minutes)| std::iter::repeat_n(*level, *minutes));
        let (trace, scene) = (trace(60, quiet.chain(levels).collect()), scene(15 * lead));
        let oracle = cost(&replay(&trace, &[], &scene, Arm::Oracle), &scene);
        for arm in [Arm::Hpa, Arm::ReactiveTuned, Arm::Knative, Arm::Prewarm] {
            let other = cost(&replay(&trace, &[], &scene, arm), &scene);
            prop_assert!(oracle <= 1.001 * other, "{arm}: {oracle} {other}");
        }
    }
}
