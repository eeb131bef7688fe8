//! From a CSV to a decision, with the pure crate alone: no cluster, no database, no clock.
//!
//! ```sh
//! cargo run -p prewarm-forecaster --example decide                  # ten made-up days
//! cargo run -p prewarm-forecaster --example decide -- demand.csv    # yours: timestamp,value, five minutes apart
//! ```
//!
//! The example reads the file and prints; the crate does neither.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "an example reads a file and prints"
)]

use std::error::Error;
use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::decide::policy::Threshold;
use prewarm_forecaster::decide::timing::LoopTiming;
use prewarm_forecaster::tuning::inputs::SimulationInputs;
use prewarm_forecaster::tuning::model::{Forecasts, ModelInit, RefitSchedule, WorkloadModel};
use prewarm_forecaster::tuning::{BUCKET, MINUTE};
use prewarm_forecaster::{Answer, Calendar, Minute, Observation, Planner, Policy};

fn main() -> Result<(), Box<dyn Error>> {
    let text = match std::env::args().nth(1) {
        Some(path) => std::fs::read_to_string(path)?,
        None => made_up(),
    };
    let minutes = read(&text)?;
    let (first, last) = (minutes.first().ok_or("no rows")?, minutes.last().ok_or("no rows")?);
    let now = last.start + MINUTE;

    // What a trigger says: one replica carries 10, a cold start takes four minutes.
    let mut policy = Policy::new(Threshold::new(10.0)?, Calendar::empty(TimeZone::UTC));
    policy.cold_start = SignedDuration::from_mins(4);
    let policy = Arc::new(policy);
    let timing = LoopTiming::default();

    // History in, forecast and selection out.
    let mut model = WorkloadModel::new(ModelInit {
        policy: policy.clone(),
        inputs: SimulationInputs::new(&policy, timing, None, None, None),
        schedule: RefitSchedule::from_start(first.start, BUCKET),
        forecasts: Forecasts::Fitted,
        blocks: Vec::new(),
        selection: None,
        arrival: None,
        from: first.start,
        to: now,
    });
    model.advance(&minutes, now);
    let output = model.take_output();

    // Forecast, selection and observation in, decision out.
    let mut planner = Planner::new(policy, timing);
    match output.forecast {
        Ok(forecast) => planner.install(forecast),
        Err(reason) => println!("no forecast: {reason}"),
    }
    if let Some(selected) = model.selection() {
        println!(
            "selected on {} complete days: {:?}",
            selected.selection.days, selected.selection.policy
        );
        planner.install_selection(selected.selection.clone());
    }
    let observation = Observation { demand: Some(last.mean), ..Observation::default() };
    let recommendation = planner.tick(now, &observation);

    let decision = &recommendation.decision;
    let parts = &decision.parts;
    println!("at {now}: demand {}, looking {:#} ahead", last.mean, parts.lead);
    println!("forecast: {:?} at quantile {:.3}", parts.forecast, parts.forecast_quantile);
    match recommendation.answer {
        Answer::Value { metric_value, active } => {
            let (replicas, reason) = (decision.desired_replicas, decision.reason.as_str());
            println!(
                "answer: {metric_value}, which is {replicas} replicas; active: {active}; reason: {reason}"
            );
        }
        Answer::Unavailable | Answer::NoData => println!("answer: hold what runs"),
    }
    Ok(())
}

/// The minutes of rows `timestamp,value`, each of which stands for five; rows that are missing are
/// gaps.
fn read(text: &str) -> Result<Vec<Minute>, Box<dyn Error>> {
    let mut minutes = Vec::new();
    for row in text.lines().skip(1) {
        let (time, value) =
            row.split_once(',').ok_or_else(|| format!("{row:?}: write timestamp,value"))?;
        let (time, value): (Timestamp, f64) = (time.trim().parse()?, value.trim().parse()?);
        for n in 0..5 {
            minutes.push(Minute {
                start: time + MINUTE * n,
                mean: value,
                max: value,
                backlog: None,
                samples: 4,
            });
        }
    }
    Ok(minutes)
}

/// Ten days, and a morning until five to eight: nobody at night, some forty requests in flight from
/// eight on.
fn made_up() -> String {
    const ROWS_A_DAY: i32 = 288;
    let eight = ROWS_A_DAY / 3;
    let evening = ROWS_A_DAY * 3 / 4;
    let mut text = "timestamp,value\n".to_owned();
    for row in 0..10 * ROWS_A_DAY + eight - 1 {
        let time = Timestamp::UNIX_EPOCH + BUCKET * row;
        let of_day = row % ROWS_A_DAY;
        let value = if (eight..evening).contains(&of_day) { 40 + of_day % 3 } else { of_day % 2 };
        text += &format!("{time},{value}\n");
    }
    text
}
