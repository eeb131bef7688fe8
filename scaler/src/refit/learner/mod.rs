//! One workload's models: the ensemble, and the shadow bank that lives by its forecasts.
//!
//! Both follow history alone, bucket by bucket: the same minutes give the same forecasts and choices on every replica, and
//! after a restart. A first start replays the history that was backfilled, so that a choice need not wait for days to pass.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::decide::plausibility::Outliers;
use prewarm_forecaster::decide::rhythm::Rhythm;
use prewarm_forecaster::forecast::{Ensemble, Report};
use prewarm_forecaster::replay::bank::{BLOCK, Bank, Block};
use prewarm_forecaster::replay::reach::{ACTS, QUANTILES};
use prewarm_forecaster::replay::tuner::{self, Wish};
use prewarm_forecaster::{Forecast, Minute, Model, Policy, Series};

use super::account::Account;
use super::reach::{Reach, fingerprint};
use super::{BUCKET, MINUTE, SLOT};
use crate::insight::{Chosen, DayCost};

/// Slots of a day in the bank.
const SLOTS_A_DAY: u32 = 5_760;

/// So many days before the newest one, members are judged and policies are replayed when a learner begins anew; more
/// would cost more at every start than it tells.
const REPLAYED: SignedDuration = SignedDuration::from_hours(14 * 24);

/// With sums from the store the members' weights alone need it: these days in full, those before at one bucket in so many.
/// Forecasts of the next two days are .2 % worse for it than with all judged; without those before, 5 %.
const JUDGED: SignedDuration = SignedDuration::from_hours(3 * 24);
const GLANCES: usize = 5;

/// Horizon of the seasonal naive, in buckets: the longest lead and hold (2 h + 2 h), and an hour of late refits.
const NAIVE_HORIZON: usize = 60;

/// The models of one workload.
#[derive(Debug)]
pub(super) struct Learner {
    policy: Arc<Policy>,
    reach: Reach,
    ensemble: Ensemble,
    bank: Bank,
    fingerprint: u64,
    /// What a minute of history counts for: one bad minute teaches nothing.
    outliers: Outliers,
    /// Buckets so far, NaN = gap.
    values: Vec<f64>,
    start: Timestamp,
    /// Start of the first bucket that was not taken in.
    next: Timestamp,
    /// Forecasts are asked for from here on; the bank steps from here on.
    listens_from: Timestamp,
    bank_from: Timestamp,
    /// The forecast in force, if a trained one.
    issued: Option<Forecast>,
    /// The one before, which acts until that one does.
    before: Option<Forecast>,
    /// Place in the day at which this workload is fitted: others have others.
    phase: i64,
    /// Choices since the last look, and the one in force.
    chosen: Option<Chosen>,
    changes: Vec<Chosen>,
    account: Account,
    days: Vec<DayCost>,
    /// Nothing was chosen since it began.
    anew: bool,
}

/// What a learner begins with.
#[derive(Debug)]
pub(super) struct Beginning {
    pub(super) policy: Arc<Policy>,
    pub(super) rhythm: Rhythm,
    pub(super) reach: Reach,
    /// Spreads fits over the day.
    pub(super) hash: u64,
    /// Sums of the bank, as the store has them.
    pub(super) blocks: Vec<Block>,
    /// The choice in force.
    pub(super) chosen: Option<Chosen>,
    /// First minute of history, and the end of what will be taken in at first.
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
}

impl Learner {
    /// A learner that has seen nothing yet.
    pub(super) fn new(begin: Beginning) -> Self {
        let Beginning { policy, rhythm, reach, hash, blocks, chosen, from, to } = begin;
        let mut bank = reach.bank(&policy, &rhythm);
        let resumed = blocks.last().map(|block| block.start + BLOCK);
        bank.restore(blocks);
        let judged = if resumed.is_some() { JUDGED } else { REPLAYED };
        // A restart after a long pause replays the pause.
        let judges_from = resumed.map_or(to - judged, |resumed| resumed.min(to - judged)).max(to - REPLAYED);
        let bucket = |at: Timestamp| {
            usize::try_from(at.duration_since(from).as_secs().div_euclid(BUCKET.as_secs())).unwrap_or(0)
        };
        let ensemble = Ensemble::new(from, BUCKET, reach.spec(&policy))
            .judging_from(bucket(to - REPLAYED))
            .judging_every(GLANCES, bucket(judges_from))
            .refit_by_caller();
        Self {
            fingerprint: fingerprint(&bank),
            ensemble,
            bank,
            outliers: Outliers::new(policy.threshold.get()),
            values: Vec::new(),
            start: from,
            next: from,
            listens_from: judges_from.max(from),
            bank_from: resumed.map_or(judges_from, |resumed| resumed.max(judges_from)).max(from),
            issued: None,
            before: None,
            phase: (hash % BUCKETS_A_DAY as u64) as i64,
            chosen,
            changes: Vec::new(),
            account: Account::default(),
            days: Vec::new(),
            anew: true,
            policy,
            reach,
        }
    }

    /// Where history goes on.
    pub(super) fn next(&self) -> Timestamp {
        self.next
    }

    /// How far ahead it was made for.
    pub(super) fn reach(&self) -> &Reach {
        &self.reach
    }

    /// When it began: what it has taken in since is not dropped.
    pub(super) fn start(&self) -> Timestamp {
        self.start
    }

    /// Takes in whole buckets up to `until`. `minutes`: all there are of them, any order.
    pub(super) fn follow(&mut self, minutes: &[Minute], until: Timestamp) {
        let by_minute: BTreeMap<i64, &Minute> =
            minutes.iter().map(|minute| (minute.start.as_second(), minute)).collect();
        while self.next + BUCKET <= until {
            let bucket = self.next;
            let (from, to) = (bucket.as_second(), (bucket + BUCKET).as_second());
            let mut means = BTreeMap::new();
            for (second, minute) in by_minute.range(from..to) {
                means.insert(*second, self.outliers.credible(minute.start, minute.mean));
            }
            if bucket >= self.bank_from {
                self.live_through(bucket, &means);
            }
            // The peak within the bucket is what misses requests; of whole minutes, because a minute that was backfilled
            // has one sample and would look calmer than one of four by its largest.
            let within = || by_minute.range(from..to).map(|(_, minute)| *minute);
            let most = means.values().copied().reduce(f64::max).unwrap_or(f64::NAN);
            self.values.push(most);
            self.account.see(most);
            if within().any(|minute| self.is_cut_off(minute)) {
                self.ensemble.push_saturated(most);
            } else {
                self.ensemble.push(most);
            }
            self.next += BUCKET;
            if self.ensemble.due() && (self.first_fit() || self.in_phase()) {
                self.ensemble.refit();
            }
            if self.next >= self.listens_from && self.trained() {
                let newest = self.ensemble.forecast().ok().map(in_single_precision);
                self.before = std::mem::replace(&mut self.issued, newest);
            }
        }
        // What was wished for may have changed since the last start.
        if std::mem::take(&mut self.anew) || self.chosen.is_none() {
            self.choose(self.next);
        }
    }

    /// A replica's fill or more was waiting: what was measured is what was served, and demand was more than that.
    fn is_cut_off(&self, minute: &Minute) -> bool {
        self.policy.backlog_threshold.is_some_and(|fill| minute.backlog.is_some_and(|waiting| waiting >= fill.get()))
    }

    /// Two days have been seen. A fit on one day cannot tell the time of day from chance: judging it by what it said on the
    /// second would speak against forecasts for weeks.
    fn trained(&self) -> bool {
        self.values.len() > 2 * BUCKETS_A_DAY as usize
    }

    fn first_fit(&self) -> bool {
        self.values.len() <= 2 * BUCKETS_A_DAY as usize
    }

    fn in_phase(&self) -> bool {
        let index = self.next.as_second().div_euclid(BUCKET.as_secs());
        (index - self.phase).rem_euclid(BUCKETS_A_DAY) == 0
    }

    /// The shadow policies see the bucket's minutes (mean demand by their first second) as slots, with the forecasts that
    /// acted then.
    fn live_through(&mut self, bucket: Timestamp, means: &BTreeMap<i64, f64>) {
        let slots = BUCKET.as_secs() / SLOT.as_secs();
        for i in 0..slots {
            let slot = bucket + SLOT * i as i32;
            let minute = slot.as_second().div_euclid(MINUTE.as_secs()) * MINUTE.as_secs();
            let forecast = acting(&self.before, &self.issued, slot);
            self.bank.step(slot, means.get(&minute).copied(), forecast);
        }
        if bucket.as_second() % BLOCK.as_secs() == 0 {
            self.close_block(bucket);
        }
    }

    /// A block has ended with `at`: what it cost is accounted for, and the choice is made anew.
    fn close_block(&mut self, at: Timestamp) {
        let ended = at - BLOCK;
        if let Some(block) = self.bank.blocks().last().filter(|block| block.start == ended) {
            let in_force = self.chosen.as_ref().map(|chosen| &*chosen.choice);
            self.days.extend(self.account.close(block, self.bank.portfolio(), in_force, self.policy.threshold.get()));
        }
        self.choose(at);
    }

    fn choose(&mut self, at: Timestamp) {
        let days = tuner::days(self.bank.blocks(), SLOTS_A_DAY);
        let forecast_available = self.issued.is_some();
        // Nothing known at all: live demand is answered as it is.
        if days.is_empty() && !forecast_available {
            return;
        }
        let wish = Wish {
            objective: self.policy.objective,
            cost_ratio: self.policy.cost_ratio,
            lead: self.reach.cold_start(),
            forecast_available,
        };
        let choice = tuner::choose(self.bank.portfolio(), &days, self.bank.totals(), &wish);
        let since = match &self.chosen {
            Some(chosen) if !chosen.differs(&choice) => chosen.since,
            _ => at,
        };
        let chosen = Chosen { since, as_of: at, choice: Arc::new(choice) };
        // A confirmed one is written anew, with today's figures.
        self.changes.retain(|earlier| earlier.since != since);
        self.changes.push(chosen.clone());
        self.chosen = Some(chosen);
    }

    /// The forecast: the ensemble's, else the seasonal naive's, `None` while there is too little for either.
    pub(super) fn forecast(&self) -> Option<Forecast> {
        let early = || self.ensemble.forecast().ok().map(in_single_precision);
        self.issued.clone().or_else(early).or_else(|| self.naive())
    }

    fn naive(&self) -> Option<Forecast> {
        let series = Series::new(self.start, BUCKET, self.values.clone());
        let fitted = Model::SeasonalNaive.fit(&series, self.policy.calendar.zone()).ok()?;
        Some(in_single_precision(fitted.forecast(NAIVE_HORIZON, &QUANTILES)))
    }

    /// How forecasts did.
    pub(super) fn report(&self) -> Report {
        self.ensemble.report()
    }

    /// Choices made or confirmed since the last call, oldest first.
    pub(super) fn take_changes(&mut self) -> Vec<Chosen> {
        std::mem::take(&mut self.changes)
    }

    /// Days that were finished since the last call.
    pub(super) fn take_days(&mut self) -> Vec<DayCost> {
        std::mem::take(&mut self.days)
    }

    /// Finished blocks from `from` on, and what they were simulated with.
    pub(super) fn blocks_from(&self, from: Timestamp) -> (Vec<&Block>, u64) {
        (self.bank.blocks().filter(|block| block.start >= from).collect(), self.fingerprint)
    }
}

/// The newest forecast, once it acts: shadow policies are to know no sooner than the planner.
fn acting<'a>(before: &'a Option<Forecast>, newest: &'a Option<Forecast>, slot: Timestamp) -> Option<&'a Forecast> {
    newest.as_ref().filter(|newest| newest.origin() + ACTS <= slot).or(before.as_ref())
}

/// What the store gives back: a replica that reads it there and the one that made it are to answer the same.
fn in_single_precision(forecast: Forecast) -> Forecast {
    let rows = forecast.values().iter().map(|row| row.iter().map(|value| f64::from(*value as f32)).collect());
    Forecast::new(forecast.origin(), forecast.step(), forecast.quantiles().to_vec(), rows.collect())
}

const BUCKETS_A_DAY: i64 = 288;

#[cfg(test)]
mod tests;
