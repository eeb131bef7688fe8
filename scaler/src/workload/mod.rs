//! What names a workload, and where it stands. Stands below registry, store and metrics.

mod owner;
mod status;

pub use owner::{Edit, Owner};
pub use status::WorkloadStatus;

/// Identity of a series: the trigger, not its source's address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesKey {
    /// Namespace of the ScaledObject.
    pub namespace: String,
    /// Name of the ScaledObject or ScaledJob.
    pub name: String,
    /// Metric name without KEDA's `sN-`.
    pub metric: String,
}
