//! The gRPC side by the checklist's numbers (C01 …), over real connections and without a collector.

mod contract;
mod probes;
mod served;
