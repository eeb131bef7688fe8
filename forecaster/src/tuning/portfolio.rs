//! The policies that are tried out: 54 reactive ones, 24 that look ahead, and where none may run 6
//! that ask whether somebody will come.

use jiff::SignedDuration;

use crate::decide::selection::{AskedAhead, ShadowPolicy};

/// Demand per replica as a share of the threshold.
const UTILIZATIONS: [f64; 9] = [0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 1.0];

/// Scale-down windows in seconds.
const WINDOWS: [i64; 6] = [15, 60, 300, 900, 1800, 3600];

/// The 54 reactive policies: the rival.
pub fn reactive() -> Vec<ShadowPolicy> {
    let pairs = UTILIZATIONS
        .iter()
        .flat_map(|utilization| WINDOWS.iter().map(move |window| (*utilization, *window)));
    let policy = |(utilization, window)| ShadowPolicy::Reactive {
        utilization,
        scale_down_window: SignedDuration::from_secs(window),
    };
    pairs.map(policy).collect()
}

/// Quantile, forecast utilization, utilization, hold in minutes and stabilization in seconds of the
/// policies that look ahead: chosen greedily among 1,080 by what choosing among them day by day
/// would have cost on real histories at cold starts of 1, 3 and 10 minutes, a cell that comes off
/// worse than reactively counting sixfold. SelectionRecord without a history, they come off 1.6 %
/// worse on it than chosen with it.
const SETTINGS: [(f64, f64, f64, i64, i64); 24] = [
    (0.65, 1.0, 0.6, 20, 15),
    (0.8, 0.7, 0.6, 20, 15),
    (0.8, 0.8, 0.6, 20, 15),
    (0.8, 1.0, 0.75, 20, 15),
    (0.8, 1.15, 0.75, 0, 15),
    (0.8, 1.3, 0.9, 10, 15),
    (0.9, 0.7, 0.6, 20, 60),
    (0.9, 0.8, 1.05, 10, 15),
    (0.9, 1.0, 0.9, 0, 15),
    (0.9, 1.15, 0.9, 0, 15),
    (0.9, 1.15, 1.05, 0, 15),
    (0.95, 0.7, 0.6, 20, 60),
    (0.95, 0.8, 0.6, 10, 15),
    (0.95, 0.8, 0.9, 20, 15),
    (0.95, 0.9, 0.75, 10, 15),
    (0.95, 0.9, 0.9, 0, 15),
    (0.95, 1.0, 0.9, 0, 60),
    (0.95, 1.3, 0.75, 10, 15),
    (0.99, 0.9, 0.6, 10, 15),
    (0.99, 0.9, 1.05, 20, 60),
    (0.99, 1.0, 0.6, 10, 15),
    (0.99, 1.3, 0.6, 10, 15),
    (0.99, 1.3, 0.75, 20, 15),
    (0.99, 1.3, 0.9, 20, 15),
];

/// The longest hold of any policy: so far beyond the lead a forecast must reach.
pub const LONGEST_HOLD: SignedDuration = SignedDuration::from_mins(20);

/// The 24 policies that look ahead, whatever the cold start.
///
/// All drain a queue within a minute, as the planner does (longer for long cold starts was no
/// better).
pub fn forecasting() -> Vec<ShadowPolicy> {
    let policy = |(quantile, forecast_utilization, utilization, hold, stabilization)| {
        ShadowPolicy::Forecast {
            quantile,
            forecast_utilization,
            utilization,
            hold: SignedDuration::from_mins(hold),
            stabilization: SignedDuration::from_secs(stabilization),
            drain: SignedDuration::from_mins(1),
        }
    };
    SETTINGS.map(policy).into()
}

/// The policies that ask whether somebody will come, where none may run: with live demand alone, and
/// with two ways to ask the forecast for more than one replica; somewhat below and above the
/// break-even, because the work that an arrival brings is a mean.
pub fn awaiting() -> Vec<ShadowPolicy> {
    let ahead = |quantile, utilization| {
        Some(AskedAhead { quantile, utilization, hold: SignedDuration::ZERO })
    };
    let ways = [(1.0, 60, None), (0.9, 15, ahead(0.9, 1.15)), (0.9, 15, ahead(0.95, 0.9))];
    let policy = |(utilization, window, ahead), from| ShadowPolicy::Arrival {
        utilization,
        scale_down_window: SignedDuration::from_secs(window),
        from,
        ahead,
    };
    ways.into_iter().flat_map(|way| [0.5, 2.0].map(|from| policy(way, from))).collect()
}
