//! A bank of a hundred small exponential smoothers (Holt 1957, Winters 1960, damped: Gardner &
//! McKenzie 1985) on demand in log space, weighted by what each has missed by at a lead. One
//! smoother with fitted constants is worse than many with fixed ones: constants that were best last
//! month need not be tomorrow.

use super::column::Column;

/// What smoothers without a season of their own are applied to: demand less one of these.
pub(super) const BASELINES: usize = 4;
const ALPHAS: [f32; 4] = [0.1, 0.3, 0.6, 0.95];
const TRENDS: [(f32, f32); 4] = [(0.0, 1.0), (0.1, 0.95), (0.4, 0.9), (0.7, 0.98)];
const SEASONAL_ALPHAS: [f32; 3] = [0.1, 0.4, 0.9];
const SEASONAL_TRENDS: [(f32, f32); 3] = [(0.0, 1.0), (0.1, 0.95), (0.6, 0.95)];
const GAMMAS: [f32; 2] = [0.1, 0.35];

const PLAIN: usize = BASELINES * ALPHAS.len() * TRENDS.len();
const SEASONAL: usize = 2 * GAMMAS.len() * SEASONAL_ALPHAS.len() * SEASONAL_TRENDS.len();
/// Smoothers that know the week besides the day: the second half of the seasonal ones.
const WEEKLY: usize = SEASONAL / 2;
const ALL: usize = PLAIN + SEASONAL;

/// Errors (in log units) count up to this.
const LARGEST_ERROR: f32 = 3.0;
/// Demand in log space lies far below this, whatever its unit.
const SANE: f32 = 1e4;
/// How fast errors above the least cost a smoother its weight.
const RATE: f32 = 15.0;

#[derive(Debug, Clone, Copy)]
struct Constants {
    alpha: f32,
    /// alpha × beta.
    trend: f32,
    phi: f32,
    gamma: f32,
}

/// Levels, trends and seasons of all smoothers.
#[derive(Debug, Clone)]
pub(super) struct SmootherBank {
    constants: Vec<Constants>,
    level: Vec<f32>,
    trend: Vec<f32>,
    /// Buckets seen by each baseline's smoothers since it changed its nature.
    age: [u32; BASELINES],
    seen: u32,
    /// Gaps since the last bucket that was observed.
    gaps: u32,
    /// `[slot of day][smoother]`.
    day: Vec<f32>,
    /// `[slot of week][smoother]`.
    week: Vec<f32>,
    day_visits: Vec<u16>,
    week_visits: Vec<u16>,
    /// Slots of day and week that were learned last.
    newest: (usize, usize),
}

impl SmootherBank {
    pub(super) fn new(per_day: usize) -> Self {
        let mut constants = Vec::with_capacity(ALL);
        for _ in 0..BASELINES {
            for alpha in ALPHAS {
                for (beta, phi) in TRENDS {
                    constants.push(Constants { alpha, trend: alpha * beta, phi, gamma: 0.0 });
                }
            }
        }
        for _ in 0..2 {
            for gamma in GAMMAS {
                for alpha in SEASONAL_ALPHAS {
                    for (beta, phi) in SEASONAL_TRENDS {
                        constants.push(Constants { alpha, trend: alpha * beta, phi, gamma });
                    }
                }
            }
        }
        Self {
            constants,
            level: vec![0.0; ALL],
            trend: vec![0.0; ALL],
            age: [0; BASELINES],
            seen: 0,
            gaps: 0,
            day: vec![0.0; per_day * SEASONAL],
            week: vec![0.0; 7 * per_day * WEEKLY],
            day_visits: vec![0; per_day],
            week_visits: vec![0; 7 * per_day],
            newest: (0, 0),
        }
    }

    /// Forgets the level of smoothers on a baseline that has changed its nature (from nothing to a
    /// profile).
    pub(super) fn renew(&mut self, baseline: usize) {
        if let Some(age) = self.age.get_mut(baseline) {
            *age = 0;
        }
    }

    /// The next bucket: demand in log space (`None` = gap), the baselines for it, its slots of day
    /// and week. One that is not `ordinary` moves levels, but is not learned as part of a season.
    pub(super) fn push(
        &mut self,
        z: Option<f32>,
        baselines: &[f32; BASELINES],
        day: usize,
        week: usize,
        ordinary: bool,
    ) {
        let Some(z) = z else {
            for ((level, trend), c) in
                self.level.iter_mut().zip(&mut self.trend).zip(&self.constants)
            {
                *trend *= c.phi;
                *level += *trend;
            }
            self.gaps = self.gaps.saturating_add(1);
            return;
        };
        // What was missed after a gap is the trend's over all of it (Wright 1986): as that of one
        // bucket it would be corrected several times over, and where gaps come again and again,
        // ever more.
        let per_step = 1.0 / (self.gaps as f32 + 1.0);
        self.gaps = 0;
        let per = PLAIN / BASELINES;
        for (k, baseline) in baselines.iter().enumerate() {
            let young = 1.0 / (self.age[k] as f32 + 1.0);
            let fresh = self.age[k] == 0;
            self.age[k] = self.age[k].saturating_add(1);
            let x = z - baseline;
            for i in k * per..(k + 1) * per {
                let c = self.constants[i];
                if fresh {
                    (self.level[i], self.trend[i]) = (x, 0.0);
                    continue;
                }
                let f = self.level[i] + c.phi * self.trend[i];
                let e = x - f;
                self.level[i] = f + c.alpha.max(young) * e;
                self.trend[i] = c.phi * self.trend[i] + c.trend * e * per_step;
            }
        }
        let young = 1.0 / (self.seen as f32 + 1.0);
        let (visits, week_visits) = (self.day_visits[day], self.week_visits[week]);
        let first = if visits == 0 { 0.9 } else { 1.0 / (f32::from(visits) + 1.5) };
        let weekly_gain = (1.0 / (f32::from(week_visits) + 2.0)).max(0.15);
        for j in 0..SEASONAL {
            let (i, c) = (PLAIN + j, self.constants[PLAIN + j]);
            let mut sw = 0.0;
            let at_week = week * WEEKLY + j.saturating_sub(SEASONAL - WEEKLY);
            if j >= SEASONAL - WEEKLY {
                sw = self.week[at_week];
            }
            let sd = &mut self.day[day * SEASONAL + j];
            let x = z - *sd - sw;
            let f = if self.seen == 0 { x } else { self.level[i] + c.phi * self.trend[i] };
            let e = x - f;
            self.level[i] = f + c.alpha.max(young) * e;
            self.trend[i] = c.phi * self.trend[i] + c.trend * e * per_step;
            if !ordinary {
                continue;
            }
            *sd += c.gamma.max(first) * (z - self.level[i] - sw - *sd);
            let sd = *sd;
            if j >= SEASONAL - WEEKLY {
                self.week[at_week] += weekly_gain * (z - self.level[i] - sd - sw);
            }
        }
        self.day_visits[day] = visits.saturating_add(u16::from(ordinary));
        self.week_visits[week] = week_visits.saturating_add(u16::from(ordinary));
        self.seen = self.seen.saturating_add(1);
        self.newest = (day, week);
        self.restart_runaways();
    }

    /// A smoother whose level or trend has left what demand in log space can be begins anew.
    fn restart_runaways(&mut self) {
        let sane = |value: &f32| value.abs() < SANE;
        if self.level.iter().all(sane) && self.trend.iter().all(sane) {
            return;
        }
        for i in 0..ALL {
            if sane(&self.level[i]) && sane(&self.trend[i]) {
                continue;
            }
            (self.level[i], self.trend[i]) = (0.0, 0.0);
            if let Some(j) = i.checked_sub(PLAIN) {
                self.day.iter_mut().skip(j).step_by(SEASONAL).for_each(|season| *season = 0.0);
            }
            if let Some(j) = i.checked_sub(PLAIN + SEASONAL - WEEKLY) {
                self.week.iter_mut().skip(j).step_by(WEEKLY).for_each(|season| *season = 0.0);
            }
        }
    }

    /// What each smoother says of the bucket `h` ahead, given the baselines and slots there.
    fn ahead(
        &self,
        h: &Horizon,
        baselines: &[f32; BASELINES],
        day: usize,
        week: usize,
        out: &mut Vec<f32>,
    ) {
        out.clear();
        out.extend((0..ALL).map(|i| self.level[i] + self.trend[i] * h.reach[i]));
        for (of, baseline) in out[..PLAIN].chunks_exact_mut(PLAIN / BASELINES).zip(baselines) {
            of.iter_mut().for_each(|value| *value += baseline);
        }
        for (value, season) in out[PLAIN..].iter_mut().zip(&self.day[day * SEASONAL..]) {
            *value += season;
        }
        for (value, season) in
            out[PLAIN + SEASONAL - WEEKLY..].iter_mut().zip(&self.week[week * WEEKLY..])
        {
            *value += season;
        }
    }

    /// Whether levels, trends and the seasons of the slot last learned are finite.
    pub(super) fn is_finite(&self) -> bool {
        let (day, week) = self.newest;
        let slots = self.day[day * SEASONAL..][..SEASONAL]
            .iter()
            .chain(&self.week[week * WEEKLY..][..WEEKLY]);
        self.level.iter().chain(&self.trend).chain(slots).all(|value| value.is_finite())
    }

    pub(super) fn bytes(&self) -> usize {
        4 * (self.day.len() + self.week.len() + 2 * ALL)
            + 2 * (self.day_visits.len() + self.week_visits.len())
    }
}

/// The bank's forecasts at one lead, and what its smoothers have missed by there.
#[derive(Debug, Clone)]
pub(super) struct Horizon {
    lead: usize,
    keep: f32,
    /// Sum of phi, phi², … phi^lead.
    reach: Vec<f32>,
    missed: Vec<f32>,
    issued: Column<f32>,
    scratch: Vec<f32>,
}

impl Horizon {
    /// `half_life` of errors in buckets.
    pub(super) fn new(lead: usize, half_life: f64, bank: &SmootherBank) -> Self {
        let reach = |c: &Constants| (1..=lead).map(|k| c.phi.powi(k as i32)).sum();
        Self {
            lead,
            keep: 0.5f64.powf(1.0 / half_life) as f32,
            reach: bank.constants.iter().map(reach).collect(),
            missed: vec![0.0; ALL],
            issued: Column::new(),
            scratch: Vec::with_capacity(ALL),
        }
    }

    /// Learns from what came in bucket `t`.
    pub(super) fn learn(&mut self, t: usize, z: f32) {
        let Some(then) = t.checked_sub(self.lead) else { return };
        let issued = self.issued.rows(then * ALL..(then + 1) * ALL);
        if issued.len() == ALL {
            for (missed, f) in self.missed.iter_mut().zip(issued) {
                *missed = self.keep * *missed + (z - f).abs().min(LARGEST_ERROR);
            }
        }
    }

    /// The bank's forecast for `lead` buckets after the last one pushed.
    pub(super) fn forecast(
        &mut self,
        bank: &SmootherBank,
        baselines: &[f32; BASELINES],
        day: usize,
        week: usize,
    ) -> f32 {
        let mut forecasts = std::mem::take(&mut self.scratch);
        bank.ahead(self, baselines, day, week, &mut forecasts);
        let least = self.missed.iter().copied().fold(f32::INFINITY, f32::min);
        let (mut sum, mut weights) = (0.0, 0.0);
        for (f, missed) in forecasts.iter().zip(&self.missed) {
            let over = if least > 0.0 { missed / least - 1.0 } else { missed - least };
            if over < 1.0 {
                let weight = (-RATE * over).exp();
                sum += weight * f;
                weights += weight;
            }
        }
        forecasts.iter().for_each(|f| self.issued.push(*f));
        self.issued.trim((self.lead + 1) * ALL);
        self.scratch = forecasts;
        sum / weights
    }

    /// Whether what was missed by is finite.
    pub(super) fn is_finite(&self) -> bool {
        self.missed.iter().all(|missed| missed.is_finite())
    }

    pub(super) fn bytes(&self) -> usize {
        self.issued.bytes() + 12 * ALL
    }
}
