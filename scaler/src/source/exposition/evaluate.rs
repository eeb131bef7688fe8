//! Evaluation of a plan on a window of scrapes, with the meaning and the arithmetic of Prometheus 3
//! (`promql/engine.go`, `functions.go`, `quantile.go`): a range is `(at − range, at]`, rates are
//! extrapolated toward its ends, a counter that falls has begun anew at 0.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::plan::{Aggregation, Arithmetic, Grouping, Over, Plan, Series};
use super::window::{Labels, Point, Window};

/// What a plan comes to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Scalar(f64),
    /// Labels, each set once, without the metric's name.
    Vector(Vec<(Labels, f64)>),
}

/// The plan's value as of `at`.
pub(super) fn evaluate(plan: &Plan, window: &Window, at: Timestamp) -> Value {
    let value = |plan| evaluate(plan, window, at);
    let vector = |plan| value(plan).into_vector();
    match plan {
        Plan::Number(number) => Value::Scalar(*number),
        Plan::Select(series) => Value::Vector(newest(series, window, at)),
        Plan::Over { function, series, range } => {
            Value::Vector(over(*function, series, *range, window, at))
        }
        Plan::Aggregate { how, grouping, of } => {
            Value::Vector(aggregate(*how, grouping, vector(of)))
        }
        Plan::Quantile { quantile, of } => Value::Vector(histogram_quantile(*quantile, vector(of))),
        Plan::Clamp { low, high, of } if low <= high => {
            map(vector(of), |value| value.max(*low).min(*high))
        }
        Plan::Clamp { .. } => Value::Vector(Vec::new()),
        Plan::Scalar(of) => Value::Scalar(match vector(of).as_slice() {
            [(_, one)] => *one,
            _ => f64::NAN,
        }),
        Plan::Vector(of) => Value::Vector(vector(of)),
        Plan::Arithmetic { operator, left, right } => {
            arithmetic(*operator, value(left), value(right))
        }
        Plan::Or(left, right) => Value::Vector(union(vector(left), vector(right))),
        Plan::Unless(left, right) => Value::Vector(difference(vector(left), vector(right))),
    }
}

impl Value {
    pub(super) fn into_vector(self) -> Vec<(Labels, f64)> {
        match self {
            Self::Scalar(number) => vec![(Labels::new(), number)],
            Self::Vector(series) => series,
        }
    }
}

/// A series that the newest scrape no longer holds is gone.
fn newest(series: &Series, window: &Window, at: Timestamp) -> Vec<(Labels, f64)> {
    let Some(scrape) = window.newest(at) else { return Vec::new() };
    window
        .select(&series.metric, &series.matchers)
        .filter_map(|(labels, points)| {
            let point = points
                .iter()
                .rev()
                .find(|point| point.at <= scrape)
                .filter(|point| point.at == scrape)?;
            Some((labels.clone(), point.value))
        })
        .collect()
}

fn over(
    function: Over,
    series: &Series,
    range: Duration,
    window: &Window,
    at: Timestamp,
) -> Vec<(Labels, f64)> {
    let start = at - SignedDuration::try_from(range).unwrap_or(SignedDuration::MAX);
    window
        .select(&series.metric, &series.matchers)
        .filter_map(|(labels, points)| {
            let within: Vec<Point> =
                points.iter().filter(|point| start < point.at && point.at <= at).copied().collect();
            let values = || within.iter().map(|point| point.value);
            let (first, last) = (within.first()?, within.last()?);
            let value = match function {
                Over::Mean => values().sum::<f64>() / within.len() as f64,
                Over::Sum => values().sum(),
                Over::Max => values().fold(f64::NAN, f64::max),
                Over::Min => values().fold(f64::NAN, f64::min),
                Over::Rate | Over::Increase | Over::Derivative if first.at == last.at => {
                    return None;
                }
                Over::Rate => increase(&within, start, at) / range.as_secs_f64(),
                Over::Increase => increase(&within, start, at),
                Over::Derivative => slope(&within),
            };
            Some((labels.clone(), value))
        })
        .collect()
}

/// Growth of a counter between `start` and `end`, of at least two points: resets undone,
/// extrapolated to the ends as far as the spacing of the points allows and never below 0.
fn increase(points: &[Point], start: Timestamp, end: Timestamp) -> f64 {
    let (first, last) = (points[0], points[points.len() - 1]);
    let resets: f64 = points
        .windows(2)
        .filter(|pair| pair[1].value < pair[0].value)
        .map(|pair| pair[0].value)
        .sum();
    let growth = last.value - first.value + resets;

    let sampled = seconds(first.at, last.at);
    let spacing = sampled / (points.len() - 1) as f64;
    let reach = |gap: f64| if gap < spacing * 1.1 { gap } else { spacing / 2.0 };
    let mut before = reach(seconds(start, first.at));
    if growth > 0.0 && first.value >= 0.0 {
        before = before.min(sampled * first.value / growth);
    }
    growth * (before + sampled + reach(seconds(last.at, end))) / sampled
}

/// Slope per second by least squares.
fn slope(points: &[Point]) -> f64 {
    let n = points.len() as f64;
    let times: Vec<f64> = points.iter().map(|point| seconds(points[0].at, point.at)).collect();
    let mean_time = times.iter().sum::<f64>() / n;
    let mean_value = points.iter().map(|point| point.value).sum::<f64>() / n;
    let (mut covariance, mut variance) = (0.0, 0.0);
    for (time, point) in times.iter().zip(points) {
        covariance += (time - mean_time) * (point.value - mean_value);
        variance += (time - mean_time).powi(2);
    }
    covariance / variance
}

fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64()
}

fn aggregate(
    how: Aggregation,
    grouping: &Grouping,
    series: Vec<(Labels, f64)>,
) -> Vec<(Labels, f64)> {
    let mut groups: BTreeMap<Labels, (f64, f64)> = BTreeMap::new();
    for (mut labels, value) in series {
        labels.retain(|(label, _)| match grouping {
            Grouping::By(kept) => kept.contains(label),
            Grouping::Without(dropped) => !dropped.contains(label),
        });
        let combine = |so_far: f64| match how {
            Aggregation::Max => so_far.max(value),
            Aggregation::Min => so_far.min(value),
            Aggregation::Sum | Aggregation::Mean | Aggregation::Count => so_far + value,
        };
        groups
            .entry(labels)
            .and_modify(|(so_far, count)| (*so_far, *count) = (combine(*so_far), *count + 1.0))
            .or_insert((value, 1.0));
    }
    let value = |(combined, count): (f64, f64)| match how {
        Aggregation::Mean => combined / count,
        Aggregation::Count => count,
        _ => combined,
    };
    groups.into_iter().map(|(labels, group)| (labels, value(group))).collect()
}

fn histogram_quantile(quantile: f64, series: Vec<(Labels, f64)>) -> Vec<(Labels, f64)> {
    let mut histograms: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
    for (mut labels, count) in series {
        let Some(at) = labels.iter().position(|(label, _)| label == "le") else { continue };
        let Ok(bound) = labels.remove(at).1.parse() else { continue };
        histograms.entry(labels).or_default().push((bound, count));
    }
    histograms
        .into_iter()
        .map(|(labels, buckets)| (labels, bucket_quantile(quantile, buckets)))
        .collect()
}

/// Interpolates within the bucket that holds the quantile. `buckets` are upper bounds with
/// cumulative counts.
fn bucket_quantile(quantile: f64, mut buckets: Vec<(f64, f64)>) -> f64 {
    match quantile {
        q if q.is_nan() => return f64::NAN,
        q if q < 0.0 => return f64::NEG_INFINITY,
        q if q > 1.0 => return f64::INFINITY,
        _ => {}
    }
    buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    // Bounds such as 1 and 1.0 are one bucket.
    buckets.dedup_by(|next, kept| {
        next.0 == kept.0 && {
            kept.1 += next.1;
            true
        }
    });
    // Buckets scraped at different moments may contradict each other.
    let mut most = f64::NEG_INFINITY;
    for (_, count) in &mut buckets {
        most = most.max(*count);
        *count = most;
    }
    let Some(((last_bound, total), finite)) = buckets.split_last() else { return f64::NAN };
    if *last_bound != f64::INFINITY || finite.is_empty() || total.is_nan() || *total <= 0.0 {
        return f64::NAN;
    }
    let rank = quantile * total;
    let Some(found) = finite.iter().position(|(_, count)| *count >= rank) else {
        return finite[finite.len() - 1].0;
    };
    let (bound, count) = finite[found];
    let (start, below) = if found > 0 { finite[found - 1] } else { (0.0, 0.0) };
    if found == 0 && bound <= 0.0 {
        return bound;
    }
    start + (bound - start) * (rank - below) / (count - below)
}

fn arithmetic(operator: Arithmetic, left: Value, right: Value) -> Value {
    let apply = move |left: f64, right: f64| match operator {
        Arithmetic::Add => left + right,
        Arithmetic::Subtract => left - right,
        Arithmetic::Multiply => left * right,
        Arithmetic::Divide => left / right,
    };
    match (left, right) {
        (Value::Scalar(left), Value::Scalar(right)) => Value::Scalar(apply(left, right)),
        (Value::Vector(left), Value::Scalar(right)) => map(left, |value| apply(value, right)),
        (Value::Scalar(left), Value::Vector(right)) => map(right, |value| apply(left, value)),
        (Value::Vector(left), Value::Vector(right)) => {
            let right: HashMap<Labels, f64> = right.into_iter().collect();
            let both = left.into_iter().filter_map(|(labels, value)| {
                let value = apply(value, *right.get(&labels)?);
                Some((labels, value))
            });
            Value::Vector(both.collect())
        }
    }
}

fn union(mut left: Vec<(Labels, f64)>, right: Vec<(Labels, f64)>) -> Vec<(Labels, f64)> {
    let known: HashSet<Labels> = left.iter().map(|(labels, _)| labels.clone()).collect();
    left.extend(right.into_iter().filter(|(labels, _)| !known.contains(labels)));
    left
}

fn difference(mut left: Vec<(Labels, f64)>, right: Vec<(Labels, f64)>) -> Vec<(Labels, f64)> {
    let known: HashSet<Labels> = right.into_iter().map(|(labels, _)| labels).collect();
    left.retain(|(labels, _)| !known.contains(labels));
    left
}

fn map(series: Vec<(Labels, f64)>, change: impl Fn(f64) -> f64) -> Value {
    Value::Vector(series.into_iter().map(|(labels, value)| (labels, change(value))).collect())
}

#[cfg(test)]
mod tests;
