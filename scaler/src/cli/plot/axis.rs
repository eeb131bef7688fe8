//! Scales from values to pixels, and where their ticks stand.

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// What a plot needs of either axis.
pub(crate) trait Scale {
    /// Ticks for about `count` labels: position in [0, 1] and label.
    fn ticks(&self, count: usize) -> Vec<(f64, String)>;
}

/// Numbers, evenly spaced.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Linear {
    from: f64,
    to: f64,
}

impl Linear {
    /// From 0 to a little above `most`; one above nothing, so that an empty plot has an axis.
    pub(crate) fn from_zero(most: f64) -> Self {
        let most = if most.is_finite() && most > 0.0 { most } else { 1.0 };
        Self { from: 0.0, to: most * 1.05 }
    }

    /// Between two figures, with some air around them, never below 0.
    pub(crate) fn around(least: f64, most: f64) -> Self {
        let air = ((most - least) * 0.08).max(most.abs() * 0.02).max(f64::MIN_POSITIVE);
        Self { from: (least - air).max(0.0), to: most + air }
    }

    /// Where `value` lies: 0 at the start, 1 at the end.
    pub(crate) fn place(&self, value: f64) -> f64 {
        (value - self.from) / (self.to - self.from)
    }
}

impl Scale for Linear {
    /// At 1, 2 or 5 times a power of ten.
    fn ticks(&self, count: usize) -> Vec<(f64, String)> {
        let rough = (self.to - self.from) / count.max(1) as f64;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .map(|times| times * power)
            .into_iter()
            .find(|step| *step >= rough);
        let step = step.unwrap_or(10.0 * power);
        let first = (self.from / step).ceil() as i64;
        let last = (self.to / step + 1e-9).floor() as i64;
        (first..=last)
            .map(|n| n as f64 * step)
            .map(|value| (self.place(value), figure(value)))
            .collect()
    }
}

/// Instants, read in a zone.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Times {
    from: Timestamp,
    to: Timestamp,
    zone: TimeZone,
}

impl Times {
    /// From one instant to a later one.
    pub(crate) fn new(from: Timestamp, to: Timestamp, zone: TimeZone) -> Self {
        Self { from, to, zone }
    }

    /// Where `at` lies: 0 at the start, 1 at the end.
    pub(crate) fn place(&self, at: Timestamp) -> f64 {
        let span = self.to.duration_since(self.from).as_secs_f64().max(1.0);
        at.duration_since(self.from).as_secs_f64() / span
    }

    /// Name of the zone, for the label.
    pub(crate) fn zone(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }
}

impl Scale for Times {
    /// At full minutes, hours or days of local time.
    fn ticks(&self, count: usize) -> Vec<(f64, String)> {
        let span = self.to.duration_since(self.from).as_secs();
        let rough = span / i64::try_from(count.max(1)).unwrap_or(i64::MAX);
        let step = STEPS.iter().copied().find(|step| *step >= rough).unwrap_or(28 * DAY);
        let mut ticks = Vec::new();
        let mut day = self.from.to_zoned(self.zone.clone()).date();
        // Every so many days, counted from the first one.
        let days = (step / DAY).max(1);
        loop {
            let Ok(midnight) = day.to_zoned(self.zone.clone()) else { break };
            if midnight.timestamp() > self.to {
                break;
            }
            for second in (0..DAY).step_by(usize::try_from(step.min(DAY)).unwrap_or(usize::MAX)) {
                // By the clock on the wall: the hour that a change of clocks leaves out gives the
                // next one.
                let wall =
                    day.to_datetime(jiff::civil::Time::midnight()).checked_add(second.seconds());
                let Some(at) = wall.ok().and_then(|wall| wall.to_zoned(self.zone.clone()).ok())
                else {
                    continue;
                };
                let at = at.timestamp();
                if at >= self.from && at <= self.to {
                    ticks.push((self.place(at), self.label(at, step)));
                }
            }
            let Ok(next) = day.checked_add(days.days()) else { break };
            day = next;
        }
        ticks.dedup_by(|a, b| a.0 == b.0);
        ticks
    }
}

impl Times {
    fn label(&self, at: Timestamp, step: i64) -> String {
        let local = at.to_zoned(self.zone.clone());
        let midnight = local.hour() == 0 && local.minute() == 0;
        let format = match (step < DAY, midnight) {
            (true, false) => "%H:%M",
            _ => "%a %-d %b",
        };
        local.strftime(format).to_string()
    }
}

const DAY: i64 = 86_400;

/// Seconds between ticks, as clocks and calendars have them.
const STEPS: [i64; 15] = [
    60,
    300,
    600,
    900,
    1800,
    3600,
    7200,
    10_800,
    21_600,
    43_200,
    DAY,
    2 * DAY,
    7 * DAY,
    14 * DAY,
    28 * DAY,
];

/// A number with three digits that count: `3.00e-7`, `0.25`, `12`, `1.5k`, `20M`.
pub(crate) fn figure(value: f64) -> String {
    let size = value.abs();
    if size > 0.0 && size < 1e-4 {
        return format!("{value:.2e}");
    }
    let (scaled, unit) = match size {
        _ if size >= 1e12 => (value / 1e12, "T"),
        _ if size >= 1e9 => (value / 1e9, "G"),
        _ if size >= 1e6 => (value / 1e6, "M"),
        _ if size >= 1e4 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let size = scaled.abs();
    let decimals = match size {
        _ if size >= 100.0 || size == 0.0 => 0,
        _ if size >= 10.0 => 1,
        _ if size >= 1.0 => 2,
        // Three digits behind the leading zeros.
        _ => (2 - size.log10().floor() as i32).clamp(0, 6) as usize,
    };
    let text = format!("{scaled:.decimals$}");
    let text =
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{unit}")
}
