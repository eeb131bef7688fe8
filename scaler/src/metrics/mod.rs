//! Our own metrics. Counters are counted where things happen; gauges are computed on scrape from the registry.

mod workloads;

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry as Exposed, Unit};

use crate::registry::Registry;
use crate::store::Compacted;

/// From an answer out of memory (tens of microseconds) to the deadline of a call.
const CALL_BUCKETS: [f64; 9] = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0];

/// From a Prometheus next door to one that hangs.
const SOURCE_BUCKETS: [f64; 8] = [0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Method {
    method: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Handled {
    method: &'static str,
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Sampled {
    source: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Operation {
    operation: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// Histograms of one set of buckets.
#[derive(Debug, Clone)]
struct Buckets(&'static [f64]);

impl MetricConstructor<Histogram> for Buckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new(self.0.iter().copied())
    }
}

/// Counters and histograms of the process. Gauges of workloads come from the registry, see [`Metrics::encode`].
#[derive(Debug)]
pub struct Metrics {
    started: Family<Method, Counter>,
    handled: Family<Handled, Counter>,
    handling: Family<Method, Histogram, Buckets>,
    streams: Family<Method, Gauge>,
    samples: Family<Sampled, Counter>,
    sampling: Family<Outcome, Histogram, Buckets>,
    queue_rows: Gauge,
    rows_written: Counter,
    rows_dropped: Counter,
    store_errors: Family<Operation, Counter>,
    days_packed: Counter,
    days_thinned: Counter,
    days_dropped: Counter,
    refits: Family<Outcome, Counter>,
    refitting: Histogram,
    tls_reloads: Family<Outcome, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            started: Family::default(),
            handled: Family::default(),
            handling: Family::new_with_constructor(Buckets(&CALL_BUCKETS)),
            streams: Family::default(),
            samples: Family::default(),
            sampling: Family::new_with_constructor(Buckets(&SOURCE_BUCKETS)),
            queue_rows: Gauge::default(),
            rows_written: Counter::default(),
            rows_dropped: Counter::default(),
            store_errors: Family::default(),
            days_packed: Counter::default(),
            days_thinned: Counter::default(),
            days_dropped: Counter::default(),
            refits: Family::default(),
            refitting: Histogram::new(SOURCE_BUCKETS),
            tls_reloads: Family::default(),
        }
    }
}

impl Metrics {
    /// A call has begun.
    pub fn rpc_started(&self, method: &'static str) {
        self.started.get_or_create(&Method { method }).inc();
    }

    /// A call has ended.
    pub fn rpc_handled(&self, method: &'static str, code: &'static str, took: Duration) {
        self.handled.get_or_create(&Handled { method, code }).inc();
        self.handling.get_or_create(&Method { method }).observe(took.as_secs_f64());
    }

    /// A stream was opened (+1) or has ended (−1).
    pub fn streams(&self, method: &'static str, change: i64) {
        self.streams.get_or_create(&Method { method }).inc_by(change);
    }

    /// A sample was asked for; `outcome` is ok, missing or an error's kind.
    pub fn sampled(&self, source: &str, outcome: &'static str, took: Duration) {
        self.samples.get_or_create(&Sampled { source: source.to_owned(), outcome }).inc();
        self.sampling.get_or_create(&Outcome { outcome }).observe(took.as_secs_f64());
    }

    /// Rows waiting for the store.
    pub fn store_queue(&self, rows: usize) {
        self.queue_rows.set(i64::try_from(rows).unwrap_or(i64::MAX));
    }

    /// Rows written.
    pub fn store_written(&self, rows: usize) {
        self.rows_written.inc_by(rows as u64);
    }

    /// Rows given up because the queue was full, oldest first, or because the store refused them.
    pub fn store_dropped(&self, rows: usize) {
        self.rows_dropped.inc_by(rows as u64);
    }

    /// A store operation failed.
    pub fn store_error(&self, operation: &'static str) {
        self.store_errors.get_or_create(&Operation { operation }).inc();
    }

    /// A compaction has ended.
    pub fn compacted(&self, done: Compacted) {
        self.days_packed.inc_by(done.days_packed);
        self.days_thinned.inc_by(done.days_thinned);
        self.days_dropped.inc_by(done.days_dropped);
    }

    /// A refit has ended.
    pub fn refitted(&self, outcome: &'static str, took: Duration) {
        self.refits.get_or_create(&Outcome { outcome }).inc();
        self.refitting.observe(took.as_secs_f64());
    }

    /// TLS certificates were read again.
    pub fn tls_reloaded(&self, outcome: &'static str) {
        self.tls_reloads.get_or_create(&Outcome { outcome }).inc();
    }

    /// Everything in OpenMetrics text, which Prometheus reads as well.
    pub fn encode(&self, registry: &Arc<Registry>) -> Result<String, std::fmt::Error> {
        let mut exposed = Exposed::with_prefix("prewarm");
        let of = &mut exposed;
        of.register("build", "Version of this process", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        of.register("grpc_started", "Calls begun", self.started.clone());
        of.register("grpc_handled", "Calls ended, by gRPC code", self.handled.clone());
        of.register_with_unit("grpc_handling", "Time to answer", Unit::Seconds, self.handling.clone());
        of.register("grpc_streams", "Open streams", self.streams.clone());
        of.register("source_samples", "Samples asked for, by outcome", self.samples.clone());
        of.register_with_unit("source_sampling", "Time a sample took", Unit::Seconds, self.sampling.clone());
        of.register("store_queue_rows", "Minutes waiting to be written", self.queue_rows.clone());
        of.register("store_rows_written", "Minutes written", self.rows_written.clone());
        of.register("store_rows_dropped", "Minutes given up: queue full, or refused", self.rows_dropped.clone());
        of.register("store_errors", "Store operations that failed", self.store_errors.clone());
        of.register("store_days_packed", "Days packed", self.days_packed.clone());
        of.register("store_days_thinned", "Days thinned to five minutes", self.days_thinned.clone());
        of.register("store_days_dropped", "Days dropped by retention", self.days_dropped.clone());
        of.register("refits", "Refits, by outcome", self.refits.clone());
        of.register_with_unit("refit", "Time a refit took", Unit::Seconds, self.refitting.clone());
        of.register("tls_reloads", "Certificates read again, by outcome", self.tls_reloads.clone());
        of.register_collector(Box::new(workloads::Workloads::new(registry.clone())));
        let mut text = String::new();
        encode(&mut text, &exposed)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use std::collections::HashMap;

    use super::*;
    use crate::clock::ManualClock;
    use crate::metadata::Rules;
    use crate::registry::{Found, Reference};

    #[test]
    fn what_happened_is_exposed_with_units_and_bounded_labels() {
        let clock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
        let (registry, _arrivals) = Registry::new(Rules::default(), 10, clock);
        let registry = Arc::new(registry);
        let metadata = HashMap::from([("query".into(), "x".into()), ("threshold".into(), "4".into())]);
        let found = registry.find(Reference { namespace: "llm", name: "llama", metadata: &metadata });
        assert!(matches!(found, Found::Workload(_)), "{found:?}");
        let metrics = Metrics::default();
        metrics.rpc_started("GetMetrics");
        metrics.rpc_handled("GetMetrics", "OK", Duration::from_micros(50));
        metrics.sampled("default", "missing", Duration::from_millis(5));
        metrics.store_dropped(3);
        let text = metrics.encode(&registry).unwrap();
        for line in [
            "prewarm_grpc_handled_total{method=\"GetMetrics\",code=\"OK\"} 1",
            "prewarm_grpc_handling_seconds_bucket{le=\"0.0001\",method=\"GetMetrics\"} 1",
            "prewarm_source_samples_total{source=\"default\",outcome=\"missing\"} 1",
            "prewarm_store_rows_dropped_total 3",
            "prewarm_workloads 1",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }
}
