//! Gauges of what was learned of workloads: the gate, the gain, how forecasts do, what days cost.

use std::fmt::Error;
use std::sync::Arc;

use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;

use super::gauge::{flag, labels, sample};
use crate::registry::Workload;
use crate::status::{TrainingStatus, why_name};

/// Everything that is known; what is not is absent.
pub(super) fn encode(
    workloads: &[&Workload],
    encoder: &mut DescriptorEncoder<'_>,
) -> Result<(), Error> {
    let known: Vec<(&Workload, Arc<TrainingStatus>)> =
        workloads.iter().map(|workload| (*workload, workload.training_status())).collect();
    for (name, help, read) in GAUGES {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (workload, status) in &known {
            sample(&mut family, &labels(workload), read(status))?;
        }
    }
    let help = "1 for why the policy that acts was chosen";
    let mut family = encoder.encode_descriptor("workload_choice", help, None, MetricType::Gauge)?;
    for (workload, status) in &known {
        let [namespace, name, metric] = labels(workload);
        if let Some(chosen) = status.selections.last() {
            let why = ("why", why_name(chosen.selection.why));
            sample(&mut family, &[namespace, name, metric, why], Some(1.0))?;
        }
    }
    let help = "1 for why no forecast of the workload may act; absent where one may";
    let mut family =
        encoder.encode_descriptor("workload_no_forecast", help, None, MetricType::Gauge)?;
    for (workload, status) in &known {
        let [namespace, name, metric] = labels(workload);
        if let Some(reason) = &status.no_forecast {
            sample(
                &mut family,
                &[namespace, name, metric, ("reason", reason.as_str())],
                Some(1.0),
            )?;
        }
    }
    type Of = fn(&prewarm_forecaster::forecast::ensemble::LeadAccuracy) -> &Vec<f64>;
    let of_forecasts: [(&str, &str, Of); 2] = [
        (
            "workload_forecast_coverage",
            "Recent share of demand at or below the quantile forecast so long before (half-life a week)",
            |lead| &lead.coverage,
        ),
        (
            "workload_forecast_pinball",
            "Recent mean pinball loss of the quantile, in the demand's unit (half-life a week)",
            |lead| &lead.pinball,
        ),
    ];
    for (name, help, of) in of_forecasts {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (workload, status) in &known {
            let [namespace, name, metric] = labels(workload);
            for lead in status.report.iter().flat_map(|report| &report.leads) {
                let seconds = lead.lead.as_secs().to_string();
                for (quantile, value) in lead.quantiles.iter().zip(of(lead)) {
                    let quantile = format!("{quantile:.3}");
                    let labels = [
                        namespace,
                        name,
                        metric,
                        ("lead_seconds", &*seconds),
                        ("quantile", &*quantile),
                    ];
                    sample(&mut family, &labels, Some(*value).filter(|value| value.is_finite()))?;
                }
            }
        }
    }
    type Hours = fn(&prewarm_forecaster::decide::selection::Costs) -> f64;
    let of_days: [(&str, &str, Hours); 2] = [
        (
            "workload_day_gpu_hours",
            "Replica-hours ready or starting on the last finished UTC day, by way to scale, in the shadow bank",
            |sums| sums.gpu_hours,
        ),
        (
            "workload_day_missed_replica_hours",
            "Replica-hours of work that waited too long on that day, by way to scale",
            |sums| sums.missed,
        ),
    ];
    for (name, help, of) in of_days {
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (workload, status) in &known {
            let [namespace, name, metric] = labels(workload);
            for (arm, sums) in status.days.last().iter().flat_map(|day| day.arms()) {
                sample(&mut family, &[namespace, name, metric, ("arm", arm)], Some(of(&sums)))?;
            }
        }
    }
    Ok(())
}

/// Name, help and reading of a gauge.
type Gauge = (&'static str, &'static str, fn(&TrainingStatus) -> Option<f64>);

const GAUGES: [Gauge; 6] = [
    (
        "workload_gate_open",
        "1 while the forecast has earned its authority; absent before the first choice",
        |status| status.selections.last().map(|chosen| flag(chosen.selection.policy.forecasts())),
    ),
    (
        "workload_gain_gpu_hours",
        "Mean gain a day of the policy that acts over the best reactive one, in GPU-hours at the cost ratio",
        |status| status.selections.last().map(|chosen| chosen.selection.gain),
    ),
    ("workload_choice_days", "Complete days that the choice rests on", |status| {
        status.selections.last().map(|chosen| f64::from(chosen.selection.days))
    }),
    (
        "workload_forecast_origin_timestamp_seconds",
        "First instant that the latest forecast speaks of",
        |status| status.forecast_origin.map(|origin| origin.as_second() as f64),
    ),
    (
        "workload_saved_gpu_hours",
        "GPU-hours saved against the best reactive policy on the last finished UTC day, in the shadow bank",
        |status| status.days.last().map(|day| day.reactive.gpu_hours - day.prewarm.gpu_hours),
    ),
    (
        "workload_saved_missed_replica_hours",
        "Replica-hours of work that did not wait, against the best reactive policy, on that day",
        |status| status.days.last().map(|day| day.reactive.missed - day.prewarm.missed),
    ),
];
