//! What each day cost under each way to scale, block by block as it was lived in the shadow
//! simulator.

use super::simulator::Block;
use crate::decide::selection::{Costs, Selection, ShadowPolicy, UNTUNED};
use jiff::Timestamp;

/// Blocks of a day.
const BLOCKS: u32 = 4;

const DAY_S: i64 = 86_400;

/// The HPA at its default target and window.
const HPA: ShadowPolicy = ShadowPolicy::Reactive {
    utilization: 0.75,
    scale_down_window: jiff::SignedDuration::from_secs(300),
};

/// What a finished UTC day cost and missed in the shadow simulator, under each way to scale. Hours
/// are replica-hours.
#[derive(Debug, Clone, PartialEq)]
pub struct DayCost {
    /// Midnight UTC.
    pub day: Timestamp,
    /// Demand, in replica-hours.
    pub demand: f64,
    /// The policy at the day's end, if there was a selection.
    pub policy: Option<ShadowPolicy>,
    /// The selections in force.
    pub prewarm: Costs,
    /// The HPA at its default of 75 % and 300 s.
    pub hpa: Costs,
    /// The best reactive policy of those selections.
    pub reactive: Costs,
    /// GPU-hours of a fleet that is always as large as the day's peak needs; it misses nothing.
    pub peak_gpu_hours: f64,
}

impl DayCost {
    /// Name and figures of each way to scale.
    pub fn arms(&self) -> [(&'static str, Costs); 4] {
        let peak = Costs { gpu_hours: self.peak_gpu_hours, ..Costs::default() };
        [
            ("prewarm", self.prewarm),
            ("hpa", self.hpa),
            ("reactive-tuned", self.reactive),
            ("static-peak", peak),
        ]
    }
}

/// The day that is under way.
#[derive(Debug, Default)]
pub(super) struct DailyCosts {
    open: Option<(DayCost, u32)>,
    /// Largest demand since the last block ended; of the day so far.
    peak: f64,
    hours: f64,
    peak_of_day: f64,
}

impl DailyCosts {
    /// Demand of a bucket; NaN = gap.
    pub(super) fn observe(&mut self, demand: f64) {
        self.peak = self.peak.max(demand);
    }

    /// A block has ended, with `selection` in force; the day, if it was its fourth and all were there.
    pub(super) fn close(
        &mut self,
        block: &Block,
        portfolio: &[ShadowPolicy],
        selection: Option<&Selection>,
        threshold: f64,
    ) -> Option<DayCost> {
        let sums = |policy: &ShadowPolicy| {
            let at = portfolio.iter().position(|known| known == policy);
            at.and_then(|at| block.sums.get(at)).copied()
        };
        let reactive = selection.map_or(UNTUNED, |selection| selection.best_reactive);
        let policy = selection.map_or(reactive, |selection| selection.policy);
        let reactive = sums(&reactive).unwrap_or_default();
        // The learned default need not be in the portfolio: the reactive policy stands for it.
        let prewarm = sums(&policy).unwrap_or(reactive);
        let start = block.start.as_second().div_euclid(DAY_S) * DAY_S;
        let day = Timestamp::from_second(start).unwrap_or(block.start);
        if self.open.as_ref().is_none_or(|(open, _)| open.day != day) {
            (self.open, self.hours, self.peak_of_day) = (Some((empty(day), 0)), 0.0, 0.0);
        }
        self.hours += f64::from(block.slots) * super::SLOT.as_secs_f64() / 3600.0;
        self.peak_of_day = self.peak_of_day.max(std::mem::take(&mut self.peak));
        let (open, blocks) = self.open.as_mut()?;
        open.demand += block.demand;
        open.policy = selection.map(|selection| selection.policy);
        open.prewarm += prewarm;
        open.reactive += reactive;
        open.hpa += sums(&HPA).unwrap_or_default();
        *blocks += 1;
        let whole = *blocks == BLOCKS;
        open.peak_gpu_hours = (self.peak_of_day / threshold).ceil().max(1.0) * self.hours;
        if whole { self.open.take().map(|(day, _)| day) } else { None }
    }
}

fn empty(day: Timestamp) -> DayCost {
    let none = Costs::default();
    DayCost {
        day,
        demand: 0.0,
        policy: None,
        prewarm: none,
        hpa: none,
        reactive: none,
        peak_gpu_hours: 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tuning::portfolio;

    fn block(hour: i64) -> Block {
        let sums = |i| Costs { gpu_hours: f64::from(i), missed: 0.5, queued: 0.0 };
        let start = Timestamp::from_second(hour * 3600).unwrap();
        Block { start, slots: 1440, foreseen: 0, demand: 2.0, sums: (0..45).map(sums).collect() }
    }

    #[test]
    fn a_day_is_the_sum_of_its_four_blocks() {
        let portfolio = portfolio::reactive();
        let mut costs = DailyCosts::default();
        costs.observe(11.0);
        costs.observe(f64::NAN);
        let closed: Vec<_> =
            [0, 6, 12, 18].map(|hour| costs.close(&block(hour), &portfolio, None, 4.0)).into();
        assert!(closed[..3].iter().all(Option::is_none));
        let day = closed[3].clone().unwrap();
        let untuned = portfolio.iter().position(|policy| *policy == UNTUNED).unwrap() as f64;
        let hpa = portfolio.iter().position(|policy| *policy == HPA).unwrap() as f64;
        assert_eq!((day.demand, day.policy, day.prewarm), (8.0, None, day.reactive));
        assert_eq!(
            (day.reactive.gpu_hours, day.hpa.gpu_hours, day.hpa.missed),
            (4.0 * untuned, 4.0 * hpa, 2.0)
        );
        assert_eq!(day.peak_gpu_hours, 72.0, "three replicas all day");
    }

    #[test]
    fn a_day_that_lacks_a_block_is_left_out() {
        let portfolio = portfolio::reactive();
        let mut costs = DailyCosts::default();
        for hour in [6, 12, 18, 24, 30, 36] {
            assert_eq!(costs.close(&block(hour), &portfolio, None, 4.0), None);
        }
        assert!(
            costs
                .close(&block(42), &portfolio, None, 4.0)
                .is_some_and(|day| day.day.as_second() == 86_400)
        );
    }
}
