//! What policies would have missed and cost, in simulated time.
//!
//! A history is played against each [`Arm`] in a closed loop: demand → metric → KEDA → HPA → fleet
//! → queue → metric, in steps of 15 s, with the rules of Kubernetes' and KEDA's source. The Prewarm
//! arm is the planner and the workload model of production. Nothing is drawn that the seed does not
//! fix.

pub mod arm;
mod closed;
pub mod conclusion;
mod demand;
mod fleet;
mod history;
pub mod outcome;
pub mod scenario;
mod signal;

pub use arm::Arm;
pub use conclusion::{Advice, Conclusion};
pub use history::History;
pub use outcome::{DaySum, Moment, Outcome, Settings};
pub use scenario::Scenario;

use jiff::SignedDuration;

use arm::{knative::Knative, oracle, prewarm::PlannerArm, schedule, schedule::Habit, tuned};
use closed::{Ahead, Driver, PLANNED, Run, counted, run};
use demand::{Demand, steps};
use fleet::Totals;
use scenario::STEP;

use crate::forecast::Forecast;
use crate::series::Series;
use crate::tuning::horizon;
use crate::tuning::model::Forecasts;

/// Steps of a day.
const DAY: usize = 5760;

/// Beyond the cold start, what looks ahead looks so many steps further: poll, sync and ramp.
const BEYOND_LEAD: u32 = 4;

/// What `arm` would have done on `trace` (any step; NaN = gap). `forecasts`: as issued after
/// buckets of the trace's [`History`], by ascending origin; Prewarm alone reads them.
pub fn replay(trace: &Series, forecasts: &[Forecast], scene: &Scenario, arm: Arm) -> Outcome {
    one(trace, &Demand::new(trace, scene), forecasts, scene, arm)
}

/// What Prewarm would have done on `trace` with forecasts of its own, made as it goes.
pub fn replay_prewarm(trace: &Series, scene: &Scenario) -> Outcome {
    prewarm(trace, &Demand::new(trace, scene), Forecasts::Fitted, scene)
}

/// The same for several arms, in their order; the oracle unbeaten.
pub fn replay_all(
    trace: &Series,
    forecasts: &[Forecast],
    scene: &Scenario,
    arms: &[Arm],
) -> Vec<(Arm, Outcome)> {
    let demand = Demand::new(trace, scene);
    let mut outcomes: Vec<_> =
        arms.iter().map(|arm| (*arm, one(trace, &demand, forecasts, scene, *arm))).collect();
    tighten_oracle(&mut outcomes, scene.cost_ratio);
    outcomes
}

/// What the oracle's own plans do is not proven to be the least: where another arm comes off
/// cheaper, perfect foresight does the same.
pub fn tighten_oracle(outcomes: &mut [(Arm, Outcome)], cost_ratio: f64) {
    let cost = |outcome: &Outcome| outcome.total_cost(cost_ratio);
    let cheapest = outcomes
        .iter()
        .min_by(|(_, a), (_, b)| cost(a).total_cmp(&cost(b)))
        .map(|(_, best)| best.clone());
    if let (Some(best), Some((_, oracle))) =
        (cheapest, outcomes.iter_mut().find(|(arm, _)| *arm == Arm::Oracle))
    {
        *oracle = Outcome { settings: None, selection: None, selections: Vec::new(), ..best };
    }
}

/// What [`scenario::Meter::done`] comes to when these arms have been replayed.
pub fn work(trace: &Series, arms: &[Arm]) -> usize {
    let steps = trace.end().duration_since(trace.start()).as_secs() / STEP.as_secs();
    let runs = |arm: &Arm| match arm {
        Arm::Hpa | Arm::Cron | Arm::Aws | Arm::Knative => 1,
        Arm::ReactiveTuned | Arm::Yesterday => tuned::grid().len() + 1,
        Arm::Prewarm => PLANNED,
        Arm::Oracle => oracle::DEARER.len() * 2,
    };
    usize::try_from(steps).unwrap_or(0) * arms.iter().map(runs).sum::<usize>()
}

/// How far ahead the Prewarm arm may have to start replicas.
pub fn lead_span(scene: &Scenario) -> SignedDuration {
    horizon::span(&scene.policy(), &scene.timing())
}

fn one(
    trace: &Series,
    demand: &Demand,
    forecasts: &[Forecast],
    scene: &Scenario,
    arm: Arm,
) -> Outcome {
    let plain = tuned::plain(scene);
    let lead = steps(scene.cold_start.lead());
    let hpa = |ahead: Option<Ahead<'_>>| {
        let run = run(
            demand,
            scene,
            &mut Driver::Metrics(ahead, scene.activation_share()),
            |_| plain,
            scene.timeline,
        );
        Outcome { settings: Some(plain), ..outcome(demand, run) }
    };
    let tuned = |ahead: Option<Ahead<'_>>| {
        let chosen = tuned::settings(demand, scene, ahead);
        let of = |n: usize| chosen.get(n).copied().unwrap_or(plain);
        let run = run(
            demand,
            scene,
            &mut Driver::Metrics(ahead, scene.activation_share()),
            of,
            scene.timeline,
        );
        Outcome { settings: chosen.last().copied(), ..outcome(demand, run) }
    };
    let scheduled = |habit: &Habit| {
        let replicas = schedule::replicas(demand, scene.calendar.zone(), habit);
        hpa(Some(Ahead { replicas: &replicas, is_demand: false, reason: "schedule" }))
    };
    match arm {
        Arm::Hpa => hpa(None),
        Arm::ReactiveTuned => tuned(None),
        Arm::Yesterday => {
            let replicas = tuned::yesterday(demand, (lead + BEYOND_LEAD) as usize, DAY);
            tuned(Some(Ahead { replicas: &replicas, is_demand: true, reason: "yesterday" }))
        }
        Arm::Cron => {
            let early = (lead + CRON_EARLY) as usize;
            scheduled(&Habit {
                peak: true,
                back: 28,
                renewed: 7,
                early,
                utilization: plain.utilization,
            })
        }
        Arm::Aws => scheduled(&Habit {
            peak: false,
            back: 14,
            renewed: 1,
            early: AWS_EARLY,
            utilization: plain.utilization,
        }),
        Arm::Knative => {
            let mut driver = Driver::Knative(Knative::default());
            outcome(demand, run(demand, scene, &mut driver, |_| tuned::TRUSTING, scene.timeline))
        }
        Arm::Prewarm => prewarm(trace, demand, Forecasts::Issued(forecasts.to_vec()), scene),
        Arm::Oracle => perfect(demand, scene),
    }
}

fn prewarm(trace: &Series, demand: &Demand, forecasts: Forecasts, scene: &Scenario) -> Outcome {
    let arm = PlannerArm::new(scene, History::new(trace), forecasts);
    let mut driver = Driver::Planner(Box::new(arm));
    let settings = Settings { scale_down_window: scene.service.hpa_window, ..tuned::TRUSTING };
    let run = run(demand, scene, &mut driver, |_| settings, scene.timeline);
    let played = outcome(demand, run);
    let Driver::Planner(arm) = driver else { return played };
    Outcome {
        selection: arm.selection().map(|selection| selection.as_ref().clone()),
        selections: arm.selections().to_vec(),
        ..played
    }
}

/// A schedule's replicas are asked for a cold start and five minutes before the hour.
const CRON_EARLY: u32 = 20;

/// `SchedulingBufferTime` of an AWS predictive scaling policy: 300 s.
const AWS_EARLY: usize = 20;

fn perfect(demand: &Demand, scene: &Scenario) -> Outcome {
    let spreads = oracle::spreads(scene);
    let assumed = spreads
        .iter()
        .flat_map(|spread| oracle::DEARER.map(|dearer| (scene.cost_ratio * dearer, *spread)));
    let plans: Vec<_> =
        assumed.map(|(ratio, spread)| oracle::plan(demand, scene, ratio, spread)).collect();
    let played = plans.iter().map(|(plan, starts)| {
        let run =
            run(demand, scene, &mut Driver::Dictated(plan), |_| tuned::TRUSTING, scene.timeline);
        Outcome { starts: *starts, ..outcome(demand, run) }
    });
    let cost = |outcome: &Outcome| outcome.total_cost(scene.cost_ratio);
    played.min_by(|a, b| cost(a).total_cmp(&cost(b))).unwrap_or_default()
}

fn outcome(demand: &Demand, run: Run) -> Outcome {
    let hours = STEP.as_secs_f64() / 3600.0;
    let day = |(segment, tally): (&demand::Segment, &Totals)| DaySum {
        date: segment.date,
        demand_replica_hours: tally.demand * hours,
        gpu_hours: tally.replicas * hours,
        missed_replica_hours: tally.missed * hours,
        starts: tally.starts,
    };
    let days: Vec<DaySum> = counted(demand, &run.tallies).map(day).collect();
    let tallies = || counted(demand, &run.tallies).map(|(_, tally)| tally);
    let of = |figure: fn(&Totals) -> f64| tallies().map(figure).sum::<f64>();
    let (served, missed) = (of(|tally| tally.demand), of(|tally| tally.missed));
    let share = |part: f64| if served > 0.0 { part / served } else { 0.0 };
    Outcome {
        gpu_hours: of(|tally| tally.replicas) * hours,
        demand_replica_hours: served * hours,
        missed_replica_hours: missed * hours,
        miss_share: share(missed),
        queue_seconds: share(of(|tally| tally.waited)) * STEP.as_secs_f64(),
        starts: tallies().map(|tally| tally.starts).sum(),
        minutes_under_capacity: of(|tally| f64::from(tally.under)) * STEP.as_secs_f64() / 60.0,
        days,
        timeline: run.timeline,
        settings: None,
        selection: None,
        selections: Vec::new(),
    }
}

#[cfg(test)]
mod tests;
