//! The simulator as a whole: blocks, gaps, shared looks at the forecast, and that its sums can be
//! stitched.

use std::f64::consts::TAU;

use proptest::prelude::*;

use super::*;
use crate::decide::policy::{Objective, Threshold};
use crate::replay::{Arm, Scenario, replay};
use crate::series::Series;
use crate::tuning::cold_start::ColdStart;
use crate::tuning::selection::SelectionCriteria;
use crate::tuning::{portfolio, selection};

const DAY: usize = 5760;

fn at(slot: usize) -> Timestamp {
    Timestamp::from_second(86_400 * 20_000 + 15 * slot as i64).unwrap()
}

fn spec() -> SimulatorSpec {
    SimulatorSpec::new(10.0, SignedDuration::from_secs(180))
}

/// Twelve replicas by day, two by night, bursts that come and go at minutes that repeat daily, and
/// a ripple that does not.
fn demand(slot: usize) -> f64 {
    let day = (slot % DAY) as f64 / DAY as f64;
    let burst = if (300..360).contains(&(slot % 720)) { 40.0 } else { 0.0 };
    let ripple = ((slot as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as f64 / 25.6;
    70.0 - 50.0 * (day * TAU).cos() + burst + ripple
}

/// What comes, for an hour, in buckets of a minute.
fn clairvoyant(slot: usize) -> Forecast {
    let row = |minute: usize| {
        let most = (0..4).map(|i| demand(slot + 4 * minute + i)).fold(0.0, f64::max);
        vec![most; 3]
    };
    Forecast::new(
        at(slot),
        SignedDuration::from_mins(1),
        vec![0.5, 0.9, 0.99],
        (0..60).map(row).collect(),
    )
}

fn run(simulator: &mut PolicySimulator, slots: std::ops::Range<usize>, sees: bool) {
    let mut forecast = None;
    for slot in slots {
        if slot % 20 == 0 && sees {
            forecast = Some(clairvoyant(slot));
        }
        simulator.step(at(slot), Some(demand(slot)), forecast.as_ref());
    }
}

/// Per policy, over all blocks.
fn totals(simulator: &PolicySimulator) -> Vec<Costs> {
    let mut totals = vec![Costs::default(); simulator.portfolio().len()];
    for block in simulator.blocks() {
        totals.iter_mut().zip(&block.sums).for_each(|(total, sums)| *total += *sums);
    }
    totals
}

#[test]
fn steady_demand_costs_what_it_needs_and_misses_nothing() {
    let mut simulator = PolicySimulator::new(spec(), vec![UNTUNED]);
    for slot in 0..=DAY {
        simulator.step(at(slot), Some(35.0), None);
    }
    let blocks: Vec<&Block> = simulator.blocks().collect();
    assert_eq!(
        blocks.iter().map(|block| (block.start, block.slots)).collect::<Vec<_>>(),
        [0, 1, 2, 3].map(|i| (at(1440 * i), 1440))
    );
    // 3.5 replicas' worth at 80 % is 4.4: within the tolerance of the four that run.
    let total = totals(&simulator)[0];
    assert!((total.gpu_hours - 24.0 * 4.0).abs() < 0.1 && total.missed == 0.0, "{total:?}");
    assert!(blocks.iter().all(|block| (block.demand - 6.0 * 3.5).abs() < 1e-9));
}

/// 4.2 replicas' worth is within the tolerance of the four that run: only the queue tells that they
/// do not suffice.
#[test]
fn what_waits_is_answered_only_where_it_is_seen() {
    let full = ShadowPolicy::Reactive {
        utilization: 1.0,
        scale_down_window: SignedDuration::from_mins(5),
    };
    let missed = |sees_queue| {
        let mut simulator =
            PolicySimulator::new(SimulatorSpec { sees_queue, ..spec() }, vec![full]);
        for slot in 0..=DAY {
            simulator.step(at(slot), Some(if slot == 0 { 40.0 } else { 42.0 }), None);
        }
        totals(&simulator)[0].missed
    };
    let all = 24.0 * 4.2;
    assert!(
        missed(true) < 0.1 * all && missed(false) > 0.9 * all,
        "{} {}",
        missed(true),
        missed(false)
    );
}

/// Every day of every setting: whoever is compared with an HPA, or steps aside for one, must know
/// what it costs.
#[test]
fn seen_plainly_reactive_policies_are_the_hpa() {
    let days = 3;
    let values = (0..days * DAY).map(demand).collect();
    let trace = Series::new(at(0), SignedDuration::from_secs(15), values);
    let policies = portfolio::reactive();
    let sums = |plainly| {
        let mut simulator =
            PolicySimulator::new(SimulatorSpec { plainly, max: 100, ..spec() }, policies.clone());
        run(&mut simulator, 0..days * DAY + 1, false);
        selection::complete_days(simulator.blocks(), DAY as u32)
    };
    let (plain, planner) = (sums(true), sums(false));
    let mut differ = 0;
    for (i, policy) in policies.iter().enumerate() {
        let mut scene = Scenario::new(Threshold::new(10.0).unwrap(), spec().lead);
        scene.hpa.utilization = policy.utilization();
        scene.hpa.behavior.as_mut().unwrap().down.stabilization = Some(policy.scale_down_window());
        let hpa = replay(&trace, &[], &scene, Arm::Hpa);
        for ((hpa, plain), planner) in hpa.days.iter().zip(&plain).zip(&planner) {
            let (plain, planner) = (plain.sums[i], planner.sums[i]);
            assert!(
                (plain.gpu_hours - hpa.gpu_hours).abs() < 1e-6,
                "{policy:?} {} {}",
                plain.gpu_hours,
                hpa.gpu_hours
            );
            assert!((plain.missed - hpa.missed_replica_hours).abs() < 1e-6, "{policy:?}");
            differ += usize::from((planner.gpu_hours - hpa.gpu_hours).abs() > 1e-3);
        }
    }
    assert!(differ > 100, "{differ}");
}

#[test]
fn a_gap_moves_nothing_and_counts_for_nothing() {
    let mut simulator = PolicySimulator::new(spec(), vec![UNTUNED]);
    for slot in 0..=1440 {
        let seen = (!(400..1000).contains(&slot)).then_some(35.0);
        simulator.step(at(slot), seen, None);
        simulator.step(at(slot), seen.map(|_| f64::NAN), None);
    }
    let block = simulator.blocks().next().unwrap();
    assert_eq!(block.slots, 840);
    assert!(
        (block.demand - 3.5 * 3.5).abs() < 1e-9
            && (block.sums[0].gpu_hours - 3.5 * 4.0).abs() < 0.1,
        "{block:?}"
    );
}

#[test]
fn who_sees_the_burst_coming_misses_next_to_nothing_and_costs_less_than_standing_ready() {
    let forecast = ShadowPolicy::Forecast {
        quantile: 0.9,
        forecast_utilization: 1.0,
        utilization: 1.0,
        hold: SignedDuration::ZERO,
        stabilization: SignedDuration::from_secs(15),
        drain: SignedDuration::from_secs(60),
    };
    let mut policies = portfolio::reactive();
    policies.push(forecast);
    let mut simulator = PolicySimulator::new(spec(), policies);
    run(&mut simulator, 0..3 * DAY + 1, true);
    let totals = totals(&simulator);
    let (ours, theirs) = totals.split_last().unwrap();
    let demand: f64 = simulator.blocks().map(|block| block.demand).sum();
    assert!(ours.missed < 0.001 * demand, "{ours:?} of {demand}");
    for (policy, sums) in simulator.portfolio().iter().zip(theirs) {
        assert!(
            sums.missed > 1.0 || sums.gpu_hours > 1.2 * ours.gpu_hours,
            "{policy:?} {sums:?} {ours:?}"
        );
    }
}

#[test]
fn an_hpa_with_a_long_window_of_its_own_comes_down_no_faster() {
    let quick = ShadowPolicy::Reactive {
        utilization: 0.8,
        scale_down_window: SignedDuration::from_secs(60),
    };
    let slow = ShadowPolicy::Reactive {
        utilization: 0.8,
        scale_down_window: SignedDuration::from_secs(900),
    };
    let mut free = PolicySimulator::new(spec(), vec![quick, slow]);
    let mut bound = PolicySimulator::new(
        SimulatorSpec { hpa_window: SignedDuration::from_secs(900), ..spec() },
        vec![quick, slow],
    );
    for simulator in [&mut free, &mut bound] {
        run(simulator, 0..DAY + 1, false);
    }
    let (free, bound) = (totals(&free), totals(&bound));
    assert!(free[0].gpu_hours < free[1].gpu_hours);
    assert_eq!((bound[0], bound[1]), (free[1], free[1]));
}

#[test]
fn what_a_store_kept_is_taken_over_what_does_not_fit_is_not() {
    let mut simulator = PolicySimulator::new(spec(), portfolio::reactive());
    run(&mut simulator, 0..1440 * 3 + 1, false);
    let kept: Vec<Block> = simulator.blocks().cloned().collect();
    let mut again = PolicySimulator::new(spec(), portfolio::reactive());
    let odd = Block { sums: vec![Costs::default(); 3], ..kept[0].clone() };
    again.restore(kept.iter().cloned().chain([odd]));
    assert_eq!(again.blocks().cloned().collect::<Vec<_>>(), kept);
    assert_eq!(again.totals(), totals(&simulator));
    assert_eq!(simulator.totals(), totals(&simulator));
    let many = (0..2 * KEPT).map(|i| Block { start: at(1440 * i), ..kept[0].clone() });
    again.restore(many);
    // What is not kept any more still counts.
    let hours = kept[0].sums[7].gpu_hours * 2.0 * KEPT as f64;
    assert!((again.totals()[7].gpu_hours - hours).abs() < 1e-6 * hours);
    assert_eq!(
        (again.blocks().count(), again.blocks().next().map(|block| block.start)),
        (KEPT, Some(at(1440 * KEPT)))
    );
}

/// The simulator's looks are shared and kept; asking the forecast anew at every slot gives the
/// same.
#[test]
fn a_look_that_is_kept_is_the_look_that_would_be_made() {
    let policies = portfolio::forecasting();
    let mut kept = PolicySimulator::new(spec(), policies.clone());
    let mut forecast = clairvoyant(3);
    for slot in 3..300 {
        if slot == 150 {
            forecast = clairvoyant(150);
        }
        kept.look(at(slot), Some(&forecast));
        let mut anew = PolicySimulator::new(spec(), policies.clone());
        anew.look(at(slot), Some(&forecast));
        assert_eq!(kept.ahead, anew.ahead, "slot {slot}");
    }
    kept.look(at(300), None);
    assert!(kept.ahead.iter().all(Option::is_none));
}

/// Choosing anew every day in one closed loop costs what the policies' own daily sums add up to.
#[test]
fn stitched_sums_are_the_closed_loop() {
    let mut policies = portfolio::reactive();
    policies.extend(portfolio::forecasting());
    let mut simulator = PolicySimulator::new(spec(), policies);
    let mut eyes = simulator.clone();
    let mut switched: Option<PolicyState> = None;
    let mut chosen: Vec<usize> = Vec::new();
    let mut forecast = None;
    for slot in 0..21 * DAY {
        if slot % 20 == 0 {
            forecast = Some(clairvoyant(slot));
        }
        simulator.step(at(slot), Some(demand(slot)), forecast.as_ref());
        if slot % DAY == 0 {
            // The forecast takes turns with the best reactive policy: switches that matter.
            let criteria = SelectionCriteria {
                objective: Objective::Cost,
                cost_ratio: 10.0 + (slot / DAY) as f64,
                lead: spec().lead,
                forecast_available: (slot / DAY).is_multiple_of(2),
            };
            let choice = selection::select(
                simulator.portfolio(),
                &selection::complete_days(simulator.blocks(), DAY as u32),
                simulator.totals(),
                &criteria,
            )
            .policy;
            chosen.push(
                simulator.portfolio().iter().position(|policy| *policy == choice).unwrap_or(31),
            );
        }
        let i = chosen[slot / DAY];
        let state = switched
            .get_or_insert_with(|| PolicyState::new(&simulator.params, whole(demand(slot) / 10.0)));
        let seen = eyes.slot(at(slot), demand(slot) / 10.0);
        state.step(&simulator.params, &simulator.rules[i], &seen, simulator.ahead[i]);
    }
    simulator.step(at(21 * DAY), None, None);
    let mut stitched = Costs::default();
    for (i, block) in simulator.blocks().enumerate() {
        stitched += block.sums[chosen[i / 4]];
    }
    assert!(chosen.windows(2).filter(|pair| pair[0] != pair[1]).count() > 10, "{chosen:?}");
    let closed = switched.unwrap().take_sums(&simulator.params);
    for ratio in [0.0, 10.0, 100.0] {
        let off = closed.total_cost(ratio) / stitched.total_cost(ratio);
        assert!((0.999..1.001).contains(&off), "{ratio}: {off} {closed:?} {stitched:?}");
    }
}

proptest! {
    /// Whatever comes, in whatever order: no panic, no figure that is not a number, no less
    /// capacity than the minimum.
    #[test]
    fn whatever_comes_sums_are_sane(
        slots in prop::collection::vec((0usize..4000, prop::option::of(prop_oneof![4 => 0.0f64..500.0, 1 => prop::num::f64::ANY])), 1..200),
        threshold in 0.001f64..100.0, min in 0u32..3, idle: bool, max in 0u32..50, lead in 0i64..2000, slow in prop::option::of(0i64..4000),
    ) {
        let lead = SignedDuration::from_secs(lead);
        let classes = std::iter::once((lead, 0.8)).chain(slow.map(|slow| (SignedDuration::from_secs(slow), 0.2)));
        let cold_start = ColdStart::weighted(classes).unwrap();
        let spec = SimulatorSpec { min, idle, max, cold_start, ..SimulatorSpec::new(threshold, lead) };
        let mut policies = portfolio::reactive();
        policies.extend(portfolio::forecasting());
        let mut simulator = PolicySimulator::new(spec, policies);
        let forecast = clairvoyant(1000);
        for (slot, demand) in slots {
            simulator.step(at(slot), demand, (slot > 2000).then_some(&forecast));
        }
        simulator.step(at(10_000), None, None);
        for block in simulator.blocks() {
            for sums in &block.sums {
                let Costs { gpu_hours, missed, queued } = *sums;
                prop_assert!(gpu_hours.is_finite() && missed.is_finite() && queued.is_finite());
                prop_assert!(missed >= 0.0 && queued >= 0.0);
                let hours = f64::from(block.slots) * 15.0 / 3600.0;
                let least = if idle { 0 } else { min };
                prop_assert!((f64::from(least) * hours - 1e-9..=f64::from(max.max(min)) * hours + 1e-9).contains(&gpu_hours), "{block:?}");
            }
        }
    }
}

/// One minute of 20,000 where 70 is usual: without the cap every policy misses 10⁵ replica-hours.
#[test]
fn one_bad_minute_moves_no_sums() {
    let sums = |bad: std::ops::Range<usize>| {
        let mut simulator = PolicySimulator::new(spec(), portfolio::reactive());
        for slot in 0..=2 * DAY {
            let demand = if bad.contains(&slot) { 20_000.0 } else { demand(slot) };
            simulator.step(at(slot), Some(demand), None);
        }
        totals(&simulator)
    };
    let clean = sums(0..0);
    for (bad, clean) in sums(DAY..DAY + 4).iter().zip(&clean) {
        assert!((bad.missed - clean.missed).abs() < 0.1 * clean.missed + 0.1, "{bad:?} {clean:?}");
        assert!(
            (bad.gpu_hours - clean.gpu_hours).abs() < 0.01 * clean.gpu_hours,
            "{bad:?} {clean:?}"
        );
    }
    // What lasts is no bad minute.
    assert!(
        sums(DAY..DAY + 40)
            .iter()
            .zip(&clean)
            .all(|(spike, clean)| spike.missed > clean.missed + 50.0)
    );
}
