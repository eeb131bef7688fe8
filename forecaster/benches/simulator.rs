//! A day of a workload's shadow simulator, and a choice. `cargo bench -p prewarm-forecaster --bench
//! simulator`.

use std::f64::consts::TAU;

use divan::{Bencher, black_box};
use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::Forecast;
use prewarm_forecaster::decide::policy::Objective;
use prewarm_forecaster::tuning::cold_start::ColdStart;
use prewarm_forecaster::tuning::portfolio;
use prewarm_forecaster::tuning::selection::{SelectionCriteria, complete_days, select};
use prewarm_forecaster::tuning::simulator::{PolicySimulator, SimulatorSpec};

fn main() {
    divan::main();
}

const DAY: i64 = 5760;
const LEAD: SignedDuration = SignedDuration::from_secs(180);

fn at(slot: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(15 * slot)
}

/// A daily wave of two to twelve replicas with noise enough that the fleets move.
fn demand(slot: i64) -> f64 {
    let noise = ((slot as u64 / 20).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as f64 / 8.0;
    70.0 - 50.0 * (slot as f64 / DAY as f64 * TAU).cos() + noise
}

/// Issued every five minutes, an hour in buckets of five minutes.
fn forecast(slot: i64) -> Forecast {
    let row = |bucket: i64| {
        [0.0, 16.0, 32.0, 48.0].map(|more| demand(slot + 20 * bucket) + more).to_vec()
    };
    Forecast::new(
        at(slot),
        SignedDuration::from_mins(5),
        vec![0.5, 0.9, 0.95, 0.99],
        (0..12).map(row).collect(),
    )
}

fn simulator() -> PolicySimulator {
    bank_with(ColdStart::constant(LEAD))
}

fn bank_with(cold_start: ColdStart) -> PolicySimulator {
    let mut policies = portfolio::reactive();
    policies.extend(portfolio::forecasting());
    PolicySimulator::new(SimulatorSpec { cold_start, ..SimulatorSpec::new(10.0, LEAD) }, policies)
}

fn run(simulator: &mut PolicySimulator, slots: std::ops::Range<i64>) {
    let mut issued = None;
    for slot in slots {
        if slot % 20 == 0 {
            issued = Some(forecast(slot));
        }
        simulator.step(at(slot), Some(demand(slot)), issued.as_ref());
    }
}

/// All policies, 5,760 slots.
#[divan::bench]
fn a_day_of_the_bank(bencher: Bencher<'_, '_>) {
    bencher.with_inputs(simulator).bench_local_values(|mut simulator| {
        run(&mut simulator, 0..DAY);
        simulator
    });
}

/// The same with start-ups that are drawn, one in five of them three times as long.
#[divan::bench]
fn a_day_of_drawn_start_ups(bencher: Bencher<'_, '_>) {
    let drawn =
        ColdStart::weighted([(LEAD, 0.8), (LEAD * 3, 0.2)]).unwrap_or(ColdStart::constant(LEAD));
    bencher.with_inputs(|| bank_with(drawn.clone())).bench_local_values(|mut simulator| {
        run(&mut simulator, 0..DAY);
        simulator
    });
}

/// A choice on 28 days.
#[divan::bench(args = [Objective::Cost, Objective::Late(0.01)])]
fn a_choice(bencher: Bencher<'_, '_>, objective: &Objective) {
    let mut simulator = simulator();
    run(&mut simulator, 0..28 * DAY + 1);
    let criteria = SelectionCriteria {
        objective: *objective,
        cost_ratio: 30.0,
        lead: LEAD,
        forecast_available: true,
    };
    bencher.bench_local(|| {
        let days = complete_days(black_box(simulator.blocks()), DAY as u32);
        select(simulator.portfolio(), &days, simulator.totals(), &criteria)
    });
}
