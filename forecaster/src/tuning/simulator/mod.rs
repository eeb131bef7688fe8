//! Some 70 simulated policies that run along with a workload, each with its own replicas and queue.

mod identity;
mod limits;
mod outlook;
mod spec;

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

use super::policy_state::{PolicyState, Rule, SimulationParams, Slot};
use crate::control::hpa::whole;
use crate::control::quantity::MAX_VALUE;
use crate::decide::later;
use crate::decide::live::LiveWindow;
use crate::decide::plausibility::Outliers;
use crate::decide::policy::Quantile;
use crate::decide::selection::{Costs, NOISE_FLOOR, ShadowPolicy, UNTUNED};
use crate::forecast::Forecast;
use limits::LimitWatch;
use outlook::{Look, Outlook, View};

pub use limits::PolicyLimits;
pub(super) use limits::SlotLimits;
pub use spec::SimulatorSpec;

/// Length of a block of sums.
pub const BLOCK: SignedDuration = SignedDuration::from_hours(6);

/// Blocks that are kept: 28 days.
pub const KEPT: usize = 112;

/// A reactive policy's queue counts as the demand that empties it within so long.
const DRAIN: SignedDuration = SignedDuration::from_secs(60);

/// A sample is seen so long after it was true: scrape, query and KEDA's poll.
const METRIC_LAG: SignedDuration = SignedDuration::from_secs(30);

/// A metric is the mean of so long: `rate(…[1m])`.
const METRIC_WINDOW: SignedDuration = SignedDuration::from_secs(60);

/// The forecast is asked for so much beyond the cold start: poll, sync and ramp.
const BEYOND_LEAD: SignedDuration = SignedDuration::from_secs(60);

/// Six hours of every policy; what a store keeps.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// Start, a multiple of six hours since the epoch.
    pub start: Timestamp,
    /// Slots that were simulated (1 … 1440 at 15 s).
    pub slots: u32,
    /// Those of them for which there was a forecast.
    pub foreseen: u32,
    /// Demand, in replica-hours.
    pub demand: f64,
    /// Per policy, in the order of the simulator's portfolio.
    pub sums: Vec<Costs>,
}

/// The simulated policies of one workload.
#[derive(Debug, Clone)]
pub struct PolicySimulator {
    spec: SimulatorSpec,
    params: SimulationParams,
    portfolio: Vec<ShadowPolicy>,
    rules: Vec<Rule>,
    looks: Vec<Option<Look>>,
    outlooks: Vec<Outlook>,
    view: Option<View>,
    /// Replicas that the forecast wants and would keep, by policy.
    ahead: Vec<Option<(u32, u32)>>,
    /// What a replica that stays is expected to save, in what it costs ([`crate::arrival`]); `None`
    /// while that is not known.
    saved: Option<f64>,
    states: Vec<PolicyState>,
    /// Demand of the last slots in replicas, newest last.
    recent: VecDeque<f64>,
    /// The same as the planner sees it.
    live: LiveWindow,
    /// No choice rests on one bad minute.
    outliers: Outliers,
    index: u32,
    /// What the windows ask.
    limits: LimitWatch,
    /// Slots that the last replica is still kept for because somebody came.
    warm: u32,
    open: Option<Block>,
    blocks: VecDeque<Block>,
    /// Of every block that ever finished, by policy.
    totals: Vec<Costs>,
}

impl PolicySimulator {
    /// A simulator that has seen nothing.
    pub fn new(spec: SimulatorSpec, portfolio: Vec<ShadowPolicy>) -> Self {
        let [shortest, longest] =
            [0.0, 1.0].map(|p| spec.slots(spec.cold_start.quantile(p)).max(1));
        let least = if spec.idle { 0 } else { spec.min };
        let params = SimulationParams {
            slot_s: spec.slot.as_secs_f64().max(1.0),
            longest,
            drawn: (shortest < longest).then(|| spec.cold_start.clone()),
            cooldown: if least == 0 { spec.slots(spec.cooldown) } else { 0 },
            least,
            awake: spec.min.max(1),
            max: spec.max.max(spec.min),
            activation: spec.limits.activation / spec.threshold,
            active_value: match spec.limits.activation > 0.0 {
                true => (spec.limits.activation + 0.001) / spec.threshold,
                false => 0.0,
            },
            beyond_live: spec.limits.max_prewarm_replicas,
        };
        let mut simulator = Self {
            params,
            rules: Vec::new(),
            looks: Vec::new(),
            outlooks: Vec::new(),
            view: None,
            ahead: Vec::new(),
            saved: None,
            states: Vec::new(),
            recent: VecDeque::new(),
            live: LiveWindow::default(),
            outliers: Outliers::new(spec.threshold),
            index: 0,
            limits: LimitWatch::default(),
            warm: 0,
            open: None,
            blocks: VecDeque::new(),
            totals: vec![Costs::default(); portfolio.len()],
            portfolio,
            spec,
        };
        for policy in simulator.portfolio.clone() {
            simulator.add(&policy);
        }
        simulator
    }

    fn add(&mut self, policy: &ShadowPolicy) {
        let window = policy.scale_down_window().max(self.spec.hpa_window);
        // As the planner does it: a queue has the headroom of demand, and never less than the user
        // allots.
        let backlog_share = 1.0 / policy.utilization().min(1.0);
        let mut rule = Rule {
            live: 1.0 / policy.utilization(),
            blind: 1.0 / policy.utilization().min(UNTUNED.utilization()),
            drain: backlog_share / DRAIN.as_secs_f64(),
            late: self.spec.slots(self.spec.answer_age) > 0,
            plain: false,
            // What an HPA wanted as long ago as the window it has forgotten; the planner has not.
            window: self.spec.slots(window).saturating_sub(u32::from(self.spec.plainly)),
        };
        match *policy {
            ShadowPolicy::Forecast { drain, .. } => {
                rule.drain = backlog_share / drain.as_secs_f64().max(1.0);
            }
            ShadowPolicy::Reactive { .. } => {
                rule.blind = rule.live;
                if self.spec.plainly {
                    (rule.plain, rule.late) = (true, false);
                }
            }
            ShadowPolicy::Arrival { .. } => {}
        }
        let look = policy.ahead().map(|asked| {
            let span = self.spec.lead.saturating_add(BEYOND_LEAD);
            let quantile = match self.spec.limits.quantile {
                Quantile::Fixed(fixed) => fixed,
                Quantile::Auto => asked.quantile,
            };
            let up = self.outlook(quantile, span, span);
            let hold = self.outlook(quantile, span.saturating_add(asked.hold), span);
            let (per_replica, smear) = (
                1.0 / (self.spec.threshold * asked.utilization),
                self.spec.limits.activation.max(NOISE_FLOOR * self.spec.threshold),
            );
            Look { up, hold, per_replica, smear }
        });
        if !self.spec.sees_queue {
            rule.drain = 0.0;
        }
        self.rules.push(rule);
        self.looks.push(look);
    }

    fn outlook(&mut self, quantile: f64, span: SignedDuration, needed: SignedDuration) -> usize {
        let same = |outlook: &Outlook| outlook.quantile == quantile && outlook.span == span;
        self.outlooks.iter().position(same).unwrap_or_else(|| {
            self.outlooks.push(Outlook { quantile, span, needed, most: None });
            self.outlooks.len() - 1
        })
    }

    /// What the policies have in common.
    pub fn spec(&self) -> &SimulatorSpec {
        &self.spec
    }

    /// The policies, in the order of every block's sums.
    pub fn portfolio(&self) -> &[ShadowPolicy] {
        &self.portfolio
    }

    /// What sums are simulated with, as text that stays the same through every refactoring: stores
    /// key sums by it.
    pub fn identity(&self) -> String {
        identity::identity(&self.spec, &self.portfolio)
    }

    /// Finished blocks, oldest first.
    pub fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.blocks.iter()
    }

    /// Of every policy, all that was ever finished or taken over, blocks that are not kept any more
    /// included.
    pub fn totals(&self) -> &[Costs] {
        &self.totals
    }

    /// Takes over blocks that a simulator with the same spec and portfolio has finished, oldest
    /// first; others are left out.
    pub fn restore(&mut self, blocks: impl IntoIterator<Item = Block>) {
        let fits = |block: &Block| block.sums.len() == self.portfolio.len();
        self.blocks = blocks.into_iter().filter(fits).collect();
        self.totals.fill(Costs::default());
        for block in &self.blocks {
            add(&mut self.totals, &block.sums);
        }
        self.forget();
    }

    fn forget(&mut self) {
        while self.blocks.len() > KEPT {
            self.blocks.pop_front();
        }
    }

    /// From the next slot on: P(arrival within the lead) over its break-even; `None` while that is
    /// not known.
    pub fn expect_arrival(&mut self, saved: Option<f64>) {
        self.saved = saved;
    }

    /// One slot that starts at `now`, ascending. `demand` during it, in its own unit, `None` where
    /// it was not seen: then nothing moves and nothing is counted; a minute far above all before it
    /// counts as the one before ([`Outliers`]). `forecast`: as issued at or before `now`.
    pub fn step(&mut self, now: Timestamp, demand: Option<f64>, forecast: Option<&Forecast>) {
        self.open_block(now);
        let Some(demand) = demand.filter(|demand| demand.is_finite() && *demand >= 0.0) else {
            return;
        };
        let demand = self.outliers.credible(now, demand.min(MAX_VALUE));
        let slot = self.slot(now, demand / self.spec.threshold);
        if self.states.is_empty() {
            let ready = whole(slot.demand).clamp(self.params.least, self.params.max);
            self.states = vec![PolicyState::new(&self.params, ready); self.portfolio.len()];
        }
        self.look(now, forecast);
        let ways = self.rules.iter().zip(&self.ahead).zip(&self.portfolio);
        for (state, ((rule, ahead), policy)) in self.states.iter_mut().zip(ways) {
            match (policy.stays_from(), self.saved) {
                (Some(from), Some(saved)) => {
                    // One replica is wanted while somebody is awaited, and none is kept warm else.
                    let one = u32::from(saved >= from);
                    // Of the forecast what it wants beyond that one counts.
                    let (up, hold) = ahead.unwrap_or_default();
                    let ahead = (if up > 1 { up } else { one }, if hold > 1 { hold } else { 0 });
                    let warm = slot.warm && self.spec.keep_warm_fixed;
                    state.step(&self.params, rule, &Slot { warm, ..slot }, Some(ahead));
                }
                _ => state.step(&self.params, rule, &slot, *ahead),
            }
        }
        if let Some(block) = &mut self.open {
            block.slots += 1;
            block.foreseen += u32::from(forecast.is_some());
            block.demand += slot.demand * self.params.slot_s / 3600.0;
        }
    }

    /// Looks ahead for every policy, where other buckets come into view.
    fn look(&mut self, now: Timestamp, forecast: Option<&Forecast>) {
        let origin = forecast.map(Forecast::origin);
        if self
            .view
            .is_some_and(|view| view.origin == origin && (view.from..view.until).contains(&now))
        {
            return;
        }
        let mut until =
            if forecast.is_some() { Timestamp::MAX } else { later(now, self.spec.slot) };
        for outlook in &mut self.outlooks {
            outlook.most = forecast.and_then(|forecast| {
                until = until.min(outlook.unchanged_until(now, forecast));
                outlook.most(now, forecast)
            });
        }
        let ahead = |look: &Option<Look>| look.as_ref().and_then(|look| look.ahead(&self.outlooks));
        self.ahead = self.looks.iter().map(ahead).collect();
        self.view = Some(View { origin, from: now, until });
    }

    /// What is seen at a slot, and what is due in it; then the slot's own demand is the newest.
    fn slot(&mut self, now: Timestamp, demand: f64) -> Slot {
        let wait = self.spec.slots(self.spec.wait_limit).max(1) as usize;
        let lag = self.spec.slots(METRIC_LAG).max(1) as usize;
        let before = self.recent.len();
        // The very first slot sees itself.
        let sample = self.recent.get(before.saturating_sub(lag)).copied().unwrap_or(demand);
        self.live.push(now, sample);
        let level = || self.live.fresh(now, self.spec.slot).map_or(sample, |level| level.value);
        let minute = self.spec.slots(METRIC_WINDOW).max(1) as usize;
        let metric = if self.spec.plainly {
            self.minute((before + 1).saturating_sub(lag), minute).unwrap_or(sample)
        } else {
            level()
        };
        self.index = self.index.wrapping_add(1);
        let limits = self.limits.at(
            &self.spec.limits,
            now,
            self.spec.lead.saturating_add(BEYOND_LEAD),
            self.spec.slots(self.spec.hpa_window),
        );
        let slot = Slot {
            index: self.index,
            place: self.index % self.params.longest,
            demand,
            recent: self.recent.range(before.saturating_sub(wait)..).sum(),
            due: before
                .checked_sub(wait)
                .and_then(|oldest| self.recent.get(oldest))
                .copied()
                .unwrap_or(0.0),
            metric,
            warm: self.warm > 0,
            limits,
        };
        self.warm = if demand > self.params.activation {
            self.spec.slots(self.spec.keep_warm)
        } else {
            self.warm.saturating_sub(1)
        };
        self.recent.push_back(demand);
        if self.recent.len() > (lag + minute).max(wait) {
            self.recent.pop_front();
        }
        slot
    }

    /// The mean of the slots of a minute before the `end`th of those that are kept.
    fn minute(&self, end: usize, slots: usize) -> Option<f64> {
        let from = end.saturating_sub(slots);
        (from < end).then(|| self.recent.range(from..end).sum::<f64>() / (end - from) as f64)
    }

    fn open_block(&mut self, now: Timestamp) {
        let block_s = BLOCK.as_secs();
        let start = now.as_second().div_euclid(block_s) * block_s;
        let start = Timestamp::from_second(start).unwrap_or(now);
        if self.open.as_ref().is_some_and(|open| open.start == start) {
            return;
        }
        let next = Block { start, slots: 0, foreseen: 0, demand: 0.0, sums: Vec::new() };
        if let Some(mut block) = self.open.replace(next) {
            block.sums =
                self.states.iter_mut().map(|state| state.take_sums(&self.params)).collect();
            if block.slots > 0 {
                add(&mut self.totals, &block.sums);
                self.blocks.push_back(block);
                self.forget();
            }
        }
    }
}

fn add(totals: &mut [Costs], sums: &[Costs]) {
    totals.iter_mut().zip(sums).for_each(|(total, sums)| *total += *sums);
}

#[cfg(test)]
mod tests;
