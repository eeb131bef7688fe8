//! Where there is nothing to foresee, and where zero is: what the planner, its bank and its tuner
//! come to in the loop.

use jiff::{SignedDuration, Timestamp};

use crate::control::keda::ScaledObject;
use crate::decide::policy::Threshold;
use crate::decide::selection::{Costs, Selection, SelectionReason, ShadowPolicy};
use crate::forecast::{Ensemble, Spec};
use crate::replay::scenario::Service;
use crate::replay::{Arm, History, Outcome, Scenario, lead_span, replay, replay_prewarm};
use crate::series::Series;
use crate::tuning::model::RefitSchedule;
use crate::tuning::simulator::{PolicySimulator, SimulatorSpec};
use crate::tuning::{horizon, portfolio};
use crate::{Calendar, Forecast};

use super::*;

mod windows;

const BUCKET: SignedDuration = SignedDuration::from_mins(5);
const BUCKETS_A_DAY: i64 = 288;

/// Even within [0, 1): SplitMix64 of `n`.
fn chance(n: i64) -> f64 {
    let mut z = (n as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}

fn trace(days: i64, demand: impl Fn(i64) -> f64) -> Series {
    Series::new(Timestamp::UNIX_EPOCH, BUCKET, (0..days * BUCKETS_A_DAY).map(demand).collect())
}

/// Three weeks, of which the last counts.
fn scene(trace: &Series, cold_start: i64, keda: ScaledObject) -> Scenario {
    Scenario {
        keda,
        counted_from: Some(trace.end() - SignedDuration::from_hours(7 * 24)),
        ..Scenario::new(Threshold::new(10.0).unwrap(), SignedDuration::from_secs(cold_start))
    }
}

/// As issued: nothing is known of what comes.
fn forecasts(trace: &Series, lead: SignedDuration) -> Vec<Forecast> {
    let ready = lead + BUCKET * 3;
    let spec = Spec {
        leads: vec![BUCKET, ready, ready + portfolio::LONGEST_HOLD],
        quantiles: vec![0.5, 0.8, 0.9, 0.95, 0.975, 0.99],
        calendar: Calendar::empty(jiff::tz::TimeZone::UTC),
    };
    let mut ensemble = Ensemble::new(trace.start(), trace.step(), spec);
    let issue = |value: &f64| {
        ensemble.push(*value);
        ensemble.forecast().ok()
    };
    trace.values().iter().filter_map(issue).collect()
}

fn cost(outcome: &Outcome, scene: &Scenario) -> f64 {
    outcome.total_cost(scene.cost_ratio)
}

#[test]
fn shadow_policies_live_in_the_scene() {
    let trace = trace(1, |_| 1.0);
    let keda = |min, idle| ScaledObject {
        min,
        idle,
        max: 7,
        cooldown: SignedDuration::from_secs(60),
        ..ScaledObject::default()
    };
    for (shows_queue, idle) in [(true, None), (false, Some(0))] {
        let scene = Scenario { shows_queue, ..scene(&trace, 120, keda(2, idle)) };
        let policy = scene.policy();
        let simulator = scene.simulation_inputs(&policy, BUCKET).simulator(&policy);
        let SimulatorSpec { min, idle: none, max, cooldown, sees_queue, lead, .. } =
            simulator.spec().clone();
        assert_eq!((min, none, max, sees_queue), (2, idle.is_some(), 7, shows_queue));
        assert_eq!((cooldown.as_secs(), lead.as_secs()), (60, 120));
    }
}

#[test]
fn where_spikes_come_by_chance_it_costs_what_the_tuned_hpa_costs() {
    // Two replicas' worth, and a spike of up to twelve for five to ten minutes whenever it likes.
    let spikes = |i: i64| {
        let height = |i: i64| if chance(7 * i) < 0.01 { 120.0 * chance(7 * i + 1) } else { 0.0 };
        18.0 + 4.0 * chance(3 * i + 2) + height(i).max(height(i - 1))
    };
    let trace = trace(21, spikes);
    let forecasts = forecasts(&trace, SignedDuration::from_secs(60));
    // Told as soon as an HPA that asks for its metric itself, and a slot later.
    let cells = [10.0, 30.0, 100.0].map(|ratio| [(ratio, 0, 1.02), (ratio, 15, 1.1)]);
    for (ratio, age, most) in cells.concat() {
        let service = Service { answer_age: SignedDuration::from_secs(age), ..Service::default() };
        let scene = scene(&trace, 60, ScaledObject::default());
        let scene = Scenario { cost_ratio: ratio, service, ..scene };
        let of = |arm| cost(&replay(&trace, &forecasts, &scene, arm), &scene);
        let (prewarm, tuned) = (of(Arm::Prewarm), of(Arm::ReactiveTuned));
        assert!(prewarm <= most * tuned, "{ratio} {age}: {prewarm} {tuned}");
    }
}

/// Forecasts that were issued beforehand, as the command line issues them, are the ones that the
/// model would have made.
#[test]
fn with_forecasts_made_beforehand_it_does_the_same() {
    let wave = |i: i64| {
        let turn = (i % BUCKETS_A_DAY) as f64 / BUCKETS_A_DAY as f64 * std::f64::consts::TAU;
        60.0 - 45.0 * turn.cos() + 20.0 * chance(3 * i)
    };
    // Neither whole days nor a full bucket at its start.
    let minutes =
        (0..3 * 1440 + 400).map(|minute: i64| wave((minute + 203).div_euclid(5))).collect();
    let start = Timestamp::from_second(203 * 60).unwrap();
    let trace = Series::new(start, SignedDuration::from_mins(1), minutes);
    let scene = Scenario {
        timeline: true,
        counted_from: None,
        ..scene(&trace, 600, ScaledObject::default())
    };

    let buckets = History::new(&trace).buckets(scene.threshold);
    let schedule = RefitSchedule::from_start(buckets.start(), buckets.step());
    let leads = horizon::leads(buckets.step(), lead_span(&scene), horizon::EXACT, None);
    let calendar = Calendar::empty(jiff::tz::TimeZone::UTC);
    let spec = Spec { leads, quantiles: horizon::QUANTILES.to_vec(), calendar };
    let mut ensemble = Ensemble::new(buckets.start(), buckets.step(), spec).refit_by_caller();
    let mut issued = Vec::new();
    for (i, value) in buckets.values().iter().enumerate() {
        ensemble.push(*value);
        schedule.refit_if_due(&mut ensemble, i + 1, buckets.instant(i + 1));
        issued.extend(ensemble.forecast().ok());
    }
    let (beforehand, own) =
        (replay(&trace, &issued, &scene, Arm::Prewarm), replay_prewarm(&trace, &scene));
    assert!(
        own.selections.iter().any(|selected| selected.selection.policy.forecasts()),
        "{:?}",
        own.selections
    );
    assert!(own.timeline.iter().any(|moment| moment.forecast.is_some()));
    assert_eq!(beforehand, own);
}

/// Each quantile a multiple of what came at the same time yesterday.
fn yesterday(trace: &Series) -> Vec<Forecast> {
    let day = BUCKETS_A_DAY as usize;
    let issue = |i: usize| {
        let row = |h: usize| {
            [0.5, 0.9, 0.99].map(|q| trace.values()[i - day + h] * (0.7 + 0.6 * q)).to_vec()
        };
        Forecast::new(trace.instant(i), BUCKET, vec![0.5, 0.9, 0.99], (0..18).map(row).collect())
    };
    (day..=trace.values().len()).map(issue).collect()
}

/// The bank's figures are what the choice is made by: they must be the ones that the planner's
/// choice then comes to, with queues, spikes that panic, and cold starts longer than either lasts.
#[test]
fn the_bank_foretells_what_the_planner_will_cost_and_miss() {
    let wave = |i: i64| {
        let turn = (i % BUCKETS_A_DAY) as f64 / BUCKETS_A_DAY as f64 * std::f64::consts::TAU;
        let spike = if chance(11 * i) < 0.02 { 150.0 * chance(11 * i + 1) } else { 0.0 };
        60.0 - 45.0 * turn.cos() + 20.0 * chance(3 * i) + spike
    };
    let trace = trace(9, wave);
    let forecasts = yesterday(&trace);
    let reactive = |utilization: f64, seconds: i64| ShadowPolicy::Reactive {
        utilization,
        scale_down_window: SignedDuration::from_secs(seconds),
    };
    let mut policies = vec![reactive(0.5, 60), reactive(0.8, 300), reactive(1.0, 1800)];
    policies.extend(portfolio::forecasting().into_iter().filter(
        |policy| matches!(*policy, ShadowPolicy::Forecast { quantile, .. } if [0.9, 0.99].contains(&quantile)),
    ));
    for (cold_start, shows_queue) in [(60, true), (600, true), (60, false), (600, false)] {
        let scene = scene(&trace, cold_start, ScaledObject::default());
        let from = trace.start() + SignedDuration::from_hours(48);
        let scene = Scenario { counted_from: Some(from), shows_queue, ..scene };
        let spec = SimulatorSpec {
            max: scene.keda.max,
            sees_queue: shows_queue,
            ..SimulatorSpec::new(10.0, SignedDuration::from_secs(cold_start))
        };
        let mut bank = PolicySimulator::new(spec, policies.clone());
        let step = SignedDuration::from_secs(15);
        let mut now = trace.start();
        while now <= trace.end() {
            let i = (now.duration_since(trace.start()).as_secs() / BUCKET.as_secs()) as usize;
            let newest = forecasts
                .partition_point(|forecast| forecast.origin() + ACTIVATION_DELAY <= now)
                .checked_sub(1);
            bank.step(now, trace.values().get(i).copied(), newest.map(|newest| &forecasts[newest]));
            now += step;
        }
        // A queue that nobody answers hangs on every replica that tolerance keeps or not.
        let near = if shows_queue { 0.05 } else { 0.1 };
        for (i, policy) in policies.iter().enumerate() {
            let mut told = Costs::default();
            bank.blocks().skip(8).for_each(|block| told += block.sums[i]);
            let best_reactive = if policy.forecasts() { policies[0] } else { *policy };
            let choice = Selection::untried(*policy, best_reactive, SelectionReason::Earned, 30.0);
            let service = Service { selection: Some(choice), ..Service::default() };
            let came =
                replay(&trace, &forecasts, &Scenario { service, ..scene.clone() }, Arm::Prewarm);
            let off = (
                came.gpu_hours / told.gpu_hours,
                (came.missed_replica_hours + 0.1) / (told.missed + 0.1),
            );
            assert!(
                (0.98..1.02).contains(&off.0) && (off.1 - 1.0).abs() < near,
                "{cold_start} {shows_queue} {policy:?}: {off:?}, {told:?} {} {}",
                came.gpu_hours,
                came.missed_replica_hours
            );
        }
    }
}

/// A tenant that works from about nine to about twelve and from two to about six, five days a week.
fn office(i: i64) -> f64 {
    let (day, hour) = (i.div_euclid(BUCKETS_A_DAY), i.rem_euclid(BUCKETS_A_DAY) as f64 / 12.0);
    let late = |edge: i64| 0.3 * (chance(100 * day + edge) - 0.5);
    let (morning, afternoon) = (9.0 + late(0)..12.0 + late(1), 14.0 + late(2)..18.0 + late(3));
    // The epoch was a Thursday.
    let works =
        (day + 3).rem_euclid(7) < 5 && (morning.contains(&hour) || afternoon.contains(&hour));
    if works { 25.0 + 30.0 * chance(5 * i) } else { 0.0 }
}

#[test]
fn a_tenant_that_comes_and_goes_costs_less_from_zero_than_with_any_cooldown() {
    let trace = trace(21, office);
    let forecasts = forecasts(&trace, SignedDuration::from_secs(600));
    let of = |arm, cooldown| {
        let keda = ScaledObject {
            min: 0,
            cooldown: SignedDuration::from_secs(cooldown),
            ..ScaledObject::default()
        };
        let scene = scene(&trace, 600, keda);
        cost(&replay(&trace, &forecasts, &scene, arm), &scene)
    };
    let prewarm = of(Arm::Prewarm, 300);
    for cooldown in [60, 300, 900, 1800, 3600] {
        let tuned = of(Arm::ReactiveTuned, cooldown);
        assert!(prewarm < 0.9 * tuned, "{cooldown}: {prewarm} {tuned}");
    }
}
