//! Presets: demand, backlog, latency and a starting threshold by serving system.

use super::selector::Selector;

/// A preset's expression over series, with its selector.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    promql: String,
}

impl Expression {
    /// The expression as PromQL, selector included.
    pub fn promql(&self) -> &str {
        &self.promql
    }
}

/// What a preset gives for one selector.
#[derive(Debug, Clone, PartialEq)]
pub struct PresetSignals {
    /// Offered demand.
    pub demand: Expression,
    /// Items waiting.
    pub backlog: Option<Expression>,
    /// p95 latency in seconds.
    pub latency: Option<Expression>,
    /// Demand that one replica carries until the user knows better.
    pub threshold: f64,
}

/// Looks a preset up by name (`vllm`, `sglang`, …); the error names the known ones and the nearest.
pub fn find(name: &str, _selector: &Selector) -> Result<PresetSignals, String> {
    Err(format!("unknown preset \"{name}\""))
}
