//! Everything that follows from the buckets pushed, given the unit in which demand is taken to log space.

use jiff::{SignedDuration, Timestamp};

use super::judging::Judging;
use super::lanes::Processor;
use super::lead::{self, Lead, Shared};
use super::member::{NAMES, Room};
use super::smooth::{BASELINES, Bank};
use super::track::{Profile, Track};
use super::{Report, Spec, grid};
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
    /// The bucket at which it began.
    first: usize,
    track: Track,
    /// For leads below a day, and, where there are longer ones, for those.
    profiles: Vec<Profile>,
    bank: Bank,
    leads: Vec<Lead>,
    quantiles: Vec<f32>,
    window: usize,
    shortest: usize,
    longest: usize,
    sum: f64,
    observed: usize,
    largest: f64,
    unobserved: usize,
    /// How far demand lately lay above its season.
    deviation: f32,
    /// Highest demand in log space that was learnt from.
    highest: f32,
    was_wild: bool,
    pub(super) processor: Processor,
}

impl State {
    /// Begins at bucket `first` after `start`; `unit` > 0. All but the leads is the same whatever the share.
    pub(super) fn new(
        start: Timestamp,
        step: SignedDuration,
        spec: &Spec,
        share: Share,
        unit: f64,
        first: usize,
    ) -> Self {
        let begin = step.checked_mul(i32::try_from(first).unwrap_or(i32::MAX)).unwrap_or(SignedDuration::ZERO);
        let season = Season::new(start.saturating_add(begin).unwrap_or(start), step, spec.calendar.clone());
        let step_s = step.as_secs().max(1);
        let steps = |lead: &SignedDuration| usize::try_from(lead.as_secs() / step_s).unwrap_or(0).clamp(1, LONGEST);
        let steps: Vec<usize> = spec.leads.iter().map(steps).collect();
        let longest = steps.iter().copied().max().unwrap_or(1);
        let window = window(step_s) * season.per_day / 24;
        let window = window.clamp(64, MOST_ROWS);
        let track = Track::new(&season, unit, window + 8 * season.per_day + longest, longest);
        let day = season.per_day - usize::from(track.smoothed()).min(season.per_day - 1);
        let short = steps.iter().copied().filter(|steps| *steps <= day).max();
        let reaches = [short, (longest > day).then_some(longest)];
        let profiles = reaches.into_iter().flatten().map(|reach| Profile::new(reach, &track, &season)).collect();
        let bank = Bank::new(season.per_day);
        let lead = |steps: &usize| Lead::new(*steps, window, &spec.quantiles, &bank, &season);
        let leads = steps.iter().skip(share.n).step_by(share.of).map(lead).collect();
        Self {
            season,
            first,
            track,
            profiles,
            bank,
            leads,
            quantiles: spec.quantiles.iter().map(|q| *q as f32).collect(),
            window,
            shortest: steps.iter().copied().min().unwrap_or(0),
            longest,
            sum: 0.0,
            observed: 0,
            largest: 0.0,
            unobserved: 0,
            deviation: 0.0,
            highest: 0.0,
            was_wild: false,
            processor: Processor::default(),
        }
    }

    /// The next bucket; NaN = gap, negative = cut off there. [`Self::issue`] follows.
    pub(super) fn push(&mut self, value: f32, judging: &Judging) {
        let t = self.track.len();
        let seen = value >= 0.0;
        let season = self.profiles.first().and_then(|profile| profile.both.get(t)).filter(|z| z.is_finite());
        let z = if seen {
            let y = f64::from(value);
            self.unobserved = 0;
            self.observed += 1;
            self.sum += y;
            self.track.log(y)
        } else {
            self.unobserved += 1;
            let hours = self.unobserved as f32 / self.season.buckets(3 * 3600) as f32;
            let last = t.checked_sub(1).and_then(|i| self.track.mean3.get(i)).unwrap_or(0.0);
            let filled = season.map_or(last, |season| (season + self.deviation * (-hours).exp2()).max(0.0));
            if value < 0.0 { self.track.log(f64::from(-value)).max(filled) } else { filled }
        };
        // The first bucket far above all before it may be a bad sample: it is not learnt from. A second one is.
        let wild = seen && t > self.season.per_day && z > self.highest + FAR && self.unobserved == 0;
        let learnt = seen && (!wild || self.was_wild);
        self.was_wild = wild;
        if learnt {
            self.highest = self.highest.max(z);
            self.largest = self.largest.max(f64::from(value));
        }
        if seen {
            if let Some(season) = season {
                self.deviation += 0.2 * (z - season - self.deviation);
            }
            let mean = self.sum / self.observed as f64;
            let mean = if mean > 0.0 { mean } else { 1.0 };
            for lead in &mut self.leads {
                lead.learn(t, f64::from(value), z, mean, judging.counts((self.first + t).saturating_sub(lead.steps)));
            }
        }
        let baselines = self.profiles.first().map_or([0.0; BASELINES], |profile| profile.baselines(t));
        if season.is_some() && t.checked_sub(1).and_then(|i| self.profiles.first()?.both.get(i)).is_none_or(f32::is_nan)
        {
            (1..BASELINES).for_each(|baseline| self.bank.renew(baseline));
        }
        if let Some(place) = self.track.places.get(t) {
            let week = usize::from(place.weekday) * self.season.per_day + place.slot as usize;
            let ordinary = !matches!(place.kind, Kind::Event(_));
            self.bank.push(learnt.then_some(z), &baselines, place.slot as usize, week, ordinary);
        }
        self.track.push(&self.season, z, learnt);
        for profile in &mut self.profiles {
            profile.extend(&self.track, &self.season);
        }
    }

    /// Forecasts from the newest bucket, at every lead.
    pub(super) fn issue(&mut self, speaks: bool) {
        self.each(|lead, shared, room| lead.issue(shared, room, speaks));
    }

    /// Fits what is fitted, at every lead.
    pub(super) fn refit(&mut self) {
        self.each(|lead, shared, _| lead.refit(shared));
    }

    fn each(&mut self, mut act: impl FnMut(&mut Lead, &Shared<'_>, &mut Room)) {
        let mut room = Room::on(self.processor);
        for lead in &mut self.leads {
            let profile = self.profiles.iter().find(|profile| profile.reach >= lead.steps);
            let Some(profile) = profile else { continue };
            let shared = Shared {
                track: &self.track,
                profile,
                bank: &self.bank,
                season: &self.season,
                quantiles: &self.quantiles,
                largest: self.largest,
                window: self.window,
                processor: self.processor,
            };
            act(lead, &shared, &mut room);
        }
    }

    /// The newest rows of the leads that have one, ascending.
    pub(super) fn exact(&self) -> Vec<(usize, &[f32])> {
        let mut rows: Vec<_> = self.leads.iter().filter_map(|lead| Some((lead.steps, lead.newest()?))).collect();
        rows.sort_by_key(|(steps, _)| *steps);
        rows
    }

    /// Rows of quantiles for every bucket up to the longest lead, `others` among them; `None` while too young for any.
    pub(super) fn grid<'a>(&'a self, others: impl Iterator<Item = (usize, &'a [f32])>) -> Option<Vec<Vec<f64>>> {
        let t = self.track.len().checked_sub(1)?;
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
        let cap = lead::most(self.largest, &self.track);
        Some(grid::between(&known, self.track.z.get(t)?, self.longest, cap, &self.track, season))
    }

    pub(super) fn report(&self, spec: &Spec, share: Share) -> Report {
        let asked = spec.leads.iter().skip(share.n).step_by(share.of);
        Report { leads: self.leads.iter().zip(asked).map(|(lead, asked)| lead.report(*asked)).collect() }
    }

    pub(super) fn members(&self) -> Vec<Vec<(&'static str, Vec<f64>)>> {
        let n = self.quantiles.len().max(1);
        let of = |lead: &Lead| {
            let said = lead.newest_by_member().chunks_exact(n).map(|row| row.iter().map(|f| f64::from(*f)).collect());
            NAMES.into_iter().zip(said).collect()
        };
        self.leads.iter().map(of).collect()
    }

    pub(super) fn season(&self) -> &Season {
        &self.season
    }

    pub(super) fn per_day(&self) -> usize {
        self.season.per_day
    }

    pub(super) fn unit(&self) -> f64 {
        self.track.unit
    }

    pub(super) fn unobserved(&self) -> usize {
        self.unobserved
    }

    /// Buckets that are kept.
    pub(super) fn kept(&self) -> usize {
        self.track.kept()
    }

    /// Buckets after which the shortest lead can be forecast.
    pub(super) fn needed(&self) -> usize {
        super::member::ENOUGH + self.shortest
    }

    pub(super) fn bytes(&self) -> usize {
        let leads: usize = self.leads.iter().map(Lead::bytes).sum();
        let profiles: usize = self.profiles.iter().map(Profile::bytes).sum();
        leads + profiles + self.track.bytes() + self.bank.bytes()
    }
}

/// So far above the highest in log space (about ten times as much) demand is doubted.
const FAR: f32 = 2.3;

/// Hours of history that fits and searches look at, by step: long steps average more, and change less.
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

/// No lead is longer than so many buckets.
const LONGEST: usize = 3000;
