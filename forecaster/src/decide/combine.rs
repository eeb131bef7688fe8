//! min(ceiling, max(live + backlog, forecast, floor, hold)).

use super::policy::Threshold;
use super::quantity::{sanitise, whole_replicas};
use super::{Parts, Reason};
use crate::calendar::Bounds;

/// What each part asks for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Asked {
    /// Live demand with headroom and SLO guard, raw units.
    pub(crate) live: f64,
    /// Live demand comes from the panic window.
    pub(crate) panic: bool,
    /// The backlog's share, raw units.
    pub(crate) backlog: f64,
    /// Replicas, if the forecast may act.
    pub(crate) forecast: u32,
    /// Replicas that the windows want within the lead.
    pub(crate) floor: u32,
    /// Replicas that run and should not go yet.
    pub(crate) hold: u32,
    /// 1 while the last arrival is young.
    pub(crate) keep_warm: u32,
    /// 1 where zero is not allowed.
    pub(crate) never_zero: u32,
}

/// What it comes to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Combined {
    pub(crate) value: f64,
    pub(crate) active: bool,
    pub(crate) reason: Reason,
}

/// Combines the parts. Ours are whole replicas, so that the HPA's ceil gives exactly as many; live demand stays in raw
/// units, so that the HPA's tolerance and behaviour stay in charge of it.
pub(crate) fn combine(asked: &Asked, bounds: &Bounds, activation: f64, threshold: Threshold) -> Combined {
    let live = sanitise(asked.live + asked.backlog);
    // Queued items are never left to a fleet of zero.
    let queued = u32::from(asked.backlog > 0.0);
    // What merely keeps replicas steps back behind live demand that needs as many: the value stays in raw units. Floors
    // and forecasts do not, because the HPA's tolerance would swallow a replica of them.
    let needed = if live > activation { replicas_of(live, threshold) } else { 0 };
    let keeping = |replicas: u32| if replicas > needed { replicas } else { 0 };
    let ours = [
        (keeping(queued), Reason::Backlog),
        (asked.floor, Reason::Floor),
        (asked.forecast, Reason::Forecast),
        (keeping(asked.hold), Reason::Hold),
        (keeping(asked.keep_warm), Reason::KeepWarm),
        (keeping(asked.never_zero), Reason::NeverZero),
    ];
    let (replicas, mut reason) =
        ours.into_iter().fold((0, Reason::Idle), |best, part| if part.0 > best.0 { part } else { best });
    let mut value = whole_replicas(replicas, threshold);
    if live >= value && live > 0.0 {
        value = live;
        reason = match () {
            () if asked.backlog > asked.live => Reason::Backlog,
            () if asked.panic => Reason::Panic,
            () => Reason::Live,
        };
    }
    let mut active = replicas > 0 || live > activation;
    if let Some(ceiling) = bounds.ceiling {
        // A window that is hard off still lets the queue drain.
        let most = ceiling.max(queued);
        let limit = whole_replicas(most, threshold);
        if value > limit {
            value = limit;
            reason = Reason::Ceiling;
            active &= most > 0;
        }
    }
    Combined { value: sanitise(value), active, reason }
}

/// Replicas that the HPA makes of a value.
pub(crate) fn replicas_of(value: f64, threshold: Threshold) -> u32 {
    let replicas = (super::quantity::milli(value) as f64 / threshold.milli() as f64).ceil();
    // Saturates: a value of 1e13 over a threshold of 0.001.
    replicas as u32
}

/// What the value would have been with the forecast (shadow mode).
pub(crate) fn with_forecast(
    asked: &Asked,
    parts: &Parts,
    bounds: &Bounds,
    activation: f64,
    threshold: Threshold,
) -> f64 {
    combine(&Asked { forecast: parts.forecast_replicas, ..*asked }, bounds, activation, threshold).value
}
