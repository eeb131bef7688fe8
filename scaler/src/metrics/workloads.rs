//! Gauges of workloads, read from the registry at the moment of the scrape: none can be forgotten
//! or go stale.

use std::collections::BTreeMap;
use std::fmt::Error;
use std::sync::Arc;

use jiff::Timestamp;
use prewarm_forecaster::Recommendation;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use super::gauge::{flag, labels, sample};
use super::training;
use crate::registry::{Registry, Workload};
use crate::status::node_name;
use crate::workload::WorkloadStatus;

/// Every workload as of one instant, so that the gauges of one scrape agree.
#[derive(Debug)]
pub(super) struct Workloads {
    now: Timestamp,
    rows: Vec<Row>,
    notices: BTreeMap<&'static str, Option<String>>,
}

#[derive(Debug)]
struct Row {
    workload: Arc<Workload>,
    latest: Option<Arc<Recommendation>>,
    standing: WorkloadStatus,
}

impl Workloads {
    /// What `registry` holds now, sorted by key.
    pub(super) fn of(registry: &Registry) -> Self {
        let now = registry.clock().now();
        let mut workloads = registry.workloads();
        workloads.sort_unstable_by(|a, b| a.key().cmp(b.key()));
        let row = |workload: Arc<Workload>| {
            let latest = workload.recommendation();
            let standing =
                WorkloadStatus::of(workload.registration().trigger.is_ok(), latest.as_deref(), now);
            Row { workload, latest, standing }
        };
        let notices = registry.notices().all();
        Self { now, rows: workloads.into_iter().map(row).collect(), notices }
    }
}

impl Collector for Workloads {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let known = encoder.encode_descriptor(
            "workloads",
            "Workloads registered",
            None,
            MetricType::Gauge,
        )?;
        ConstGauge::new(self.rows.len() as u64).encode(known)?;

        let help =
            "1 while something is wrong with the process though it answers; /readyz says what";
        let mut family = encoder.encode_descriptor("degraded", help, None, MetricType::Gauge)?;
        for (what, text) in &self.notices {
            sample(&mut family, &[("what", *what)], Some(flag(text.is_some())))?;
        }

        for (name, help, read) in OF_WORKLOADS {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for row in &self.rows {
                sample(&mut family, &labels(&row.workload), read(row, self.now))?;
            }
        }
        for (name, help, read) in OF_DECISIONS {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (row, latest) in self.decided() {
                sample(&mut family, &labels(&row.workload), read(latest, self.now))?;
            }
        }
        let help = "Quantile of demand over the lead, in the demand's unit; absent without a fresh forecast";
        let mut family =
            encoder.encode_descriptor("workload_forecast", help, None, MetricType::Gauge)?;
        for (row, latest) in self.decided() {
            let parts = &latest.decision.parts;
            let quantile = format!("{:.3}", parts.forecast_quantile);
            let [namespace, name, metric] = labels(&row.workload);
            sample(
                &mut family,
                &[namespace, name, metric, ("quantile", &quantile)],
                parts.forecast,
            )?;
        }
        let help = "The last start-ups of pods (at most 50), by class of node and outcome";
        let mut family =
            encoder.encode_descriptor("workload_start_ups", help, None, MetricType::Gauge)?;
        for row in &self.rows {
            let [namespace, name, metric] = labels(&row.workload);
            for class in &row.workload.replica_status().starts.nodes {
                for (outcome, count) in [("ready", class.ready), ("given_up", class.given_up)] {
                    let of = ("node", node_name(class.node));
                    let labels = [namespace, name, metric, of, ("outcome", outcome)];
                    sample(&mut family, &labels, Some(f64::from(count)))?;
                }
            }
        }
        let help = "1 for where the workload stands, 0 for the rest";
        let mut family =
            encoder.encode_descriptor("workload_state", help, None, MetricType::Gauge)?;
        for row in &self.rows {
            let [namespace, name, metric] = labels(&row.workload);
            for standing in WorkloadStatus::ALL {
                let labels = [namespace, name, metric, ("state", standing.as_str())];
                sample(&mut family, &labels, Some(flag(row.standing == standing)))?;
            }
        }
        training::encode(
            &self.rows.iter().map(|row| row.workload.as_ref()).collect::<Vec<_>>(),
            &mut encoder,
        )
    }
}

impl Workloads {
    /// The decisions that stand; those of before an edit that broke the metadata, or too old to
    /// repeat, do not.
    fn decided(&self) -> impl Iterator<Item = (&Row, &Recommendation)> {
        let stands = |row: &&Row| matches!(row.standing, WorkloadStatus::Decided(_));
        self.rows.iter().filter(stands).filter_map(|row| Some((row, row.latest.as_deref()?)))
    }
}

fn value(row: &Row) -> Option<(f64, bool)> {
    row.standing.vouched(row.latest.as_deref())
}

/// Name, help and reading of a gauge.
type Gauge<From> = (&'static str, &'static str, fn(&From, Timestamp) -> Option<f64>);

const OF_WORKLOADS: [Gauge<Row>; 10] = [
    ("workload_threshold", "Demand that one replica carries, in the demand's unit", |row, _| {
        Some(row.workload.registration().spec.threshold.get())
    }),
    ("workload_metadata_errors", "Errors in the trigger's metadata", |row, _| {
        Some(row.workload.registration().trigger.as_ref().err().map_or(0, Vec::len) as f64)
    }),
    (
        "workload_last_seen_timestamp_seconds",
        "When KEDA last asked, or held a stream open",
        |row, _| Some(row.workload.last_seen().as_second() as f64),
    ),
    (
        "workload_metric_value",
        "Value answered, in the demand's unit; absent while callers are told to hold",
        |row, _| value(row).map(|(value, _)| value),
    ),
    (
        "workload_active",
        "1 while at least one replica should run; absent while callers are told to hold",
        |row, _| value(row).map(|(_, active)| flag(active)),
    ),
    (
        "workload_desired_replicas",
        "Replicas that the answer amounts to; absent while callers are told to hold",
        |row, _| {
            value(row)
                .and(row.latest.as_deref())
                .map(|latest| f64::from(latest.decision.desired_replicas))
        },
    ),
    (
        "workload_ready_replicas",
        "Replicas that are Ready; absent while the cluster does not say",
        |row, _| row.workload.replica_status().replicas.map(|replicas| f64::from(replicas.ready)),
    ),
    (
        "workload_starting_replicas",
        "Replicas that were created and are not Ready yet; absent while the cluster does not say",
        |row, _| {
            row.workload.replica_status().replicas.map(|replicas| f64::from(replicas.starting))
        },
    ),
    (
        "workload_learned_cold_start_seconds",
        "P90 of the last start-ups, creation to Ready; absent before enough of them were seen",
        |row, _| row.workload.replica_status().starts.cold_start.map(|span| span.as_secs_f64()),
    ),
    ("workload_answer_age_seconds", "Age of the latest decision", |row, now| {
        row.latest.as_deref().map(|latest| now.duration_since(latest.at).as_secs_f64())
    }),
];

const OF_DECISIONS: [Gauge<Recommendation>; 10] = [
    (
        "workload_demand",
        "Newest sample of demand, in its own unit; absent if the slot was missing",
        |latest, _| latest.decision.parts.observed,
    ),
    (
        "workload_live_demand",
        "Mean over the stable or panic window, in the demand's unit",
        |latest, _| latest.decision.parts.live,
    ),
    ("workload_live_age_seconds", "Age of the last good sample of demand", |latest, now| {
        latest
            .decision
            .parts
            .live_age
            .map(|age| (now.duration_since(latest.at) + age).as_secs_f64())
    }),
    ("workload_backlog", "Items waiting", |latest, _| latest.decision.parts.backlog),
    ("workload_forecast_replicas", "Replicas that the forecast asks for", |latest, _| {
        latest.decision.parts.forecast.map(|_| f64::from(latest.decision.parts.forecast_replicas))
    }),
    ("workload_forecast_acts", "1 while the forecast may act", |latest, _| {
        Some(flag(latest.decision.parts.forecast_acts))
    }),
    (
        "workload_shadow_value",
        "Value had the forecast acted (shadow mode), in the demand's unit",
        |latest, _| latest.decision.parts.would_value,
    ),
    ("workload_lead_seconds", "How far ahead replicas are asked for", |latest, _| {
        Some(latest.decision.parts.lead.as_secs_f64())
    }),
    (
        "workload_floor_replicas",
        "Replicas that windows want at any time within the lead",
        |latest, _| Some(f64::from(latest.decision.parts.floor)),
    ),
    (
        "workload_ceiling_replicas",
        "Replicas that windows allow now; absent without a ceiling",
        |latest, _| latest.decision.parts.ceiling.map(f64::from),
    ),
];
