//! Tables for terminals: columns as wide as their widest cell.

/// How a column is aligned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    /// Words.
    Left,
    /// Figures.
    Right,
}

/// Pads every cell to its column's width, two spaces apart; columns beyond `align` are words.
pub(crate) fn aligned(lines: &[Vec<String>], align: &[Align]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        lines
            .iter()
            .filter_map(|line| line.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for line in lines {
        text += &padded(line, &widths, align, "  ");
        text.push('\n');
    }
    text
}

/// One line of a table whose widths are known beforehand, `gap` between its cells.
pub(crate) fn padded(cells: &[String], widths: &[usize], align: &[Align], gap: &str) -> String {
    let mut line = String::new();
    for ((cell, width), column) in cells.iter().zip(widths).zip(0..) {
        if column > 0 {
            line += gap;
        }
        line += &match align.get(column).copied().unwrap_or(Align::Left) {
            Align::Left => format!("{cell:<width$}"),
            Align::Right => format!("{cell:>width$}"),
        };
    }
    line.truncate(line.trim_end().len());
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_end_and_words_begin_at_the_same_place() {
        let line = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
        let lines = [
            line(&["arm", "cost", "why"]),
            line(&["a", "1", "ä"]),
            line(&["longer", "1000"]),
            line(&[]),
        ];
        let text = aligned(&lines, &[Align::Left, Align::Right]);
        assert_eq!(text, "arm     cost  why\na          1  ä\nlonger  1000\n\n");
    }
}
