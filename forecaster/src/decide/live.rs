//! Live demand over Knative's stable and panic windows (knative/serving
//! pkg/autoscaler/scaling/autoscaler.go).

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

use super::later;
use super::planner::checkpoint::{Checkpoint, LiveLevel};

/// Knative's `stable-window`.
pub(crate) const STABLE_WINDOW: SignedDuration = SignedDuration::from_secs(60);

/// Knative's panic window: 10 % of the stable one. At least one slot.
const PANIC_WINDOW: SignedDuration = SignedDuration::from_secs(6);

/// Knative's `panic-threshold-percentage`: 200.
const PANIC_RATIO: f64 = 2.0;

/// Slots without a sample after which live demand is stale.
const STALE_SLOTS: i32 = 3;

/// Live demand at an instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Level {
    /// In the demand's unit.
    pub(crate) value: f64,
    /// The panic window prevails.
    pub(crate) panic: bool,
}

/// The samples of the stable window and what panic remembers.
#[derive(Debug, Clone, Default)]
pub(crate) struct LiveWindow {
    samples: VecDeque<(Timestamp, f64)>,
    panic: Option<Panic>,
    last: Option<(Timestamp, Level)>,
}

#[derive(Debug, Clone, Copy)]
struct Panic {
    until: Timestamp,
    peak: f64,
}

impl LiveWindow {
    /// Adds the sample of slot `now`; a second one of the same slot replaces it.
    pub(crate) fn push(&mut self, now: Timestamp, demand: f64) {
        while self.samples.back().is_some_and(|(at, _)| *at >= now) {
            self.samples.pop_back();
        }
        self.samples.push_back((now, demand));
        self.forget(now);
        let stable = self.stable(now).unwrap_or(demand);
        let panic =
            mean(self.samples.iter().filter(|(at, _)| now.duration_since(*at) < PANIC_WINDOW));
        if let Some(panic) = panic.filter(|panic| *panic > 0.0 && *panic >= PANIC_RATIO * stable) {
            let peak = self.panic.map_or(panic, |running| running.peak.max(panic));
            self.panic = Some(Panic { until: later(now, STABLE_WINDOW), peak });
        }
        self.panic = self.panic.filter(|running| running.until > now);
        self.last = Some((now, self.level(now, stable)));
    }

    /// Takes over a minute of history that ended at `end`, as if its mean had been sampled at every
    /// slot. A peak of twice the mean has been a panic, and still is one if it is young enough.
    pub(crate) fn restore(&mut self, end: Timestamp, slot: SignedDuration, mean: f64, peak: f64) {
        let slots = (STABLE_WINDOW.as_secs() / slot.as_secs().max(1)).clamp(1, 60) as i32;
        for back in (0..slots).rev() {
            self.push(end.checked_sub(slot * back).unwrap_or(end), mean);
        }
        if peak > 0.0 && peak >= PANIC_RATIO * mean {
            self.panic = Some(Panic { until: later(end, STABLE_WINDOW), peak });
            self.last = Some((end, Level { value: peak, panic: true }));
        }
    }

    /// Writes itself into a checkpoint.
    pub(crate) fn save(&self, checkpoint: &mut Checkpoint) {
        checkpoint.samples = self.samples.iter().copied().collect();
        checkpoint.panic = self.panic.map(|running| (running.until, running.peak));
        checkpoint.level =
            self.last.map(|(at, Level { value, panic })| LiveLevel { at, value, panic });
    }

    /// Becomes what a checkpoint says.
    pub(crate) fn load(&mut self, checkpoint: &Checkpoint) {
        self.samples = checkpoint.samples.iter().copied().collect();
        self.panic = checkpoint.panic.map(|(until, peak)| Panic { until, peak });
        self.last =
            checkpoint.level.map(|LiveLevel { at, value, panic }| (at, Level { value, panic }));
    }

    /// The newest sample, however old.
    pub(crate) fn newest(&self) -> Option<f64> {
        self.samples.back().map(|(_, demand)| *demand)
    }

    /// The level, if a sample is young enough to stand for `now`: of what is left of the window, so
    /// that a missed slot never counts for less than an empty one.
    pub(crate) fn fresh(&self, now: Timestamp, slot: SignedDuration) -> Option<Level> {
        let (at, level) = self.last?;
        let current = || self.stable(now).map_or(level, |stable| self.level(now, stable));
        (now.duration_since(at) <= slot * STALE_SLOTS).then(current)
    }

    /// The last level and its age (≥ 0), however old.
    pub(crate) fn last(&self, now: Timestamp) -> Option<(SignedDuration, Level)> {
        self.last.map(|(at, level)| (now.duration_since(at).max(SignedDuration::ZERO), level))
    }

    /// After the clock was set back: samples of the future are of no use, the level stays as of
    /// now.
    pub(crate) fn rebase(&mut self, now: Timestamp) {
        self.samples.clear();
        self.panic = None;
        self.last = self.last.map(|(_, level)| (now, level));
    }

    /// The mean over the stable window; `None` without a sample in it.
    fn stable(&self, now: Timestamp) -> Option<f64> {
        mean(self.samples.iter().filter(|(at, _)| now.duration_since(*at) < STABLE_WINDOW))
    }

    /// While panicking the level never falls below its peak, as Knative never scales down in panic
    /// mode.
    fn level(&self, now: Timestamp, stable: f64) -> Level {
        match self.panic {
            Some(running) if running.until > now && running.peak > stable => {
                Level { value: running.peak, panic: true }
            }
            _ => Level { value: stable, panic: false },
        }
    }

    fn forget(&mut self, now: Timestamp) {
        while self.samples.front().is_some_and(|(at, _)| now.duration_since(*at) >= STABLE_WINDOW) {
            self.samples.pop_front();
        }
    }
}

fn mean<'a>(samples: impl Iterator<Item = &'a (Timestamp, f64)>) -> Option<f64> {
    let (sum, n) = samples.fold((0.0, 0u32), |(sum, n), (_, demand)| (sum + demand, n + 1));
    (n > 0).then(|| sum / f64::from(n))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOT: SignedDuration = SignedDuration::from_secs(15);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn window(samples: &[(i64, f64)]) -> LiveWindow {
        let mut window = LiveWindow::default();
        for (second, demand) in samples {
            window.push(at(*second), *demand);
        }
        window
    }

    #[test]
    fn the_stable_window_is_the_mean_of_its_samples_gaps_left_out() {
        let window = window(&[(0, 10.0), (15, 20.0), (45, 30.0)]);
        assert_eq!(window.fresh(at(45), SLOT), Some(Level { value: 20.0, panic: false }));
    }

    #[test]
    fn twice_the_stable_mean_is_a_panic_that_lasts_a_stable_window() {
        let mut window = window(&[(0, 1.0), (15, 1.0), (30, 1.0), (45, 40.0)]);
        assert_eq!(window.fresh(at(45), SLOT), Some(Level { value: 40.0, panic: true }));
        window.push(at(60), 5.0);
        assert_eq!(window.fresh(at(60), SLOT), Some(Level { value: 40.0, panic: true }));
        for second in [75, 90, 105] {
            window.push(at(second), 5.0);
        }
        assert_eq!(window.fresh(at(105), SLOT), Some(Level { value: 5.0, panic: false }));
    }

    #[test]
    fn a_missed_slot_never_counts_for_less_than_an_empty_one() {
        let mut window = window(&[(0, 2.0), (15, 40.0), (30, 40.0), (45, 40.0)]);
        let missed = window.fresh(at(60), SLOT).unwrap();
        window.push(at(60), 0.0);
        assert_eq!((missed.value, window.fresh(at(60), SLOT).unwrap().value), (40.0, 30.0));
    }

    #[test]
    fn a_slot_that_comes_twice_counts_once() {
        let window = window(&[(0, 10.0), (15, 50.0), (15, 20.0)]);
        assert_eq!(window.fresh(at(15), SLOT), Some(Level { value: 15.0, panic: false }));
    }

    #[test]
    fn a_restored_panic_goes_on() {
        let mut window = LiveWindow::default();
        window.restore(at(45), SLOT, 10.0, 40.0);
        assert_eq!(window.fresh(at(60), SLOT), Some(Level { value: 40.0, panic: true }));
        window.push(at(60), 10.0);
        assert_eq!(window.fresh(at(60), SLOT), Some(Level { value: 40.0, panic: true }));
        window.push(at(105), 10.0);
        assert_eq!(window.fresh(at(105), SLOT), Some(Level { value: 10.0, panic: false }));
    }

    #[test]
    fn live_demand_is_stale_after_three_missed_slots() {
        let window = window(&[(0, 4.0)]);
        assert!(window.fresh(at(45), SLOT).is_some());
        assert!(window.fresh(at(46), SLOT).is_none());
        assert_eq!(window.last(at(100)).map(|(age, _)| age), Some(SignedDuration::from_secs(100)));
        assert_eq!(window.last(at(-100)).map(|(age, _)| age), Some(SignedDuration::ZERO));
    }
}
