//! Timelines: at this minute, with this demand, expect that answer. Threshold 10 unless said otherwise.

use jiff::civil::time;
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;
use crate::calendar::{Calendar, Days, HolidayRule, Window, ZeroRule};
use crate::decide::policy::{LeadTime, Threshold};
use crate::decide::quantity::MAX_VALUE;

const SLOT: SignedDuration = SignedDuration::from_secs(15);

/// 2026-11-24, 00:00 UTC, and so many seconds.
fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_478_400 + second).unwrap()
}

fn policy() -> Policy {
    let lead = LeadTime::Fixed(SignedDuration::from_mins(5));
    Policy { lead_time: lead, ..Policy::new(Threshold::new(10.0).unwrap(), Calendar::empty(TimeZone::UTC)) }
}

/// A floor or ceiling every day from 08:00 to 18:00.
fn office(min: Option<u32>, max: Option<u32>, zero: Option<ZeroRule>) -> Calendar {
    let window = Window {
        name: "office".into(),
        days: Days { weekdays: [true; 7], dates: Vec::new(), holidays: HolidayRule::Skip },
        from: time(8, 0, 0, 0),
        to: time(18, 0, 0, 0),
        min_replicas: min,
        max_replicas: max,
        scale_to_zero: zero,
    };
    Calendar::new(TimeZone::UTC, vec![window], Vec::new())
}

fn demand(value: f64) -> Observation {
    Observation { demand: Some(value), ..Observation::default() }
}

/// A forecast from `origin` on: `value` within `[from, to)` seconds, else 0.
fn forecast(origin: i64, from: i64, to: i64, value: f64) -> Forecast {
    let row = |minute: i64| if (from..to).contains(&(minute * 60)) { vec![value; 2] } else { vec![0.0; 2] };
    Forecast::new(at(origin), SignedDuration::from_mins(1), vec![0.5, 0.99], (0..1440).map(row).collect())
}

struct Timeline(Planner, Recommendation);

impl Timeline {
    fn new(policy: Policy) -> Self {
        let mut planner = Planner::new(Arc::new(policy), Rhythm::default());
        let first = planner.tick(at(-15), &Observation::default());
        Self(planner, first)
    }

    fn tick(&mut self, second: i64, observation: Observation) -> &Recommendation {
        self.1 = self.0.tick(at(second), &observation);
        &self.1
    }

    /// The same observation at every slot of `[from, to]`.
    fn hold(&mut self, from: i64, to: i64, observation: Observation) -> &Recommendation {
        for second in (from..=to).step_by(15) {
            self.tick(second, observation);
        }
        &self.1
    }

    fn check(&self, value: f64, active: bool, reason: Reason) {
        let decision = &self.1.decision;
        assert_eq!(
            (self.1.answer, decision.reason),
            (Answer::Value { metric_value: value, active }, reason),
            "{decision:?}"
        );
    }
}

#[test]
fn demand_is_the_stable_mean_and_a_jump_is_a_panic() {
    let mut line = Timeline::new(policy());
    line.hold(0, 45, demand(12.5));
    line.check(12.5, true, Reason::Live);
    line.tick(60, demand(80.0));
    line.check(80.0, true, Reason::Panic);
    // The panic lasts a stable window, then the mean counts again.
    line.hold(75, 105, demand(20.0));
    line.check(80.0, true, Reason::Panic);
    line.hold(120, 180, demand(20.0));
    line.check(20.0, true, Reason::Live);
}

#[test]
fn demand_goes_first_down_to_one_replica_then_to_none() {
    let mut line = Timeline::new(policy());
    line.hold(0, 600, demand(45.0));
    line.hold(615, 720, demand(0.0));
    line.check(10.0, true, Reason::Hold);
    // Five minutes after the last need of more than one; the last arrival counts for ten.
    line.hold(735, 1185, demand(0.0));
    line.check(10.0, true, Reason::KeepWarm);
    line.hold(1200, 1215, demand(0.0));
    line.check(0.0, false, Reason::Idle);
}

#[test]
fn a_trickle_below_activation_does_not_wake() {
    let mut line = Timeline::new(Policy { activation: 2.0, ..policy() });
    line.hold(0, 60, demand(1.5));
    line.check(1.5, false, Reason::Live);
    line.tick(75, demand(2.5));
    assert!(matches!(line.1.answer, Answer::Value { active: true, .. }));
}

#[test]
fn backlog_is_replicas_by_its_own_threshold_and_wakes() {
    let mut line = Timeline::new(Policy { backlog_threshold: Some(Threshold::new(4.0).unwrap()), ..policy() });
    line.tick(0, Observation { backlog: Some(8.0), ..demand(0.0) });
    line.check(20.0, true, Reason::Backlog);
    let mut line = Timeline::new(policy());
    line.tick(0, Observation { backlog: Some(0.5), ..demand(0.0) });
    line.check(0.5, true, Reason::Backlog);
}

#[test]
fn latency_above_its_target_scales_up_by_at_most_two() {
    let mut line = Timeline::new(Policy { latency_target: Some(2.0), ..policy() });
    line.tick(0, Observation { latency: Some(3.0), ..demand(20.0) });
    line.check(30.0, true, Reason::Live);
    line.tick(15, Observation { latency: Some(60.0), ..demand(20.0) });
    assert_eq!(line.1.decision.metric_value, 40.0);
    line.tick(30, Observation { latency: Some(1.0), ..demand(20.0) });
    assert_eq!(line.1.decision.metric_value, 20.0);
}

#[test]
fn c16_a_forecast_within_the_lead_wakes_from_zero_without_any_live_metric() {
    let mut line = Timeline::new(policy());
    line.0.install(forecast(0, 3600, 7200, 35.0));
    line.tick(3600 - 301, Observation::default());
    assert_eq!(line.1.answer, Answer::NoData);
    line.tick(3600 - 300, Observation::default());
    line.check(40.0, true, Reason::Forecast);
}

#[test]
fn the_forecast_only_adds_and_holds_what_runs_but_is_capped_and_expires() {
    let mut line = Timeline::new(Policy { max_prewarm_replicas: Some(2), ..policy() });
    line.0.install(forecast(0, 600, 1200, 95.0));
    line.hold(0, 240, demand(15.0));
    line.check(15.0, true, Reason::Live);
    line.hold(300, 345, demand(15.0));
    line.check(40.0, true, Reason::Forecast);
    line.tick(360, demand(500.0));
    assert_eq!(line.1.decision.reason, Reason::Panic);
    // A day later it says nothing any more.
    line.tick(90_000, demand(15.0));
    assert_eq!((line.1.decision.parts.forecast, line.1.decision.state), (None, State::Reactive));
}

#[test]
fn shadow_records_off_does_not_and_a_closed_gate_keeps_the_forecast_out() {
    let answer = |mode, gate| {
        let mut line = Timeline::new(Policy { mode, ..policy() });
        line.0.set_gate(gate);
        line.0.install(forecast(0, 0, 3600, 95.0));
        let recommendation = line.tick(0, demand(15.0));
        (recommendation.decision.metric_value, recommendation.decision.parts.would_value)
    };
    assert_eq!(answer(Mode::Auto, Gate::Open), (100.0, None));
    assert_eq!(answer(Mode::Shadow, Gate::Open), (15.0, Some(100.0)));
    assert_eq!(answer(Mode::Off, Gate::Open), (15.0, None));
    assert_eq!(answer(Mode::Auto, Gate::Closed), (15.0, None));
}

#[test]
fn c41_a_scaled_job_counts_what_is_there_and_nothing_else() {
    let calendar = office(Some(5), None, None);
    let mut line = Timeline::new(Policy { scaled_job: true, calendar, scale_to_zero: ScaleToZero::Never, ..policy() });
    line.0.install(forecast(0, 0, 86_000, 95.0));
    line.tick(36_000, demand(25.0));
    line.check(25.0, true, Reason::Live);
    line.hold(36_015, 36_120, demand(0.0));
    line.check(0.0, false, Reason::Idle);
}

#[test]
fn a_floor_is_asked_for_a_lead_before_its_window_and_released_at_its_end() {
    let mut line = Timeline::new(Policy { calendar: office(Some(3), None, None), ..policy() });
    line.tick(8 * 3600 - 301, demand(0.0));
    line.check(0.0, false, Reason::Idle);
    line.tick(8 * 3600 - 300, demand(0.0));
    line.check(30.0, true, Reason::Floor);
    line.tick(18 * 3600 - 15, demand(0.0));
    line.check(30.0, true, Reason::Floor);
    // C18: released, first to one replica, then to none.
    line.tick(18 * 3600, demand(0.0));
    line.check(10.0, true, Reason::Hold);
    line.hold(18 * 3600 + 15, 18 * 3600 + 300, demand(0.0));
    line.check(0.0, false, Reason::Idle);
}

#[test]
fn a_ceiling_cuts_even_to_nothing_but_lets_the_queue_drain() {
    let mut line = Timeline::new(Policy { calendar: office(None, Some(2), None), ..policy() });
    line.tick(36_000, demand(95.0));
    line.check(20.0, true, Reason::Ceiling);
    let mut off = Timeline::new(Policy { calendar: office(None, Some(0), None), ..policy() });
    off.tick(36_000, demand(95.0));
    off.check(0.0, false, Reason::Ceiling);
    off.tick(36_015, Observation { backlog: Some(4.0), ..demand(95.0) });
    off.check(10.0, true, Reason::Ceiling);
}

#[test]
fn zero_needs_permission() {
    let mut never = Timeline::new(Policy { scale_to_zero: ScaleToZero::Never, ..policy() });
    never.tick(0, demand(0.0));
    never.check(10.0, true, Reason::NeverZero);
    let calendar = office(None, None, Some(ZeroRule::Allowed));
    let mut windows = Timeline::new(Policy { scale_to_zero: ScaleToZero::Windows, calendar, ..policy() });
    windows.tick(0, demand(0.0));
    windows.check(10.0, true, Reason::NeverZero);
    windows.tick(36_000, demand(0.0));
    windows.check(0.0, false, Reason::Idle);
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
    line.check(0.0, false, Reason::Asleep);
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
fn a_start_up_in_progress_keeps_a_workload_active_but_a_stuck_one_does_not() {
    let starting = |ready| Observation { replicas: Some(Replicas { ready, starting: 1 }), ..demand(0.0) };
    let mut line = Timeline::new(Policy { keep_warm: SignedDuration::ZERO, ..policy() });
    line.tick(0, starting(0));
    line.check(10.0, true, Reason::Hold);
    line.hold(15, 345, starting(0));
    line.check(10.0, true, Reason::Hold);
    line.hold(360, 375, starting(0));
    line.check(0.0, false, Reason::Idle);
}

#[test]
fn a_restart_gives_no_dip() {
    let minutes: Vec<Minute> =
        (-30..0).map(|n| Minute { start: at(n * 60), mean: 42.0, max: 55.0, backlog: Some(0.0), samples: 4 }).collect();
    let mut planner = Planner::new(Arc::new(policy()), Rhythm::default());
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

fn observations() -> impl Strategy<Value = Vec<Observation>> {
    let number =
        prop_oneof![4 => (0.0f64..200.0).prop_map(Some), 2 => Just(None), 1 => prop::num::f64::ANY.prop_map(Some)];
    let one = (number.clone(), prop::option::of(0.0f64..50.0), number, any::<bool>());
    let one = one.prop_map(|(demand, backlog, latency, absent)| Observation {
        demand,
        backlog,
        latency,
        absent,
        replicas: None,
    });
    prop::collection::vec(one, 1..80)
}

proptest! {
    #[test]
    fn c11_c13_whatever_is_seen_the_answer_is_sane(
        seen in observations(), activation in 0.0f64..20.0, threshold in 0.001f64..100.0, floor in prop::option::of(0u32..5),
    ) {
        let threshold = Threshold::new(threshold).unwrap();
        let policy = Policy { activation, threshold, calendar: office(floor, None, None), latency_target: Some(1.0), ..policy() };
        let mut line = Timeline::new(policy);
        line.0.install(forecast(28_000, 0, 86_000, 55.0));
        for (i, observation) in seen.iter().enumerate() {
            let recommendation = line.tick(28_000 + 15 * i as i64, *observation);
            if let Answer::Value { metric_value, active } = recommendation.answer {
                prop_assert!(metric_value.is_finite() && (0.0..=MAX_VALUE).contains(&metric_value));
                prop_assert_eq!(metric_value, (metric_value * 1000.0).round() / 1000.0);
                prop_assert!(active || metric_value <= activation);
                prop_assert!(!active || metric_value > 0.0);
                let live = recommendation.decision.parts.live.unwrap_or(0.0);
                prop_assert!(metric_value >= (live.min(MAX_VALUE) * 1000.0).round() / 1000.0 - 1e-9, "C15: never below live demand");
            }
        }
    }

    #[test]
    fn c15_more_demand_never_gives_fewer_replicas(levels in prop::collection::vec(0.0f64..200.0, 1..60), more in 1.0f64..3.0) {
        let mut less_line = Timeline::new(policy());
        let mut more_line = Timeline::new(policy());
        for (i, level) in levels.iter().enumerate() {
            let second = 15 * i as i64;
            let less = less_line.tick(second, demand(*level)).decision;
            // The same shape, scaled: panics fall on the same slots.
            let more = more_line.tick(second, demand(*level * more)).decision;
            prop_assert!(more.desired_replicas >= less.desired_replicas, "{less:?} {more:?}");
        }
    }

    /// An outage never becomes "no demand": after demand, missing observations alone never lead to inactive.
    #[test]
    fn missing_observations_never_lead_to_zero(level in 0.1f64..200.0, gap in 1i64..4000, absent in any::<bool>()) {
        let mut line = Timeline::new(policy());
        line.hold(0, 60, demand(level));
        for slot in 0..gap {
            let observation = Observation { absent, ..Observation::default() };
            let answer = line.tick(75 + slot * SLOT.as_secs(), observation).answer;
            let inactive = matches!(answer, Answer::Value { active: false, .. });
            prop_assert!(!inactive, "{answer:?} after {slot} slots");
        }
    }
}
