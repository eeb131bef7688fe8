//! What KEDA is told.

use jiff::SignedDuration;

/// `pollingInterval`, default.
pub const POLLING: SignedDuration = SignedDuration::from_secs(30);

/// The ScaledObject's fields that matter in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScaledObject {
    /// `pollingInterval`.
    pub polling: SignedDuration,
    /// `cooldownPeriod`: from the last active poll to zero.
    pub cooldown: SignedDuration,
    /// `initialCooldownPeriod`: from its creation to zero, where nothing was ever active.
    pub initial_cooldown: SignedDuration,
    /// `minReplicaCount`.
    pub min: u32,
    /// `maxReplicaCount`.
    pub max: u32,
    /// `idleReplicaCount`; KEDA supports 0 alone.
    pub idle: Option<u32>,
    /// `fallback`.
    pub fallback: Option<Fallback>,
}

impl Default for ScaledObject {
    fn default() -> Self {
        Self {
            polling: POLLING,
            cooldown: SignedDuration::from_secs(300),
            initial_cooldown: SignedDuration::ZERO,
            min: 1,
            max: 100,
            idle: None,
            fallback: None,
        }
    }
}

/// `fallback` of a ScaledObject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fallback {
    /// More failures in a row than this, and it acts.
    pub failure_threshold: u32,
    /// How many replicas the failing metric then stands for.
    pub replicas: u32,
    /// How that and the current count are combined.
    pub behavior: FallbackBehavior,
}

/// `fallback.behavior`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FallbackBehavior {
    /// `replicas`.
    #[default]
    Static,
    /// What runs.
    CurrentReplicas,
    /// The larger.
    CurrentReplicasIfHigher,
    /// The smaller.
    CurrentReplicasIfLower,
}
