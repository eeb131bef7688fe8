//! What a planner's answers stand on, as a value: out of one planner and into its successor, so
//! that a restart, or another replica, goes on as if nothing had happened.

use jiff::Timestamp;

use super::activity::Activity;
use super::{LastGood, Planner};
use crate::control::sliding_max::SlidingMax;
pub use crate::decide::plausibility::Held;

/// What a planner remembers between two ticks.
///
/// Not in it, because they are kept elsewhere: the policy, the forecast, the tuner's choice, the
/// start-ups.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Checkpoint {
    /// The last slot that was decided.
    pub at: Timestamp,
    /// Samples of the stable window, oldest first, in the demand's unit.
    pub samples: Vec<(Timestamp, f64)>,
    /// Until when the panic lasts, and its peak.
    pub panic: Option<(Timestamp, f64)>,
    /// The newest level of live demand.
    pub level: Option<LiveLevel>,
    /// The sliding maximum: what was wanted within the longest scale-down window, each value lower
    /// than the one before.
    pub wanted: Vec<(Timestamp, f64)>,
    /// The newest backlog, in items.
    pub backlog: Option<(Timestamp, f64)>,
    /// The newest latency, in seconds.
    pub latency: Option<(Timestamp, f64)>,
    /// The most demand and backlog together that ever counted, in the demand's unit; `None` before
    /// the first sample.
    pub needed: Option<f64>,
    /// The longest latency that ever counted, in seconds.
    pub slowest: f64,
    /// Samples of demand, backlog and latency that wait for the next slot.
    pub held: [Option<Held>; 3],
    /// What sleep or stay depends on.
    pub activity: ActivityTimes,
    /// The last answer that stood on fresh live demand.
    pub last_good: Option<LastGood>,
    /// Replicas that the last answer with a value asked for.
    pub desired: u32,
}

/// Live demand when a sample was last seen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LiveLevel {
    /// When.
    pub at: Timestamp,
    /// In the demand's unit.
    pub value: f64,
    /// The panic window prevailed.
    pub panic: bool,
}

/// When what happened that keeps a replica, or lets it go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ActivityTimes {
    /// The last answer was active.
    pub active: bool,
    /// Since when the answers have been active.
    pub active_since: Option<Timestamp>,
    /// Since when no answer has been active, counted from one that stood on a fresh observation.
    pub resting_since: Option<Timestamp>,
    /// When demand above activation, or a backlog, was last seen.
    pub last_arrival: Option<Timestamp>,
    /// Since when every answer has fitted on one replica.
    pub low_since: Option<Timestamp>,
    /// Since when replicas have been starting without a pause.
    pub starting_since: Option<Timestamp>,
}

impl Checkpoint {
    /// Whether a sample waits for the next slot. It counted in its own slot alone, so that only a
    /// slot with a sample can say more of it.
    pub fn holds(&self) -> bool {
        self.held.iter().any(Option::is_some)
    }
}

impl Planner {
    /// What the next answers stand on; `None` before the first tick.
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        let mut checkpoint = Checkpoint {
            at: self.last_tick?,
            wanted: self.wanted.kept().collect(),
            backlog: self.backlog,
            latency: self.latency,
            activity: self.activity.times(),
            last_good: self.last_good,
            desired: self.desired,
            ..Checkpoint::default()
        };
        self.live.save(&mut checkpoint);
        self.plausibility.save(&mut checkpoint);
        Some(checkpoint)
    }

    /// Goes on where `checkpoint` was taken. Its values are taken as they are: they must be finite
    /// and ≥ 0, and its lists ordered by time.
    pub fn restore(&mut self, checkpoint: &Checkpoint) {
        self.last_tick = Some(checkpoint.at);
        self.live.load(checkpoint);
        self.plausibility.load(checkpoint);
        self.wanted = SlidingMax::default();
        for (at, value) in &checkpoint.wanted {
            self.wanted.push(*at, *value);
        }
        self.backlog = checkpoint.backlog;
        self.latency = checkpoint.latency;
        self.activity = Activity::from_times(checkpoint.activity);
        self.last_good = checkpoint.last_good;
        self.desired = checkpoint.desired;
    }
}
