//! Why there is no forecast, as label of metrics and logs.

use super::ensemble::NoForecast;

impl NoForecast {
    /// snake_case name; bounded.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::TooYoung { .. } => "too_young",
            Self::TooSparse { .. } => "too_sparse",
            Self::Stale { .. } => "stale",
            Self::CutOff { .. } => "cut_off",
            Self::NotIssued => "not_issued",
            Self::TooFar { .. } => "too_far",
            Self::NothingAsked => "nothing_asked",
            Self::Outside { .. } => "outside",
        }
    }
}
