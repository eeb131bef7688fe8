//! KEDA: zero to one and back, idle, minimum, fallback. Everything between is the HPA's.
//!
//! Source: KEDA v2.21 pkg/scaling/executor/scale_scaledobjects.go `RequestScale` and below,
//! pkg/scaling/scale_handler.go, pkg/fallback/fallback.go.

mod scaled_object;

pub use scaled_object::{Fallback, FallbackBehavior, POLLING, ScaledObject};

/// `scaleToZeroOrIdle`: whether a target that was last active so long ago may go to zero, given its
/// `cooldownPeriod`; both in one unit of time.
///
/// KEDA goes once `lastActiveTime.Add(cooldown)` lies before now. It keeps `lastActiveTime` in the
/// status in whole seconds, so that the poll that comes exactly a cooldown after the last active
/// one finds it over.
pub(crate) fn cooldown_is_over(since_active: i64, cooldown: i64) -> bool {
    since_active >= cooldown
}

/// The scale loop of one ScaledObject and what it remembers. `now` is whole seconds since any
/// origin, ascending.
#[derive(Debug)]
pub struct ScaleLoop {
    settings: ScaledObject,
    /// When the ScaledObject was created.
    created: i64,
    /// `status.lastActiveTime`.
    last_active: Option<i64>,
    /// Failures in a row.
    failures: u32,
    /// The HPA's condition `ScalingActive`: its last sync came to a number of replicas.
    scaling_active: bool,
}

impl ScaleLoop {
    /// Of a ScaledObject that is created at an instant.
    pub fn new(settings: ScaledObject, created: i64) -> Self {
        Self { settings, created, last_active: None, failures: 0, scaling_active: false }
    }

    /// One poll (`RequestScale`): the scale target's replicas afterwards. `active`: some trigger
    /// is; `failed`: some trigger has failed, for which a fallback may stand in (`getScalerState`:
    /// one that does is active, and no error).
    pub fn poll(&mut self, now: i64, current: u32, active: bool, failed: bool) -> u32 {
        let ScaledObject { min, idle, fallback, .. } = self.settings;
        let stands_in = failed && self.falls_back();
        let error = failed && !stands_in;
        if active || stands_in {
            // `scaleFromZeroOrIdle`, whatever else has failed.
            if current == 0 || idle.is_some() && current < min {
                self.last_active = Some(now);
                return min.max(1);
            }
            // `case isError`: the last active time is not renewed.
            if !error {
                self.last_active = Some(now);
            }
            return current;
        }
        // Held, except that a fallback of zero replicas falls through to the scale to zero.
        if error && fallback.is_none_or(|fallback| fallback.replicas != 0) {
            return current;
        }
        self.rest(now, current)
    }

    /// `scaleToZeroOrIdle`, and below the minimum back to it.
    fn rest(&self, now: i64, current: u32) -> u32 {
        let ScaledObject { min, idle, cooldown, initial_cooldown, .. } = self.settings;
        let cool = match self.last_active {
            Some(at) => cooldown_is_over(now - at, cooldown.as_secs()),
            None => cooldown_is_over(now - self.created, initial_cooldown.as_secs()),
        };
        match idle {
            Some(idle) if current > idle && cool => idle,
            None if current > 0 && min == 0 && cool => 0,
            None if current < min => min,
            _ => current,
        }
    }

    /// A poll has asked for the metric (`GetMetricsWithFallback`), unless it reads what the HPA saw
    /// (`UsesHPAObservations`, `hpaActivelyQuerying`).
    pub fn polled(&mut self, answered: bool) {
        let ScaledObject { min, idle, .. } = self.settings;
        if !(min > 0 && idle.is_none() && self.scaling_active) {
            self.count(answered);
        }
    }

    /// A sync of the HPA has asked for the metric.
    pub fn synced(&mut self, answered: bool) {
        self.count(answered);
    }

    /// Whether the HPA's last sync came to a number of replicas.
    pub fn see_hpa(&mut self, scaling_active: bool) {
        self.scaling_active = scaling_active;
    }

    fn count(&mut self, answered: bool) {
        self.failures = if answered { 0 } else { self.failures.saturating_add(1) };
    }

    /// What a failing metric stands for, in replicas (`doFallback`: target × replicas); `None`
    /// while it is an error.
    pub fn fallback(&self, current: u32) -> Option<u32> {
        let Fallback { replicas, behavior, .. } =
            self.settings.fallback.filter(|_| self.falls_back())?;
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
