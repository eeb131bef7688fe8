//! What an HPA is told: the controller's flags and `spec.behavior`.

use jiff::SignedDuration;

/// `--horizontal-pod-autoscaler-tolerance`, default.
pub const TOLERANCE: f64 = 0.1;

/// `--horizontal-pod-autoscaler-sync-period`, default.
pub const SYNC: SignedDuration = SignedDuration::from_secs(15);

/// The HorizontalPodAutoscaler's settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Hpa {
    /// `--horizontal-pod-autoscaler-sync-period`.
    pub sync: SignedDuration,
    /// `--horizontal-pod-autoscaler-tolerance`.
    pub tolerance: f64,
    /// The target that a plain HPA is given in a replay: demand per replica as a share of the
    /// threshold. No rule reads it.
    pub utilization: f64,
    /// `--horizontal-pod-autoscaler-downscale-stabilization`, where `behavior` says nothing.
    pub downscale_stabilization: SignedDuration,
    /// `spec.behavior`; `None`: the controller's own limits.
    ///
    /// KEDA hands on what the ScaledObject says, and nothing where it says nothing
    /// (controllers/keda/hpa.go `newHPAForScaledObject`). The API server fills in what is missing
    /// only where something is there (pkg/apis/autoscaling/v2/defaults.go
    /// `SetDefaults_HorizontalPodAutoscalerBehavior`). So the HPA of a ScaledObject without
    /// `behavior` may go to max(2 × current, 4), one with any `behavior` at all to max(2 × current,
    /// current + 4).
    pub behavior: Option<Behavior>,
}

impl Default for Hpa {
    /// The controller's flags, and a `behavior` as it is filled in: a scale-down window of one's
    /// own, which every tuned HPA and Prewarm have, is one.
    fn default() -> Self {
        Self {
            sync: SYNC,
            tolerance: TOLERANCE,
            utilization: 0.75,
            downscale_stabilization: SignedDuration::from_secs(300),
            behavior: Some(Behavior::default()),
        }
    }
}

/// `spec.behavior`. The default is what the API server fills in.
#[derive(Debug, Clone, PartialEq)]
pub struct Behavior {
    /// `scaleUp`.
    pub up: ScalingRules,
    /// `scaleDown`.
    pub down: ScalingRules,
}

impl Default for Behavior {
    /// pkg/apis/autoscaling/v2/defaults.go `defaultHPAScaleUpRules`, `defaultHPAScaleDownRules`.
    fn default() -> Self {
        let period = SignedDuration::from_secs(15);
        Self {
            up: ScalingRules {
                tolerance: None,
                stabilization: Some(SignedDuration::ZERO),
                select: SelectPolicy::Max,
                policies: vec![ScalingPolicy::Pods(4, period), ScalingPolicy::Percent(100, period)],
            },
            down: ScalingRules {
                tolerance: None,
                stabilization: None,
                select: SelectPolicy::Max,
                policies: vec![ScalingPolicy::Percent(100, period)],
            },
        }
    }
}

/// One direction of `spec.behavior` (`HPAScalingRules`).
#[derive(Debug, Clone, PartialEq)]
pub struct ScalingRules {
    /// `tolerance` of this direction (Kubernetes 1.35 on); `None`: the controller's.
    pub tolerance: Option<f64>,
    /// `stabilizationWindowSeconds`; `None` on the way down: the controller's.
    pub stabilization: Option<SignedDuration>,
    /// `selectPolicy`.
    pub select: SelectPolicy,
    /// `policies`.
    pub policies: Vec<ScalingPolicy>,
}

/// `selectPolicy` (`ScalingPolicySelect`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SelectPolicy {
    /// The policy that allows the largest change.
    Max,
    /// The policy that allows the smallest change.
    Min,
    /// No change.
    Disabled,
}

/// One of `policies` (`HPAScalingPolicy`): how much may change within `periodSeconds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScalingPolicy {
    /// So many replicas.
    Pods(u32, SignedDuration),
    /// So many percent of those at the period's start.
    Percent(u32, SignedDuration),
}

impl ScalingPolicy {
    /// `periodSeconds`; the API server wants at least one.
    pub(super) fn period(self) -> i64 {
        let (Self::Pods(_, period) | Self::Percent(_, period)) = self;
        period.as_secs().max(1)
    }
}

/// How far a metric may be off before replicas change, as shares of the target (`Tolerances`).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerances {
    /// Below the target.
    pub down: f64,
    /// Above the target.
    pub up: f64,
}

impl Default for Tolerances {
    fn default() -> Self {
        Self { down: TOLERANCE, up: TOLERANCE }
    }
}

impl Tolerances {
    /// replica_calculator.go `Tolerances.isWithin`: both edges are within. `ratio` is the metric
    /// over its target, which is infinite or no number without any replica: never within.
    pub fn is_within(&self, ratio: f64) -> bool {
        1.0 - self.down <= ratio && ratio <= 1.0 + self.up
    }
}
