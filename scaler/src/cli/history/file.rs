//! Histories as CSV: header `timestamp,value`, RFC 3339 times at any even step.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use csv::StringRecord;
use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::Series;

use super::{History, MOST_BUCKETS, written};
use crate::duration::quoted;

/// Reads a file, or standard input for `-`. Errors name file and line.
pub(crate) fn read(path: &Path) -> anyhow::Result<History> {
    if path.as_os_str() == "-" {
        return parse("standard input", std::io::stdin().lock());
    }
    let name = path.display().to_string();
    let file =
        std::fs::File::open(path).with_context(|| format!("--input {name}: cannot be read"))?;
    parse(&name, std::io::BufReader::new(file))
}

/// A row as written.
struct Row {
    line: u64,
    at: Timestamp,
    value: f64,
}

/// Reads rows of `timestamp,value` (other columns are left alone) in ascending order of time. A
/// missing row, an empty value and NaN are gaps; negative values count as 0, as everywhere else.
/// `name` is for errors.
fn parse(name: &str, text: impl Read) -> anyhow::Result<History> {
    let mut reader =
        csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(text);
    let header = reader.headers().with_context(|| name.to_owned())?.clone();
    let column = |wanted: &str| {
        header.iter().position(|field| field.eq_ignore_ascii_case(wanted)).ok_or_else(|| {
            let found = header.iter().collect::<Vec<_>>().join(",");
            anyhow!("{name}:1: the header is {}, but it must name timestamp,value", quoted(&found))
        })
    };
    let (time_column, value_column) = (column("timestamp")?, column("value")?);
    let (mut rows, mut negative) = (Vec::new(), 0);
    let mut record = StringRecord::new();
    while reader.read_record(&mut record).with_context(|| name.to_owned())? {
        let line = record.position().map_or(0, csv::Position::line);
        let place = || format!("{name}:{line}");
        if record.len() != header.len() {
            bail!(
                "{}: {} fields where the header has {}: write numbers with a decimal point, and both fields in each row",
                place(),
                record.len(),
                header.len()
            );
        }
        let field = |column: usize| record.get(column).unwrap_or_default();
        let mut value = number(field(value_column)).with_context(place)?;
        if value < 0.0 {
            (value, negative) = (0.0, negative + 1);
        }
        rows.push(Row { line, at: instant(field(time_column)).with_context(place)?, value });
    }
    let series = even(name, &rows)?;
    let mut notes = Vec::new();
    if negative > 0 {
        notes.push(format!("{name}: negative values counted as 0: {negative}"));
    }
    Ok(History { series, notes })
}

/// An instant, in whole seconds.
pub(crate) fn instant(text: &str) -> anyhow::Result<Timestamp> {
    let at: Timestamp = text.parse().map_err(|_| {
        let zoneless = text.parse::<jiff::civil::DateTime>().is_ok();
        let fix = if zoneless {
            "its zone is missing: for UTC add a Z"
        } else {
            "write it like 2026-11-24T08:00:00Z"
        };
        anyhow!("timestamp {} is no time: {fix}", quoted(text))
    })?;
    if at.subsec_nanosecond() != 0 {
        bail!("timestamp {text} must be a whole second");
    }
    Ok(at)
}

fn number(text: &str) -> anyhow::Result<f64> {
    if text.is_empty() || text.eq_ignore_ascii_case("nan") {
        return Ok(f64::NAN);
    }
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => bail!(
            "value {} is no number: write it like 12.5, or leave it empty where it is unknown",
            quoted(text)
        ),
    }
}

/// The rows at even steps. The step is the most frequent distance of neighbors; all others must be
/// multiples of it.
fn even(name: &str, rows: &[Row]) -> anyhow::Result<Series> {
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
        bail!("{name}: no rows after the header");
    };
    let mut distances = HashMap::new();
    for pair in rows.windows(2) {
        let [before, row] = pair else { continue };
        let place = format!("{name}:{}: {}", row.line, row.at);
        match row.at.as_second() - before.at.as_second() {
            0 => bail!(
                "{place} stands there twice (line {} as well): keep one row a time",
                before.line
            ),
            distance if distance < 0 => {
                bail!("{place} is before the row above ({}): sort the rows by time", before.at)
            }
            distance => *distances.entry(distance).or_insert(0usize) += 1,
        }
    }
    let most =
        distances.iter().max_by_key(|(distance, count)| (**count, std::cmp::Reverse(**distance)));
    let Some((step, _)) = most.map(|(distance, count)| (*distance, *count)) else {
        bail!("{name}: a single row does not show how far apart rows are: at least two are needed");
    };
    let steps = SignedDuration::from_secs(step);
    let buckets = (last.at.as_second() - first.at.as_second()) / step + 1;
    if buckets > MOST_BUCKETS {
        bail!(
            "{name}: from {} to {} there are {buckets} steps of {}, but at most {MOST_BUCKETS} can be read: \
             is there a wrong year among the timestamps?",
            first.at,
            last.at,
            written(steps)
        );
    }
    let mut values = vec![f64::NAN; usize::try_from(buckets)?];
    let mut previous = first;
    for row in rows {
        let offset = row.at.as_second() - first.at.as_second();
        if offset % step != 0 {
            let distance = SignedDuration::from_secs(row.at.as_second() - previous.at.as_second());
            bail!(
                "{name}:{}: {} comes {} after the row above, but rows are {} apart: steps must be even (a row may be \
                 missing, not shifted)",
                row.line,
                row.at,
                written(distance),
                written(steps)
            );
        }
        if let Some(value) = values.get_mut(usize::try_from(offset / step)?) {
            *value = row.value;
        }
        previous = row;
    }
    if values.iter().all(|value| value.is_nan()) {
        bail!("{name}: no row has a value");
    }
    Ok(Series::new(first.at, steps, values))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<History, String> {
        parse("demand.csv", text.as_bytes()).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn missing_rows_and_empty_values_are_gaps() {
        let text = "\u{feff}timestamp,value\n2026-11-24T08:00:00Z,1\n2026-11-24T08:05:00Z,\n\
                    2026-11-24T08:10:00Z,NaN\n2026-11-24T08:15:00Z,2.5\n2026-11-24T09:30:00+01:00,-3\n";
        let history = read(text).unwrap();
        let shown: Vec<String> = history.series.values().iter().map(f64::to_string).collect();
        assert_eq!(shown, ["1", "NaN", "NaN", "2.5", "NaN", "NaN", "0"]);
        assert_eq!(history.series.step(), SignedDuration::from_mins(5));
        assert_eq!(history.series.start().to_string(), "2026-11-24T08:00:00Z");
        assert_eq!(history.notes, ["demand.csv: negative values counted as 0: 1"]);
    }

    #[test]
    fn columns_may_stand_in_any_order_and_beside_others() {
        let history =
            read("pod,value,Timestamp\r\na,1,2026-11-24T08:00:00Z\r\nb,2,2026-11-24T08:01:00Z\r\n")
                .unwrap();
        assert_eq!(history.series.values(), [1.0, 2.0]);
    }

    #[test]
    fn every_error_names_the_line_and_the_fix() {
        let rows = |rows: &str| read(&format!("timestamp,value\n{rows}")).unwrap_err();
        let errors = [
            read("").unwrap_err(),
            read("time,value\n2026-11-24T08:00:00Z,1\n").unwrap_err(),
            rows(""),
            rows("2026-11-24T08:00:00Z,1\n"),
            rows("2026-11-24T08:00:00Z,\n2026-11-24T08:05:00Z,\n"),
            rows("2026-11-24 08:00,1\n"),
            rows("yesterday,1\n"),
            rows("2026-11-24T08:00:00.5Z,1\n"),
            rows("2026-11-24T08:00:00Z,many\n"),
            rows("2026-11-24T08:00:00Z,inf\n"),
            rows("2026-11-24T08:00:00Z,1,5\n"),
            rows("2026-11-24T08:05:00Z,1\n2026-11-24T08:05:00Z,1\n"),
            rows("2026-11-24T08:05:00Z,1\n2026-11-24T08:00:00Z,1\n"),
            rows(
                "2026-11-24T08:00:00Z,1\n2026-11-24T08:05:00Z,1\n2026-11-24T08:10:01Z,1\n2026-11-24T08:15:01Z,1\n",
            ),
            rows(
                "1926-11-24T08:00:00Z,1\n2026-11-24T08:00:00Z,1\n2026-11-24T08:01:00Z,1\n2026-11-24T08:02:00Z,1\n",
            ),
        ];
        insta::assert_snapshot!(errors.join("\n"));
    }

    #[test]
    fn a_file_that_is_not_there_is_named_with_its_flag() {
        let error = format!("{:#}", super::read(Path::new("/nowhere/demand.csv")).unwrap_err());
        assert!(
            error.starts_with("--input /nowhere/demand.csv: cannot be read: No such file"),
            "{error}"
        );
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "(timestamp,value\n)?([0-9TZ:,.\n-]|\\PC)*") {
            let _ = read(&text);
        }

        #[test]
        fn what_is_written_reads_back(values in proptest::collection::vec(proptest::option::of(0.0..1e12), 2..50)) {
            let start = Timestamp::from_second(1_790_000_000).unwrap();
            let at = |i: usize| start + SignedDuration::from_mins(5) * i32::try_from(i).unwrap();
            let row = |(i, value): (usize, &Option<f64>)| match value {
                Some(value) => format!("{},{value}\n", at(i)),
                None => format!("{},\n", at(i)),
            };
            let text: String = values.iter().enumerate().map(row).collect();
            let known = values.iter().any(Option::is_some);
            match read(&format!("timestamp,value\n{text}")) {
                Ok(history) => proptest::prop_assert_eq!(
                    history.series.values().iter().map(|v| Some(*v).filter(|v| v.is_finite())).collect::<Vec<_>>(),
                    values
                ),
                Err(_) => proptest::prop_assert!(!known),
            }
        }
    }
}
