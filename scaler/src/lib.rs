//! The body of Prewarm: everything that touches the world. Thinking is done in `prewarm_forecaster`.
//!
//! `main → app → {grpc, dashboard, collector, training} → {registry, source, store, cluster, clock} → prewarm_forecaster`.
//! `grpc` and `dashboard` read the registry and nothing else.

pub mod app;
pub mod cli;
pub mod clock;
pub mod cluster;
pub mod collector;
pub mod config;
pub mod dashboard;
pub mod duration;
pub mod grpc;
pub mod insight;
mod log_once;
pub mod metadata;
pub mod metrics;
pub mod registry;
pub mod scaling;
pub mod signal;
pub mod source;
pub mod start_ups;
pub mod store;
pub mod telemetry;
pub mod training;
pub mod workload;
