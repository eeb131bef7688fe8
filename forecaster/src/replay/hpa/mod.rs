//! The HorizontalPodAutoscaler in simulated time: tolerance, stabilisation, behaviour.
//!
//! Source: Kubernetes v1.35 pkg/controller/podautoscaler/{horizontal,replica_calculator}.go; the functions are named at
//! what follows them.

use std::collections::VecDeque;

use super::demand::steps;
use super::scene::{Behavior, Hpa, Limit, Rules, Select};

/// An HPA and what it remembers.
#[derive(Debug)]
pub(super) struct Controller {
    tolerance: f64,
    min: u32,
    max: u32,
    behavior: Option<Behavior>,
    /// Stabilisation in steps.
    up_window: u32,
    down_window: u32,
    /// Recommendations of the windows, as (step, replicas): falling and rising, so that the first is the extreme.
    most: VecDeque<(u32, u32)>,
    least: VecDeque<(u32, u32)>,
    /// Rescales as (step, replicas), as far back as the longest period.
    ups: VecDeque<(u32, u32)>,
    downs: VecDeque<(u32, u32)>,
    longest_period: u32,
}

impl Controller {
    /// `min`, `max`: of the HPA that KEDA makes (at least 1).
    pub(super) fn new(settings: &Hpa, min: u32, max: u32) -> Self {
        let behavior = settings.behavior.clone();
        let window =
            |rules: fn(&Behavior) -> &Rules| behavior.as_ref().and_then(|behavior| rules(behavior).stabilization);
        let policies = behavior.iter().flat_map(|behavior| behavior.up.policies.iter().chain(&behavior.down.policies));
        let min = min.max(1);
        Self {
            tolerance: settings.tolerance,
            min,
            max: max.max(min),
            up_window: window(|behavior| &behavior.up).map_or(0, steps),
            down_window: steps(window(|behavior| &behavior.down).unwrap_or(settings.downscale_stabilization)),
            longest_period: policies.map(|policy| period(*policy)).max().unwrap_or(0),
            behavior,
            most: VecDeque::new(),
            least: VecDeque::new(),
            ups: VecDeque::new(),
            downs: VecDeque::new(),
        }
    }

    /// Takes over another scale-down window.
    pub(super) fn set_down_window(&mut self, window: u32) {
        self.down_window = window;
    }

    /// Replicas for one metric of type AverageValue whose value is worth `wanted` replicas
    /// (`GetExternalPerPodMetricReplicas`): within the tolerance what runs, both edges included (`Tolerances.isWithin`),
    /// else rounded up. Independent of readiness.
    pub(super) fn replicas(&self, wanted: f64, current: u32) -> u32 {
        let ratio = wanted / f64::from(current);
        let within = 1.0 - self.tolerance <= ratio && ratio <= 1.0 + self.tolerance;
        if within { current } else { whole(wanted) }
    }

    /// One sync (`reconcileAutoscaler`): `proposed` is the most that any metric asks for, `None` if a metric failed: then
    /// nothing changes. At zero replicas the HPA is off.
    pub(super) fn sync(&mut self, i: u32, current: u32, proposed: Option<u32>) -> u32 {
        if current == 0 {
            return 0;
        }
        if current > self.max || current < self.min {
            let target = current.clamp(self.min, self.max);
            self.remember(i, current, target);
            return target;
        }
        let Some(proposed) = proposed else { return current };
        let target = match self.behavior.is_some() {
            true => self.by_behavior(i, current, proposed),
            false => self.by_default(i, current, proposed),
        };
        if target != current {
            self.remember(i, current, target);
        }
        target
    }

    /// `stabilizeRecommendation`, `convertDesiredReplicasWithRules`.
    fn by_default(&mut self, i: u32, current: u32, proposed: u32) -> u32 {
        // A recommendation as old as the window still counts (`timestamp.Before(cutoff)`).
        push(&mut self.most, i, proposed, self.down_window.saturating_add(1), |older, newer| older <= newer);
        let stable = self.most.front().map_or(proposed, |(_, most)| *most);
        let limit = current.saturating_mul(2).max(4);
        stable.clamp(self.min, self.max.min(limit).max(self.min))
    }

    /// `stabilizeRecommendationWithBehaviors`, `convertDesiredReplicasWithBehaviorRate`.
    fn by_behavior(&mut self, i: u32, current: u32, proposed: u32) -> u32 {
        // Only what is younger than the window counts (`timestamp.After(cutoff)`).
        push(&mut self.most, i, proposed, self.down_window, |older, newer| older <= newer);
        let most = self.most.front().map_or(proposed, |(_, most)| *most).max(proposed);
        let least = if self.up_window == 0 {
            proposed
        } else {
            push(&mut self.least, i, proposed, self.up_window, |older, newer| older >= newer);
            self.least.front().map_or(proposed, |(_, least)| *least).min(proposed)
        };
        let stable = current.max(least).min(most);
        let Some(behavior) = &self.behavior else { return stable };
        if stable > current {
            let limit = self.up_limit(i, current, &behavior.up).max(current);
            stable.min(limit.min(self.max))
        } else if stable < current {
            let limit = self.down_limit(i, current, &behavior.down).min(current);
            stable.max(limit.max(self.min))
        } else {
            stable.clamp(self.min, self.max)
        }
    }

    /// `calculateScaleUpLimitWithScalingRules`.
    fn up_limit(&self, i: u32, current: u32, rules: &Rules) -> u32 {
        let allows = |policy: &Limit| {
            let start = self.at_start(i, current, period(*policy));
            match *policy {
                Limit::Pods(pods, _) => start.saturating_add(i64::from(pods)),
                Limit::Percent(percent, _) => (start as f64 * (1.0 + f64::from(percent) / 100.0)).ceil() as i64,
            }
        };
        let all = rules.policies.iter().map(allows);
        let limit = match rules.select {
            Select::Disabled => return current,
            Select::Max => all.max(),
            Select::Min => all.min(),
        };
        saturated(limit.unwrap_or(i64::from(current)))
    }

    /// `calculateScaleDownLimitWithBehaviors`.
    fn down_limit(&self, i: u32, current: u32, rules: &Rules) -> u32 {
        let allows = |policy: &Limit| {
            let start = self.at_start(i, current, period(*policy));
            match *policy {
                Limit::Pods(pods, _) => start - i64::from(pods),
                Limit::Percent(percent, _) => (start as f64 * (1.0 - f64::from(percent) / 100.0)) as i64,
            }
        };
        let all = rules.policies.iter().map(allows);
        let limit = match rules.select {
            Select::Disabled => return current,
            Select::Max => all.min(),
            Select::Min => all.max(),
        };
        saturated(limit.unwrap_or(i64::from(current)))
    }

    /// Replicas at the start of a period (`getReplicasChangePerPeriod`, `timestamp.After(cutoff)`).
    fn at_start(&self, i: u32, current: u32, period: u32) -> i64 {
        let changed = |events: &VecDeque<(u32, u32)>| -> i64 {
            events.iter().rev().take_while(|(at, _)| i - at < period).map(|(_, by)| i64::from(*by)).sum()
        };
        i64::from(current) - changed(&self.ups) + changed(&self.downs)
    }

    /// `storeScaleEvent`.
    fn remember(&mut self, i: u32, current: u32, target: u32) {
        let events = if target > current { &mut self.ups } else { &mut self.downs };
        events.push_back((i, target.abs_diff(current)));
        while events.front().is_some_and(|(at, _)| i - at >= self.longest_period.max(1)) {
            events.pop_front();
        }
    }
}

/// Pushes a recommendation where `supersedes(older, newer)`; drops what is `window` steps old or older.
fn push(queue: &mut VecDeque<(u32, u32)>, i: u32, replicas: u32, window: u32, supersedes: fn(u32, u32) -> bool) {
    while queue.back().is_some_and(|(_, older)| supersedes(*older, replicas)) {
        queue.pop_back();
    }
    queue.push_back((i, replicas));
    while queue.len() > 1 && queue.front().is_some_and(|(at, _)| i - at >= window) {
        queue.pop_front();
    }
}

fn period(policy: Limit) -> u32 {
    let (Limit::Pods(_, period) | Limit::Percent(_, period)) = policy;
    steps(period).max(1)
}

fn saturated(replicas: i64) -> u32 {
    u32::try_from(replicas.max(0)).unwrap_or(u32::MAX)
}

/// Rounded up; `ceil` is a call without SSE 4.1.
pub(super) fn whole(replicas: f64) -> u32 {
    let down = replicas as u32;
    down.saturating_add(u32::from(f64::from(down) < replicas))
}

#[cfg(test)]
mod tests;
