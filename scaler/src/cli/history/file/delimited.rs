//! CSV, as spreadsheets, Grafana and CloudWatch write it.

use anyhow::{Context, bail};
use csv::StringRecord;

use super::moment::looks_like_time;
use super::table::Table;

/// Lines above the header that say what the export is of: CloudWatch writes a dozen.
const MOST_PREAMBLE: usize = 30;

/// Fields in rows; `name` is for errors. Lines above the header are left out. Separated by commas or
/// tabs: semicolons go with decimal commas, and what a comma means is then a guess.
pub(super) fn table(name: &str, text: &str) -> anyhow::Result<Table> {
    // Excel's own first line.
    let (text, first_line) = match text.split_once('\n') {
        Some((first, rest)) if first.trim_end() == "sep=," => (rest, 2),
        _ => (text, 1),
    };
    let head: Vec<&str> = text.lines().take(MOST_PREAMBLE).collect();
    let any = |c: char| head.iter().any(|line| line.contains(c));
    if any(';') && head.iter().all(|line| line.trim().is_empty() || line.contains(';')) {
        bail!(
            "{name}:1: fields are separated by semicolons, as spreadsheets do where numbers have decimal \
             commas: save it with commas between fields and points in numbers"
        );
    }
    let delimiter = if any('\t') && !any(',') { b'\t' } else { b',' };

    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let mut lines = Lines::new(text, first_line);
    let mut rows: Vec<(u64, StringRecord)> = Vec::new();
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).with_context(|| name.to_owned())? {
        let line = lines.of(record.position().map_or(0, csv::Position::byte));
        rows.push((line, record.clone()));
    }
    if rows.is_empty() {
        bail!("{name}:1: it is empty: a header timestamp,value and rows are needed");
    }
    let (names, first) = header(&rows);
    let rest = rows.split_off(first.min(rows.len()));
    let (header_line, header) = rows.swap_remove(names);
    if header.iter().any(looks_like_time) {
        bail!(
            "{name}:{header_line}: the header is missing: write timestamp,value above the first row"
        );
    }
    for (line, row) in &rest {
        if row.len() != header.len() {
            bail!(
                "{name}:{line}: {} fields where the header has {}: write numbers with a decimal point, and all \
                 fields in each row",
                row.len(),
                header.len()
            );
        }
    }
    Ok(Table { header, rows: rest, header_line })
}

/// The row that names the columns, and the first row below it. Usually these are the first two;
/// where something stands above, the row of names is the last of as many fields as the first row
/// with a time. CloudWatch has the names at the top and more of each below.
fn header(rows: &[(u64, StringRecord)]) -> (usize, usize) {
    let has_time = |(_, row): &(u64, StringRecord)| row.iter().any(looks_like_time);
    let first = match rows.iter().take(MOST_PREAMBLE).position(has_time) {
        Some(first) if first > 1 => first,
        _ => return (0, 1),
    };
    let above = rows.get(..first).unwrap_or_default();
    let width = rows.get(first).map_or(0, |(_, row)| row.len());
    let wide = |(_, row): &(u64, StringRecord)| row.len() == width;
    let labels = |(_, row): &(u64, StringRecord)| {
        row.get(0)
            .is_some_and(|word| ["label", "full label"].contains(&word.to_lowercase().as_str()))
    };
    let names = above.iter().position(|row| wide(row) && labels(row));
    (names.or_else(|| above.iter().rposition(wide)).unwrap_or(0), first)
}

/// Counts lines up to a byte. The reader's own count is one short where lines end in CR LF.
struct Lines<'t> {
    text: &'t str,
    at: usize,
    line: u64,
}

impl<'t> Lines<'t> {
    fn new(text: &'t str, line: u64) -> Self {
        Self { text, at: 0, line }
    }

    /// The line of what follows this byte and any line ends there. Bytes must not go back.
    fn of(&mut self, byte: u64) -> u64 {
        let bytes = self.text.as_bytes();
        let mut to = usize::try_from(byte).unwrap_or(usize::MAX).min(bytes.len());
        while bytes.get(to).is_some_and(|b| matches!(b, b'\r' | b'\n')) {
            to += 1;
        }
        let passed = bytes.get(self.at..to).unwrap_or_default();
        self.line += passed.iter().filter(|b| **b == b'\n').count() as u64;
        self.at = to;
        self.line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_whatever_ends_them() {
        for end in ["\n", "\r\n"] {
            let text = ["timestamp,value", "a,1", "", "b,2"].join(end);
            let table = table("x", &text).unwrap();
            let lines: Vec<u64> = table.rows.iter().map(|(line, _)| *line).collect();
            assert_eq!(lines, [2, 4], "{end:?}");
        }
    }

    #[test]
    fn what_stands_above_the_header_is_left_out() {
        let text = "Full label,queue depth\nNamespace,AWS/SQS\nUnit,Count\nPeriod,300\n\
                    2026/11/24 08:00:00,3\n2026/11/24 08:05:00,4\n";
        let table = table("x", text).unwrap();
        assert_eq!(table.header.iter().collect::<Vec<_>>(), ["Full label", "queue depth"]);
        assert_eq!(table.rows.len(), 2);
    }

    #[test]
    fn excels_own_first_line_counts_as_a_line() {
        let table = table("x", "sep=,\r\ntimestamp,value\r\na,1\r\n").unwrap();
        assert_eq!((table.header_line, table.rows[0].0), (2, 3));
    }

    #[test]
    fn semicolons_are_named_as_the_cause() {
        let told = table("x", "timestamp;value\n2026-11-24T08:00:00Z;1,5\n").unwrap_err();
        assert!(told.to_string().contains("semicolons"), "{told}");
    }
}
