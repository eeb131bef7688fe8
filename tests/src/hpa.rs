//! KEDA's executor and the Horizontal Pod Autoscaler, as arithmetic: what answers turn into.
//!
//! Sources: KEDA v2.21.0 `pkg/scaling/executor/scale_scaledobjects.go` (0 ↔ 1), Kubernetes v1.35.4
//! `pkg/controller/podautoscaler/replica_calculator.go` and `horizontal.go` (1 ↔ N).

use jiff::{SignedDuration, Timestamp};

/// What KEDA makes of one pair of answers, in thousandths: quantities have three decimals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The metric's value.
    pub value_milli: i64,
    /// The target per replica; > 0.
    pub target_milli: i64,
    /// Whether the workload should run at all.
    pub active: bool,
}

/// `GetExternalPerPodMetricReplicas`: what an `AverageValue` metric asks for at `current` replicas.
pub fn desired_replicas(value_milli: i64, target_milli: i64, current: u32) -> u32 {
    let ratio = value_milli as f64 / (target_milli as f64 * f64::from(current));
    if (1.0 - ratio).abs() <= TOLERANCE {
        return current;
    }
    (value_milli as f64 / target_milli as f64).ceil() as u32
}

/// `fmt.Sprintf("%.3f")` parsed as a quantity: rounded to thousandths; NaN, infinity and negatives
/// are 0.
pub fn quantity_milli(value: f64) -> i64 {
    if !value.is_finite() || value < 0.0 {
        return 0;
    }
    format!("{value:.3}").replace('.', "").parse().unwrap_or(i64::MAX)
}

/// A scale target with its ScaledObject's limits, in the test's own time.
#[derive(Debug, Clone)]
pub struct Target {
    /// Replicas asked for.
    pub replicas: u32,
    min: u32,
    max: u32,
    cooldown: SignedDuration,
    last_active: Option<Timestamp>,
    recommended: Vec<(Timestamp, u32)>,
}

impl Target {
    /// At `min` replicas; KEDA's default cooldown of 300 s.
    pub fn new(min: u32, max: u32) -> Self {
        let cooldown = SignedDuration::from_secs(300);
        Self { replicas: min, min, max, cooldown, last_active: None, recommended: Vec::new() }
    }

    /// One poll of KEDA: `None` is an error, which holds. Wakes to max(1, min), sleeps after the
    /// cooldown.
    pub fn poll(&mut self, now: Timestamp, reading: Option<Reading>) {
        let Some(reading) = reading else { return };
        if reading.active {
            self.last_active = Some(now);
            if self.replicas == 0 {
                self.replicas = self.min.max(1);
            }
        } else if self.min == 0 && self.last_active.is_none_or(|last| last + self.cooldown <= now) {
            self.replicas = 0;
        }
    }

    /// One sync of the HPA: does nothing at zero; errors hold; up at most max(2 × current, 4), down
    /// to the largest recommendation of the last 300 s.
    pub fn sync(&mut self, now: Timestamp, reading: Option<Reading>) {
        let Some(reading) = reading.filter(|_| self.replicas > 0) else { return };
        let wanted = desired_replicas(reading.value_milli, reading.target_milli, self.replicas);
        let wanted = wanted.clamp(self.min.max(1), self.max);
        self.recommended.retain(|(at, _)| *at + STABILIZATION > now);
        self.recommended.push((now, wanted));
        self.replicas = if wanted > self.replicas {
            wanted.min((2 * self.replicas).max(4))
        } else {
            let stable = self.recommended.iter().map(|(_, n)| *n).max().unwrap_or(wanted);
            stable.min(self.replicas)
        };
    }
}

/// `--horizontal-pod-autoscaler-tolerance`, default.
const TOLERANCE: f64 = 0.1;

/// `behavior.scaleDown.stabilizationWindowSeconds`, default.
const STABILIZATION: SignedDuration = SignedDuration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn reading(value: i64, target: i64) -> Option<Reading> {
        Some(Reading { value_milli: value * 1000, target_milli: target * 1000, active: value > 0 })
    }

    #[test]
    fn asks_for_what_kubernetes_asks_for() {
        // KEDA's end-to-end test: threshold 10; 10 → 1, 20 → 2; 22.222 at 6.111 → 4.
        assert_eq!(desired_replicas(10_000, 10_000, 1), 1);
        assert_eq!(desired_replicas(20_000, 10_000, 1), 2);
        assert_eq!(desired_replicas(22_222, 6_111, 1), 4);
        // The dead band: keda#6709 wanted 45 and stayed at 47 to 50.
        assert_eq!(desired_replicas(45_000, 1_000, 50), 50);
        assert_eq!(desired_replicas(44_000, 1_000, 50), 44);
        assert_eq!(desired_replicas(1, 1_000, 0), 1);
    }

    #[test]
    fn quantities_have_three_decimals() {
        assert_eq!(quantity_milli(22.222), 22_222);
        assert_eq!(quantity_milli(0.0004), 0);
        assert_eq!(quantity_milli(1e12), 1_000_000_000_000_000);
        assert_eq!([f64::NAN, f64::INFINITY, -1.0].map(quantity_milli), [0; 3]);
    }

    #[test]
    fn wakes_by_one_ramps_holds_and_sleeps() {
        let mut target = Target::new(0, 100);
        target.poll(at(0), reading(200, 10));
        assert_eq!(target.replicas, 1, "never straight to N");
        let ramp: Vec<u32> = (1..=4)
            .map(|i| (target.sync(at(15 * i), reading(200, 10)), target.replicas).1)
            .collect();
        assert_eq!(ramp, [4, 8, 16, 20]);

        target.sync(at(90), reading(10, 10));
        assert_eq!(target.replicas, 20, "the largest of the last 300 s");
        target.sync(at(120), None);
        target.poll(at(120), None);
        assert_eq!(target.replicas, 20, "an error holds");
        target.sync(at(361), reading(10, 10));
        assert_eq!(target.replicas, 1);

        target.poll(at(299), reading(0, 10));
        assert_eq!(target.replicas, 1, "cooling down");
        target.poll(at(300), reading(0, 10));
        assert_eq!(target.replicas, 0);
        target.sync(at(315), reading(200, 10));
        assert_eq!(target.replicas, 0, "the HPA does nothing at zero");
    }
}
