//! Everything about one lead: what its members said, what they say, and how they are weighed.

use std::ops::Range;

use jiff::SignedDuration;

use super::LeadReport;
use super::combine::Weights;
use super::neighbours::{Chosen, Key, Sample, Search};
use super::ridge::{self, Ridge};
use super::smoothing::{Bank, Skill};
use super::track::Track;

/// Names of the members, in the order of their weights.
pub(super) const MEMBERS: [&str; 17] = [
    "profiles-level",
    "profiles-naive",
    "profiles-ets",
    "predictions-250",
    "predictions-120-level",
    "predictions-120",
    "predictions-120-ets",
    "predictions-30-level",
    "predictions-30",
    "time-level",
    "time",
    "conformal",
    "last-value",
    "conformal-ridge",
    "conformal-ets",
    "conformal-profile",
    "conformal-short",
];
const ALL: usize = MEMBERS.len();

/// Neighbours of each search.
const BY_PROFILES: usize = 100;
const BY_PREDICTIONS: [usize; 3] = [250, 120, 30];
const BY_TIME: usize = 60;

/// One lead of one series.
#[derive(Debug, Clone)]
pub(super) struct Lead {
    /// In steps.
    pub(super) steps: usize,
    skill: Skill,
    /// What was said at each bucket of the one `steps` later, transformed: by the smoothers, the profile with its
    /// autoregressive residual, the regression; logarithm of the expected error.
    ets: Vec<f32>,
    c1: Vec<f32>,
    ridge_said: Vec<f32>,
    log_scale: Vec<f32>,
    /// Mean of the first and the third.
    avg: Vec<f32>,
    autoregression: [f64; 2],
    ridge: Option<Ridge>,
    conformal: [Sample; 6],
    conformal_at: Option<usize>,
    weights: Vec<Weights>,
    /// Of the last `steps` buckets: members × quantiles, and the combination.
    issued: Vec<Option<Said>>,
    search: Search,
}

/// What was said at one bucket, in the demand's unit.
#[derive(Debug, Clone)]
pub(super) struct Said {
    /// Row for each quantile: one value a member.
    members: Vec<[f64; ALL]>,
    /// One value a quantile, ascending.
    pub(super) combined: Vec<f64>,
}

impl Lead {
    pub(super) fn new(track: &Track, steps: usize, quantiles: &[f64]) -> Self {
        let weights = quantiles.iter().map(|q| Weights::new(*q, ALL, track.day as f64)).collect();
        Self {
            steps,
            skill: Skill::new(track.day, steps),
            ets: Vec::new(),
            c1: Vec::new(),
            ridge_said: Vec::new(),
            log_scale: Vec::new(),
            avg: Vec::new(),
            autoregression: [0.0; 2],
            ridge: None,
            conformal: Default::default(),
            conformal_at: None,
            weights,
            issued: vec![None; steps],
            search: Search::default(),
        }
    }

    /// Forgets what was said in an old transformation; weights are kept, for they are in the demand's unit.
    pub(super) fn restart(&mut self, track: &Track) {
        self.skill = Skill::new(track.day, self.steps);
        for column in [&mut self.ets, &mut self.c1, &mut self.ridge_said, &mut self.log_scale, &mut self.avg] {
            column.clear();
        }
        self.ridge = None;
        self.conformal_at = None;
    }

    /// Whether there is a fit to forecast with.
    pub(super) fn fitted(&self) -> bool {
        self.ridge.is_some()
    }

    /// After the newest bucket: what the base forecasts say.
    pub(super) fn push(&mut self, bank: &Bank, track: &Track) {
        let ets = self.skill.update(bank, track);
        self.ets.push(ets as f32);
        let t = track.len() - 1;
        let said = self.base(track, t);
        self.keep(said);
    }

    /// Profile with autoregressive residual, regression, logarithm of its scale; NaN before the first fit.
    fn base(&self, track: &Track, t: usize) -> (f32, f32, f32) {
        let Some(ridge) = &self.ridge else { return (f32::NAN, f32::NAN, f32::NAN) };
        let g = t + self.steps;
        let [a1, a2] = self.autoregression;
        let c1 = f64::from(track.pr[g]) + a1 * f64::from(track.over3[t]) + a2 * f64::from(track.over[t]);
        let (value, scale) = ridge.forecast(track, t, f64::from(self.ets[t]));
        (c1 as f32, value as f32, scale.ln() as f32)
    }

    fn keep(&mut self, (c1, said, scale): (f32, f32, f32)) {
        let ets = self.ets[self.avg.len()];
        self.avg.push((ets + said) / 2.0);
        self.c1.push(c1);
        self.ridge_said.push(said);
        self.log_scale.push(scale);
    }

    /// Fits anew; the first fit also says what it would have said before.
    pub(super) fn refit(&mut self, track: &Track) {
        let Some(ridge) = Ridge::fit(track, self.steps, &self.ets) else { return };
        let first = self.ridge.replace(ridge).is_none();
        self.autoregression = autoregression(track, self.steps);
        if first {
            for column in [&mut self.c1, &mut self.ridge_said, &mut self.log_scale, &mut self.avg] {
                column.clear();
            }
            for t in 0..track.len() {
                let said = if t < track.day { (f32::NAN, f32::NAN, f32::NAN) } else { self.base(track, t) };
                self.keep(said);
            }
        }
    }

    /// Judges what was said of the newest bucket, which was `y`.
    pub(super) fn judge(&mut self, track: &Track, y: f64, level: f64) {
        let t = track.len() - 1;
        let Some(Some(said)) = self.issued.get(t % self.steps) else { return };
        for ((weights, members), combined) in self.weights.iter_mut().zip(&said.members).zip(&said.combined) {
            weights.judge(y, members, *combined, level);
        }
    }

    /// What was said at the newest bucket, if anything.
    pub(super) fn said(&self, track: &Track) -> Option<&Said> {
        self.issued.get(track.len().checked_sub(1)? % self.steps)?.as_ref()
    }

    /// Lets all members and their combination speak at the newest bucket; remembered, to be judged.
    pub(super) fn speak(&mut self, track: &Track, quantiles: &[f64]) {
        let place = (track.len() - 1) % self.steps;
        let said = self.members(track, quantiles).map(|members| {
            let mut combined: Vec<f64> = self
                .weights
                .iter()
                .zip(&members)
                .map(|(weights, said)| weights.combine(said.iter().copied()))
                .collect();
            combined.sort_unstable_by(f64::total_cmp);
            Said { members, combined }
        });
        if let Some(slot) = self.issued.get_mut(place) {
            *slot = said;
        }
    }

    /// How the lead has done.
    pub(super) fn report(&self, step: SignedDuration, quantiles: &[f64]) -> LeadReport {
        let weight = |i: usize| self.weights.iter().filter_map(|weights| weights.weights().get(i).copied()).collect();
        let mut members: Vec<_> =
            MEMBERS.iter().enumerate().map(|(i, member)| super::Weights { member, weights: weight(i) }).collect();
        members.sort_by(|a, b| b.weights.iter().sum::<f64>().total_cmp(&a.weights.iter().sum()));
        LeadReport {
            lead: step * i32::try_from(self.steps).unwrap_or(i32::MAX),
            scored: self.weights.first().map_or(0, Weights::judged),
            quantiles: quantiles.to_vec(),
            coverage: self.weights.iter().map(Weights::coverage).collect(),
            pinball: self.weights.iter().map(Weights::pinball).collect(),
            members,
        }
    }

    fn members(&mut self, track: &Track, quantiles: &[f64]) -> Option<Vec<[f64; ALL]>> {
        let (t, h) = (track.len() - 1, self.steps);
        if self.ridge.is_none() || track.pr[t].is_nan() {
            return None;
        }
        self.refresh_conformal(track);
        let end = (t + 1).checked_sub(h)?;
        let first = end.saturating_sub(ridge::window_days(track) * track.day).max(track.day).min(end);
        let (by_profiles, by_predictions, by_time) = self.searches(track, first, end);
        let age = |place: usize| (t - first - place) as f64 / track.day as f64;
        // Base now, plus what came after each analog, less the base then.
        let read = |chosen: &Chosen, k: usize, base: Option<&[f32]>| {
            let now = base.map_or(0.0, |base| f64::from(base[t]));
            let value = |place: usize| {
                let s = first + place;
                now + f64::from(track.z[s + h]) - base.map_or(0.0, |base| f64::from(base[s]))
            };
            Sample::new(chosen.weighted(k, age).into_iter().map(|(place, weight)| (value(place), weight)).collect())
        };
        let (ets, avg, z) = (Some(&*self.ets), Some(&*self.avg), Some(&*track.z));
        let [wide, middle, narrow] = BY_PREDICTIONS;
        let samples = [
            read(&by_profiles, BY_PROFILES, None),
            read(&by_profiles, BY_PROFILES, z),
            read(&by_profiles, BY_PROFILES, ets),
            read(&by_predictions, wide, avg),
            read(&by_predictions, middle, None),
            read(&by_predictions, middle, avg),
            read(&by_predictions, middle, ets),
            read(&by_predictions, narrow, None),
            read(&by_predictions, narrow, avg),
            read(&by_time, BY_TIME, None),
            read(&by_time, BY_TIME, avg),
        ];
        let cap = 3.0 * track.most;
        let scale = f64::from(self.log_scale[t]).exp();
        let (base, last) = (f64::from(self.avg[t]), f64::from(track.z[t]));
        let mut rows: Vec<[f64; ALL]> = quantiles
            .iter()
            .map(|q| {
                let mut row = [f64::NAN; ALL];
                for (i, sample) in samples.iter().enumerate() {
                    row[i] = if i == 3 { sample.tailed(*q) } else { sample.quantile(*q) }.unwrap_or(f64::NAN);
                }
                row[11] = self.conformal[0].quantile(*q).map_or(f64::NAN, |r| base + scale * r);
                row[12] = self.conformal[1].quantile(*q).map_or(f64::NAN, |r| last + r);
                for (i, (column, scale)) in
                    [(&self.ridge_said, scale), (&self.ets, scale), (&self.c1, scale), (&self.avg, scale)]
                        .into_iter()
                        .enumerate()
                {
                    let base = f64::from(column[t]);
                    row[13 + i] = self.conformal[2 + i].quantile(*q).map_or(f64::NAN, |r| base + scale * r);
                }
                row.map(|z| if z.is_nan() { z } else { track.inverse(z).min(cap) })
            })
            .collect();
        sort_columns(&mut rows);
        let sane = rows.iter().all(|row| row.iter().any(|value| value.is_finite()));
        sane.then_some(rows)
    }

    fn searches(&mut self, track: &Track, first: usize, end: usize) -> (Chosen, Chosen, Chosen) {
        let (t, h, n) = (track.len() - 1, self.steps, end - first);
        let g = t + h;
        let own = keys(first..end, t);
        let target = keys(first + h..end + h, g);
        let known = |place: usize| track.seen[first + place + h];
        let profiles = [
            own(&track.z, 1.0),
            own(&track.mean3, 1.0),
            own(&track.mean_1h, 1.0),
            own(&track.mean_3h, 0.7),
            own(&track.max_1h, 0.5),
            target(&track.pr, 1.5),
            own(&track.pr, 0.7),
            target(&track.pw, 1.0),
            target(&track.sine, 0.3),
            target(&track.cosine, 0.3),
        ];
        let predictions = [
            own(&self.ets, 1.0),
            own(&self.ridge_said, 1.0),
            own(&self.c1, 1.0),
            own(&track.z, 0.5),
            own(&track.mean3, 0.5),
            own(&track.max_1h, 0.3),
            own(&self.log_scale, 0.45),
            target(&track.sine, 0.2),
            target(&track.cosine, 0.2),
        ];
        let time = [
            own(&track.over, 1.0),
            own(&track.over3, 1.0),
            own(&track.over_3h, 0.7),
            own(&self.avg, 0.5),
            own(&track.z, 0.5),
            own(&track.rest, 0.5),
            target(&track.sine, 0.2),
            target(&track.cosine, 0.2),
        ];
        let phase = track.day_phase(t);
        let near = |place: usize| {
            let off = track.day_phase(first + place).abs_diff(phase);
            off.min(track.day - off) <= track.hour
        };
        let search = &mut self.search;
        let by_profiles = search.nearest(n, &profiles, BY_PROFILES, known);
        let by_predictions = search.nearest(n, &predictions, BY_PREDICTIONS[0], known);
        let by_time = search.nearest(n, &time, BY_TIME, |place| near(place) && known(place));
        (by_profiles, by_predictions, by_time)
    }

    /// Residuals of the last days, once an hour.
    fn refresh_conformal(&mut self, track: &Track) {
        let (t, h) = (track.len() - 1, self.steps);
        if self.conformal_at.is_some_and(|at| t < at + track.hour) {
            return;
        }
        self.conformal_at = Some(t);
        let days = if track.hour > 2 { 7 } else { 28 };
        let half_life = (days * track.day) as f64 / 2.0;
        let rows = || {
            let first = (t + 1).saturating_sub(days * track.day + h);
            (first..(t + 1).saturating_sub(h)).filter(|s| track.seen[s + h])
        };
        let weight = |s: usize| 0.5f64.powf((t - h - s) as f64 / half_life);
        let came = |s: usize| f64::from(track.z[s + h]);
        let scaled = |s: usize| (came(s) - f64::from(self.avg[s])) / f64::from(self.log_scale[s]).exp();
        let conformal = Sample::new(rows().map(|s| (scaled(s), weight(s))).collect());
        let last = Sample::new(rows().map(|s| (came(s) - f64::from(track.z[s]), weight(s))).collect());
        let of = |column: &[f32], half: f64, days: usize| {
            let first = (t + 1).saturating_sub(days * track.day + h);
            let value = |s: usize| (came(s) - f64::from(column[s])) / f64::from(self.log_scale[s]).exp();
            let rows = (first..(t + 1).saturating_sub(h)).filter(|s| track.seen[s + h]);
            Sample::new(rows.map(|s| (value(s), 0.5f64.powf((t - h - s) as f64 / half))).collect())
        };
        let short = if track.hour > 2 { 2 } else { 10 };
        self.conformal = [
            conformal,
            last,
            of(&self.ridge_said, half_life, days),
            of(&self.ets, half_life, days),
            of(&self.c1, half_life, days),
            of(&self.avg, (short * track.day) as f64 / 2.0, short),
        ];
    }
}

/// Keys of the candidates `past` against bucket `now`.
fn keys(past: Range<usize>, now: usize) -> impl Fn(&[f32], f32) -> Key<'_> {
    move |column, weight| Key { past: &column[past.clone()], now: column[now], weight }
}

/// Least squares of the excess over the profile on its mean of three and its newest value, weighted by age.
fn autoregression(track: &Track, steps: usize) -> [f64; 2] {
    let n = track.len();
    let first = n.saturating_sub(ridge::window_days(track) * track.day).max(track.day);
    let decay = 0.5f64.powf(1.0 / (10.0 * track.day as f64));
    let (mut aa, mut ab, mut bb, mut ay, mut by, mut all) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
    for s in first..n.saturating_sub(steps) {
        let g = s + steps;
        let (a, b, y) = (f64::from(track.over3[s]), f64::from(track.over[s]), f64::from(track.over[g]));
        if !track.seen[g] || !(a + b + y).is_finite() {
            continue;
        }
        let w = decay.powi((n - 1 - s) as i32);
        aa += w * a * a;
        ab += w * a * b;
        bb += w * b * b;
        ay += w * a * y;
        by += w * b * y;
        all += w;
    }
    let penalty = 1e-3 * all;
    let (aa, bb) = (aa + penalty, bb + penalty);
    let determinant = aa * bb - ab * ab;
    if determinant <= 1e-12 {
        return [0.0; 2];
    }
    [(bb * ay - ab * by) / determinant, (aa * by - ab * ay) / determinant]
}

/// Quantiles of each member ascend.
fn sort_columns(rows: &mut [[f64; ALL]]) {
    let mut column = Vec::with_capacity(rows.len());
    for i in 0..ALL {
        column.clear();
        column.extend(rows.iter().map(|row| row[i]));
        column.sort_unstable_by(f64::total_cmp);
        rows.iter_mut().zip(&column).for_each(|(row, value)| row[i] = *value);
    }
}
