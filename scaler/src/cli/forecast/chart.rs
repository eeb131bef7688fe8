//! Forecasts as a drawing: a fan for one origin, a panel for each lead where there are several.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};
use prewarm_forecaster::Series;

use super::answer::{Answer, Issued, Point};
use super::request::Request;
use super::table::{local, longest};
use crate::cli::history::{last, written};
use crate::cli::plot::{Frame, Key, Linear, Mark, Times, band, document, figure, line};

/// The SVG of all answers that hold a forecast; `None` where there is none.
pub(crate) fn svg(
    title: &str,
    series: &Series,
    request: &Request,
    answers: &[Answer],
    zone: &TimeZone,
) -> Option<String> {
    let issued: Vec<_> = answers
        .iter()
        .filter_map(|answer| Some((answer.origin, answer.outcome.as_ref().ok()?)))
        .collect();
    match issued.as_slice() {
        [] => None,
        [(origin, one)] => Some(fan(title, series, request, *origin, one, zone)),
        several => Some(panels(title, series, request, several, zone)),
    }
}

/// History, median and bands from one origin on, with what came where that is known.
fn fan(
    title: &str,
    series: &Series,
    request: &Request,
    origin: Timestamp,
    issued: &Issued,
    zone: &TimeZone,
) -> String {
    let whole = &issued.whole;
    let longest = longest(request);
    // The day before shows what the forecast has to go on; more where it looks further ahead.
    let past = SignedDuration::from_secs(longest.as_secs().saturating_mul(4).max(24 * 3600));
    let from = origin.saturating_sub(past).unwrap_or(Timestamp::MIN).max(series.start());
    let to = origin.saturating_add(longest).unwrap_or(Timestamp::MAX);
    let frame = Frame { left: 64.0, top: 84.0, right: WIDTH - 24.0, bottom: 400.0 };
    let shown = stretch(series, from, to);
    let tops = whole.values().iter().filter_map(|row| row.last().copied());
    let most = shown
        .iter()
        .map(|(_, value)| *value)
        .chain(tops)
        .filter(|v| v.is_finite())
        .fold(0.0, f64::max);
    let (x, y) = (Times::new(from, to, zone.clone()), Linear::from_zero(most));
    let place = |at: Timestamp, value: f64| (frame.x(x.place(at)), frame.y(y.place(value)));
    let (past, came): (Vec<_>, Vec<_>) = shown.into_iter().partition(|(at, _)| *at <= origin);
    // From what was known last, so that the fan hangs together with the history.
    let anchor = past.last().copied();
    let rows = || {
        (0..)
            .map(|i| bucket(whole.origin(), whole.step(), i))
            .zip(whole.values())
            .take_while(|(at, _)| *at <= to)
    };
    let of = |i: usize| {
        let issued = rows().map(move |(at, row)| (at, row.get(i).copied().unwrap_or(f64::NAN)));
        anchor.into_iter().chain(issued).collect::<Vec<_>>()
    };
    let bands: Vec<_> = pairs(&request.quantiles)
        .map(|(low, high)| {
            let edges = of(low).into_iter().zip(of(high));
            let points = edges.map(|((at, low), (_, high))| {
                (place(at, low).0, place(at, low).1, place(at, high).1)
            });
            (band(points), opacity(&request.quantiles, low, high))
        })
        .collect();
    let middle = middle(&request.quantiles);
    let came = anchor.filter(|_| !came.is_empty()).into_iter().chain(came).collect::<Vec<_>>();
    let mut keys = vec![Key::new(Mark::Line, "demand", "demand")];
    if !came.is_empty() {
        keys.push(Key::new(Mark::Line, "demand came", "what came"));
    }
    if let Some(q) = request.quantiles.get(middle) {
        keys.push(Key::new(Mark::Line, "prewarm", format!("forecast, {}", percent(*q))));
    }
    if !bands.is_empty() {
        let edges: Vec<_> = request.quantiles.iter().map(|q| percent(*q)).collect();
        keys.push(Key::new(Mark::Area, "band", edges.join(" – ")));
    }
    let content = html! {
        text.heading x="24" y="28" { (title) ": forecast at " (local(origin, zone)) }
        (frame.key(&keys, 54.0))
        (frame.axes(&x, &format!("time ({})", x.zone()), &y, "demand"))
        @for (path, opacity) in &bands { path.band fill-opacity=(opacity) d=(path) {} }
        line.rule x1=(frame.x(x.place(origin))) x2=(frame.x(x.place(origin))) y1=(frame.top) y2=(frame.bottom) {}
        path.demand d=(line(past.iter().map(|(at, value)| place(*at, *value)))) {}
        path.demand.came d=(line(came.iter().map(|(at, value)| place(*at, *value)))) {}
        // Forecasts are made at the leads; between them the line only leads from one to the next.
        @for point in &issued.points {
            @if let Some(value) = point.values.get(middle).filter(|value| value.is_finite()) {
                @let (x, y) = place(point.at, *value);
                circle.prewarm cx=(x) cy=(y) r="4" {}
            }
        }
        path.prewarm d=(line(of(middle).into_iter().map(|(at, value)| place(at, value)))) {}
    };
    document(WIDTH, 452.0, title, &content)
}

/// One panel a lead: what came as a line, and at each origin's target the forecast as a whisker
/// with its median.
fn panels(
    title: &str,
    series: &Series,
    request: &Request,
    issued: &[(Timestamp, &Issued)],
    zone: &TimeZone,
) -> String {
    let count = request.leads.len();
    let height = 96.0 + count as f64 * PANEL;
    let drawn: Vec<Markup> = (0..count)
        .filter_map(|i| {
            let points = issued.iter().filter_map(|(_, issued)| issued.points.get(i));
            let points: Vec<&Point> = points.filter(|point| point.is_known()).collect();
            panel(series, request, *request.leads.get(i)?, &points, 72.0 + i as f64 * PANEL, zone)
        })
        .collect();
    let keys = [
        Key::new(Mark::Line, "demand", "demand"),
        Key::new(Mark::Dot, "prewarm", "forecast"),
        Key::new(Mark::Line, "whisker", range(&request.quantiles)),
    ];
    let across = Frame { left: 64.0, top: 0.0, right: WIDTH - 24.0, bottom: 0.0 };
    let content = html! {
        text.heading x="24" y="28" { (title) ": forecasts at " (issued.len()) " origins" }
        (across.key(&keys, 54.0))
        @for panel in &drawn { (panel) }
    };
    document(WIDTH, height, title, &content)
}

fn panel(
    series: &Series,
    request: &Request,
    lead: SignedDuration,
    points: &[&Point],
    top: f64,
    zone: &TimeZone,
) -> Option<Markup> {
    let (first, final_) = (points.first()?.at, points.last()?.at);
    let air = SignedDuration::from_secs(
        (final_.duration_since(first).as_secs() / 50).max(series.step().as_secs()),
    );
    let (from, to) = (first.saturating_sub(air).ok()?, final_.saturating_add(air).ok()?);
    let frame =
        Frame { left: 64.0, top: top + 46.0, right: WIDTH - 24.0, bottom: top + PANEL - 52.0 };
    let shown = stretch(series, from, to);
    let tops = points.iter().flat_map(|point| &point.values).copied();
    let most = shown
        .iter()
        .map(|(_, value)| *value)
        .chain(tops)
        .filter(|v| v.is_finite())
        .fold(0.0, f64::max);
    let (x, y) = (Times::new(from, to, zone.clone()), Linear::from_zero(most));
    let middle = middle(&request.quantiles);
    Some(html! {
        g.panel {
            text.heading x=(frame.left) y=(top + 16.0) { (written(lead)) " ahead" }
            (frame.axes(&x, &format!("time ({})", x.zone()), &y, "demand"))
            path.demand d=(line(shown.iter().map(|(at, value)| (frame.x(x.place(*at)), frame.y(y.place(*value)))))) {}
            @for point in points {
                @let at = frame.x(x.place(point.at));
                @if let (Some(low), Some(high)) = (point.values.first(), point.values.last()) {
                    line.whisker x1=(at) x2=(at) y1=(frame.y(y.place(*low))) y2=(frame.y(y.place(*high))) {}
                }
                @if let Some(value) = point.values.get(middle) {
                    circle.prewarm cx=(at) cy=(frame.y(y.place(*value))) r="3" {}
                }
            }
        }
    })
}

/// Values whose buckets start within `[from, to]`; of very many, the largest of each pixel's worth.
fn stretch(series: &Series, from: Timestamp, to: Timestamp) -> Vec<(Timestamp, f64)> {
    let step = series.step().as_secs();
    let row = |at: Timestamp| {
        usize::try_from((at.as_second() - series.start().as_second()).div_euclid(step)).unwrap_or(0)
    };
    let (first, final_) = (row(from), row(to.min(last(series))));
    let values = series.values().get(first..=final_).unwrap_or_default();
    let together = values.len().div_ceil(POINTS).max(1);
    let most = |chunk: &[f64]| chunk.iter().copied().fold(f64::NAN, f64::max);
    values
        .chunks(together)
        .enumerate()
        .map(|(i, chunk)| (series.instant(first + i * together), most(chunk)))
        .collect()
}

fn bucket(origin: Timestamp, step: SignedDuration, i: i64) -> Timestamp {
    origin
        .saturating_add(SignedDuration::from_secs(step.as_secs().saturating_mul(i)))
        .unwrap_or(Timestamp::MAX)
}

/// Neighbors among the quantiles: the bands of a fan.
fn pairs(quantiles: &[f64]) -> impl Iterator<Item = (usize, usize)> {
    (1..quantiles.len()).map(|high| (high - 1, high))
}

/// The outer, the paler.
fn opacity(quantiles: &[f64], low: usize, high: usize) -> f64 {
    let q = |i: usize| quantiles.get(i).copied().unwrap_or(0.5);
    let middle = (q(low) + q(high)) / 2.0;
    let paleness = (middle - 0.5).abs() * 2.0;
    ((0.42 - 0.28 * paleness) * 100.0).round() / 100.0
}

/// The quantile nearest to the median.
fn middle(quantiles: &[f64]) -> usize {
    let off = |q: &f64| (q - 0.5).abs();
    let nearest = quantiles.iter().enumerate().min_by(|(_, a), (_, b)| off(a).total_cmp(&off(b)));
    nearest.map_or(0, |(i, _)| i)
}

fn percent(q: f64) -> String {
    if q == 0.5 { "median".to_owned() } else { format!("p{}", figure(q * 100.0)) }
}

fn range(quantiles: &[f64]) -> String {
    match quantiles {
        [first, .., last] => format!("{} to {}", percent(*first), percent(*last)),
        _ => "its quantile".to_owned(),
    }
}

/// Width of the drawing in pixels.
const WIDTH: f64 = 1080.0;

/// Height of a panel.
const PANEL: f64 = 260.0;

/// Points of a line that still show in that width.
const POINTS: usize = 2000;
