//! Looks at a forecast, shared by the policies that ask for the same.

use jiff::{SignedDuration, Timestamp};

use crate::control::hpa::whole;
use crate::decide::later;
use crate::forecast::Forecast;

/// A look at the forecast that several policies share.
#[derive(Debug, Clone)]
pub(super) struct Outlook {
    pub(super) quantile: f64,
    pub(super) span: SignedDuration,
    /// So much of the span the forecast must cover; what it does not cover beyond is not looked at.
    pub(super) needed: SignedDuration,
    /// In the demand's unit.
    pub(super) most: Option<f64>,
}

/// Which outlooks a forecast policy looks at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    /// Within the lead.
    pub(super) up: usize,
    /// Within lead and hold.
    pub(super) hold: usize,
    /// 1 / (threshold × forecast utilization).
    pub(super) per_replica: f64,
    /// Demand that is no arrival, in its own unit.
    pub(super) smear: f64,
}

impl Look {
    /// Replicas that the forecast wants, and those that it would keep; `None` without a forecast
    /// that covers the lead.
    pub(super) fn ahead(&self, outlooks: &[Outlook]) -> Option<(u32, u32)> {
        let most = |i: usize| outlooks.get(i).and_then(|outlook: &Outlook| outlook.most);
        let up = most(self.up)?;
        let hold = most(self.hold).unwrap_or(up);
        let replicas =
            |most: f64| if most > self.smear { whole(most * self.per_replica) } else { 0 };
        Some((replicas(up), replicas(hold)))
    }
}

/// A look that is kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct View {
    /// Of the forecast.
    pub(super) origin: Option<Timestamp>,
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
}

impl Outlook {
    /// The most within the span, as far as the forecast goes; `None` where it does not cover what
    /// is needed.
    pub(super) fn most(&self, now: Timestamp, forecast: &Forecast) -> Option<f64> {
        let last = later(forecast.end(), SignedDuration::from_secs(-1));
        let to = later(now, self.span).min(last).max(later(now, self.needed));
        forecast.max_between(now, to, self.quantile)
    }

    /// Until then the same buckets are in view: the first ends, or the last one does.
    pub(super) fn unchanged_until(&self, now: Timestamp, forecast: &Forecast) -> Timestamp {
        let step = forecast.step().as_secs();
        let left = |at: Timestamp| {
            step - (at.as_second() - forecast.origin().as_second()).rem_euclid(step)
        };
        later(
            now,
            SignedDuration::from_secs(
                left(now).min(left(later(now, self.span))).min(left(later(now, self.needed))),
            ),
        )
    }
}
