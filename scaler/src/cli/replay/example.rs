//! A result written down by hand, for the tests of what is made of it.

use jiff::civil::date;
use prewarm_forecaster::replay::{self, Advice};

use super::summary::{Arm, Assumptions, Day, EqualCost, Point, StartUp, Summary, Tuned, Verdict};

fn arm(name: replay::Arm, gpu_hours: f64, missed_share: f64) -> Arm {
    let missed = missed_share * 2000.0;
    let day = |i: i64| {
        let shape = 1.0 + 0.2 * ((i * 5 % 7) as f64 - 3.0) * missed_share * 10.0;
        let date = date(2026, 11, 2).checked_add(jiff::Span::new().days(i)).unwrap();
        let (gpu_hours, missed) = (gpu_hours / 21.0, missed / 21.0 * shape);
        Day { date, total_cost: gpu_hours + 30.0 * missed, gpu_hours, missed_replica_hours: missed }
    };
    Arm {
        name,
        total_cost: gpu_hours + 30.0 * missed,
        gpu_hours,
        missed_replica_hours: missed,
        missed_share,
        mean_wait_seconds: 0.4,
        minutes_under_capacity: missed_share * 30_000.0,
        starts: 412,
        cost_to_oracle: (gpu_hours + 30.0 * missed) / 2010.0,
        cost_to_hpa: (gpu_hours + 30.0 * missed) / 3930.0,
        money: gpu_hours * 2.5,
        days: (0..21).map(day).collect(),
    }
}

/// Three weeks, eight arms.
pub(crate) fn summary() -> Summary {
    let arms = [
        (replay::Arm::Hpa, 2430.0, 0.025),
        (replay::Arm::ReactiveTuned, 2800.0, 0.008),
        (replay::Arm::Yesterday, 2750.0, 0.009),
        (replay::Arm::Cron, 3120.0, 0.004),
        (replay::Arm::Knative, 2620.0, 0.02),
        (replay::Arm::Aws, 2900.0, 0.018),
        (replay::Arm::Prewarm, 2510.0, 0.003),
        (replay::Arm::Oracle, 2010.0, 0.0),
    ];
    Summary {
        title: "chat <production>".to_owned(),
        query: Some("sum(rate(requests_total{model=\"a\"}[1m]))\n+ 1 # one".to_owned()),
        from: "2026-11-01T23:00:00Z".parse().unwrap(),
        to: "2026-11-22T23:00:00Z".parse().unwrap(),
        timezone: "Europe/Berlin".to_owned(),
        assumptions: Assumptions {
            threshold: 4.0,
            cold_start_seconds: 300.0,
            cold_starts: vec![StartUp { seconds: 300.0, share: 1.0 }],
            min_replicas: 1,
            max_replicas: 24,
            cost_ratio: 30.0,
            wait_limit_seconds: 15.0,
            shows_queue: true,
            gpu_price: 2.5,
        },
        arms: arms.map(|(name, hours, share)| arm(name, hours, share)).into(),
        frontier: [(0.9, 2100.0, 0.06), (0.75, 2430.0, 0.025), (0.6, 2900.0, 0.012), (0.5, 3400.0, 0.006)]
            .map(|(utilization, gpu_hours, missed_share)| Point { utilization, gpu_hours, missed_share })
            .into(),
        equal_cost: Some(EqualCost { utilization: 0.72, gpu_hours: 2510.0, missed_share: 0.023 }),
        conclusion: Verdict {
            headline: "Prewarm would have cut waiting requests from 2.5 % to 0.3 %, for 3 % more GPU-hours than the plain HPA.".to_owned(),
            sentences: vec!["Against the best settings that only react it saves 12 % of the total cost.".to_owned()],
            advice: Advice::UsePrewarm,
        },
        tuned: Tuned { utilization: 0.6, scale_down_seconds: 900, panics: false },
    }
}
