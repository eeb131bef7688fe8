//! Whatever the history was: from the documented minimum on there is a forecast, it begins where
//! the newest bucket ends, it is finite, and a missing one has its true reason. The state checks
//! itself at every push of a debug build.

use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::*;

const QUANTILES: [f64; 2] = [0.5, 0.95];

/// A step, its buckets of a day, and the buckets that are looked at (see [`Ensemble`]).
#[derive(Debug, Clone, Copy)]
struct Grain {
    step_s: i64,
    per_day: usize,
    window: usize,
}

const FIVE_MINUTES: Grain = Grain { step_s: 300, per_day: 288, window: 21 * 288 };
const HALF_HOURS: Grain = Grain { step_s: 1800, per_day: 48, window: 90 * 48 };
const HOURS: Grain = Grain { step_s: 3600, per_day: 24, window: 180 * 24 };
const SIX_HOURS: Grain = Grain { step_s: 21_600, per_day: 4, window: 180 * 4 };
const DAYS: Grain = Grain { step_s: 86_400, per_day: 1, window: 180 };

/// An ensemble beside the history that it was given.
struct Watched {
    grain: Grain,
    start: Timestamp,
    leads: Vec<usize>,
    ensemble: Ensemble,
    values: Vec<f64>,
    /// Buckets that were observed and lie in the reach of the day before: none of them can be
    /// doubted.
    sure: Vec<bool>,
    /// No forecast is asked for before this bucket.
    silent_until: usize,
}

impl Watched {
    fn new(grain: Grain, start: Timestamp, leads: &[usize]) -> Self {
        let step = SignedDuration::from_secs(grain.step_s);
        let lead = |steps: &usize| SignedDuration::from_secs(grain.step_s * *steps as i64);
        let spec = Spec {
            leads: leads.iter().map(lead).collect(),
            quantiles: QUANTILES.to_vec(),
            calendar: Calendar::empty(TimeZone::UTC),
        };
        let ensemble = Ensemble::new(start, step, spec);
        let (leads, values, sure) = (leads.to_vec(), Vec::new(), Vec::new());
        Self { grain, start, leads, ensemble, values, sure, silent_until: 0 }
    }

    /// A process that starts with the last `kept` buckets, as a service does: few of them are
    /// judged.
    fn restarted(&self, kept: usize) -> Self {
        let first = self.values.len().saturating_sub(kept);
        let start = self.start + SignedDuration::from_secs(self.grain.step_s * first as i64);
        let mut new = Self::new(self.grain, start, &self.leads);
        let rest = self.values.len() - first;
        new.silent_until = rest.saturating_sub(1);
        let (from, until) = (rest / 4, new.silent_until);
        new.ensemble = new.ensemble.scoring_from(from).scoring_every(5, until);
        self.values[first..].iter().for_each(|value| new.push(*value));
        new
    }

    fn push(&mut self, value: f64) {
        let t = self.values.len();
        let day = t.saturating_sub(self.grain.per_day)..t;
        let most = day.filter(|i| self.sure[*i]).map(|i| self.values[i]).fold(0.0, f64::max);
        self.sure.push(value >= 0.0 && (t <= self.grain.per_day || value <= 9.0 * most));
        self.values.push(value);
        self.ensemble.push(value);
        if t >= self.silent_until {
            self.check();
        }
    }

    /// Whether the documented minimum is there at a lead.
    fn suffices(&self, lead: usize) -> bool {
        let end = self.values.len();
        let first = end.saturating_sub(self.grain.window);
        let origins = (first..end.saturating_sub(lead).max(first)).rev();
        let pairs = origins.filter(|i| self.sure[*i] && self.sure[*i + lead]).take(20).count();
        let recent = end.saturating_sub(self.grain.per_day + 1)..end;
        pairs == 20 && self.values[recent].iter().any(|value| value.is_finite())
    }

    fn check(&self) {
        let end = self.values.len();
        let forecast = self.ensemble.forecast();
        if let Ok(forecast) = &forecast {
            let origin = self.start + SignedDuration::from_secs(self.grain.step_s * end as i64);
            assert_eq!(forecast.origin(), origin, "after {end} buckets");
        }
        let asked = &self.ensemble.spec.leads;
        let missing: Vec<_> = asked.iter().map(|lead| self.ensemble.missing(*lead)).collect();
        for (i, lead) in self.leads.iter().enumerate() {
            let row = forecast.as_ref().ok().and_then(|forecast| forecast.values().get(lead - 1));
            let known =
                row.is_some_and(|row| row.iter().all(|value| value.is_finite() && *value >= 0.0));
            // A lead without one of its own is read on the way to the next one that has one.
            let expected = missing[i..].contains(&None);
            assert_eq!(known, expected, "after {end} buckets, {lead} ahead: {missing:?} {row:?}");
            assert!(
                known || !self.suffices(*lead),
                "after {end} buckets, {lead} ahead: {missing:?}"
            );
        }
        if let Err(none) = forecast {
            assert_eq!(Some(none), missing[0]);
        }
    }
}

/// Evenly spread over (0, 1), the same for the same number.
fn chance(n: usize) -> f64 {
    super::tests::chance(n)
}

#[test]
fn demand_that_doubles_once_is_forecast_for_months() {
    // At day 57 the unit is found to be wrong, when the first rows are forgotten already.
    let mut watched = Watched::new(FIVE_MINUTES, Timestamp::UNIX_EPOCH, &[1]);
    for i in 0..150 * 288 {
        let turn = i as f64 / 288.0 * std::f64::consts::TAU;
        let level = if i < 30 * 288 { 10.0 } else { 20.0 };
        watched.push(level * (1.2 - turn.cos()) + chance(i));
    }
    assert!(watched.ensemble.raw.first() > 0 && watched.ensemble.schedule.first > 0);
}

#[test]
fn two_years_of_six_hours_are_forecast_however_often_levels_change() {
    let mut watched = Watched::new(SIX_HOURS, Timestamp::UNIX_EPOCH, &[1, 4]);
    for i in 0..2 * 365 * 4 {
        let level = 10f64.powi((chance(i / 400) * 5.0) as i32);
        watched.push(level * (1.0 + chance(i)));
    }
    assert!(watched.ensemble.schedule.first > 0);
}

#[test]
fn an_hour_then_a_night_without_anything_then_weeks() {
    // The first day of a workload that sleeps at night; public reports tell of scalers that stay
    // blind after it.
    for (session, gap) in [(12, 24), (1, 130), (19, 19), (20, 40), (21, 280), (60, 250), (12, 600)]
    {
        let mut watched = Watched::new(FIVE_MINUTES, Timestamp::UNIX_EPOCH, &[1, 3, 12]);
        let day = [5.0, f64::NAN, 5.0];
        for (value, buckets) in day.into_iter().zip([session, gap, 3 * 288]) {
            (0..buckets).for_each(|_| watched.push(value));
        }
        let forecast = watched.ensemble.forecast().unwrap();
        let off =
            forecast.values().iter().flatten().map(|value| (value - 5.0).abs()).fold(0.0, f64::max);
        assert!(off < 1e-3, "{session} buckets, {gap} without: off by {off}");
    }
}

#[test]
fn the_second_day_begins_without_a_pause() {
    // When the season is known of the target, but of no moment before.
    for (grain, leads) in [(FIVE_MINUTES, [1, 12, 60]), (HALF_HOURS, [1, 2, 60])] {
        let mut watched = Watched::new(grain, Timestamp::UNIX_EPOCH, &leads);
        (0..4 * grain.per_day.min(100)).for_each(|i| watched.push(1.0 + chance(i)));
    }
}

#[test]
fn a_level_seen_once_in_a_while_never_makes_smoothers_run_away() {
    for apart in [2, 3, 6, 7] {
        let mut watched = Watched::new(HOURS, Timestamp::UNIX_EPOCH, &[apart, 3 * apart]);
        for i in 0..1200 {
            watched.push(if i % apart == 0 { 20.0 + chance(i) } else { f64::NAN });
        }
        let forecast = watched.ensemble.forecast().unwrap();
        let median = forecast.values()[apart - 1][0];
        assert!((median - 20.5).abs() < 0.6, "every {apart}: {median}");
        // When demand shifts, the smoothers have missed alike, and all of them count.
        (0..40).for_each(|i| watched.push(2000.0 * (1.0 + 0.1 * chance(i))));
        let smoothed = watched.ensemble.state.newest_smoothed();
        assert!(smoothed.iter().all(|z| (0.0..50.0).contains(z)), "every {apart}: {smoothed:?}");
    }
}

#[test]
fn bursts_of_one_bucket_are_learned_from_the_second_on() {
    // Two days asleep, then a job of five minutes each hour.
    let mut ensemble = Watched::new(FIVE_MINUTES, Timestamp::UNIX_EPOCH, &[12]);
    let burst = |i: usize| i >= 2 * 288 && i.is_multiple_of(12);
    (0..5 * 288 + 1).for_each(|i| ensemble.push(if burst(i) { 40.0 + chance(i) } else { 0.0 }));
    let next = ensemble.ensemble.forecast().unwrap().values()[11].clone();
    assert!(next[1] > 30.0, "an hour after one comes another: {next:?}");
}

#[test]
fn a_missing_forecast_has_its_true_reason() {
    let minutes = SignedDuration::from_mins;
    let of = |values: &[(f64, usize)]| {
        let mut watched = Watched::new(FIVE_MINUTES, Timestamp::UNIX_EPOCH, &[1, 12]);
        values.iter().for_each(|(value, times)| (0..*times).for_each(|_| watched.push(*value)));
        watched.ensemble
    };
    let nan = f64::NAN;
    let young = of(&[(1.0, 31)]);
    assert!(young.forecast().is_ok());
    assert_eq!(young.missing(minutes(60)), Some(NoForecast::TooYoung { observed: 31, needed: 32 }));
    assert_eq!(of(&[(1.0, 32)]).missing(minutes(60)), None);
    let gap = minutes(5 * 289);
    assert_eq!(of(&[(1.0, 600), (nan, 289)]).forecast(), Err(NoForecast::Stale { gap }));
    let mut cut_off = of(&[(1.0, 600), (nan, 100)]);
    (0..189).for_each(|_| cut_off.push_saturated(1.0));
    assert_eq!(cut_off.forecast(), Err(NoForecast::CutOff { gap }));
    // One bucket after three weeks without any.
    let sparse = NoForecast::TooSparse { pairs: 0, needed: 20, lead: minutes(5) };
    assert_eq!(of(&[(1.0, 600), (nan, 21 * 288), (1.0, 1)]).forecast(), Err(sparse));
    let mut silent = of(&[]).scoring_every(3, 600);
    (0..500).for_each(|_| silent.push(1.0));
    assert_eq!(silent.forecast(), Err(NoForecast::NotIssued));
    let lead = minutes(5 * 3001);
    assert_eq!(of(&[(1.0, 600)]).missing(lead), Some(NoForecast::TooFar { lead }));
}

/// Some buckets of one kind.
#[derive(Debug, Clone, Copy)]
enum Stretch {
    /// A level with noise.
    Level(f64),
    /// Days with a peak.
    Wave(f64),
    /// Bursts of one bucket, some buckets apart.
    Bursts(f64, usize),
    /// A level, observed in one bucket of some.
    Seldom(f64, usize),
    Zero,
    Gap,
}

impl Stretch {
    fn value(self, i: usize, per_day: usize) -> f64 {
        let turn = i as f64 / per_day as f64 * std::f64::consts::TAU;
        match self {
            Self::Level(level) => level * (1.0 + 0.2 * chance(i)),
            Self::Wave(level) => level * (1.1 - turn.cos()),
            Self::Bursts(level, apart) => {
                if i.is_multiple_of(apart) {
                    level
                } else {
                    0.0
                }
            }
            Self::Seldom(level, apart) => {
                if i.is_multiple_of(apart) {
                    level
                } else {
                    f64::NAN
                }
            }
            Self::Zero => 0.0,
            Self::Gap => f64::NAN,
        }
    }
}

fn stretch() -> impl Strategy<Value = Stretch> {
    let level = (-12i32..12).prop_map(|exponent| 10f64.powi(exponent));
    prop_oneof![
        3 => level.clone().prop_map(Stretch::Level),
        2 => level.clone().prop_map(Stretch::Wave),
        1 => (level.clone(), 1usize..40).prop_map(|(level, apart)| Stretch::Bursts(level, apart)),
        1 => (level, 1usize..8).prop_map(|(level, apart)| Stretch::Seldom(level, apart)),
        1 => Just(Stretch::Zero),
        3 => Just(Stretch::Gap),
    ]
}

/// A grain, and how many of its buckets are cheap to look at.
fn grain() -> impl Strategy<Value = (Grain, usize)> {
    let grains =
        [(FIVE_MINUTES, 700), (HALF_HOURS, 700), (HOURS, 1200), (SIX_HOURS, 2500), (DAYS, 2500)];
    prop::sample::select(grains.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn no_history_leaves_a_workload_without_forecasts_or_with_what_is_no_number(
        (grain, most) in grain(),
        stretches in prop::collection::vec((stretch(), 1usize..400), 1..12),
        day in 0i64..20_000,
        restart in (0usize..2500, 1usize..2500),
    ) {
        let start = Timestamp::from_second(day * 86_400 + 41 * grain.step_s).unwrap();
        let mut watched = Watched::new(grain, start, &[1, 3, 13]);
        let mut taken = 0;
        for (stretch, buckets) in stretches {
            for _ in 0..buckets.min(most - taken) {
                watched.push(stretch.value(taken, grain.per_day));
                taken += 1;
                if taken == restart.0 {
                    watched = watched.restarted(restart.1);
                }
            }
        }
    }
}
