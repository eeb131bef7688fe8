//! Why a source gave no number, in words that a person can act upon.

use std::time::Duration;

use reqwest::StatusCode;

/// Why a source did not answer. Texts name the source and the fix and hold the source's own words,
/// never a credential of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// No connection, or none in time.
    #[error("cannot reach {source_name}: {cause}")]
    Unreachable {
        /// Which.
        source_name: String,
        /// Why.
        cause: String,
    },
    /// It is there and cannot answer now: overloaded, or one of its own parts is gone.
    #[error("{source_name} cannot answer now: {cause}")]
    Unavailable {
        /// Which.
        source_name: String,
        /// HTTP status, its words and the query.
        cause: String,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// It answered with a part of its data: the number would look like falling demand.
    #[error("{source_name} could read only a part of its data: {cause}")]
    Partial {
        /// Which.
        source_name: String,
        /// Its words.
        cause: String,
    },
    /// It refused our credentials.
    #[error("{source_name} refused our credentials (HTTP {status}){}", after_colon(.cause))]
    Unauthorized {
        /// Which.
        source_name: String,
        /// HTTP status.
        status: u16,
        /// Its words; may be empty.
        cause: String,
    },
    /// It refused the query.
    #[error("{source_name} refused the query: {cause}")]
    BadQuery {
        /// Which.
        source_name: String,
        /// HTTP status, its words and the query.
        cause: String,
    },
    /// It answered the query, and not with one number.
    #[error("{source_name} was asked for one number: {cause}")]
    NotOneNumber {
        /// Which.
        source_name: String,
        /// What came, how to make it one number, and the query.
        cause: String,
    },
    /// The query names labels that the source cannot have.
    #[error("{source_name} can never match the query: {cause}")]
    Unmatchable {
        /// Which.
        source_name: String,
        /// Which labels, and what to write.
        cause: String,
    },
    /// It answered with something that is not an answer.
    #[error("{source_name} answered with garbage: {cause}")]
    InvalidResponse {
        /// Which.
        source_name: String,
        /// What.
        cause: String,
    },
    /// The source cannot do this (history of an exposition endpoint, say).
    #[error("{source_name} cannot {what}")]
    Unsupported {
        /// Which.
        source_name: String,
        /// What.
        what: &'static str,
    },
    /// Its configuration cannot work, or there is none.
    #[error("source {source_name}: {cause}")]
    Misconfigured {
        /// Which.
        source_name: String,
        /// What is wrong and what is allowed.
        cause: String,
    },
}

impl SourceError {
    /// snake_case kind, for the metric's label.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } | Self::Unavailable { .. } => "unreachable",
            Self::Partial { .. } => "partial",
            Self::Unauthorized { .. } => "unauthorized",
            Self::BadQuery { .. } | Self::NotOneNumber { .. } | Self::Unmatchable { .. } => {
                "bad_query"
            }
            Self::InvalidResponse { .. } => "garbage",
            Self::Unsupported { .. } => "unsupported",
            Self::Misconfigured { .. } => "misconfigured",
        }
    }

    /// Whether the same question may be answered later without anybody changing anything.
    pub fn passes(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Unavailable { .. } | Self::Partial { .. })
    }

    /// When the source itself wants to be asked again.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The same, told of one of the source's endpoints.
    pub(super) fn at_endpoint(mut self, endpoint: &str) -> Self {
        let name = self.source_name();
        *name = format!("{name} ({endpoint})");
        self
    }

    fn source_name(&mut self) -> &mut String {
        match self {
            Self::Unreachable { source_name, .. }
            | Self::Unavailable { source_name, .. }
            | Self::Partial { source_name, .. }
            | Self::Unauthorized { source_name, .. }
            | Self::BadQuery { source_name, .. }
            | Self::NotOneNumber { source_name, .. }
            | Self::Unmatchable { source_name, .. }
            | Self::InvalidResponse { source_name, .. }
            | Self::Unsupported { source_name, .. }
            | Self::Misconfigured { source_name, .. } => source_name,
        }
    }
}

/// Whether a status says that the server cannot answer now, whatever is asked: overload, a
/// time-out, a part that is gone.
pub(super) fn may_pass(status: StatusCode) -> bool {
    // 499: the query was canceled, by Prometheus' own use of nginx' number.
    let refused =
        matches!(status, StatusCode::NOT_IMPLEMENTED | StatusCode::HTTP_VERSION_NOT_SUPPORTED);
    status.is_server_error() && !refused || matches!(status.as_u16(), 408 | 425 | 429 | 499)
}

fn after_colon(words: &str) -> String {
    if words.is_empty() { String::new() } else { format!(": {words}") }
}
