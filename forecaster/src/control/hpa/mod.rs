//! The HorizontalPodAutoscaler: tolerance, stabilization, behavior.
//!
//! Source: Kubernetes v1.35 pkg/controller/podautoscaler/{horizontal,replica_calculator}.go; the
//! functions are named at what follows them.

mod behavior;
pub(crate) mod fast;

use std::cmp::Reverse;

pub use behavior::{
    Behavior, Hpa, SYNC, ScalingPolicy, ScalingRules, SelectPolicy, TOLERANCE, Tolerances,
};

use super::average_value;
use super::sliding_max::SlidingMax;
use crate::decide::policy::Threshold;

/// `calculateScaleUpLimit`: the most that one sync may reach without `spec.behavior`.
pub fn scale_up_limit(current: u32) -> u32 {
    current.saturating_mul(2).max(4)
}

/// Syncs that an HPA without `spec.behavior` needs from `current` to `target`; KEDA lifts zero to
/// one first. With the `behavior` that the API server fills in it needs as many or one fewer.
pub fn ramp_steps(current: u32, target: u32) -> u32 {
    let mut steps = 0;
    let mut reached = current.max(1);
    while reached < target {
        reached = scale_up_limit(reached);
        steps += 1;
    }
    steps
}

/// An HPA and what it remembers. `now` is whole seconds since any origin, ascending.
#[derive(Debug)]
pub struct Controller {
    tolerances: Tolerances,
    min: u32,
    max: u32,
    behavior: Option<Behavior>,
    /// Stabilization windows in seconds.
    up_window: i64,
    down_window: i64,
    /// Recommendations of the scale-down window.
    most: SlidingMax<i64, u32>,
    /// Recommendations of the scale-up window.
    least: SlidingMax<i64, Reverse<u32>>,
    /// It has synced before.
    begun: bool,
    ups: Rescales,
    downs: Rescales,
}

impl Controller {
    /// `min`, `max`: of the HPA that KEDA makes (at least 1).
    pub fn new(settings: &Hpa, min: u32, max: u32) -> Self {
        let behavior = settings.behavior.clone();
        let (mut down, mut up) = (None, None);
        if let Some(behavior) = &behavior {
            (down, up) = (Some(&behavior.down), Some(&behavior.up));
        }
        let tolerance = |rules: Option<&ScalingRules>| {
            rules.and_then(|r| r.tolerance).unwrap_or(settings.tolerance)
        };
        let down_window =
            down.and_then(|rules| rules.stabilization).unwrap_or(settings.downscale_stabilization);
        let up_window = up.and_then(|rules| rules.stabilization).unwrap_or_default();
        let min = min.max(1);
        Self {
            tolerances: Tolerances { down: tolerance(down), up: tolerance(up) },
            min,
            max: max.max(min),
            up_window: up_window.as_secs(),
            down_window: down_window.as_secs(),
            ups: Rescales::over(longest_period(up)),
            downs: Rescales::over(longest_period(down)),
            behavior,
            most: SlidingMax::default(),
            least: SlidingMax::default(),
            begun: false,
        }
    }

    /// Takes over another scale-down window, in seconds.
    pub fn set_down_window(&mut self, window: i64) {
        self.down_window = window;
    }

    /// Takes over another `maxReplicaCount`: KEDA edits its HPA.
    pub fn set_max(&mut self, max: u32) {
        self.max = max.max(self.min);
    }

    /// Replicas for a metric of type AverageValue with this value in the demand's unit
    /// ([`average_value::desired_replicas`]).
    pub fn desired(&self, value: f64, threshold: Threshold, current: u32) -> u32 {
        average_value::desired_replicas(value, threshold, current, &self.tolerances)
    }

    /// The same for a value that is worth `wanted` replicas (`GetExternalPerPodMetricReplicas`):
    /// what runs where that is within the tolerance, else rounded up. It divides by
    /// `status.replicas`: pods that are not Ready count.
    pub fn replicas(&self, wanted: f64, current: u32) -> u32 {
        if self.tolerances.is_within(wanted / f64::from(current)) { current } else { whole(wanted) }
    }

    /// Whether a sync asks for metrics at all: at zero, and beyond its bounds, it does not.
    pub fn asks(&self, current: u32) -> bool {
        (self.min..=self.max).contains(&current)
    }

    /// One sync (`reconcileAutoscaler`): `proposed` is the most that any metric asks for, `None` if
    /// a metric failed: then nothing changes. At zero replicas the HPA is off.
    pub fn sync(&mut self, now: i64, current: u32, proposed: Option<u32>) -> u32 {
        if !self.begun {
            // `recordInitialRecommendation`: what runs when it begins counts as asked for, at zero
            // too.
            self.begun = true;
            self.most.push(now, current);
            self.least.push(now, Reverse(current));
        }
        if current == 0 {
            return 0;
        }
        if current > self.max || current < self.min {
            let target = current.clamp(self.min, self.max);
            self.remember(now, current, target);
            return target;
        }
        let Some(proposed) = proposed else { return current };
        let target = match self.behavior.is_some() {
            true => self.by_behavior(now, current, proposed),
            false => self.by_default(now, current, proposed),
        };
        if target != current {
            self.remember(now, current, target);
        }
        target
    }

    /// `normalizeDesiredReplicas`: `stabilizeRecommendation`, then
    /// `convertDesiredReplicasWithRules`.
    fn by_default(&mut self, now: i64, current: u32, proposed: u32) -> u32 {
        // A recommendation as old as the window still counts (`timestamp.Before(cutoff)`).
        self.most.push(now, proposed);
        self.most.forget_before(now.saturating_sub(self.down_window));
        let stable = self.most.max().unwrap_or(proposed);
        let most = self.max.min(scale_up_limit(current)).max(self.min);
        stable.clamp(self.min, most)
    }

    /// `normalizeDesiredReplicasWithBehaviors`.
    fn by_behavior(&mut self, now: i64, current: u32, proposed: u32) -> u32 {
        let stable = self.stabilized(now, current, proposed);
        self.limited(now, current, stable)
    }

    /// `stabilizeRecommendationWithBehaviors`: what runs, brought between the least of the scale-up
    /// window and the most of the scale-down window. Only what is younger than a window counts
    /// (`timestamp.After(cutoff)`).
    fn stabilized(&mut self, now: i64, current: u32, proposed: u32) -> u32 {
        // The proposal itself always counts: forget first, then push.
        self.most.forget_before(first_younger(now, self.down_window));
        self.most.push(now, proposed);
        let most = self.most.max().unwrap_or(proposed);
        let mut least = proposed;
        if self.up_window > 0 {
            self.least.forget_before(first_younger(now, self.up_window));
            self.least.push(now, Reverse(proposed));
            least = self.least.max().map_or(proposed, |Reverse(least)| least);
        }
        current.max(least).min(most)
    }

    /// `convertDesiredReplicasWithBehaviorRate`.
    fn limited(&self, now: i64, current: u32, stable: u32) -> u32 {
        let Some(behavior) = &self.behavior else { return stable };
        if stable > current {
            let limit = self.up_limit(now, current, &behavior.up).max(current);
            stable.min(limit.min(self.max))
        } else if stable < current {
            let limit = self.down_limit(now, current, &behavior.down).min(current);
            stable.max(limit.max(self.min))
        } else {
            stable
        }
    }

    /// `calculateScaleUpLimitWithScalingRules`.
    fn up_limit(&self, now: i64, current: u32, rules: &ScalingRules) -> u32 {
        let allows = |policy: &ScalingPolicy| {
            let start = self.at_start(now, current, policy.period());
            match *policy {
                ScalingPolicy::Pods(pods, _) => start.saturating_add(i64::from(pods)),
                ScalingPolicy::Percent(percent, _) => {
                    (start as f64 * (1.0 + f64::from(percent) / 100.0)).ceil() as i64
                }
            }
        };
        let all = rules.policies.iter().map(allows);
        let limit = match rules.select {
            SelectPolicy::Disabled => return current,
            SelectPolicy::Max => all.max(),
            SelectPolicy::Min => all.min(),
        };
        saturated(limit.unwrap_or(i64::from(current)))
    }

    /// `calculateScaleDownLimitWithBehaviors`.
    fn down_limit(&self, now: i64, current: u32, rules: &ScalingRules) -> u32 {
        let allows = |policy: &ScalingPolicy| {
            let start = self.at_start(now, current, policy.period());
            match *policy {
                ScalingPolicy::Pods(pods, _) => start - i64::from(pods),
                ScalingPolicy::Percent(percent, _) => {
                    (start as f64 * (1.0 - f64::from(percent) / 100.0)) as i64
                }
            }
        };
        let all = rules.policies.iter().map(allows);
        let limit = match rules.select {
            SelectPolicy::Disabled => return current,
            SelectPolicy::Max => all.min(),
            SelectPolicy::Min => all.max(),
        };
        saturated(limit.unwrap_or(i64::from(current)))
    }

    /// Replicas at the start of a period.
    fn at_start(&self, now: i64, current: u32, period: i64) -> i64 {
        i64::from(current) - self.ups.within(now, period) + self.downs.within(now, period)
    }

    fn remember(&mut self, now: i64, current: u32, target: u32) {
        let rescales = if target > current { &mut self.ups } else { &mut self.downs };
        rescales.store(now, target.abs_diff(current));
    }
}

/// Rescales in one direction.
#[derive(Debug)]
struct Rescales {
    /// The longest period of this direction's policies, in seconds.
    longest: i64,
    /// As (instant, replicas), in no order.
    events: Vec<(i64, u32)>,
}

impl Rescales {
    fn over(longest: i64) -> Self {
        Self { longest, events: Vec::new() }
    }

    /// `storeScaleEvent`, `markScaleEventsOutdated`: one that is older than this direction's
    /// longest period gives its place to the new one, although the other direction's policies may
    /// still count it.
    fn store(&mut self, now: i64, by: u32) {
        let outdated = self.events.iter_mut().rfind(|(at, _)| now - at > self.longest);
        match outdated {
            Some(event) => *event = (now, by),
            None => self.events.push((now, by)),
        }
    }

    /// `getReplicasChangePerPeriod`: only what is younger than the period
    /// (`timestamp.After(cutoff)`).
    fn within(&self, now: i64, period: i64) -> i64 {
        self.events.iter().filter(|(at, _)| now - at < period).map(|(_, by)| i64::from(*by)).sum()
    }
}

/// `getLongestPolicyPeriod`, in seconds.
fn longest_period(rules: Option<&ScalingRules>) -> i64 {
    let policies = rules.map_or(&[][..], |rules| &rules.policies);
    policies.iter().map(|policy| policy.period()).max().unwrap_or(0)
}

/// The first instant that is younger than `window`; all in seconds.
fn first_younger(now: i64, window: i64) -> i64 {
    now.saturating_sub(window).saturating_add(1)
}

fn saturated(replicas: i64) -> u32 {
    u32::try_from(replicas.max(0)).unwrap_or(u32::MAX)
}

/// Rounded up; `ceil` is a call without SSE 4.1.
pub(crate) fn whole(replicas: f64) -> u32 {
    let down = replicas as u32;
    down.saturating_add(u32::from(f64::from(down) < replicas))
}

#[cfg(test)]
// One row a case, as the tables of Kubernetes have them.
#[rustfmt::skip]
mod cases;
#[cfg(test)]
mod tests;
