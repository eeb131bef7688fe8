//! What is asked of a source: queries, presets and the selectors that narrow them. Stands below
//! metadata and sources.

pub mod preset;
pub(crate) mod promql;
mod queue_visibility;
pub mod selector;

pub use queue_visibility::holds_what_waits;

use url::Url;

/// Which source a trigger reads.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SourceRef {
    /// A source of the server's configuration.
    Named(String),
    /// An address from metadata that the allow-list permits; no credentials are ever sent to it. A
    /// path that ends in `/metrics` is scraped as exposition text, anything else is a Prometheus
    /// API.
    Address(Url),
    /// KEDA's external metrics API, for another trigger of the same ScaledObject.
    ExternalMetrics,
}

/// One thing to ask.
#[derive(Debug, Clone, PartialEq)]
pub enum Query {
    /// PromQL as the user wrote it. An exposition source understands a small subset (see
    /// `exposition`).
    Text(String),
    /// A preset's expression, selector included; rendered to PromQL, or evaluated on scraped text.
    Preset(preset::Expression),
    /// Another trigger of the ScaledObject, by its name.
    Trigger(String),
}

impl Query {
    /// What says whether its answer tells the truth, and what it means if not.
    pub fn caveat(&self) -> Option<(Self, &'static str)> {
        let Self::Preset(expression) = self else { return None };
        let caution = expression.caveat()?;
        Some((Self::Text(caution.promql.clone()), caution.words))
    }

    /// Whether whoever asks has named this label, rather than a preset.
    pub fn names(&self, label: &str) -> bool {
        match self {
            Self::Preset(expression) => expression.selected_by().iter().any(|named| named == label),
            Self::Text(_) | Self::Trigger(_) => true,
        }
    }

    /// The question as PromQL; of a trigger its name.
    pub fn promql(&self) -> &str {
        match self {
            Self::Text(text) | Self::Trigger(text) => text,
            Self::Preset(expression) => expression.promql(),
        }
    }
}

/// What is asked for one workload.
#[derive(Debug, Clone, PartialEq)]
pub struct Signals {
    /// Offered demand, in the demand's own unit.
    pub demand: Query,
    /// Items waiting.
    pub backlog: Option<Query>,
    /// Latency in seconds.
    pub latency: Option<Query>,
}

/// Where to look and what to ask.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceSpec {
    /// Where.
    pub at: SourceRef,
    /// What.
    pub signals: Signals,
}
