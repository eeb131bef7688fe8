use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;

fn seconds(n: i64) -> SignedDuration {
    SignedDuration::from_secs(n)
}

fn plain() -> Controller {
    Controller::new(&Hpa { behavior: None, ..Hpa::default() }, 1, 100)
}

fn filled_in() -> Controller {
    Controller::new(&Hpa::default(), 1, 100)
}

fn with(up: ScalingRules, down: ScalingRules) -> Controller {
    Controller::new(&Hpa { behavior: Some(Behavior { up, down }), ..Hpa::default() }, 1, 100)
}

fn rules(stabilization: i64, select: SelectPolicy, policies: &[ScalingPolicy]) -> ScalingRules {
    ScalingRules {
        tolerance: None,
        stabilization: Some(seconds(stabilization)),
        select,
        policies: policies.to_vec(),
    }
}

/// Where `hpa` goes from `current` when it is told `proposed` at every sync, one each 15 s.
fn path(hpa: &mut Controller, mut current: u32, proposed: &[u32]) -> Vec<u32> {
    let go = |(i, proposed): (usize, &u32)| {
        current = hpa.sync(15 * i as i64, current, Some(*proposed));
        current
    };
    proposed.iter().enumerate().map(go).collect()
}

/// `GetExternalPerPodMetricReplicas`, `Tolerances.isWithin`: both edges are within.
#[test]
fn within_a_tenth_nothing_moves_both_edges_included() {
    let hpa = plain();
    let cases = [(10.0, 10), (11.0, 10), (9.0, 10), (11.001, 12), (8.999, 9), (0.0, 0), (20.5, 21)];
    for (wanted, expected) in cases {
        assert_eq!(hpa.replicas(wanted, 10), expected, "{wanted}");
    }
    assert_eq!(hpa.replicas(1.05, 1), 1);
    assert_eq!(hpa.replicas(1.2, 1), 2);
    let strict = Controller::new(&Hpa { tolerance: 0.0, ..Hpa::default() }, 1, 100);
    assert_eq!((strict.replicas(10.001, 10), strict.replicas(10.0, 10)), (11, 10));
}

/// In replicas' worth as in thousandths of the demand's unit, in which the HPA divides.
#[test]
fn it_counts_in_replicas_as_in_the_demands_unit() {
    let threshold = Threshold::new(6.111).unwrap();
    for n in 1..200 {
        for current in [1, 3, 50, 190] {
            let value = average_value::whole_replicas(n, threshold);
            let wanted = (value * 1000.0).round() / threshold.milli() as f64;
            assert_eq!(
                plain().replicas(wanted, current),
                plain().desired(value, threshold, current),
                "{n} from {current}"
            );
        }
    }
}

#[test]
fn the_ramp_is_1_4_8_16_32() {
    assert_eq!([1, 4, 5, 8, 16, 32].map(|target| ramp_steps(1, target)), [0, 1, 2, 2, 3, 4]);
    assert_eq!(ramp_steps(0, 4), 1);
    assert_eq!(ramp_steps(0, u32::MAX), 31);
}

/// The lead reckons with an HPA without `behavior`: one with the `behavior` that is filled in is
/// never slower.
#[test]
fn the_ramp_is_as_long_as_syncs_take_and_no_shorter_with_behavior() {
    let syncs = |hpa: &mut Controller, current: u32, target: u32| {
        let went = path(hpa, current, &[target; 12]);
        went.iter().position(|replicas| *replicas == target).map_or(0, |last| last as u32 + 1)
    };
    for current in 1..20 {
        for target in current + 1..100 {
            let ramp = ramp_steps(current, target);
            assert_eq!(syncs(&mut plain(), current, target), ramp, "{current} to {target}");
            let filled_in = syncs(&mut filled_in(), current, target);
            assert!(
                (ramp - 1..=ramp).contains(&filled_in),
                "{current} to {target}: {filled_in}, not {ramp}"
            );
        }
    }
}

/// `calculateScaleUpLimit`: max(2 × current, 4).
#[test]
fn without_behavior_it_goes_1_4_8_16_32() {
    assert_eq!(path(&mut plain(), 1, &[40; 6]), [4, 8, 16, 32, 40, 40]);
}

/// `scaleUpRules` in pkg/apis/autoscaling/v2/defaults.go: 100 % or 4 pods in 15 s, whichever is
/// more.
#[test]
fn with_the_behavior_that_is_filled_in_it_goes_1_5_10_20_40() {
    assert_eq!(path(&mut filled_in(), 1, &[90; 6]), [5, 10, 20, 40, 80, 90]);
}

/// `stabilizeRecommendation`: the most of the window, one as old as the window included
/// (`Before(cutoff)`).
#[test]
fn without_behavior_the_way_down_waits_for_the_window_and_its_edge() {
    let proposed: Vec<u32> = [8].into_iter().chain([2; 24]).collect();
    let went = path(&mut plain(), 8, &proposed);
    assert_eq!(
        went.iter().position(|replicas| *replicas == 2),
        Some(21),
        "301 s after the last need, at the next sync"
    );
}

/// `stabilizeRecommendationWithBehaviors`: only what is younger than the window (`After(cutoff)`).
#[test]
fn with_behavior_it_waits_for_the_window_without_its_edge() {
    let proposed: Vec<u32> = [8].into_iter().chain([2; 24]).collect();
    let went = path(&mut filled_in(), 8, &proposed);
    assert_eq!(went.iter().position(|replicas| *replicas == 2), Some(20));
}

/// The same: a peak within the window is held, not the last value.
#[test]
fn the_way_down_goes_to_the_most_of_the_window() {
    let mut proposed = vec![9; 1];
    proposed.extend([3; 10]);
    proposed.push(6);
    proposed.extend([2; 30]);
    let went = path(&mut filled_in(), 9, &proposed);
    assert_eq!((went[19], went[20], went[30], went[31]), (9, 6, 6, 2));
}

/// The same, upwards: the least of the scale-up window.
#[test]
fn a_scale_up_window_waits_for_the_least() {
    let up = rules(60, SelectPolicy::Max, &[ScalingPolicy::Percent(900, seconds(15))]);
    let down = rules(0, SelectPolicy::Max, &[ScalingPolicy::Percent(100, seconds(15))]);
    let mut hpa = with(up, down);
    assert_eq!(path(&mut hpa, 2, &[2, 8, 8, 6, 8, 8, 8, 8]), [2, 2, 2, 2, 6, 6, 6, 8]);
}

/// `calculateScaleUpLimitWithScalingRules`, `getReplicasChangePerPeriod`: what was added in the
/// period counts.
#[test]
fn a_policy_counts_what_its_period_has_seen() {
    let up = rules(0, SelectPolicy::Max, &[ScalingPolicy::Pods(3, seconds(60))]);
    let down = rules(0, SelectPolicy::Max, &[ScalingPolicy::Percent(100, seconds(15))]);
    assert_eq!(path(&mut with(up, down), 1, &[20; 9]), [4, 4, 4, 4, 7, 7, 7, 7, 10]);
}

/// `calculateScaleDownLimitWithBehaviors`: percent of the period's start, cut off.
#[test]
fn down_by_half_a_minute() {
    let up = rules(0, SelectPolicy::Max, &[ScalingPolicy::Percent(100, seconds(15))]);
    let down = rules(0, SelectPolicy::Max, &[ScalingPolicy::Percent(50, seconds(60))]);
    assert_eq!(path(&mut with(up, down), 9, &[1; 13]), [4, 4, 4, 4, 2, 2, 2, 2, 1, 1, 1, 1, 1]);
}

/// `selectPolicy`: `Max` the most, `Min` the least, `Disabled` none.
#[test]
fn select_policies() {
    let both = [ScalingPolicy::Pods(1, seconds(15)), ScalingPolicy::Percent(100, seconds(15))];
    let still = rules(0, SelectPolicy::Disabled, &[]);
    let reach = |select| path(&mut with(rules(0, select, &both), still.clone()), 8, &[40])[0];
    assert_eq!(
        [SelectPolicy::Max, SelectPolicy::Min, SelectPolicy::Disabled].map(reach),
        [16, 9, 8]
    );
    let fall = |select| path(&mut with(still.clone(), rules(0, select, &both)), 8, &[1])[0];
    assert_eq!([SelectPolicy::Max, SelectPolicy::Min, SelectPolicy::Disabled].map(fall), [1, 7, 8]);
}

/// `reconcileAutoscaler`: at zero it is off; beyond its bounds it comes back without asking a
/// metric.
#[test]
fn zero_and_the_bounds_need_no_metric() {
    let mut hpa = Controller::new(&Hpa::default(), 2, 10);
    assert_eq!(hpa.sync(0, 0, Some(9)), 0);
    assert_eq!((hpa.sync(15, 1, None), hpa.sync(30, 40, None)), (2, 10));
    let went = (hpa.sync(45, 4, Some(0)), hpa.sync(1500, 4, Some(0)), hpa.sync(1515, 8, Some(99)));
    assert_eq!(went, (2, 2, 10));
}

/// `computeReplicasForMetrics`: where metrics fail nothing changes.
#[test]
fn a_metric_that_fails_changes_nothing() {
    assert_eq!(filled_in().sync(0, 7, None), 7);
}

proptest! {
    /// Never beyond the bounds, never past what was asked for, never faster than the filled-in
    /// behavior.
    #[test]
    fn it_stays_between_what_runs_and_what_is_asked_for(proposed in prop::collection::vec(0u32..200, 1..200)) {
        let mut hpa = filled_in();
        let mut current = 5;
        for (i, proposed) in proposed.iter().enumerate() {
            let next = hpa.sync(15 * i as i64, current, Some(*proposed));
            prop_assert!((1..=100).contains(&next));
            prop_assert!(next <= current.max(*proposed).max(1) && next <= (2 * current).max(current + 4));
            prop_assert!(next >= current.min(*proposed));
            current = next;
        }
    }

    /// More asked for, never fewer replicas.
    #[test]
    fn more_never_gives_fewer(
        proposed in prop::collection::vec((0u32..60, 0u32..20), 1..120), behaves in any::<bool>(),
    ) {
        let hpa = || if behaves { filled_in() } else { plain() };
        let least: Vec<u32> = proposed.iter().map(|(least, _)| *least).collect();
        let more: Vec<u32> = proposed.iter().map(|(least, more)| least + more).collect();
        let (few, many) = (path(&mut hpa(), 3, &least), path(&mut hpa(), 3, &more));
        prop_assert!(few.iter().zip(&many).all(|(few, many)| few <= many), "{few:?} {many:?}");
    }
}
