//! What the probability of an arrival is told by.

use std::f64::consts::TAU;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::profile::Profile;

/// Features of an instant.
pub const FEATURES: usize = 15;

/// Harmonics of the day.
const HARMONICS: u32 = 3;

/// Where the slope of the logarithm of recency may change: ten minutes, an hour, a day.
const BENDS_MIN: [f64; 3] = [10.0, 60.0, 1440.0];

/// Recency beyond this (minutes) counts as this.
const LONGEST_MIN: f64 = 14.0 * 1440.0;

const DAY_S: f64 = 86_400.0;

/// What changes from instant to instant, beside the time of day and week.
#[derive(Debug, Clone, Copy)]
pub(super) struct Situation {
    /// Seconds since the epoch on a local clock.
    pub(super) local_s: i64,
    /// Minutes since the last arrival.
    pub(super) recency: f64,
    /// Shares of earlier days, and of earlier weeks, on which somebody came within the lead from
    /// this time on.
    pub(super) came: (f64, f64),
}

impl Situation {
    /// At `now`, where the last arrival was at `last`.
    pub(super) fn new(
        now: Timestamp,
        last: Option<Timestamp>,
        within: SignedDuration,
        profile: &Profile,
        zone: &TimeZone,
    ) -> Self {
        let local_s = local_seconds(now, zone);
        let since = |last: Timestamp| now.duration_since(last).as_secs_f64() / 60.0;
        let recency = last.map_or(LONGEST_MIN, since).clamp(0.0, LONGEST_MIN);
        Self { local_s, recency, came: profile.most(local_s, local_s + within.as_secs()) }
    }
}

/// Three harmonics of the time of day; weekend; one harmonic of the week; recency; what came on
/// earlier days and in earlier weeks.
pub(super) fn features(of: &Situation) -> [f64; FEATURES] {
    let day = of.local_s as f64 / DAY_S;
    let recency = (1.0 + of.recency).ln();
    let (by_day, by_week) = of.came;

    let mut row = [0.0; FEATURES];
    let mut next = row.iter_mut();
    let mut put = |value: f64| {
        if let Some(place) = next.next() {
            *place = value;
        }
    };
    for k in 1..=HARMONICS {
        let (sin, cos) = (TAU * f64::from(k) * day).sin_cos();
        put(sin);
        put(cos);
    }
    // The epoch was a Thursday.
    let weekday = (day.floor() + 3.0).rem_euclid(7.0);
    put(if weekday >= 5.0 { 1.0 } else { 0.0 });
    let (sin, cos) = (TAU * (day + 3.0) / 7.0).sin_cos();
    put(sin);
    put(cos);
    put(recency);
    for bend in BENDS_MIN {
        put((recency - (1.0 + bend).ln()).max(0.0));
    }
    put(log_odds(by_day));
    put(log_odds(by_week));
    row
}

/// Seconds since the epoch on a local clock.
pub(super) fn local_seconds(at: Timestamp, zone: &TimeZone) -> i64 {
    at.as_second() + i64::from(zone.to_offset(at).seconds())
}

/// Of a share, as if it had been a half on a few more visits.
fn log_odds(share: f64) -> f64 {
    ((share + 0.02) / (1.02 - share)).ln()
}
