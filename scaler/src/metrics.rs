//! Our own metrics. Counters are counted where things happen; gauges are computed on scrape from the registry.

use std::time::Duration;

use crate::store::Compacted;

/// Counters and histograms of the process. Gauges of workloads come from the registry, see [`Metrics::encode`].
#[derive(Debug, Default)]
pub struct Metrics {}

impl Metrics {
    /// A call has begun (`prewarm_grpc_started_total{method}`).
    pub fn rpc_started(&self, _method: &'static str) {}

    /// A call has ended (`prewarm_grpc_handled_total{method,code}`, `prewarm_grpc_handling_seconds{method}`).
    pub fn rpc_handled(&self, _method: &'static str, _code: &'static str, _took: Duration) {}

    /// A stream was opened (+1) or has ended (−1) (`prewarm_grpc_streams{method}`).
    pub fn streams(&self, _method: &'static str, _change: i64) {}

    /// A sample was asked for (`prewarm_source_samples_total{source,outcome}`; outcome = ok, missing or an error kind).
    pub fn sampled(&self, _source: &str, _outcome: &'static str, _took: Duration) {}

    /// Rows waiting for the store (`prewarm_store_queue_rows`).
    pub fn store_queue(&self, _rows: usize) {}

    /// Rows written (`prewarm_store_rows_written_total`).
    pub fn store_written(&self, _rows: usize) {}

    /// Rows given up because the queue was full, oldest first (`prewarm_store_rows_dropped_total`).
    pub fn store_dropped(&self, _rows: usize) {}

    /// A store operation failed (`prewarm_store_errors_total{operation}`).
    pub fn store_error(&self, _operation: &'static str) {}

    /// A compaction has ended (`prewarm_store_days_{packed,thinned,dropped}_total`).
    pub fn compacted(&self, _done: Compacted) {}

    /// A refit has ended (`prewarm_refits_total{outcome}`, `prewarm_refit_seconds`).
    pub fn refitted(&self, _outcome: &'static str, _took: Duration) {}

    /// TLS certificates were read again (`prewarm_tls_reloads_total{outcome}`).
    pub fn tls_reloaded(&self, _outcome: &'static str) {}
}
