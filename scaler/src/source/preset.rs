//! Presets: demand, backlog, latency and a starting threshold by serving system.

/// A preset's expression over series, with its selector.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {}
