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
    /// Down and up.
    tolerance: (f64, f64),
    min: u32,
    max: u32,
    behavior: Option<Behavior>,
    /// Stabilisation in steps.
    up_window: u32,
    down_window: u32,
    /// Recommendations of the windows, as (step, replicas): falling and rising, so that the first is the extreme.
    most: VecDeque<(u32, u32)>,
    least: VecDeque<(u32, u32)>,
    /// It has synced before.
    begun: bool,
    ups: Rescales,
    downs: Rescales,
}

impl Controller {
    /// `min`, `max`: of the HPA that KEDA makes (at least 1).
    pub(super) fn new(settings: &Hpa, min: u32, max: u32) -> Self {
        let behavior = settings.behavior.clone();
        let window =
            |rules: fn(&Behavior) -> &Rules| behavior.as_ref().and_then(|behavior| rules(behavior).stabilization);
        let tolerance = |rules: fn(&Behavior) -> &Rules| {
            behavior.as_ref().and_then(|behavior| rules(behavior).tolerance).unwrap_or(settings.tolerance)
        };
        let longest = |rules: fn(&Behavior) -> &Rules| {
            let policies = behavior.iter().flat_map(|behavior| &rules(behavior).policies);
            policies.map(|policy| period(*policy)).max().unwrap_or(0)
        };
        let min = min.max(1);
        Self {
            tolerance: (tolerance(|behavior| &behavior.down), tolerance(|behavior| &behavior.up)),
            min,
            max: max.max(min),
            up_window: window(|behavior| &behavior.up).map_or(0, steps),
            down_window: steps(window(|behavior| &behavior.down).unwrap_or(settings.downscale_stabilization)),
            ups: Rescales::over(longest(|behavior| &behavior.up)),
            downs: Rescales::over(longest(|behavior| &behavior.down)),
            behavior,
            most: VecDeque::new(),
            least: VecDeque::new(),
            begun: false,
        }
    }

    /// Takes over another scale-down window.
    pub(super) fn set_down_window(&mut self, window: u32) {
        self.down_window = window;
    }

    /// Replicas for one metric of type AverageValue whose value is worth `wanted` replicas
    /// (`GetExternalPerPodMetricReplicas`): within the tolerance what runs, both edges included (`Tolerances.isWithin`),
    /// else rounded up. It divides by `status.replicas`: pods that are not Ready count, and none at all is never within.
    pub(super) fn replicas(&self, wanted: f64, current: u32) -> u32 {
        let (ratio, (down, up)) = (wanted / f64::from(current), self.tolerance);
        let within = 1.0 - down <= ratio && ratio <= 1.0 + up;
        if within { current } else { whole(wanted) }
    }

    /// Whether a sync asks for metrics at all: at zero, and beyond its bounds, it does not.
    pub(super) fn asks(&self, current: u32) -> bool {
        (self.min..=self.max).contains(&current)
    }

    /// One sync (`reconcileAutoscaler`): `proposed` is the most that any metric asks for, `None` if a metric failed: then
    /// nothing changes. At zero replicas the HPA is off.
    pub(super) fn sync(&mut self, i: u32, current: u32, proposed: Option<u32>) -> u32 {
        if !self.begun {
            // `recordInitialRecommendation`: what runs when it begins counts as asked for, at zero too.
            self.begun = true;
            self.most.push_back((i, current));
            self.least.push_back((i, current));
        }
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

    fn by_behavior(&mut self, i: u32, current: u32, proposed: u32) -> u32 {
        let stable = self.stabilised(i, current, proposed);
        self.limited(i, current, stable)
    }

    /// `stabilizeRecommendationWithBehaviors`: what runs, brought between the least of the scale-up window and the most of
    /// the scale-down window. Only what is younger than a window counts (`timestamp.After(cutoff)`).
    fn stabilised(&mut self, i: u32, current: u32, proposed: u32) -> u32 {
        push(&mut self.most, i, proposed, self.down_window, |older, newer| older <= newer);
        let most = self.most.front().map_or(proposed, |(_, most)| *most).max(proposed);
        let least = if self.up_window == 0 {
            proposed
        } else {
            push(&mut self.least, i, proposed, self.up_window, |older, newer| older >= newer);
            self.least.front().map_or(proposed, |(_, least)| *least).min(proposed)
        };
        current.max(least).min(most)
    }

    /// `convertDesiredReplicasWithBehaviorRate`.
    fn limited(&self, i: u32, current: u32, stable: u32) -> u32 {
        let Some(behavior) = &self.behavior else { return stable };
        if stable > current {
            let limit = self.up_limit(i, current, &behavior.up).max(current);
            stable.min(limit.min(self.max))
        } else if stable < current {
            let limit = self.down_limit(i, current, &behavior.down).min(current);
            stable.max(limit.max(self.min))
        } else {
            stable
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

    /// Replicas at the start of a period.
    fn at_start(&self, i: u32, current: u32, period: u32) -> i64 {
        i64::from(current) - self.ups.within(i, period) + self.downs.within(i, period)
    }

    fn remember(&mut self, i: u32, current: u32, target: u32) {
        let rescales = if target > current { &mut self.ups } else { &mut self.downs };
        rescales.store(i, target.abs_diff(current));
    }
}

/// Rescales in one direction.
#[derive(Debug)]
struct Rescales {
    /// The longest period of this direction's policies.
    longest: u32,
    /// As (step, replicas), in no order.
    events: Vec<(u32, u32)>,
}

impl Rescales {
    fn over(longest: u32) -> Self {
        Self { longest, events: Vec::new() }
    }

    /// `storeScaleEvent`, `markScaleEventsOutdated`: one that is older than this direction's longest period gives its place
    /// to the new one, although the other direction's policies may still count it.
    fn store(&mut self, i: u32, by: u32) {
        match self.events.iter().rposition(|(at, _)| i - at > self.longest) {
            Some(outdated) => {
                if let Some(event) = self.events.get_mut(outdated) {
                    *event = (i, by);
                }
            }
            None => self.events.push((i, by)),
        }
    }

    /// `getReplicasChangePerPeriod`: only what is younger than the period (`timestamp.After(cutoff)`).
    fn within(&self, i: u32, period: u32) -> i64 {
        self.events.iter().filter(|(at, _)| i - at < period).map(|(_, by)| i64::from(*by)).sum()
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
mod cases;
#[cfg(test)]
mod tests;
