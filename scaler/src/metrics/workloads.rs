//! Gauges of workloads, read from the registry at the moment of the scrape.

use std::fmt::Error;
use std::sync::Arc;

use jiff::Timestamp;
use prewarm_forecaster::{Answer, Recommendation};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use crate::registry::{Registry, Workload};

/// One gauge: name, what it says, and how it is read; `None` leaves the series out (missing is not zero).
type Read = fn(&Recommendation, Timestamp) -> Option<f64>;

const GAUGES: [(&str, &str, Read); 12] = [
    ("workload_demand", "Newest sample of demand, in its own unit", |r, _| r.decision.parts.observed),
    ("workload_live", "Live demand over the stable or panic window", |r, _| r.decision.parts.live),
    ("workload_backlog", "Items waiting", |r, _| r.decision.parts.backlog),
    ("workload_forecast", "Quantile of demand over the lead", |r, _| r.decision.parts.forecast),
    ("workload_forecast_acts", "1 while the forecast may act", |r, _| {
        Some(f64::from(u8::from(r.decision.parts.forecast_acts)))
    }),
    ("workload_metric_value", "Value answered to KEDA; absent while unknown", |r, _| value(r).map(|(value, _)| value)),
    ("workload_active", "1 while at least one replica should run; absent while unknown", |r, _| {
        value(r).map(|(_, active)| f64::from(u8::from(active)))
    }),
    ("workload_desired_replicas", "Replicas that the value amounts to; absent while unknown", |r, _| {
        value(r).map(|_| f64::from(r.decision.desired_replicas))
    }),
    ("workload_floor_replicas", "Replicas that windows want within the lead", |r, _| {
        Some(f64::from(r.decision.parts.floor))
    }),
    ("workload_ceiling_replicas", "Replicas that windows allow now", |r, _| r.decision.parts.ceiling.map(f64::from)),
    ("workload_lead_seconds", "How far ahead replicas are asked for", |r, _| Some(r.decision.parts.lead.as_secs_f64())),
    ("workload_answer_age_seconds", "Age of the answer", |r, now| Some(now.duration_since(r.at).as_secs_f64())),
];

fn value(recommendation: &Recommendation) -> Option<(f64, bool)> {
    match recommendation.answer {
        Answer::Value { metric_value, active } => Some((metric_value, active)),
        Answer::Unavailable | Answer::NoData => None,
    }
}

/// The registry as a collector.
#[derive(Debug)]
pub(super) struct Workloads {
    registry: Arc<Registry>,
}

impl Workloads {
    pub(super) fn new(registry: Arc<Registry>) -> Self {
        Self { registry }
    }
}

impl Collector for Workloads {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let now = self.registry.clock().now();
        let workloads = self.registry.workloads();
        let known: Vec<_> = workloads.iter().filter_map(|w| Some((w, w.recommendation()?))).collect();
        let count = encoder.encode_descriptor("workloads", "Workloads registered", None, MetricType::Gauge)?;
        ConstGauge::new(workloads.len() as i64).encode(count)?;
        for (name, help, read) in GAUGES {
            let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (workload, recommendation) in &known {
                if let Some(value) = read(recommendation, now) {
                    ConstGauge::new(value).encode(metric.encode_family(&labels(workload))?)?;
                }
            }
        }
        let mut state = encoder.encode_descriptor(
            "workload_state",
            "1 for the state and reason of the answer",
            None,
            MetricType::Gauge,
        )?;
        for (workload, recommendation) in &known {
            let [namespace, name, metric] = labels(workload);
            let decision = &recommendation.decision;
            let labels =
                [namespace, name, metric, ("state", decision.state.as_str()), ("reason", decision.reason.as_str())];
            ConstGauge::new(1i64).encode(state.encode_family(&labels)?)?;
        }
        let mut invalid = encoder.encode_descriptor(
            "workload_metadata_errors",
            "Errors in the trigger's metadata",
            None,
            MetricType::Gauge,
        )?;
        for workload in &workloads {
            let errors = workload.registration().trigger.as_ref().err().map_or(0, Vec::len);
            ConstGauge::new(errors as i64).encode(invalid.encode_family(&labels(workload))?)?;
        }
        Ok(())
    }
}

fn labels(workload: &Workload) -> [(&'static str, &str); 3] {
    let key = workload.key();
    [("namespace", &key.namespace), ("name", &key.name), ("metric", &key.metric)]
}
