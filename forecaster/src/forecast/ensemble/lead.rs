//! One lead: its point forecasts, its members, what they have missed by, and the forecast that is
//! made of them.

use super::base::Base;
use super::column::Column;
use super::combine::Combination;
use super::features::Features;
use super::member::Members;
use super::past::{Scratch, View};
use super::predictions::Layout;
use super::profile::Profile;
use super::report::{LeadAccuracy, Weights};
use super::simd::Processor;
use super::smoothers::{Horizon, SmootherBank};
use crate::forecast::season::Season;

/// Half-life of the smoothers' errors, in days.
const SMOOTHERS_DAYS: f64 = 2.0;
/// Half-life of what is reported, in days.
const REPORT_DAYS: f64 = 7.0;
/// No forecast exceeds this multiple of the largest value ever seen, plus one unit: within a lead
/// demand rarely grows beyond, and what regresses among neighbors of a step extrapolates it. (1.5
/// costs .1 % over all buckets of 14 real series, .5 % at the 99th percentile; 1.0 gains a little
/// more there and loses where demand grows.)
const CAP: f64 = 1.1;

#[derive(Debug, Clone)]
pub(super) struct Lead {
    pub steps: usize,
    horizon: Horizon,
    base: Base,
    members: Members,
    layout: Layout,
    combinations: Vec<Combination>,
    /// Rows of predictions in demand's unit, one a bucket.
    issued: Column<f32>,
    score: Score,
    row: Vec<f32>,
}

#[derive(Debug, Clone)]
struct Score {
    keep: f64,
    scored: usize,
    weight: f64,
    covered: Vec<f64>,
    pinball: Vec<f64>,
}

/// What all leads share.
pub(super) struct Shared<'a> {
    pub features: &'a Features,
    pub profile: &'a Profile,
    pub bank: &'a SmootherBank,
    pub season: &'a Season,
    pub quantiles: &'a [f32],
    pub largest: f64,
    pub window: usize,
    pub processor: Processor,
}

/// The most that is forecast after `largest`, in demand's unit.
pub(super) fn most(largest: f64, features: &Features) -> f64 {
    CAP * largest + features.unit
}

impl Lead {
    pub(super) fn new(
        steps: usize,
        window: usize,
        quantiles: &[f64],
        bank: &SmootherBank,
        season: &Season,
    ) -> Self {
        let per_day = season.per_day;
        let members = Members::new(window, per_day);
        let layout = Layout::new(members.labels(), quantiles.len());
        let of = |q: &f64| Combination::new(*q, layout.labels(), per_day);
        Self {
            steps,
            horizon: Horizon::new(steps, SMOOTHERS_DAYS * per_day as f64, bank),
            base: Base::new(steps, window),
            combinations: quantiles.iter().map(of).collect(),
            members,
            layout,
            issued: Column::new(),
            score: Score {
                keep: 0.5f64.powf(1.0 / (REPORT_DAYS * per_day as f64)),
                scored: 0,
                weight: 0.0,
                covered: vec![0.0; quantiles.len()],
                pinball: vec![0.0; quantiles.len()],
            },
            row: Vec::new(),
        }
    }

    /// Learns from what came in bucket `t`: `y`, `z` in log space; `mean` is demand's so far. What
    /// was forecast of it counts for so many buckets.
    pub(super) fn learn(&mut self, t: usize, y: f64, z: f32, mean: f64, counts: i32) {
        self.horizon.learn(t, z);
        let Some(then) = t.checked_sub(self.steps) else { return };
        let width = self.layout.width();
        let row = self.issued.rows(then * width..(then + 1) * width);
        if row.len() < width || row[0].is_nan() {
            return;
        }
        let combined = self.layout.combined(row);
        self.score.scored += 1;
        let (keep, times) = (self.score.keep.powi(counts), f64::from(counts));
        self.score.weight = keep * self.score.weight + times;
        for (i, combination) in self.combinations.iter_mut().enumerate() {
            let f = f64::from(combined[i]);
            combination.learn(y, self.layout.quantile(row, i), f, mean, counts);
            let (covered, pinball) = (&mut self.score.covered[i], &mut self.score.pinball[i]);
            let q = combination.q();
            *covered = keep * *covered + if y <= f + 1e-9 { times } else { 0.0 };
            *pinball = keep * *pinball + times * crate::forecast::accuracy::pinball(q, y, f);
        }
    }

    /// After the newest bucket: forecasts the bucket `steps` ahead.
    pub(super) fn issue(&mut self, shared: &Shared<'_>, scratch: &mut Scratch, scored: bool) {
        let Shared { features, profile, season, .. } = shared;
        let Some(t) = features.len().checked_sub(1) else { return };
        let g = t + self.steps;
        let Some(place) = features.places.get(g) else { return };
        let baselines = profile.baselines(g);
        let week = usize::from(place.weekday) * season.per_day + place.slot as usize;
        let smoothers = self.horizon.forecast(shared.bank, &baselines, place.slot as usize, week);
        self.base.push(smoothers, features, profile, season);
        let mut row = std::mem::take(&mut self.row);
        row.clear();
        let view = View {
            features,
            profile,
            base: &self.base,
            season,
            lead: self.steps,
            window: shared.window,
            quantiles: shared.quantiles,
        };
        let width = self.layout.width();
        let mut predictions = self.layout.start(&mut row);
        if scored && self.members.predict(&view, scratch, &mut predictions).is_some() {
            let cap = most(shared.largest, features);
            for value in &mut row {
                *value = features.level(*value).clamp(0.0, cap) as f32;
            }
            let n = self.combinations.len();
            row.chunks_exact_mut(n)
                .for_each(|quantiles| quantiles.sort_unstable_by(f32::total_cmp));
            let of = |(i, combination): (usize, &Combination)| {
                combination.combine(self.layout.quantile(&row, i)) as f32
            };
            let mut combined: Vec<f32> = self.combinations.iter().enumerate().map(of).collect();
            combined.sort_unstable_by(f32::total_cmp);
            row.extend(combined);
        } else {
            row.clear();
            row.resize(width, f32::NAN);
        }
        row.iter().for_each(|value| self.issued.push(*value));
        self.issued.trim((self.steps + 1) * width);
        self.row = row;
    }

    pub(super) fn refit(&mut self, shared: &Shared<'_>) {
        self.base.refit(shared.processor, shared.features, shared.profile, shared.season);
    }

    /// The newest forecast: quantiles of the bucket `steps` ahead, in demand's unit. `None` while
    /// too young.
    pub(super) fn newest(&self) -> Option<&[f32]> {
        let combined = self.layout.combined(self.newest_row());
        combined.first().is_some_and(|value| value.is_finite()).then_some(combined)
    }

    /// The newest predictions with their names, in demand's unit.
    pub(super) fn newest_by_name(&self) -> impl Iterator<Item = (&'static str, &[f32])> {
        self.layout.named(self.newest_row())
    }

    fn newest_row(&self) -> &[f32] {
        let end = self.issued.end();
        self.issued.rows(end.saturating_sub(self.layout.width())..end)
    }

    #[cfg(test)]
    pub(super) fn newest_smoothed(&self) -> Option<f32> {
        self.base.smoothers.get(self.base.smoothers.end().checked_sub(1)?)
    }

    /// Whether what decays is finite, and the newest row is: or all of it unknown, while too young.
    pub(super) fn is_finite(&self) -> bool {
        let score = self.score.covered.iter().chain(&self.score.pinball);
        let scored = self.score.weight.is_finite() && score.into_iter().all(|sum| sum.is_finite());
        let row = self.newest_row();
        let issued =
            row.iter().all(|value| value.is_finite()) || row.iter().all(|value| value.is_nan());
        let learned =
            self.horizon.is_finite() && self.combinations.iter().all(Combination::is_finite);
        scored && issued && learned && self.base.is_finite()
    }

    pub(super) fn report(&self, lead: jiff::SignedDuration) -> LeadAccuracy {
        let share = |sums: &[f64]| sums.iter().map(|sum| sum / self.score.weight).collect();
        let weights = |i: usize| self.combinations.iter().map(|c| c.weights()[i]).collect();
        let labels = self.layout.labels().iter().enumerate();
        let mut members: Vec<Weights> =
            labels.map(|(i, label)| Weights { member: label.name, weights: weights(i) }).collect();
        let total = |weights: &Weights| weights.weights.iter().sum::<f64>();
        members.sort_by(|a, b| total(b).total_cmp(&total(a)));
        LeadAccuracy {
            lead,
            scored: self.score.scored,
            quantiles: self.combinations.iter().map(Combination::q).collect(),
            coverage: share(&self.score.covered),
            pinball: share(&self.score.pinball),
            members,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.horizon.bytes() + self.base.bytes() + self.members.bytes() + self.issued.bytes()
    }
}
