//! Looking ahead: the lead, what the forecast asks for over it, what the windows ask for over it.

use jiff::{SignedDuration, Timestamp};

use super::{Gate, Planner};
use crate::calendar::Bounds;
use crate::control::average_value::replicas;
use crate::decide::choice::SMEAR;
use crate::decide::later;
use crate::decide::lead::Lead;
use crate::decide::policy::{Mode, ScaleToZero};
use crate::decide::quantity::MAX_REPLICAS;

/// What is to come, as seen at one slot.
#[derive(Debug, Clone)]
pub(super) struct Ahead {
    pub(super) lead: Lead,
    /// What the windows say now.
    pub(super) bounds: Bounds,
    /// Highest floor of any instant within the lead.
    pub(super) floor: u32,
    /// Zero is not allowed, now or at the lead's end.
    pub(super) never_zero: bool,
    /// Quantile of demand over the lead; `None` without a forecast that covers it.
    pub(super) forecast: Option<f64>,
    /// What it comes to, after the cap.
    pub(super) forecast_replicas: u32,
    /// Of what runs, what the forecast needs again within lead and hold, after the cap.
    pub(super) hold_replicas: u32,
    /// Mode and gate let the forecast act.
    pub(super) acts: bool,
}

impl Planner {
    /// `live`: demand as known, which the cap counts from; `current`: replicas that run, or that were last asked for.
    pub(super) fn look_ahead(&self, now: Timestamp, live: f64, current: u32) -> Ahead {
        let policy = &self.policy;
        let bounds = policy.calendar.at(now);
        let forecasts = policy.mode != Mode::Off && !policy.scaled_job;
        let expect = |lead: SignedDuration| if forecasts { self.expect(now, lead) } else { None };
        // The ramp in the lead depends on what is asked for: look once without it.
        let shortest = Lead::new(policy, &self.rhythm, &self.start_ups, current, current);
        let asked = expect(shortest.total())
            .map_or(0, |demand| replicas(demand / self.outlook().utilisation, policy.threshold));
        let target = asked.max(bounds.floor);
        let lead = Lead::new(policy, &self.rhythm, &self.start_ups, current, target);
        let (span, reach) = (lead.total(), lead.total().saturating_add(self.outlook().hold));

        let forecast = expect(span);
        let again = forecast.and_then(|_| expect(reach.min(self.covered(now)).max(span)));
        Ahead {
            lead,
            floor: if policy.scaled_job { 0 } else { policy.calendar.floor_within(now, span) },
            never_zero: !policy.scaled_job
                && (self.zero_denied(&bounds) || self.zero_denied(&policy.calendar.at(later(now, span)))),
            bounds,
            forecast,
            forecast_replicas: self.whole(forecast, live),
            hold_replicas: self.whole(again, live).min(current),
            acts: policy.mode == Mode::Auto && self.gate == Gate::Open && !policy.scaled_job,
        }
    }

    fn expect(&self, now: Timestamp, span: SignedDuration) -> Option<f64> {
        self.forecast.as_ref()?.max_between(now, later(now, span), self.outlook().quantile)
    }

    /// How far from `now` the forecast reaches.
    fn covered(&self, now: Timestamp) -> SignedDuration {
        let end = self.forecast.as_ref().map_or(now, |forecast| forecast.end());
        // The last bucket's end belongs to the next one.
        end.duration_since(now) - SignedDuration::from_secs(1)
    }

    /// Whole replicas for a forecast; 0 where it does not reach activation, or is next to nothing; never more than `maxPrewarmReplicas` beyond
    /// live.
    fn whole(&self, forecast: Option<f64>, live: f64) -> u32 {
        let least = self.policy.activation.max(SMEAR * self.policy.threshold.get());
        let Some(demand) = forecast.filter(|demand| *demand > least) else { return 0 };
        let wanted = replicas(demand / self.outlook().utilisation, self.policy.threshold).min(MAX_REPLICAS);
        match self.policy.max_prewarm_replicas {
            Some(most) => wanted.min(replicas(live, self.policy.threshold).saturating_add(most)),
            None => wanted,
        }
    }

    fn zero_denied(&self, bounds: &Bounds) -> bool {
        bounds.zero_forbidden
            || match self.policy.scale_to_zero {
                ScaleToZero::Auto => false,
                ScaleToZero::Never => true,
                ScaleToZero::Windows => !bounds.zero_allowed,
            }
    }
}
