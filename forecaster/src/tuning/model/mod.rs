//! The model of one workload: forecasts of its demand, and the simulated policies that live by
//! them.
//!
//! A model follows history alone, bucket by bucket: the same minutes give the same forecasts and
//! selections on every replica, after a restart, and in a replay. A first start follows the history
//! that was backfilled, so that a selection need not wait for days to pass.

mod arrivals;
pub(crate) mod bucket;
mod forecaster;
mod refit_schedule;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

pub use forecaster::Forecasts;
pub use refit_schedule::RefitSchedule;

use arrivals::Arrivals;

use super::daily_costs::{DailyCosts, DayCost};
use super::horizon::ACTIVATION_DELAY;
use super::inputs::SimulationInputs;
use super::selection::{self, SelectionCriteria, SelectionRecord};
use super::simulator::{BLOCK, Block, PolicySimulator};
use super::{BUCKET, SLOT};
use crate::arrival::ArrivalModel;
use crate::decide::policy::Policy;
use crate::forecast::{Ensemble, Forecast, NoForecast, Report};
use crate::series::Minute;
use bucket::{BucketDemand, BucketReader, MinuteIndex};
use forecaster::Forecaster;

/// Slots of a day in the simulator.
const SLOTS_A_DAY: u32 = 5_760;

/// So many days before the newest one, members are judged and policies are simulated when a model
/// begins anew; more would cost more at every start than it tells.
const REPLAYED: SignedDuration = SignedDuration::from_hours(14 * 24);

/// With sums from the store the members' weights alone need it: these days in full, those before at
/// one bucket in so many. Forecasts of the next two days are .2 % worse for it than with all
/// judged; without those before, 5 %.
const JUDGED: SignedDuration = SignedDuration::from_hours(3 * 24);
const JUDGED_EVERY: usize = 5;

/// A minute that is not there so long after a bucket's end is a gap.
const GIVEN_UP: SignedDuration = SignedDuration::from_mins(10);

/// What a model begins with.
#[derive(Debug)]
pub struct ModelInit {
    /// What the workload's metadata says.
    pub policy: Arc<Policy>,
    /// How far ahead to forecast, and what policies are simulated with.
    pub inputs: SimulationInputs,
    /// When its ensemble is refitted.
    pub schedule: RefitSchedule,
    /// Where its forecasts come from.
    pub forecasts: Forecasts,
    /// Sums of the simulated policies, as a store has them.
    pub blocks: Vec<Block>,
    /// The selection in force.
    pub selection: Option<SelectionRecord>,
    /// The probability of an arrival that is in force.
    pub arrival: Option<Arc<ArrivalModel>>,
    /// Start of the first bucket.
    pub from: Timestamp,
    /// The end of what will be taken in at first.
    pub to: Timestamp,
}

/// What a model has said since it was last asked.
#[derive(Debug)]
pub struct TrainingOutput {
    /// The latest forecast: one that may act, else a provisional one, else why there is none.
    pub forecast: Result<Forecast, NoForecast>,
    /// Why no forecast may act, though a provisional one may be recorded; `None` where one may.
    pub no_forecast: Option<NoForecast>,
    /// Selections made or confirmed, oldest first.
    pub selections: Vec<SelectionRecord>,
    /// Days that were finished.
    pub days: Vec<DayCost>,
}

/// The model of one workload.
#[derive(Debug)]
pub struct WorkloadModel {
    policy: Arc<Policy>,
    inputs: SimulationInputs,
    reader: BucketReader,
    forecaster: Forecaster,
    schedule: RefitSchedule,
    /// Where none may run.
    arrivals: Option<Arrivals>,
    simulator: PolicySimulator,
    start: Timestamp,
    /// Start of the first bucket that was not taken in.
    next: Timestamp,
    /// Forecasts are issued from here on; policies are simulated from here on.
    issues_from: Timestamp,
    simulates_from: Timestamp,
    /// The newest forecast that may act, and the one before, which acts until that one does.
    issued: Option<Forecast>,
    previous: Option<Forecast>,
    /// The selection in force, and those since the last look.
    selection: Option<SelectionRecord>,
    selections: Vec<SelectionRecord>,
    costs: DailyCosts,
    days: Vec<DayCost>,
    /// Nothing was selected since it began.
    anew: bool,
}

impl WorkloadModel {
    /// A model that has seen nothing yet.
    pub fn new(init: ModelInit) -> Self {
        let ModelInit { policy, inputs, schedule, forecasts, blocks, selection, arrival, from, to } =
            init;
        let mut simulator = inputs.simulator(&policy);
        let resumed = blocks.last().map(|block| block.start + BLOCK);
        simulator.restore(blocks);

        // A restart after a long pause simulates the pause.
        let judged = if resumed.is_some() { JUDGED } else { REPLAYED };
        let judged_from =
            resumed.map_or(to - judged, |resumed| resumed.min(to - judged)).max(to - REPLAYED);
        let simulates_from =
            resumed.map_or(judged_from, |resumed| resumed.max(judged_from)).max(from);

        let bucket = inputs.bucket();
        let index = |at: Timestamp| {
            let buckets = at.duration_since(from).as_secs().div_euclid(bucket.as_secs());
            usize::try_from(buckets).unwrap_or(0)
        };
        let ensemble = || {
            Ensemble::new(from, bucket, inputs.spec(&policy))
                .scoring_from(index(to - REPLAYED))
                .scoring_every(JUDGED_EVERY, index(judged_from))
        };
        let zone = policy.calendar.zone().clone();
        let forecaster = Forecaster::new(forecasts, ensemble, schedule, zone, (from, bucket));
        Self {
            reader: BucketReader::new(bucket, policy.threshold.get()),
            forecaster,
            schedule,
            arrivals: Arrivals::new(&policy, &inputs, arrival),
            simulator,
            start: from,
            next: from,
            issues_from: judged_from.max(from),
            simulates_from,
            issued: None,
            previous: None,
            selection,
            selections: Vec::new(),
            costs: DailyCosts::default(),
            days: Vec::new(),
            anew: true,
            policy,
            inputs,
        }
    }

    /// Why there is no forecast of a workload without any history.
    pub fn without_history() -> NoForecast {
        NoForecast::TooYoung { observed: 0, needed: refit_schedule::two_days(BUCKET) + 1 }
    }

    /// Where history goes on: the start of the first bucket that was not taken in.
    pub fn next(&self) -> Timestamp {
        self.next
    }

    /// What it was made for.
    pub fn inputs(&self) -> &SimulationInputs {
        &self.inputs
    }

    /// When it began: what it has taken in since is not dropped.
    pub fn start(&self) -> Timestamp {
        self.start
    }

    /// Takes in whole buckets up to `until`. `minutes`: all there are of them, any order.
    pub fn advance(&mut self, minutes: &[Minute], until: Timestamp) {
        let minutes = MinuteIndex::new(minutes);
        let bucket = self.inputs.bucket();
        while self.next + bucket <= until {
            let demand = self.reader.read(&minutes, self.next);
            if self.next >= self.simulates_from {
                self.simulate_bucket(&demand);
            }
            let saturated =
                minutes.within(self.next, bucket).any(|minute| self.is_saturated(minute));
            self.forecaster.push(demand.peak(), saturated);
            if let Some(arrivals) = &mut self.arrivals {
                let fits = self.next >= self.simulates_from;
                arrivals.push(self.next, &demand, &self.schedule, fits);
            }
            self.costs.observe(demand.peak());
            self.next += bucket;
            if self.next >= self.issues_from && self.forecaster.trained() {
                let newest = self.forecaster.forecast().ok();
                self.previous = std::mem::replace(&mut self.issued, newest);
            }
        }
        // What is asked for may have changed since the last start.
        if std::mem::take(&mut self.anew) || self.selection.is_none() {
            self.select(self.next);
        }
    }

    /// A replica's fill or more was waiting: what was measured is what was served, and demand was
    /// more than that.
    fn is_saturated(&self, minute: &Minute) -> bool {
        let fill = self.policy.backlog_threshold;
        fill.is_some_and(|fill| minute.backlog.is_some_and(|waiting| waiting >= fill.get()))
    }

    /// The simulated policies see the bucket's minutes as slots, with the forecasts that acted
    /// then.
    fn simulate_bucket(&mut self, demand: &BucketDemand) {
        let bucket = self.inputs.bucket();
        let mut slot = self.next;
        while slot < self.next + bucket {
            let forecast = in_force(&self.previous, &self.issued, slot);
            let mean = demand.mean_at(slot);
            if let Some(arrivals) = &mut self.arrivals {
                self.simulator.expect_arrival(arrivals.saved(slot, mean));
            }
            self.simulator.step(slot, mean, forecast);
            slot += SLOT;
        }
        if block_start(self.next) != block_start(self.next - bucket) {
            self.close_block(self.next);
        }
    }

    /// A block has ended before `at`: what it cost is accounted for, and the selection is made
    /// anew.
    fn close_block(&mut self, at: Timestamp) {
        let ended = block_start(at) - BLOCK.as_secs();
        let newest = self.simulator.blocks().last();
        if let Some(block) = newest.filter(|block| block.start.as_second() == ended) {
            let in_force = self.selection.as_ref().map(|record| &*record.selection);
            let portfolio = self.simulator.portfolio();
            self.days.extend(self.costs.close(
                block,
                portfolio,
                in_force,
                self.policy.threshold.get(),
            ));
        }
        self.select(at);
    }

    fn select(&mut self, at: Timestamp) {
        let days = selection::complete_days(self.simulator.blocks(), SLOTS_A_DAY);
        let forecast_available = self.issued.is_some();
        // Nothing known at all: live demand is answered as it is.
        if days.is_empty() && !forecast_available {
            return;
        }
        let criteria = SelectionCriteria {
            objective: self.policy.objective,
            cost_ratio: self.policy.cost_ratio,
            lead: self.inputs.cold_start(),
            forecast_available,
        };
        let portfolio = self.simulator.portfolio();
        let choice = selection::select(portfolio, &days, self.simulator.totals(), &criteria);
        let since = match &self.selection {
            Some(record) if !record.differs(&choice) => record.since,
            _ => at,
        };
        let record = SelectionRecord { since, as_of: at, selection: Arc::new(choice) };
        // A confirmed one is told again, with today's figures.
        self.selections.retain(|earlier| earlier.since != since);
        self.selections.push(record.clone());
        self.selection = Some(record);
    }

    /// The forecast that may act, or why there is none: two days must have been seen.
    pub fn forecast(&self) -> Result<&Forecast, NoForecast> {
        match &self.issued {
            Some(issued) => Ok(issued),
            None => Err(self.forecaster.reason()),
        }
    }

    /// A forecast to record until one may act: the young ensemble's, else the seasonal naive one.
    pub fn provisional_forecast(&self) -> Option<Forecast> {
        self.forecaster.forecast().ok().or_else(|| self.forecaster.naive())
    }

    /// The selection in force; `None` while nothing speaks for any policy.
    pub fn selection(&self) -> Option<&SelectionRecord> {
        self.selection.as_ref()
    }

    /// The probability of an arrival, as last fitted; `None` where a replica always runs, or too few
    /// arrivals were seen.
    pub fn arrival(&self) -> Option<&Arc<ArrivalModel>> {
        self.arrivals.as_ref().and_then(Arrivals::fitted)
    }

    /// What it has said since the last call.
    pub fn take_output(&mut self) -> TrainingOutput {
        let issued = self.forecast().cloned();
        let no_forecast = issued.as_ref().err().cloned();
        let forecast = issued.or_else(|reason| self.provisional_forecast().ok_or(reason));
        TrainingOutput {
            forecast,
            no_forecast,
            selections: std::mem::take(&mut self.selections),
            days: std::mem::take(&mut self.days),
        }
    }

    /// How forecasts did.
    pub fn report(&self) -> Report {
        self.forecaster.report()
    }

    /// Finished blocks from `from` on.
    pub fn blocks_from(&self, from: Timestamp) -> Vec<&Block> {
        self.simulator.blocks().filter(|block| block.start >= from).collect()
    }

    /// What its blocks were simulated with: those of another identity say nothing about them.
    pub fn identity(&self) -> String {
        self.simulator.identity()
    }
}

/// Up to where history is as full as it will get at `now`: minutes of the last bucket may still be
/// on their way. `newest`: the end of the newest minute that there is.
pub fn settled(newest: Option<Timestamp>, now: Timestamp) -> Timestamp {
    newest.unwrap_or(Timestamp::UNIX_EPOCH).max(now - GIVEN_UP).min(now)
}

/// The newest forecast, once it acts: simulated policies are to know no sooner than the planner.
fn in_force<'a>(
    previous: &'a Option<Forecast>,
    newest: &'a Option<Forecast>,
    slot: Timestamp,
) -> Option<&'a Forecast> {
    newest
        .as_ref()
        .filter(|newest| newest.origin() + ACTIVATION_DELAY <= slot)
        .or(previous.as_ref())
}

/// Start of the block that an instant lies in, in seconds since the epoch.
fn block_start(at: Timestamp) -> i64 {
    at.as_second().div_euclid(BLOCK.as_secs()) * BLOCK.as_secs()
}

#[cfg(test)]
mod tests;
