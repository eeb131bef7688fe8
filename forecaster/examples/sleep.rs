//! What sleeping costs: Prewarm against every `cooldownPeriod`, where none may run.
//!
//! ```sh
//! cargo run --release -p prewarm-forecaster --example sleep -- demand.csv [REPLICAS [COLD_START_S [RATIO]]]
//! ```
//!
//! One replica carries the 99.5th percentile of demand, divided by REPLICAS (16). The last third
//! counts.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "an example reads a file and prints"
)]

use std::error::Error;

use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::Series;
use prewarm_forecaster::decide::policy::Threshold;
use prewarm_forecaster::replay::{Arm, Outcome, Scenario, replay, replay_prewarm};

/// Cooldowns in seconds.
const COOLDOWNS: [i64; 8] = [0, 60, 300, 900, 1800, 3600, 7200, 21_600];

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let text = std::fs::read_to_string(arguments.next().ok_or("which file?")?)?;
    let mut number = |default: f64| arguments.next().map_or(Ok(default), |text| text.parse());
    let (replicas, cold_start, ratio) = (number(16.0)?, number(600.0)?, number(30.0)?);
    let trace = read(&text)?;
    let mut sorted: Vec<f64> =
        trace.values().iter().copied().filter(|value| !value.is_nan()).collect();
    sorted.sort_by(f64::total_cmp);
    let high = sorted.get(sorted.len() * 995 / 1000).copied().ok_or("no rows")?.max(1e-9);

    let cold_start = SignedDuration::from_secs(cold_start as i64);
    let mut scene = Scenario::new(Threshold::new(high / replicas)?, cold_start);
    scene.cost_ratio = ratio;
    scene.keda.min = 0;
    scene.counted_from = Some(trace.instant(trace.values().len() * 2 / 3));
    let cost = |outcome: &Outcome| outcome.total_cost(ratio);
    for arm in [Arm::Hpa, Arm::ReactiveTuned] {
        for seconds in COOLDOWNS {
            scene.keda.cooldown = SignedDuration::from_secs(seconds);
            let outcome = replay(&trace, &[], &scene, arm);
            println!(
                "{arm},{seconds},{:.3},{:.3},{:.3}",
                cost(&outcome),
                outcome.gpu_hours,
                outcome.missed_replica_hours
            );
        }
    }
    scene.keda.cooldown = SignedDuration::from_secs(300);
    let outcome = replay_prewarm(&trace, &scene);
    println!(
        "prewarm,300,{:.3},{:.3},{:.3}",
        cost(&outcome),
        outcome.gpu_hours,
        outcome.missed_replica_hours
    );
    Ok(())
}

/// Rows `timestamp,value` in even steps; rows that are missing are gaps.
fn read(text: &str) -> Result<Series, Box<dyn Error>> {
    let mut rows = Vec::new();
    for line in text.lines().skip(1).filter(|line| !line.trim().is_empty()) {
        let (time, value) = line.split_once(',').ok_or("two columns are needed")?;
        rows.push((time.parse::<Timestamp>()?.as_second(), value.trim().parse::<f64>()?));
    }
    let first = rows.first().ok_or("no rows")?.0;
    let step = rows.windows(2).map(|pair| pair[1].0 - pair[0].0).min().ok_or("one row")?.max(1);
    let len = usize::try_from((rows.last().ok_or("no rows")?.0 - first) / step)? + 1;
    let mut values = vec![f64::NAN; len];
    for (at, value) in rows {
        values[usize::try_from((at - first) / step)?] = value;
    }
    Ok(Series::new(Timestamp::from_second(first)?, SignedDuration::from_secs(step), values))
}
