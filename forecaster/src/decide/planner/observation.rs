//! What was seen at a slot.

/// Replicas as seen in the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replicas {
    /// Ready.
    pub ready: u32,
    /// Created and not yet Ready.
    pub starting: u32,
}

impl Replicas {
    /// Ready or starting.
    pub fn total(self) -> u32 {
        self.ready.saturating_add(self.starting)
    }
}

/// What was seen at a slot. Missing is `None`, never zero.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Observation {
    /// Demand at the slot, in its own unit.
    pub demand: Option<f64>,
    /// Items waiting.
    pub backlog: Option<f64>,
    /// Latency in seconds (p95).
    pub latency: Option<f64>,
    /// Replicas, if the cluster can be read.
    pub replicas: Option<Replicas>,
    /// The source answered, and there was nothing: the series do not exist (as against: it could
    /// not be asked).
    pub absent: bool,
}
