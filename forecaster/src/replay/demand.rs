//! A history in steps of simulated time, counted in replicas: 1.0 is what one replica carries.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use super::scenario::{STEP, Scenario};
use crate::control::quantity::MAX_VALUE;
use crate::decide::live::LiveWindow;
use crate::series::Series;

/// A metric is the mean of so long: `rate(…[1m])`.
const METRIC_WINDOW: SignedDuration = SignedDuration::from_secs(60);

/// Whole steps, rounded.
pub(super) fn steps(span: SignedDuration) -> u32 {
    let (span, step) = (span.as_secs().max(0), STEP.as_secs());
    u32::try_from((span + step / 2) / step).unwrap_or(u32::MAX)
}

/// A history in steps.
#[derive(Debug)]
pub(super) struct Demand {
    start: Timestamp,
    /// Replicas' worth during each step; NaN in gaps.
    pub(super) values: Vec<f64>,
    /// Replica-steps that arrived before each step, gaps as nothing.
    pub(super) arrived: Vec<f64>,
    /// What a metric shows at each step: the mean of a minute, delayed; NaN where none of it was
    /// observed.
    pub(super) shown: Vec<f64>,
    /// The same with the panic rule of our own live demand, which a query can state as well.
    pub(super) shown_with_panic: Vec<f64>,
    /// First steps of local days, and of what counts, ascending.
    pub(super) segments: Vec<Segment>,
}

/// A local day, or the part of one that counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Segment {
    pub(super) first: usize,
    pub(super) date: Date,
    pub(super) counts: bool,
}

impl Demand {
    pub(super) fn new(trace: &Series, scene: &Scenario) -> Self {
        let (start, threshold) = (trace.start(), scene.threshold.get());
        let n = usize::try_from(trace.end().duration_since(start).as_secs() / STEP.as_secs())
            .unwrap_or(0);
        let usable = |demand: &f64| demand.is_finite() && *demand >= 0.0;
        let step_s = trace.step().as_secs();
        let values: Vec<f64> = (0..n)
            .map(|i| i as i64 * STEP.as_secs() / step_s)
            .map(|bucket| {
                usize::try_from(bucket).ok().and_then(|bucket| trace.values().get(bucket)).copied()
            })
            .map(|demand| {
                demand.filter(usable).map_or(f64::NAN, |demand| demand.min(MAX_VALUE) / threshold)
            })
            .collect();
        let mut arrived = Vec::with_capacity(n + 1);
        let mut sum = 0.0;
        arrived.push(sum);
        for value in &values {
            sum += if value.is_nan() { 0.0 } else { *value };
            arrived.push(sum);
        }
        let delay = steps(scene.metric_delay) as usize;
        let (shown, shown_with_panic) = (shown(&values, delay), shown_with_panic(&values, delay));
        let mut demand =
            Self { start, values, arrived, shown, shown_with_panic, segments: Vec::new() };
        demand.segments = demand.days(scene);
        demand
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// Start of step `i`.
    pub(super) fn instant(&self, i: usize) -> Timestamp {
        let offset = i64::try_from(i).unwrap_or(i64::MAX).saturating_mul(STEP.as_secs());
        self.start.saturating_add(SignedDuration::from_secs(offset)).unwrap_or(Timestamp::MAX)
    }

    /// First step at or after an instant.
    fn step_at(&self, at: Timestamp) -> usize {
        let offset = at.as_second().saturating_sub(self.start.as_second());
        usize::try_from((offset + STEP.as_secs() - 1).div_euclid(STEP.as_secs()))
            .unwrap_or(0)
            .min(self.len())
    }

    fn days(&self, scene: &Scenario) -> Vec<Segment> {
        let zone = scene.calendar.zone();
        let from = scene.counted_from.map_or(0, |from| self.step_at(from));
        let mut segments: Vec<Segment> = Vec::new();
        let mut first = 0;
        while first < self.len() {
            let date = zone.to_datetime(self.instant(first)).date();
            segments.push(Segment { first, date, counts: first >= from });
            let midnight = date.tomorrow().ok().and_then(|next| next.to_zoned(zone.clone()).ok());
            let next = midnight
                .map_or(self.len(), |midnight| self.step_at(midnight.timestamp()))
                .max(first + 1);
            first = if first < from && from < next { from } else { next };
        }
        segments
    }
}

/// The mean of the minute whose newest step began `delay` steps ago; before that much was seen, of
/// what there is.
fn shown(values: &[f64], delay: usize) -> Vec<f64> {
    let window = steps(METRIC_WINDOW).max(1) as usize;
    let mean = |i: usize| {
        let end = i.saturating_sub(delay) + 1;
        let seen = values
            .get(end.saturating_sub(window)..end)
            .unwrap_or_default()
            .iter()
            .filter(|v| !v.is_nan());
        let (sum, n) = seen.fold((0.0, 0u32), |(sum, n), value| (sum + value, n + 1));
        if n > 0 { sum / f64::from(n) } else { f64::NAN }
    };
    (0..values.len()).map(mean).collect()
}

/// The same, or the newest step where that is twice the mean or more, and then for a minute
/// ([`LiveWindow`]).
fn shown_with_panic(values: &[f64], delay: usize) -> Vec<f64> {
    let mut window = LiveWindow::default();
    let level = |i: usize| {
        let at = i as i64 * STEP.as_secs();
        let now = Timestamp::from_second(at).unwrap_or(Timestamp::MAX);
        let newest = values.get(i.saturating_sub(delay)).copied().filter(|value| !value.is_nan());
        newest.into_iter().for_each(|demand| window.push(now, demand));
        window.fresh(now, STEP).map_or(f64::NAN, |level| level.value)
    };
    (0..values.len()).map(level).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::policy::Threshold;

    fn scene() -> Scenario {
        Scenario {
            metric_delay: SignedDuration::from_secs(30),
            ..Scenario::new(Threshold::new(10.0).unwrap(), STEP)
        }
    }

    fn demand(values: Vec<f64>, step_s: i64) -> Demand {
        let series = Series::new(Timestamp::UNIX_EPOCH, SignedDuration::from_secs(step_s), values);
        Demand::new(&series, &scene())
    }

    #[test]
    fn buckets_last_as_long_as_they_did_and_gaps_stay_gaps() {
        let demand = demand(vec![20.0, f64::NAN, 5.0], 30);
        assert_eq!(demand.values[..2], [2.0, 2.0]);
        assert!(demand.values[2].is_nan() && demand.values[3].is_nan());
        assert_eq!((demand.arrived[4], demand.arrived[6]), (4.0, 5.0));
    }

    #[test]
    fn a_metric_shows_the_mean_of_a_minute_that_is_half_a_minute_old() {
        let demand = demand((0..10).map(|i| f64::from(i) * 10.0).collect(), 15);
        // At step 8 the newest that is shown is step 6's, which began half a minute ago.
        assert_eq!(demand.shown[8], (3.0 + 4.0 + 5.0 + 6.0) / 4.0);
        assert_eq!((demand.shown[0], demand.shown[2]), (0.0, 0.0));
    }

    #[test]
    fn a_metric_may_panic_as_ours_does() {
        let mut values = vec![10.0; 12];
        values[5] = 50.0;
        let demand = demand(values, 15);
        assert_eq!(demand.shown[7], 2.0);
        assert_eq!(demand.shown_with_panic[6..12], [1.0, 5.0, 5.0, 5.0, 5.0, 1.0]);
    }

    #[test]
    fn what_counts_begins_a_part_of_a_day_of_its_own() {
        let from = Timestamp::from_second(86_400 + 3600).unwrap();
        let series =
            Series::new(Timestamp::UNIX_EPOCH, SignedDuration::from_hours(1), vec![1.0; 60]);
        let demand = Demand::new(&series, &Scenario { counted_from: Some(from), ..scene() });
        let found: Vec<_> =
            demand.segments.iter().map(|s| (s.first / 240, s.date.day(), s.counts)).collect();
        assert_eq!(found, [(0, 1, false), (24, 2, false), (25, 2, true), (48, 3, true)]);
    }
}
