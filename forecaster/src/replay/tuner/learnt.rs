//! What is done where a workload has no history of its own to choose by.

use jiff::SignedDuration;

use crate::decide::choice::ShadowPolicy;

/// The defaults that did best on development series, by lead and cost ratio: the dearer a miss and the longer the wait for a
/// replica, the more room is left above the forecast and the longer replicas are held.
pub(super) fn policy(lead: SignedDuration, cost_ratio: f64) -> ShadowPolicy {
    let long = lead >= SignedDuration::from_mins(5);
    let forecast_utilisation = match cost_ratio {
        ..17.0 => 1.15,
        ..55.0 => 1.0,
        _ => 0.9,
    };
    ShadowPolicy::Forecast {
        quantile: 0.95,
        forecast_utilisation,
        utilisation: 0.9,
        hold: SignedDuration::from_mins(if long { 20 } else { 10 }),
        stabilisation: SignedDuration::from_secs(60),
        drain: SignedDuration::from_secs(60).max(lead + SignedDuration::from_secs(60)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dear_misses_and_long_starts_get_more_room() {
        let of = |minutes: i64, ratio: f64| match policy(SignedDuration::from_mins(minutes), ratio) {
            ShadowPolicy::Forecast { forecast_utilisation, hold, .. } => (forecast_utilisation, hold),
            ShadowPolicy::Reactive { .. } => unreachable!("a default looks ahead"),
        };
        assert!(of(3, 10.0).0 > of(3, 30.0).0 && of(3, 30.0).0 > of(3, 100.0).0);
        assert!(of(10, 30.0).1 > of(1, 30.0).1);
    }
}
