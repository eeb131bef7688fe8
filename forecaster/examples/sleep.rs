//! What sleeping costs: Prewarm against every `cooldownPeriod`, where none may run.
//!
//! ```sh
//! cargo run --release -p prewarm-forecaster --example sleep -- demand.csv [REPLICAS [COLD_START_S [RATIO]]]
//! ```
//!
//! One replica carries the 99.5th percentile of demand, divided by REPLICAS (16). The last third
//! counts. Last it prints Brier scores of P(arrival within the lead) at the ends of quiet buckets:
//! of the model, refitted daily on what came before; of the idle times so far (Shahrad et al.,
//! ATC'20); of the share of such buckets so far.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "an example reads a file and prints"
)]

use std::error::Error;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::Series;
use prewarm_forecaster::arrival::ArrivalHistory;
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
    let [model, idle, share] = brier(&trace, high / replicas, cold_start);
    println!("brier,{model:.4},{idle:.4},{share:.4}");
    Ok(())
}

/// Mean squared errors over the last third, on days with a model.
fn brier(trace: &Series, threshold: f64, lead: SignedDuration) -> [f64; 3] {
    let bucket = trace.step().max(SignedDuration::from_mins(5));
    let per = (bucket.as_secs() / trace.step().as_secs()) as usize;
    let mut history = ArrivalHistory::new(bucket, lead, TimeZone::UTC);
    let ahead = (history.within().as_secs() / bucket.as_secs()) as usize;
    let buckets: Vec<&[f64]> = trace.values().chunks_exact(per.max(1)).collect();
    let came = |i: usize| buckets.get(i).is_some_and(|values| values.iter().any(|v| *v > 0.0));
    let day = (86_400 / bucket.as_secs()) as usize;
    let (mut idles, mut idle, mut seen, mut hits) = (Vec::new(), 0usize, 0.0, 0.0);
    let (mut errors, mut n, mut model) = ([0.0; 3], 0.0, None);
    for (i, values) in buckets.iter().enumerate() {
        let start = trace.instant(i * per);
        let minutes: Vec<_> = (0..)
            .zip(values.iter())
            .filter(|(_, value)| !value.is_nan())
            .map(|(k, value)| (start + trace.step() * k, value / threshold))
            .collect();
        history.push(start, &minutes, 0.0);
        let end = start + bucket;
        if came(i) {
            idles.push(std::mem::take(&mut idle));
        } else {
            idle += 1;
        }
        if i % day == day - 1 {
            model = history.fit(end).ok();
        }
        if came(i) || minutes.is_empty() || i + ahead >= buckets.len() {
            continue;
        }
        let truth = f64::from(u8::from((i + 1..=i + ahead).any(came)));
        if let Some(model) = model.as_ref().filter(|_| i >= buckets.len() * 2 / 3) {
            let longer = idles.iter().filter(|past| **past >= idle);
            let soon = longer.clone().filter(|past| **past < idle + ahead).count() as f64;
            let said = [
                model.probability(end, history.last(), &TimeZone::UTC),
                (soon + 0.5) / (longer.count() as f64 + 1.0),
                hits / f64::max(seen, 1.0),
            ];
            for (error, said) in errors.iter_mut().zip(said) {
                *error += (said - truth).powi(2);
            }
            n += 1.0;
        }
        // What was said of the last lead's buckets is known by now only of those before it; the
        // share hardly differs.
        (seen, hits) = (seen + 1.0, hits + truth);
    }
    errors.map(|error| error / f64::max(n, 1.0))
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
