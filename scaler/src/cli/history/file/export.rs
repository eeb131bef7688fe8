//! What Prometheus, promtool and the AWS command line print of a range: JSON, and promtool's text.

use anyhow::{Context, anyhow, bail};
use csv::StringRecord;
use serde_json::{Map, Value};

use super::table::Table;

/// Reads JSON: a range of Prometheus' API or of `promtool query range -o json`, CloudWatch's
/// `get-metric-statistics` and `get-metric-data`, or a list of objects.
pub(super) fn json(name: &str, text: &str) -> anyhow::Result<Table> {
    let tree: Value = serde_json::from_str(text)
        .map_err(|error| anyhow!("{name}:{}: it is no JSON: {error}", error.line()))?;
    let objects = objects(&tree).map_err(|problem| anyhow!("{name}: {problem}"))?;

    // Columns in the order in which they are first seen.
    let mut columns: Vec<&str> = Vec::new();
    for key in objects.iter().flat_map(|object| object.keys()) {
        if !columns.contains(&key.as_str()) {
            columns.push(key);
        }
    }
    let text_of = |value: Option<&Value>| match value {
        Some(Value::String(text)) => text.clone(),
        None | Some(Value::Null) => String::new(),
        Some(other) => other.to_string(),
    };
    let row =
        |object: &Map<String, Value>| columns.iter().map(|key| text_of(object.get(*key))).collect();
    // JSON has no lines of its own: rows are counted instead.
    let rows = objects.iter().zip(1..).map(|(object, n)| (n, row(object))).collect();
    Ok(Table { header: columns.iter().collect(), rows, header_line: 0 })
}

/// One object for each value: its time, its value, its labels.
fn objects(tree: &Value) -> anyhow::Result<Vec<Map<String, Value>>> {
    let result = tree.pointer("/data/result").or_else(|| tree.get("result")).unwrap_or(tree);
    if let Some(results) = tree.get("MetricDataResults").and_then(Value::as_array) {
        return results.iter().try_fold(Vec::new(), |mut all, result| {
            all.extend(metric_data(result)?);
            Ok(all)
        });
    }
    let Some(list) = tree.get("Datapoints").unwrap_or(result).as_array() else {
        bail!(
            "this JSON is not understood: known are ranges of Prometheus, CloudWatch's get-metric-statistics and \
             get-metric-data, and a list of objects with timestamp and value"
        );
    };
    let mut all = Vec::new();
    for item in list {
        let Some(object) = item.as_object() else {
            bail!("{item} is no object with a timestamp and a value")
        };
        match (object.get("metric"), object.get("values"), object.get("value")) {
            (Some(metric), Some(values), _) => all.extend(range(metric, values)?),
            (Some(_), None, Some(_)) => {
                bail!("this is one instant: ask for a range (query_range, promtool query range)")
            }
            _ => all.push(object.clone()),
        }
    }
    // CloudWatch lists values in no order.
    if tree.get("Datapoints").is_some() {
        all.sort_by(|a, b| text(a, "Timestamp").cmp(text(b, "Timestamp")));
        all.iter_mut().for_each(|object| {
            object.remove("Unit");
        });
    }
    Ok(all)
}

/// One series of Prometheus: labels, and pairs of a time and a value.
fn range(metric: &Value, values: &Value) -> anyhow::Result<Vec<Map<String, Value>>> {
    let labels = metric.as_object().context("metric must be an object of labels")?;
    let values = values.as_array().context("values must be a list of [time, value]")?;
    let pair = |pair: &Value| {
        let (Some(at), Some(value)) = (pair.get(0), pair.get(1)) else {
            bail!("{pair} is no pair of a time and a value")
        };
        let own = [("timestamp", at.clone()), ("value", value.clone())];
        let own = own.into_iter().map(|(key, value)| (key.to_owned(), value));
        Ok(own.chain(labels.clone()).collect())
    };
    values.iter().map(pair).collect()
}

/// One result of CloudWatch, newest first unless it was asked otherwise.
fn metric_data(result: &Value) -> anyhow::Result<Vec<Map<String, Value>>> {
    let list = |key: &str| {
        result.get(key).and_then(Value::as_array).with_context(|| format!("{key} is missing"))
    };
    let label = result.get("Label").or(result.get("Id")).cloned().unwrap_or_default();
    let mut rows: Vec<Map<String, Value>> = list("Timestamps")?
        .iter()
        .zip(list("Values")?)
        .map(|(at, value)| {
            let fields = [("timestamp", at), ("value", value), ("Label", &label)];
            fields.into_iter().map(|(key, value)| (key.to_owned(), value.clone())).collect()
        })
        .collect();
    rows.sort_by(|a, b| text(a, "timestamp").cmp(text(b, "timestamp")));
    Ok(rows)
}

fn text<'v>(object: &'v Map<String, Value>, key: &str) -> &'v str {
    object.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Whether this is `promtool query range` in its own words: `{…} =>` above lines of `value @[time]`.
pub(super) fn is_promtool(text: &str) -> bool {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let first = lines.next().unwrap_or_default();
    let second = lines.next().unwrap_or_default();
    first.trim_end().ends_with("=>") && second.contains(" @[")
}

/// Reads `promtool query range`. Labels are one column: `series`.
pub(super) fn promtool(name: &str, text: &str) -> anyhow::Result<Table> {
    let mut table = Table {
        header: StringRecord::from(vec!["timestamp", "value", "series"]),
        ..Table::default()
    };
    let mut series = "";
    for (line, n) in text.lines().map(str::trim).zip(1..) {
        if line.is_empty() {
            continue;
        }
        if let Some(labels) = line.strip_suffix("=>") {
            series = labels.trim_end();
            continue;
        }
        let parts =
            line.split_once(" @[").and_then(|(value, at)| Some((value, at.strip_suffix(']')?)));
        let Some((value, at)) = parts else {
            bail!("{name}:{n}: {line:?} is no line of promtool's: value @[time] is expected");
        };
        table.rows.push((n, StringRecord::from(vec![at, value, series])));
    }
    Ok(table)
}
