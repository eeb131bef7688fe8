//! Arms of a replay. `cargo bench -p prewarm-forecaster --bench replay`.

use std::f64::consts::TAU;

use divan::Bencher;
use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::decide::policy::Threshold;
use prewarm_forecaster::replay::{Arm, Scenario, replay, replay_all};
use prewarm_forecaster::{Forecast, Series};

fn main() {
    divan::main();
}

/// A daily wave of two to twelve replicas in minutes, with noise enough that fleets move.
fn demand(minute: i64) -> f64 {
    let noise = ((minute as u64 / 5).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as f64 / 8.0;
    70.0 - 50.0 * (minute as f64 / 1440.0 * TAU).cos() + noise
}

fn trace(days: i64) -> Series {
    let values = (0..days * 1440).map(demand).collect();
    Series::new(Timestamp::UNIX_EPOCH, SignedDuration::from_mins(1), values)
}

/// Issued every five minutes, an hour in buckets of five minutes.
fn forecasts(days: i64) -> Vec<Forecast> {
    let row = |minute: i64| [0.0, 16.0, 32.0, 48.0].map(|more| demand(minute) + more).to_vec();
    let issue = |n: i64| {
        let origin = Timestamp::UNIX_EPOCH + SignedDuration::from_mins(5 * n);
        let rows = (0..12).map(|bucket| row(5 * (n + bucket))).collect();
        Forecast::new(origin, SignedDuration::from_mins(5), vec![0.5, 0.9, 0.95, 0.99], rows)
    };
    (0..days * 288).map(issue).collect()
}

fn scene() -> Scenario {
    Scenario::new(Threshold::new(10.0).expect("in range"), SignedDuration::from_mins(3))
}

/// A week of 40,320 steps.
#[divan::bench(args = Arm::ALL)]
fn a_week(bencher: Bencher<'_, '_>, arm: Arm) {
    let (trace, forecasts, scene) = (trace(7), forecasts(7), scene());
    bencher.bench(|| replay(&trace, &forecasts, &scene, arm));
}

/// 28 days, every arm.
#[divan::bench(sample_count = 5, sample_size = 1)]
fn four_weeks_of_all(bencher: Bencher<'_, '_>) {
    let (trace, forecasts, scene) = (trace(28), forecasts(28), scene());
    bencher.bench(|| replay_all(&trace, &forecasts, &scene, &Arm::ALL));
}
