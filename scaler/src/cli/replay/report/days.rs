//! Day by day: what Prewarm saves against the best that reacts, or costs.

use maud::{Markup, html};

use super::Width;
use crate::cli::plot::figure;
use crate::cli::replay::summary::{Arm, label};

/// Days on which `ours` was cheaper than `theirs`, and days that both have.
pub(crate) fn won(ours: &Arm, theirs: &Arm) -> (usize, usize) {
    let pairs = || ours.days.iter().zip(&theirs.days);
    (pairs().filter(|(a, b)| a.total_cost < b.total_cost).count(), pairs().count())
}

/// A bar for each day: up is saved.
pub(crate) fn bars(ours: &Arm, theirs: &Arm, width: Width) -> (f64, Markup) {
    let savings: Vec<_> = ours
        .days
        .iter()
        .zip(&theirs.days)
        .map(|(a, b)| (a.date, b.total_cost - a.total_cost))
        .collect();
    let most = savings.iter().map(|(_, saved)| saved.abs()).fold(f64::MIN_POSITIVE, f64::max);
    let (left, right, middle, half) = (60.0, width.pixels() - 12.0, 120.0, 84.0);
    let wide = (right - left) / savings.len().max(1) as f64;
    let round = |value: f64| (value * 10.0).round() / 10.0;
    let every = (savings.len() as f64 * 64.0 / (right - left)).ceil().max(1.0) as usize;
    let content = html! {
        text.label x=(left - 8.0) y="16" { "cost saved against " (label(theirs.name)) ", in GPU-hours" }
        @for (sign, y) in [(1.0, middle - half), (-1.0, middle + half)] {
            line.thin x1=(left) x2=(right) y1=(y) y2=(y) {}
            text.small x=(left - 8.0) y=(y + 4.0) text-anchor="end" { (figure(sign * most)) }
        }
        @for (i, (date, saved)) in savings.iter().enumerate() {
            @let tall = saved.abs() / most * half;
            @let x = left + i as f64 * wide;
            rect class=(if *saved >= 0.0 { "won" } else { "lost" }) x=(round(x + wide * 0.1)) width=(round(wide * 0.8))
                y=(round(if *saved >= 0.0 { middle - tall } else { middle })) height=(round(tall)) {
                title { (date) ": " (figure(*saved)) " GPU-hours" }
            }
            @if i % every == 0 {
                text.small x=(round(x)) y=(middle + half + 20.0) { (date.strftime("%-d %b")) }
            }
        }
        line.axis x1=(left) x2=(right) y1=(middle) y2=(middle) {}
    };
    (232.0, content)
}
