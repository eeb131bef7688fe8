//! What a slot's observation counts for, once it is known whether it can be.

use jiff::Timestamp;

use super::checkpoint::Checkpoint;
use super::{BRIDGED_SLOTS, MAX_LATENCY_FACTOR, Observation, Planner, Replicas};
use crate::decide::live::Level;
use crate::decide::plausibility::{FACTOR, Judgment, Reference, Signal};
use crate::decide::policy::Mode;
use crate::decide::{Check, Verdict};
use crate::forecast::Forecast;

/// No forecast is above so many times the most that was ever seen.
const CAP: f64 = 1.1;

/// What is known of a workload's signals, to judge the next samples by.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Plausibility {
    demand: Signal,
    backlog: Signal,
    latency: Signal,
    /// The most demand and backlog together that ever counted, in the demand's unit; `None` before
    /// the first sample.
    needed: Option<f64>,
    /// The most that the forecast in force expects: history has seen as much.
    expected: f64,
    /// The longest latency that ever counted, in seconds.
    slowest: f64,
    /// Replicas that may run, where it is known.
    pub(super) may_run: Option<u32>,
}

impl Plausibility {
    /// So much was needed once, in the demand's unit.
    pub(super) fn remember(&mut self, needed: f64) {
        self.needed = Some(self.needed.map_or(needed, |known| known.max(needed)));
    }

    /// A forecast says no more than a tenth above the most that was ever seen: it remembers what a
    /// restart has forgotten.
    pub(super) fn expect(&mut self, forecast: &Forecast) {
        let values = forecast.values().iter().flatten().copied().filter(|value| value.is_finite());
        self.expected = values.fold(0.0, f64::max) / CAP;
    }

    /// Writes itself into a checkpoint.
    pub(super) fn save(&self, checkpoint: &mut Checkpoint) {
        checkpoint.needed = self.needed;
        checkpoint.slowest = self.slowest;
        checkpoint.held = [self.demand, self.backlog, self.latency].map(|signal| signal.held());
    }

    /// Becomes what a checkpoint says. What the forecast expects and what may run are known from
    /// elsewhere.
    pub(super) fn load(&mut self, checkpoint: &Checkpoint) {
        self.needed = checkpoint.needed;
        self.slowest = checkpoint.slowest;
        [self.demand, self.backlog, self.latency] = checkpoint.held.map(Signal::of_held);
    }

    /// After the clock was set back.
    pub(super) fn forget_held(&mut self) {
        [&mut self.demand, &mut self.backlog, &mut self.latency]
            .into_iter()
            .for_each(Signal::forget);
    }
}

/// What a slot gave.
#[derive(Debug, Clone, Copy)]
pub(in crate::decide) struct Intake {
    /// Demand was seen in this very slot.
    pub(in crate::decide) seen: bool,
    /// What a held demand counts for in this slot alone, in its own unit.
    pub(in crate::decide) demand_held: Option<f64>,
    /// What a held backlog counts for in this slot alone, in items.
    pub(super) backlog_held: Option<f64>,
    /// The SLO guard's factor, ≥ 1.
    pub(super) latency_factor: f64,
    pub(super) demand_check: Check,
    pub(super) backlog_check: Check,
    pub(super) latency_check: Check,
}

impl Intake {
    /// A slot without anything.
    const MISSED: Self = Self {
        seen: false,
        demand_held: None,
        backlog_held: None,
        latency_factor: 1.0,
        demand_check: Check { verdict: Verdict::Plausible, earlier: None },
        backlog_check: Check { verdict: Verdict::Plausible, earlier: None },
        latency_check: Check { verdict: Verdict::Plausible, earlier: None },
    };

    /// Something counts in this slot alone, or does not count yet.
    pub(super) fn holds(&self) -> bool {
        [self.demand_check, self.backlog_check].iter().any(|check| check.verdict == Verdict::Held)
    }

    /// Live demand with what a held sample counts for.
    pub(super) fn level(&self, known: Option<Level>) -> Option<Level> {
        match self.demand_held {
            Some(held) if known.is_none_or(|known| known.value < held) => {
                Some(Level { value: held, panic: true })
            }
            _ => known,
        }
    }
}

impl Planner {
    /// Whether no sample has ever counted. The first one can be judged by nothing but the cluster,
    /// or a witness.
    pub fn is_new(&self) -> bool {
        self.plausibility.needed.is_none()
    }

    /// What the source said of an earlier slot, asked for after the fact: it confirms or denies the
    /// next sample, and counts for nothing else.
    pub fn witness(&mut self, at: Timestamp, observation: &Observation) {
        self.plausibility.demand.witness(at, observation.demand);
        self.plausibility.backlog.witness(at, observation.backlog);
    }

    /// Applies the observation, as far as it can be. What is not a number ≥ 0 is missing.
    pub(super) fn apply(&mut self, now: Timestamp, observation: &Observation) -> Intake {
        let first = self.live.last(now).is_none();
        self.activity.follow(now, observation.replicas, first);
        let (latency_factor, latency_check) = self.apply_latency(now, observation.latency);
        // Without replicas there are no model-server metrics, and nothing can be served: that is no
        // demand.
        let gone = observation.absent
            && observation.replicas.is_some_and(|replicas| replicas.total() == 0);
        let sample = observation.demand.or(gone.then_some(0.0));

        let bridge = self.timing.slot * BRIDGED_SLOTS;
        let limit = self.reference(observation.replicas).limit();
        // What was seen waiting counts on while nothing newer is known of it: what is no number of
        // items says nothing new.
        let newer = observation.backlog.filter(|items| items.is_finite() && *items >= 0.0);
        let waiting = match (newer, self.backlog) {
            (None, Some((at, items))) if self.repeatable(now, at) => items * self.demand_per_item(),
            _ => 0.0,
        };
        let room = (limit - waiting).max(0.0) / latency_factor;
        let demand =
            self.plausibility.demand.judge(now, sample, (room, FACTOR / latency_factor), bridge);
        // Nothing to judge by, and nobody can say what runs: a limit could scale in.
        let unknown = self.is_new() && observation.replicas.is_none();
        if !unknown {
            self.count_demand(now, &demand);
        }
        let level = match self.live.fresh(now, self.timing.slot) {
            Some(level) => level.value.max(demand.provisional().unwrap_or(0.0)),
            None => demand.counts.unwrap_or(0.0),
        };
        let backlog =
            self.judge_backlog(now, observation.backlog, limit, level * latency_factor, &demand);
        // The slot is as good as missed; the next one confirms.
        let missed =
            unknown && [&demand, &backlog].iter().any(|signal| signal.provisional().is_some());
        if missed {
            let (demand_check, backlog_check) = (demand.check, backlog.check);
            return Intake {
                latency_factor,
                demand_check,
                backlog_check,
                latency_check,
                ..Intake::MISSED
            };
        }
        if unknown {
            self.count_demand(now, &demand);
        }
        self.count_backlog(now, &backlog);
        let per_item = self.demand_per_item();

        if demand.accepted().is_some() || backlog.accepted().is_some() {
            self.plausibility.remember(0.0);
        }
        let proven = demand.proven + backlog.proven * per_item;
        if proven > 0.0 {
            self.plausibility.remember(proven);
        }
        Intake {
            seen: demand.counts.is_some(),
            demand_held: demand.provisional(),
            backlog_held: backlog.provisional(),
            latency_factor,
            demand_check: demand.check,
            backlog_check: backlog.check,
            latency_check,
        }
    }

    /// Demand that an item waiting stands for.
    pub(super) fn demand_per_item(&self) -> f64 {
        let threshold = self.policy.threshold;
        threshold.get() / self.policy.backlog_threshold.unwrap_or(threshold).get()
    }

    /// `limit` is of live demand and backlog together, in the demand's unit; demand comes first.
    fn judge_backlog(
        &mut self,
        now: Timestamp,
        items: Option<f64>,
        limit: f64,
        live: f64,
        demand: &Judgment,
    ) -> Judgment {
        // What two slots say of demand was needed.
        let limit = limit.max(FACTOR * demand.twice);
        // A queue that is there stays there: no fleet of zero is left with it.
        let room = ((limit - live) / self.demand_per_item()).max(f64::MIN_POSITIVE);
        self.plausibility.backlog.judge(
            now,
            items,
            (room, FACTOR),
            self.timing.slot * BRIDGED_SLOTS,
        )
    }

    fn count_demand(&mut self, now: Timestamp, demand: &Judgment) {
        if let Some(held) = demand.confirmed {
            self.live.push(held.at, held.value);
        }
        if let Some(value) = demand.accepted() {
            self.live.push(now, value);
        }
        // Somebody may have come: at most one replica is kept warm for what is rejected later.
        if demand.counts.is_some_and(|value| value > self.policy.activation) {
            self.activity.arrive(now);
        }
    }

    fn count_backlog(&mut self, now: Timestamp, backlog: &Judgment) {
        if let Some(items) = backlog.accepted() {
            self.backlog = Some((now, items));
        }
        if backlog.counts.is_some_and(|items| items > 0.0) {
            self.activity.arrive(now);
        }
    }

    /// The SLO guard's factor. A latency is bridged over a few missed slots; a held one counts in
    /// its own slot alone.
    fn apply_latency(&mut self, now: Timestamp, sample: Option<f64>) -> (f64, Check) {
        let bridge = self.timing.slot * BRIDGED_SLOTS;
        // Beyond the largest factor nothing changes.
        let harmless = MAX_LATENCY_FACTOR * self.policy.latency_target.unwrap_or(f64::INFINITY);
        let limit = FACTOR * self.plausibility.slowest.max(harmless);
        let judgment = self.plausibility.latency.judge(now, sample, (limit, FACTOR), bridge);
        if let Some(seen) = judgment.accepted() {
            self.latency = Some((now, seen));
        }
        self.plausibility.slowest = self.plausibility.slowest.max(judgment.proven);
        let bridged =
            self.latency.filter(|(at, _)| now.duration_since(*at) <= bridge).map(|(_, seen)| seen);
        let factor = match (self.policy.latency_target, judgment.provisional().or(bridged)) {
            (Some(target), Some(seen)) => (seen / target).clamp(1.0, MAX_LATENCY_FACTOR),
            _ => 1.0,
        };
        (factor, judgment.check)
    }

    /// What this slot's samples are judged by.
    fn reference(&self, replicas: Option<Replicas>) -> Reference {
        let tuned = self.policy.mode == Mode::Auto && !self.policy.scaled_job;
        let utilization = match self.selection.as_ref().filter(|_| tuned) {
            Some(selection) => {
                selection.policy.utilization().min(selection.best_reactive.utilization()).min(1.0)
            }
            None => 1.0,
        };
        Reference {
            needed: self.plausibility.needed.unwrap_or(0.0).max(self.plausibility.expected),
            running: replicas.map(Replicas::total),
            may_run: self.plausibility.may_run,
            threshold: self.policy.threshold,
            utilization,
        }
    }
}
