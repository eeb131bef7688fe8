//! What a restart would lose, from the history of the last minutes.

use jiff::{SignedDuration, Timestamp};

use super::{LastGood, Planner};
use crate::control::average_value::replicas;
use crate::decide::{later, plausibility};
use crate::series::Minute;

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

impl Planner {
    /// Restores what a restart would lose: live demand, the last arrival, the hold, the last good
    /// answer. `recent` is oldest first; it should reach back `keepWarm` and at least an hour,
    /// minutes older than what is remembered do no harm. For a planner that has not ticked yet:
    /// what it has seen itself is better, and stays.
    pub fn warm(&mut self, now: Timestamp, recent: &[Minute]) {
        // Of nothing nothing is known: the first sample is still the first.
        if self.last_tick.is_some() || recent.is_empty() {
            return;
        }
        let policy = self.policy.clone();
        let usable = |minute: &&Minute| {
            minute.start < now
                && [minute.mean, minute.max].iter().all(|value| value.is_finite() && *value >= 0.0)
        };
        let mut low_since = None;
        let most = plausibility::believed(recent, policy.threshold);
        if recent.iter().any(|minute| usable(&minute)) {
            self.plausibility.remember(most);
        }
        for minute in recent.iter().filter(usable) {
            let (mean, max) = (minute.mean.min(most), minute.max.min(most));
            // The last slot of the minute; a record of the running one stands for the slot before
            // now at the latest.
            let before = |instant: Timestamp| later(instant, -self.timing.slot);
            let end = before(later(minute.start, MINUTE)).min(before(now));
            if max > policy.activation || minute.backlog.is_some_and(|items| items > 0.0) {
                self.activity.arrive(end);
            }
            if replicas(max, policy.threshold) > 1 {
                low_since = None;
            } else {
                low_since.get_or_insert(minute.start);
            }
            self.live.restore(end, self.timing.slot, mean, max);
            self.backlog = minute.backlog.map(|items| (end, items)).or(self.backlog);
        }
        let Some((age, level)) = self.live.last(now) else { return };
        let at = later(now, -age);
        self.activity.restore(at, low_since, &self.scale_down_timing(now));
        self.desired = replicas(level.value, policy.threshold);
        let active = self.activity.active();
        self.last_good =
            Some(LastGood { at, live: level.value, backlog: 0.0, value: level.value, active });
    }
}
