//! What the regression sees at an origin `t` of the bucket `g = t + lead`: lags, means, profiles, calendar.

use std::f64::consts::TAU;

use super::track::Track;

/// How many there are.
pub(super) const COUNT: usize = 43;

/// Fills `x`. `ets` is what the smoothers said at `t` of `g`. Short steps have three harmonics of the hour, 10 minutes two,
/// longer ones none (those stay 0).
pub(super) fn fill(track: &Track, t: usize, lead: usize, ets: f64, x: &mut [f64; COUNT]) {
    let g = t + lead;
    let z = |back: usize| f64::from(track.z[t.saturating_sub(back)]);
    let at = |column: &[f32], i: usize| f64::from(column[i]);
    let z0 = z(0);
    let known = |value: f32| if value.is_nan() { z0 } else { f64::from(value) };
    let (pd_t, pw_t) = (known(track.pd[t]), known(track.pw[t]));
    let (pd_g, pw_g) = (known(track.pd[g]), known(track.pw[g]));
    let hour = track.hour.max(3).min(t + 1);
    let zeros = track.z[t + 1 - hour..=t].iter().filter(|z| **z <= 0.0).count();
    let raw = |i: usize, days: usize| track.back(i, days).filter(|i| *i <= t).map(|i| at(&track.z, i));
    let smooth = |i: usize, days: usize| track.back(i, days).filter(|i| *i <= t).and_then(|i| track.smoothed_at(i, t));
    let change = |days: usize| match (raw(g, days), raw(t, days)) {
        (Some(then), Some(before)) => then - before,
        _ => 0.0,
    };
    let lags = [
        z0 - z(1),
        z(1) - z(2),
        z(2) - z(3),
        at(&track.mean3, t) - z0,
        at(&track.mean_1h, t) - z0,
        at(&track.mean_3h, t) - z0,
        at(&track.ewma_fast, t) - z0,
        at(&track.ewma_slow, t) - z0,
        at(&track.max_1h, t) - z0,
        zeros as f64 / hour as f64,
        pd_t - z0,
        pw_t - z0,
        pd_g - pd_t,
        pw_g - pw_t,
        smooth(g, 1).unwrap_or(z0) - z0,
        smooth(g, 7).unwrap_or(pd_g) - z0,
        change(1),
        change(7),
        ets - z0,
        z0,
    ];
    x[..lags.len()].copy_from_slice(&lags);
    let of_day = track.day_phase(g) as f64 / track.day as f64;
    let of_week = track.week_phase(g) as f64 / (7 * track.day) as f64;
    let weekend = f64::from(u8::from(track.weekend(g)));
    let rest = &mut x[lags.len()..];
    for k in 0..4 {
        let (sin, cos) = (TAU * of_day * (k + 1) as f64).sin_cos();
        rest[2 * k] = sin;
        rest[2 * k + 1] = cos;
    }
    rest[8] = weekend;
    for k in 0..4 {
        rest[9 + k] = weekend * rest[k];
    }
    for k in 0..2 {
        let (sin, cos) = (TAU * of_week * (k + 1) as f64).sin_cos();
        rest[13 + 2 * k] = sin;
        rest[14 + 2 * k] = cos;
    }
    let harmonics = if track.hour >= 12 {
        3
    } else if track.hour >= 6 {
        2
    } else {
        0
    };
    let of_hour = (track.day_phase(g) % track.hour) as f64 / track.hour as f64;
    for k in 0..3 {
        let (sin, cos) = if k < harmonics { (TAU * of_hour * (k + 1) as f64).sin_cos() } else { (0.0, 0.0) };
        rest[17 + 2 * k] = sin;
        rest[18 + 2 * k] = cos;
    }
}
