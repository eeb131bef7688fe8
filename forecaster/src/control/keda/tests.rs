use jiff::SignedDuration;

use super::*;

fn keda(min: u32, idle: Option<u32>) -> ScaleLoop {
    ScaleLoop::new(ScaledObject { min, idle, ..ScaledObject::default() }, 0)
}

fn falling_back(replicas: u32, behavior: FallbackBehavior) -> ScaleLoop {
    let fallback = Some(Fallback { failure_threshold: 3, replicas, behavior });
    ScaleLoop::new(ScaledObject { min: 0, fallback, ..ScaledObject::default() }, 0)
}

/// `scaleFromZeroOrIdle`: to max(1, minReplicaCount), never further.
#[test]
fn from_zero_it_goes_to_the_minimum_and_never_further() {
    assert_eq!(keda(0, None).poll(0, 0, true, false), 1);
    assert_eq!(keda(5, None).poll(0, 0, true, false), 5);
    assert_eq!(keda(5, Some(0)).poll(0, 0, true, false), 5);
    assert_eq!(keda(5, Some(2)).poll(0, 2, true, false), 5, "from idle");
    assert_eq!(keda(0, None).poll(0, 7, true, false), 7, "the rest is the HPA's");
}

/// `scaleToZeroOrIdle`: from any number in one step, past the HPA's behavior (keda#7770), once the
/// cooldown is over (`lastActiveTime.Add(cooldown).Before(now)`; `metav1.Time` is stored in whole
/// seconds, so that the poll a cooldown after the last active one finds it over).
#[test]
fn to_zero_it_goes_in_one_step_after_the_cooldown() {
    let mut keda = keda(0, None);
    keda.poll(0, 9, true, false);
    assert_eq!(
        (
            keda.poll(30, 9, false, false),
            keda.poll(299, 9, false, false),
            keda.poll(300, 9, false, false)
        ),
        (9, 9, 0)
    );
}

/// The same: a target that was never seen active has no cooldown.
#[test]
fn what_never_was_active_goes_at_once() {
    assert_eq!(keda(0, None).poll(0, 3, false, false), 0);
}

/// The same: with a minimum there is no cooldown and no zero, with `idleReplicaCount` there is.
#[test]
fn a_minimum_holds_unless_idle_is_set() {
    assert_eq!(keda(2, None).poll(15_000, 9, false, false), 9, "down is the HPA's");
    assert_eq!(keda(2, None).poll(15_000, 1, false, false), 2);
    assert_eq!(keda(2, Some(0)).poll(15_000, 9, false, false), 0);
    assert_eq!(keda(2, Some(0)).poll(15_000, 0, false, false), 0);
}

/// `RequestScale`, `case isError`: without fallback held, and the last active time is not renewed.
#[test]
fn an_error_holds_and_the_cooldown_runs_on() {
    let mut keda = keda(0, None);
    keda.poll(0, 4, true, false);
    assert_eq!(keda.poll(1500, 4, false, true), 4);
    assert_eq!(keda.poll(1515, 4, false, false), 0);
}

/// The same: `fallback.replicas: 0` and an error fall through to the scale to zero.
#[test]
fn a_fallback_of_zero_replicas_lets_an_error_go_to_zero() {
    assert_eq!(falling_back(0, FallbackBehavior::Static).poll(0, 4, false, true), 0);
    assert_eq!(falling_back(2, FallbackBehavior::Static).poll(0, 4, false, true), 4);
}

/// `GetMetricsWithFallback`: after more failures in a row than `failureThreshold`; `doFallback`: by
/// behavior.
#[test]
fn after_more_failures_than_allowed_the_fallback_stands_in() {
    let after = |failures: u32, behavior| {
        let mut keda = falling_back(6, behavior);
        (0..failures).for_each(|_| keda.synced(false));
        keda
    };
    assert_eq!(after(3, FallbackBehavior::Static).fallback(4), None);
    let stands = |behavior, current| after(4, behavior).fallback(current);
    assert_eq!(stands(FallbackBehavior::Static, 9), Some(6));
    assert_eq!(stands(FallbackBehavior::CurrentReplicas, 9), Some(9));
    assert_eq!(stands(FallbackBehavior::CurrentReplicasIfHigher, 9), Some(9));
    assert_eq!(stands(FallbackBehavior::CurrentReplicasIfHigher, 2), Some(6));
    assert_eq!(stands(FallbackBehavior::CurrentReplicasIfLower, 9), Some(6));
    let mut keda = after(4, FallbackBehavior::Static);
    assert_eq!(keda.poll(0, 0, false, true), 1, "a fallback that acts makes the object active");
    keda.synced(true);
    assert_eq!(keda.fallback(4), None, "one answer, and it is over");
}

/// `cooldownPeriod` is of the ScaledObject.
#[test]
fn the_cooldown_is_the_scaled_objects() {
    let cooldown = SignedDuration::from_secs(60);
    let mut keda = ScaleLoop::new(ScaledObject { min: 0, cooldown, ..ScaledObject::default() }, 0);
    keda.poll(0, 1, true, false);
    assert_eq!((keda.poll(59, 1, false, false), keda.poll(60, 1, false, false)), (1, 0));
}

/// pkg/scaling/executor/scale_scaledobjects_test.go: `TestScaleToMinReplicasWhenNotActive`,
/// `TestScaleToMinReplicasFromLowerInitialReplicaCount`, `TestScaleFromMinReplicasWhenActive`,
/// `TestScaleToIdleReplicasWhenNotActive`, `TestScaleFromIdleToMinReplicasWhenActive`; the last two
/// are `TestRequestScale_ScalerError_HPAHealthy` and `TestRequestScale_PartialError_HPAHealthy`.
#[test]
fn the_cases_of_the_executors_own_tests() {
    // (minimum, idle), current, (active, failed), expected.
    let cases = [
        ((0, None), 10, (false, false), 0),
        ((5, None), 1, (false, false), 5),
        ((0, None), 0, (true, false), 1),
        ((5, Some(0)), 10, (false, false), 0),
        ((5, Some(0)), 0, (true, false), 5),
        ((0, None), 1, (false, true), 1),
        ((0, None), 1, (true, true), 1),
    ];
    for ((min, idle), current, (active, failed), expected) in cases {
        assert_eq!(
            keda(min, idle).poll(0, current, active, failed),
            expected,
            "{min} {idle:?} {current} {active}"
        );
    }
}

/// `scaleToZeroOrIdle`: where nothing was ever active, `initialCooldownPeriod` counts from the
/// creation.
#[test]
fn an_initial_cooldown_holds_what_never_was_active() {
    let initial_cooldown = SignedDuration::from_secs(60);
    let mut keda =
        ScaleLoop::new(ScaledObject { min: 0, initial_cooldown, ..ScaledObject::default() }, 1000);
    let went = [1000, 1059, 1060].map(|now| keda.poll(now, 3, false, false));
    assert_eq!(went, [3, 3, 0]);
}

/// `RequestScale`: a trigger that is active beside one that fails wakes from zero, but does not
/// renew the last active time.
#[test]
fn active_beside_an_error_wakes_and_does_not_prolong() {
    let mut object = keda(0, None);
    assert_eq!(object.poll(0, 0, true, true), 1);
    assert_eq!((object.poll(285, 4, true, true), object.poll(300, 4, false, false)), (4, 0));
    let mut object = keda(0, None);
    object.poll(0, 0, true, false);
    object.poll(285, 4, true, false);
    assert_eq!(object.poll(300, 4, false, false), 4);
}

/// `case isError`: an error holds even what is below the minimum.
#[test]
fn an_error_holds_below_the_minimum() {
    assert_eq!(keda(5, None).poll(0, 1, false, true), 1);
}

/// `UsesHPAObservations`, `hpaActivelyQuerying`: with a minimum and an HPA that scales, polls ask
/// nothing and count nothing.
#[test]
fn polls_do_not_count_what_the_hpa_has_asked() {
    let fallback =
        Some(Fallback { failure_threshold: 1, replicas: 6, behavior: FallbackBehavior::Static });
    let after = |min, scaling_active| {
        let mut keda = ScaleLoop::new(ScaledObject { min, fallback, ..ScaledObject::default() }, 0);
        keda.see_hpa(scaling_active);
        keda.polled(false);
        keda.synced(false);
        keda.fallback(4)
    };
    assert_eq!((after(1, true), after(1, false), after(0, true)), (None, Some(6), Some(6)));
}
