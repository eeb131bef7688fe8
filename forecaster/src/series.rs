//! Evenly spaced series. Gaps are gaps (NaN), never zeros.

use jiff::{SignedDuration, Timestamp};

/// One finished minute of a workload's history.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Minute {
    /// Start of the minute, UTC; a multiple of 60 s since the epoch.
    pub start: Timestamp,
    /// Mean of the demand samples in the minute, in the demand's own unit; finite, ≥ 0.
    pub mean: f64,
    /// Largest demand sample in the minute; finite, ≥ `mean`.
    pub max: f64,
    /// Mean backlog in the minute, in items; `None` where it was not observed.
    pub backlog: Option<f64>,
    /// How many slots of the minute were sampled (1 …); the fuller record of one minute wins.
    pub samples: u16,
}

impl Minute {
    /// The minute as history keeps it: figures to 16 significant bits (off by less than one part in
    /// 60,000, far below the HPA's tolerance and any forecast's error). The bits that are left
    /// compress to a fifth of the space.
    pub fn rounded(self) -> Self {
        let Self { mean, max, backlog, .. } = self;
        Self { mean: rounded(mean), max: rounded(max), backlog: backlog.map(rounded), ..self }
    }
}

/// The nearest number with 16 significant bits; what would become infinite stays as it is.
fn rounded(value: f64) -> f64 {
    const DROPPED: u32 = f64::MANTISSA_DIGITS - 16;
    let up = value.to_bits().saturating_add(1 << (DROPPED - 1));
    Some(f64::from_bits(up >> DROPPED << DROPPED)).filter(|near| near.is_finite()).unwrap_or(value)
}

/// Which of a minute's figures a series is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistic {
    /// The level.
    Mean,
    /// The peak within the bucket, which is what misses requests.
    Max,
}

/// An evenly spaced series; `values[i]` stands for `[start + i·step, start + (i+1)·step)`, NaN
/// where nothing was observed.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    start: Timestamp,
    step: SignedDuration,
    values: Vec<f64>,
}

/// More buckets than this are not made of minutes: 13 months of them, so that one wild timestamp
/// costs nothing.
const MAX_BUCKETS: i64 = 570_000;

impl Series {
    /// A series from its first instant, its step (≥ 1 s) and its values (NaN = gap).
    pub fn new(start: Timestamp, step: SignedDuration, values: Vec<f64>) -> Self {
        Self { start, step: step.max(SignedDuration::from_secs(1)), values }
    }

    /// Buckets of `step` (whole minutes, aligned to the epoch) over minutes in any order, one
    /// record a minute: the mean of means, or the largest maximum. Figures that are not finite are
    /// left out, and so is what lies more than 570,000 buckets before the newest minute. `None`
    /// without any.
    pub fn from_minutes(
        minutes: &[Minute],
        step: SignedDuration,
        statistic: Statistic,
    ) -> Option<Self> {
        let figure = |minute: &Minute| match statistic {
            Statistic::Mean => minute.mean,
            Statistic::Max => minute.max,
        };
        let step_s = step.as_secs().max(60);
        let bucket = |minute: &Minute| minute.start.as_second().div_euclid(step_s);
        let usable = || minutes.iter().filter(|minute| figure(minute).is_finite());
        let newest = usable().map(bucket).max()?;
        let oldest = newest - (MAX_BUCKETS - 1);
        let first = usable().map(bucket).filter(|bucket| *bucket >= oldest).min()?;
        let mut buckets = Buckets::new(usize::try_from(newest - first).ok()? + 1, statistic);
        for minute in usable() {
            if let Ok(i) = usize::try_from(bucket(minute) - first) {
                buckets.add(i, figure(minute));
            }
        }
        let start = Timestamp::from_second(first.checked_mul(step_s)?).ok()?;
        Some(Self { start, step: SignedDuration::from_secs(step_s), values: buckets.values })
    }

    /// The same in buckets of `step`, a multiple of its own step (rounded down to one); gaps only
    /// where all was a gap.
    pub fn resample(&self, step: SignedDuration, statistic: Statistic) -> Self {
        let times = usize::try_from(step.as_secs() / self.step.as_secs()).unwrap_or(1).max(1);
        let mut buckets = Buckets::new(self.values.len().div_ceil(times), statistic);
        for (i, value) in self.values.iter().enumerate() {
            buckets.add(i / times, *value);
        }
        let step =
            self.step.checked_mul(i32::try_from(times).unwrap_or(i32::MAX)).unwrap_or(self.step);
        Self { start: self.start, step, values: buckets.values }
    }

    /// Instant of the first value.
    pub fn start(&self) -> Timestamp {
        self.start
    }

    /// The first instant that the series does not cover.
    pub fn end(&self) -> Timestamp {
        self.instant(self.values.len())
    }

    /// Distance between values.
    pub fn step(&self) -> SignedDuration {
        self.step
    }

    /// The values, oldest first; NaN = gap.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Start of bucket `i`.
    pub fn instant(&self, i: usize) -> Timestamp {
        let offset = i64::try_from(i).unwrap_or(i64::MAX).saturating_mul(self.step.as_secs());
        self.start.saturating_add(SignedDuration::from_secs(offset)).unwrap_or(Timestamp::MAX)
    }

    /// The value of the bucket that holds `at`; `None` outside the series or in a gap.
    pub fn at(&self, at: Timestamp) -> Option<f64> {
        let offset = at.as_second() - self.start.as_second();
        let i = usize::try_from(offset.div_euclid(self.step.as_secs())).ok()?;
        self.values.get(i).copied().filter(|value| !value.is_nan())
    }

    /// The last `span` of it.
    pub fn tail(&self, span: SignedDuration) -> Self {
        let n = usize::try_from(span.as_secs() / self.step.as_secs())
            .unwrap_or(0)
            .min(self.values.len());
        let from = self.values.len() - n;
        Self {
            start: self.instant(from),
            step: self.step,
            values: self.values.get(from..).unwrap_or_default().to_vec(),
        }
    }
}

/// Means or maxima in the making.
struct Buckets {
    statistic: Statistic,
    values: Vec<f64>,
    counts: Vec<u32>,
}

impl Buckets {
    fn new(n: usize, statistic: Statistic) -> Self {
        Self { statistic, values: vec![f64::NAN; n], counts: vec![0; n] }
    }

    /// NaN counts for nothing.
    fn add(&mut self, i: usize, figure: f64) {
        let (Some(value), Some(count)) = (self.values.get_mut(i), self.counts.get_mut(i)) else {
            return;
        };
        if figure.is_nan() {
            return;
        }
        *count += 1;
        *value = match self.statistic {
            _ if value.is_nan() => figure,
            Statistic::Mean => *value + (figure - *value) / f64::from(*count),
            Statistic::Max => value.max(figure),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(n: i64, mean: f64, max: f64) -> Minute {
        Minute {
            start: Timestamp::from_second(n * 60).unwrap(),
            mean,
            max,
            backlog: None,
            samples: 4,
        }
    }

    #[test]
    fn a_missing_minute_is_a_gap() {
        let minutes = [minute(10, 1.0, 2.0), minute(12, 3.0, 9.0)];
        let series =
            Series::from_minutes(&minutes, SignedDuration::from_mins(1), Statistic::Mean).unwrap();
        assert_eq!(series.values().len(), 3);
        assert!(series.values()[1].is_nan());
        assert_eq!(series.at(Timestamp::from_second(11 * 60).unwrap()), None);
        assert_eq!(series.at(Timestamp::from_second(12 * 60 + 59).unwrap()), Some(3.0));
        assert_eq!(series.end().as_second(), 13 * 60);
    }

    #[test]
    fn buckets_take_the_mean_of_means_or_the_largest_maximum() {
        let minutes: Vec<Minute> = (0..10).map(|n| minute(n, n as f64, 2.0 * n as f64)).collect();
        let of = |statistic| {
            Series::from_minutes(&minutes, SignedDuration::from_mins(5), statistic).unwrap()
        };
        assert_eq!(of(Statistic::Mean).values(), [2.0, 7.0]);
        assert_eq!(of(Statistic::Max).values(), [8.0, 18.0]);
    }

    #[test]
    fn minutes_may_come_in_any_order_and_wild_ones_cost_nothing() {
        let mut minutes =
            vec![minute(12, 3.0, 9.0), minute(10, 1.0, 2.0), minute(11, f64::NAN, f64::NAN)];
        let of = |minutes: &[Minute]| {
            Series::from_minutes(minutes, SignedDuration::from_mins(1), Statistic::Mean)
        };
        let tame = of(&minutes).unwrap();
        assert!(
            tame.values()[1].is_nan() && tame.at(Timestamp::from_second(600).unwrap()) == Some(1.0)
        );
        minutes.push(Minute { start: Timestamp::MIN, ..minute(0, 7.0, 7.0) });
        assert_eq!(of(&minutes).unwrap().values().len(), tame.values().len());
        minutes.push(Minute { start: Timestamp::MAX, ..minute(0, 7.0, 7.0) });
        assert_eq!(of(&minutes).unwrap().values(), [7.0]);
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn coarser_buckets_keep_levels_and_peaks_and_the_gaps_that_are_whole() {
        let nan = f64::NAN;
        let values = vec![1.0, nan, 3.0, nan, nan, nan, 5.0];
        let series = Series::new(Timestamp::UNIX_EPOCH, SignedDuration::from_mins(1), values);
        let three = SignedDuration::from_mins(3);
        let (mean, max) =
            (series.resample(three, Statistic::Mean), series.resample(three, Statistic::Max));
        assert_eq!((mean.step(), mean.values()[0], mean.values()[2]), (three, 2.0, 5.0));
        assert_eq!((max.values()[0], max.values().len()), (3.0, 3));
        assert!(mean.values()[1].is_nan() && max.values()[1].is_nan());
        assert_eq!(
            series.resample(SignedDuration::from_secs(1), Statistic::Mean).step(),
            series.step()
        );
    }

    #[test]
    fn history_keeps_sixteen_bits_and_the_order_of_figures() {
        for value in [
            0.0,
            1.0,
            0.25,
            40_000.0,
            65_535.0,
            1.0 / 3.0,
            2e-9,
            1e12 / 7.0,
            f64::MIN_POSITIVE,
            f64::MAX,
        ] {
            let minute = minute(0, value, value).rounded();
            assert!(
                (minute.mean - value).abs() <= value * 1.6e-5,
                "{value} became {}",
                minute.mean
            );
            assert_eq!(minute.rounded(), minute, "twice is once");
        }
        assert_eq!(
            minute(0, 65_535.0, 65_536.0).rounded(),
            minute(0, 65_535.0, 65_536.0),
            "whole numbers stay"
        );
        let close = minute(0, 1.0 / 3.0, (1.0_f64 / 3.0).next_up()).rounded();
        assert!(close.max >= close.mean);
        let queued = Minute { backlog: Some(f64::NAN), ..minute(0, 1.0, 1.0) }.rounded();
        assert!(
            queued.backlog.is_some_and(f64::is_nan),
            "what is refused later is not made acceptable"
        );
    }

    #[test]
    fn the_tail_ends_where_the_series_ends() {
        let series =
            Series::new(Timestamp::UNIX_EPOCH, SignedDuration::from_mins(1), vec![1.0, 2.0, 3.0]);
        let tail = series.tail(SignedDuration::from_mins(2));
        assert_eq!((tail.values(), tail.end()), ([2.0, 3.0].as_slice(), series.end()));
        assert_eq!(series.tail(SignedDuration::from_hours(9)), series);
    }
}
