//! Written cases of the loop, and the queue against a finer one.

use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;

const PARAMS: SimulationParams = SimulationParams {
    slot_s: 15.0,
    longest: 4,
    drawn: None,
    cooldown: 0,
    least: 1,
    awake: 1,
    max: 1000,
    activation: 0.0,
    active_value: 0.0,
    beyond_live: None,
};
const PLAIN: Rule =
    Rule { live: 1.0, blind: 1.0, drain: 1.0 / 60.0, window: 0, late: false, plain: false };

/// Replicas ready and starting after each slot in which the metric shows `metric` and nothing
/// waits.
fn follow(
    state: &mut PolicyState,
    rule: &Rule,
    metric: &[f64],
    ahead: Option<(u32, u32)>,
) -> Vec<(u32, u32)> {
    let from = state.wanted.newest_at().map_or(1, |at| at + 1);
    let step = |(i, metric): (usize, &f64)| {
        let index = from + i as u32;
        let slot = idle(&PARAMS, index, *metric);
        state.step(&PARAMS, rule, &slot, ahead);
        (state.ready, state.pending)
    };
    metric.iter().enumerate().map(step).collect()
}

/// A slot without demand at which `metric` is seen.
fn idle(params: &SimulationParams, index: u32, metric: f64) -> Slot {
    Slot {
        index,
        place: index % params.longest,
        demand: 0.0,
        recent: 0.0,
        due: 0.0,
        metric,
        warm: false,
        limits: SlotLimits::default(),
    }
}

#[test]
fn within_a_tenth_nothing_moves() {
    for (metric, wanted) in [(11.0, 10), (11.01, 12), (9.0, 10), (8.99, 9)] {
        assert_eq!(replicas(metric, 10), wanted, "{metric}");
    }
    assert_eq!((replicas(0.0, 0), replicas(0.1, 0)), (0, 1));
}

#[test]
fn a_sync_adds_four_pods_or_doubles_and_a_replica_takes_the_lead_to_start() {
    let mut state = PolicyState::new(&PARAMS, 1);
    let seen = follow(&mut state, &PLAIN, &[32.0; 8], None);
    assert_eq!(seen, [(1, 4), (1, 9), (1, 19), (1, 31), (5, 27), (10, 22), (20, 12), (32, 0)]);
}

#[test]
fn it_comes_down_to_the_most_that_was_wanted_within_the_window() {
    let mut state = PolicyState::new(&PARAMS, 8);
    let rule = Rule { window: 2, ..PLAIN };
    let total = |(ready, pending): &(u32, u32)| ready + pending;
    let seen = follow(&mut state, &rule, &[8.0, 5.0, 3.0, 6.0, 2.0, 2.0, 2.0], None);
    assert_eq!(seen.iter().map(total).collect::<Vec<_>>(), [8, 8, 8, 6, 6, 6, 2]);
}

#[test]
fn what_starts_goes_first_the_newest_of_it_first() {
    let mut state = PolicyState::new(&PARAMS, 2);
    assert_eq!(follow(&mut state, &PLAIN, &[5.0, 7.0], None), [(2, 3), (2, 5)]);
    // Of five that start the two newest go; the three older ones land in their time.
    assert_eq!(
        follow(&mut state, &PLAIN, &[5.0, 5.0, 5.0, 5.0], None),
        [(2, 3), (2, 3), (5, 0), (5, 0)]
    );
    assert_eq!(follow(&mut state, &PLAIN, &[1.0], None), [(1, 0)]);
}

#[test]
fn start_ups_take_as_long_as_is_drawn_and_the_longest_go_first() {
    let slots = |n: i64| SignedDuration::from_secs(15 * n);
    let drawn = ColdStart::weighted([(slots(1), 0.5), (slots(2), 0.25), (slots(4), 0.25)]).unwrap();
    let took: Vec<i64> = (0..5).map(|n| drawn.draw(SEED, n).as_secs() / 15).collect();
    let params = SimulationParams { drawn: Some(drawn), ..PARAMS };
    let (mut state, mut ready) = (PolicyState::new(&params, 1), Vec::new());
    for (index, metric) in (1..).zip([5.0, 5.0, 5.0, 5.0, 5.0, 6.0, 5.0]) {
        let slot = idle(&params, index, metric);
        state.step(&params, &PLAIN, &slot, None);
        ready.push(state.ready);
    }
    let landed = |by: i64| 1 + took.iter().take(4).filter(|took| **took <= by).count() as u32;
    assert_eq!(ready[..5], [1, landed(1), landed(2), landed(3), landed(4)], "{took:?}");
    assert!(took[..4].iter().any(|slots| *slots < 4) && took[..4].contains(&4), "{took:?}");
    assert_eq!(
        (state.ready, state.pending, ready[5]),
        (5, 0, 5),
        "the fifth start-up was canceled"
    );
    // The same draws again, and one replica fewer wanted at once: who has longest to go goes.
    let mut state = PolicyState::new(&params, 1);
    state.start(&params, 0, 4);
    state.stop(&params, 0, 1);
    let longest = took[..4].iter().max().unwrap();
    let left = |slots: i64| {
        took[..4].iter().filter(|took| **took == slots).count() as u32
            - u32::from(slots == *longest)
    };
    assert_eq!(state.arriving, [left(4), left(1), left(2), left(3)]);
}

#[test]
fn the_forecast_adds_and_holds_no_more_than_runs() {
    let mut state = PolicyState::new(&PARAMS, 4);
    assert_eq!(follow(&mut state, &PLAIN, &[1.0], Some((0, 9))), [(4, 0)]);
    assert_eq!(follow(&mut state, &PLAIN, &[1.0], Some((6, 9))), [(4, 2)]);
    assert_eq!(follow(&mut state, &PLAIN, &[1.0], Some((0, 3))), [(3, 0)]);
}

#[test]
fn a_forecast_within_the_tolerance_moves_nothing_either() {
    let mut state = PolicyState::new(&PARAMS, 20);
    assert_eq!(follow(&mut state, &PLAIN, &[1.0], Some((22, 0))), [(20, 0)]);
    assert_eq!(follow(&mut state, &PLAIN, &[1.0], Some((23, 0))), [(20, 3)]);
}

#[test]
fn the_last_replica_stays_while_warm_and_for_the_cooldown_and_the_first_comes_alone() {
    let params = SimulationParams { least: 0, cooldown: 2, ..PARAMS };
    let mut state = PolicyState::new(&params, 3);
    let mut total = |index: u32, metric: f64, warm: bool| {
        let slot = Slot { warm, ..idle(&params, index, metric) };
        state.step(&params, &PLAIN, &slot, None);
        state.ready + state.pending
    };
    let seen: Vec<u32> =
        (1..8).map(|index| total(index, if index == 1 { 3.0 } else { 0.0 }, index < 4)).collect();
    assert_eq!(seen, [3, 1, 1, 1, 0, 0, 0]);
    assert_eq!([total(8, 4.0, true), total(9, 4.0, true)], [1, 4]);
}

#[test]
fn with_none_while_idle_the_minimum_comes_at_once_and_goes_at_once() {
    let params = SimulationParams { least: 0, awake: 3, cooldown: 2, ..PARAMS };
    let mut state = PolicyState::new(&params, 0);
    let mut total = |index: u32, metric: f64| {
        let slot = idle(&params, index, metric);
        state.step(&params, &PLAIN, &slot, None);
        state.ready + state.pending
    };
    let metric = [0.0, 0.5, 8.0, 1.0, 0.0, 0.0, 0.0, 0.0];
    let seen: Vec<u32> = (4..).zip(metric).map(|(index, metric)| total(index, metric)).collect();
    assert_eq!(seen, [0, 3, 7, 3, 3, 0, 0, 0]);
}

#[test]
fn headroom_is_for_live_demand_and_without_a_forecast_there_is_more_of_it() {
    let rule = Rule { live: 1.0 / 1.2, blind: 1.0 / 0.8, ..PLAIN };
    let mut state = PolicyState::new(&PARAMS, 1);
    assert_eq!(follow(&mut state.clone(), &rule, &[4.0], Some((0, 0))), [(1, 3)]);
    assert_eq!(follow(&mut state, &rule, &[4.0], None), [(1, 4)]);
}

/// Work that waits longer than a slot, and the queue's integral, of demand and replicas slot by
/// slot.
fn queue(demand: &[f64], ready: &[u32]) -> Costs {
    let mut state = PolicyState::new(&PARAMS, 0);
    let mut previous = 0.0;
    for (i, (demand, ready)) in demand.iter().zip(ready).enumerate() {
        state.ready = *ready;
        let slot = Slot {
            index: i as u32,
            place: i as u32 % PARAMS.longest,
            demand: *demand,
            recent: previous,
            due: previous,
            metric: 0.0,
            warm: false,
            limits: SlotLimits::default(),
        };
        state.serve(&PARAMS, &slot);
        previous = *demand;
    }
    state.take_sums(&PARAMS)
}

#[test]
fn a_burst_that_is_served_half_a_slot_too_late_is_late_by_hand() {
    // Two replicas' worth for a slot, one runs: what arrived at fraction f waits until 2 f, so for
    // f > 1 it would be late.
    assert_eq!(queue(&[2.0, 0.0, 0.0], &[1, 1, 1]).missed, 0.0);
    // Three: what arrived at f is served at 3 f, a slot later than it came for f > 1/2.
    let missed = queue(&[3.0, 0.0, 0.0, 0.0], &[1, 1, 1, 1]).missed;
    assert!((missed - 0.5 * 3.0 * 15.0 / 3600.0).abs() < 1e-12, "{missed}");
    // Nothing serves the first slot: all of it waits a slot at least.
    let missed = queue(&[1.0, 0.0, 0.0], &[0, 1, 1]).missed;
    assert_eq!(missed, 0.0, "exactly the limit is not late");
    assert!((queue(&[1.0, 0.0, 0.0], &[0, 0, 1]).missed - 15.0 / 3600.0).abs() < 1e-12);
}

proptest! {
    /// Against a queue of small items, each with its own arrival.
    #[test]
    fn what_is_late_is_what_waits_longer_than_the_limit(
        slots in prop::collection::vec((0.0f64..8.0, 0u32..8), 1..30),
    ) {
        const ITEMS: usize = 400;
        let (mut demand, mut ready): (Vec<f64>, Vec<u32>) = slots.into_iter().unzip();
        // Time to empty it, so that every item is judged.
        demand.extend([0.0; 60]);
        ready.extend([8; 60]);
        let sums = queue(&demand, &ready);
        let served = |until: f64| {
            // Served by a queue that is never asked for more than there is: the least over all
            // starts of a busy period.
            let rate = |from: f64, to: f64, of: &dyn Fn(usize) -> f64| -> f64 {
                (0..demand.len()).map(|i| (to.min(i as f64 + 1.0) - from.max(i as f64)).max(0.0) * of(i)).sum()
            };
            let starts = (0..=until as usize).map(|i| i as f64).chain([until]);
            starts.map(|s| rate(0.0, s, &|i| demand[i]) + rate(s, until, &|i| f64::from(ready[i]))).fold(f64::INFINITY, f64::min)
        };
        let (mut late, mut arrived) = (0.0, 0.0);
        for (i, rate) in demand.iter().enumerate().take(30) {
            for item in 0..ITEMS {
                let size = rate / ITEMS as f64;
                arrived += size;
                let at = i as f64 + (item as f64 + 1.0) / ITEMS as f64;
                if *rate > 0.0 && served(at + 1.0) < arrived - 1e-9 {
                    late += size;
                }
            }
        }
        let missed = sums.missed * 3600.0 / 15.0;
        // Two items a slot: where the fluid crosses the limit, and where it crosses back.
        let grain = 2.0 * demand.iter().sum::<f64>() / ITEMS as f64;
        prop_assert!((missed - late).abs() <= grain + 1e-6, "{missed} {late}");
    }

    /// Serving with more replicas never makes more late, and the queue never longer.
    #[test]
    fn more_replicas_never_miss_more(slots in prop::collection::vec((0.0f64..8.0, 0u32..8, 0u32..3), 1..60)) {
        let demand: Vec<f64> = slots.iter().map(|(demand, ..)| *demand).collect();
        let ready: Vec<u32> = slots.iter().map(|(_, ready, _)| *ready).collect();
        let more: Vec<u32> = slots.iter().map(|(_, ready, more)| ready + more).collect();
        let (less, more) = (queue(&demand, &ready), queue(&demand, &more));
        prop_assert!(more.missed <= less.missed + 1e-9 && more.queued <= less.queued + 1e-9);
    }
}
