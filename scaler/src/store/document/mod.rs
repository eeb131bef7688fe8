//! What is kept of a series besides its history: forecasts, sums of shadow policies, selections, what
//! each day cost, start-ups.

mod arrival;
mod blocks;
mod decisions;
mod forecast;

use jiff::Timestamp;

pub use arrival::{pack_arrival, unpack_arrival};
pub use blocks::{pack_blocks, unpack_blocks};
pub use decisions::{DecisionRecord, pack_decisions, unpack_decisions};
pub use forecast::{pack_forecast, unpack_forecast};

use super::day::DayError;
use super::records::DAY_S;

/// What a note is about. What it holds is up to who writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The latest forecast and the one before it, which is in force until the newer one acts, by
    /// origin: older ones go when a newer one is written.
    Forecast,
    /// The latest fit of the probability of an arrival and the one before it, by the end of the
    /// newest bucket in it: older ones go when a newer one is written.
    Arrival,
    /// Sums of the shadow policies, by UTC day.
    Blocks,
    /// A change of the selection, by instant.
    Selection,
    /// What a finished UTC day cost, and what it would have cost otherwise.
    Day,
    /// Changes of what was decided since the last such note, by the first of them.
    Decision,
    /// The latest start-ups of pods and the ScaledObject's limits, by the newest of them: an older
    /// note goes when a newer one is written.
    StartUps,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Forecast,
        Self::Arrival,
        Self::Blocks,
        Self::Selection,
        Self::Day,
        Self::Decision,
        Self::StartUps,
    ];

    /// Its name in the database.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Forecast => "forecast",
            Self::Arrival => "arrival",
            Self::Blocks => "blocks",
            Self::Selection => "choice",
            Self::Day => "day",
            Self::Decision => "decision",
            Self::StartUps => "start_ups",
        }
    }

    /// How many of them a series keeps; `None`: by age alone.
    pub(super) fn kept(self) -> Option<u32> {
        match self {
            Self::Forecast | Self::Arrival => Some(2),
            Self::StartUps => Some(1),
            Self::Blocks | Self::Selection | Self::Day | Self::Decision => None,
        }
    }

    /// Notes of this kind about what lies before this instant (epoch seconds) go.
    pub(super) fn kept_from(self, now: Timestamp) -> i64 {
        let days = match self {
            // Beyond every horizon.
            Self::Forecast => 3,
            // A day's fit acts until the next one; and 28 days of blocks, and the day that is under
            // way.
            Self::Arrival | Self::Blocks => 30,
            // 13 months: "why did it go to 7 on Monday?" is asked long after the Monday.
            Self::Decision | Self::Selection | Self::Day | Self::StartUps => 400,
        };
        now.as_second() - days * DAY_S
    }
}

/// A note about a series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// What it is about.
    pub kind: Kind,
    /// When what it is about was or began; whole seconds.
    pub at: Timestamp,
    /// Layout of `data`.
    pub codec: i32,
    /// The note.
    pub data: Vec<u8>,
}

/// Why a note cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("note: {0}")]
pub struct DocumentError(#[from] DayError);
