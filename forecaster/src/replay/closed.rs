//! The closed loop: demand → metric → KEDA → HPA → fleet → queue → metric.

use jiff::{SignedDuration, Timestamp};

use super::BEYOND_LEAD;
use super::arm::knative::Knative;
use super::arm::prewarm::PlannerArm;
use super::demand::{Demand, Segment, steps};
use super::fleet::{Fleet, Totals};
use super::outcome::{Moment, Settings};
use super::scenario::{STEP, Scenario};
use super::signal::{Signal, shown};
use crate::control::hpa::{Controller, whole};
use crate::control::keda::ScaleLoop;
use crate::decide::policy::ScaleToZero;
use crate::decide::window_limits::WindowWatch;

/// A step of the planner takes as long as so many of an HPA: its bank simulates some seventy.
pub(super) const PLANNED: usize = 30;

/// Who decides.
#[derive(Debug)]
pub(super) enum Driver<'a> {
    /// An HPA on live demand, and on a second metric if there is one; live demand at or below the
    /// activation, in replicas, does not wake it.
    Metrics(Option<Ahead<'a>>, f64),
    /// Knative's autoscaler.
    Knative(Knative),
    /// Prewarm's planner.
    Planner(Box<PlannerArm<'a>>),
    /// Ready and starting replicas of every step, known beforehand.
    Dictated(&'a [(u32, u32)]),
}

/// A second metric.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ahead<'a> {
    /// In replicas, one for every step.
    pub(super) replicas: &'a [f64],
    /// It is demand, to which the utilization applies; else replicas as they are.
    pub(super) is_demand: bool,
    pub(super) reason: &'static str,
}

/// What a run comes to.
#[derive(Debug, Default)]
pub(super) struct Run {
    /// By segment of the demand.
    pub(super) tallies: Vec<Totals>,
    pub(super) timeline: Vec<Moment>,
}

/// Runs the loop over all of a history. `settings`: of the HPA in a segment.
pub(super) fn run(
    demand: &Demand,
    scene: &Scenario,
    driver: &mut Driver<'_>,
    settings: impl Fn(usize) -> Settings,
    timeline: bool,
) -> Run {
    let (min, max) = (scene.keda.min, scene.keda.max.max(1));
    let first = demand.values.iter().copied().find(|value| !value.is_nan()).unwrap_or(0.0);
    let mut fleet = Fleet::new(demand, scene, whole(first).clamp(min.min(max), max));
    let mut keda = ScaleLoop::new(scene.keda, 0);
    let mut hpa = Controller::new(&scene.hpa, min, max);
    let (polling, sync) = (beat(scene.keda.polling), beat(scene.hpa.sync));
    let mut windows = Windows::new(scene);
    let mut run = Run::default();
    for (n, segment) in demand.segments.iter().enumerate() {
        let end = demand.segments.get(n + 1).map_or(demand.len(), |next| next.first);
        let settings = settings(n);
        hpa.set_down_window(settings.scale_down_window.as_secs());
        for i in segment.first..end {
            fleet.complete_startups(i);
            let mut signal = driver.signal(demand, i, &fleet, &settings);
            let (least, most) = windows.bounds(demand.instant(i));
            match driver {
                Driver::Dictated(plan) => {
                    let (ready, starting) = plan.get(i).copied().unwrap_or_default();
                    fleet.set_replicas(ready, starting);
                }
                Driver::Knative(_) => {
                    // `min-scale` and `max-scale`, edited as windows begin and end.
                    let least = min.max(least).min(max);
                    let wanted = whole(signal.wanted.unwrap_or(0.0));
                    fleet.scale(i, wanted.clamp(least, max.min(most).max(least)))
                }
                Driver::Metrics(..) | Driver::Planner(_) => {
                    if matches!(driver, Driver::Metrics(..)) {
                        bind(&mut signal, &mut hpa, &fleet, (least, max.min(most)));
                    }
                    scale(
                        &mut fleet,
                        &mut keda,
                        &mut hpa,
                        i,
                        &signal,
                        (i % polling == 0, i % sync == 0),
                    );
                }
            }
            fleet.serve(i);
            if timeline && segment.counts {
                run.timeline.push(moment(demand, scene, &fleet, i, &signal));
            }
        }
        run.tallies.push(std::mem::take(&mut fleet.tally));
        scene.meter.add((end - segment.first) * driver.weight());
    }
    run
}

/// What windows ask of a way to scale that has no windows of its own.
#[derive(Debug)]
struct Windows<'a> {
    scene: &'a Scenario,
    watch: WindowWatch,
    lead: SignedDuration,
    zero: ScaleToZero,
}

impl<'a> Windows<'a> {
    fn new(scene: &'a Scenario) -> Self {
        let lead = scene.cold_start.lead() + STEP * BEYOND_LEAD as i32;
        Self { scene, watch: WindowWatch::default(), lead, zero: scene.policy().scale_to_zero }
    }

    /// Replicas at the least and at the most from `now` on.
    fn bounds(&mut self, now: Timestamp) -> (u32, u32) {
        let calendar = &self.scene.calendar;
        let keda = &self.scene.keda;
        // Above zero KEDA's minimum sees to it.
        let reaches_zero = keda.min == 0 || keda.idle == Some(0);
        if calendar.windows().is_empty() && !(reaches_zero && self.zero != ScaleToZero::Auto) {
            return (0, u32::MAX);
        }
        let limits = self.watch.at(calendar, self.zero, now, self.lead);
        let least = limits.floor.max(u32::from(reaches_zero && limits.never_zero));
        (least, limits.most().unwrap_or(u32::MAX))
    }
}

/// Windows beside an HPA: a cron trigger asks for the floor, and the maximum is the ceiling. An off
/// window says "inactive" but while a queue drains, and leaves the last replica to KEDA.
fn bind(signal: &mut Signal, hpa: &mut Controller, fleet: &Fleet<'_>, (least, most): (u32, u32)) {
    hpa.set_max(most);
    if least > 0 {
        if f64::from(least) > signal.ahead.max(signal.wanted.unwrap_or(0.0)) {
            signal.reason = "window";
        }
        signal.ahead = signal.ahead.max(f64::from(least));
        signal.active = Some(true);
    }
    if most == 0 && fleet.shown_queue().unwrap_or(0.0) <= 0.0 {
        *signal = Signal { wanted: Some(0.0), ahead: 0.0, active: Some(false), ..*signal };
    }
}

/// KEDA's poll and the HPA's sync, where they are due.
fn scale(
    fleet: &mut Fleet<'_>,
    keda: &mut ScaleLoop,
    hpa: &mut Controller,
    i: usize,
    signal: &Signal,
    (polls, syncs): (bool, bool),
) {
    let now = i as i64 * STEP.as_secs();
    let answered = signal.wanted.is_some();
    if polls {
        keda.polled(answered);
        let target = keda.poll(now, fleet.total(), signal.active == Some(true), !answered);
        fleet.scale(i, target);
    }
    if syncs {
        let current = fleet.total();
        let asks = hpa.asks(current);
        if asks {
            keda.synced(answered);
        }
        // A fallback is a metric like any other (`doFallback`: target × replicas).
        let own = signal.wanted.or_else(|| keda.fallback(current).map(f64::from));
        let own = own.map(|wanted| hpa.replicas(wanted, current));
        let ahead = if signal.ahead > 0.0 { hpa.replicas(signal.ahead, current) } else { 0 };
        // `computeReplicasForMetrics`: the most of all; one that fails blocks the way down, not the
        // way up.
        let proposed =
            own.map(|own| own.max(ahead)).or(Some(ahead).filter(|ahead| *ahead >= current.max(1)));
        if current == 0 || asks {
            keda.see_hpa(asks && proposed.is_some());
        }
        let target = hpa.sync(now, current, proposed);
        fleet.scale(i, target);
    }
}

impl Driver<'_> {
    /// Time that a step takes, in steps of an HPA.
    fn weight(&self) -> usize {
        if matches!(self, Self::Planner(_)) { PLANNED } else { 1 }
    }

    fn signal(
        &mut self,
        demand: &Demand,
        i: usize,
        fleet: &Fleet<'_>,
        settings: &Settings,
    ) -> Signal {
        match self {
            Self::Metrics(ahead, activation) => {
                let share = 1.0 / settings.utilization;
                let shown = shown(demand, i, fleet, settings.panics);
                let live = shown.map(|live| live * share);
                let (more, reason) = ahead.map_or((0.0, "live"), |ahead| {
                    let replicas = ahead.replicas.get(i).copied().unwrap_or(0.0);
                    let more = if ahead.is_demand { replicas * share } else { replicas };
                    (more, if more > live.unwrap_or(0.0) { ahead.reason } else { "live" })
                });
                let awake = shown.map(|shown| shown > *activation);
                let active = if more > 0.0 { Some(true) } else { awake };
                Signal { wanted: live, ahead: more, active, reason, forecast: None }
            }
            Self::Knative(knative) => knative.signal(demand, i, fleet),
            Self::Planner(pilot) => pilot.signal(demand, i, fleet),
            Self::Dictated(_) => {
                Signal { reason: "foresight", active: Some(true), ..Signal::default() }
            }
        }
    }
}

fn beat(period: jiff::SignedDuration) -> usize {
    steps(period).max(1) as usize
}

fn moment(
    demand: &Demand,
    scene: &Scenario,
    fleet: &Fleet<'_>,
    i: usize,
    signal: &Signal,
) -> Moment {
    let threshold = scene.threshold.get();
    let time: Timestamp = demand.instant(i);
    Moment {
        time,
        demand: demand.values.get(i).filter(|value| !value.is_nan()).map(|value| value * threshold),
        ready: fleet.ready,
        desired: fleet.total(),
        metric_value: signal.wanted.map(|wanted| wanted.max(signal.ahead) * threshold),
        forecast: signal.forecast,
        active: signal.active.unwrap_or(false),
        reason: signal.reason,
    }
}

/// Segments that count, with their sums.
pub(super) fn counted<'a>(
    demand: &'a Demand,
    tallies: &'a [Totals],
) -> impl Iterator<Item = (&'a Segment, &'a Totals)> {
    demand.segments.iter().zip(tallies).filter(|(segment, _)| segment.counts)
}
