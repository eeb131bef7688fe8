//! What holds of every arm on every history.

mod limits;

use std::sync::Arc;

use jiff::civil;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::arm::prewarm::observe;
use super::fleet::Fleet;
use super::scenario::{ColdStart, Slots};
use super::*;
use crate::calendar::{Calendar, Days, HolidayRule, Window};
use crate::control::keda::ScaledObject;
use crate::decide::planner::{Gate, Planner};
use crate::decide::policy::Threshold;
use crate::tuning::horizon::ACTIVATION_DELAY;

fn seconds(n: i64) -> SignedDuration {
    SignedDuration::from_secs(n)
}

fn scene(cold_start: i64) -> Scenario {
    Scenario::new(Threshold::new(10.0).unwrap(), seconds(cold_start))
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
        // In the precision that stores keep.
        let at =
            |m: usize| trace.values().get(m).map_or(f64::NAN, |value| f64::from(*value as f32));
        let rows = (minute..minute + 60).map(|m| vec![at(m); 2]).collect();
        Forecast::new(trace.instant(minute), SignedDuration::from_mins(1), vec![0.5, 0.99], rows)
    };
    (0..minutes.saturating_sub(60)).step_by(5).map(issue).collect()
}

fn cost(outcome: &Outcome, scene: &Scenario) -> f64 {
    outcome.total_cost(scene.cost_ratio)
}

#[test]
fn arms_have_the_names_that_people_type() {
    let names = Arm::ALL.map(Arm::name);
    assert_eq!(
        names,
        ["hpa", "reactive-tuned", "yesterday", "cron", "knative", "aws", "prewarm", "oracle"]
    );
    assert!(Arm::ALL.into_iter().all(|arm| Arm::named(arm.name()) == Some(arm)));
    assert_eq!(Arm::named("HPA"), None);
}

#[test]
fn the_same_seed_gives_the_same_outcome_and_another_seed_another() {
    let cold_start = ColdStart::weighted([(seconds(60), 3.0), (seconds(600), 1.0)]).unwrap();
    let scene =
        |seed| Scenario { cold_start: cold_start.clone(), seed, timeline: true, ..scene(60) };
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
    let scene = Scenario { counted_from: Some(trace.instant(5 * 1440)), ..scene(600) };
    let forecasts = foresight(&trace);
    let of = |arm| replay(&trace, &forecasts, &scene, arm);
    let (tuned, prewarm) = (of(Arm::ReactiveTuned), of(Arm::Prewarm));
    assert!(cost(&prewarm, &scene) < 0.97 * cost(&tuned, &scene), "{prewarm:?} {tuned:?}");
    assert!(prewarm.selection.is_some_and(|choice| choice.policy.forecasts()));
    assert_eq!(prewarm.days.len(), 3);
}

#[test]
fn schedules_and_yesterday_foresee_what_recurs() {
    // Two hours at noon, out of nothing.
    let burst = |minute: i64| if (720..840).contains(&(minute % 1440)) { 150.0 } else { 5.0 };
    let trace = trace(60, (0..15 * 1440).map(burst).collect());
    let scene = Scenario { counted_from: Some(trace.instant(8 * 1440)), ..scene(600) };
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
    let scene =
        Scenario { counted_from: Some(trace.instant(1440 + 90)), timeline: true, ..scene(180) };
    for arm in Arm::ALL {
        let outcome = replay(&trace, &[], &scene, arm);
        let sum = |figure: fn(&DaySum) -> f64| outcome.days.iter().map(figure).sum::<f64>();
        assert!((sum(|day| day.gpu_hours) - outcome.gpu_hours).abs() < 1e-6, "{arm}");
        assert!(
            (sum(|day| day.missed_replica_hours) - outcome.missed_replica_hours).abs() < 1e-6,
            "{arm}"
        );
        assert_eq!((outcome.days.len(), outcome.timeline.len()), (3, (3 * 1440 - 90) * 4), "{arm}");
        let ran: f64 =
            outcome.timeline.iter().map(|moment| f64::from(moment.desired)).sum::<f64>() / 240.0;
        assert!((ran - outcome.gpu_hours).abs() < 1e-6, "{arm}");
    }
}

#[test]
fn a_history_of_nothing_costs_nothing() {
    for arm in Arm::ALL {
        assert_eq!(
            cost(&replay(&trace(60, Vec::new()), &[], &scene(60), arm), &scene(60)),
            0.0,
            "{arm}"
        );
        let gaps = replay(&trace(60, vec![f64::NAN; 1000]), &[], &scene(60), arm);
        assert_eq!((gaps.gpu_hours, gaps.miss_share), (0.0, 0.0), "{arm}");
    }
}

#[test]
fn zero_demand_for_ever_costs_the_minimum_and_no_more() {
    let quiet = trace(60, vec![0.0; 2 * 1440]);
    for arm in Arm::ALL {
        for min in [0, 1, 3] {
            let scene =
                Scenario { keda: ScaledObject { min, ..ScaledObject::default() }, ..scene(180) };
            let outcome = replay(&quiet, &[], &scene, arm);
            assert_eq!(
                (outcome.gpu_hours, outcome.missed_replica_hours),
                (48.0 * f64::from(min), 0.0),
                "{arm} {min}"
            );
            assert_eq!(outcome.starts, 0, "{arm} {min}");
        }
    }
}

#[test]
fn a_workload_at_zero_wakes_serves_and_goes_back() {
    let mut values = vec![0.0; 240];
    values[60..70].fill(20.0);
    for arm in [Arm::Hpa, Arm::Prewarm, Arm::Oracle] {
        let scene = Scenario {
            keda: ScaledObject { min: 0, ..ScaledObject::default() },
            timeline: true,
            ..scene(60)
        };
        let outcome = replay(&trace(60, values.clone()), &[], &scene, arm);
        let ready = |minute: usize| outcome.timeline[minute * 4].ready;
        assert_eq!((ready(10), ready(239)), (0, 0), "{arm}");
        assert!(ready(69) >= 2, "{arm}");
    }
}

/// The planner in the loop answers what one answers that is driven as the collector drives it.
#[test]
fn the_planner_in_replay_and_the_planner_of_the_service_decide_alike() {
    // A forecast may act after two days, from the next block of six hours on.
    let trace = days(3, 5.0, 90.0);
    let forecasts = foresight(&trace);
    let scene = Scenario { timeline: true, ..scene(180) };
    let outcome = replay(&trace, &forecasts, &scene, Arm::Prewarm);
    let demand = Demand::new(&trace, &scene);
    let mut planner = Planner::new(Arc::new(scene.policy()), scene.timing());
    planner.set_gate(Gate::Closed);
    let mut fleet = Fleet::new(&demand, &scene, 0);
    let mut arm =
        PlannerArm::new(&scene, History::new(&trace), Forecasts::Issued(forecasts.clone()));
    let mut installed = 0;
    let mut queue = 0.0f64;
    // What the slot before answered: the HPA is told that.
    let mut answered = None;
    // What comes is known until an hour before the end.
    let known = forecasts.last().map_or(trace.start(), Forecast::origin);
    for (i, moment) in
        outcome.timeline.iter().enumerate().take_while(|(_, moment)| moment.time <= known)
    {
        // Before the step: as the service saw it after the one before.
        let (ready, starting) =
            match i.checked_sub(1).and_then(|before| outcome.timeline.get(before)) {
                Some(before) => (before.ready, before.desired - before.ready),
                None => (1, 0),
            };
        let landed = if i == 0 { 0 } else { moment.ready.saturating_sub(ready).min(starting) };
        fleet.set_replicas(ready + landed, starting - landed);
        fleet.queue = queue;
        // The selection is a test of its own; here it is handed over.
        arm.signal(&demand, i, &fleet);
        if let Some(choice) = arm.selection().filter(|choice| planner.selection() != Some(choice)) {
            planner.install_selection(choice.clone());
        }
        let acts = |forecast: &&Forecast| forecast.origin() + ACTIVATION_DELAY <= moment.time;
        while let Some(forecast) = forecasts.get(installed).filter(acts) {
            planner.install(forecast.clone());
            installed += 1;
        }
        let seen = observe(&demand, i, steps(scene.metric_delay) as usize, &fleet, 10.0);
        let newest = planner.tick(moment.time, &seen);
        let recommendation = answered.replace(newest.clone()).unwrap_or(newest);
        assert_eq!(recommendation.decision.reason.as_str(), moment.reason, "step {i}");
        let value = moment.metric_value.unwrap();
        assert!(
            (recommendation.decision.metric_value - value).abs() < 1e-9,
            "step {i}: {recommendation:?} {value}"
        );
        queue = (queue + demand.values[i] - f64::from(moment.ready)).max(0.0);
    }
    assert!(
        outcome.timeline.iter().any(|moment| moment.reason == "forecast"),
        "the forecast acted"
    );
}

/// Work and money of a stretch of an arm.
fn figures(tallies: &[Totals]) -> (f64, f64) {
    tallies.iter().fold((0.0, 0.0), |(replicas, missed), tally| {
        (replicas + tally.replicas, missed + tally.missed)
    })
}

/// A noisy wave: fleets move all the time, and settings that were best change.
fn noisy(n: i64) -> Series {
    let wave = days(n, 20.0, 150.0);
    let shaken = |(minute, level): (usize, &f64)| {
        let noise = (minute as u64 / 3).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
        let burst = if minute % 1440 / 60 == 9 + minute / 1440 % 5 { 60.0 } else { 0.0 };
        level + noise as f64 / 4.0 + burst
    };
    trace(60, wave.values().iter().enumerate().map(shaken).collect())
}

/// Changing settings at midnight, from one to its neighbor as the tuner does, costs what the days
/// cost under settings that never changed: sums of a bank may be stitched.
#[test]
fn daily_sums_stitched_are_the_closed_loop_within_a_thousandth() {
    let (trace, scene) = (noisy(15), scene(180));
    let demand = Demand::new(&trace, &scene);
    let played = |of: &dyn Fn(usize) -> Settings| {
        run(&demand, &scene, &mut Driver::Metrics(None, 0.0), of, false).tallies
    };
    let tuned = |utilization, minutes| Settings {
        utilization,
        scale_down_window: SignedDuration::from_mins(minutes),
        panics: false,
    };
    let changing = |day: usize| [tuned(0.8, 5), tuned(0.75, 5), tuned(0.75, 15)][day % 3];
    let closed = figures(&played(&changing));
    let stitched = (0..demand.segments.len()).fold((0.0, 0.0), |sum, day| {
        let (replicas, missed) = figures(&played(&|_| changing(day))[day..=day]);
        (sum.0 + replicas, sum.1 + missed)
    });
    let total = |(replicas, missed): (f64, f64)| replicas + scene.cost_ratio * missed;
    let ratio = total(closed) / total(stitched);
    assert!(
        stitched.1 > 0.0 && (0.999..=1.001).contains(&ratio),
        "{ratio} {closed:?} {stitched:?}"
    );
}

/// Every plan there is on a short history of steps that end at once: the oracle's is one of them,
/// and not much dearer than the cheapest.
#[test]
fn no_plan_at_all_is_much_cheaper_than_the_oracles() {
    const STEPS: usize = 9;
    const MOST: usize = 3;
    let (mut cheapest, mut planned) = (0.0, 0.0);
    for seed in 0..12u64 {
        let level = |i: usize| {
            let z = (seed * 31 + i as u64 / 3 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 61;
            if i < 2 { 0.0 } else { [0.0, 0.0, 4.0, 7.0, 10.0, 12.0, 16.0, 20.0][z as usize] }
        };
        let trace = trace(15, (0..STEPS).map(level).collect());
        for lead in [1u32, 2] {
            let keda = ScaledObject { min: 0, max: 2, ..ScaledObject::default() };
            let scene = Scenario { keda, cost_ratio: 3.0, ..scene(15 * i64::from(lead)) };
            let demand = Demand::new(&trace, &scene);
            let mut least = f64::INFINITY;
            for mut code in 0..MOST.pow(STEPS as u32) {
                let mut plan: Vec<(u32, u32)> = Vec::with_capacity(STEPS);
                for _ in 0..STEPS {
                    plan.push(((code % MOST) as u32, 0));
                    code /= MOST;
                }
                let rises: Vec<_> = (0..STEPS)
                    .map(|i| plan[i].0.saturating_sub(if i == 0 { 0 } else { plan[i - 1].0 }))
                    .collect();
                // What starts in time: nothing is Ready before a cold start is over.
                if rises[..lead as usize].iter().any(|rise| *rise > 0) {
                    continue;
                }
                for (i, rise) in rises.iter().enumerate().filter(|(_, rise)| **rise > 0) {
                    plan[i - lead as usize..i]
                        .iter_mut()
                        .for_each(|(_, starting)| *starting += rise);
                }
                let played =
                    run(&demand, &scene, &mut Driver::Dictated(&plan), |_| tuned::TRUSTING, false);
                let (replicas, missed) = figures(&played.tallies);
                least = least.min(replicas + scene.cost_ratio * missed);
            }
            let oracle = cost(&replay(&trace, &[], &scene, Arm::Oracle), &scene) * 240.0;
            assert!(
                oracle >= least - 1e-9,
                "nobody can do what it does: {oracle} {least} of seed {seed}"
            );
            (cheapest, planned) = (cheapest + least, planned + oracle);
        }
    }
    assert!(planned < 1.2 * cheapest, "{}", planned / cheapest);
}
