//! Sleep or stay: what decides between one replica and none.

use jiff::{SignedDuration, Timestamp};

use super::Replicas;
use super::checkpoint::ActivityTimes;
use crate::decide::{Reason, later};

/// A start-up that takes longer than this many cold starts is stuck and keeps nothing.
const STUCK: i32 = 2;

/// How long a replica that nobody asks for stays.
#[derive(Debug, Clone, Copy)]
pub(in crate::decide) struct ScaleDownTiming {
    /// One replica stays for so long after the last arrival.
    pub(super) keep_warm: SignedDuration,
    /// Somebody is awaited: one replica stays, or starts.
    pub(super) arrival_likely: bool,
    /// So long must one replica have been enough before none is.
    pub(super) step_down: SignedDuration,
    /// How long a replica takes to start.
    pub(super) cold_start: SignedDuration,
}

/// What was answered and what arrived, as far as it matters for going to zero.
#[derive(Debug, Clone, Default)]
pub(in crate::decide) struct Activity {
    /// The last answer.
    active: bool,
    /// Since when the answers have been active.
    active_since: Option<Timestamp>,
    /// Since when no answer has been active, counted from one that stood on a fresh observation.
    resting_since: Option<Timestamp>,
    /// When demand above activation, or a backlog, was last seen.
    last_arrival: Option<Timestamp>,
    /// Since when every answer has fitted on one replica.
    low_since: Option<Timestamp>,
    /// Since when replicas have been starting without a pause.
    starting_since: Option<Timestamp>,
}

impl Activity {
    /// Somebody came.
    pub(super) fn arrive(&mut self, now: Timestamp) {
        self.last_arrival = self.last_arrival.max(Some(now));
    }

    /// Follows start-ups; replicas that run before our first answer are taken over as if we had
    /// asked for them.
    pub(super) fn follow(&mut self, now: Timestamp, replicas: Option<Replicas>, first: bool) {
        match replicas {
            Some(Replicas { starting: 1.., .. }) => {
                self.starting_since.get_or_insert(now);
            }
            _ => self.starting_since = None,
        }
        self.active |= first && replicas.is_some_and(|replicas| replicas.total() > 0);
    }

    /// Why one replica stays although nothing asks for it now; `None` if it may go. `observed`:
    /// demand was seen in this very slot. `settled`: no queue was left unobserved.
    pub(in crate::decide) fn keep(
        &self,
        now: Timestamp,
        timing: &ScaleDownTiming,
        observed: bool,
        settled: bool,
    ) -> Option<Reason> {
        let younger =
            |past: Option<Timestamp>, than| past.is_some_and(|at| now.duration_since(at) < than);
        let starting = younger(self.starting_since, timing.cold_start * STUCK);
        if starting || self.stepping_down(now, timing) {
            return Some(Reason::Hold);
        }
        if younger(self.last_arrival, timing.keep_warm) {
            return Some(Reason::KeepWarm);
        }
        if timing.arrival_likely {
            return Some(Reason::Arrival);
        }
        // Only what was seen in this slot vouches for the step to zero; a replica that was asked
        // for gets to start.
        let waits =
            self.active && (!observed || !settled || younger(self.active_since, timing.cold_start));
        waits.then_some(Reason::Hold)
    }

    /// More than one replica was asked for so short a time ago that the HPA may not have stepped
    /// down yet: KEDA's N → 0 goes past the HPA's behavior in one step (keda#7770).
    pub(in crate::decide) fn stepping_down(
        &self,
        now: Timestamp,
        timing: &ScaleDownTiming,
    ) -> bool {
        self.active
            && self.low_since.is_none_or(|since| now.duration_since(since) < timing.step_down)
    }

    /// When demand above activation, or a backlog, was last seen.
    pub(super) fn last_arrival(&self) -> Option<Timestamp> {
        self.last_arrival
    }

    /// Whether the last answer was active.
    pub(super) fn active(&self) -> bool {
        self.active
    }

    /// How long no answer has been active; `None` if the last one was.
    pub(super) fn resting(&self, now: Timestamp) -> Option<SignedDuration> {
        self.resting_since.map(|since| now.duration_since(since))
    }

    /// Remembers an answer that we vouched for.
    pub(super) fn settle(&mut self, now: Timestamp, active: bool, desired: u32, fresh: bool) {
        if active {
            self.active_since.get_or_insert(now);
            self.resting_since = None;
        } else {
            self.active_since = None;
            if fresh {
                self.resting_since.get_or_insert(now);
            }
        }
        self.active = active;
        if desired <= 1 {
            self.low_since.get_or_insert(now);
        } else {
            self.low_since = None;
        }
    }

    /// Nothing could be said, or nobody asked for long: what runs may be more than one replica.
    pub(super) fn lose_sight(&mut self) {
        self.low_since = None;
    }

    /// After the clock was set back nothing lies in the future.
    pub(super) fn rewind(&mut self, now: Timestamp) {
        for past in [
            &mut self.active_since,
            &mut self.resting_since,
            &mut self.last_arrival,
            &mut self.low_since,
            &mut self.starting_since,
        ] {
            *past = past.map(|at| at.min(now));
        }
    }

    /// For a checkpoint.
    pub(super) fn times(&self) -> ActivityTimes {
        let Self { active, active_since, resting_since, last_arrival, low_since, starting_since } =
            *self;
        ActivityTimes {
            active,
            active_since,
            resting_since,
            last_arrival,
            low_since,
            starting_since,
        }
    }

    /// Of a checkpoint.
    pub(super) fn from_times(times: ActivityTimes) -> Self {
        let ActivityTimes {
            active,
            active_since,
            resting_since,
            last_arrival,
            low_since,
            starting_since,
        } = times;
        Self { active, active_since, resting_since, last_arrival, low_since, starting_since }
    }

    /// What a restart lost. `newest`: when demand was last seen at all; `low_since`: since when one
    /// replica has been enough. It rests only if it was still seen when its time had run out.
    pub(super) fn restore(
        &mut self,
        newest: Timestamp,
        low_since: Option<Timestamp>,
        timing: &ScaleDownTiming,
    ) {
        self.low_since = low_since;
        // Without any arrival it has been at rest for as long as it could be warmed.
        let rests_from = match self.last_arrival {
            Some(at) => later(at, timing.keep_warm.max(timing.step_down)),
            None => low_since.unwrap_or(newest),
        };
        self.active = rests_from > newest;
        self.active_since = self.last_arrival.filter(|_| self.active);
        self.resting_since = Some(rests_from).filter(|_| !self.active);
    }
}
