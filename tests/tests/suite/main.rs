//! The service against real dependencies, called as KEDA calls it. One binary: it links once and
//! shares the machine.
//!
//! Names that begin with `cNN_` are lines of KEDA's conformance checklist; `tests/CONFORMANCE.md`
//! lists all of them.

#![expect(clippy::unwrap_used, reason = "a test's support may")]

mod answers;
mod checklist;
mod cold_starts;
mod continuity;
mod forecast;
mod identical;
mod learning;
mod outage;
mod process;
mod refusals;
mod replay;
mod restart;
mod spikes;
mod store_faults;
mod story;
mod strangers;
mod trials;
mod windows;
mod zero;
