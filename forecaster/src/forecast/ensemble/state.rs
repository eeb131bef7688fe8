//! Everything that follows from the buckets pushed, given the unit in which demand is taken to log
//! space.

use jiff::{SignedDuration, Timestamp};

use super::features::Features;
use super::lead::{self, Lead, Shared};
use super::past::{ENOUGH, Scratch, searched};
use super::profile::Profile;
use super::schedule::ScoringSchedule;
use super::simd::Processor;
use super::smoothers::{BASELINES, SmootherBank};
use super::{MAX_LEAD_BUCKETS, Report, Spec, grid};
use crate::forecast::season::{Kind, Season};

/// Every `of`th lead of a [`Spec`], from the `n`th on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Share {
    pub(super) n: usize,
    /// ≥ 1.
    pub(super) of: usize,
}

impl Share {
    pub(super) const ALL: Self = Self { n: 0, of: 1 };
}

#[derive(Debug, Clone)]
pub(super) struct State {
    season: Season,
    features: Features,
    /// For leads below a day, and, where there are longer ones, for those.
    profiles: Vec<Profile>,
    bank: SmootherBank,
    leads: Vec<Lead>,
    quantiles: Vec<f32>,
    window: usize,
    longest: usize,
    sum: f64,
    observed: usize,
    largest: f64,
    /// Buckets since the last one that was observed, and how many of them were cut off by a limit.
    unobserved: usize,
    saturated: usize,
    /// How far demand lately lay above its season.
    deviation: f32,
    doubt: Doubt,
    pub(super) processor: Processor,
}

impl State {
    /// Begins with the bucket at `start`, its row 0; `unit` > 0. All but the leads is the same
    /// whatever the share.
    pub(super) fn new(
        start: Timestamp,
        step: SignedDuration,
        spec: &Spec,
        share: Share,
        unit: f64,
    ) -> Self {
        let season = Season::new(start, step, spec.calendar.clone());
        let step_s = step.as_secs().max(1);
        let steps: Vec<usize> = spec.leads.iter().map(|lead| steps(*lead, step)).collect();
        let longest = steps.iter().copied().max().unwrap_or(1);
        let window = window(step_s) * season.per_day / 24;
        let window = window.clamp(64, MOST_ROWS);
        let features = Features::new(&season, unit, window + 8 * season.per_day + longest, longest);
        let day = season.per_day - usize::from(features.smoothed()).min(season.per_day - 1);
        let short = steps.iter().copied().filter(|steps| *steps <= day).max();
        let reaches = [short, (longest > day).then_some(longest)];
        let profiles = reaches
            .into_iter()
            .flatten()
            .map(|reach| Profile::new(reach, &features, &season))
            .collect();
        let bank = SmootherBank::new(season.per_day);
        let lead = |steps: &usize| Lead::new(*steps, window, &spec.quantiles, &bank, &season);
        // Without a quantile nothing can be asked of a lead.
        let all = if spec.quantiles.is_empty() { &[][..] } else { &steps[..] };
        let leads = all.iter().skip(share.n).step_by(share.of).map(lead).collect();
        Self {
            season,
            features,
            profiles,
            bank,
            leads,
            quantiles: spec.quantiles.iter().map(|q| *q as f32).collect(),
            window,
            longest,
            sum: 0.0,
            observed: 0,
            largest: 0.0,
            unobserved: 0,
            saturated: 0,
            deviation: 0.0,
            doubt: Doubt::default(),
            processor: Processor::default(),
        }
    }

    /// The next bucket; NaN = gap, negative = cut off there. [`Self::issue`] follows.
    pub(super) fn push(&mut self, value: f32, schedule: &ScoringSchedule) {
        let t = self.features.len();
        let seen = value >= 0.0;
        let season =
            self.profiles.first().and_then(|profile| profile.both.get(t)).filter(|z| z.is_finite());
        let z = if seen {
            let y = f64::from(value);
            (self.unobserved, self.saturated) = (0, 0);
            self.observed += 1;
            self.sum += y;
            self.features.log(y)
        } else {
            self.unobserved += 1;
            self.saturated += usize::from(value < 0.0);
            let hours = self.unobserved as f32 / self.season.buckets(3 * 3600) as f32;
            let last = t.checked_sub(1).and_then(|i| self.features.mean3.get(i)).unwrap_or(0.0);
            let filled =
                season.map_or(last, |season| (season + self.deviation * (-hours).exp2()).max(0.0));
            if value < 0.0 { self.features.log(f64::from(-value)).max(filled) } else { filled }
        };
        let learned = seen && self.doubt.believes(t, z, self.season.per_day);
        if learned {
            // A lone bucket that is not believed bounds no forecast either.
            self.largest = self.largest.max(f64::from(value));
        }
        if !seen {
            self.doubt.interrupt();
        }
        if seen {
            if let Some(season) = season {
                self.deviation += 0.2 * (z - season - self.deviation);
            }
            let mean = self.sum / self.observed as f64;
            let mean = if mean > 0.0 { mean } else { 1.0 };
            for lead in &mut self.leads {
                lead.learn(
                    t,
                    f64::from(value),
                    z,
                    mean,
                    schedule.weight(t.saturating_sub(lead.steps)),
                );
            }
        }
        let baselines =
            self.profiles.first().map_or([0.0; BASELINES], |profile| profile.baselines(t));
        if season.is_some()
            && t.checked_sub(1)
                .and_then(|i| self.profiles.first()?.both.get(i))
                .is_none_or(f32::is_nan)
        {
            (1..BASELINES).for_each(|baseline| self.bank.renew(baseline));
        }
        if let Some(place) = self.features.places.get(t) {
            let week = usize::from(place.weekday) * self.season.per_day + place.slot as usize;
            let ordinary = !matches!(place.kind, Kind::Event(_));
            self.bank.push(learned.then_some(z), &baselines, place.slot as usize, week, ordinary);
        }
        self.features.push(&self.season, z, learned);
        for profile in &mut self.profiles {
            profile.extend(&self.features, &self.season);
        }
    }

    /// Forecasts from the newest bucket, at every lead.
    pub(super) fn issue(&mut self, scored: bool) {
        self.each(|lead, shared, scratch| lead.issue(shared, scratch, scored));
    }

    /// Fits what is fitted, at every lead.
    pub(super) fn refit(&mut self) {
        self.each(|lead, shared, _| lead.refit(shared));
    }

    fn each(&mut self, mut act: impl FnMut(&mut Lead, &Shared<'_>, &mut Scratch)) {
        let mut scratch = Scratch::on(self.processor);
        for lead in &mut self.leads {
            let profile = self.profiles.iter().find(|profile| profile.reach >= lead.steps);
            let Some(profile) = profile else { continue };
            let shared = Shared {
                features: &self.features,
                profile,
                bank: &self.bank,
                season: &self.season,
                quantiles: &self.quantiles,
                largest: self.largest,
                window: self.window,
                processor: self.processor,
            };
            act(lead, &shared, &mut scratch);
        }
    }

    /// The newest rows of the leads that have one, ascending.
    pub(super) fn exact(&self) -> Vec<(usize, &[f32])> {
        let mut rows: Vec<_> =
            self.leads.iter().filter_map(|lead| Some((lead.steps, lead.newest()?))).collect();
        rows.sort_by_key(|(steps, _)| *steps);
        rows
    }

    /// Rows of quantiles for every bucket up to the longest lead, `others` among them; `None` while
    /// too young for any.
    pub(super) fn grid<'a>(
        &'a self,
        others: impl Iterator<Item = (usize, &'a [f32])>,
    ) -> Option<Vec<Vec<f64>>> {
        let t = self.features.len().checked_sub(1)?;
        let mut known = self.exact();
        known.extend(others);
        known.sort_by_key(|(steps, _)| *steps);
        known.dedup_by_key(|(steps, _)| *steps);
        if known.is_empty() {
            return None;
        }
        let season = |h: usize| {
            let profile = self.profiles.iter().find(|profile| profile.reach >= h)?;
            profile.both.get(t + h).filter(|z| z.is_finite())
        };
        let cap = lead::most(self.largest, &self.features);
        Some(grid::between(
            &known,
            self.features.z.get(t)?,
            self.longest,
            cap,
            &self.features,
            season,
        ))
    }

    pub(super) fn report(&self, spec: &Spec, share: Share) -> Report {
        let asked = spec.leads.iter().skip(share.n).step_by(share.of);
        Report {
            leads: self.leads.iter().zip(asked).map(|(lead, asked)| lead.report(*asked)).collect(),
        }
    }

    pub(super) fn members(&self) -> Vec<Vec<(&'static str, Vec<f64>)>> {
        let widened = |row: &[f32]| row.iter().map(|value| f64::from(*value)).collect();
        let of =
            |lead: &Lead| lead.newest_by_name().map(|(name, row)| (name, widened(row))).collect();
        self.leads.iter().map(of).collect()
    }

    /// What the smoothers forecast now at each lead, in log space.
    #[cfg(test)]
    pub(super) fn newest_smoothed(&self) -> Vec<f32> {
        self.leads.iter().filter_map(|lead| lead.newest_smoothed()).collect()
    }

    /// Buckets pushed.
    pub(super) fn len(&self) -> usize {
        self.features.len()
    }

    pub(super) fn per_day(&self) -> usize {
        self.season.per_day
    }

    pub(super) fn unit(&self) -> f64 {
        self.features.unit
    }

    /// Buckets since the last one that was observed.
    pub(super) fn unobserved(&self) -> usize {
        self.unobserved
    }

    /// Whether any of those was cut off by a limit.
    pub(super) fn cut_off(&self) -> bool {
        self.saturated > 0
    }

    /// Buckets that are kept.
    pub(super) fn kept(&self) -> usize {
        self.features.kept()
    }

    /// Pairs of observed buckets `steps` apart among those that members look at; counts to
    /// [`ENOUGH`] at most.
    pub(super) fn pairs(&self, steps: usize) -> usize {
        let rows = searched(&self.features, self.window, steps);
        self.features.pairs(rows, steps, ENOUGH)
    }

    /// Whether all that decays, and so would never forget what is no number, is finite.
    pub(super) fn is_finite(&self) -> bool {
        let sums = self.sum.is_finite() && self.largest.is_finite() && self.deviation.is_finite();
        let shared =
            self.features.is_finite() && self.bank.is_finite() && self.doubt.highest.is_finite();
        // A profile may be unknown (NaN), but it is never infinite.
        let profiles = self.profiles.iter().all(|profile| !profile.is_infinite());
        sums && shared && profiles && self.leads.iter().all(Lead::is_finite)
    }

    pub(super) fn bytes(&self) -> usize {
        let leads: usize = self.leads.iter().map(Lead::bytes).sum();
        let profiles: usize = self.profiles.iter().map(Profile::bytes).sum();
        leads + profiles + self.features.bytes() + self.bank.bytes()
    }
}

/// Doubts buckets far above all before them: a single one may be a bad sample.
#[derive(Debug, Clone, Default)]
struct Doubt {
    /// Highest demand in log space that was learned from.
    highest: f32,
    /// The last bucket that was far above it, and its demand in log space.
    far: Option<(usize, f32)>,
    /// The bucket before was far above.
    was_far: bool,
}

impl Doubt {
    /// Whether bucket `t` with demand `z` in log space is learned from. All of the first day is. Of
    /// what lies far above it, the second bucket in a row is, and so is one that comes within a
    /// week of another about as high: demand may come in bursts of one bucket.
    fn believes(&mut self, t: usize, z: f32, per_day: usize) -> bool {
        let far = t > per_day && z > self.highest + FAR;
        let again =
            self.far.is_some_and(|(then, before)| t - then <= 7 * per_day && z <= before + FAR);
        let learned = !far || self.was_far || again;
        self.was_far = far;
        if far {
            self.far = Some((t, z));
        }
        if learned {
            self.highest = self.highest.max(z);
        }
        learned
    }

    /// A bucket was not observed: the next one is no second one in a row.
    fn interrupt(&mut self) {
        self.was_far = false;
    }
}

/// So far above the highest in log space (about ten times as much) demand is doubted.
const FAR: f32 = 2.3;

/// Hours of history that fits and searches look at, by step: long steps average more, and change
/// less.
fn window(step_s: i64) -> usize {
    24 * match step_s {
        ..300 => 7,
        300 => 21,
        301..1800 => 14,
        1800..3600 => 90,
        _ => 180,
    }
}

/// Rows that fits and searches look at, at most.
const MOST_ROWS: usize = 10_080;

/// A lead in whole buckets.
pub(super) fn steps(lead: SignedDuration, step: SignedDuration) -> usize {
    let steps = lead.as_secs() / step.as_secs().max(1);
    usize::try_from(steps).unwrap_or(0).clamp(1, MAX_LEAD_BUCKETS)
}
