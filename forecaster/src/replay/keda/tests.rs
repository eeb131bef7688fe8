use jiff::SignedDuration;

use super::*;

fn keda(min: u32, idle: Option<u32>) -> Loop {
    Loop::new(Keda { min, idle, ..Keda::default() })
}

fn falling_back(replicas: u32, behavior: FallbackBehavior) -> Loop {
    let fallback = Some(Fallback { failure_threshold: 3, replicas, behavior });
    Loop::new(Keda { min: 0, fallback, ..Keda::default() })
}

/// `scaleFromZeroOrIdle`: to max(1, minReplicaCount), never further.
#[test]
fn from_zero_it_goes_to_the_minimum_and_never_further() {
    assert_eq!(keda(0, None).poll(0, 0, Some(true)), 1);
    assert_eq!(keda(5, None).poll(0, 0, Some(true)), 5);
    assert_eq!(keda(5, Some(0)).poll(0, 0, Some(true)), 5);
    assert_eq!(keda(5, Some(2)).poll(0, 2, Some(true)), 5, "from idle");
    assert_eq!(keda(0, None).poll(0, 7, Some(true)), 7, "the rest is the HPA's");
}

/// `scaleToZeroOrIdle`: from any number in one step, past the HPA's behaviour (keda#7770), once the cooldown is over
/// (`lastActiveTime.Add(cooldown).Before(now)`: at the very instant it is not).
#[test]
fn to_zero_it_goes_in_one_step_after_the_cooldown() {
    let mut keda = keda(0, None);
    keda.poll(0, 9, Some(true));
    assert_eq!((keda.poll(2, 9, Some(false)), keda.poll(20, 9, Some(false)), keda.poll(22, 9, Some(false))), (9, 9, 0));
}

/// The same: a target that was never seen active has no cooldown.
#[test]
fn what_never_was_active_goes_at_once() {
    assert_eq!(keda(0, None).poll(0, 3, Some(false)), 0);
}

/// The same: with a minimum there is no cooldown and no zero, with `idleReplicaCount` there is.
#[test]
fn a_minimum_holds_unless_idle_is_set() {
    assert_eq!(keda(2, None).poll(1000, 9, Some(false)), 9, "down is the HPA's");
    assert_eq!(keda(2, None).poll(1000, 1, Some(false)), 2);
    assert_eq!(keda(2, Some(0)).poll(1000, 9, Some(false)), 0);
    assert_eq!(keda(2, Some(0)).poll(1000, 0, Some(false)), 0);
}

/// `RequestScale`, `case isError`: without fallback held, and the last active time is not renewed.
#[test]
fn an_error_holds_and_the_cooldown_runs_on() {
    let mut keda = keda(0, None);
    keda.poll(0, 4, Some(true));
    assert_eq!(keda.poll(100, 4, None), 4);
    assert_eq!(keda.poll(101, 4, Some(false)), 0);
}

/// The same: `fallback.replicas: 0` and an error fall through to the scale to zero.
#[test]
fn a_fallback_of_zero_replicas_lets_an_error_go_to_zero() {
    assert_eq!(falling_back(0, FallbackBehavior::Static).poll(0, 4, None), 0);
    assert_eq!(falling_back(2, FallbackBehavior::Static).poll(0, 4, None), 4);
}

/// `GetMetricsWithFallback`: after more failures in a row than `failureThreshold`; `doFallback`: by behaviour.
#[test]
fn after_more_failures_than_allowed_the_fallback_stands_in() {
    let after = |failures: u32, behavior| {
        let mut keda = falling_back(6, behavior);
        (0..failures).for_each(|_| keda.count(false));
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
    assert_eq!(keda.poll(0, 0, None), 1, "a fallback that acts makes the object active");
    keda.count(true);
    assert_eq!(keda.fallback(4), None, "one answer, and it is over");
}

/// The poll's period and the cooldown are seconds of the ScaledObject.
#[test]
fn seconds_become_steps() {
    let mut keda = Loop::new(Keda { min: 0, cooldown: SignedDuration::from_secs(60), ..Keda::default() });
    keda.poll(0, 1, Some(true));
    assert_eq!((keda.poll(4, 1, Some(false)), keda.poll(5, 1, Some(false))), (1, 0));
}
