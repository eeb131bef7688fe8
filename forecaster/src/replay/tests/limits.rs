//! Windows, limits, and the meter.

use super::*;

/// Two replicas from eight to ten, every day.
#[test]
fn zero_demand_for_ever_costs_what_the_windows_demand_and_no_more() {
    let window = Window {
        name: "morning".to_owned(),
        days: Days { weekdays: [true; 7], dates: Vec::new(), holidays: HolidayRule::Ignore },
        from: civil::time(8, 0, 0, 0),
        to: civil::time(10, 0, 0, 0),
        min_replicas: Some(2),
        max_replicas: None,
        scale_to_zero: None,
    };
    let calendar = Calendar::new(TimeZone::UTC, vec![window], Vec::new());
    for (min, lead) in [(0, 60), (1, 60), (0, 600)] {
        let keda = ScaledObject { min, ..ScaledObject::default() };
        let scene = Scenario { keda, calendar: calendar.clone(), timeline: true, ..scene(lead) };
        let outcome = replay(&trace(60, vec![0.0; 4 * 1440]), &[], &scene, Arm::Prewarm);
        let windows = 4.0 * (2.0 * 2.0 + 22.0 * f64::from(min));
        // Each day: two replicas start a cold start, poll, sync and ramp early; going to zero they
        // cool down.
        let early = 4.0 * f64::from(2 - min) * (lead as f64 + 150.0) / 3600.0;
        let cooling =
            if min == 0 { 4.0 * 2.0 * (300.0 + 60.0) / 3600.0 } else { 4.0 * 90.0 / 3600.0 };
        let more = outcome.gpu_hours - windows;
        assert!(
            more >= 0.0 && more <= early + cooling,
            "{min} {lead}: {more} more than {windows}, {early} {cooling}"
        );
        assert_eq!(outcome.missed_replica_hours, 0.0);
        let in_window = outcome
            .timeline
            .iter()
            .filter(|moment| (8..10).contains(&(moment.time.as_second() / 3600 % 24)));
        assert!(
            in_window.clone().all(|moment| moment.ready >= 2),
            "{min} {lead}: Ready by the window's start"
        );
    }
}

/// The meter counts as much as was announced.
#[test]
fn the_meter_ends_where_the_work_ends() {
    let (trace, scene) = (days(2, 5.0, 90.0), scene(180));
    replay_all(&trace, &[], &scene, &Arm::ALL);
    assert_eq!(scene.meter.done(), work(&trace, &Arm::ALL));
}

/// Half of what a replica carries, by its concurrency limit: twice the replicas are needed, and who
/// knows starts them.
#[test]
fn a_concurrency_limit_bounds_what_a_replica_serves() {
    let level = trace(60, vec![40.0; 600]);
    // 20 at once, 4 s each: five a second instead of ten.
    let slots = Some(Slots { limit: 20, service: seconds(4) });
    let of = |slots, arm| replay(&level, &[], &Scenario { slots, ..scene(60) }, arm);
    assert_eq!(of(None, Arm::Hpa).missed_replica_hours, 0.0);
    let (free, bound) = (of(None, Arm::Oracle), of(slots, Arm::Oracle));
    assert!(
        (bound.gpu_hours / free.gpu_hours - 2.0).abs() < 0.02,
        "{} {}",
        bound.gpu_hours,
        free.gpu_hours
    );
    assert!(
        of(slots, Arm::Hpa).miss_share > 0.1,
        "six replicas at 75 % serve thirty of forty until the queue tells"
    );
    let plenty = Some(Slots { limit: 80, service: seconds(4) });
    assert_eq!(
        of(plenty, Arm::Hpa),
        of(None, Arm::Hpa),
        "a limit that never binds changes nothing"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever comes, no arm costs less than the one that knows; and all that is counted is in
    /// bounds.
    #[test]
    fn the_oracle_is_never_beaten(
        levels in prop::collection::vec((0.0f64..120.0, 1usize..60), 1..30), lead in 1i64..60, ratio in 0.5f64..300.0,
        min in 0u32..3, seed in any::<u64>(),
    ) {
        let values = levels.iter().flat_map(|(level, minutes)| std::iter::repeat_n(*level, *minutes)).collect();
        let trace = trace(60, values);
        let keda = ScaledObject { min, max: 30, ..ScaledObject::default() };
        let scene = Scenario { keda, cost_ratio: ratio, seed, ..scene(15 * lead) };
        let outcomes = replay_all(&trace, &[], &scene, &Arm::ALL);
        let oracle = outcomes.iter().find(|(arm, _)| *arm == Arm::Oracle).map(|(_, outcome)| cost(outcome, &scene));
        for (arm, outcome) in &outcomes {
            prop_assert!(cost(outcome, &scene) >= oracle.unwrap(), "{arm}");
            prop_assert!((0.0..=1.0 + 1e-9).contains(&outcome.miss_share), "{arm} {}", outcome.miss_share);
            prop_assert!(outcome.gpu_hours >= f64::from(min) * trace.values().len() as f64 / 60.0 - 1e-6, "{arm}");
        }
    }

    /// Nor by its own plan alone, without looking at the others, where a quiet first quarter of an
    /// hour leaves it time to start what the first need takes. (It plans no spare capacity for a
    /// queue that it could not prevent.)
    #[test]
    fn its_own_plan_is_hardly_ever_the_dearer(
        levels in prop::collection::vec((0.0f64..120.0, 5usize..60), 1..30), lead in 1i64..60,
    ) {
        let quiet = std::iter::repeat_n(0.0, 15);
        let levels = levels.iter().flat_map(|(level, minutes)| std::iter::repeat_n(*level, *minutes));
        let (trace, scene) = (trace(60, quiet.chain(levels).collect()), scene(15 * lead));
        let oracle = cost(&replay(&trace, &[], &scene, Arm::Oracle), &scene);
        for arm in [Arm::Hpa, Arm::ReactiveTuned, Arm::Knative, Arm::Prewarm] {
            let other = cost(&replay(&trace, &[], &scene, arm), &scene);
            prop_assert!(oracle <= 1.001 * other, "{arm}: {oracle} {other}");
        }
    }
}
