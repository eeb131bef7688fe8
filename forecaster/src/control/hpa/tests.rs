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

fn with(up: Rules, down: Rules) -> Controller {
    Controller::new(&Hpa { behavior: Some(Behavior { up, down }), ..Hpa::default() }, 1, 100)
}

fn rules(stabilization: i64, select: Select, policies: &[Limit]) -> Rules {
    Rules { tolerance: None, stabilization: Some(seconds(stabilization)), select, policies: policies.to_vec() }
}

/// Where `hpa` goes from `current` when it is told `proposed` at every sync from the first step on.
fn path(hpa: &mut Controller, mut current: u32, proposed: &[u32]) -> Vec<u32> {
    let go = |(i, proposed): (usize, &u32)| {
        current = hpa.sync(i as u32, current, Some(*proposed));
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

/// The same arithmetic as the planner's, which divides thousandths as the HPA does.
#[test]
fn it_counts_as_the_planner_does() {
    let threshold = crate::decide::policy::Threshold::new(6.111).unwrap();
    for n in 1..200 {
        for current in [1, 3, 50, 190] {
            let value = crate::decide::hpa::whole_replicas(n, threshold);
            let wanted = (value * 1000.0).round() / threshold.milli() as f64;
            let expected = crate::decide::hpa::desired_replicas(value, threshold, current);
            assert_eq!(plain().replicas(wanted, current), expected, "{n} from {current}");
        }
    }
}

/// `calculateScaleUpLimit`: max(2 × current, 4).
#[test]
fn without_behavior_it_goes_1_4_8_16_32() {
    assert_eq!(path(&mut plain(), 1, &[40; 6]), [4, 8, 16, 32, 40, 40]);
}

/// `scaleUpRules` in pkg/apis/autoscaling/v2/defaults.go: 100 % or 4 pods in 15 s, whichever is more.
#[test]
fn with_the_behavior_that_is_filled_in_it_goes_1_5_10_20_40() {
    assert_eq!(path(&mut filled_in(), 1, &[90; 6]), [5, 10, 20, 40, 80, 90]);
}

/// `stabilizeRecommendation`: the most of the window, one as old as the window included (`Before(cutoff)`).
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
    let up = rules(60, Select::Max, &[Limit::Percent(900, seconds(15))]);
    let down = rules(0, Select::Max, &[Limit::Percent(100, seconds(15))]);
    let mut hpa = with(up, down);
    assert_eq!(path(&mut hpa, 2, &[2, 8, 8, 6, 8, 8, 8, 8]), [2, 2, 2, 2, 6, 6, 6, 8]);
}

/// `calculateScaleUpLimitWithScalingRules`, `getReplicasChangePerPeriod`: what was added in the period counts.
#[test]
fn a_policy_counts_what_its_period_has_seen() {
    let up = rules(0, Select::Max, &[Limit::Pods(3, seconds(60))]);
    let down = rules(0, Select::Max, &[Limit::Percent(100, seconds(15))]);
    assert_eq!(path(&mut with(up, down), 1, &[20; 9]), [4, 4, 4, 4, 7, 7, 7, 7, 10]);
}

/// `calculateScaleDownLimitWithBehaviors`: percent of the period's start, cut off.
#[test]
fn down_by_half_a_minute() {
    let up = rules(0, Select::Max, &[Limit::Percent(100, seconds(15))]);
    let down = rules(0, Select::Max, &[Limit::Percent(50, seconds(60))]);
    assert_eq!(path(&mut with(up, down), 9, &[1; 13]), [4, 4, 4, 4, 2, 2, 2, 2, 1, 1, 1, 1, 1]);
}

/// `selectPolicy`: `Max` the most, `Min` the least, `Disabled` none.
#[test]
fn select_policies() {
    let both = [Limit::Pods(1, seconds(15)), Limit::Percent(100, seconds(15))];
    let still = rules(0, Select::Disabled, &[]);
    let reach = |select| path(&mut with(rules(0, select, &both), still.clone()), 8, &[40])[0];
    assert_eq!([Select::Max, Select::Min, Select::Disabled].map(reach), [16, 9, 8]);
    let fall = |select| path(&mut with(still.clone(), rules(0, select, &both)), 8, &[1])[0];
    assert_eq!([Select::Max, Select::Min, Select::Disabled].map(fall), [1, 7, 8]);
}

/// `reconcileAutoscaler`: at zero it is off; beyond its bounds it comes back without asking a metric.
#[test]
fn zero_and_the_bounds_need_no_metric() {
    let mut hpa = Controller::new(&Hpa::default(), 2, 10);
    assert_eq!(hpa.sync(0, 0, Some(9)), 0);
    assert_eq!((hpa.sync(1, 1, None), hpa.sync(2, 40, None)), (2, 10));
    assert_eq!((hpa.sync(3, 4, Some(0)), hpa.sync(100, 4, Some(0)), hpa.sync(101, 8, Some(99))), (2, 2, 10));
}

/// `computeReplicasForMetrics`: where metrics fail nothing changes.
#[test]
fn a_metric_that_fails_changes_nothing() {
    assert_eq!(filled_in().sync(0, 7, None), 7);
}

proptest! {
    /// Never beyond the bounds, never past what was asked for, never faster than the filled-in behaviour.
    #[test]
    fn it_stays_between_what_runs_and_what_is_asked_for(proposed in prop::collection::vec(0u32..200, 1..200)) {
        let mut hpa = filled_in();
        let mut current = 5;
        for (i, proposed) in proposed.iter().enumerate() {
            let next = hpa.sync(i as u32, current, Some(*proposed));
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
