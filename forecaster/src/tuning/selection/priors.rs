//! What is done where a workload has no history of its own to choose by.

use jiff::SignedDuration;

use crate::decide::selection::ShadowPolicy;

/// Cold starts (seconds) and cost ratios between which the next row and column begin: the geometric
/// means of 60, 180, 600 and of 10, 30, 100.
const LEADS_S: [f64; 2] = [103.9, 328.6];
const RATIOS: [f64; 2] = [17.3, 54.8];

/// Quantile, forecast utilization, utilization and hold in minutes, by cold start, then cost ratio:
/// of 540 settings the one that cost least on all of 14 real histories together (.79 to .94 of the
/// best reactive setting that each of them could have had, where 80 % and 300 s cost 1.1 to 3.2 of
/// it).
const DEFAULTS: [[(f64, f64, f64, i64); 3]; 3] = [
    [(0.8, 1.15, 0.9, 10), (0.95, 1.15, 0.9, 10), (0.95, 1.0, 0.75, 10)],
    [(0.9, 1.0, 0.9, 10), (0.95, 1.0, 0.9, 10), (0.99, 1.0, 0.75, 10)],
    [(0.95, 1.0, 0.9, 10), (0.95, 0.9, 0.75, 20), (0.99, 1.0, 0.75, 20)],
];

/// The default for a cold start and a cost ratio: the dearer a miss and the longer the wait for a
/// replica, the more room is left above the forecast and the longer replicas are held.
pub(super) fn policy(lead: SignedDuration, cost_ratio: f64) -> ShadowPolicy {
    let [short, middle, long] = DEFAULTS;
    let of = |x: f64, edges: [f64; 2]| edges.iter().filter(|edge| x >= **edge).count();
    let row = match of(lead.as_secs_f64(), LEADS_S) {
        0 => short,
        1 => middle,
        _ => long,
    };
    let [cheap, usual, dear] = row;
    let (quantile, forecast_utilization, utilization, hold) = match of(cost_ratio, RATIOS) {
        0 => cheap,
        1 => usual,
        _ => dear,
    };
    ShadowPolicy::Forecast {
        quantile,
        forecast_utilization,
        utilization,
        hold: SignedDuration::from_mins(hold),
        stabilization: SignedDuration::from_secs(15),
        drain: SignedDuration::from_secs(60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dear_misses_and_long_starts_get_more_room() {
        let of = |seconds: i64, ratio: f64| match policy(SignedDuration::from_secs(seconds), ratio)
        {
            ShadowPolicy::Forecast { quantile, forecast_utilization, hold, .. } => {
                (quantile / forecast_utilization, hold)
            }
            ShadowPolicy::Reactive { .. } | ShadowPolicy::Arrival { .. } => {
                unreachable!("a default looks ahead")
            }
        };
        for seconds in [60, 180, 600] {
            assert!(of(seconds, 10.0).0 < of(seconds, 30.0).0);
            assert!(of(seconds, 10.0).0 < of(seconds, 100.0).0);
        }
        for ratio in [10.0, 30.0, 100.0] {
            assert!(of(60, ratio).0 < of(600, ratio).0 && of(60, ratio).1 <= of(600, ratio).1);
        }
        assert_eq!(of(0, 0.0), of(60, 10.0));
        assert_eq!(of(100_000, 1e9), of(600, 100.0));
    }
}
