//! KEDA in simulated time: zero to one and back, idle, minimum, fallback. Everything between is the HPA's.
//!
//! Source: KEDA v2.21 pkg/scaling/executor/scale_scaledobjects.go `RequestScale` and below, pkg/scaling/scale_handler.go,
//! pkg/fallback/fallback.go.

use super::demand::steps;
use super::scene::{Fallback, FallbackBehavior, Keda};

/// The ScaledObject's loop and what it remembers.
#[derive(Debug)]
pub(super) struct Loop {
    settings: Keda,
    /// In steps.
    cooldown: u32,
    initial_cooldown: u32,
    /// `status.lastActiveTime`.
    last_active: Option<u32>,
    /// Failures in a row.
    failures: u32,
    /// The HPA's condition `ScalingActive`: its last sync came to a number of replicas.
    scaling_active: bool,
}

impl Loop {
    pub(super) fn new(settings: Keda) -> Self {
        Self {
            cooldown: steps(settings.cooldown),
            initial_cooldown: steps(settings.initial_cooldown),
            settings,
            last_active: None,
            failures: 0,
            scaling_active: false,
        }
    }

    /// One poll (`RequestScale`): the scale target's replicas afterwards. `active`: some trigger is; `failed`: some trigger
    /// has failed, for which a fallback may stand in (`getScalerState`: one that does is active, and no error).
    pub(super) fn poll(&mut self, i: u32, current: u32, active: bool, failed: bool) -> u32 {
        let Keda { min, idle, fallback, .. } = self.settings;
        let stands_in = failed && self.falls_back();
        let error = failed && !stands_in;
        if active || stands_in {
            // `scaleFromZeroOrIdle`, whatever else has failed.
            if current == 0 || idle.is_some() && current < min {
                self.last_active = Some(i);
                return min.max(1);
            }
            // `case isError`: the last active time is not renewed.
            if !error {
                self.last_active = Some(i);
            }
            return current;
        }
        // Held, except that a fallback of zero replicas falls through to the scale to zero.
        if error && fallback.is_none_or(|fallback| fallback.replicas != 0) {
            return current;
        }
        self.rest(i, current)
    }

    fn rest(&self, i: u32, current: u32) -> u32 {
        let Keda { min, idle, .. } = self.settings;
        // `scaleToZeroOrIdle`: `lastActiveTime + cooldown` lies before now. The status keeps whole seconds, so that it does
        // on the very poll that comes a cooldown after the last active one.
        let cool = match self.last_active {
            Some(at) => at.saturating_add(self.cooldown) <= i,
            None => self.initial_cooldown <= i,
        };
        match idle {
            Some(idle) if current > idle && cool => idle,
            None if current > 0 && min == 0 && cool => 0,
            None if current < min => min,
            _ => current,
        }
    }

    /// A poll has asked for the metric (`GetMetricsWithFallback`), unless it reads what the HPA saw (`UsesHPAObservations`,
    /// `hpaActivelyQuerying`).
    pub(super) fn polled(&mut self, answered: bool) {
        let Keda { min, idle, .. } = self.settings;
        if !(min > 0 && idle.is_none() && self.scaling_active) {
            self.count(answered);
        }
    }

    /// A sync of the HPA has asked for the metric.
    pub(super) fn synced(&mut self, answered: bool) {
        self.count(answered);
    }

    /// Whether the HPA's last sync came to a number of replicas.
    pub(super) fn see_hpa(&mut self, scaling_active: bool) {
        self.scaling_active = scaling_active;
    }

    fn count(&mut self, answered: bool) {
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
