//! Demand of the demo: a working day with a steep morning, the same every weekday but for noise.
//! Seeded.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// SplitMix64 (Steele, Lea & Flood, OOPSLA 2014): a seed gives the same demo on every machine.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    /// Dice of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Uniform within [0, 1).
    pub(crate) fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Poisson with mean `mean` (< 100: Knuth's product of uniforms).
    pub(crate) fn poisson(&mut self, mean: f64) -> u64 {
        let limit = (-mean).exp();
        let mut product = self.uniform();
        let mut count = 0;
        while product > limit {
            product *= self.uniform();
            count += 1;
        }
        count
    }
}

/// Requests a second at the top of the day.
const PEAK: f64 = 24.0;

/// Requests a second of the chat service to expect at `t`: nothing at night, up within half an hour
/// from 08:00, a dip at noon, down by 18:30; weekends are quiet.
pub(crate) fn chat(t: Timestamp) -> f64 {
    let moment = Moment::of(t);
    let day = moment.ramp(8.0, 8.5) * (1.0 - moment.ramp(17.5, 18.5));
    let noon = 1.0 - 0.35 * (-((moment.hour - 12.5) / 0.6).powi(2)).exp();
    PEAK * day * noon * moment.mood * if moment.weekend { 0.1 } else { 1.0 }
}

/// Of the image generator: people come from 08:20 on, and none at night.
pub(crate) fn images(t: Timestamp) -> f64 {
    let moment = Moment::of(t);
    let day = moment.ramp(8.3, 9.0) * (1.0 - moment.ramp(19.0, 20.0));
    0.25 * PEAK * day * moment.mood * if moment.weekend { 0.6 } else { 1.0 }
}

/// Of the batch work: a load at each half hour of the working day, handed in within ten minutes.
pub(crate) fn batch(t: Timestamp) -> f64 {
    let moment = Moment::of(t);
    let working = (6.0..20.0).contains(&moment.hour) && !moment.weekend;
    let since = (moment.hour * 60.0) % 30.0;
    if working && since < 10.0 { 0.4 * PEAK * moment.mood } else { 0.0 }
}

/// A local time of day, and what kind of day it is.
struct Moment {
    /// Hours since midnight.
    hour: f64,
    weekend: bool,
    /// Days differ: some are a tenth busier than others.
    mood: f64,
}

impl Moment {
    fn of(t: Timestamp) -> Self {
        let local = t.to_zoned(TimeZone::UTC);
        let hour = f64::from(local.hour())
            + f64::from(local.minute()) / 60.0
            + f64::from(local.second()) / 3600.0;
        let weekend = local.weekday().to_monday_zero_offset() >= 5;
        let mood = 0.9 + 0.2 * Dice::new(local.date().day_of_year() as u64).uniform();
        Self { hour, weekend, mood }
    }

    /// From 0 at an hour to 1 at another.
    fn ramp(&self, from: f64, to: f64) -> f64 {
        ((self.hour - from) / (to - from)).clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn nights_are_empty_and_mornings_are_steep() {
        assert_eq!(chat(at("2026-11-24T07:59:00Z")), 0.0);
        assert!(chat(at("2026-11-24T08:45:00Z")) > 0.8 * PEAK);
        assert!(chat(at("2026-11-28T10:00:00Z")) < 0.15 * PEAK);
        assert_eq!(
            (images(at("2026-11-24T03:00:00Z")), batch(at("2026-11-24T08:15:00Z"))),
            (0.0, 0.0)
        );
        assert!(images(at("2026-11-24T10:00:00Z")) > 0.2 * PEAK);
        assert!(batch(at("2026-11-24T08:05:00Z")) > 0.3 * PEAK);
    }

    #[test]
    fn arrivals_have_the_mean_that_was_asked_for() {
        let mut dice = Dice::new(7);
        let total: u64 = (0..20_000).map(|_| dice.poisson(12.0)).sum();
        assert!((total as f64 / 20_000.0 - 12.0).abs() < 0.1);
    }
}
