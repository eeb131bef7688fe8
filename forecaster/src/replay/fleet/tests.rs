use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::decide::policy::Threshold;
use crate::series::Series;

fn seconds(n: i64) -> SignedDuration {
    SignedDuration::from_secs(n)
}

fn scene() -> Scenario {
    Scenario::new(Threshold::new(1.0).unwrap(), seconds(60))
}

fn demand(values: &[f64], scene: &Scenario) -> Demand {
    Demand::new(&Series::new(Timestamp::UNIX_EPOCH, seconds(15), values.to_vec()), scene)
}

/// Serves all of it with as many replicas as there are at each step.
fn serve(values: &[f64], ready: impl Fn(usize) -> u32, scene: &Scenario) -> (Totals, f64) {
    let demand = demand(values, scene);
    let mut fleet = Fleet::new(&demand, scene, 0);
    for i in 0..values.len() {
        fleet.set_replicas(ready(i), 0);
        fleet.serve(i);
    }
    (fleet.tally, fleet.queue)
}

#[test]
fn a_replica_counts_from_scheduled_and_serves_from_ready() {
    let scene = scene();
    let demand = demand(&[0.0; 10], &scene);
    let mut fleet = Fleet::new(&demand, &scene, 1);
    fleet.scale(0, 3);
    let seen: Vec<(u32, u32)> = (0..6)
        .map(|i| {
            fleet.complete_startups(i);
            fleet.serve(i);
            (fleet.ready, fleet.starting)
        })
        .collect();
    assert_eq!(seen, [(1, 2), (1, 2), (1, 2), (1, 2), (3, 0), (3, 0)]);
    assert_eq!((fleet.tally.replicas, fleet.tally.starts), (18.0, 2));
}

#[test]
fn who_starts_goes_first_the_newest_of_them_first() {
    let scene = scene();
    let demand = demand(&[0.0; 20], &scene);
    let mut fleet = Fleet::new(&demand, &scene, 2);
    fleet.scale(0, 4);
    fleet.scale(2, 7);
    fleet.scale(3, 5);
    assert_eq!((fleet.ready, fleet.starting), (2, 3));
    fleet.complete_startups(4);
    assert_eq!((fleet.ready, fleet.starting), (4, 1));
    fleet.scale(5, 1);
    assert_eq!((fleet.ready, fleet.starting), (1, 0));
    fleet.complete_startups(6);
    assert_eq!(fleet.ready, 1, "who was canceled does not come");
}

#[test]
fn cold_starts_come_from_the_distribution_in_any_order() {
    let cold_start = ColdStart::weighted([(seconds(30), 1.0), (seconds(300), 1.0)]).unwrap();
    let scene = Scenario { cold_start, seed: 3, ..scene() };
    let demand = demand(&[0.0; 40], &scene);
    let mut fleet = Fleet::new(&demand, &scene, 0);
    fleet.scale(0, 100);
    fleet.complete_startups(2);
    let fast = fleet.ready;
    assert!((30..70).contains(&fast), "{fast}");
    fleet.complete_startups(19);
    assert_eq!(fleet.ready, fast);
    fleet.complete_startups(20);
    assert_eq!((fleet.ready, fleet.starting), (100, 0));
}

#[test]
fn work_that_waits_less_than_the_limit_is_not_missed() {
    // Two replicas' worth in one step, one replica: half of it waits, for at most a step.
    let (tally, queue) = serve(&[2.0, 0.0, 0.0], |_| 1, &scene());
    assert_eq!((tally.missed, queue, tally.under), (0.0, 0.0, 1));
    assert_eq!(tally.waited, 1.0);
}

#[test]
fn work_is_missed_when_its_limit_ends_unserved() {
    // Nobody for three steps: all of it.
    assert_eq!(serve(&[4.0, 0.0, 0.0, 0.0], |i| if i < 2 { 0 } else { 9 }, &scene()).0.missed, 4.0);
    // Four arrive, one is served in each step. What came at fraction x waits for 4 x, at one a step
    // from the first on: served at 4 x, 3 x after it came. A third of it in time.
    let missed = serve(&[4.0, 0.0, 0.0, 0.0, 0.0], |_| 1, &scene()).0.missed;
    assert!((missed - 8.0 / 3.0).abs() < 1e-9, "{missed}");
    // A limit of a minute is met.
    let patient = Scenario { wait_limit: seconds(60), ..scene() };
    assert_eq!(serve(&[4.0, 0.0, 0.0, 0.0, 0.0], |_| 1, &patient).0.missed, 0.0);
}

#[test]
fn who_loses_patience_goes_and_is_missed_once() {
    let scene = Scenario { patience: Some(seconds(30)), ..scene() };
    let (tally, queue) = serve(&[3.0, 3.0, 0.0, 0.0, 0.0], |_| 0, &scene);
    assert_eq!((tally.missed, queue), (6.0, 0.0));
}

#[test]
fn in_a_gap_nothing_is_counted() {
    let (tally, queue) = serve(&[2.0, f64::NAN, 0.0], |_| 1, &scene());
    assert_eq!((tally.steps, tally.replicas, queue), (2, 2.0, 0.0));
}

proptest! {
    /// More replicas at every step never serve less in time, and never leave more waiting.
    #[test]
    fn more_replicas_never_serve_less(
        steps in prop::collection::vec((0.0f64..8.0, 0u32..8, 0u32..4), 1..120), limit in 1i64..8,
        patience in prop::option::of(1i64..20),
    ) {
        let patience = patience.map(|slots| seconds(15 * slots));
        let scene = Scenario { wait_limit: seconds(15 * limit), patience, ..scene() };
        let values: Vec<f64> = steps.iter().map(|(value, ..)| *value).collect();
        let (few, waits) = serve(&values, |i| steps[i].1, &scene);
        let (many, left) = serve(&values, |i| steps[i].1 + steps[i].2, &scene);
        prop_assert!(many.missed <= few.missed + 1e-6, "{} {}", many.missed, few.missed);
        prop_assert!(left <= waits + 1e-6 && many.waited <= few.waited + 1e-6);
    }

    /// What is missed has arrived, and without any replica everything whose limit is over is
    /// missed.
    #[test]
    fn missed_work_is_some_of_what_arrived(steps in prop::collection::vec((0.0f64..8.0, 0u32..8), 2..120)) {
        let values: Vec<f64> = steps.iter().map(|(value, _)| *value).collect();
        let arrived: f64 = values.iter().sum();
        let some = serve(&values, |i| steps[i].1, &scene()).0.missed;
        prop_assert!((0.0..=arrived + 1e-9).contains(&some));
        let none = serve(&values, |_| 0, &scene()).0.missed;
        prop_assert!((none - (arrived - values[values.len() - 1])).abs() < 1e-6);
    }
}
