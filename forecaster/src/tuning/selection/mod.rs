//! The choice among simulated policies, and the gate: forecasting must earn its authority.
//!
//! What predicts who wins tomorrow is who won on the workload's own past days, replayed and paired
//! by day; no measure of accuracy does. So a forecast policy may act only while its mean daily gain
//! over the best reactive policy is more than chance (Student, one-sided, p = .8) and while it
//! gained over the last week: at p = .9 alone more gain is left behind than loss is kept out, and a
//! forecast that has begun to fail is let go later.

mod priors;
mod t_quantiles;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use t_quantiles::{t80, t90};

use super::simulator::Block;
use crate::decide::policy::Objective;
use crate::decide::selection::{Costs, Selection, SelectionReason, ShadowPolicy, UNTUNED};

/// Blocks of a day.
const BLOCKS_A_DAY: usize = 4;

const DAY_S: i64 = 86_400;

/// A day counts with so many of its slots.
const COMPLETE: f64 = 0.9;

/// Days from which on gains are tested; before, the cheapest policy is taken as it is.
const TESTED_FROM: usize = 3;

/// Days over which the gain must not have turned into a loss.
const LATELY: usize = 7;

/// Half-life of a day's gain, in days: what a forecast saved last week tells more of tomorrow than
/// what it saved a month ago.
const HALF_LIFE: f64 = 14.0;

/// Target mode aims at this share of the target: what is replayed looks better than what comes.
const AIM: f64 = 0.85;

/// Cost ratios that target mode tries, and between which: log-evenly.
const RATIOS: u32 = 60;
const LOWEST_RATIO: f64 = 0.5;
const HIGHEST_RATIO: f64 = 2000.0;

/// A day of every policy.
#[derive(Debug, Clone, PartialEq)]
pub struct Day {
    /// There was a trained forecast all day: what forecast policies did on others says nothing
    /// about them.
    pub foreseen: bool,
    /// Demand, in replica-hours.
    pub demand: f64,
    /// Per policy, in the portfolio's order.
    pub sums: Vec<Costs>,
}

/// A choice of the tuner.
#[derive(Debug, Clone, PartialEq)]
pub struct SelectionRecord {
    /// Since when it is in force.
    pub since: Timestamp,
    /// When it was last confirmed: its figures are of then.
    pub as_of: Timestamp,
    /// The choice.
    pub selection: Arc<Selection>,
}

impl SelectionRecord {
    /// Something that acts, or the reason for it, is not the same.
    pub fn differs(&self, choice: &Selection) -> bool {
        let Selection { policy, best_reactive, why, .. } = &*self.selection;
        (policy, best_reactive, why) != (&choice.policy, &choice.best_reactive, &choice.why)
    }
}

/// What a choice is made for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SelectionCriteria {
    /// What to minimize.
    pub objective: Objective,
    /// One missed replica-hour costs as much as this many idle GPU-hours; ≥ 0.
    pub cost_ratio: f64,
    /// Cold start.
    pub lead: SignedDuration,
    /// A trained forecast exists.
    pub forecast_available: bool,
}

/// Complete days of UTC among the blocks (oldest first), oldest first. Days that began six hours
/// later at each choice would drop what is oldest and tells most: on few days that alone turned the
/// choice over. `slots`: of a whole day.
pub fn complete_days<'a>(blocks: impl IntoIterator<Item = &'a Block>, slots: u32) -> Vec<Day> {
    let blocks: Vec<&Block> = blocks.into_iter().collect();
    let date = |block: &Block| block.start.as_second().div_euclid(DAY_S);
    let whole = |day: &&[&Block]| {
        let seen: f64 = day.iter().map(|block| f64::from(block.slots)).sum();
        day.len() == BLOCKS_A_DAY && seen >= COMPLETE * f64::from(slots)
    };
    blocks.chunk_by(|a, b| date(a) == date(b)).filter(whole).map(sum).collect()
}

fn sum(blocks: &[&Block]) -> Day {
    let policies = blocks.iter().map(|block| block.sums.len()).min().unwrap_or(0);
    let (slots, foreseen) = blocks
        .iter()
        .fold((0, 0), |(slots, foreseen), block| (slots + block.slots, foreseen + block.foreseen));
    let foreseen = f64::from(foreseen) >= COMPLETE * f64::from(slots);
    let mut day = Day { foreseen, demand: 0.0, sums: vec![Costs::default(); policies] };
    for block in blocks {
        day.demand += block.demand;
        day.sums.iter_mut().zip(&block.sums).for_each(|(total, sums)| *total += *sums);
    }
    day
}

/// Chooses among the policies of a portfolio by what they cost on complete days. `ever`: of every
/// policy all there is, days that are not kept any more included.
///
/// The best reactive policy is the cheapest of all days; forecast policies are compared with it on
/// the days that had a trained forecast, young ones of which count more.
///
/// - Safe mode: the rival is what an HPA would be set to that is tuned by all it has ever cost,
///   because who steps aside for another setting has other misses and GPU-hours than that HPA
///   although it costs as much. A forecast policy acts if it also saves GPU-hours, and misses less,
///   by more than chance (p = .9).
/// - Target mode: the cost ratio is the smallest that meets the target; the rival meets it at a
///   ratio of its own, so that the target is kept where no forecast is proven.
pub fn select(
    portfolio: &[ShadowPolicy],
    days: &[Day],
    ever: &[Costs],
    criteria: &SelectionCriteria,
) -> Selection {
    let all: Vec<&Day> = days.iter().collect();
    let foreseen: Vec<&Day> =
        days.iter().filter(|day| day.foreseen && criteria.forecast_available).collect();
    let (all, paired) = (Record::new(portfolio, all), Record::new(portfolio, foreseen));
    let safe = criteria.objective == Objective::Safe;
    let (ratio, rivals) = match criteria.objective {
        Objective::Late(target) => {
            let rivals = all.ratio_for(target, criteria.cost_ratio, reactive);
            let any = || paired.ratio_for(target, criteria.cost_ratio, |_| true);
            (if paired.days.is_empty() { rivals } else { any() }, rivals)
        }
        Objective::Cost | Objective::Safe => (criteria.cost_ratio, criteria.cost_ratio),
    };
    let Some(of_days) = all.cheapest(rivals, reactive) else { return without_days(criteria) };
    let rival =
        if safe { cheapest_reactive(portfolio, ever, ratio).unwrap_or(of_days) } else { of_days };
    if paired.days.is_empty() {
        return match criteria.forecast_available && !safe {
            // The forecast is new: nothing is known of what it does here.
            true => Selection {
                policy: priors::policy(criteria.lead, ratio),
                why: SelectionReason::Prior,
                ..all.choice(rival, rival, ratio)
            },
            false => all.choice(rival, rival, ratio),
        };
    }
    let gain = Gain::of_cost(&paired, rival, ratio);
    // For a target none that misses more than the one it is met by, be it cheaper for certain.
    let most = match criteria.objective {
        Objective::Late(target) => {
            let by = paired.cheapest(ratio, |_| true).map_or(0.0, |i| paired.total(i).missed);
            by.max(AIM * target * paired.demand())
        }
        Objective::Cost | Objective::Safe => f64::INFINITY,
    };
    let passes = |i: usize| {
        gain.is_more_than_chance(i) && paired.total(i).missed <= most && (!safe || gain.is_safe(i))
    };
    let forecasts = |i: &usize| portfolio.get(*i).is_some_and(ShadowPolicy::forecasts);
    let most_gain = |of: &dyn Fn(usize) -> bool| {
        let gains =
            (0..portfolio.len()).filter(forecasts).filter(|i| of(*i)).map(|i| (i, gain.mean(i)));
        gains
            .filter(|(_, gain)| *gain > 0.0)
            .reduce(|best, next| if next.1 > best.1 { next } else { best })
    };
    if paired.days.len() < TESTED_FROM {
        let best = most_gain(&|_| !safe).map_or(rival, |(best, _)| best);
        return Selection { why: SelectionReason::FewDays, ..paired.choice(best, rival, ratio) };
    }
    let (best, why) = match (most_gain(&passes), most_gain(&|_| true)) {
        (Some((best, _)), _) => (best, SelectionReason::Earned),
        (None, Some(_)) => (rival, SelectionReason::NotProven),
        (None, None) => (rival, SelectionReason::ReactiveBest),
    };
    Selection { why, ..paired.choice(best, rival, ratio) }
}

/// The cheapest reactive policy by its sums; the first of equals.
fn cheapest_reactive(portfolio: &[ShadowPolicy], sums: &[Costs], ratio: f64) -> Option<usize> {
    let all = portfolio.iter().zip(sums).enumerate().filter(|(_, (policy, _))| reactive(policy));
    let costs = all.map(|(i, (_, sums))| (i, sums.total_cost(ratio)));
    costs.min_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(i, _)| i)
}

fn reactive(policy: &ShadowPolicy) -> bool {
    !policy.forecasts()
}

fn without_days(criteria: &SelectionCriteria) -> Selection {
    let (policy, why) = match criteria.forecast_available {
        true => (priors::policy(criteria.lead, criteria.cost_ratio), SelectionReason::Prior),
        false => (UNTUNED, SelectionReason::Untuned),
    };
    Selection::untried(policy, UNTUNED, why, criteria.cost_ratio)
}

/// What happened on some days.
struct Record<'a> {
    portfolio: &'a [ShadowPolicy],
    days: Vec<&'a Day>,
    /// Per policy, over all days.
    totals: Vec<Costs>,
}

impl<'a> Record<'a> {
    fn new(portfolio: &'a [ShadowPolicy], days: Vec<&'a Day>) -> Self {
        let mut totals = vec![Costs::default(); portfolio.len()];
        for day in &days {
            totals.iter_mut().zip(&day.sums).for_each(|(total, sums)| *total += *sums);
        }
        Self { portfolio, days, totals }
    }

    fn total(&self, i: usize) -> Costs {
        self.totals.get(i).copied().unwrap_or_default()
    }

    fn demand(&self) -> f64 {
        self.days.iter().map(|day| day.demand).sum()
    }

    fn cheapest(&self, ratio: f64, admits: impl Fn(&ShadowPolicy) -> bool) -> Option<usize> {
        self.cheapest_of(ratio, |i| self.portfolio.get(i).is_some_and(&admits))
    }

    /// The cheapest of the admitted policies; the first of equals. `None` without days.
    fn cheapest_of(&self, ratio: f64, admits: impl Fn(usize) -> bool) -> Option<usize> {
        if self.days.is_empty() {
            return None;
        }
        let admitted = (0..self.portfolio.len()).filter(|i| admits(*i));
        let by_cost = |a: &usize, b: &usize| {
            self.total(*a).total_cost(ratio).total_cmp(&self.total(*b).total_cost(ratio))
        };
        admitted.min_by(by_cost)
    }

    /// The smallest cost ratio whose cheapest policy misses well under the target; the largest if
    /// none does; `otherwise` where there was no demand to miss.
    fn ratio_for(
        &self,
        target: f64,
        otherwise: f64,
        admits: impl Fn(&ShadowPolicy) -> bool,
    ) -> f64 {
        let demand = self.demand();
        if demand <= 0.0 {
            return otherwise;
        }
        let step = (HIGHEST_RATIO / LOWEST_RATIO).powf(1.0 / f64::from(RATIOS - 1));
        let mut ratios = (0..RATIOS).map(|k| LOWEST_RATIO * step.powf(f64::from(k)));
        let meets = |ratio: &f64| {
            self.cheapest(*ratio, &admits)
                .is_some_and(|i| self.total(i).missed <= AIM * target * demand)
        };
        ratios.find(meets).unwrap_or(HIGHEST_RATIO)
    }

    /// How much each day counts, and what that adds up to.
    fn weights(&self) -> (Vec<f64>, f64) {
        let ages = (0..self.days.len()).rev();
        let weights: Vec<f64> = ages.map(|age| 0.5f64.powf(age as f64 / HALF_LIFE)).collect();
        let all = weights.iter().sum();
        (weights, all)
    }

    /// What speaks for a policy; why it was chosen is for the caller to say.
    fn choice(&self, chosen: usize, rival: usize, ratio: f64) -> Selection {
        let gain = Gain::of_cost(self, rival, ratio);
        let (mean, margin) = gain.mean_and_margin(chosen, t80);
        let (weights, all) = self.weights();
        let mean_day = |i: usize| {
            let mut mean = Costs::default();
            for (day, weight) in self.days.iter().zip(&weights) {
                let Costs { gpu_hours, missed, queued } =
                    day.sums.get(i).copied().unwrap_or_default();
                let share = weight / all;
                mean += Costs {
                    gpu_hours: share * gpu_hours,
                    missed: share * missed,
                    queued: share * queued,
                };
            }
            mean
        };
        let policy = |i: usize| self.portfolio.get(i).copied().unwrap_or(UNTUNED);
        Selection {
            policy: policy(chosen),
            best_reactive: policy(rival),
            why: SelectionReason::ReactiveBest,
            days: u32::try_from(self.days.len()).unwrap_or(u32::MAX),
            days_won: gain.days_won(chosen),
            gain: mean,
            gain_interval: (mean - margin, mean + margin),
            expected: mean_day(chosen),
            expected_reactive: mean_day(rival),
            cost_ratio: ratio,
        }
    }
}

/// Gains over one policy, day by day.
struct Gain<'a> {
    record: &'a Record<'a>,
    rival: usize,
    /// Of a GPU-hour and of a missed replica-hour.
    prices: (f64, f64),
}

impl<'a> Gain<'a> {
    /// In total cost.
    fn of_cost(record: &'a Record<'a>, rival: usize, ratio: f64) -> Self {
        Self { record, rival, prices: (1.0, ratio) }
    }

    fn by_day(&self, i: usize) -> impl Iterator<Item = f64> {
        let worth = |sums: &Costs| self.prices.0 * sums.gpu_hours + self.prices.1 * sums.missed;
        let cost = move |day: &Day, i: usize| day.sums.get(i).map_or(0.0, worth);
        self.record.days.iter().map(move |day| cost(day, self.rival) - cost(day, i))
    }

    fn days_won(&self, i: usize) -> u32 {
        self.by_day(i).map(|gain| u32::from(gain > 0.0)).sum()
    }

    /// Of all days, by their weights.
    fn mean(&self, i: usize) -> f64 {
        let (weights, all) = self.record.weights();
        self.by_day(i).zip(&weights).map(|(gain, weight)| weight * gain).sum::<f64>() / all
    }

    /// Mean, and t(p, n − 1) · s / √n, n being as many days of one weight as tell as much (Kish
    /// 1965: (Σw)² / Σw²); an endless margin for a single day.
    fn mean_and_margin(&self, i: usize, t: fn(usize) -> f64) -> (f64, f64) {
        let (weights, all) = self.record.weights();
        let mean = self.mean(i);
        let n = all * all / weights.iter().map(|weight| weight * weight).sum::<f64>();
        if self.record.days.len() < 2 {
            return (mean, f64::INFINITY);
        }
        let squares =
            self.by_day(i).zip(&weights).map(|(gain, weight)| weight * (gain - mean).powi(2));
        let variance = squares.sum::<f64>() / all * n / (n - 1.0);
        (mean, t(n.round() as usize - 1) * (variance / n).sqrt())
    }

    fn is_more_than_chance(&self, i: usize) -> bool {
        let (mean, margin) = self.mean_and_margin(i, t80);
        let lately = self.record.days.len().saturating_sub(LATELY);
        mean > margin && self.by_day(i).skip(lately).sum::<f64>() > 0.0
    }

    /// No more of either; where neither misses anything, that is no more.
    fn is_safe(&self, i: usize) -> bool {
        [(1.0, 0.0), (0.0, 1.0)].into_iter().all(|prices| {
            let (mean, margin) = Self { prices, ..*self }.mean_and_margin(i, t90);
            mean >= margin
        })
    }
}

#[cfg(test)]
mod tests;
