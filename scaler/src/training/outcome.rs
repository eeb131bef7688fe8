//! How a training run ended.

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
