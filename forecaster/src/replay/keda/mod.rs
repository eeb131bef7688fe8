//! KEDA in simulated time: zero to one and back, idle, minimum, fallback. Everything between is the HPA's.
//!
//! Source: KEDA v2.21 pkg/scaling/executor/scale_scaledobjects.go `RequestScale` and below, pkg/fallback/fallback.go.

use super::demand::steps;
use super::scene::{Fallback, FallbackBehavior, Keda};

/// The ScaledObject's loop and what it remembers.
#[derive(Debug)]
pub(super) struct Loop {
    settings: Keda,
    /// In steps.
    cooldown: u32,
    /// `status.lastActiveTime`.
    last_active: Option<u32>,
    /// Failures in a row.
    failures: u32,
}

impl Loop {
    pub(super) fn new(settings: Keda) -> Self {
        Self { cooldown: steps(settings.cooldown), settings, last_active: None, failures: 0 }
    }

    /// One poll (`RequestScale`). `active`: `None` if the trigger failed. The scale target's replicas afterwards.
    pub(super) fn poll(&mut self, i: u32, current: u32, active: Option<bool>) -> u32 {
        let Keda { min, idle, fallback, .. } = self.settings;
        match active.or(self.falls_back().then_some(true)) {
            Some(true) => {
                self.last_active = Some(i);
                // `scaleFromZeroOrIdle`
                if current == 0 || idle.is_some() && current < min { min.max(1) } else { current }
            }
            // Held, except that a fallback of zero replicas falls through to the scale to zero.
            None if fallback.is_none_or(|fallback| fallback.replicas != 0) => current,
            None | Some(false) => self.rest(i, current),
        }
    }

    fn rest(&self, i: u32, current: u32) -> u32 {
        let Keda { min, idle, .. } = self.settings;
        // `scaleToZeroOrIdle`: `lastActiveTime + cooldown` lies before now; without one there is no cooldown.
        let cool = self.last_active.is_none_or(|at| at.saturating_add(self.cooldown) < i);
        match idle {
            Some(idle) if current > idle && cool => idle,
            None if current > 0 && min == 0 && cool => 0,
            None if current < min => min,
            _ => current,
        }
    }

    /// A metric was asked for and answered, or not (`GetMetricsWithFallback`): counted on both paths.
    pub(super) fn count(&mut self, answered: bool) {
        self.failures = if answered { 0 } else { self.failures.saturating_add(1) };
    }

    /// What a failing metric stands for, in replicas (`doFallback`: target × replicas); `None` while it is an error.
    pub(super) fn fallback(&self, current: u32) -> Option<u32> {
        let Fallback { replicas, behavior, .. } = self.settings.fallback.filter(|_| self.falls_back())?;
        Some(match behavior {
            FallbackBehavior::Static => replicas,
            FallbackBehavior::CurrentReplicas => current,
            FallbackBehavior::CurrentReplicasIfHigher => current.max(replicas),
            FallbackBehavior::CurrentReplicasIfLower => current.min(replicas),
        })
    }

    fn falls_back(&self) -> bool {
        self.settings.fallback.is_some_and(|fallback| self.failures > fallback.failure_threshold)
    }
}

#[cfg(test)]
mod tests;
