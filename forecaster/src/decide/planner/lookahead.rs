//! Looking ahead: the lead, what the forecast asks for over it, what the windows ask for over it.

use jiff::{SignedDuration, Timestamp};

use super::policy_effects::ForecastRule;
use super::{Gate, Planner};
use crate::calendar::Bounds;
use crate::control::average_value::replicas;
use crate::control::quantity::MAX_REPLICAS;
use crate::decide::answer::Slot;
use crate::decide::later;
use crate::decide::lead::Lead;
use crate::decide::policy::Mode;
use crate::decide::selection::NOISE_FLOOR;
use crate::decide::window_limits::WindowLimits;

/// What is to come, as seen at one slot.
#[derive(Debug, Clone, Copy)]
pub(in crate::decide) struct Lookahead {
    pub(in crate::decide) lead: Lead,
    /// What the windows say now.
    pub(in crate::decide) bounds: Bounds,
    /// Highest floor of any instant within the lead.
    pub(in crate::decide) floor: u32,
    /// Zero is not allowed, now or at the lead's end.
    pub(in crate::decide) never_zero: bool,
    /// Which quantile the forecast is asked for.
    pub(in crate::decide) quantile: f64,
    /// Quantile of demand over the lead; `None` without a forecast that covers it.
    pub(in crate::decide) forecast: Option<f64>,
    /// What it comes to, after the cap.
    pub(in crate::decide) forecast_replicas: u32,
    /// Replicas to keep: the forecast over lead and hold, capped like it and at what runs now.
    pub(in crate::decide) hold_replicas: u32,
    /// There is a forecast, and mode and gate let it act.
    pub(in crate::decide) acts: bool,
}

impl Planner {
    /// Looks ahead from a slot.
    pub(super) fn look_ahead(&self, slot: &Slot<'_>) -> Lookahead {
        let (now, policy) = (slot.now, &self.policy);
        let rule = self.forecast_rule();
        let bounds = policy.calendar.at(now);
        // Replicas that run, or that were last asked for.
        let current = slot.running.unwrap_or(self.desired);
        let lead = self.lead_from(now, current, bounds.floor, &rule);
        let span = lead.total();

        let forecast = self.most_expected(now, span, &rule);
        let mut kept = None;
        if forecast.is_some() {
            // As far as the forecast goes: what lies beyond is not held.
            let reach = span.saturating_add(rule.hold).min(self.covered(now)).max(span);
            kept = self.most_expected(now, reach, &rule);
        }
        let cap = self.prewarm_cap(slot);
        let may_act = policy.mode == Mode::Auto && self.gate == Gate::Open && !policy.scaled_job;
        // Where the probability of an arrival decides between one replica and none, the forecast
        // does not.
        let by_arrival = self.arrival_odds(now).is_some_and(|awaited| awaited.acts);
        let beyond_one = |replicas: u32| if by_arrival && replicas == 1 { 0 } else { replicas };
        let limits = WindowLimits::at(&policy.calendar, policy.scale_to_zero, now, span);
        Lookahead {
            lead,
            bounds,
            floor: if policy.scaled_job { 0 } else { limits.floor },
            never_zero: limits.never_zero && !policy.scaled_job,
            quantile: rule.quantile,
            forecast,
            forecast_replicas: beyond_one(self.forecast_replicas(forecast, cap, &rule)),
            hold_replicas: beyond_one(self.forecast_replicas(kept, cap, &rule)).min(current),
            acts: may_act && forecast.is_some(),
        }
    }

    /// The lead to reach what forecast and windows ask for. The HPA's ramp, a part of it, depends
    /// on how many those are: they are looked at once without it.
    fn lead_from(&self, now: Timestamp, current: u32, floor: u32, rule: &ForecastRule) -> Lead {
        let lead_to =
            |target: u32| Lead::new(&self.policy, &self.timing, &self.start_ups, current, target);
        let expected = self.most_expected(now, lead_to(current).total(), rule).unwrap_or(0.0);
        lead_to(replicas(expected / rule.utilization, self.policy.threshold).max(floor))
    }

    /// The most that the forecast expects within a span; `None` where it does not cover it, or is
    /// not wanted.
    fn most_expected(
        &self,
        now: Timestamp,
        span: SignedDuration,
        rule: &ForecastRule,
    ) -> Option<f64> {
        if self.policy.mode == Mode::Off || self.policy.scaled_job {
            return None;
        }
        self.forecast.as_ref()?.max_between(now, later(now, span), rule.quantile)
    }

    /// How far from `now` the forecast reaches.
    fn covered(&self, now: Timestamp) -> SignedDuration {
        let end = self.forecast.as_ref().map_or(now, |forecast| forecast.end());
        // The last bucket's end belongs to the next one.
        end.duration_since(now) - SignedDuration::from_secs(1)
    }

    /// The most replicas that a forecast may ask for: `maxPrewarmReplicas` beyond live demand, as
    /// last known where it is unknown now.
    fn prewarm_cap(&self, slot: &Slot<'_>) -> u32 {
        let Some(beyond) = self.policy.max_prewarm_replicas else { return MAX_REPLICAS };
        let live = match slot.live {
            Some(level) => level.value * slot.latency_factor + slot.backlog,
            None if slot.scaled_to_zero => 0.0,
            None => self.last_good.map_or(0.0, |good| good.live + good.backlog),
        };
        replicas(live, self.policy.threshold).saturating_add(beyond).min(MAX_REPLICAS)
    }

    /// Whole replicas for a forecast; 0 where it does not reach activation, or is next to nothing.
    fn forecast_replicas(&self, forecast: Option<f64>, cap: u32, rule: &ForecastRule) -> u32 {
        let least = self.policy.activation.max(NOISE_FLOOR * self.policy.threshold.get());
        match forecast {
            Some(demand) if demand > least => {
                replicas(demand / rule.utilization, self.policy.threshold).min(cap)
            }
            _ => 0,
        }
    }
}
