//! The body of Prewarm: everything that touches the world. Thinking is done in
//! `prewarm_forecaster`.
//!
//! `main → app → {grpc, http, collector, training} → {registry, source, store, cluster, clock} →
//! prewarm_forecaster`. `grpc` reads the registry and nothing else, `http` what `archive` reads of the store besides.

pub mod app;
pub mod archive;
pub mod cli;
pub mod clock;
pub mod cluster;
pub mod cold_starts;
pub mod collector;
pub mod config;
pub mod duration;
pub mod grpc;
pub mod http;
mod log_once;
pub mod metrics;
pub mod registry;
pub mod scaled_object;
pub mod signal;
pub mod source;
pub mod status;
pub mod store;
pub mod telemetry;
pub mod training;
mod trial;
pub mod trigger;
pub mod workload;
