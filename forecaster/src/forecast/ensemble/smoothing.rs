//! A bank of a hundred tiny exponential smoothers (Holt with damped trend on several baselines; Holt-Winters with daily and
//! weekly seasons), averaged by their recent errors. Hyndman et al., "Forecasting with Exponential Smoothing", 2008.

use super::track::Track;

/// Holt smoothers: four baselines × four level weights × four trends.
const HOLT: usize = 64;
/// Holt-Winters smoothers: two sets of seasons × two seasonal weights × three level weights × three trends.
const WINTERS: usize = 36;
/// All of them.
pub(super) const ALL: usize = HOLT + WINTERS;

/// Weight of trend, damping.
const HOLT_TRENDS: [(f64, f64); 4] = [(0.0, 1.0), (0.1, 0.95), (0.4, 0.9), (0.7, 0.98)];
const HOLT_ALPHAS: [f64; 4] = [0.1, 0.3, 0.6, 0.95];
const WINTERS_TRENDS: [(f64, f64); 3] = [(0.0, 1.0), (0.1, 0.95), (0.6, 0.95)];
const WINTERS_ALPHAS: [f64; 3] = [0.1, 0.4, 0.9];
const WINTERS_GAMMAS: [f64; 2] = [0.1, 0.35];

/// Sharpness of the weights; errors above the cap count as the cap; half-life of errors in days.
const SHARPNESS: f64 = 15.0;
const ERROR_CAP: f64 = 3.0;
const HALF_LIFE_DAYS: f64 = 2.0;

#[derive(Debug, Clone, Copy, Default)]
struct State {
    level: f64,
    trend: f64,
}

/// The bank's state after the last bucket.
#[derive(Debug, Clone)]
pub(super) struct Bank {
    states: Vec<State>,
    /// Seasons of each Holt-Winters smoother: a day's, and for half of them a week's.
    daily: Vec<Vec<f32>>,
    weekly: Vec<Vec<f32>>,
    day_visits: Vec<u16>,
    week_visits: Vec<u16>,
    ticks: usize,
}

/// How good each smoother was at one lead.
#[derive(Debug, Clone)]
pub(super) struct Skill {
    lead: usize,
    errors: Vec<f64>,
    /// Forecasts of the last `lead` buckets, each with all smoothers, for the buckets `lead` later.
    issued: Vec<f32>,
    decay: f64,
}

impl Bank {
    pub(super) fn new(day: usize) -> Self {
        Self {
            states: vec![State::default(); ALL],
            daily: vec![vec![0.0; day]; WINTERS],
            weekly: vec![vec![0.0; 7 * day]; WINTERS / 2],
            day_visits: vec![0; day],
            week_visits: vec![0; 7 * day],
            ticks: 0,
        }
    }

    /// Takes in the newest bucket of the track; a gap lets trends run on.
    pub(super) fn update(&mut self, track: &Track) {
        let t = track.len() - 1;
        let z = f64::from(track.z[t]);
        let least = if self.ticks < 20 { 1.0 / (self.ticks + 1) as f64 } else { 0.0 };
        let learn = track.seen[t];
        let baselines = baselines(track, t);
        for (i, state) in self.states[..HOLT].iter_mut().enumerate() {
            let (alpha, (beta, damping)) = (HOLT_ALPHAS[i / 4 % 4].max(least), HOLT_TRENDS[i % 4]);
            state.step(z - baselines[i / 16], alpha, beta, damping, learn);
        }
        let (d, w) = (track.day_phase(t), track.week_phase(t));
        for i in 0..WINTERS {
            let weekly = i >= WINTERS / 2;
            let (gamma, alpha) = (WINTERS_GAMMAS[i / 9 % 2], WINTERS_ALPHAS[i / 3 % 3].max(least));
            let (beta, damping) = WINTERS_TRENDS[i % 3];
            let season_d = f64::from(self.daily[i][d]);
            let season_w = if weekly { f64::from(self.weekly[i - WINTERS / 2][w]) } else { 0.0 };
            let state = &mut self.states[HOLT + i];
            state.step(z - season_d - season_w, alpha, beta, damping, learn);
            if !learn {
                continue;
            }
            let visits = f64::from(self.day_visits[d]);
            let gamma = if visits == 0.0 { 0.9 } else { gamma.max(1.0 / (visits + 1.5)) };
            let season_d = season_d + gamma * (z - state.level - season_w - season_d);
            self.daily[i][d] = season_d as f32;
            if weekly {
                let gamma = 0.15f64.max(1.0 / (f64::from(self.week_visits[w]) + 2.0));
                self.weekly[i - WINTERS / 2][w] = (season_w + gamma * (z - state.level - season_d - season_w)) as f32;
            }
        }
        if learn {
            self.day_visits[d] = self.day_visits[d].saturating_add(1);
            self.week_visits[w] = self.week_visits[w].saturating_add(1);
        }
        self.ticks += 1;
    }

    /// What each smoother says of the bucket `lead` after the newest one.
    fn forecast(&self, track: &Track, lead: usize, out: &mut [f32]) {
        let g = track.len() - 1 + lead;
        let baselines = baselines(track, g);
        let run = |state: &State, damping: f64| {
            let h = lead as f64;
            let sum = if damping == 1.0 { h } else { damping * (1.0 - damping.powf(h)) / (1.0 - damping) };
            state.level + state.trend * sum
        };
        let (d, w) = (track.day_phase(g), track.week_phase(g));
        for (i, (state, out)) in self.states.iter().zip(out).enumerate() {
            *out = if i < HOLT {
                (run(state, HOLT_TRENDS[i % 4].1) + baselines[i / 16]) as f32
            } else {
                let i = i - HOLT;
                let weekly = i.checked_sub(WINTERS / 2).map_or(0.0, |i| self.weekly[i][w]);
                run(state, WINTERS_TRENDS[i % 3].1) as f32 + self.daily[i][d] + weekly
            };
        }
    }
}

impl State {
    fn step(&mut self, x: f64, alpha: f64, beta: f64, damping: f64, learn: bool) {
        let ahead = self.level + damping * self.trend;
        let error = if learn { x - ahead } else { 0.0 };
        self.level = ahead + alpha * error;
        self.trend = damping * self.trend + alpha * beta * error;
    }
}

impl Skill {
    pub(super) fn new(day: usize, lead: usize) -> Self {
        let decay = 0.5f64.powf(1.0 / (HALF_LIFE_DAYS * day as f64));
        Self { lead, errors: vec![0.0; ALL], issued: vec![f32::NAN; ALL * lead], decay }
    }

    /// After the newest bucket: what was said of it is judged, and what is said now (the weighted mean) is returned.
    pub(super) fn update(&mut self, bank: &Bank, track: &Track) -> f64 {
        let t = track.len() - 1;
        let place = t % self.lead * ALL;
        let issued = &mut self.issued[place..place + ALL];
        if track.seen[t] {
            let z = f64::from(track.z[t]);
            for (error, said) in self.errors.iter_mut().zip(issued.iter()).filter(|(_, said)| !said.is_nan()) {
                *error = self.decay * *error + (f64::from(*said) - z).abs().min(ERROR_CAP);
            }
        }
        bank.forecast(track, self.lead, issued);
        let best = self.errors.iter().copied().fold(f64::INFINITY, f64::min).max(1e-9);
        let (mut sum, mut all) = (0.0, 0.0);
        for (error, said) in self.errors.iter().zip(issued.iter()) {
            let weight = (-SHARPNESS * (error / best - 1.0)).exp();
            sum += weight * f64::from(*said);
            all += weight;
        }
        sum / all
    }
}

/// 0, both profiles' mean, either.
fn baselines(track: &Track, i: usize) -> [f64; 4] {
    let (pd, pw) = (f64::from(track.pd[i]), f64::from(track.pw[i]));
    if pd.is_nan() { [0.0; 4] } else { [0.0, (pd + pw) / 2.0, pd, pw] }
}
