//! Why there is no forecast: in words for people, and as a label of metrics and logs.

use jiff::{SignedDuration, Timestamp};

#[cfg(doc)]
use super::Ensemble;

/// No lead is longer than so many buckets.
pub const MAX_LEAD_BUCKETS: usize = 3000;

/// Why there is no forecast.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NoForecast {
    /// Too little was observed yet.
    #[error("{observed} buckets were observed, a forecast needs {needed}")]
    TooYoung {
        /// Observed since the start.
        observed: usize,
        /// Needed at the lead, where none of them is a gap.
        needed: usize,
    },
    /// Enough was observed, but with too many gaps between.
    #[error("{pairs} pairs of observed buckets lie {lead:#} apart, a forecast needs {needed}")]
    TooSparse {
        /// Pairs among the buckets that are looked at (weeks to months of them, by their length).
        pairs: usize,
        /// Needed.
        needed: usize,
        /// The lead.
        lead: SignedDuration,
    },
    /// Nothing was observed for more than a day.
    #[error("nothing was observed for {gap:#}, a forecast needs a value of the last day")]
    Stale {
        /// How long.
        gap: SignedDuration,
    },
    /// For more than a day demand was cut off by a limit ([`Ensemble::push_saturated`]) wherever it
    /// was observed at all.
    #[error(
        "demand was cut off by its limit for {gap:#}, a forecast needs a value of the last day that was not"
    )]
    CutOff {
        /// How long.
        gap: SignedDuration,
    },
    /// The caller has asked for none after this bucket: [`Ensemble::scoring_from`],
    /// [`Ensemble::scoring_every`], or a [`share`](Ensemble::share) without leads that was given
    /// nobody else's.
    #[error("no forecast was asked for after this bucket")]
    NotIssued,
    /// The lead is longer than [`MAX_LEAD_BUCKETS`].
    #[error("a lead of {lead:#} is more than {MAX_LEAD_BUCKETS} buckets ahead")]
    TooFar {
        /// The lead.
        lead: SignedDuration,
    },
    /// No lead or no quantile is asked for.
    #[error("no lead or no quantile is asked for")]
    NothingAsked,
    /// An origin before the first bucket of the history or after its last.
    #[error("the history does not cover the origin {origin}")]
    Outside {
        /// The origin.
        origin: Timestamp,
    },
}

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
