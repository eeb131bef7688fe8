//! What is said when something is not known: outages, restarts, clocks.

use super::*;
use crate::series::Minute;

const NOTHING: Observation =
    Observation { demand: None, backlog: None, latency: None, replicas: None, absent: false };

const ABSENT: Observation = Observation { absent: true, ..NOTHING };

fn running(ready: u32) -> Observation {
    Observation { replicas: Some(Replicas { ready, starting: 0 }), ..NOTHING }
}

#[test]
fn c20_c21_the_ladder_of_an_outage() {
    let mut line = Timeline::new(policy());
    assert_eq!(line.1.answer, Answer::NoData);
    line.hold(0, 60, demand(25.0));
    // Three missed slots are bridged, then the last good value is repeated for five minutes.
    line.hold(75, 105, Observation::default());
    line.check(25.0, true, Reason::Live);
    line.hold(120, 360, Observation::default());
    line.check(25.0, true, Reason::LastGood);
    line.tick(375, Observation::default());
    assert_eq!((line.1.answer, line.1.decision.reason), (Answer::Unavailable, Reason::Unavailable));
    line.tick(390, demand(25.0));
    assert!(matches!(line.1.answer, Answer::Value { active: true, .. }));
    let mut zero = Timeline::new(Policy { on_no_data: OnNoData::Zero, ..policy() });
    zero.tick(0, Observation::default());
    zero.check(0.0, false, Reason::Idle);
}

#[test]
fn live_down_and_forecast_fresh_never_scales_in_falsely() {
    let mut line = Timeline::new(policy());
    line.0.install(forecast(0, 0, 3600, 35.0));
    line.hold(0, 60, demand(80.0));
    line.hold(75, 360, Observation::default());
    assert_eq!((line.1.decision.metric_value, line.1.decision.state), (80.0, State::LiveDown));
    line.hold(375, 600, Observation::default());
    assert_eq!(line.1.decision.state, State::LiveDown);
    assert!(line.1.decision.metric_value >= 40.0);
    // The forecast alone does not vouch for zero.
    line.tick(80_000, Observation::default());
    assert_eq!(line.1.answer, Answer::Unavailable);
}

#[test]
fn c17_inside_a_window_everything_down() {
    let policy = || Policy { calendar: office(Some(3), None, None), ..policy() };
    let blind = |seen: f64, replicas: Option<u32>| {
        let mut line = Timeline::new(policy());
        line.hold(36_000, 36_060, demand(seen));
        let replicas = replicas.map(|ready| Replicas { ready, starting: 0 });
        line.hold(36_075, 36_600, Observation { replicas, ..Observation::default() }).answer
    };
    let floor = Answer::Value { metric_value: 30.0, active: true };
    assert_eq!(blind(5.0, Some(0)), floor);
    assert_eq!(blind(5.0, Some(3)), floor);
    assert_eq!(blind(80.0, Some(8)), Answer::Unavailable);
    assert_eq!(blind(80.0, None), Answer::Value { metric_value: 80.0, active: true });
    assert_eq!(blind(5.0, None), floor);
    // Nothing ever seen: the floor all the same.
    let mut line = Timeline::new(policy());
    line.tick(36_000, Observation::default());
    line.check(30.0, true, Reason::Floor);
}

#[test]
fn metrics_that_vanish_with_the_last_replica_are_no_outage() {
    let absent = Observation { absent: true, ..Observation::default() };
    let mut line = Timeline::new(Policy { keep_warm: SignedDuration::from_mins(1), ..policy() });
    line.hold(0, 60, demand(5.0));
    line.hold(75, 900, demand(0.0));
    line.check(0.0, false, Reason::Idle);
    line.hold(915, 1800, absent);
    line.check(0.0, false, Reason::ScaledToZero);
    // A source that cannot be asked says nothing at all.
    line.tick(1815, Observation::default());
    assert_eq!(line.1.answer, Answer::Unavailable);
    // Metrics that vanish under load are an outage.
    let mut loaded = Timeline::new(policy());
    loaded.hold(0, 600, demand(50.0));
    loaded.hold(615, 1200, absent);
    assert_eq!(loaded.1.answer, Answer::Unavailable);
    // With the cluster's word that nothing runs, nothing there is zero.
    let none = Some(Replicas { ready: 0, starting: 0 });
    loaded.hold(1215, 2400, Observation { replicas: none, ..absent });
    loaded.check(0.0, false, Reason::Idle);
}

#[test]
fn a_restart_gives_no_dip() {
    let minutes: Vec<Minute> = (-30..0)
        .map(|n| Minute {
            start: at(n * 60),
            mean: 42.0,
            max: 55.0,
            backlog: Some(0.0),
            samples: 4,
        })
        .collect();
    let mut planner = Planner::new(Arc::new(policy()), LoopTiming::default());
    planner.warm(at(5), &minutes);
    let first = planner.tick(at(0), &Observation::default());
    assert_eq!(first.answer, Answer::Value { metric_value: 42.0, active: true });
    // Demand that ended during the restart is still stepped down from.
    let next = planner.tick(at(75), &demand(0.0));
    assert_eq!((next.decision.reason, next.decision.active), (Reason::Hold, true));
}

#[test]
fn an_edit_takes_effect_at_the_next_tick_and_keeps_what_was_seen() {
    let mut line = Timeline::new(policy());
    line.hold(0, 60, demand(20.0));
    line.0.revise(Arc::new(Policy { calendar: office(Some(3), None, None), ..policy() }));
    line.tick(36_000, Observation::default());
    line.check(30.0, true, Reason::Floor);
}

#[test]
fn c42_clocks_that_jump() {
    let mut line = Timeline::new(policy());
    line.0.install(forecast(3600, 0, 3600, 95.0));
    line.hold(3600, 3660, demand(20.0));
    // An hour back: the forecast is not for this time, ages start anew, nothing is negative.
    line.tick(60, Observation::default());
    let parts = line.1.decision.parts;
    assert_eq!((parts.forecast, parts.live_age), (None, Some(SignedDuration::ZERO)));
    assert!(matches!(line.1.answer, Answer::Value { active: true, .. }));
    // Two hours ahead: old samples are old.
    line.tick(7260, Observation::default());
    assert_eq!(line.1.answer, Answer::Unavailable);
}

#[test]
fn zero_needs_a_sample_of_its_own() {
    let mut line = Timeline::new(policy());
    line.tick(0, demand(5.0));
    line.hold(15, 585, demand(0.0));
    line.check(10.0, true, Reason::KeepWarm);
    // keepWarm runs out in a slot that was missed.
    line.tick(600, NOTHING);
    line.check(10.0, true, Reason::Hold);
    line.tick(615, demand(0.0));
    line.check(0.0, false, Reason::Idle);
    // And in an outage the last good answer stays what it was.
    let mut down = Timeline::new(policy());
    down.tick(0, demand(5.0));
    down.hold(15, 480, demand(0.0));
    down.hold(495, 780, NOTHING);
    down.check(10.0, true, Reason::LastGood);
}

#[test]
fn a_last_good_value_is_the_whole_of_it() {
    let mut line = Timeline::new(policy());
    // Covers the lead until second 300, no further.
    line.0.install(Forecast::new(
        at(0),
        SignedDuration::from_mins(1),
        vec![0.5],
        vec![vec![75.0]; 11],
    ));
    line.hold(0, 345, demand(15.0));
    line.check(80.0, true, Reason::Forecast);
    line.hold(360, 390, NOTHING);
    assert_eq!(line.1.decision.state, State::Reactive);
    let mut line = Timeline::new(policy());
    line.0.install(Forecast::new(
        at(0),
        SignedDuration::from_mins(1),
        vec![0.5],
        vec![vec![75.0]; 11],
    ));
    line.hold(0, 285, demand(15.0));
    line.hold(300, 420, NOTHING);
    line.check(80.0, true, Reason::LastGood);
    assert_eq!(line.1.valid_until, at(285 + 300));
}

#[test]
fn one_replica_for_ever_is_no_reason_to_scale_in_blindly() {
    let never = || Timeline::new(Policy { scale_to_zero: ScaleToZero::Never, ..policy() });
    let mut line = never();
    line.hold(0, 60, demand(80.0));
    line.hold(75, 600, NOTHING);
    assert_eq!(line.1.answer, Answer::Unavailable);
    line.tick(615, running(8));
    assert_eq!(line.1.answer, Answer::Unavailable);
    line.tick(630, running(0));
    line.check(10.0, true, Reason::NeverZero);
    assert_eq!(never().1.answer, Answer::NoData);
}

#[test]
fn a_queue_that_was_lost_from_sight_is_not_empty() {
    let queue = |items| Observation { backlog: Some(items), ..demand(0.0) };
    let mut line = Timeline::new(policy());
    line.hold(0, 60, queue(25.0));
    line.hold(75, 360, demand(0.0));
    line.check(25.0, true, Reason::Backlog);
    line.hold(375, 3600, demand(0.0));
    line.check(10.0, true, Reason::Hold);
    line.tick(3615, queue(0.0));
    line.check(0.0, false, Reason::Idle);
}

#[test]
fn a_queue_wakes_whatever_else_is_missing() {
    let mut line = Timeline::new(Policy { keep_warm: SignedDuration::from_mins(1), ..policy() });
    line.hold(0, 900, demand(0.0));
    line.hold(915, 1800, ABSENT);
    line.check(0.0, false, Reason::ScaledToZero);
    line.tick(1815, Observation { backlog: Some(3.0), ..ABSENT });
    line.check(3.0, true, Reason::Backlog);
    // No signal, with eight running: three items do not vouch for fewer.
    let mut blind = Timeline::new(policy());
    blind.hold(0, 60, demand(80.0));
    blind.hold(75, 600, NOTHING);
    blind.tick(615, Observation { backlog: Some(3.0), ..running(8) });
    assert_eq!(blind.1.answer, Answer::Unavailable);
    blind.tick(630, Observation { backlog: Some(3.0), ..NOTHING });
    assert_eq!(blind.1.decision.metric_value, 83.0);
}

#[test]
fn a_forecast_alone_takes_nothing_away_that_is_known_to_run() {
    let down = |observation| {
        let mut line = Timeline::new(policy());
        line.0.install(forecast(0, 0, 7200, 35.0));
        line.hold(0, 60, demand(80.0));
        line.hold(75, 900, observation).decision
    };
    assert_eq!((down(running(8)).metric_value, down(running(8)).reason), (80.0, Reason::LastGood));
    // More than was ever asked for is somebody else's doing.
    assert_eq!(down(running(20)).metric_value, 80.0);
    assert_eq!((down(NOTHING).metric_value, down(NOTHING).reason), (40.0, Reason::Forecast));
}

#[test]
fn a_job_is_never_made_of_an_old_sample() {
    let mut line = Timeline::new(Policy { scaled_job: true, ..policy() });
    line.hold(0, 60, demand(40.0));
    line.tick(75, demand(10.0));
    line.check(10.0, true, Reason::Live);
    line.hold(90, 135, NOTHING);
    assert_eq!(line.1.answer, Answer::Unavailable);
}

fn minutes(range: std::ops::Range<i64>, mean: f64, max: f64) -> Vec<Minute> {
    range.map(|n| Minute { start: at(n * 60), mean, max, backlog: None, samples: 4 }).collect()
}

#[test]
fn a_panic_and_a_keep_warm_outlive_a_restart() {
    let mut panicked = Timeline::unseen(policy());
    panicked.0.warm(at(5), &minutes(-5..0, 20.0, 70.0));
    panicked.tick(0, demand(20.0));
    panicked.check(70.0, true, Reason::Panic);
    let mut quiet = Timeline::unseen(policy());
    quiet.0.warm(at(5), &[minutes(-30..-8, 5.0, 5.0), minutes(-8..0, 0.0, 0.0)].concat());
    quiet.tick(0, demand(0.0));
    quiet.check(10.0, true, Reason::KeepWarm);
    quiet.hold(15, 600, demand(0.0));
    quiet.check(0.0, false, Reason::Idle);
}

#[test]
fn an_outage_or_a_rest_before_a_restart_stays_what_it_was() {
    let first = |minutes: &[Minute], observation| {
        let mut line = Timeline::unseen(policy());
        line.0.warm(at(5), minutes);
        line.tick(0, observation);
        (line.1.answer, line.1.decision.state)
    };
    // Demand was last seen forty minutes ago, under load.
    assert_eq!(
        first(&minutes(-60..-40, 50.0, 50.0), ABSENT),
        (Answer::Unavailable, State::NoSignal)
    );
    // It was at rest when its metrics went.
    let rested = [minutes(-60..-50, 5.0, 5.0), minutes(-50..-20, 0.0, 0.0)].concat();
    let zero = Answer::Value { metric_value: 0.0, active: false };
    assert_eq!(first(&rested, ABSENT), (zero, State::ScaledToZero));
    assert_eq!(first(&[], ABSENT), (Answer::NoData, State::NoData));
}

#[test]
fn an_hour_back_starts_ages_anew() {
    let mut panicked = Timeline::new(policy());
    panicked.hold(3600, 3645, demand(1.0));
    panicked.tick(3660, demand(90.0));
    panicked.check(90.0, true, Reason::Panic);
    panicked.tick(60, demand(20.0));
    panicked.check(20.0, true, Reason::Live);
    // Arrivals and good answers of what is now the future count from now.
    let mut gone = panicked;
    gone.hold(75, 645, demand(0.0));
    gone.check(10.0, true, Reason::KeepWarm);
    gone.tick(660, demand(0.0));
    gone.check(0.0, false, Reason::Idle);
    let mut down = Timeline::new(policy());
    down.hold(3600, 3660, demand(20.0));
    down.hold(60, 360, NOTHING);
    down.check(20.0, true, Reason::LastGood);
    down.tick(375, NOTHING);
    assert_eq!(down.1.answer, Answer::Unavailable);
}

#[test]
fn what_a_planner_has_seen_itself_is_better_than_history() {
    let mut line = Timeline::new(policy());
    line.hold(0, 60, demand(20.0));
    line.0.warm(at(65), &minutes(-5..0, 70.0, 70.0));
    line.tick(75, NOTHING);
    line.check(20.0, true, Reason::Live);
}

#[test]
fn an_hour_that_nobody_ticked_does_not_count_as_patience() {
    let mut line = Timeline::new(policy());
    line.hold(0, 600, demand(45.0));
    line.hold(615, 660, demand(0.0));
    line.tick(4200, demand(0.0));
    line.check(10.0, true, Reason::Hold);
    line.hold(4215, 4560, demand(0.0));
    line.check(0.0, false, Reason::Idle);
}

#[test]
fn an_off_window_that_begins_in_an_outage_does_not_vouch_for_zero() {
    let mut line = Timeline::new(Policy { calendar: office(None, Some(0), None), ..policy() });
    line.hold(8 * 3600 - 900, 8 * 3600 - 60, demand(5.0));
    line.hold(8 * 3600 - 45, 8 * 3600 - 15, NOTHING);
    line.check(5.0, true, Reason::Live);
    line.hold(8 * 3600, 8 * 3600 + 60, NOTHING);
    line.check(5.0, true, Reason::LastGood);
    line.tick(8 * 3600 + 75, demand(5.0));
    line.check(0.0, false, Reason::Ceiling);
    // Nor do many replicas go at once, and a forecast is no sight either.
    let mut many = Timeline::new(Policy { calendar: office(None, Some(0), None), ..policy() });
    many.0.install(forecast(0, 0, 86_000, 55.0));
    many.hold(8 * 3600 - 120, 8 * 3600 - 60, demand(80.0));
    many.hold(8 * 3600 - 45, 8 * 3600 + 3600, NOTHING);
    assert_eq!(many.1.decision.state, State::LiveDown);
    many.check(10.0, true, Reason::Ceiling);
}

#[test]
fn a_last_good_value_holds_its_queue_only_once() {
    let mut line = Timeline::new(policy());
    line.hold(0, 60, Observation { backlog: Some(30.0), ..demand(80.0) });
    line.hold(75, 180, Observation { backlog: Some(30.0), ..NOTHING });
    line.check(110.0, true, Reason::LastGood);
    line.tick(195, Observation { backlog: Some(45.0), ..NOTHING });
    line.check(125.0, true, Reason::LastGood);
}
