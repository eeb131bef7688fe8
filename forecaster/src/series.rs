//! Evenly spaced series. Gaps are gaps (NaN), never zeros.

use jiff::{SignedDuration, Timestamp};

/// One finished minute of a workload's history.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Minute {
    /// Start of the minute, UTC; a multiple of 60 s since the epoch.
    pub start: Timestamp,
    /// Mean of the demand samples in the minute, in the demand's own unit; finite, ≥ 0.
    pub mean: f64,
    /// Largest demand sample in the minute; finite, ≥ `mean`.
    pub max: f64,
    /// Mean backlog in the minute, in items; `None` where it was not observed.
    pub backlog: Option<f64>,
    /// How many slots of the minute were sampled (1 …); the fuller record of one minute wins.
    pub samples: u16,
}

/// An evenly spaced series; `values[i]` belongs to `start + i·step`, NaN where nothing was observed.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    start: Timestamp,
    step: SignedDuration,
    values: Vec<f64>,
}

impl Series {
    /// A series from its first instant, its step (> 0) and its values (NaN = gap).
    pub fn new(start: Timestamp, step: SignedDuration, values: Vec<f64>) -> Self {
        debug_assert!(step > SignedDuration::ZERO);
        Self { start, step, values }
    }

    /// Instant of the first value.
    pub fn start(&self) -> Timestamp {
        self.start
    }

    /// Distance between values.
    pub fn step(&self) -> SignedDuration {
        self.step
    }

    /// The values, oldest first; NaN = gap.
    pub fn values(&self) -> &[f64] {
        &self.values
    }
}
