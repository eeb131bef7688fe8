//! Plots as SVG: axes with units, lines, steps, bands. Colors are classes, so that a style sheet
//! turns them dark.

mod axis;
mod frame;
mod shape;
mod style;

pub(crate) use axis::{Linear, Times, figure};
pub(crate) use frame::{Frame, Key, Mark};
pub(crate) use shape::{band, line, steps};
pub(crate) use style::STYLE;

use maud::{Markup, PreEscaped, html};

/// A file of its own: a plot with the style that it needs, on paper of its own.
pub(crate) fn document(width: f64, height: f64, title: &str, content: &Markup) -> String {
    let svg = html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox={ "0 0 " (width) " " (height) } width=(width) height=(height)
            role="img" {
            title { (title) }
            style { (PreEscaped(STYLE)) }
            rect.paper width=(width) height=(height) {}
            (content)
        }
    };
    svg.into_string() + "\n"
}

/// A plot within a page.
pub(crate) fn inline(
    class: &str,
    width: f64,
    height: f64,
    title: &str,
    content: &Markup,
) -> Markup {
    html! {
        svg class=(class) viewBox={ "0 0 " (width) " " (height) } role="img" aria-label=(title) { (content) }
    }
}

/// Tenths of a pixel are enough, and short.
fn px(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests;
