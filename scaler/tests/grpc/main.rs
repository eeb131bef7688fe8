//! The gRPC side by the checklist's numbers (C01 …), over real connections and without a collector.

#![expect(clippy::unwrap_used, reason = "a test's support may")]

mod contract;
mod probes;
mod served;
