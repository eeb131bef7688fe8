//! KEDA and the HPA beside a fleet, by the rules of the forecaster's `control`, with a
//! ScaledObject's defaults.

use jiff::Timestamp;
use prewarm_forecaster::control::hpa::{Controller, Hpa};
use prewarm_forecaster::control::keda::{ScaleLoop, ScaledObject};
use prewarm_forecaster::decide::policy::Threshold;

pub(crate) use prewarm_forecaster::control::hpa::SYNC;
pub(crate) use prewarm_forecaster::control::keda::POLLING;

/// One ScaledObject's autoscaling: KEDA's part and the HPA's.
#[derive(Debug)]
pub(crate) struct Autoscaler {
    threshold: Threshold,
    keda: ScaleLoop,
    hpa: Controller,
}

impl Autoscaler {
    /// Of a ScaledObject that may go to zero and is created at an instant. It says nothing of
    /// `behavior`, so that its HPA has none.
    pub(crate) fn new(threshold: Threshold, max_replicas: u32, created: Timestamp) -> Self {
        let object = ScaledObject { min: 0, max: max_replicas, ..ScaledObject::default() };
        let plain = Hpa { behavior: None, ..Hpa::default() };
        Self {
            threshold,
            keda: ScaleLoop::new(object, created.as_second()),
            hpa: Controller::new(&plain, object.min, object.max),
        }
    }

    /// KEDA's poll, 0 ↔ 1; `active` is `None` on an error. Returns the replicas wanted.
    pub(crate) fn poll(&mut self, now: Timestamp, active: Option<bool>, current: u32) -> u32 {
        self.keda.poll(now.as_second(), current, active == Some(true), active.is_none())
    }

    /// The HPA's sync, 1 ↔ N; `value` is `None` on an error. Returns the replicas wanted.
    pub(crate) fn sync(&mut self, now: Timestamp, value: Option<f64>, current: u32) -> u32 {
        let proposed = value.map(|value| self.hpa.desired(value, self.threshold, current));
        self.hpa.sync(now.as_second(), current, proposed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn autoscaler() -> Autoscaler {
        Autoscaler::new(Threshold::new(6.0).unwrap(), 100, at(0))
    }

    #[test]
    fn keda_wakes_to_one_and_sleeps_after_the_cooldown() {
        let mut keda = autoscaler();
        assert_eq!(keda.poll(at(0), Some(true), 0), 1);
        assert_eq!(keda.poll(at(270), Some(false), 7), 7);
        assert_eq!(keda.poll(at(300), Some(false), 7), 0);
    }

    #[test]
    fn an_error_holds_and_does_not_refresh_the_cooldown() {
        let mut keda = autoscaler();
        keda.poll(at(0), Some(true), 0);
        assert_eq!(keda.poll(at(290), None, 3), 3);
        assert_eq!(keda.poll(at(300), Some(false), 3), 0);
    }

    #[test]
    fn the_hpa_climbs_in_steps_and_comes_down_after_five_minutes() {
        let mut hpa = autoscaler();
        let climb: Vec<u32> =
            [1, 4, 8, 16].iter().map(|current| hpa.sync(at(0), Some(120.0), *current)).collect();
        assert_eq!(climb, [4, 8, 16, 20]);
        assert_eq!(hpa.sync(at(200), Some(6.0), 20), 20);
        assert_eq!(hpa.sync(at(301), Some(6.0), 20), 1);
        assert_eq!(hpa.sync(at(302), None, 5), 5);
    }

    /// `stabilizeRecommendation` looks at the window on the way up as well.
    #[test]
    fn what_was_asked_for_a_short_while_ago_is_still_climbed_to() {
        let mut hpa = autoscaler();
        assert_eq!(hpa.sync(at(0), Some(120.0), 1), 4);
        assert_eq!(hpa.sync(at(15), Some(36.0), 4), 8);
    }
}
