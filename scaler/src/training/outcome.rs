//! How a training run ended, and what is said of it.

use prewarm_forecaster::NoForecast;

use crate::store::SeriesKey;

/// How a refit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Ok,
    TooShort,
    StoreError,
    Panic,
}

impl Outcome {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::TooShort => "too_short",
            Self::StoreError => "store_error",
            Self::Panic => "panic",
        }
    }

    /// Another try at once gives nothing new.
    pub(super) fn settled(self) -> bool {
        matches!(self, Self::Ok | Self::TooShort)
    }
}

/// Says in the log why no forecast may act, where that is not what was `known` before.
pub(super) fn tell_no_forecast(
    key: &SeriesKey,
    known: Option<&NoForecast>,
    reason: Option<&NoForecast>,
    provisional: bool,
) {
    let known = known.map(NoForecast::as_str);
    match reason {
        Some(reason) if known == Some(reason.as_str()) => {}
        // Every workload begins so.
        Some(reason @ NoForecast::TooYoung { .. }) => tracing::info!(
            workload.namespace = key.namespace,
            workload.name = key.name,
            reason = reason.as_str(),
            provisional,
            "no forecast may act yet: {reason}"
        ),
        Some(reason) => tracing::warn!(
            workload.namespace = key.namespace,
            workload.name = key.name,
            reason = reason.as_str(),
            provisional,
            "no forecast may act: {reason}"
        ),
        None if known.is_some() => tracing::info!(
            workload.namespace = key.namespace,
            workload.name = key.name,
            "a forecast may act"
        ),
        None => {}
    }
}
