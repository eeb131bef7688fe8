//! One word on where a workload stands, for people and for metrics: the answer table's row, or why
//! there is none.

use jiff::Timestamp;
use prewarm_forecaster::{Answer, Recommendation, State};

/// Where a workload stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkloadStatus {
    /// Its metadata is wrong: callers are told so.
    Invalid,
    /// Registered, first decision pending.
    Pending,
    /// The last decision is too old to repeat: it is no longer sampled here.
    Expired,
    /// Decided: a row of the answer table.
    Decided(State),
}

impl WorkloadStatus {
    /// Every standing.
    pub const ALL: [Self; 10] = [
        Self::Invalid,
        Self::Pending,
        Self::Expired,
        Self::Decided(State::Fresh),
        Self::Decided(State::Reactive),
        Self::Decided(State::LiveDown),
        Self::Decided(State::LastGood),
        Self::Decided(State::NoSignal),
        Self::Decided(State::ScaledToZero),
        Self::Decided(State::NoData),
    ];

    /// Where a workload stands at `now`, by whether its metadata is valid and by its latest
    /// recommendation.
    pub fn of(valid: bool, latest: Option<&Recommendation>, now: Timestamp) -> Self {
        match latest {
            _ if !valid => Self::Invalid,
            None => Self::Pending,
            Some(latest) if now > latest.valid_until => Self::Expired,
            Some(latest) => Self::Decided(latest.decision.state),
        }
    }

    /// snake_case name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Pending => "pending",
            Self::Expired => "expired",
            Self::Decided(state) => state.as_str(),
        }
    }

    /// The value and the activity that callers are told; `None` while they are told to hold.
    pub fn vouched(self, latest: Option<&Recommendation>) -> Option<(f64, bool)> {
        match (self, latest?.answer) {
            (Self::Decided(_), Answer::Value { metric_value, active }) => {
                Some((metric_value, active))
            }
            _ => None,
        }
    }
}
