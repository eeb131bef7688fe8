//! The body of Prewarm: everything that touches the world. Thinking is done in `prewarm_forecaster`.
//!
//! `main → app → {grpc, dashboard, collector, refit} → {registry, source, store, clock} → prewarm_forecaster`.
//! `grpc` and `dashboard` read the registry and nothing else.

pub mod app;
pub mod cli;
pub mod clock;
pub mod collector;
pub mod config;
pub mod dashboard;
pub mod duration;
pub mod grpc;
pub mod insight;
pub mod metadata;
pub mod metrics;
pub mod refit;
pub mod registry;
pub mod source;
pub mod standing;
pub mod store;
pub mod telemetry;
