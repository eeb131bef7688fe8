//! Cost against misses: down and to the left is better.

use maud::{Markup, html};
use prewarm_forecaster::replay::Arm;

use super::Width;
use crate::cli::plot::{Frame, Key, Linear, Mark, line};
use crate::cli::replay::summary::{Summary, color, label};

/// A dot for each arm, with its name.
pub(crate) fn plot(summary: &Summary, width: Width) -> (f64, Markup) {
    let frame = Frame { left: 48.0, top: 54.0, right: width.pixels() - 16.0, bottom: 350.0 };
    let hours = || summary.arms.iter().map(|arm| arm.gpu_hours);
    let most = summary.arms.iter().map(|arm| arm.missed_share * 100.0).fold(0.0, f64::max);
    let x = Linear::around(hours().fold(f64::INFINITY, f64::min), hours().fold(0.0, f64::max));
    let y = Linear::from_zero(most);
    let mut dots: Vec<_> = summary
        .arms
        .iter()
        .map(|arm| {
            (arm.name, frame.x(x.place(arm.gpu_hours)), frame.y(y.place(arm.missed_share * 100.0)))
        })
        .collect();
    // Names are moved apart from the bottom up; on the right half they stand left of their dot.
    dots.sort_by(|a, b| b.2.total_cmp(&a.2));
    let places = dots.clone();
    let mut taken: Vec<(f64, f64, f64)> = Vec::new();
    let mut placed = Vec::new();
    for (name, dot_x, dot_y) in dots {
        let wide = label(name).chars().count() as f64 * 7.0;
        let left = dot_x + 10.0 + wide > frame.right;
        let from = if left { dot_x - 10.0 - wide } else { dot_x + 10.0 };
        // Never on the axis.
        let mut at = (dot_y + 4.0).min(frame.bottom - 6.0);
        let on_words = |at: f64| {
            taken
                .iter()
                .any(|(a, b, level)| (level - at).abs() < 15.0 && from < *b && from + wide > *a)
        };
        let on_dot = |at: f64| {
            let near = |(_, x, y): &(Arm, f64, f64)| {
                (y + 4.0 - at).abs() < 13.0 && from < x + 8.0 && from + wide > x - 8.0
            };
            places.iter().any(near)
        };
        while (on_words(at) || on_dot(at)) && at > 12.0 {
            at -= 3.0;
        }
        taken.push((from, from + wide, at));
        placed.push((name, dot_x, dot_y, from, at));
    }
    let (from, to) =
        (hours().fold(f64::INFINITY, f64::min) * 0.95, hours().fold(0.0, f64::max) * 1.05);
    let shown = summary.frontier.iter().filter(|point| {
        point.missed_share * 100.0 <= most * 1.05 && (from..=to).contains(&point.gpu_hours)
    });
    let curve: Vec<_> = shown
        .map(|point| {
            (frame.x(x.place(point.gpu_hours)), frame.y(y.place(point.missed_share * 100.0)))
        })
        .collect();
    let keys = [Key::new(Mark::Line, "hpa dotted", "plain HPA at other utilizations")];
    let content = html! {
        (frame.key(&keys, 14.0))
        path.hpa.dotted d=(line(curve.iter().copied())) {}
        (frame.axes(&x, "GPU-hours", &y, "demand that waits too long, %"))
        @for (name, dot_x, dot_y, text_x, text_y) in &placed {
            circle class=(color(*name)) cx=(dot_x) cy=(dot_y) r="6" {}
            text x=((text_x * 10.0).round() / 10.0) y=((text_y * 10.0).round() / 10.0) { (label(*name)) }
        }
    };
    (398.0, content)
}
