//! Point forecasts at one lead: the smoothers', the season's with its errors carried on, a ridge
//! regression's, and the size of error to expect. Every row is as it was issued; only the rows
//! before the first fit are the first fit's.

use super::column::Column;
use super::features::Features;
use super::mixture::{Mixture, SOURCES, Sums};
use super::profile::Profile;
use super::ridge::{Design, FEATURES, Normal, Ridge};
use super::simd::Processor;
use crate::forecast::season::Season;

/// Half-life of rows in a fit, in days.
const HALF_LIFE_DAYS: f64 = 10.0;
/// Half-life of rows in the mixture, in days.
const MIXTURE_DAYS: f64 = 7.0;
/// Ridge penalties as shares of the total weight.
const LAMBDA: f64 = 1e-3;
const LAMBDA_SCALE: f64 = 3e-2;
/// Fewer rows than this are not fitted.
const ENOUGH: usize = 60;

/// Columns of base forecasts at a lead; row `t` was issued after bucket `t` for bucket `t + lead`.
#[derive(Debug, Clone)]
pub(super) struct Base {
    lead: usize,
    window: usize,
    pub smoothers: Column<f32>,
    pub ridge: Column<f32>,
    pub season: Column<f32>,
    /// Logarithm of the expected size of error.
    pub size: Column<f32>,
    /// Their mixture.
    pub mixed: Column<f32>,
    mixture: Mixture,
    fit: Option<Fit>,
}

#[derive(Debug, Clone)]
struct Fit {
    /// How much of the last deviations from the season stays: of their mean over three buckets, of
    /// the last one.
    carry: [f32; 2],
    change: Ridge,
    size: Ridge,
    least_size: f32,
    bounds: (f32, f32),
}

impl Fit {
    fn is_finite(&self) -> bool {
        let rest = [self.carry[0], self.carry[1], self.least_size, self.bounds.0, self.bounds.1];
        self.change.is_finite() && self.size.is_finite() && rest.into_iter().all(f32::is_finite)
    }
}

impl Base {
    pub(super) fn new(lead: usize, window: usize) -> Self {
        Self {
            lead,
            window,
            smoothers: Column::new(),
            ridge: Column::new(),
            season: Column::new(),
            size: Column::new(),
            mixed: Column::new(),
            mixture: Mixture::default(),
            fit: None,
        }
    }

    fn sources(&self, t: usize, z: f32) -> Option<[f32; SOURCES]> {
        Some([self.smoothers.get(t)?, self.ridge.get(t)?, self.season.get(t)?, z])
    }

    /// After the features's newest bucket: a row from the smoothers' forecast.
    pub(super) fn push(
        &mut self,
        smoothers: f32,
        features: &Features,
        profile: &Profile,
        season: &Season,
    ) {
        let Some(t) = features.len().checked_sub(1) else { return };
        self.smoothers.push(smoothers);
        let (ridge, anchor, size) = self.rows(t, features, profile, season);
        self.ridge.push(ridge);
        self.season.push(anchor);
        self.size.push(size);
        let z = features.z.get(t).unwrap_or(0.0);
        self.mixed.push(self.mixture.of([smoothers, ridge, anchor, z]));
        let keep = self.window + self.lead + 1;
        for column in [
            &mut self.smoothers,
            &mut self.ridge,
            &mut self.season,
            &mut self.size,
            &mut self.mixed,
        ] {
            column.trim(keep);
        }
    }

    fn rows(
        &self,
        t: usize,
        features: &Features,
        profile: &Profile,
        season: &Season,
    ) -> (f32, f32, f32) {
        let z = features.z.get(t).unwrap_or(0.0);
        let anchor = |carry: [f32; 2]| {
            let (ahead, here) = (profile.both.get(t + self.lead)?, profile.both.get(t)?);
            let forecast =
                ahead + carry[0] * (features.mean3.get(t)? - here) + carry[1] * (z - here);
            forecast.is_finite().then_some(forecast)
        };
        match &self.fit {
            Some(fit) => {
                let row = self.inputs(t, features, profile, season);
                let size = fit.size.predict(&row).max(fit.least_size);
                let ridge = (z + fit.change.predict(&row)).clamp(fit.bounds.0, fit.bounds.1);
                (ridge, anchor(fit.carry).unwrap_or(z), size.ln())
            }
            None => (z, z, 0.0),
        }
    }

    /// Fits on the last window. The first fit also writes the rows before it.
    pub(super) fn refit(
        &mut self,
        processor: Processor,
        features: &Features,
        profile: &Profile,
        season: &Season,
    ) {
        let end = features.len();
        let from = end.saturating_sub(self.window + self.lead).max(self.smoothers.first());
        let half_life = HALF_LIFE_DAYS * season.per_day as f64;
        let mut design = Design::default();
        let (mut changes, mut origins) = (Vec::new(), Vec::new());
        for s in from..end.saturating_sub(self.lead) {
            let (Some(z), Some(target)) = (features.z.get(s), features.z.get(s + self.lead)) else {
                continue;
            };
            if features.gap.get(s) != Some(0.0) || features.gap.get(s + self.lead) != Some(0.0) {
                continue;
            }
            design.rows.push(self.inputs(s, features, profile, season));
            design.weights.push(0.5f64.powf((end - s) as f64 / half_life) as f32);
            changes.push(target - z);
            origins.push(s);
        }
        if changes.len() < ENOUGH {
            return;
        }
        let Some(normal) = Normal::new(processor, &mut design) else { return };
        let change = normal.solve(&design, &changes, LAMBDA);
        let missed: Vec<f32> = (design.rows.iter().zip(&changes))
            .map(|(row, change_seen)| (change_seen - change.predict_standard(row)).abs())
            .collect();
        let size = normal.solve(&design, &missed, LAMBDA_SCALE);
        let least_size = 0.25 * missed.iter().sum::<f32>() / missed.len() as f32 + 1e-4;
        let mut levels: Vec<f32> =
            origins.iter().filter_map(|s| features.z.get(s + self.lead)).collect();
        levels.sort_unstable_by(f32::total_cmp);
        let high = levels[((levels.len() - 1) as f64 * 0.999) as usize];
        let fit = Fit {
            carry: self.carry(&origins, &design.weights, features, profile),
            change,
            size,
            least_size,
            bounds: (levels[0], high + 0.5),
        };
        let first = self.fit.replace(fit).is_none();
        if first {
            self.mixed = Column::from(self.ridge.first());
            let (from, to) = (self.ridge.first(), self.ridge.end());
            self.ridge = Column::from(from);
            self.season = Column::from(from);
            self.size = Column::from(from);
            for t in from..to {
                let (ridge, anchor, size) = self.rows(t, features, profile, season);
                self.ridge.push(ridge);
                self.season.push(anchor);
                self.size.push(size);
                let z = features.z.get(t).unwrap_or(0.0);
                self.mixed.push(self.mixture.of([
                    self.smoothers.get(t).unwrap_or(z),
                    ridge,
                    anchor,
                    z,
                ]));
            }
            return;
        }
        // The rows are forecasts as issued only from the second fit on.
        let mut sums = Sums::default();
        for s in origins {
            let (Some(z), Some(came)) = (features.z.get(s), features.z.get(s + self.lead)) else {
                continue;
            };
            if let (Some(forecast), Some(size)) = (self.sources(s, z), self.size.get(s)) {
                let age = (end - s) as f64 / (MIXTURE_DAYS * season.per_day as f64);
                sums.add(forecast, came, size.exp(), 0.5f64.powf(age));
            }
        }
        self.mixture = sums.solve();
    }

    /// Least squares of what came on the season and its last deviations, two unknowns.
    fn carry(
        &self,
        origins: &[usize],
        weights: &[f32],
        features: &Features,
        profile: &Profile,
    ) -> [f32; 2] {
        let (mut aa, mut ab, mut bb, mut ay, mut by, mut all) = (0.0f64, 0.0, 0.0, 0.0, 0.0, 0.0);
        for (s, w) in origins.iter().zip(weights) {
            let row = || {
                let here = profile.both.get(*s)?;
                let (a, b) = (features.mean3.get(*s)? - here, features.z.get(*s)? - here);
                let y = features.z.get(s + self.lead)? - profile.both.get(s + self.lead)?;
                (a + y).is_finite().then_some((f64::from(a), f64::from(b), f64::from(y)))
            };
            if let Some((a, b, y)) = row() {
                let w = f64::from(*w);
                aa += w * a * a;
                ab += w * a * b;
                bb += w * b * b;
                ay += w * a * y;
                by += w * b * y;
                all += w;
            }
        }
        let (aa, bb) = (aa + 1e-3 * all + 1e-9, bb + 1e-3 * all + 1e-9);
        let determinant = aa * bb - ab * ab;
        [((ay * bb - by * ab) / determinant) as f32, ((by * aa - ay * ab) / determinant) as f32]
    }

    /// What the ridge sees of bucket `t`: the last changes, levels, yesterday and last week, the
    /// calendar at the target.
    fn inputs(
        &self,
        t: usize,
        features: &Features,
        profile: &Profile,
        season: &Season,
    ) -> [f32; FEATURES] {
        let g = t + self.lead;
        let lag = |k: usize| features.z.get(t.saturating_sub(k)).unwrap_or(0.0);
        let (z, z1, z2, z3) = (lag(0), lag(1), lag(2), lag(3));
        let at = |column: &Column<f32>, i: usize| column.get(i).filter(|x| x.is_finite());
        let of = |column: &Column<f32>| at(column, t).unwrap_or(z) - z;
        let level = at(&features.slow, t).unwrap_or(z);
        let (day, day_g) =
            (at(&profile.day, t).unwrap_or(level), at(&profile.day, g).unwrap_or(level));
        let (week, week_g) =
            (at(&profile.week, t).unwrap_or(day), at(&profile.week, g).unwrap_or(day_g));
        let here = features.places.get(g);
        let first = profile.first_day();
        let back = |i: usize, days: usize| {
            let then = features.places.get(i.checked_sub(days * season.per_day)?)?;
            let j = season.back(i, days, features.places.get(i)?.offset, then.offset)?;
            (j + usize::from(features.smoothed()) <= t).then_some(j)
        };
        let week_days = 7 * first.div_ceil(7);
        let (yesterday, last_week) = (back(g, first), back(g, week_days));
        let smooth = |i: Option<usize>| features.smooth.get(i?);
        let change = |i: Option<usize>, days: usize| {
            Some(features.z.get(i?)? - features.z.get(back(t, days)?)?)
        };
        let mut row = [0.0; FEATURES];
        let levels = [
            z - z1,
            z1 - z2,
            z2 - z3,
            of(&features.mean3),
            of(&features.mean_hour),
            of(&features.mean_3h),
            of(&features.fast),
            of(&features.slow),
            of(&features.max_hour),
            at(&features.zeros, t).unwrap_or(0.0),
            day - z,
            week - z,
            day_g - day,
            week_g - week,
            smooth(yesterday).unwrap_or(day_g) - z,
            smooth(last_week).unwrap_or(week_g) - z,
            change(yesterday, first).unwrap_or(day_g - day),
            change(last_week, week_days).unwrap_or(week_g - week),
            of(&self.smoothers),
            z,
        ];
        row[..levels.len()].copy_from_slice(&levels);
        let Some(place) = here else { return row };
        let (sine, cosine) =
            (features.sine.get(g).unwrap_or(0.0), features.cosine.get(g).unwrap_or(1.0));
        let day_terms: [f32; 8] = harmonics(sine, cosine);
        let weekend = if place.weekday >= 5 { 1.0 } else { 0.0 };
        let turn = (f32::from(place.weekday) + place.slot as f32 / season.per_day as f32) / 7.0;
        let (week_sine, week_cosine) = (turn * std::f32::consts::TAU).sin_cos();
        let week_terms: [f32; 4] = harmonics(week_sine, week_cosine);
        let rest = &mut row[levels.len()..];
        rest[..8].copy_from_slice(&day_terms);
        rest[8] = weekend;
        (0..4).for_each(|i| rest[9 + i] = weekend * day_terms[i]);
        rest[13..17].copy_from_slice(&week_terms);
        let step = season.step_s();
        if step < 1800 {
            let minute = (place.slot as usize * step % 3600) as f32 / 3600.0;
            let (hour_sine, hour_cosine) = (minute * std::f32::consts::TAU).sin_cos();
            let terms: [f32; 6] = harmonics(hour_sine, hour_cosine);
            let n = if step < 600 { 6 } else { 4 };
            rest[17..17 + n].copy_from_slice(&terms[..n]);
        }
        row
    }

    /// Whether the newest row and the fit that it is made by are finite.
    pub(super) fn is_finite(&self) -> bool {
        let Some(t) = self.mixed.end().checked_sub(1) else { return true };
        let columns = [&self.smoothers, &self.ridge, &self.season, &self.size, &self.mixed];
        let fitted = self.fit.as_ref().is_none_or(Fit::is_finite);
        fitted && columns.into_iter().all(|column| column.get(t).is_some_and(f32::is_finite))
    }

    pub(super) fn bytes(&self) -> usize {
        5 * self.ridge.bytes()
    }
}

/// Sine and cosine of an angle, of twice the angle, …, by the theorem of addition.
fn harmonics<const N: usize>(sine: f32, cosine: f32) -> [f32; N] {
    let mut terms = [0.0; N];
    let (mut s, mut c) = (sine, cosine);
    for pair in terms.chunks_exact_mut(2) {
        (pair[0], pair[1]) = (s, c);
        (s, c) = (s * cosine + c * sine, c * cosine - s * sine);
    }
    terms
}
