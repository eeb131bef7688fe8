//! The frame of a plot: where its area lies, its axes, its key.

use maud::{Markup, html};

use super::axis::Scale;
use super::px;

/// Where a plot's area lies within its drawing, in pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Frame {
    /// Left edge of the area.
    pub(crate) left: f64,
    /// Upper edge.
    pub(crate) top: f64,
    /// Right edge.
    pub(crate) right: f64,
    /// Lower edge.
    pub(crate) bottom: f64,
}

/// How an entry of the key is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// A stroke.
    Line,
    /// A filled square.
    Area,
    /// A dot.
    Dot,
}

/// An entry of the key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Key {
    /// How it is drawn.
    pub(crate) mark: Mark,
    /// Its color's class.
    pub(crate) class: String,
    /// What it is.
    pub(crate) text: String,
}

impl Key {
    pub(crate) fn new(mark: Mark, class: impl Into<String>, text: impl Into<String>) -> Self {
        Self { mark, class: class.into(), text: text.into() }
    }
}

impl Frame {
    /// Pixel of a place in [0, 1] from left to right; what lies outside stays at the edge.
    pub(crate) fn x(&self, place: f64) -> f64 {
        px(self.left + place.clamp(0.0, 1.0) * (self.right - self.left))
    }

    /// Pixel of a place in [0, 1] from the bottom to the top; what lies outside stays at the edge.
    pub(crate) fn y(&self, place: f64) -> f64 {
        px(self.bottom - place.clamp(0.0, 1.0) * (self.bottom - self.top))
    }

    /// Both axes with grid, ticks and what they measure.
    pub(crate) fn axes(
        &self,
        x: &impl Scale,
        x_label: &str,
        y: &impl Scale,
        y_label: &str,
    ) -> Markup {
        // A label needs about 80 pixels of width, or 40 of height.
        let mut columns = x.ticks(((self.right - self.left) / 80.0) as usize);
        self.thin(&mut columns);
        let rows = y.ticks(((self.bottom - self.top) / 40.0) as usize);
        html! {
            g.grid {
                @for (place, _) in &rows {
                    line x1=(self.left) x2=(self.right) y1=(self.y(*place)) y2=(self.y(*place)) {}
                }
                @for (place, _) in &columns {
                    line x1=(self.x(*place)) x2=(self.x(*place)) y1=(self.bottom) y2=(self.bottom + 5.0) {}
                }
            }
            g.tick {
                @for (place, label) in &rows {
                    text x=(self.left - 7.0) y=(self.y(*place) + 4.0) text-anchor="end" { (label) }
                }
                @for (place, label) in &columns {
                    text x=(self.x(*place)) y=(self.bottom + 19.0) text-anchor=(anchor(self.left, self.right, self.x(*place), label)) { (label) }
                }
            }
            line.axis x1=(self.left) x2=(self.right) y1=(self.bottom) y2=(self.bottom) {}
            text.label x=(px(self.left - 7.0)) y=(px(self.top - 10.0)) { (y_label) }
            text.label x=(self.right) y=(px(self.bottom + 37.0)) text-anchor="end" { (x_label) }
        }
    }

    /// Takes the words from ticks that would run into those of the next one.
    fn thin(&self, columns: &mut [(f64, String)]) {
        let mut edge = f64::INFINITY;
        for (place, label) in columns.iter_mut().rev() {
            let (x, wide) = (self.x(*place), label.chars().count() as f64 * LETTER);
            let (from, to) = match anchor(self.left, self.right, x, label) {
                "end" => (x - wide, x),
                "start" => (x, x + wide),
                _ => (x - wide / 2.0, x + wide / 2.0),
            };
            if to > edge {
                label.clear();
            } else {
                edge = from;
            }
        }
    }

    /// The key above the area, from `left` on in as many rows as it needs; the last row ends at
    /// `y`.
    pub(crate) fn key(&self, entries: &[Key], y: f64) -> Markup {
        let mut placed = Vec::new();
        let (mut x, mut row) = (self.left, 0.0);
        for entry in entries {
            let width = 26.0 + entry.text.chars().count() as f64 * LETTER;
            if x + width > self.right && x > self.left {
                (x, row) = (self.left, row + 1.0);
            }
            placed.push((x, row, entry));
            x += width + 14.0;
        }
        html! {
            g.key {
                @for (x, row, entry) in placed {
                    @let y = px(y + (row - self.key_rows(entries) + 1.0) * KEY_ROW);
                    @match entry.mark {
                        Mark::Line => line class=(entry.class) x1=(px(x)) x2=(px(x + 18.0)) y1=(y - 4.0) y2=(y - 4.0) {},
                        Mark::Area => rect class=(entry.class) x=(px(x)) y=(y - 10.0) width="18" height="12" {},
                        Mark::Dot => circle class=(entry.class) cx=(px(x + 9.0)) cy=(y - 4.0) r="5" {},
                    }
                    text x=(px(x + 24.0)) y=(y) { (entry.text) }
                }
            }
        }
    }

    /// Rows that [`Frame::key`] needs for these entries.
    pub(crate) fn key_rows(&self, entries: &[Key]) -> f64 {
        let (mut x, mut rows) = (self.left, 1.0);
        for entry in entries {
            let width = 26.0 + entry.text.chars().count() as f64 * LETTER;
            if x + width > self.right && x > self.left {
                (x, rows) = (self.left, rows + 1.0);
            }
            x += width + 14.0;
        }
        rows
    }
}

/// Labels at either edge stay within the drawing.
fn anchor(left: f64, right: f64, x: f64, label: &str) -> &'static str {
    let half = label.chars().count() as f64 * LETTER / 2.0;
    match x {
        _ if x + half > right + 12.0 => "end",
        _ if x - half < left - 40.0 => "start",
        _ => "middle",
    }
}

/// About the width of a letter at 13 pixels; there is no measuring without a font.
const LETTER: f64 = 6.8;

/// Height of a row of the key.
pub(crate) const KEY_ROW: f64 = 20.0;
