//! Past errors of point forecasts relative to their expected size, and past changes.

use super::super::analog::{self, Weighted};
use super::super::column::Column;
use super::{Past, Room};

/// Quantiles of errors, read once an hour.
#[derive(Debug, Clone, Default)]
pub(super) struct Errors {
    /// Of the mixture's, of changes, of the smoothers', the ridge's, the season's.
    quantiles: [Vec<f32>; 5],
    read_at: Option<usize>,
}

impl Errors {
    pub(super) fn say(&mut self, past: &Past<'_>, room: &mut Room, said: &mut Vec<f32>) -> Option<()> {
        let (view, t) = (past.view, past.t);
        let (track, base, h) = (view.track, view.base, view.lead);
        let base_size = |s: usize| Some(base.size.get(s)?.exp());
        let hourly = view.season.buckets(3600);
        if self.read_at.is_none_or(|at| t >= at + hourly) || self.quantiles[0].len() != view.quantiles.len() {
            let days = if view.season.step_s() < 1800 { 7 } else { 28 };
            let span = days * view.season.per_day;
            let since = (t + 1).saturating_sub(span + h).max(past.rows.start);
            let half_life = 0.5 * span as f32;
            for (kind, quantiles) in self.quantiles.iter_mut().enumerate() {
                room.pairs.clear();
                for s in since..past.rows.end {
                    let (Some(z), Some(y)) = (track.z.get(s), track.z.get(s + h)) else { continue };
                    if track.gap.get(s) != Some(0.0) || track.gap.get(s + h) != Some(0.0) {
                        continue;
                    }
                    let relative = |base: &Column<f32>| Some((y - base.get(s)?) / base_size(s)?);
                    let error = match kind {
                        0 => relative(&base.mixed)?,
                        1 => y - z,
                        2 => relative(&base.smoothers)?,
                        3 => relative(&base.ridge)?,
                        _ => relative(&base.season)?,
                    };
                    let weight = (-((t - s) as f32) / half_life).exp2();
                    room.pairs.push(Weighted::new(error, weight));
                    if kind == 1 && t < 2 * view.season.per_day {
                        // Morning has been rising so far; that says nothing of noon.
                        room.pairs.push(Weighted::new(-error, weight));
                    }
                }
                quantiles.clear();
                analog::quantiles(&mut room.pairs, view.quantiles, quantiles);
            }
            self.read_at = Some(t);
        }
        let (size, z) = (base_size(t)?, track.z.get(t)?);
        let sources = [
            (base.mixed.get(t)?, size),
            (z, 1.0),
            (base.smoothers.get(t)?, size),
            (base.ridge.get(t)?, size),
            (base.season.get(t)?, size),
        ];
        for ((middle, size), errors) in sources.into_iter().zip(&self.quantiles) {
            said.extend(errors.iter().map(|error| middle + size * error));
        }
        Some(())
    }
}
