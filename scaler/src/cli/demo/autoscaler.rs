//! KEDA and the HPA beside a fleet: polling, cooldown, sync, tolerance, scale-up limit, stabilisation.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::decide::hpa;
use prewarm_forecaster::decide::policy::Threshold;

/// KEDA's polling interval (`pollingInterval`, default 30 s).
pub(crate) const POLL: SignedDuration = SignedDuration::from_secs(30);

/// The HPA's sync period (`--horizontal-pod-autoscaler-sync-period`, default 15 s).
pub(crate) const SYNC: SignedDuration = SignedDuration::from_secs(15);

/// KEDA's cooldown before N → 0 (`cooldownPeriod`, default 300 s).
const COOLDOWN: SignedDuration = SignedDuration::from_secs(300);

/// The HPA's scale-down stabilisation (default 300 s).
const STABILISATION: SignedDuration = SignedDuration::from_secs(300);

/// One ScaledObject's autoscaling, KEDA's part and the HPA's, with their defaults.
#[derive(Debug)]
pub(crate) struct Autoscaler {
    threshold: Threshold,
    max_replicas: u32,
    last_active: Option<Timestamp>,
    recommended: VecDeque<(Timestamp, u32)>,
}

impl Autoscaler {
    /// An autoscaler at rest.
    pub(crate) fn new(threshold: Threshold, max_replicas: u32) -> Self {
        Self { threshold, max_replicas, last_active: None, recommended: VecDeque::new() }
    }

    /// KEDA's poll (pkg/scaling/executor/scale_scaledobjects.go `RequestScale`): 0 → 1 while active, N → 0 once inactive
    /// for the cooldown; an error (`None`) holds. Returns the replicas wanted.
    pub(crate) fn poll(&mut self, now: Timestamp, active: Option<bool>, current: u32) -> u32 {
        match active {
            Some(true) => {
                self.last_active = Some(now);
                current.max(1)
            }
            Some(false) if self.last_active.is_none_or(|last| now.duration_since(last) > COOLDOWN) => 0,
            _ => current,
        }
    }

    /// The HPA's sync (pkg/controller/podautoscaler/horizontal.go): nothing at zero replicas or on an error; else the
    /// ratio with tolerance, at most max(2 × current, 4) up, down to the highest recommendation of the last 300 s.
    pub(crate) fn sync(&mut self, now: Timestamp, value: Option<f64>, current: u32) -> u32 {
        let Some(value) = value.filter(|_| current > 0) else { return current };
        let desired = hpa::desired_replicas(value, self.threshold, current);
        self.recommended.push_back((now, desired));
        while self.recommended.front().is_some_and(|(at, _)| now.duration_since(*at) > STABILISATION) {
            self.recommended.pop_front();
        }
        let stabilised = self.recommended.iter().map(|(_, replicas)| *replicas).max().unwrap_or(desired);
        let down = if desired < current { stabilised.min(current) } else { desired };
        down.min((2 * current).max(4)).clamp(1, self.max_replicas)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn autoscaler() -> Autoscaler {
        Autoscaler::new(Threshold::new(6.0).unwrap(), 100)
    }

    #[test]
    fn keda_wakes_to_one_and_sleeps_after_the_cooldown() {
        let mut keda = autoscaler();
        assert_eq!(keda.poll(at(0), Some(true), 0), 1);
        assert_eq!(keda.poll(at(300), Some(false), 7), 7);
        assert_eq!(keda.poll(at(301), Some(false), 7), 0);
    }

    #[test]
    fn an_error_holds_and_does_not_refresh_the_cooldown() {
        let mut keda = autoscaler();
        keda.poll(at(0), Some(true), 0);
        assert_eq!(keda.poll(at(290), None, 3), 3);
        assert_eq!(keda.poll(at(301), Some(false), 3), 0);
    }

    #[test]
    fn the_hpa_climbs_in_steps_and_comes_down_after_five_minutes() {
        let mut hpa = autoscaler();
        let climb: Vec<u32> = [1, 4, 8, 16].iter().map(|current| hpa.sync(at(0), Some(120.0), *current)).collect();
        assert_eq!(climb, [4, 8, 16, 20]);
        assert_eq!(hpa.sync(at(200), Some(6.0), 20), 20);
        assert_eq!(hpa.sync(at(301), Some(6.0), 20), 1);
        assert_eq!(hpa.sync(at(302), None, 5), 5);
    }
}
