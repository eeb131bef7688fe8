//! What a replay found: the JSON of `--json`, and what table and report are made of.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::replay::{self, Advice, DaySum, Outcome};
use serde::{Serialize, Serializer};

use crate::cli::history::written;

/// Everything that was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Summary {
    /// What the history is called.
    pub(crate) title: String,
    /// The question that was asked of Prometheus, where the history came from there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) query: Option<String>,
    /// First instant that counts.
    pub(crate) from: Timestamp,
    /// First instant that does not count any more.
    pub(crate) to: Timestamp,
    /// Zone of days and hours.
    pub(crate) timezone: String,
    pub(crate) assumptions: Assumptions,
    /// In the order of the table; `hpa`, `prewarm` and `oracle` are always among them.
    pub(crate) arms: Vec<Arm>,
    /// The plain HPA at other utilizations, by GPU-hours.
    pub(crate) frontier: Vec<Point>,
    /// The plain HPA with as many GPU-hours as Prewarm; `None` where no utilization takes so many
    /// or so few.
    pub(crate) equal_cost: Option<EqualCost>,
    pub(crate) conclusion: Verdict,
    /// The reactive settings that would have been best: useful with or without a forecast.
    pub(crate) tuned: Tuned,
}

/// The best settings that only react.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Tuned {
    /// Share of the threshold that a replica is loaded with, 0 … .
    #[serde(rename = "utilisation")]
    pub(crate) utilization: f64,
    /// The HPA's stabilization window on the way down.
    pub(crate) scale_down_seconds: i64,
    /// The query counts a jump to twice the minute's mean at once, and for a minute.
    pub(crate) panics: bool,
}

/// What the figures stand on.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Assumptions {
    /// Demand that one replica carries, in the demand's own unit.
    pub(crate) threshold: f64,
    /// From asked for to Ready, at most so long for nine of ten.
    pub(crate) cold_start_seconds: f64,
    /// What is drawn, ascending.
    pub(crate) cold_starts: Vec<StartUp>,
    /// Replicas that always run.
    pub(crate) min_replicas: u32,
    /// Replicas that there are at most.
    pub(crate) max_replicas: u32,
    /// One missed replica-hour costs as much as so many idle GPU-hours.
    pub(crate) cost_ratio: f64,
    /// Requests that wait longer are missed.
    pub(crate) wait_limit_seconds: f64,
    /// Metrics show what waits.
    pub(crate) shows_queue: bool,
    /// Money for a GPU-hour.
    pub(crate) gpu_price: f64,
}

/// How long a start-up takes, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StartUp {
    pub(crate) seconds: f64,
    /// 0 … 1; all come to 1.
    pub(crate) share: f64,
}

/// One way to scale, and what it would have done.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Arm {
    /// Which; in JSON its name, as in `--timeline`.
    #[serde(serialize_with = "arm_name")]
    pub(crate) name: replay::Arm,
    /// GPU-hours + cost ratio × missed replica-hours.
    pub(crate) total_cost: f64,
    /// From scheduled to gone.
    pub(crate) gpu_hours: f64,
    pub(crate) missed_replica_hours: f64,
    /// Share of the demand that waits longer than the limit, 0 … 1.
    pub(crate) missed_share: f64,
    /// Mean wait of all demand.
    pub(crate) mean_wait_seconds: f64,
    /// Minutes with less capacity Ready than demand.
    pub(crate) minutes_under_capacity: f64,
    /// Replicas started.
    pub(crate) starts: u64,
    /// Total cost as a multiple of the oracle's.
    pub(crate) cost_to_oracle: f64,
    /// Total cost as a multiple of the plain HPA's.
    pub(crate) cost_to_hpa: f64,
    /// GPU-hours at the price.
    pub(crate) money: f64,
    /// The same by local day.
    pub(crate) days: Vec<Day>,
}

/// One local day of an arm.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Day {
    pub(crate) date: Date,
    pub(crate) total_cost: f64,
    pub(crate) gpu_hours: f64,
    pub(crate) missed_replica_hours: f64,
}

/// The plain HPA at one utilization.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Point {
    /// Share of the threshold that a replica is loaded with.
    #[serde(rename = "utilisation")]
    pub(crate) utilization: f64,
    pub(crate) gpu_hours: f64,
    pub(crate) missed_share: f64,
}

/// What the plain HPA misses at Prewarm's GPU-hours, between two points of the frontier.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EqualCost {
    #[serde(rename = "utilisation")]
    pub(crate) utilization: f64,
    pub(crate) gpu_hours: f64,
    pub(crate) missed_share: f64,
}

impl EqualCost {
    /// Read off the frontier (ascending GPU-hours) at `gpu_hours`.
    pub(crate) fn at(frontier: &[Point], gpu_hours: f64) -> Option<Self> {
        let around = frontier.windows(2).find_map(|pair| match pair {
            [low, high] if low.gpu_hours <= gpu_hours && gpu_hours <= high.gpu_hours => {
                Some((*low, *high))
            }
            _ => None,
        });
        let (low, high) = around?;
        let span = high.gpu_hours - low.gpu_hours;
        let part = if span > 0.0 { (gpu_hours - low.gpu_hours) / span } else { 0.0 };
        let between = |low: f64, high: f64| low + part * (high - low);
        Some(Self {
            utilization: between(low.utilization, high.utilization),
            gpu_hours,
            missed_share: between(low.missed_share, high.missed_share),
        })
    }
}

/// In plain words.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Verdict {
    /// What to do; in JSON use-prewarm, tune-hpa or keep-hpa.
    #[serde(serialize_with = "advice_name")]
    pub(crate) advice: Advice,
    /// One sentence.
    pub(crate) headline: String,
    /// What stands behind it.
    pub(crate) sentences: Vec<String>,
}

impl Assumptions {
    /// How long start-ups take, in words.
    pub(crate) fn cold_start(&self) -> String {
        let words = |seconds: f64| written(SignedDuration::from_secs(seconds.round() as i64));
        match self.cold_starts.as_slice() {
            [first, .., last] => format!("{} to {}", words(first.seconds), words(last.seconds)),
            _ => words(self.cold_start_seconds),
        }
    }
}

impl Summary {
    /// Figures of all arms (the plain HPA and the oracle among them).
    pub(crate) fn arms(outcomes: &[(replay::Arm, Outcome)], assumed: &Assumptions) -> Vec<Arm> {
        let cost = |of: replay::Arm| {
            let outcome = outcomes.iter().find(|(arm, _)| *arm == of).map(|(_, outcome)| outcome);
            outcome.map_or(f64::NAN, |outcome| outcome.total_cost(assumed.cost_ratio))
        };
        let (hpa, oracle) = (cost(replay::Arm::Hpa), cost(replay::Arm::Oracle));
        let day = |day: &DaySum| Day {
            date: day.date,
            total_cost: day.total_cost(assumed.cost_ratio),
            gpu_hours: day.gpu_hours,
            missed_replica_hours: day.missed_replica_hours,
        };
        let figures = |(arm, outcome): &(replay::Arm, Outcome)| {
            let total_cost = outcome.total_cost(assumed.cost_ratio);
            Arm {
                name: *arm,
                total_cost,
                gpu_hours: outcome.gpu_hours,
                missed_replica_hours: outcome.missed_replica_hours,
                missed_share: outcome.miss_share,
                mean_wait_seconds: outcome.queue_seconds,
                minutes_under_capacity: outcome.minutes_under_capacity,
                starts: outcome.starts,
                cost_to_oracle: ratio(total_cost, oracle),
                cost_to_hpa: ratio(total_cost, hpa),
                money: outcome.gpu_hours * assumed.gpu_price,
                days: outcome.days.iter().map(day).collect(),
            }
        };
        outcomes.iter().map(figures).collect()
    }

    /// What this way to scale would have done.
    pub(crate) fn arm(&self, of: replay::Arm) -> Option<&Arm> {
        self.arms.iter().find(|arm| arm.name == of)
    }
}

/// Of two costs; where nothing costs anything they are the same.
fn ratio(cost: f64, of: f64) -> f64 {
    if of > 0.0 { cost / of } else { 1.0 }
}

/// What an arm is called in a sentence.
pub(crate) fn label(arm: replay::Arm) -> &'static str {
    match arm {
        replay::Arm::Hpa => "plain HPA",
        replay::Arm::ReactiveTuned => "tuned HPA",
        replay::Arm::Yesterday => "same time yesterday",
        replay::Arm::Cron => "cron schedule",
        replay::Arm::Knative => "Knative",
        replay::Arm::Aws => "AWS predictive",
        replay::Arm::Prewarm => "Prewarm",
        replay::Arm::Oracle => "perfect foresight",
    }
}

/// The class of an arm's color: the few that matter have one of their own.
pub(crate) fn color(arm: replay::Arm) -> &'static str {
    match arm {
        replay::Arm::Hpa => "hpa",
        replay::Arm::ReactiveTuned => "reactive",
        replay::Arm::Prewarm => "prewarm",
        replay::Arm::Oracle => "oracle",
        replay::Arm::Yesterday | replay::Arm::Cron | replay::Arm::Knative | replay::Arm::Aws => {
            "other"
        }
    }
}

fn arm_name<S: Serializer>(arm: &replay::Arm, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(arm.name())
}

fn advice_name<S: Serializer>(advice: &Advice, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(advice.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_cost_is_read_between_two_points() {
        let point =
            |utilization, gpu_hours, missed_share| Point { utilization, gpu_hours, missed_share };
        let frontier = [point(0.9, 100.0, 0.04), point(0.7, 140.0, 0.02), point(0.5, 200.0, 0.01)];
        let at = |gpu_hours| {
            EqualCost::at(&frontier, gpu_hours).map(|equal| (equal.utilization, equal.missed_share))
        };
        let (utilization, missed) = at(110.0).unwrap();
        assert!((utilization - 0.85).abs() < 1e-9 && (missed - 0.035).abs() < 1e-9);
        assert_eq!(at(200.0), Some((0.5, 0.01)));
        assert_eq!((at(99.0), at(201.0)), (None, None));
    }
}
