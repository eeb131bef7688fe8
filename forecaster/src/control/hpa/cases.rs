//! The cases of Kubernetes' own tests (v1.35.4, pkg/controller/podautoscaler): names in quotes are
//! theirs.

use jiff::SignedDuration;

use super::*;

/// (pods, their period, percent, their period, stabilization), in seconds, as
/// `generateScalingRules` takes them.
type Generated = (u32, i64, u32, i64, i64);

fn seconds(n: i64) -> SignedDuration {
    SignedDuration::from_secs(n)
}

fn generated((pods, pods_period, percent, percent_period, stabilization): Generated) -> ScalingRules {
    let pods = (pods > 0).then(|| ScalingPolicy::Pods(pods, seconds(pods_period)));
    let percent = (percent > 0).then(|| ScalingPolicy::Percent(percent, seconds(percent_period)));
    ScalingRules {
        tolerance: None,
        stabilization: Some(seconds(stabilization)),
        select: SelectPolicy::Max,
        policies: pods.into_iter().chain(percent).collect(),
    }
}

fn controller(up: Option<ScalingRules>, down: Option<ScalingRules>, min: u32, max: u32) -> Controller {
    let filled_in = Behavior::default();
    let behavior = Behavior { up: up.unwrap_or(filled_in.up), down: down.unwrap_or(filled_in.down) };
    Controller::new(&Hpa { behavior: Some(behavior), ..Hpa::default() }, min, max)
}

/// `generateEventsUniformDistribution`: evenly over the last 120 s before `now`.
fn spread(changes: &[u32], now: i64) -> Vec<(i64, u32)> {
    let segment = 120.0 / changes.len() as f64;
    let ago = |n: usize| (120.0 - segment * (n as f64 + 0.5)) as i64;
    changes.iter().enumerate().map(|(n, change)| (now - ago(n), *change)).collect()
}

const NOW: i64 = 10_000;

/// `TestConvertDesiredReplicasWithRules`; the case with a minimum of 0 is left out: KEDA's HPA has
/// at least 1.
#[test]
fn without_behavior_bounds_and_rate() {
    let cases = [(5, 7, 3, 8, 7), (3, 1, 2, 8, 2), (20, 1000, 1, 10, 10), (3, 1000, 1, 2000, 6)];
    for (current, desired, min, max, expected) in cases {
        let mut hpa = Controller::new(&Hpa { behavior: None, ..Hpa::default() }, min, max);
        assert_eq!(hpa.by_default(NOW, current, desired), expected, "{current} to {desired}");
    }
}

/// `TestNormalizeDesiredReplicas`: minutes ago and what was recommended; window 5 min.
#[test]
fn without_behavior_the_most_of_the_window() {
    type Case<'a> = (&'a str, &'a [(i64, u32)], u32, u32);
    let cases: [Case<'_>; 5] = [
        ("empty log", &[], 5, 5),
        ("stabilize", &[(2, 4), (1, 5)], 3, 5),
        ("no stabilize", &[(2, 1), (1, 2)], 3, 3),
        ("no stabilize - old recommendations", &[(10, 10), (9, 9)], 3, 3),
        ("stabilize - old recommendations", &[(10, 10), (9, 9), (2, 5), (1, 4)], 3, 5),
    ];
    for (name, recommended, proposed, expected) in cases {
        let mut hpa = Controller::new(&Hpa { behavior: None, ..Hpa::default() }, 1, 100);
        for (minutes, replicas) in recommended {
            hpa.by_default(NOW - 60 * minutes, 100, *replicas);
        }
        assert_eq!(hpa.by_default(NOW, 100, proposed), expected, "{name}");
    }
}

/// `TestNormalizeDesiredReplicasWithBehavior`: minutes ago and what was recommended; windows up and
/// down in seconds.
#[test]
fn with_behavior_between_the_least_and_the_most_of_the_windows() {
    type Case<'a> = (&'a str, &'a [(i64, u32)], (i64, i64), u32, u32, u32);
    let cases: [Case<'_>; 11] = [
        ("empty recommendations for scaling down", &[], (0, 0), 100, 5, 5),
        ("simple scale down stabilization", &[(2, 4), (1, 5)], (0, 180), 100, 3, 5),
        ("simple scale up stabilization", &[(2, 4), (1, 5)], (300, 0), 1, 7, 4),
        ("no scale down stabilization", &[(2, 1), (1, 2)], (300, 0), 100, 3, 3),
        ("no scale up stabilization", &[(2, 4), (1, 5)], (0, 300), 1, 3, 3),
        ("no scale down stabilization, reuse recommendation element", &[(10, 10), (9, 9)], (0, 0), 100, 3, 3),
        ("no scale up stabilization, reuse recommendation element", &[(10, 10), (9, 9)], (0, 0), 1, 100, 100),
        (
            "scale down stabilization, reuse one of obsolete recommendation element",
            &[(10, 10), (9, 9), (2, 5), (1, 4)],
            (0, 180),
            100,
            3,
            5,
        ),
        (
            "scale up stabilization, reuse one of obsolete recommendation element",
            &[(100, 10), (3, 9), (2, 5), (1, 6)],
            (300, 0),
            1,
            100,
            5,
        ),
        (
            "scale up and down stabilization, do not scale up when prenormalized rec goes down",
            &[(100, 2), (3, 3)],
            (300, 300),
            2,
            1,
            2,
        ),
        (
            "scale up and down stabilization, do not scale down when prenormalized rec goes up",
            &[(100, 2), (3, 1)],
            (300, 300),
            2,
            3,
            2,
        ),
    ];
    for (name, recommended, (up, down), current, proposed, expected) in cases {
        let rules = |window| Some(generated((0, 0, 100, 15, window)));
        let mut hpa = controller(rules(up), rules(down), 1, 1000);
        for (minutes, replicas) in recommended {
            hpa.stabilized(NOW - 60 * minutes, current, *replicas);
        }
        assert_eq!(hpa.stabilized(NOW, current, proposed), expected, "{name}");
    }
}

/// `TestScalingWithRules`, without the case of a minimum of 0.
#[test]
fn policies_bounds_and_what_the_period_has_seen() {
    struct Case {
        name: &'static str,
        ups: &'static [u32],
        downs: &'static [u32],
        up: Option<Generated>,
        down: Option<Generated>,
        /// Minimum, maximum, current, desired, expected.
        replicas: [u32; 5],
    }
    let case = |name, up, down, replicas| Case { name, ups: &[], downs: &[], up, down, replicas };
    let rose = |name, ups, up, replicas| Case { name, ups, downs: &[], up: Some(up), down: None, replicas };
    let fell = |name, downs, down, replicas| Case { name, ups: &[], downs, up: None, down: Some(down), replicas };
    let cases = [
        case("prenormalized desired replicas within range", None, None, [3, 8, 5, 7, 7]),
        case("prenormalized desired replicas < minReplicas", None, None, [2, 8, 3, 1, 2]),
        case("maxReplicas is the limit because maxReplicas < scaleUpLimit", None, None, [1, 10, 20, 1000, 10]),
        case("desired replica count is more than the maximum replica count", None, None, [100, 150, 100, 1000, 150]),
        case("scaleUpLimit with user policies", Some((0, 0, 1, 60, 0)), None, [1, 2000, 3, 1000, 4]),
        case("scaleDownLimit with user policies", None, Some((20, 60, 0, 0, 0)), [3, 2000, 1000, 3, 980]),
        case("scaleUp with default behavior", None, None, [1, 1000, 10, 50, 20]),
        case("pods larger than percent", Some((100, 60, 100, 60, 0)), None, [1, 1000, 10, 500, 110]),
        case("percent larger than pods", Some((2, 60, 100, 60, 0)), None, [1, 1000, 10, 500, 20]),
        case("large pod policy", Some((100, 60, 0, 0, 0)), None, [1, 1000, 10, 50, 50]),
        case("large percent policy", Some((10_000, 60, 0, 0, 0)), None, [1, 1000, 10, 50, 50]),
        case("scaleUp with pod policy limitation", Some((30, 60, 0, 0, 0)), None, [1, 1000, 10, 50, 40]),
        case("scaleUp with percent policy limitation", Some((0, 0, 200, 60, 0)), None, [1, 1000, 10, 50, 30]),
        case("scaleDown, percent larger than pods", None, Some((20, 60, 1, 60, 300)), [1, 1000, 100, 2, 80]),
        case("scaleDown, pods larger than percent", None, Some((2, 60, 1, 60, 300)), [1, 1000, 100, 2, 98]),
        case("scaleDown, minimum, large pod policy", None, Some((100, 60, 0, 0, 300)), [1, 1000, 10, 0, 1]),
        case("scaleDown, minimum, large percent policy", None, Some((0, 0, 100, 60, 300)), [5, 1000, 10, 2, 5]),
        case("scaleDown with pod policy limitation", None, Some((5, 60, 0, 0, 300)), [1, 1000, 10, 2, 5]),
        case("scaleDown with percent policy limitation", None, Some((0, 0, 50, 60, 300)), [1, 1000, 10, 5, 5]),
        rose("maximum, large pod policy and events", &[1, 5, 9], (300, 60, 0, 0, 0), [1, 200, 100, 500, 200]),
        rose("maximum, large percent policy and events", &[1, 5, 9], (0, 0, 10_000, 60, 0), [1, 200, 100, 500, 200]),
        rose("currentReplicas limitation, many recent events", &[1, 5, 9], (5, 120, 0, 0, 0), [1, 1000, 100, 500, 100]),
        rose("pod policy and previous scale up events", &[1, 5, 9], (150, 120, 0, 0, 0), [1, 1000, 100, 500, 235]),
        rose("percent policy and previous scale up events", &[1, 5, 9], (0, 0, 200, 120, 0), [1, 1000, 100, 500, 255]),
        Case {
            name: "percent policy and previous scale up and down events",
            ups: &[4],
            downs: &[2],
            up: Some((0, 0, 300, 300, 0)),
            down: None,
            replicas: [1, 1000, 6, 24, 16],
        },
        Case {
            name: "scaleDown with default policy and previous events",
            ups: &[],
            downs: &[1, 5, 9],
            up: None,
            down: None,
            replicas: [1, 1000, 10, 5, 5],
        },
        fell("minimum, large pod policy, events", &[1, 5, 9], (115, 120, 0, 0, 300), [1, 1000, 100, 0, 1]),
        fell("another minimum, large pod policy, events", &[1, 5, 9], (130, 120, 0, 0, 300), [5, 1000, 100, 0, 5]),
        fell("minimum, large percent policy, events", &[1, 5, 9], (0, 0, 100, 120, 300), [5, 1000, 100, 2, 5]),
        fell("pod policy limitation and previous events", &[1, 5, 9], (5, 120, 0, 0, 300), [1, 1000, 100, 2, 100]),
        fell("percent policy limitation and previous events", &[2, 4, 6], (0, 0, 50, 120, 300), [1, 1000, 100, 0, 56]),
        Case {
            name: "scaleDown with percent policy and previous scale up and down events",
            ups: &[2],
            downs: &[4],
            up: None,
            down: Some((0, 0, 50, 180, 0)),
            replicas: [1, 1000, 10, 1, 6],
        },
        fell("events preventing further scale down", &[10, 10, 10], (0, 0, 10, 120, 300), [1, 1000, 100, 0, 100]),
        fell("events still allowing more scale down", &[10, 10, 10], (0, 0, 1000, 120, 300), [1, 1000, 10, 5, 5]),
        rose("one behavior for up", &[8, 12, 9, 11], (1000, 60, 0, 0, 0), [1, 1000, 100, 200, 200]),
        rose("two policies for up, not outdated", &[8, 12, 9, 11], (1000, 120, 100, 60, 0), [1, 1000, 100, 200, 200]),
        rose("two policies for up, outdated", &[8, 12, 9, 11], (1000, 30, 100, 60, 0), [1, 1000, 100, 200, 200]),
        fell("one behavior for down", &[8, 12, 9, 11], (1000, 60, 0, 0, 300), [1, 1000, 100, 5, 5]),
        fell("two policies for down", &[8, 12, 9, 11], (1000, 120, 100, 60, 300), [1, 1000, 100, 5, 5]),
        fell("two policies for down, outdated", &[8, 12, 9, 11], (1000, 30, 100, 60, 300), [1, 1000, 100, 5, 5]),
    ];
    for Case { name, ups, downs, up, down, replicas: [min, max, current, desired, expected] } in cases {
        let mut hpa = controller(up.map(generated), down.map(generated), min, max);
        hpa.ups.events = spread(ups, NOW);
        hpa.downs.events = spread(downs, NOW);
        assert_eq!(hpa.limited(NOW, current, desired), expected, "{name}");
    }
}

/// `TestCalculateScaleUpLimitWithScalingRules`, `TestCalculateScaleDownLimitWithBehaviors`: the
/// least of both policies.
#[test]
fn of_two_policies_the_one_that_changes_least() {
    let rules = ScalingRules { select: SelectPolicy::Min, ..generated((2, 60, 50, 60, 300)) };
    let hpa = controller(Some(rules.clone()), Some(rules.clone()), 1, 100);
    assert_eq!((hpa.up_limit(NOW, 1, &rules), hpa.down_limit(NOW, 5, &rules)), (2, 3));
}

/// `TestStoreScaleEvents`: (seconds ago, change) before, what the last minute has seen, and the
/// changes kept afterwards.
#[test]
fn an_outdated_event_gives_its_place_away() {
    type Case<'a> = (&'a str, &'a [(i64, u32)], i64, i64, &'a [u32]);
    let cases: [Case<'_>; 6] = [
        ("empty entries with two-policy-behavior", &[], 60, 0, &[5]),
        ("one outdated entry to be replaced with behavior", &[(61, 7)], 60, 0, &[5]),
        ("one actual entry to be not touched with behavior", &[(58, 7)], 60, 7, &[7, 5]),
        ("two entries, one of them to be replaced", &[(61, 7), (58, 6)], 60, 6, &[5, 6]),
        (
            "replace one entry, use policies with different periods",
            &[(29, 8), (59, 6), (61, 7), (61, 9)],
            60,
            14,
            &[8, 6, 7, 5],
        ),
        ("two entries, both actual", &[(58, 7), (59, 6)], 120, 13, &[7, 6, 5]),
    ];
    for (name, before, longest, seen, after) in cases {
        let mut rescales = Rescales::over(longest);
        rescales.events = before.iter().map(|(ago, change)| (NOW - ago, *change)).collect();
        assert_eq!(rescales.within(NOW, 60), seen, "{name}");
        rescales.store(NOW, 5);
        assert_eq!(rescales.events.iter().map(|(_, change)| *change).collect::<Vec<_>>(), after, "{name}");
    }
}

/// `TestReplicaCalc{Tolerance,ScaleUp,ScaleDown}PerPodCMExternal`,
/// `Test{ScaleUp,ScaleDown,Tolerance}PerPodCMExternal`: a value of 8600 milli, targets in milli.
#[test]
fn an_average_value_is_divided_by_what_runs_whether_ready_or_not() {
    let hpa = Controller::new(&Hpa { behavior: None, ..Hpa::default() }, 1, 100);
    let cases = [(2900, 3, 3), (2150, 3, 4), (2867, 5, 3), (2222, 3, 4), (3000, 5, 3), (2200, 4, 4)];
    for (target, current, expected) in cases {
        assert_eq!(hpa.replicas(8600.0 / f64::from(target), current), expected, "{target}");
    }
    // `usageRatio` without any pod is infinite, or no number: never within.
    assert_eq!((hpa.replicas(1.05, 0), hpa.replicas(0.0, 0)), (2, 0));
}

/// `TestReplicaCalcConfigurableTolerancePerPodCMExternal`, `TestConfigurableTolerance`:
/// `tolerancesForHpa`.
#[test]
fn each_direction_may_have_a_tolerance_of_its_own() {
    let tolerant = |up, down| {
        let rules = |tolerance| ScalingRules { tolerance, ..generated((0, 0, 100, 15, 0)) };
        controller(Some(rules(up)), Some(rules(down)), 1, 100)
    };
    // 1.02 of three replicas.
    assert_eq!(tolerant(Some(0.01), None).replicas(3.06, 3), 4, "1 % up");
    assert_eq!(tolerant(None, None).replicas(3.06, 3), 3, "the default");
    assert_eq!(tolerant(None, Some(0.9)).replicas(0.9, 3), 3, "90 % down");
    assert_eq!(tolerant(Some(0.01), None).replicas(2.8, 3), 3, "up says nothing about down");
    assert_eq!(tolerant(Some(0.0), Some(0.0)).replicas(3.0, 3), 3);
}

/// `TestScaleDownStabilizeInitialSize` (`recordInitialRecommendation`): what runs when the HPA
/// begins is held for a window.
#[test]
fn what_runs_at_first_is_held_for_a_window() {
    for behavior in [None, Some(Behavior::default())] {
        let last = if behavior.is_none() { 20 } else { 19 };
        let mut hpa = Controller::new(&Hpa { behavior, ..Hpa::default() }, 2, 6);
        let went: Vec<u32> = (0..22).map(|i| hpa.sync(15 * i, 5, Some(3))).collect();
        assert_eq!(went.iter().rposition(|replicas| *replicas == 5), Some(last));
    }
}

/// `TestTooFewReplicas`, `TestTooManyReplicas`, `TestMaxReplicas`, `TestMinReplicas`,
/// `TestMinReplicasDesiredZero`, `TestZeroReplicas`, `TestStabilizeDownscale`: the first three
/// cases need no metric.
#[test]
fn bounds_and_zero() {
    let cases = [
        ((3, 5), 2, None, 3),
        ((3, 5), 10, None, 5),
        ((3, 5), 0, None, 0),
        ((2, 5), 3, Some(90), 5),
        ((1, 100), 3, Some(24), 6),
        ((1, 5), 4, Some(2), 4),
    ];
    for ((min, max), current, proposed, expected) in cases {
        let mut hpa = Controller::new(&Hpa { behavior: None, ..Hpa::default() }, min, max);
        assert_eq!(hpa.sync(0, current, proposed), expected, "{current} in {min}..={max}");
    }
    // KEDA's HPA has a minimum of at least 1 (`GetHPAMinReplicas`): to zero goes KEDA alone.
    let mut hpa = Controller::new(&Hpa::default(), 0, 10);
    assert_eq!((0..30).map(|i| hpa.sync(15 * i, 4, Some(0))).last(), Some(1));
    // Without recommendations of before.
    let mut hpa = Controller::new(&Hpa { behavior: None, ..Hpa::default() }, 2, 5);
    hpa.begun = true;
    assert_eq!((hpa.sync(0, 3, Some(1)), hpa.sync(1500, 3, Some(0))), (2, 2));
}
