//! The simulation of every arm, on forecasts as they would have been issued.

use std::sync::{Mutex, PoisonError};

use prewarm_forecaster::forecast::Spec;
use prewarm_forecaster::replay::{
    Arm, History, Outcome, Scenario, lead_span, replay, tighten_oracle, work,
};
use prewarm_forecaster::tuning::horizon;
use prewarm_forecaster::tuning::model::RefitSchedule;
use prewarm_forecaster::{Forecast, Series};

use super::summary::Point;
use crate::cli::parallel::{Job, cores, on_all_cores};
use crate::cli::progress::Progress;
use crate::cli::rolling::{Rolling, Walked};

/// What was simulated.
#[derive(Debug)]
pub(crate) struct Simulated {
    /// In the order of tables.
    pub(crate) outcomes: Vec<(Arm, Outcome)>,
    /// The plain HPA at other utilizations, by GPU-hours.
    pub(crate) frontier: Vec<Point>,
}

/// What a job has simulated.
enum Done {
    Arm(Arm, Box<Outcome>),
    Point(Point),
}

/// All arms, and the plain HPA at other utilizations, on all cores: first the forecasts, which take
/// longest; who is done with the last of them goes on with the arm that lives by them.
pub(crate) fn simulate(history: &Series, scenario: &Scenario) -> Simulated {
    let buckets = History::new(history).buckets(scenario.threshold);
    let leads = horizon::leads(buckets.step(), lead_span(scenario), horizon::EXACT, None);
    let spec =
        Spec { leads, quantiles: horizon::QUANTILES.to_vec(), calendar: scenario.calendar.clone() };
    let schedule = RefitSchedule::from_start(buckets.start(), buckets.step());
    let origins = (0..buckets.values().len()).collect();
    let rolling = Rolling::new(&buckets, spec, origins, cores()).refitted(schedule);
    let walked = Mutex::new(Vec::new());
    let walk = |n: usize| {
        let share = rolling.walk(n);
        let mut walked = walked.lock().unwrap_or_else(PoisonError::into_inner);
        walked.push(share);
        let all = if walked.len() == rolling.shares() {
            std::mem::take(&mut *walked)
        } else {
            return None;
        };
        drop(walked);
        Some(arm(history, &issued(&rolling, &all), scenario, Arm::Prewarm))
    };
    let reactive = |other: Arm| Some(arm(history, &[], scenario, other));
    let others = || Arm::ALL.into_iter().filter(|arm| *arm != Arm::Prewarm);
    // A bucket of a lead takes about as long as so many steps of an HPA.
    let total = work(history, &Arm::ALL)
        + UTILIZATIONS.len() * work(history, &[Arm::Hpa])
        + rolling.work() * FORECAST;
    let progress = Progress::of("replaying", total);
    let (walk, reactive) = (&walk, &reactive);
    let shares = (0..rolling.shares()).map(|n| Box::new(move || walk(n)) as Job<'_, Option<Done>>);
    let arms = others().map(|arm| Box::new(move || reactive(arm)) as Job<'_, Option<Done>>);
    let points = UTILIZATIONS.map(|utilization| {
        Box::new(move || Some(Done::Point(point(history, scenario, utilization)))) as Job<'_, _>
    });
    let done = on_all_cores(shares.chain(arms).chain(points).collect(), || {
        progress.reach(scenario.meter.done() + rolling.taken() * FORECAST);
    });
    let (mut outcomes, mut frontier) = (Vec::new(), Vec::new());
    for done in done.into_iter().flatten() {
        match done {
            Done::Arm(arm, outcome) => outcomes.push((arm, *outcome)),
            Done::Point(point) => frontier.push(point),
        }
    }
    outcomes.sort_by_key(|(arm, _)| Arm::ALL.iter().position(|known| known == arm));
    tighten_oracle(&mut outcomes, scenario.cost_ratio);
    frontier.sort_by(|a, b| a.gpu_hours.total_cmp(&b.gpu_hours));
    Simulated { outcomes, frontier }
}

/// A forecast after every bucket that has one, as production would have had it.
fn issued(rolling: &Rolling<'_>, shares: &[Walked]) -> Vec<Forecast> {
    rolling.join(shares, |_, forecast| forecast).0.into_iter().flatten().collect()
}

fn arm(history: &Series, forecasts: &[Forecast], scenario: &Scenario, arm: Arm) -> Done {
    Done::Arm(arm, Box::new(replay(history, forecasts, scenario, arm)))
}

fn point(history: &Series, scenario: &Scenario, utilization: f64) -> Point {
    let mut other = Scenario { timeline: false, ..scenario.clone() };
    other.hpa.utilization = utilization;
    let outcome = replay(history, &[], &other, Arm::Hpa);
    Point { utilization, gpu_hours: outcome.gpu_hours, missed_share: outcome.miss_share }
}

/// Of the plain HPA, for its frontier.
const UTILIZATIONS: [f64; 16] =
    [0.3, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0, 1.05, 1.1];

/// A bucket takes a lead as long as so many steps an HPA.
const FORECAST: usize = 1000;
