//! Prometheus HTTP API.
