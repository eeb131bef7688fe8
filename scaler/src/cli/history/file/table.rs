//! Rows and columns, whatever the file was written by.

use std::collections::{BTreeSet, HashMap};

use anyhow::{anyhow, bail};
use csv::StringRecord;

use super::moment::{looks_like_time, moment};
use super::{Columns, Reading, Readings};
use crate::duration::quoted;

/// What a file says, before anything of it is read as a time or a number.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// Names of the columns.
    pub(super) header: StringRecord,
    /// Line and fields of each row; as many fields as the header has.
    pub(super) rows: Vec<(u64, StringRecord)>,
    /// The line of the header; 0 where the file has none.
    pub(super) header_line: u64,
}

/// Names that columns of times go by, in lower case.
const TIMES: [&str; 9] = [
    "timestamp",
    "time",
    "datetime",
    "date",
    "date/time",
    "ds",
    "_time",
    "@timestamp",
    "timestamp (utc)",
];

/// Rows that are looked at to tell columns of numbers from columns of words.
const LOOKED_AT: usize = 200;

/// Words for "unknown", in lower case.
const UNKNOWN: [&str; 8] = ["", "nan", "null", "none", "na", "n/a", "-", "undefined"];

impl Table {
    /// One reading for each row and each column of demand.
    pub(super) fn readings(&self, name: &str, columns: &Columns) -> anyhow::Result<Readings> {
        let place = format!("{name}:{}", self.header_line.max(1));
        let time = self.time_column(columns).map_err(|problem| anyhow!("{place}: {problem}"))?;
        let values =
            self.value_columns(columns, time).map_err(|problem| anyhow!("{place}: {problem}"))?;
        let labels = self
            .label_columns(columns, time, &values)
            .map_err(|problem| anyhow!("{place}: {problem}"))?;

        let mut readings = Readings::default();
        for (line, row) in &self.rows {
            let place = || format!("{name}:{line}");
            let label =
                labels.iter().map(|column| field(row, *column)).collect::<Vec<_>>().join(" ");
            for column in &values {
                let series = readings.series(&label, *column);
                let previous = readings.last_of(series);
                let at = moment(field(row, time), columns.zone.as_ref(), previous)
                    .map_err(|error| error.context(place()))?;
                let value = number(field(row, *column)).map_err(|error| error.context(place()))?;
                readings.push(Reading { line: *line, series, at, value });
            }
        }
        Ok(readings)
    }

    fn time_column(&self, columns: &Columns) -> anyhow::Result<usize> {
        if let Some(wanted) = &columns.time_column {
            return self.named(wanted, "--time-column");
        }
        let known =
            |name: &str| TIMES.contains(&name.to_lowercase().as_str()) || name.starts_with("bin(");
        let by_name: Vec<usize> = self.positions(|i| known(self.name(i)));
        let by_content: Vec<usize> = self.positions(|i| {
            self.rows.first().is_some_and(|(_, row)| looks_like_time(field(row, i)))
        });
        match (by_name.as_slice(), by_content.as_slice()) {
            ([one], _) | ([], [one]) => Ok(*one),
            ([], []) => bail!(
                "the header is {}, and no column is called timestamp or holds times: it must name timestamp,value",
                quoted(&self.names())
            ),
            ([], several) | (several, _) => bail!(
                "several columns hold times: {}: name the one that counts by --time-column",
                self.list(several)
            ),
        }
    }

    fn value_columns(&self, columns: &Columns, time: usize) -> anyhow::Result<Vec<usize>> {
        if !columns.columns.is_empty() {
            return columns.columns.iter().map(|wanted| self.named(wanted, "--column")).collect();
        }
        if let Some(value) = self.positions(|i| self.name(i).eq_ignore_ascii_case("value")).first()
        {
            return Ok(vec![*value]);
        }
        let grouped =
            |i: usize| columns.sum_by.iter().any(|name| self.name(i).eq_ignore_ascii_case(name));
        let numbers = self.positions(|i| i != time && !grouped(i) && self.holds_numbers(i));
        let others = self.positions(|i| i != time && !grouped(i));
        match (numbers.as_slice(), others.as_slice()) {
            // Alone, it is demand; what is wrong with its numbers is told by line.
            ([one], _) | ([], [one]) => Ok(vec![*one]),
            ([], _) => bail!(
                "the header is {}, but it must name timestamp,value: name the column of demand by --column",
                quoted(&self.names())
            ),
            (several, _) => bail!(
                "several columns hold numbers: {}: name the one that is demand by --column (several are summed)",
                self.list(several)
            ),
        }
    }

    /// The columns that tell several series apart. All of them must be named by `--sum-by`: whether
    /// a sum means anything is not ours to guess.
    fn label_columns(
        &self,
        columns: &Columns,
        time: usize,
        values: &[usize],
    ) -> anyhow::Result<Vec<usize>> {
        let mut labels = Vec::new();
        for wanted in &columns.sum_by {
            labels.push(self.named(wanted, "--sum-by")?);
        }
        let free = |i: usize| i != time && !values.contains(&i) && !labels.contains(&i);
        for column in self.positions(free) {
            let told: BTreeSet<&str> =
                self.rows.iter().map(|(_, row)| field(row, column)).collect();
            // A word of its own for nearly each row is a remark.
            let remarks = told.len() > 2 && told.len() * 2 > self.rows.len();
            let numbers = self.holds_numbers(column) && !self.repeats_times(time, &labels, column);
            if told.len() < 2 || remarks || numbers {
                continue;
            }
            let shown: Vec<String> = told.iter().take(3).map(|word| quoted(word).clone()).collect();
            let more = if told.len() > 3 {
                format!(" and {} more", told.len() - 3)
            } else {
                String::new()
            };
            let named = columns.sum_by.iter().map(String::as_str).chain([self.name(column)]);
            bail!(
                "column {} tells several series apart ({}{more}): to sum them add --sum-by {}, for one of \
                 them keep its rows alone",
                quoted(self.name(column)),
                shown.join(", "),
                named.collect::<Vec<_>>().join(",")
            );
        }
        Ok(labels)
    }

    /// Whether rows of one time differ in this column, which else is a number beside demand.
    fn repeats_times(&self, time: usize, labels: &[usize], column: usize) -> bool {
        let key = |row: &StringRecord| {
            let parts = labels.iter().chain([&time]).map(|i| field(row, *i).to_owned());
            parts.collect::<Vec<_>>()
        };
        let mut seen = HashMap::new();
        self.rows.iter().any(|(_, row)| {
            let told = field(row, column);
            *seen.entry(key(row)).or_insert(told) != told
        })
    }

    fn holds_numbers(&self, column: usize) -> bool {
        let mut fields = self
            .rows
            .iter()
            .take(LOOKED_AT)
            .map(|(_, row)| field(row, column))
            .filter(|text| !unknown(text));
        let first = fields.next();
        first.is_some_and(|text| text.parse::<f64>().is_ok())
            && fields.all(|text| text.parse::<f64>().is_ok())
    }

    fn named(&self, wanted: &str, flag: &str) -> anyhow::Result<usize> {
        self.positions(|i| self.name(i) == wanted)
            .first()
            .or(self.positions(|i| self.name(i).eq_ignore_ascii_case(wanted)).first())
            .copied()
            .ok_or_else(|| {
                anyhow!(
                    "{flag} {}: there is no such column; there are {}",
                    quoted(wanted),
                    self.names()
                )
            })
    }

    fn positions(&self, wanted: impl Fn(usize) -> bool) -> Vec<usize> {
        (0..self.header.len()).filter(|i| wanted(*i)).collect()
    }

    fn name(&self, column: usize) -> &str {
        field(&self.header, column)
    }

    fn names(&self) -> String {
        self.header.iter().collect::<Vec<_>>().join(",")
    }

    fn list(&self, columns: &[usize]) -> String {
        columns.iter().map(|i| quoted(self.name(*i))).collect::<Vec<_>>().join(", ")
    }
}

fn field(row: &StringRecord, column: usize) -> &str {
    row.get(column).unwrap_or_default()
}

fn unknown(text: &str) -> bool {
    UNKNOWN.contains(&text.to_lowercase().as_str())
}

/// A value; NaN where it is unknown.
fn number(text: &str) -> anyhow::Result<f64> {
    if unknown(text) {
        return Ok(f64::NAN);
    }
    if let Ok(value) = text.parse::<f64>()
        && value.is_finite()
    {
        return Ok(value);
    }
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let fix = match text.trim_start_matches('-').split_once(',') {
        Some((whole, fraction)) if digits(whole) && digits(fraction) => {
            format!("it has a decimal comma: write {}", text.replace(',', "."))
        }
        Some((whole, rest)) if digits(whole) && rest.contains(['.', ',']) => {
            "write thousands without separators, and a decimal point".to_owned()
        }
        _ if text.starts_with(|c: char| c.is_ascii_digit()) && text.parse::<f64>().is_err() => {
            "it carries a unit: export plain numbers (in Grafana, switch \"Formatted data\" off)"
                .to_owned()
        }
        _ => "write it like 12.5, or leave it empty where it is unknown".to_owned(),
    };
    bail!("value {} is no number: {fix}", quoted(text))
}
