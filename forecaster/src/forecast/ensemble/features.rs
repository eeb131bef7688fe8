//! What is known of every bucket once it is over: demand in log space, and its levels over minutes
//! and hours.

use std::ops::Range;

use super::column::Column;
use crate::forecast::season::{Place, Season};

/// Days of history behind the profiles: four weeks, and one to spare for changes of the clocks.
pub(super) const PROFILE_DAYS: usize = 30;

/// Columns that all leads share. Row `t` uses demand of buckets up to `t`.
#[derive(Debug, Clone)]
pub(super) struct Features {
    /// Demand below this counts about linearly, above it by ratio.
    pub unit: f64,
    /// ln(1 + demand / unit); filled where nothing was observed.
    pub z: Column<f32>,
    /// 0 where demand was observed, else infinite: a distance to what must not be used.
    pub gap: Column<f32>,
    /// Demand in log space smoothed over neighbors (row `t` lies in the middle, so that it is only
    /// known at `t + 1`).
    pub smooth: Column<f32>,
    pub mean3: Column<f32>,
    pub mean_hour: Column<f32>,
    pub mean_3h: Column<f32>,
    pub max_hour: Column<f32>,
    pub fast: Column<f32>,
    pub slow: Column<f32>,
    pub zeros: Column<f32>,
    pub mean_6h: Column<f32>,
    pub mean_day: Column<f32>,
    pub max_6h: Column<f32>,
    /// ln(1 + buckets since there was any demand), within a day.
    pub idle: Column<f32>,
    /// Places, up to the longest lead ahead.
    pub places: Column<Place>,
    /// Sine and cosine of the local time of day, as far.
    pub sine: Column<f32>,
    pub cosine: Column<f32>,
    /// 1 on weekends and holidays, else 0, as far.
    pub weekend: Column<f32>,
    /// The last bucket that is a gap.
    pub last_gap: Option<usize>,
    hour: usize,
    three_hours: usize,
    smoothed: bool,
    keep: usize,
}

impl Features {
    /// `keep` rows are kept; places are known `ahead` buckets beyond the newest.
    pub(super) fn new(season: &Season, unit: f64, keep: usize, ahead: usize) -> Self {
        let mut features = Self {
            unit,
            z: Column::new(),
            gap: Column::new(),
            smooth: Column::new(),
            mean3: Column::new(),
            mean_hour: Column::new(),
            mean_3h: Column::new(),
            max_hour: Column::new(),
            fast: Column::new(),
            slow: Column::new(),
            zeros: Column::new(),
            mean_6h: Column::new(),
            mean_day: Column::new(),
            max_6h: Column::new(),
            idle: Column::new(),
            places: Column::new(),
            sine: Column::new(),
            cosine: Column::new(),
            weekend: Column::new(),
            last_gap: None,
            hour: season.buckets(3600).max(3),
            three_hours: season.buckets(3 * 3600).max(6),
            smoothed: season.step_s() < 1800,
            keep: keep.max(PROFILE_DAYS * season.per_day + ahead),
        };
        for i in 0..=ahead {
            features.add_place(season, i);
        }
        features
    }

    /// Buckets seen.
    pub(super) fn len(&self) -> usize {
        self.z.end()
    }

    /// Whether profiles see smoothed demand, which is known a bucket later.
    pub(super) fn smoothed(&self) -> bool {
        self.smoothed
    }

    /// Buckets that are kept.
    pub(super) fn kept(&self) -> usize {
        self.keep
    }

    /// Demand in log space.
    pub(super) fn log(&self, y: f64) -> f32 {
        (y / self.unit).ln_1p() as f32
    }

    /// Demand from log space.
    pub(super) fn level(&self, z: f32) -> f64 {
        self.unit * f64::from(z).exp_m1()
    }

    /// The next bucket: its demand in log space, whether that was observed.
    pub(super) fn push(&mut self, season: &Season, z: f32, seen: bool) {
        let t = self.z.end();
        self.z.push(z);
        self.gap.push(if seen { 0.0 } else { f32::INFINITY });
        self.last_gap = if seen { self.last_gap } else { Some(t) };
        if self.smoothed {
            if let Some(middle) = t.checked_sub(1) {
                let (a, b) = (
                    self.z.get(middle).unwrap_or(z),
                    self.z.get(middle.saturating_sub(1)).unwrap_or(z),
                );
                self.smooth.push(0.25 * b + 0.5 * a + 0.25 * z);
            }
        } else {
            self.smooth.push(z);
        }
        let mean = |n: usize| {
            let rows = self.z.rows((t + 1).saturating_sub(n)..t + 1);
            rows.iter().sum::<f32>() / rows.len() as f32
        };
        let (mean3, mean_hour, mean_3h) = (mean(3), mean(self.hour), mean(self.three_hours));
        let recent = self.z.rows((t + 1).saturating_sub(self.hour)..t + 1);
        let max = recent.iter().copied().fold(0.0, f32::max);
        let zeros = recent.iter().filter(|z| **z <= 0.0).count() as f32 / recent.len() as f32;
        let ewma = |column: &Column<f32>, alpha: f32| {
            let before = t.checked_sub(1).and_then(|i| column.get(i)).unwrap_or(z);
            before + alpha.max(1.0 / (t + 1) as f32) * (z - before)
        };
        let (fast, slow) = (ewma(&self.fast, 0.3), ewma(&self.slow, 0.03));
        self.mean3.push(mean3);
        self.mean_hour.push(mean_hour);
        self.mean_3h.push(mean_3h);
        self.max_hour.push(max);
        self.zeros.push(zeros);
        let (six_hours, day) = (2 * self.three_hours, 8 * self.three_hours);
        self.mean_6h.push(mean(six_hours));
        self.mean_day.push(mean(day));
        let last = |n: usize| self.z.rows((t + 1).saturating_sub(n)..t + 1);
        self.max_6h.push(last(six_hours).iter().copied().fold(0.0, f32::max));
        let idle = last(day).iter().rev().take_while(|z| **z <= 0.0).count();
        self.idle.push((idle as f32).ln_1p());
        self.fast.push(fast);
        self.slow.push(slow);
        self.add_place(season, self.places.end());
        let keep = self.keep;
        self.places.trim(keep);
        for column in self.columns() {
            column.trim(keep);
        }
    }

    fn add_place(&mut self, season: &Season, i: usize) {
        let place = season.place(i);
        let turn = f64::from(place.slot) / season.per_day as f64 * std::f64::consts::TAU;
        self.places.push(place);
        self.sine.push(turn.sin() as f32);
        self.cosine.push(turn.cos() as f32);
        self.weekend.push(if place.weekday >= 5 { 1.0 } else { 0.0 });
    }

    /// Buckets of `rows` that were observed, as was the bucket `lead` later; counts to `most`.
    pub(super) fn pairs(&self, rows: Range<usize>, lead: usize, most: usize) -> usize {
        if self.last_gap.is_none_or(|gap| gap < rows.start) {
            return rows.len().min(most);
        }
        let ahead = self.gap.rows(rows.start + lead..rows.end + lead);
        let pairs = self.gap.rows(rows).iter().zip(ahead).rev();
        pairs.filter(|gaps| *gaps == (&0.0, &0.0)).take(most).count()
    }

    /// Whether the newest row is finite; [`Self::gap`] alone may be infinite.
    pub(super) fn is_finite(&self) -> bool {
        let Some(t) = self.len().checked_sub(1) else { return true };
        let levels = [&self.z, &self.mean3, &self.mean_hour, &self.mean_3h, &self.max_hour];
        let others = [
            &self.fast,
            &self.slow,
            &self.zeros,
            &self.mean_6h,
            &self.mean_day,
            &self.max_6h,
            &self.idle,
        ];
        levels.into_iter().chain(others).all(|column| column.get(t).is_some_and(f32::is_finite))
    }

    fn columns(&mut self) -> [&mut Column<f32>; 17] {
        [
            &mut self.z,
            &mut self.gap,
            &mut self.smooth,
            &mut self.mean3,
            &mut self.mean_hour,
            &mut self.mean_3h,
            &mut self.max_hour,
            &mut self.fast,
            &mut self.slow,
            &mut self.zeros,
            &mut self.mean_6h,
            &mut self.mean_day,
            &mut self.max_6h,
            &mut self.idle,
            &mut self.sine,
            &mut self.cosine,
            &mut self.weekend,
        ]
    }

    pub(super) fn bytes(&self) -> usize {
        17 * self.z.bytes() + self.places.bytes()
    }
}
