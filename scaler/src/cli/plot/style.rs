//! Colors and strokes of all plots. Distinguishable without red and green (Okabe and Ito 2008),
//! light and dark.

/// The style sheet: of a plot that is a file of its own, and of the report's page.
pub(crate) const STYLE: &str = include_str!("plot.css");
