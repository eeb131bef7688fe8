//! From a CSV to a decision, with the pure crate alone: no cluster, no database, no clock.
//!
//! ```sh
//! cargo run -p prewarm-forecaster --example decide                  # ten made-up days
//! cargo run -p prewarm-forecaster --example decide -- demand.csv    # yours: timestamp,value, five minutes apart
//! ```
//!
//! The example reads the file and prints; the crate does neither.

#![expect(clippy::disallowed_methods, clippy::disallowed_macros, reason = "an example reads a file and prints")]

use std::error::Error;
use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::decide::policy::Threshold;
use prewarm_forecaster::decide::rhythm::Rhythm;
use prewarm_forecaster::{Answer, Calendar, Ensemble, Observation, Planner, Policy, Spec};

/// Distance of the rows.
const STEP: SignedDuration = SignedDuration::from_mins(5);

/// Demand that one replica carries.
const THRESHOLD: f64 = 10.0;

fn main() -> Result<(), Box<dyn Error>> {
    let text = match std::env::args().nth(1) {
        Some(path) => std::fs::read_to_string(path)?,
        None => made_up(),
    };
    let (start, history) = read(&text)?;
    let calendar = Calendar::empty(TimeZone::UTC);

    // History → forecast: quantiles of demand for the next half hour.
    let spec = Spec {
        leads: [1, 2, 6].map(|steps| STEP * steps).to_vec(),
        quantiles: vec![0.5, 0.9, 0.95, 0.99],
        calendar: calendar.clone(),
    };
    let mut ensemble = Ensemble::new(start, STEP, spec);
    for value in &history {
        ensemble.push(*value);
    }
    let forecast = ensemble.forecast()?;
    let now = forecast.origin();

    // Forecast and observation → decision. A cold start takes four minutes.
    let mut policy = Policy::new(Threshold::new(THRESHOLD)?, calendar);
    policy.cold_start = SignedDuration::from_mins(4);
    let mut planner = Planner::new(Arc::new(policy), Rhythm::default());
    planner.install(forecast);
    let newest = history.last().copied().filter(|value| value.is_finite());
    let recommendation = planner.tick(now, &Observation { demand: newest, ..Observation::default() });

    let decision = &recommendation.decision;
    let lead = decision.parts.lead;
    println!("at {now}: demand {newest:?}, looking {lead:#} ahead");
    println!("forecast: {:?} at quantile {:.3}", decision.parts.forecast, decision.parts.forecast_quantile);
    match recommendation.answer {
        Answer::Value { metric_value, active } => {
            println!(
                "answer: {metric_value} = {} replicas, active: {active}, because of {}",
                decision.desired_replicas,
                decision.reason.as_str()
            );
        }
        Answer::Unavailable | Answer::NoData => println!("answer: hold what runs"),
    }
    Ok(())
}

/// First instant and values of rows `timestamp,value`; rows that are missing are gaps.
fn read(text: &str) -> Result<(Timestamp, Vec<f64>), Box<dyn Error>> {
    let mut start = None;
    let mut values = Vec::new();
    for row in text.lines().skip(1) {
        let (time, value) = row.split_once(',').ok_or_else(|| format!("{row:?}: write timestamp,value"))?;
        let time: Timestamp = time.trim().parse()?;
        let first = *start.get_or_insert(time);
        let place = usize::try_from(time.duration_since(first).as_secs() / STEP.as_secs())?;
        values.resize(place, f64::NAN);
        values.push(value.trim().parse()?);
    }
    let start = start.ok_or("there are no rows below the head")?;
    Ok((start, values))
}

/// Ten days at five minutes, and then a morning until five minutes to eight: nobody at night, forty requests in flight from eight on.
fn made_up() -> String {
    let start = Timestamp::UNIX_EPOCH;
    let rows = 10 * 288 + 95;
    let mut text = "timestamp,value\n".to_owned();
    for row in 0..rows {
        let time = start + STEP * row;
        let of_day = row % 288;
        let value = if (96..216).contains(&of_day) { 40 + of_day % 3 } else { of_day % 2 };
        text += &format!("{time},{value}\n");
    }
    text
}
