use jiff::tz::TimeZone;

use super::*;
use crate::calendar::Calendar;
use crate::decide::policy::{ScaleToZero, Threshold};
use crate::decide::selection::SelectionReason;
use crate::decide::timing::LoopTiming;
use crate::tuning::MINUTE;

/// Monday.
fn start() -> Timestamp {
    "2026-09-07T00:00:00Z".parse().unwrap()
}

fn minute(i: i64, mean: f64) -> Minute {
    Minute { start: start() + MINUTE * i as i32, mean, max: mean, backlog: None, samples: 4 }
}

/// Steep ramps at fixed times: 2 at night, 40 from 08:00 to 18:00, a burst of 80 at noon.
fn clockwork(days: i64) -> Vec<Minute> {
    let level = |i: i64| match i % 1440 {
        480..720 | 780..1080 => 40.0,
        720..780 => 80.0,
        _ => 2.0,
    };
    (0..days * 1440).map(|i| minute(i, level(i) * (1.0 + 0.02 * noise(i)))).collect()
}

/// Uniform in [-1, 1], by a fixed hash (splitmix64's finaliser).
fn noise(i: i64) -> f64 {
    let mut z = (i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 52) as f64 - 1.0
}

fn model(blocks: Vec<Block>, to: Timestamp) -> WorkloadModel {
    let policy = Policy {
        backlog_threshold: Some(Threshold::new(8.0).unwrap()),
        cold_start: SignedDuration::from_mins(10),
        ..Policy::new(Threshold::new(4.0).unwrap(), Calendar::empty(TimeZone::UTC))
    };
    let inputs = SimulationInputs::new(&policy, LoopTiming::default(), None, None, None);
    WorkloadModel::new(ModelInit {
        policy: Arc::new(policy),
        inputs,
        schedule: RefitSchedule::spread(77, BUCKET),
        forecasts: Forecasts::Fitted,
        blocks,
        selection: None,
        arrival: None,
        from: start(),
        to,
    })
}

fn after(minutes: &[Minute]) -> WorkloadModel {
    let until = minutes.last().unwrap().start + MINUTE;
    let mut model = model(Vec::new(), until);
    model.advance(minutes, until);
    model
}

fn last_selection(output: &TrainingOutput) -> SelectionRecord {
    output.selections.last().expect("a selection").clone()
}

#[test]
fn clockwork_days_open_the_gate() {
    let output = after(&clockwork(9)).take_output();
    let SelectionRecord { selection, .. } = last_selection(&output);
    assert!(
        selection.policy.forecasts() && selection.why == SelectionReason::Earned,
        "{selection:?}"
    );
    assert!(
        selection.days >= 3 && selection.gain > 0.0 && selection.gain_interval.0 > 0.0,
        "{selection:?}"
    );
    let days = output.days;
    let (ours, theirs): (f64, f64) = days
        .iter()
        .skip(5)
        .map(|day| (day.prewarm.total_cost(30.0), day.reactive.total_cost(30.0)))
        .fold((0.0, 0.0), |sum, day| (sum.0 + day.0, sum.1 + day.1));
    assert!(ours < theirs, "{ours} {theirs} {days:?}");
}

#[test]
fn what_was_cut_off_by_a_limit_is_not_learned_as_low_demand() {
    let morning = |i: i64| (480..720).contains(&(i % 1440));
    let limited = |waiting: f64| -> Vec<Minute> {
        let cut = |minute: Minute, i: i64| match (morning(i), i / 1440) {
            (true, 5..) => Minute { mean: 15.0, max: 15.0, backlog: Some(waiting), ..minute },
            _ => minute,
        };
        // Nine days and the tenth until 07:55.
        (0..).zip(clockwork(10)).map(|(i, minute)| cut(minute, i)).take(9 * 1440 + 475).collect()
    };
    let at_nine = |minutes: &[Minute]| {
        let nine = start() + SignedDuration::from_hours(9 * 24 + 9);
        after(minutes)
            .provisional_forecast()
            .unwrap()
            .max_between(nine, nine + BUCKET, 0.5)
            .unwrap()
    };
    let (marked, plain) = (at_nine(&limited(40.0)), at_nine(&limited(7.0)));
    assert!(marked > 30.0, "demand was 40 there as long as it was seen: {marked}");
    assert!(plain < 25.0, "less than a replica's fill waited: that is how low demand was: {plain}");
}

#[test]
fn shadow_policies_know_a_forecast_no_sooner_than_the_planner() {
    let minutes = clockwork(3);
    let model = after(&minutes);
    let begins = model.next();
    let origin = |seconds| {
        let slot = begins + SignedDuration::from_secs(seconds);
        in_force(&model.previous, &model.issued, slot).map(Forecast::origin)
    };
    assert_eq!([0, 165].map(origin), [Some(begins - BUCKET); 2]);
    assert_eq!([180, 285].map(origin), [Some(begins); 2]);
}

/// A bad scrape, or a unit that was wrong for a minute, backfilled with the rest.
#[test]
fn one_bad_minute_teaches_nothing() {
    for days_ago in [1, 7] {
        let mut minutes = clockwork(9);
        let clean = after(&minutes).take_output();
        let at = minutes.len() - days_ago * 1440 + 300;
        (minutes[at].mean, minutes[at].max) = (20_000.0, 20_000.0);
        let output = after(&minutes).take_output();

        let (most, of_clean) = (most(&output), most(&clean));
        assert!(
            most < 1.2 * 82.0 && (most - of_clean).abs() < 1.0,
            "{days_ago} days ago: {most} against {of_clean}"
        );
        let (selection, of_clean) =
            (last_selection(&output).selection, last_selection(&clean).selection);
        assert_eq!(
            (selection.policy, selection.why),
            (of_clean.policy, of_clean.why),
            "{days_ago} days ago"
        );
        for (day, clean) in output.days.iter().zip(&clean.days) {
            assert!((day.prewarm.missed - clean.prewarm.missed).abs() < 1.0, "{day:?} {clean:?}");
            assert!((day.peak_gpu_hours - clean.peak_gpu_hours).abs() < 1.0, "{day:?} {clean:?}");
        }
    }
}

/// The most that is forecast at all.
fn most(output: &TrainingOutput) -> f64 {
    let forecast = output.forecast.as_ref().unwrap();
    forecast
        .values()
        .iter()
        .flatten()
        .copied()
        .filter(|value| value.is_finite())
        .fold(0.0, f64::max)
}

#[test]
fn noise_keeps_it_closed() {
    let noisy: Vec<Minute> = (0..9 * 1440).map(|i| minute(i, 20.0 + 18.0 * noise(i))).collect();
    let mut model = after(&noisy);
    let output = model.take_output();
    let SelectionRecord { selection, .. } = last_selection(&output);
    assert!(!selection.policy.forecasts(), "{selection:?}");
    assert!(model.forecast().is_ok(), "it is forecast all the same");
}

#[test]
fn piece_by_piece_is_as_in_one_go_and_as_after_a_restart() {
    let minutes = clockwork(4);
    let (mut whole, until) = (after(&minutes), minutes.last().unwrap().start + MINUTE);
    let mut pieces = model(Vec::new(), until);
    for piece in minutes.chunks(625) {
        pieces.advance(piece, floor_bucket(piece.last().unwrap().start + MINUTE));
        // Minutes of the bucket that is open are asked for again.
    }
    // 625 minutes are 125 buckets: every piece ends with one.
    assert_eq!(pieces.forecast(), whole.forecast());
    assert_eq!(
        last_selection(&pieces.take_output()).selection,
        last_selection(&whole.take_output()).selection
    );
}

#[test]
fn sums_of_the_store_are_gone_on_with() {
    let minutes = clockwork(4);
    let until = minutes.last().unwrap().start + MINUTE;
    let mut whole = after(&minutes);
    let blocks = whole.blocks_from(Timestamp::UNIX_EPOCH);
    let half: Vec<Block> = blocks.iter().take(8).map(|block| (*block).clone()).collect();
    let all = blocks.len();
    let mut resumed = model(half.clone(), until);
    resumed.advance(&minutes, until);
    let blocks = resumed.blocks_from(Timestamp::UNIX_EPOCH);
    assert_eq!(blocks.len(), all);
    assert!(
        blocks.iter().zip(&half).all(|(ours, theirs)| *ours == theirs),
        "what is known is not simulated again"
    );
    let (ours, theirs) = (
        last_selection(&resumed.take_output()).selection,
        last_selection(&whole.take_output()).selection,
    );
    assert_eq!((ours.days, ours.policy.forecasts()), (theirs.days, theirs.policy.forecasts()));
}

#[test]
fn gaps_are_no_demand_and_no_zero() {
    let mut holes = clockwork(3);
    holes
        .retain(|minute| !(2000..2300).contains(&(minute.start.duration_since(start()).as_mins())));
    let model = after(&holes);
    assert!(model.forecaster.values()[400..460].iter().all(|value| value.is_nan()));
    let forecast = model.forecast().unwrap();
    assert!(forecast.values().iter().flatten().all(|value| value.is_finite()));
}

/// A forecast is recorded from the first hours on; it may act after two days, and says until then
/// why it may not.
#[test]
fn why_no_forecast_may_act_is_said_until_one_may() {
    let minutes = clockwork(3);
    let of = |days: f64| {
        let mut model = after(&minutes[..(days * 1440.0) as usize]);
        let output = model.take_output();
        (output.forecast.is_ok(), output.no_forecast)
    };
    let young = |observed| Some(NoForecast::TooYoung { observed, needed: 577 });
    assert_eq!(of(1.5), (true, young(432)));
    assert_eq!(of(2.0), (true, young(576)));
    assert_eq!(of(2.5), (true, None));

    // A source that has been silent for more than a day.
    let mut model = after(&minutes);
    model.advance(&[], minutes.last().unwrap().start + SignedDuration::from_hours(26));
    let output = model.take_output();
    assert!(
        matches!(output.no_forecast, Some(NoForecast::Stale { .. })),
        "{:?}",
        output.no_forecast
    );
    assert_eq!(output.no_forecast.as_ref().map(NoForecast::as_str), Some("stale"));
}

#[test]
fn an_hour_is_too_little_and_chooses_nothing() {
    let mut model = after(&clockwork(1)[..60]);
    let output = model.take_output();
    assert!(output.selections.is_empty() && output.days.is_empty());
    assert!(
        matches!(output.no_forecast, Some(NoForecast::TooYoung { .. })),
        "{:?}",
        output.no_forecast
    );
}

fn floor_bucket(at: Timestamp) -> Timestamp {
    let seconds = at.as_second().div_euclid(BUCKET.as_secs()) * BUCKET.as_secs();
    Timestamp::from_second(seconds).unwrap()
}

/// 20, and 40 from 12:30 to 13:30, every day.
#[test]
fn a_step_within_the_lead_is_not_smeared() {
    let level = |i: i64| if (750..810).contains(&(i % 1440)) { 40.0 } else { 20.0 };
    let minutes: Vec<Minute> = (0..7 * 1440 + 745).map(|i| minute(i, level(i))).collect();
    let forecast = after(&minutes).forecast().unwrap().clone();
    let at = |bucket: usize| forecast.values()[bucket][3];
    assert!(at(0) < 22.0 && at(1) > 38.0 && at(4) > 38.0, "{:?}", forecast.values());
}

/// Somebody comes at six fixed times a day, and nobody else.
fn visits(days: i64) -> Vec<Minute> {
    (0..days * 1440).map(|i| minute(i, if i % 240 == 100 { 3.0 } else { 0.0 })).collect()
}

#[test]
fn the_probability_of_an_arrival_is_refitted_daily_alike_on_all_replicas() {
    let minutes = visits(8);
    let newest = |model: &WorkloadModel| model.arrival().expect("enough arrivals").clone();
    let one = after(&minutes);
    // Another one was restarted on the last morning.
    let until = minutes.last().unwrap().start + MINUTE;
    let mut other = model(Vec::new(), until);
    for part in minutes.chunks(700) {
        other.advance(part, part.last().unwrap().start + MINUTE);
    }
    assert_eq!(newest(&one), newest(&other));
    let age = until.duration_since(newest(&one).fitted);
    assert!(age < SignedDuration::from_hours(24), "{age:?}");
    // Ten minutes before one comes, and in the middle of the pause.
    let model = newest(&one);
    let last = Some(until - SignedDuration::from_mins(139));
    let after = |minutes: i64| {
        let now = until + SignedDuration::from_mins(minutes);
        model.probability(now, last, &TimeZone::UTC)
    };
    assert!(after(95) > 0.4 && after(40) < 0.1, "{} {}", after(95), after(40));
}

#[test]
fn where_a_replica_always_runs_nobody_is_awaited() {
    let policy = Policy {
        scale_to_zero: ScaleToZero::Never,
        ..Policy::new(Threshold::new(4.0).unwrap(), Calendar::empty(TimeZone::UTC))
    };
    let inputs = SimulationInputs::new(&policy, LoopTiming::default(), None, None, None);
    let simulator = inputs.simulator(&policy);
    assert!(simulator.portfolio().iter().all(|policy| policy.stays_from().is_none()));
    let auto = Policy { scale_to_zero: ScaleToZero::Auto, ..policy };
    let simulator = inputs.simulator(&auto);
    assert!(simulator.portfolio().iter().any(|policy| policy.stays_from().is_some()));
}
