//! Generated demand with a fixed seed.

use std::f64::consts::PI;
use std::fmt::Write;

use jiff::{SignedDuration, Timestamp, ToSpan};

/// Demand at even steps from `start` on, in the demand's own unit; finite, ≥ 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    start: Timestamp,
    step: SignedDuration,
    values: Vec<f64>,
}

/// How Prometheus sees a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The demand itself.
    Gauge,
    /// Its sum over time: `rate` gives the demand back.
    Counter,
}

/// A trace under the name of a series, `demand{service="llm"}` say.
#[derive(Debug, Clone)]
pub struct Metric {
    series: String,
    kind: Kind,
    trace: Trace,
}

impl Trace {
    /// A trace from a function of the instant.
    pub fn new(
        start: Timestamp,
        length: SignedDuration,
        step: SignedDuration,
        mut demand: impl FnMut(Timestamp) -> f64,
    ) -> Self {
        let count = length.as_secs() / step.as_secs();
        let values = (0..count).map(|i| demand(start + step * i as i32).max(0.0)).collect();
        Self { start, step, values }
    }

    /// The same demand all the time.
    pub fn constant(start: Timestamp, length: SignedDuration, value: f64) -> Self {
        Self::new(start, length, SCRAPE, |_| value)
    }

    /// Days of a service used by people: a quiet night (a tenth of the peak), a ramp from 07:00 to
    /// 09:00 UTC, a broad day, weekends at 40 %, and 3 % of noise. `peak` is a working day's
    /// maximum.
    pub fn working_days(start: Timestamp, length: SignedDuration, peak: f64, seed: u64) -> Self {
        let mut noise = Noise::new(seed);
        Self::new(start, length, SCRAPE, |t| {
            let civil = t.to_zoned(jiff::tz::TimeZone::UTC);
            let hour = f64::from(civil.hour())
                + f64::from(civil.minute()) / 60.0
                + f64::from(civil.second()) / 3600.0;
            let weekend = civil.weekday().to_monday_zero_offset() >= 5;
            let day = smooth_step(7.0, 9.0, hour) * (1.0 - smooth_step(17.0, 20.0, hour));
            let level = (0.1 + 0.9 * day) * if weekend { 0.4 } else { 1.0 };
            peak * level * (1.0 + 0.03 * noise.normal())
        })
    }

    /// Nothing, and at every full `every` a burst of `height` that lasts for `width`.
    pub fn bursts(
        start: Timestamp,
        length: SignedDuration,
        every: SignedDuration,
        width: SignedDuration,
        height: f64,
    ) -> Self {
        Self::new(start, length, SCRAPE, |t| {
            let into = t.duration_since(start).as_secs() % every.as_secs();
            if into < width.as_secs() { height } else { 0.0 }
        })
    }

    /// `height` until `off`, nothing from then on.
    pub fn until(start: Timestamp, length: SignedDuration, off: Timestamp, height: f64) -> Self {
        Self::new(start, length, SCRAPE, |t| if t < off { height } else { 0.0 })
    }

    /// Demand at `t`; `None` outside the trace.
    pub fn at(&self, t: Timestamp) -> Option<f64> {
        let index = t.duration_since(self.start).as_millis().div_euclid(self.step.as_millis());
        usize::try_from(index).ok().and_then(|i| self.values.get(i)).copied()
    }

    /// The first instant.
    pub fn start(&self) -> Timestamp {
        self.start
    }

    /// The first instant after it.
    pub fn end(&self) -> Timestamp {
        self.start + self.step * self.values.len() as i32
    }

    /// Its values, oldest first.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// The trace with a hole: nothing is known from `from` up to `to`.
    pub fn without(mut self, from: Timestamp, to: Timestamp) -> Self {
        let (start, step) = (self.start, self.step);
        for (i, value) in self.values.iter_mut().enumerate() {
            let t = start + step * i as i32;
            if t >= from && t < to {
                *value = f64::NAN;
            }
        }
        self
    }

    /// As a gauge.
    pub fn gauge(self, series: &str) -> Metric {
        Metric { series: series.to_owned(), kind: Kind::Gauge, trace: self }
    }

    /// As a counter; the series' name ends in `_total`.
    pub fn counter(self, series: &str) -> Metric {
        Metric { series: series.to_owned(), kind: Kind::Counter, trace: self }
    }
}

impl Metric {
    /// OpenMetrics text with timestamps, without the final `# EOF`. Values have three decimals.
    pub fn openmetrics(&self) -> String {
        let name = self.series.split('{').next().unwrap_or_default();
        let labels = &self.series[name.len()..];
        let (family, kind) = match self.kind {
            Kind::Gauge => (name, "gauge"),
            Kind::Counter => {
                (name.strip_suffix("_total").expect("a counter's name ends in _total"), "counter")
            }
        };
        let mut text = format!("# TYPE {family} {kind}\n");
        let mut total = 0.0;
        for (i, demand) in self.trace.values.iter().enumerate().filter(|(_, v)| v.is_finite()) {
            let at = (self.trace.start + self.trace.step * i as i32).as_second();
            total += demand * self.trace.step.as_secs_f64();
            let value = if self.kind == Kind::Gauge { *demand } else { total };
            writeln!(text, "{name}{labels} {value:.3} {at}").expect("writing to a string");
        }
        text
    }
}

/// Midnight UTC of Monday, 7 September 2026: traces start on fixed days, so tests are the same
/// every day.
pub fn monday() -> Timestamp {
    "2026-09-07T00:00:00Z".parse().expect("a timestamp")
}

/// Days as a duration.
pub fn days(n: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * n)
}

/// Hours and minutes after `day`'s first instant.
pub fn clock_time(day: Timestamp, hours: i64, minutes: i64) -> Timestamp {
    day + hours.hours().minutes(minutes)
}

/// Distance between samples: what Prometheus installations scrape at.
const SCRAPE: SignedDuration = SignedDuration::from_secs(15);

/// 0 below `from`, 1 above `to`, half a cosine between.
fn smooth_step(from: f64, to: f64, x: f64) -> f64 {
    let x = ((x - from) / (to - from)).clamp(0.0, 1.0);
    0.5 - 0.5 * (PI * x).cos()
}

/// splitmix64 (Steele, Lea, Flood 2014), summed up to nearly normal numbers.
#[derive(Debug, Clone)]
pub struct Noise(u64);

impl Noise {
    /// The same seed, the same noise.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as f64 / u64::MAX as f64
    }

    /// Mean 0, deviation 1: twelve uniform numbers less six.
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_has_days_nights_and_a_weekend() {
        let week = Trace::working_days(monday(), days(7), 100.0, 1);
        let around = |day: i64, hour: i64| {
            let t = clock_time(monday() + days(day), hour, 0);
            let near: Vec<f64> = (-20..20).filter_map(|i| week.at(t + SCRAPE * i)).collect();
            near.iter().sum::<f64>() / near.len() as f64
        };
        assert!((around(1, 3) - 10.0).abs() < 1.0, "night: {}", around(1, 3));
        assert!((around(1, 12) - 100.0).abs() < 3.0, "noon: {}", around(1, 12));
        assert!((around(1, 8) - 55.0).abs() < 5.0, "ramp: {}", around(1, 8));
        assert!((around(5, 12) - 40.0).abs() < 2.0, "Saturday: {}", around(5, 12));
        assert_eq!(
            week,
            Trace::working_days(monday(), days(7), 100.0, 1),
            "the same seed, the same trace"
        );
        assert_ne!(week, Trace::working_days(monday(), days(7), 100.0, 2));
    }

    #[test]
    fn text_for_promtool() {
        let step = SignedDuration::from_secs(15);
        let trace =
            Trace::new(Timestamp::UNIX_EPOCH, step * 3, step, |t| t.as_second() as f64 / 10.0);
        assert_eq!(
            trace.clone().gauge("demand{a=\"b\"}").openmetrics(),
            "# TYPE demand gauge\ndemand{a=\"b\"} 0.000 0\ndemand{a=\"b\"} 1.500 15\ndemand{a=\"b\"} 3.000 30\n"
        );
        assert_eq!(
            trace.clone().counter("seen_total").openmetrics(),
            "# TYPE seen counter\nseen_total 0.000 0\nseen_total 22.500 15\nseen_total 67.500 30\n"
        );
        let hole =
            trace.without(Timestamp::from_second(15).unwrap(), Timestamp::from_second(30).unwrap());
        assert_eq!(
            hole.gauge("demand").openmetrics(),
            "# TYPE demand gauge\ndemand 0.000 0\ndemand 3.000 30\n"
        );
    }
}
