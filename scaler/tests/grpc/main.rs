//! The gRPC side by the checklist's numbers (C01 …), over real connections and without a collector.

#![expect(clippy::unwrap_used, reason = "a test's support may")]

mod connections;
mod contract;
mod failure;
mod old_clients;
mod probes;
mod served;
mod streams;
mod tls;
