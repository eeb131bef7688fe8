//! Timelines: at this minute, with this demand, expect that answer. Threshold 10 unless said
//! otherwise.

use jiff::civil::time;
use jiff::tz::TimeZone;
mod arrivals;
mod outages;
mod properties;
mod restore;
mod spikes;
mod tactics;

use super::*;
use crate::calendar::{Calendar, Days, HolidayRule, Window, ZeroRule};
use crate::decide::Reason;
use crate::decide::policy::{LeadTime, Mode, OnNoData, ScaleToZero, Threshold};

/// 2026-11-24, 00:00 UTC, and so many seconds.
fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_478_400 + second).unwrap()
}

fn policy() -> Policy {
    let lead = LeadTime::Fixed(SignedDuration::from_mins(5));
    Policy {
        lead_time: lead,
        ..Policy::new(Threshold::new(10.0).unwrap(), Calendar::empty(TimeZone::UTC))
    }
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
    let row = |minute: i64| {
        if (from..to).contains(&(minute * 60)) { vec![value; 2] } else { vec![0.0; 2] }
    };
    Forecast::new(
        at(origin),
        SignedDuration::from_mins(1),
        vec![0.5, 0.99],
        (0..1440).map(row).collect(),
    )
}

struct Timeline(Planner, Recommendation);

impl Timeline {
    /// One slot without anything lies behind it, and a time at which fifty replicas were needed.
    fn new(policy: Policy) -> Self {
        let mut line = Self::unseen(policy);
        line.0.plausibility.remember(500.0);
        line.tick(-15, Observation::default());
        line
    }

    /// Nothing lies behind it.
    fn unseen(policy: Policy) -> Self {
        let planner = Planner::new(Arc::new(policy), LoopTiming::default());
        let nothing = planner.clone().tick(at(0), &Observation::default());
        Self(planner, nothing)
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
    // Until the HPA has stepped down after the last need of more than one; the last arrival counts
    // for ten minutes.
    line.hold(735, 1185, demand(0.0));
    line.check(10.0, true, Reason::KeepWarm);
    line.hold(1200, 1215, demand(0.0));
    line.check(0.0, false, Reason::Idle);
}

#[test]
fn a_trickle_below_activation_does_not_wake() {
    let mut line = Timeline::new(Policy { activation: 2.0, ..policy() });
    line.hold(0, 60, demand(1.5));
    line.check(1.5, false, Reason::Idle);
    line.tick(75, demand(2.5));
    assert!(matches!(line.1.answer, Answer::Value { active: true, .. }));
}

#[test]
fn backlog_is_replicas_by_its_own_threshold_and_wakes() {
    let mut line =
        Timeline::new(Policy { backlog_threshold: Some(Threshold::new(4.0).unwrap()), ..policy() });
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
    let mut line = Timeline::new(Policy {
        scaled_job: true,
        calendar,
        scale_to_zero: ScaleToZero::Never,
        ..policy()
    });
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
    line.hold(18 * 3600 + 15, 18 * 3600 + 345, demand(0.0));
    line.check(10.0, true, Reason::Hold);
    line.tick(18 * 3600 + 360, demand(0.0));
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
    let mut windows =
        Timeline::new(Policy { scale_to_zero: ScaleToZero::Windows, calendar, ..policy() });
    windows.tick(0, demand(0.0));
    windows.check(10.0, true, Reason::NeverZero);
    windows.hold(36_000, 36_360, demand(0.0));
    windows.check(0.0, false, Reason::Idle);
}

#[test]
fn a_start_up_in_progress_keeps_a_workload_active_but_a_stuck_one_does_not() {
    let starting =
        |ready| Observation { replicas: Some(Replicas { ready, starting: 1 }), ..demand(0.0) };
    let mut line = Timeline::new(Policy { keep_warm: SignedDuration::ZERO, ..policy() });
    line.tick(0, starting(0));
    line.check(10.0, true, Reason::Hold);
    line.hold(15, 345, starting(0));
    line.check(10.0, true, Reason::Hold);
    line.hold(360, 375, starting(0));
    line.check(0.0, false, Reason::Idle);
}

#[test]
fn replicas_that_run_before_our_first_answer_are_stepped_down() {
    let running =
        |ready| Observation { replicas: Some(Replicas { ready, starting: 0 }), ..demand(0.0) };
    let mut line = Timeline::new(policy());
    line.tick(0, running(6));
    line.check(10.0, true, Reason::Hold);
    line.hold(15, 360, running(1));
    line.check(0.0, false, Reason::Idle);
}

#[test]
fn a_replica_that_a_forecast_woke_gets_to_start_before_it_is_let_go() {
    let mut line = Timeline::new(policy());
    line.hold(-600, -15, demand(0.0));
    line.0.install(forecast(0, 0, 3600, 8.0));
    line.tick(0, demand(0.0));
    line.check(10.0, true, Reason::Forecast);
    line.0.install(forecast(0, 0, 0, 0.0));
    line.hold(15, 165, demand(0.0));
    line.check(10.0, true, Reason::Hold);
    line.hold(180, 195, demand(0.0));
    line.check(0.0, false, Reason::Idle);
}

#[test]
fn a_floor_that_is_due_wins_over_the_ceiling_that_still_holds() {
    let [mut night, day] =
        [office(None, Some(2), None), office(Some(5), None, None)].map(|c| c.windows()[0].clone());
    (night.name, night.from, night.to) = ("night".into(), time(18, 0, 0, 0), time(8, 0, 0, 0));
    let calendar = Calendar::new(TimeZone::UTC, vec![night, day], Vec::new());
    let mut line = Timeline::new(Policy { calendar, ..policy() });
    line.tick(8 * 3600 - 315, demand(95.0));
    line.check(20.0, true, Reason::Ceiling);
    line.tick(8 * 3600 - 300, demand(0.0));
    line.check(50.0, true, Reason::Floor);
}

#[test]
fn a_window_that_forbids_zero_finds_its_replica_ready() {
    let mut line =
        Timeline::new(Policy { calendar: office(None, None, Some(ZeroRule::Never)), ..policy() });
    line.tick(8 * 3600 - 315, demand(0.0));
    line.check(0.0, false, Reason::Idle);
    line.tick(8 * 3600 - 300, demand(0.0));
    line.check(10.0, true, Reason::Floor);
}

#[test]
fn hard_off_comes_down_by_way_of_one_replica() {
    let mut line = Timeline::new(Policy { calendar: office(None, Some(0), None), ..policy() });
    line.hold(8 * 3600 - 60, 8 * 3600 - 15, demand(80.0));
    line.check(80.0, true, Reason::Live);
    line.hold(8 * 3600, 8 * 3600 + 345, demand(80.0));
    line.check(10.0, true, Reason::Ceiling);
    line.tick(8 * 3600 + 360, demand(80.0));
    line.check(0.0, false, Reason::Ceiling);
}

#[test]
fn a_latency_that_is_missed_once_does_not_let_go() {
    let mut line = Timeline::new(Policy { latency_target: Some(2.0), ..policy() });
    line.tick(0, Observation { latency: Some(3.0), ..demand(20.0) });
    line.hold(15, 45, demand(20.0));
    line.check(30.0, true, Reason::Live);
    line.tick(60, demand(20.0));
    line.check(20.0, true, Reason::Live);
}

#[test]
fn the_lead_grows_with_the_ramp_and_is_explained() {
    let mut line = Timeline::new(Policy { lead_time: LeadTime::Auto, ..policy() });
    (0..5).for_each(|_| line.0.observe_start_up(Node::Warm, SignedDuration::from_mins(4)));
    line.0.install(forecast(0, 0, 3600, 310.0));
    line.tick(0, demand(5.0));
    // 1 → 4 → 8 → 16 → 32: four syncs of the HPA.
    assert!(
        matches!(line.0.lead(), Some(Lead::Sum { learned: true, hpa_ramp, .. }) if hpa_ramp.as_secs() == 60)
    );
    assert_eq!(line.1.decision.parts.lead, SignedDuration::from_secs(240 + 30 + 15 + 60 + 15));
}

#[test]
fn what_runs_and_is_needed_again_soon_is_held() {
    let mut line = Timeline::new(policy());
    // A dip of ten minutes between two needs.
    let row = |minute: i64| vec![if (10..20).contains(&minute) { 0.0 } else { 55.0 }];
    line.0.install(Forecast::new(
        at(0),
        SignedDuration::from_mins(1),
        vec![0.5],
        (0..600).map(row).collect(),
    ));
    line.hold(0, 585, demand(55.0));
    // Nothing is needed within the lead, but within lead and hold.
    line.hold(660, 840, demand(5.0));
    line.check(60.0, true, Reason::Hold);
    // Never more than what was asked for.
    let mut low = Timeline::new(policy());
    low.0.install(Forecast::new(
        at(0),
        SignedDuration::from_mins(1),
        vec![0.5],
        (0..600).map(row).collect(),
    ));
    low.hold(660, 840, demand(15.0));
    low.check(15.0, true, Reason::Live);
}
