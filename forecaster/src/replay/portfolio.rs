//! The policies that are tried out: 45 reactive ones and 24 that look ahead.

use jiff::SignedDuration;

use crate::decide::choice::ShadowPolicy;

/// Demand per replica as a share of the threshold.
const UTILISATIONS: [f64; 9] = [0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 1.0];

/// Scale-down windows in seconds.
const WINDOWS: [i64; 5] = [60, 300, 900, 1800, 3600];

/// The 45 reactive policies: the rival.
pub fn reactive() -> Vec<ShadowPolicy> {
    let pairs = UTILISATIONS.iter().flat_map(|utilisation| WINDOWS.iter().map(move |window| (*utilisation, *window)));
    let policy = |(utilisation, window)| ShadowPolicy::Reactive {
        utilisation,
        scale_down_window: SignedDuration::from_secs(window),
    };
    pairs.map(policy).collect()
}

/// The policies that look ahead, for a cold start of `lead`.
pub fn forecasting(lead: SignedDuration) -> Vec<ShadowPolicy> {
    let seconds = SignedDuration::from_secs;
    let mut policies = Vec::new();
    for quantile in [0.5, 0.8, 0.95] {
        for forecast_utilisation in [0.8, 0.9, 1.0, 1.15] {
            for utilisation in [0.7, 0.9] {
                policies.push(ShadowPolicy::Forecast {
                    quantile,
                    forecast_utilisation,
                    utilisation,
                    hold: seconds(600),
                    stabilisation: seconds(60),
                    drain: seconds(60).max(lead),
                });
            }
        }
    }
    policies
}
