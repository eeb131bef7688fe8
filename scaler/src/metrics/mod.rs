//! Our own metrics. Counters are counted where things happen; gauges are computed on scrape from
//! the registry.

mod gauge;
mod plain;
#[cfg(test)]
mod tests;
mod training;
mod workloads;

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use jiff::SignedDuration;
use prewarm_forecaster::Reason;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry as Exposition;

use crate::clock::{Clock, SystemClock};
use crate::registry::Registry;

pub use plain::plain;

/// Counters and histograms of the process. Gauges of workloads come from the registry, see
/// [`Metrics::encode`].
#[derive(Debug)]
pub struct Metrics {
    exposition: Exposition,
    rpc_started: Family<Method, Counter>,
    rpc_handled: Family<Handled, Counter>,
    rpc_seconds: Family<Method, Histogram, Buckets>,
    streams: Family<Method, Gauge>,
    decisions: Family<Because, Counter>,
    samples: Family<Sampled, Counter>,
    signal_failures: Family<FailedSignal, Counter>,
    sample_seconds: Family<Source, Histogram, Buckets>,
    source_clock: Family<Source, Gauge<f64, AtomicU64>>,
    implausible: Family<Judged, Counter>,
    queue_rows: Gauge,
    rows_written: Counter,
    rows_dropped: Counter,
    store_errors: Family<Operation, Counter>,
    days_packed: Counter,
    days_thinned: Counter,
    days_dropped: Counter,
    refits: Family<Outcome, Counter>,
    refit_seconds: Histogram,
    tls_reloads: Family<Outcome, Counter>,
    cluster_up: Gauge,
    cluster_pods: Gauge,
    cluster_errors: Family<Asked, Counter>,
    start_ups: Family<Started, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            exposition: Exposition::default(),
            rpc_started: Family::default(),
            rpc_handled: Family::default(),
            rpc_seconds: Family::new_with_constructor(Buckets(&CALL_SECONDS)),
            streams: Family::default(),
            decisions: Family::default(),
            samples: Family::default(),
            signal_failures: Family::default(),
            source_clock: Family::default(),
            implausible: Family::default(),
            sample_seconds: Family::new_with_constructor(Buckets(&SAMPLE_SECONDS)),
            queue_rows: Gauge::default(),
            rows_written: Counter::default(),
            rows_dropped: Counter::default(),
            store_errors: Family::default(),
            days_packed: Counter::default(),
            days_thinned: Counter::default(),
            days_dropped: Counter::default(),
            refits: Family::default(),
            refit_seconds: Histogram::new(REFIT_SECONDS),
            tls_reloads: Family::default(),
            cluster_up: Gauge::default(),
            cluster_pods: Gauge::default(),
            cluster_errors: Family::default(),
            start_ups: Family::default(),
        };
        metrics.expose();
        metrics
    }
}

impl Metrics {
    fn expose(&mut self) {
        let started = ConstGauge::new(SystemClock.now().as_duration().as_secs_f64());
        self.exposition.register(
            "process_start_time_seconds",
            "Start of the process, seconds since 1970",
            started,
        );

        let build = [("version", VERSION), ("revision", REVISION)];
        let all = self.exposition.sub_registry_with_prefix("prewarm");
        all.register("build", "Version of this process", Info::new(build));
        all.register("grpc_started", "gRPC calls begun", self.rpc_started.clone());
        all.register("grpc_handled", "gRPC calls ended, by code", self.rpc_handled.clone());
        all.register(
            "grpc_handling_seconds",
            "From request to end of answer",
            self.rpc_seconds.clone(),
        );
        all.register("grpc_streams", "Streams open now", self.streams.clone());
        all.register(
            "decisions",
            "Decisions published, by the part that prevailed",
            self.decisions.clone(),
        );
        all.register("source_samples", "Samples asked for, by outcome", self.samples.clone());
        let failures = "Backlog or latency that could not be read, by kind of failure";
        all.register("source_signal_failures", failures, self.signal_failures.clone());
        all.register(
            "source_sample_seconds",
            "How long a source took to answer",
            self.sample_seconds.clone(),
        );
        all.register(
            "source_clock_offset_seconds",
            "How far a source's clock is ahead of ours",
            self.source_clock.clone(),
        );
        let implausible =
            "Samples that one slot alone does not count for, by signal and what became of them";
        all.register("implausible_samples", implausible, self.implausible.clone());
        all.register(
            "store_queue_rows",
            "Finished minutes waiting to be written",
            self.queue_rows.clone(),
        );
        all.register("store_rows_written", "Finished minutes written", self.rows_written.clone());
        all.register(
            "store_rows_dropped",
            "Finished minutes given up: queue full, or refused",
            self.rows_dropped.clone(),
        );
        all.register("store_errors", "Store operations that failed", self.store_errors.clone());
        all.register("store_days_packed", "Finished days packed", self.days_packed.clone());
        all.register(
            "store_days_thinned",
            "Days thinned to five minutes",
            self.days_thinned.clone(),
        );
        all.register("store_days_dropped", "Days dropped by retention", self.days_dropped.clone());
        all.register("refits", "Refits ended, by outcome", self.refits.clone());
        all.register("refit_seconds", "How long a refit took", self.refit_seconds.clone());
        all.register(
            "tls_reloads",
            "Certificates read again, by outcome",
            self.tls_reloads.clone(),
        );
        let up = "1 while pods are watched; 0 without access to the cluster, or while it fails";
        all.register("cluster_up", up, self.cluster_up.clone());
        all.register("cluster_pods", "Pods remembered", self.cluster_pods.clone());
        all.register(
            "cluster_errors",
            "What the cluster did not say, by what and why",
            self.cluster_errors.clone(),
        );
        all.register(
            "start_ups",
            "Start-ups of pods seen to their end, by class of node",
            self.start_ups.clone(),
        );
    }

    /// A call has begun (`prewarm_grpc_started_total{method}`).
    pub fn rpc_started(&self, method: &'static str) {
        self.rpc_started.get_or_create(&Method { method }).inc();
    }

    /// A call has ended (`prewarm_grpc_handled_total{method,code}`,
    /// `prewarm_grpc_handling_seconds{method}`).
    pub fn rpc_handled(&self, method: &'static str, code: &'static str, took: Duration) {
        self.rpc_handled.get_or_create(&Handled { method, code }).inc();
        self.rpc_seconds.get_or_create(&Method { method }).observe(took.as_secs_f64());
    }

    /// A stream was opened (+1) or has ended (−1) (`prewarm_grpc_streams{method}`).
    pub fn streams(&self, method: &'static str, change: i64) {
        self.streams.get_or_create(&Method { method }).inc_by(change);
    }

    /// A recommendation was published (`prewarm_decisions_total{reason}`).
    pub fn decided(&self, reason: Reason) {
        self.decisions.get_or_create(&Because { reason: reason.as_str() }).inc();
    }

    /// A sample was asked for (`prewarm_source_samples_total{source,outcome}`,
    /// `prewarm_source_sample_seconds{source}`). `source` is a name of the configuration, anything
    /// else shows as `address`: what triggers name is unbounded. `outcome` is ok, missing or an
    /// error kind.
    pub fn sampled(&self, source: &str, outcome: &'static str, took: Duration) {
        let source = if source.contains("://") { "address" } else { source };
        self.samples.get_or_create(&Sampled { source: source.to_owned(), outcome }).inc();
        self.sample_seconds
            .get_or_create(&Source { source: source.to_owned() })
            .observe(took.as_secs_f64());
    }

    /// Backlog or latency could not be read beside demand
    /// (`prewarm_source_signal_failures_total{source,signal,outcome}`). `outcome` is an error kind.
    pub fn signal_failed(&self, source: &str, signal: &'static str, outcome: &'static str) {
        let source = if source.contains("://") { "address" } else { source }.to_owned();
        self.signal_failures.get_or_create(&FailedSignal { source, signal, outcome }).inc();
    }

    /// How far a source's clock is ahead of ours (`prewarm_source_clock_offset_seconds{source}`).
    pub fn source_clock(&self, source: &str, ahead: SignedDuration) {
        let source = if source.contains("://") { "address" } else { source }.to_owned();
        self.source_clock.get_or_create(&Source { source }).set(ahead.as_secs_f64());
    }

    /// A sample was held, confirmed, rejected, or no number
    /// (`prewarm_implausible_samples_total{signal,outcome}`). `signal` is demand, backlog or
    /// latency; `outcome` is held, confirmed, rejected or invalid.
    pub fn implausible(&self, signal: &'static str, outcome: &'static str) {
        self.implausible.get_or_create(&Judged { signal, outcome }).inc();
    }

    /// Rows waiting for the store (`prewarm_store_queue_rows`).
    pub fn store_queue(&self, rows: usize) {
        self.queue_rows.set(i64::try_from(rows).unwrap_or(i64::MAX));
    }

    /// Rows written (`prewarm_store_rows_written_total`).
    pub fn store_written(&self, rows: usize) {
        self.rows_written.inc_by(rows as u64);
    }

    /// How many rows wait for the store.
    pub fn queued_rows(&self) -> i64 {
        self.queue_rows.get()
    }

    /// Rows given up because the queue was full, oldest first (`prewarm_store_rows_dropped_total`).
    pub fn store_dropped(&self, rows: usize) {
        self.rows_dropped.inc_by(rows as u64);
    }

    /// A store operation failed (`prewarm_store_errors_total{operation}`).
    pub fn store_error(&self, operation: &'static str) {
        self.store_errors.get_or_create(&Operation { operation }).inc();
    }

    /// A compaction has ended: so many days were packed, thinned and dropped
    /// (`prewarm_store_days_{…}_total`).
    pub fn compacted(&self, packed: u64, thinned: u64, dropped: u64) {
        self.days_packed.inc_by(packed);
        self.days_thinned.inc_by(thinned);
        self.days_dropped.inc_by(dropped);
    }

    /// A refit has ended (`prewarm_refits_total{outcome}`, `prewarm_refit_seconds`).
    pub fn refitted(&self, outcome: &'static str, took: Duration) {
        self.refits.get_or_create(&Outcome { outcome }).inc();
        self.refit_seconds.observe(took.as_secs_f64());
    }

    /// TLS certificates were read again (`prewarm_tls_reloads_total{outcome}`).
    pub fn tls_reloaded(&self, outcome: &'static str) {
        self.tls_reloads.get_or_create(&Outcome { outcome }).inc();
    }

    /// Whether pods are watched, and how many are remembered (`prewarm_cluster_up`,
    /// `prewarm_cluster_pods`).
    pub fn cluster(&self, up: bool, pods: usize) {
        self.cluster_up.set(i64::from(up));
        self.cluster_pods.set(i64::try_from(pods).unwrap_or(i64::MAX));
    }

    /// The cluster did not answer, or refused (`prewarm_cluster_errors_total{what,why}`).
    pub fn cluster_error(&self, what: &'static str, why: &'static str) {
        self.cluster_errors.get_or_create(&Asked { what, why }).inc();
    }

    /// A start-up has ended (`prewarm_start_ups_total{node,outcome}`).
    pub fn start_up(&self, node: &'static str, outcome: &'static str) {
        self.start_ups.get_or_create(&Started { node, outcome }).inc();
    }

    /// Everything, as of now, in OpenMetrics text 1.0; [`plain`] turns it into Prometheus' older
    /// text.
    pub fn encode(&self, registry: &Registry) -> Result<String, std::fmt::Error> {
        let mut gauges = Exposition::with_prefix("prewarm");
        gauges.register_collector(Box::new(workloads::Workloads::of(registry)));
        let mut text = String::new();
        encode_registry(&mut text, &self.exposition)?;
        encode_registry(&mut text, &gauges)?;
        encode_eof(&mut text)?;
        Ok(text)
    }
}

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
struct Because {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Source {
    source: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Sampled {
    source: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FailedSignal {
    source: String,
    signal: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Judged {
    signal: &'static str,
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

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Asked {
    what: &'static str,
    why: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Started {
    node: &'static str,
    outcome: &'static str,
}

/// Upper bounds of a histogram's buckets.
#[derive(Debug, Clone, Copy)]
struct Buckets(&'static [f64]);

impl MetricConstructor<Histogram> for Buckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new(self.0.iter().copied())
    }
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit, where the build names it.
const REVISION: &str = match option_env!("PREWARM_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};

/// From an answer out of memory to the deadline of a call; 10 and 50 ms are what we promise KEDA
/// (p99, in a burst).
const CALL_SECONDS: [f64; 9] = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.05, 0.1, 0.3, 1.0];

/// From a source next door to one that hangs until its timeout.
const SAMPLE_SECONDS: [f64; 9] = [0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0];

/// From a naive model on a week to a tuned one on a year, in a crowd.
const REFIT_SECONDS: [f64; 9] = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0];
