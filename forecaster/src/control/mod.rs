//! What KEDA and the Kubernetes HPA make of an answer: the only copy of their rules.
//!
//! The planner's lead, replay, the shadow policies, the demo and `prewarm check` all use these.
//! Where speed forbids the rule itself, the fast copy stands beside it ([`hpa::fast`]) and a
//! differential test holds it to the rule.
//!
//! Time is whole seconds since any origin, ascending: a ScaledObject and an HPA know no finer ones.

pub mod average_value;
pub mod hpa;
pub mod keda;
pub mod quantity;
pub(crate) mod queue;
pub(crate) mod sliding_max;
