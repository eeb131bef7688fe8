//! Whether anybody will come: the probability of an arrival within the lead, for a workload that
//! sleeps.
//!
//! A demand of nothing at most times has quantiles of nothing; what decides between one replica and
//! none is whether somebody comes while it would be starting. The probability is a logistic
//! regression on time of day, weekday, recency and what came at this time on earlier days and
//! weeks, fitted once a day. Coefficients and profile are all that a replica needs to say the same
//! as the one that fitted them.
//!
//! **Break-even.** A replica that stays (or starts) for the length of a lead costs as many
//! GPU-hours as the lead has. Without it, work comes late if somebody comes: ρ times as much. So it
//! stays while P × ρ × work ≥ lead.

mod features;
mod fit;
mod history;
mod profile;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

pub use features::FEATURES;
pub use history::{ArrivalHistory, TooFewArrivals};
pub use profile::{CELLS, Profile};

use features::{Situation, features};

/// The probability of an arrival, as fitted at one instant.
#[derive(Debug, Clone, PartialEq)]
pub struct ArrivalModel {
    /// The end of the newest bucket that it was fitted on.
    pub fitted: Timestamp,
    /// The probability is of an arrival within so long: the lead, in whole buckets; ≥ 1 s.
    pub within: SignedDuration,
    /// Work of one replica that comes late where somebody arrives and none runs, in replica-hours;
    /// ≥ 0 and ≤ `within`.
    pub work: f64,
    /// Intercept, then one coefficient a feature; finite.
    pub coefficients: [f64; FEATURES + 1],
    /// What came at which time of earlier days and weeks.
    pub profile: Profile,
    /// Mean squared error of the probabilities on the rows that it was fitted on (Brier 1950), and
    /// that of their mean alone; within [0, 1].
    pub brier: (f64, f64),
}

impl ArrivalModel {
    /// P(arrival within the lead from `now`), where the last one was at `last` (`None`: never
    /// seen); within [0, 1]. `zone`: in which time of day and weekday are read. Minutes count:
    /// slots of the same minute are told the same.
    pub fn probability(&self, now: Timestamp, last: Option<Timestamp>, zone: &TimeZone) -> f64 {
        let now = whole_minute(now);
        let row = features(&Situation::new(now, last, self.within, &self.profile, zone));
        let [intercept, rest @ ..] = &self.coefficients;
        let logit = intercept + rest.iter().zip(&row).map(|(a, x)| a * x).sum::<f64>();
        // Replicas on other processors may differ in the last bit of a sine.
        (1e6 / (1.0 + (-logit).exp())).round() / 1e6
    }

    /// From which probability on a replica pays, at a cost ratio; above 1 where none ever does.
    pub fn break_even(&self, cost_ratio: f64) -> f64 {
        let hours = self.within.as_secs_f64() / 3600.0;
        let late = cost_ratio * self.work;
        if late > 0.0 { hours / late } else { f64::INFINITY }
    }
}

/// Start of the minute.
fn whole_minute(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second().div_euclid(60) * 60).unwrap_or(at)
}

#[cfg(test)]
mod tests;
