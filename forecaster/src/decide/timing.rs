//! The beats around us: our slots, KEDA's polls, the HPA's syncs.

use jiff::SignedDuration;

/// The beats around us that a decision depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoopTiming {
    /// Distance between ticks.
    pub slot: SignedDuration,
    /// KEDA's polling interval.
    pub keda_poll: SignedDuration,
    /// The HPA's sync period.
    pub hpa_sync: SignedDuration,
    /// The HPA's scale-down stabilization: for so long after the last need it still wants what was
    /// needed.
    pub hpa_window: SignedDuration,
    /// How long a last good value may be repeated.
    pub last_good: SignedDuration,
}

impl Default for LoopTiming {
    fn default() -> Self {
        Self {
            slot: SignedDuration::from_secs(15),
            keda_poll: SignedDuration::from_secs(30),
            hpa_sync: SignedDuration::from_secs(15),
            hpa_window: SignedDuration::from_secs(300),
            last_good: SignedDuration::from_mins(5),
        }
    }
}
