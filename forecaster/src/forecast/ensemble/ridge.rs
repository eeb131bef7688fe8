//! Weighted ridge on lags, profiles and calendar, direct for one lead, with a regressed scale of its error.

use super::features::{self, COUNT};
use super::linear::Normal;
use super::track::Track;

/// Half-life of a row's weight, in days.
const HALF_LIFE_DAYS: f64 = 10.0;

/// Standardised inputs beyond this are cut: one wild sample moves the forecast no further.
const CLIP: f64 = 6.0;

/// A fit.
#[derive(Debug, Clone)]
pub(super) struct Ridge {
    lead: usize,
    mean: [f64; COUNT],
    /// Reciprocal deviations; 0 for what never changes.
    scale: [f64; COUNT],
    change: Vec<f64>,
    spread: Vec<f64>,
    /// Bounds of what is forecast, transformed.
    least: f64,
    most: f64,
    /// Smallest scale of the error.
    floor: f64,
}

/// Days of rows that a fit sees, by step: long steps have few rows a day.
pub(super) fn window_days(track: &Track) -> usize {
    match track.hour {
        12.. => 21,
        6.. => 14,
        2.. => 90,
        _ => 180,
    }
}

impl Ridge {
    /// Fits on the rows of the window whose target is known; `ets[i]` is what the smoothers said at `i`. `None` where fewer
    /// than a day and a half of rows can be used.
    pub(super) fn fit(track: &Track, lead: usize, ets: &[f32]) -> Option<Self> {
        let n = track.len();
        let first = n.saturating_sub(window_days(track) * track.day).max(track.day);
        // A last origin whose target is known.
        let end = n.checked_sub(lead)?;
        let rows = || (first..end).filter(|s| track.seen[s + lead] && track.seen[*s] && !ets[*s].is_nan());
        let count = rows().count();
        if count < track.day * 3 / 4 || count < 48 {
            return None;
        }
        let mut design = Vec::with_capacity(count * COUNT);
        let mut x = [0.0; COUNT];
        let (mut mean, mut square) = ([0.0; COUNT], [0.0; COUNT]);
        for s in rows() {
            features::fill(track, s, lead, f64::from(ets[s]), &mut x);
            for (i, value) in x.iter().enumerate() {
                mean[i] += value;
                square[i] += value * value;
            }
            design.extend_from_slice(&x);
        }
        let mut scale = [0.0; COUNT];
        for i in 0..COUNT {
            mean[i] /= count as f64;
            let variance = square[i] / count as f64 - mean[i] * mean[i];
            scale[i] = if variance > 1e-10 { variance.sqrt().recip() } else { 0.0 };
        }
        let decay = 0.5f64.powf(1.0 / (HALF_LIFE_DAYS * track.day as f64));
        let weight = |s: usize| decay.powi((n - 1 - s) as i32);
        let change = |s: usize| f64::from(track.z[s + lead] - track.z[s]);
        let mut normal = Normal::<1>::new(COUNT + 1);
        let mut row = [1.0; COUNT + 1];
        for (s, raw) in rows().zip(design.chunks_exact_mut(COUNT)) {
            for i in 0..COUNT {
                raw[i] = ((raw[i] - mean[i]) * scale[i]).clamp(-CLIP, CLIP);
            }
            row[..COUNT].copy_from_slice(raw);
            normal.add(&row, [change(s)], weight(s));
        }
        let lambda = normal.weight / 1000.0;
        let fitted = normal.solve(0, lambda)?;
        let mut sorted: Vec<f32> = rows().map(|s| track.z[s + lead]).collect();
        sorted.sort_by(f32::total_cmp);
        let (least, high) = (f64::from(sorted[0]), f64::from(sorted[(0.999 * (count - 1) as f64) as usize]));
        // The same sums with another target.
        let mut absolute = vec![0.0; COUNT + 1];
        let (mut total, mut weights) = (0.0, 0.0);
        for (s, standard) in rows().zip(design.chunks_exact(COUNT)) {
            let error = (change(s) - product(&fitted, standard)).abs();
            let weight = weight(s);
            total += weight * error;
            weights += weight;
            let weighted = weight * error;
            absolute.iter_mut().zip(standard).for_each(|(sum, x)| *sum += weighted * x);
            absolute[COUNT] += weighted;
        }
        let mean_error = total / weights;
        let spread = normal.with_moments(absolute).solve(0, 30.0 * lambda)?;
        let floor = 0.25 * mean_error + 1e-4;
        Some(Self { lead, mean, scale, change: fitted, spread, least, most: high + 0.5, floor })
    }

    /// The forecast from origin `t`, and the scale of its error; both transformed.
    pub(super) fn forecast(&self, track: &Track, t: usize, ets: f64) -> (f64, f64) {
        let mut x = [0.0; COUNT];
        features::fill(track, t, self.lead, ets, &mut x);
        for (i, value) in x.iter_mut().enumerate() {
            *value = ((*value - self.mean[i]) * self.scale[i]).clamp(-CLIP, CLIP);
        }
        let value = f64::from(track.z[t]) + product(&self.change, &x);
        (value.clamp(self.least, self.most), product(&self.spread, &x).max(self.floor))
    }
}

/// Coefficients (the last one the intercept) times a standardised row.
fn product(coefficients: &[f64], x: &[f64]) -> f64 {
    let intercept = coefficients.last().copied().unwrap_or(0.0);
    coefficients.iter().zip(x).map(|(c, x)| c * x).sum::<f64>() + intercept
}
