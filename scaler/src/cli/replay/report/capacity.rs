//! Demand against capacity, arm by arm: where the line is below the area, somebody waits.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use maud::{Markup, html};
use prewarm_forecaster::Series;
use prewarm_forecaster::replay::Arm;

use super::Width;
use crate::cli::plot::{Frame, Key, Linear, Mark, Times, band, steps};
use crate::cli::replay::summary::{color, label};

/// What an arm had Ready, on the steps of the demand that it met.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Track {
    /// The arm.
    pub(crate) name: Arm,
    /// Replicas that are Ready; the fewest of each step.
    pub(crate) ready: Series,
}

/// A panel for each track over `[from, to]`, all on one scale. `demand` is in replicas, the largest
/// of each step.
pub(crate) fn panels(
    demand: &Series,
    tracks: &[&Track],
    (from, to): (Timestamp, Timestamp),
    zone: &TimeZone,
    width: Width,
) -> (f64, Markup) {
    let x = Times::new(from, to, zone.clone());
    let shown: Vec<_> =
        tracks.iter().map(|track| (track.name, moments(demand, track, from, to))).collect();
    let values = shown
        .iter()
        .flat_map(|(_, moments)| moments)
        .flat_map(|(_, demand, ready)| [*demand, *ready]);
    let y = Linear::from_zero(values.filter(|value| value.is_finite()).fold(0.0, f64::max));
    let frame = |i: usize| {
        let top = 46.0 + i as f64 * PANEL;
        Frame {
            left: 40.0,
            top: top + 42.0,
            right: width.pixels() - 12.0,
            bottom: top + PANEL - 52.0,
        }
    };
    let keys = [
        Key::new(Mark::Area, "area", "demand, in replicas"),
        Key::new(Mark::Line, "demand", "replicas Ready"),
        Key::new(Mark::Area, "miss", "demand beyond them"),
    ];
    let content = html! {
        (frame(0).key(&keys, (frame(0).key_rows(&keys) - 1.0) * 20.0 + 14.0))
        @for (i, (name, moments)) in shown.iter().enumerate() {
            @let frame = frame(i);
            @let at = |at: &Timestamp| frame.x(x.place(*at));
            @let high = |value: f64| frame.y(y.place(value));
            text.heading x=(frame.left) y=(frame.top - 30.0) { (label(*name)) }
            (frame.axes(&x, &format!("time ({})", x.zone()), &y, "replicas"))
            path.area d=(band(stairs(moments, |demand, _| (0.0, demand)).map(|(t, low, top)| (at(&t), high(low), high(top))))) {}
            path.miss d=(band(stairs(moments, |demand, ready| if demand > ready { (ready, demand) } else { (f64::NAN, f64::NAN) })
                .map(|(t, low, top)| (at(&t), finite(low, high), finite(top, high))))) {}
            path class=(color(*name)) d=(steps(moments.iter().map(|(t, _, ready)| (at(t), finite(*ready, high))))) {}
        }
    };
    (46.0 + tracks.len() as f64 * PANEL, content)
}

fn finite(value: f64, place: impl Fn(f64) -> f64) -> f64 {
    if value.is_finite() { place(value) } else { f64::NAN }
}

/// Demand and what was Ready, step by step; of more steps than show, the largest demand and the
/// fewest replicas of several.
fn moments(
    demand: &Series,
    track: &Track,
    from: Timestamp,
    to: Timestamp,
) -> Vec<(Timestamp, f64, f64)> {
    let all = (0..demand.values().len()).map(|i| demand.instant(i)).zip(demand.values());
    let within = all.filter(|(at, _)| *at >= from && *at <= to);
    let moments: Vec<_> =
        within.map(|(at, value)| (at, *value, track.ready.at(at).unwrap_or(f64::NAN))).collect();
    let hardest = |several: &[(Timestamp, f64, f64)]| {
        let (at, ..) = *several.first()?;
        let most = several.iter().map(|(_, demand, _)| *demand).fold(f64::NAN, f64::max);
        Some((at, most, several.iter().map(|(.., ready)| *ready).fold(f64::NAN, f64::min)))
    };
    moments.chunks(moments.len().div_ceil(STEPS).max(1)).filter_map(hardest).collect()
}

/// Edges of an area that holds each value up to the next step.
fn stairs(
    moments: &[(Timestamp, f64, f64)],
    edges: impl Fn(f64, f64) -> (f64, f64),
) -> impl Iterator<Item = (Timestamp, f64, f64)> {
    let ends = moments.iter().skip(1).map(|(at, ..)| *at);
    let last = moments.last().map(|(at, ..)| *at);
    let of = move |((from, demand, ready), to): (&(Timestamp, f64, f64), Timestamp)| {
        let (low, high) = edges(*demand, *ready);
        [(*from, low, high), (to, low, high)]
    };
    moments.iter().zip(ends.chain(last)).flat_map(of)
}

/// Height of a panel in pixels.
const PANEL: f64 = 238.0;

/// Steps that still show in a panel.
const STEPS: usize = 700;
