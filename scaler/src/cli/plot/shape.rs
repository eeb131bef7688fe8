//! Lines, steps and bands: the `d` of a path, with gaps where nothing is known.

use std::fmt::Write as _;

use super::px;

/// The text of a path's `d`.
type Path = String;

/// Straight lines through the points; a point that is not finite breaks the line.
pub(crate) fn line(points: impl IntoIterator<Item = (f64, f64)>) -> Path {
    let mut path = String::new();
    let mut pen_down = false;
    for (x, y) in points {
        if !(x.is_finite() && y.is_finite()) {
            pen_down = false;
            continue;
        }
        let _ = write!(path, "{}{} {}", if pen_down { 'L' } else { 'M' }, px(x), px(y));
        pen_down = true;
    }
    path
}

/// Stairs: each value holds from its own x to that of the next point; the last point only ends the
/// last step.
pub(crate) fn steps(points: impl IntoIterator<Item = (f64, f64)>) -> Path {
    let mut path = String::new();
    // Where the pen is: the level, and up to which x it holds.
    let mut pen: Option<(f64, f64)> = None;
    for (x, y) in points {
        pen = match pen {
            Some((_, level)) if px(level) == px(y) => Some((x, level)),
            Some(_) if y.is_finite() => {
                let _ = write!(path, "H{}V{}", px(x), px(y));
                Some((x, y))
            }
            Some(_) => {
                let _ = write!(path, "H{}", px(x));
                None
            }
            None if y.is_finite() => {
                let _ = write!(path, "M{} {}", px(x), px(y));
                Some((x, y))
            }
            None => None,
        };
    }
    if let Some((x, _)) = pen {
        let _ = write!(path, "H{}", px(x));
    }
    path
}

/// Closed areas between two edges over the same x; where either is unknown the area breaks.
pub(crate) fn band(points: impl IntoIterator<Item = (f64, f64, f64)>) -> Path {
    let mut path = String::new();
    let mut stretch: Vec<(f64, f64, f64)> = Vec::new();
    let mut close = |stretch: &mut Vec<(f64, f64, f64)>| {
        if stretch.len() > 1 {
            let there = stretch.iter().map(|(x, low, _)| (*x, *low));
            let back = stretch.iter().rev().map(|(x, _, high)| (*x, *high));
            path += &line(there.chain(back));
            path.push('Z');
        }
        stretch.clear();
    };
    for (x, low, high) in points {
        if low.is_finite() && high.is_finite() {
            stretch.push((x, low, high));
        } else {
            close(&mut stretch);
        }
    }
    close(&mut stretch);
    path
}
