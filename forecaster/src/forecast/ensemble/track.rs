//! One series as the members see it: transformed, smoothed, with its profiles and local phases.

use jiff::{SignedDuration, Timestamp};

use super::neighbours::circle;
use crate::calendar::{Calendar, weekday_index};

/// Days of history that profiles look back on.
const PROFILE_DAYS: usize = 28;

/// Weight of the day before the last, of the last; of the week before likewise.
const FADE: f64 = 0.7;

/// Everything known up to the last bucket. Columns are as long as [`Track::len`] unless they say that they reach ahead.
#[derive(Debug, Clone)]
pub(super) struct Track {
    /// Steps per day.
    pub(super) day: usize,
    /// Steps per hour; at least 1.
    pub(super) hour: usize,
    /// ln(1 + y/c), gaps filled with what was expected.
    pub(super) z: Vec<f32>,
    /// Whether the bucket was observed and not cut off.
    pub(super) seen: Vec<bool>,
    /// Weekly phase in steps (local time, Monday 00:00 = 0; a holiday counts as a Sunday); reaches `ahead` further.
    phase: Vec<u32>,
    /// Profile of the same time on the last days; reaches ahead as far as days are known.
    pub(super) pd: Vec<f32>,
    /// The same of the same weekday.
    pub(super) pw: Vec<f32>,
    /// Mean of both; reaches as far ahead.
    pub(super) pr: Vec<f32>,
    /// Sine and cosine of the time of day; reach ahead.
    pub(super) sine: Vec<f32>,
    pub(super) cosine: Vec<f32>,
    /// 1 on Saturday, Sunday and holidays.
    pub(super) rest: Vec<f32>,
    /// Excess of the newest value, of `mean3` and of `mean_3h` over the profile.
    pub(super) over: Vec<f32>,
    pub(super) over3: Vec<f32>,
    pub(super) over_3h: Vec<f32>,
    /// Mean of the last 3; of the last hour; of the last 3 hours; largest of the last hour.
    pub(super) mean3: Vec<f32>,
    pub(super) mean_1h: Vec<f32>,
    pub(super) mean_3h: Vec<f32>,
    pub(super) max_1h: Vec<f32>,
    /// Exponentially weighted means, with weights .3 and .03.
    pub(super) ewma_fast: Vec<f32>,
    pub(super) ewma_slow: Vec<f32>,
    /// Scale of the transformation.
    pub(super) c: f64,
    /// Largest demand so far.
    pub(super) most: f64,
    start: Timestamp,
    step: SignedDuration,
    ahead: usize,
    calendar: Calendar,
    /// Whether buckets are short enough to be smoothed.
    smooths: bool,
}

impl Track {
    /// Nothing known yet; `ahead` is the longest lead in steps (at most a day).
    pub(super) fn new(start: Timestamp, step: SignedDuration, ahead: usize, calendar: Calendar, c: f64) -> Self {
        let per = |span: i64| usize::try_from(span / step.as_secs().max(1)).unwrap_or(1).max(1);
        Self {
            day: per(86_400),
            hour: per(3_600),
            z: Vec::new(),
            seen: Vec::new(),
            phase: Vec::new(),
            pd: Vec::new(),
            pw: Vec::new(),
            pr: Vec::new(),
            sine: Vec::new(),
            cosine: Vec::new(),
            rest: Vec::new(),
            over: Vec::new(),
            over3: Vec::new(),
            over_3h: Vec::new(),
            mean3: Vec::new(),
            mean_1h: Vec::new(),
            mean_3h: Vec::new(),
            max_1h: Vec::new(),
            ewma_fast: Vec::new(),
            ewma_slow: Vec::new(),
            c,
            most: 0.0,
            start,
            step,
            ahead,
            calendar,
            smooths: step.as_secs() < 1_800,
        }
    }

    /// Buckets known.
    pub(super) fn len(&self) -> usize {
        self.z.len()
    }

    /// First instant that is not known.
    pub(super) fn end(&self) -> Timestamp {
        self.instant(self.len())
    }

    fn instant(&self, i: usize) -> Timestamp {
        let offset = i64::try_from(i).unwrap_or(i64::MAX).saturating_mul(self.step.as_secs());
        self.start.saturating_add(SignedDuration::from_secs(offset)).unwrap_or(Timestamp::MAX)
    }

    /// Demand as the members see it.
    pub(super) fn transform(&self, y: f64) -> f64 {
        (y / self.c).ln_1p()
    }

    /// The reverse, ≥ 0.
    pub(super) fn inverse(&self, z: f64) -> f64 {
        (z.exp_m1() * self.c).max(0.0)
    }

    /// Takes the next bucket in. A gap (NaN) is filled with what was expected; so is a bucket that was cut off, which was at
    /// least `y`. Nothing is learnt from either.
    pub(super) fn push_bucket(&mut self, y: f64, saturated: bool) {
        let i = self.len();
        while self.phase.len() <= i + self.ahead {
            let phase = self.phase_at(self.instant(self.phase.len()));
            let (sine, cosine) = circle(phase as usize % self.day, self.day);
            self.phase.push(phase);
            self.sine.push(sine);
            self.cosine.push(cosine);
        }
        let learn = !y.is_nan() && !saturated;
        let z = if y.is_nan() {
            self.expected(i)
        } else {
            self.most = self.most.max(y);
            let own = self.transform(y);
            if saturated { own.max(self.expected(i)) } else { own }
        };
        self.z.push(z as f32);
        self.seen.push(learn);
        // The profiles of what this bucket is a day before.
        while self.pd.len() <= i + self.ahead {
            let g = self.pd.len();
            let (pd, pw) = self.profiles(g);
            self.pd.push(pd);
            self.pw.push(pw);
            self.pr.push((pd + pw) / 2.0);
        }
        self.mean3.push(self.mean(3));
        self.mean_1h.push(self.mean(self.hour.max(3)));
        self.mean_3h.push(self.mean((3 * self.hour).max(6)));
        self.rest.push(f32::from(u8::from(self.weekend(i))));
        let profile = self.pr[i];
        self.over.push(z as f32 - profile);
        self.over3.push(self.mean3[i] - profile);
        self.over_3h.push(self.mean_3h[i] - profile);
        let hour = self.tail(self.hour.max(3)).iter().copied().fold(f32::MIN, f32::max);
        self.max_1h.push(hour);
        let ewma = |last: Option<&f32>, weight: f32| last.map_or(z as f32, |last| last + weight * (z as f32 - last));
        self.ewma_fast.push(ewma(self.ewma_fast.last(), 0.3));
        self.ewma_slow.push(ewma(self.ewma_slow.last(), 0.03));
    }

    fn tail(&self, n: usize) -> &[f32] {
        &self.z[self.z.len().saturating_sub(n)..]
    }

    fn mean(&self, n: usize) -> f32 {
        let tail = self.tail(n);
        tail.iter().sum::<f32>() / tail.len().max(1) as f32
    }

    /// What a gap is filled with: the profile, and what was over it, fading.
    fn expected(&self, i: usize) -> f64 {
        const CARRY: f64 = 0.95;
        let Some(last) = self.z.last() else { return 0.0 };
        match (self.profile(i), self.profile(i.wrapping_sub(1))) {
            (Some(now), Some(before)) => now + CARRY * (f64::from(*last) - before),
            _ => f64::from(*last),
        }
    }

    /// Mean of both profiles; `None` where no day before is known.
    fn profile(&self, i: usize) -> Option<f64> {
        self.pr.get(i).copied().filter(|profile| !profile.is_nan()).map(f64::from)
    }

    /// Weekly phase of a bucket in steps.
    pub(super) fn week_phase(&self, i: usize) -> usize {
        self.phase[i] as usize
    }

    /// Daily phase of a bucket in steps.
    pub(super) fn day_phase(&self, i: usize) -> usize {
        self.phase[i] as usize % self.day
    }

    /// Whether a bucket lies on Saturday, Sunday or a holiday.
    pub(super) fn weekend(&self, i: usize) -> bool {
        self.phase[i] as usize / self.day >= 5
    }

    fn phase_at(&self, at: Timestamp) -> u32 {
        let local = self.calendar.zone().to_datetime(at);
        let holiday = self.calendar.holidays().binary_search(&local.date()).is_ok();
        let weekday = if holiday { 6 } else { weekday_index(local.date().weekday()) };
        let second = i64::from(local.hour()) * 3_600 + i64::from(local.minute()) * 60 + i64::from(local.second());
        let of_day = (second / self.step.as_secs().max(1)) as usize % self.day;
        (weekday * self.day + of_day) as u32
    }

    /// The bucket `days` days before `g` at the same local time; `None` before the beginning.
    pub(super) fn back(&self, g: usize, days: usize) -> Option<usize> {
        let plain = g.checked_sub(days * self.day)?;
        // Where clocks have changed in between, the same local time lies off by the change.
        let off = self.day_phase(g) as i64 - self.day_phase(plain) as i64;
        let half = self.day as i64 / 2;
        let off = if off > half {
            off - self.day as i64
        } else if off < -half {
            off + self.day as i64
        } else {
            off
        };
        usize::try_from(plain as i64 + off).ok()
    }

    /// The series at `i`, smoothed with its neighbours where buckets are short; `None` where not known or a gap.
    pub(super) fn smoothed(&self, i: usize) -> Option<f64> {
        if !*self.seen.get(i)? {
            return None;
        }
        let z = |i: usize| self.z.get(i).copied().map(f64::from);
        let own = z(i)?;
        if !self.smooths {
            return Some(own);
        }
        let before = i.checked_sub(1).and_then(z).unwrap_or(own);
        let after = z(i + 1).unwrap_or(own);
        Some(0.25 * before + 0.5 * own + 0.25 * after)
    }

    /// [`Self::smoothed`] as it was known at `t`.
    pub(super) fn smoothed_at(&self, i: usize, t: usize) -> Option<f64> {
        if i < t || !self.smooths {
            return self.smoothed(i).filter(|_| i <= t);
        }
        let own = f64::from(*self.z.get(i)?);
        let before = i.checked_sub(1).and_then(|i| self.z.get(i)).map_or(own, |z| f64::from(*z));
        (i == t && self.seen[i]).then_some(0.25 * before + 0.75 * own)
    }

    /// Profiles at `g` from days that are known: of any weekday, of the same one (the former where there is none). NaN
    /// before the second day.
    fn profiles(&self, g: usize) -> (f32, f32) {
        let (mut any, mut same) = (Faded::default(), Faded::default());
        let weekday = self.week_phase(g) / self.day;
        for days in 1..=PROFILE_DAYS {
            let Some(i) = self.back(g, days) else { break };
            let matches = self.week_phase(i) / self.day == weekday;
            if (days <= 7 || matches)
                && let Some(value) = self.smoothed(i)
            {
                if days <= 7 {
                    any.add(value, FADE.powi(days as i32 - 1));
                }
                if matches {
                    same.add(value, FADE.powi((days as i32 - 1) / 7));
                }
            }
        }
        let any = any.mean().unwrap_or(f64::NAN);
        (any as f32, same.mean().unwrap_or(any) as f32)
    }
}

/// A weighted mean in the making.
#[derive(Debug, Default)]
struct Faded {
    sum: f64,
    weight: f64,
}

impl Faded {
    fn add(&mut self, value: f64, weight: f64) {
        self.sum += weight * value;
        self.weight += weight;
    }

    fn mean(&self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.sum / self.weight)
    }
}
