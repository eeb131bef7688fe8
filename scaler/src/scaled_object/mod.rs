//! What a ScaledObject says of limits and beats that decisions depend on.

pub mod sibling;

use jiff::SignedDuration;
use prewarm_forecaster::decide::timing::LoopTiming;
use serde_json::Value;

/// Limits and beats of a ScaledObject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScaledObjectLimits {
    /// `minReplicaCount`; KEDA's default is 0.
    pub min: u32,
    /// `idleReplicaCount: 0`: none run while it is inactive.
    pub idle: bool,
    /// `maxReplicaCount`; KEDA's default is 100.
    pub max: u32,
    /// `cooldownPeriod`; KEDA's default is 300 s.
    pub cooldown: SignedDuration,
    /// `pollingInterval`, where it is given.
    pub polling: Option<SignedDuration>,
    /// Scale-down stabilization of its HPA, where it is given; else the controller's own counts.
    pub hpa_window: Option<SignedDuration>,
}

impl ScaledObjectLimits {
    /// Of a ScaledObject, as JSON. What is no number in range is taken as KEDA takes what is
    /// absent: KEDA, or the API server, refuses it.
    pub fn of(scaled_object: &Value) -> Self {
        let whole = |pointer: &str| scaled_object.pointer(pointer).and_then(Value::as_u64);
        let replicas = |pointer: &str| whole(pointer).and_then(|n| u32::try_from(n).ok());
        let seconds = |pointer: &str| {
            whole(pointer).filter(|n| *n <= DAY_S).map(|n| SignedDuration::from_secs(n as i64))
        };
        let min = replicas("/spec/minReplicaCount").unwrap_or(0);
        Self {
            min,
            idle: min > 0 && replicas("/spec/idleReplicaCount") == Some(0),
            max: replicas("/spec/maxReplicaCount").filter(|max| *max > 0).unwrap_or(100).max(min),
            cooldown: seconds("/spec/cooldownPeriod").unwrap_or(SignedDuration::from_mins(5)),
            polling: seconds("/spec/pollingInterval").filter(|every| !every.is_zero()),
            hpa_window: seconds(
                "/spec/advanced/horizontalPodAutoscalerConfig/behavior/scaleDown/stabilizationWindowSeconds",
            ),
        }
    }

    /// The beats around this one; what it does not say is as it is elsewhere.
    pub fn rhythm(&self, elsewhere: LoopTiming) -> LoopTiming {
        LoopTiming {
            keda_poll: self.polling.unwrap_or(elsewhere.keda_poll),
            hpa_window: self.hpa_window.unwrap_or(elsewhere.hpa_window),
            ..elsewhere
        }
    }
}

const DAY_S: u64 = 86_400;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn seconds(n: i64) -> SignedDuration {
        SignedDuration::from_secs(n)
    }

    #[test]
    fn what_is_not_said_is_as_keda_has_it() {
        let silent = ScaledObjectLimits {
            min: 0,
            idle: false,
            max: 100,
            cooldown: seconds(300),
            polling: None,
            hpa_window: None,
        };
        for spec in [
            json!({}),
            json!({"minReplicaCount": -1, "maxReplicaCount": 0, "cooldownPeriod": "5m", "pollingInterval": 0}),
            json!({"maxReplicaCount": 1e20, "idleReplicaCount": 0, "advanced": 3}),
            json!(null),
        ] {
            assert_eq!(ScaledObjectLimits::of(&json!({"spec": spec})), silent, "{spec}");
        }
        assert_eq!(silent.rhythm(LoopTiming::default()), LoopTiming::default());
    }

    #[test]
    fn what_is_said_counts() {
        let said = ScaledObjectLimits::of(&json!({"spec": {
            "minReplicaCount": 2, "idleReplicaCount": 0, "maxReplicaCount": 12, "cooldownPeriod": 60, "pollingInterval": 5,
            "advanced": {"horizontalPodAutoscalerConfig": {"behavior": {
                "scaleUp": {"stabilizationWindowSeconds": 9}, "scaleDown": {"stabilizationWindowSeconds": 0}}}},
        }}));
        let (polling, hpa_window) = (Some(seconds(5)), Some(seconds(0)));
        assert_eq!(
            said,
            ScaledObjectLimits {
                min: 2,
                idle: true,
                max: 12,
                cooldown: seconds(60),
                polling,
                hpa_window
            }
        );
        let rhythm = said.rhythm(LoopTiming::default());
        assert_eq!(
            rhythm,
            LoopTiming { keda_poll: seconds(5), hpa_window: seconds(0), ..LoopTiming::default() }
        );
        // The HPA never goes above its maximum, nor is that below the minimum.
        assert_eq!(ScaledObjectLimits::of(&json!({"spec": {"minReplicaCount": 200}})).max, 200);
    }
}
