//! Days as they might have been: who may act on them, and why.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::tuning::simulator::BLOCK;

const SLOTS: u32 = 5760;

fn reactive(utilization: f64) -> ShadowPolicy {
    ShadowPolicy::Reactive { utilization, scale_down_window: SignedDuration::from_secs(300) }
}

fn forecast(quantile: f64) -> ShadowPolicy {
    ShadowPolicy::Forecast {
        quantile,
        forecast_utilization: 1.0,
        utilization: 0.9,
        hold: SignedDuration::from_mins(10),
        stabilization: SignedDuration::from_secs(60),
        drain: SignedDuration::from_secs(60),
    }
}

/// Two reactive policies, then two that look ahead.
fn portfolio() -> Vec<ShadowPolicy> {
    vec![reactive(0.6), reactive(0.8), forecast(0.8), forecast(0.95)]
}

/// A day of demand 100 by (GPU-hours, missed replica-hours) of each policy.
fn day(sums: [(f64, f64); 4]) -> Day {
    let sums = sums.map(|(gpu_hours, missed)| Costs { gpu_hours, missed, queued: missed });
    Day { foreseen: true, demand: 100.0, sums: sums.into() }
}

fn criteria(objective: Objective) -> SelectionCriteria {
    SelectionCriteria {
        objective,
        cost_ratio: 30.0,
        lead: SignedDuration::from_secs(180),
        forecast_available: true,
    }
}

fn choice(days: &[Day], objective: Objective) -> Selection {
    select(&portfolio(), days, &ever(days), &criteria(objective))
}

/// What all of these days come to.
fn ever(days: &[Day]) -> Vec<Costs> {
    let mut all = vec![Costs::default(); 4];
    for day in days {
        all.iter_mut().zip(&day.sums).for_each(|(total, sums)| *total += *sums);
    }
    all
}

/// At ρ = 30: 190, 180, 150, 165; a day more or less of `noise` for the forecasts.
fn clockwork(noise: &[f64]) -> Vec<Day> {
    let one =
        |noise: &f64| day([(160.0, 1.0), (120.0, 2.0), (120.0 + noise, 1.0), (150.0 + noise, 0.5)]);
    noise.iter().map(one).collect()
}

#[test]
fn on_clockwork_days_the_forecast_earns_its_authority() {
    let chosen = choice(&clockwork(&[0.0, 5.0, -5.0, 2.0]), Objective::Cost);
    assert_eq!(
        (chosen.policy, chosen.best_reactive, chosen.why),
        (forecast(0.8), reactive(0.8), SelectionReason::Earned)
    );
    assert_eq!((chosen.days, chosen.days_won, chosen.cost_ratio), (4, 4, 30.0));
    // The noise of four days by their weights: 2^(−3/14) · 0 + 2^(−2/14) · 5 − 2^(−1/14) · 5 + 2
    // over the sum of weights.
    let noise = 0.475_92;
    assert!((chosen.gain - (30.0 - noise)).abs() < 1e-4, "{}", chosen.gain);
    let (low, high) = chosen.gain_interval;
    assert!(low > 20.0 && high < 40.0 && low < chosen.gain && chosen.gain < high);
    let (ours, theirs) = (chosen.expected, chosen.expected_reactive);
    assert!((ours.gpu_hours - 120.0 - noise).abs() < 1e-4 && (theirs.missed - 2.0).abs() < 1e-9);
    assert!((chosen.gain - theirs.total_cost(30.0) + ours.total_cost(30.0)).abs() < 1e-9);
}

#[test]
fn a_gain_that_chance_may_have_made_is_not_proven() {
    // On average cheaper by 5, by far less than it swings.
    let chosen = choice(&clockwork(&[150.0, -100.0, 140.0, -90.0]), Objective::Cost);
    assert_eq!(
        (chosen.policy, chosen.why, chosen.days_won),
        (reactive(0.8), SelectionReason::NotProven, 0)
    );
    assert_eq!((chosen.gain, chosen.gain_interval), (0.0, (0.0, 0.0)));
}

/// The edge by hand: gains 1, 2, 3 of which each counts 2^(1/14) as much as the one before have
/// mean 2.0330, count for 2.9951 days, and t(.8, 2) · s / √n = .6128.
#[test]
fn the_gate_opens_where_student_says_so() {
    let days = |shift: f64| -> Vec<Day> {
        let one = |gain: f64| {
            day([(500.0, 0.0), (100.0, 0.0), (100.0 - gain - shift, 0.0), (500.0, 0.0)])
        };
        [1.0, 2.0, 3.0].map(one).into()
    };
    assert_eq!(choice(&days(-1.420), Objective::Cost).policy, forecast(0.8));
    assert_eq!(choice(&days(-1.421), Objective::Cost).policy, reactive(0.8));
}

#[test]
fn a_forecast_that_lost_over_the_last_week_is_let_go() {
    // Ten good days tell more than chance, and go on doing so through a week that is a little worse
    // than reactive.
    let days = |lately: f64| -> Vec<Day> {
        let one = |gain: f64| day([(500.0, 0.0), (100.0, 0.0), (100.0 - gain, 0.0), (500.0, 0.0)]);
        [[20.0; 10].map(one).as_slice(), [lately; 7].map(one).as_slice()].concat()
    };
    let (still, gone) = (choice(&days(0.1), Objective::Cost), choice(&days(-0.1), Objective::Cost));
    assert_eq!((still.policy, still.why), (forecast(0.8), SelectionReason::Earned));
    assert_eq!((gone.policy, gone.why), (reactive(0.8), SelectionReason::NotProven));
}

#[test]
fn where_no_forecast_is_cheaper_the_best_reactive_policy_acts_and_is_an_answer() {
    let days = vec![day([(160.0, 1.0), (120.0, 2.0), (160.0, 2.0), (190.0, 1.0)]); 5];
    let chosen = choice(&days, Objective::Cost);
    assert_eq!((chosen.policy, chosen.why), (reactive(0.8), SelectionReason::ReactiveBest));
}

#[test]
fn few_days_are_taken_as_they_are_and_none_by_what_was_best_for_others() {
    let few = choice(&clockwork(&[150.0, -160.0]), Objective::Cost);
    assert_eq!((few.policy, few.why, few.days), (forecast(0.8), SelectionReason::FewDays, 2));
    assert_eq!(
        choice(&clockwork(&[0.0]), Objective::Cost).gain_interval,
        (f64::NEG_INFINITY, f64::INFINITY)
    );
    let none = choice(&[], Objective::Cost);
    assert_eq!((none.policy.forecasts(), none.why, none.days), (true, SelectionReason::Prior, 0));
    let blind = select(
        &portfolio(),
        &[],
        &[],
        &SelectionCriteria { forecast_available: false, ..criteria(Objective::Cost) },
    );
    assert_eq!((blind.policy, blind.why), (UNTUNED, SelectionReason::Untuned));
}

#[test]
fn without_a_trained_forecast_only_reactive_policies_act() {
    for days in [1, 2, 10] {
        let days = clockwork(&vec![0.0; days]);
        let chosen = select(
            &portfolio(),
            &days,
            &ever(&days),
            &SelectionCriteria { forecast_available: false, ..criteria(Objective::Cost) },
        );
        assert_eq!(chosen.policy, reactive(0.8));
    }
}

#[test]
fn what_a_forecast_policy_did_without_a_forecast_says_nothing_about_it() {
    let blind =
        Day { foreseen: false, ..day([(160.0, 1.0), (120.0, 2.0), (900.0, 9.0), (900.0, 9.0)]) };
    let mut days = vec![blind; 3];
    let untested = choice(&days, Objective::Cost);
    assert_eq!(
        (untested.why, untested.best_reactive, untested.days),
        (SelectionReason::Prior, reactive(0.8), 3)
    );
    days.extend(clockwork(&[0.0, 5.0, -5.0]));
    let tested = choice(&days, Objective::Cost);
    assert_eq!(
        (tested.policy, tested.why, tested.days, tested.days_won),
        (forecast(0.8), SelectionReason::Earned, 3, 3)
    );
}

#[test]
fn safe_takes_no_more_of_either() {
    // Cheaper by far, but it buys misses with GPU-hours: not safe. The other one is less of both.
    let days = |missed: f64, gpu_hours: f64| {
        vec![day([(160.0, 1.0), (100.0, 2.0), (110.0, 0.5), (gpu_hours, missed)]); 5]
    };
    let policy = |missed, gpu_hours, objective| choice(&days(missed, gpu_hours), objective).policy;
    assert_eq!(policy(1.7, 97.0, Objective::Cost), forecast(0.8));
    assert_eq!(policy(1.7, 97.0, Objective::Safe), forecast(0.95));
    assert_eq!(policy(2.0, 97.0, Objective::Safe), forecast(0.95));
    assert_eq!(policy(2.01, 97.0, Objective::Safe), reactive(0.8));
    assert_eq!(policy(1.7, 100.0, Objective::Safe), forecast(0.95));
    assert_eq!(policy(1.7, 100.1, Objective::Safe), reactive(0.8));
}

/// The edge by hand, as that of the gate: mean 2.0330 and s / √n = .57773 of 1, 2, 3, of which
/// t(.9, 2) = 1.8856 makes 1.0894.
#[test]
fn what_is_saved_of_either_must_be_more_than_chance() {
    let gains = [1.0, 2.0, 3.0];
    let of_hours = |shift: f64| {
        gains.map(|gain| {
            day([(900.0, 0.0), (100.0, 9.0), (100.0 - gain - shift, 2.0), (900.0, 9.0)])
        })
    };
    let of_misses = |shift: f64| {
        gains
            .map(|gain| day([(900.0, 0.0), (100.0, 9.0), (40.0, 9.0 - gain - shift), (900.0, 9.0)]))
    };
    for (safe, unsafe_) in
        [(of_hours(-0.943), of_hours(-0.944)), (of_misses(-0.943), of_misses(-0.944))]
    {
        assert_eq!(choice(&safe, Objective::Safe).policy, forecast(0.8));
        let steps_aside = choice(&unsafe_, Objective::Safe);
        assert_eq!(
            (steps_aside.policy, steps_aside.why),
            (reactive(0.8), SelectionReason::NotProven)
        );
        assert_eq!(choice(&unsafe_, Objective::Cost).policy, forecast(0.8));
    }
}

#[test]
fn safe_steps_aside_for_what_was_cheapest_of_all_time() {
    let days = vec![day([(160.0, 1.0), (120.0, 2.0), (160.0, 2.0), (190.0, 1.0)]); 5];
    let mut ever = ever(&days);
    // Long ago.
    ever[1].missed += 100.0;
    let policy = |objective| select(&portfolio(), &days, &ever, &criteria(objective)).policy;
    assert_eq!((policy(Objective::Safe), policy(Objective::Cost)), (reactive(0.6), reactive(0.8)));
}

#[test]
fn safe_takes_nothing_for_proven_in_two_days() {
    let chosen = choice(&clockwork(&[0.0; 2]), Objective::Safe);
    assert_eq!((chosen.policy, chosen.why), (reactive(0.8), SelectionReason::FewDays));
    let blind: Vec<Day> =
        clockwork(&[0.0; 5]).into_iter().map(|day| Day { foreseen: false, ..day }).collect();
    assert_eq!(choice(&blind, Objective::Safe).policy, reactive(0.8));
}

#[test]
fn a_target_is_met_by_the_smallest_cost_ratio_that_does() {
    // 1 % of 100 with a margin: at most .85. The last policy misses .5 and is cheapest from ρ = 60
    // on (150 − 120 = .5 · 60).
    let target = choice(&clockwork(&[0.0; 5]), Objective::Late(0.01));
    assert_eq!(target.policy, forecast(0.95));
    assert!((60.0..70.0).contains(&target.cost_ratio), "{}", target.cost_ratio);
    // Two per cent: 1.7 of 100, which the other forecast does for less.
    assert_eq!(choice(&clockwork(&[0.0; 5]), Objective::Late(0.02)).policy, forecast(0.8));
    // Out of reach: whatever it costs.
    let out_of_reach = choice(&clockwork(&[0.0; 5]), Objective::Late(0.001));
    assert_eq!(out_of_reach.policy, forecast(0.95));
    assert!(out_of_reach.cost_ratio > 1999.0);
}

/// From ρ = 18 on the forecast is the cheapest and meets 1 % of 100, but by no more than chance may
/// have it. At that ratio the reactive policy that misses 2 is cheaper than the one that misses .5;
/// only this one keeps the target.
#[test]
fn where_no_forecast_is_proven_a_reactive_policy_meets_the_target() {
    let one = |noise: &f64| day([(160.0, 0.5), (120.0, 2.0), (130.0 + noise, 0.6), (900.0, 0.0)]);
    let days: Vec<Day> = [200.0, -150.0, 180.0, -170.0].iter().map(one).collect();
    let chosen = choice(&days, Objective::Late(0.01));
    assert_eq!(
        (chosen.policy, chosen.best_reactive, chosen.why),
        (reactive(0.6), reactive(0.6), SelectionReason::NotProven)
    );
    assert!((17.0..22.0).contains(&chosen.cost_ratio), "{}", chosen.cost_ratio);
    let steady = [[0.0; 4].map(|noise| one(&noise))].concat();
    assert_eq!(choice(&steady, Objective::Late(0.01)).policy, forecast(0.8));
}

fn block(index: i64, slots: u32) -> Block {
    let start = Timestamp::from_second(index * BLOCK.as_secs()).unwrap();
    let sums = vec![Costs { gpu_hours: index as f64, missed: 0.0, queued: 0.0 }];
    Block { start, slots, foreseen: slots, demand: 1.0, sums }
}

#[test]
fn days_are_those_of_utc_with_all_their_blocks() {
    let hours = |blocks: &[Block]| {
        complete_days(blocks, SLOTS).iter().map(|day| day.sums[0].gpu_hours).collect::<Vec<_>>()
    };
    let whole: Vec<Block> = (2..=13).map(|index| block(index, 1440)).collect();
    assert_eq!(hours(&whole), [4.0 + 5.0 + 6.0 + 7.0, 8.0 + 9.0 + 10.0 + 11.0]);
    // Three more blocks of the day that is under way change nothing.
    assert_eq!(hours(&whole[..10]), hours(&whole));
    // Without block 5 there is no day that holds it.
    let gap: Vec<Block> =
        whole.iter().filter(|block| block.sums[0].gpu_hours != 5.0).cloned().collect();
    assert_eq!(hours(&gap), [8.0 + 9.0 + 10.0 + 11.0]);
    // A day of which more than a tenth is missing does not count.
    let missing = |slots| -> Vec<Block> {
        (4..=11).map(|i| block(i, if i == 6 { slots } else { 1440 })).collect()
    };
    assert_eq!(hours(&missing(864)).len(), 2);
    assert_eq!(hours(&missing(863)), [8.0 + 9.0 + 10.0 + 11.0]);
    assert_eq!(hours(&[]), [0.0; 0]);
}

fn some_days() -> impl Strategy<Value = Vec<Day>> {
    let sums = (0.0f64..500.0, 0.0f64..20.0);
    prop::collection::vec(prop::array::uniform4(sums).prop_map(day), 0..30)
}

proptest! {
    /// Whatever the days: what acts was never dearer on them, young ones counting more, than the
    /// best reactive policy at the ratio it was chosen for, and where it forecasts the interval of
    /// its gain lies above zero.
    #[test]
    fn what_acts_was_not_dearer(days in some_days(), ratio in 0.0f64..1000.0, target in 0.0001f64..0.5, mode in 0usize..3) {
        let objective = [Objective::Cost, Objective::Safe, Objective::Late(target)][mode];
        let criteria = SelectionCriteria { cost_ratio: ratio, ..criteria(objective) };
        let chosen = select(&portfolio(), &days, &ever(&days), &criteria);
        if days.is_empty() {
            prop_assert_eq!(chosen.why, SelectionReason::Prior);
            return Ok(());
        }
        let (ours, theirs) = (chosen.expected, chosen.expected_reactive);
        prop_assert!(ours.total_cost(chosen.cost_ratio) <= theirs.total_cost(chosen.cost_ratio) + 1e-6);
        prop_assert!(!chosen.best_reactive.forecasts());
        prop_assert!(chosen.gain >= -1e-9 && chosen.days_won <= chosen.days);
        if chosen.why == SelectionReason::Earned {
            prop_assert!(chosen.gain_interval.0 > 0.0);
        }
        prop_assert_eq!(chosen.policy.forecasts(), chosen.why == SelectionReason::Earned || (chosen.why == SelectionReason::FewDays && chosen.policy.forecasts()));
    }
}
