//! What queries come to, before a server asks them: PromQL that cannot be read, several values where
//! one is wanted, missing data that becomes no demand, and numbers that are no demand at all.

mod shape;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use promql_parser::parser::Expr;
use promql_parser::parser::token::{T_ADD, T_AVG, T_COUNT, T_DIV, T_LOR, T_MUL};
use promql_parser::parser::value::ValueType;

use self::shape::{Shape, is_there_without_data, selectors, shape};
use super::finding::Level;
use super::resource::Resource;
use crate::signal::promql;
use crate::trigger::keys::{BACKLOG_QUERY, LATENCY_QUERY, PRESET, QUERY, nearest};

/// What is found of a query: level, problem, advice.
type Found = (Level, String, String);

/// Looks at the queries of our triggers.
pub(super) fn find(resource: &mut Resource<'_>) {
    let ours = resource.triggers.iter().filter(|trigger| trigger.ours);
    let triggers: Vec<_> =
        ours.map(|trigger| (trigger.path.clone(), trigger.metadata.clone())).collect();
    for (path, metadata) in triggers {
        for key in [QUERY.name, BACKLOG_QUERY.name, LATENCY_QUERY.name] {
            let Some(text) = metadata.get(key).filter(|text| !text.trim().is_empty()) else {
                continue;
            };
            // In a source of the configuration that is SQL, this is the name of a query.
            if metadata.contains_key("source") && is_bare_name(text) {
                continue;
            }
            for (level, problem, advice) in judge(key, text) {
                resource.find(level, &format!("{path}.metadata.{key}"), problem, Some(&advice));
            }
        }
    }
}

/// The key whose query a signal comes from.
pub(super) fn key_of(signal: &str, metadata: &HashMap<String, String>) -> &'static str {
    match signal {
        "backlog" if metadata.contains_key(BACKLOG_QUERY.name) => BACKLOG_QUERY.name,
        "latency" if metadata.contains_key(LATENCY_QUERY.name) => LATENCY_QUERY.name,
        _ if metadata.contains_key(QUERY.name) => QUERY.name,
        _ => PRESET.name,
    }
}

/// Whether a query is one word, as names of SQL queries are, and metrics without a selector.
fn is_bare_name(text: &str) -> bool {
    text.trim().chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

/// What is to be said of a query of this key.
fn judge(key: &str, text: &str) -> Vec<Found> {
    // Grafana's variables, and templates that nobody rendered.
    if let Some(variable) = ["$__rate_interval", "$__interval", "$__range", "{{", "${"]
        .into_iter()
        .find(|variable| text.contains(variable))
    {
        return vec![(
            Level::Error,
            format!("holds {variable}, which nobody fills in here"),
            "write what is meant, such as [2m]: neither KEDA nor Prewarm knows variables".into(),
        )];
    }
    let tree = match promql::parse(text) {
        Ok(tree) => tree,
        Err(problem) => return vec![unread(text, &problem)],
    };
    let mut found = Vec::new();
    match tree.value_type() {
        ValueType::Matrix => {
            return vec![(
                Level::Error,
                "gives a range of samples instead of one number".into(),
                "wrap it: sum(rate(…[2m])) of a counter, sum(avg_over_time(…[2m])) of a gauge"
                    .into(),
            )];
        }
        ValueType::String => {
            return vec![(
                Level::Error,
                "is text, no number".into(),
                "write a query of a metric".into(),
            )];
        }
        ValueType::Scalar | ValueType::Vector => {}
    }
    if let Shape::Several(labels) = shape(&tree) {
        let by = match labels.as_slice() {
            [] => String::new(),
            labels => format!(", one for each {}", labels.join(", ")),
        };
        found.push((
            Level::Warning,
            format!("may give several values{by}, where one is wanted"),
            "more than one is an error at the source: wrap it in sum(…)".into(),
        ));
    }
    let selects = selectors(&tree);
    if key == LATENCY_QUERY.name {
        if selects.iter().any(|name| is_in_milliseconds(name)) && !divides(&tree) {
            found.push((
                Level::Warning,
                "looks like milliseconds, latencyTarget is in seconds".into(),
                "divide by 1000".into(),
            ));
        }
        return found;
    }
    if selects.is_empty() {
        found.push((
            Level::Warning,
            "asks for no series: it says the same whatever happens".into(),
            "write a query of a metric; floors at fixed times are windows".into(),
        ));
    } else if is_there_without_data(&tree) {
        found.push((
            Level::Warning,
            "gives a number although there is no data (or vector(…), absent(…))".into(),
            "an outage of the metric then looks like no demand, and scales in: leave it out, missing data holds what runs; onNoData: zero is for series that are born with the first request".into(),
        ));
    }
    if key == QUERY.name {
        found.extend(no_demand(&tree, &selects));
    }
    found
}

/// A text that Prometheus' grammar refuses. Other back ends know more functions.
fn unread(text: &str, problem: &str) -> Found {
    if let Some(open) = unclosed(text) {
        let problem = format!("is not closed: {open}");
        return (Level::Error, problem, "every source refuses it".into());
    }
    let function = problem
        .strip_prefix("unknown function with name '")
        .and_then(|rest| rest.split('\'').next());
    if let Some(function) = function {
        return match nearest(function, FUNCTIONS.into_iter().map(|name| (name, name))) {
            Some(meant) => (
                Level::Error,
                format!("calls {function}; did you mean {meant}?"),
                "Prometheus has no such function".into(),
            ),
            None => (
                Level::Warning,
                format!("calls {function}, which Prometheus does not have"),
                "fine if the source is VictoriaMetrics or another one that does".into(),
            ),
        };
    }
    let words = ["default", "keep_metric_names", "WITH", "limit", "if", "ifnot"];
    let tokens = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let first = problem.lines().next().unwrap_or_default().trim();
    if tokens.into_iter().any(|token| words.contains(&token)) {
        let problem = format!("is no PromQL as Prometheus has it: {first}");
        return (Level::Warning, problem, "fine if the source is VictoriaMetrics".into());
    }
    (Level::Error, format!("is no PromQL: {first}"), "the source would refuse it".into())
}

/// The first bracket or quote that has no partner.
fn unclosed(text: &str) -> Option<String> {
    let mut open = Vec::new();
    let mut quote = None;
    let mut escaped = false;
    let place = |at: usize| text[..at].chars().count() + 1;
    for (at, c) in text.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some((mark, _)) if c == '\\' && mark != '`' => escaped = true,
            Some((mark, _)) if c == mark => quote = None,
            Some(_) => {}
            None if matches!(c, '"' | '\'' | '`') => quote = Some((c, at)),
            None if matches!(c, '(' | '[' | '{') => open.push((c, at)),
            None if matches!(c, ')' | ']' | '}') => {
                let partner = open.pop().map(|(open, _)| open);
                if !matches!((partner, c), (Some('('), ')') | (Some('['), ']') | (Some('{'), '}')) {
                    return Some(format!("{c} at character {} has no partner", place(at)));
                }
            }
            None => {}
        }
    }
    let left = quote.or(open.last().copied());
    left.map(|(c, at)| format!("{c} at character {} has no partner", place(at)))
}

/// Numbers that fall as replicas are added, or say nothing of how many are needed.
fn no_demand(tree: &Expr, selects: &[&str]) -> Option<Found> {
    let advice = |what: &str| {
        format!(
            "{what} does not add up over replicas: ask for requests in flight or a rate of requests, and write what one replica sustains as threshold"
        )
    };
    let latency = (
        Level::Warning,
        "is a latency, not demand".to_owned(),
        format!("{}; a latency goes to latencyQuery, with latencyTarget", advice("it")),
    );
    let core = core(tree);
    if matches!(core, Expr::Call(call) if call.func.name == "histogram_quantile") {
        return Some(latency);
    }
    if let Expr::Binary(binary) = core
        && binary.op.id() == T_DIV
        && core_number(&binary.rhs).is_none()
    {
        let (above, below) = (selectors(&binary.lhs), selectors(&binary.rhs));
        let base = |name: &str, end: &str| name.strip_suffix(end).map(str::to_owned);
        let sum = above.iter().find_map(|name| base(name, "_sum"));
        if sum.is_some() && below.iter().find_map(|name| base(name, "_count")) == sum {
            let is_time = sum.is_some_and(|name| is_a_duration(&name));
            return Some(if is_time { latency } else { average(&advice("an average")) });
        }
        if is_count(&binary.rhs) {
            return Some(average(&advice("demand for each replica")));
        }
    }
    let name = |test: fn(&str) -> bool| selects.iter().copied().find(|name| test(name));
    if let Some(name) = name(is_a_utilization) {
        return Some((
            Level::Warning,
            format!("is a utilization ({name}), not demand"),
            advice("it falls as replicas are added, and"),
        ));
    }
    if let Some(name) = name(|name| name.to_ascii_lowercase().contains("latency"))
        && !name.ends_with("_count")
        && !name.ends_with("_sum")
        && !name.ends_with("_bucket")
    {
        return Some(latency);
    }
    let averaged =
        |tree: &Expr| matches!(tree, Expr::Aggregate(aggregate) if aggregate.op.id() == T_AVG);
    averaged(core).then(|| average(&advice("an average over replicas")))
}

fn average(advice: &str) -> Found {
    let problem = "is an average for each replica, not the demand of all";
    (Level::Warning, problem.to_owned(), advice.to_owned())
}

/// What an expression is about: without parentheses, factors, rounding, and what `or` falls back to.
fn core(tree: &Expr) -> &Expr {
    match tree {
        Expr::Paren(paren) => core(&paren.expr),
        Expr::Binary(binary) => match binary.op.id() {
            T_MUL | T_DIV | T_ADD if core_number(&binary.rhs).is_some() => core(&binary.lhs),
            T_MUL | T_ADD if core_number(&binary.lhs).is_some() => core(&binary.rhs),
            T_LOR => core(&binary.lhs),
            _ => tree,
        },
        Expr::Call(call) => {
            let first = call.args.args.first();
            let keeps =
                ["scalar", "vector", "ceil", "floor", "round", "clamp_min", "clamp_max", "clamp"];
            match first {
                Some(first) if keeps.contains(&call.func.name) => core(first),
                _ => tree,
            }
        }
        _ => tree,
    }
}

fn core_number(tree: &Expr) -> Option<f64> {
    match tree {
        Expr::NumberLiteral(number) => Some(number.val),
        Expr::Paren(paren) => core_number(&paren.expr),
        Expr::Unary(unary) => core_number(&unary.expr).map(|number| -number),
        _ => None,
    }
}

/// A number of pods: `count(up{…})`, `kube_deployment_status_replicas`.
fn is_count(tree: &Expr) -> bool {
    let replicas = |name: &&str| name.contains("status_replicas") || name.contains("spec_replicas");
    matches!(core(tree), Expr::Aggregate(aggregate) if aggregate.op.id() == T_COUNT)
        || selectors(tree).iter().any(replicas)
}

fn is_a_duration(name: &str) -> bool {
    ["seconds", "latency", "duration", "_ms", "time"].iter().any(|word| name.contains(word))
}

fn is_a_utilization(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let words = [
        "utilization",
        "utilisation",
        "gpu_util",
        "usage_perc",
        "usage_percent",
        "cpu_usage",
        "cpu_seconds",
        "memory_usage",
        "memory_working_set",
        "load_average",
        "node_load",
        "_pct",
    ];
    words.iter().any(|word| name.contains(word))
}

fn is_in_milliseconds(name: &str) -> bool {
    name.contains("milliseconds") || name.contains("_ms_") || name.ends_with("_ms")
}

/// Whether something is scaled by a constant.
fn divides(tree: &Expr) -> bool {
    match tree {
        Expr::Binary(binary) => {
            core_number(&binary.rhs).is_some() || core_number(&binary.lhs).is_some()
        }
        Expr::Paren(paren) => divides(&paren.expr),
        _ => false,
    }
}

/// Prometheus' functions and aggregations that people write most, for a slip of the pen.
const FUNCTIONS: [&str; 24] = [
    "sum",
    "rate",
    "irate",
    "increase",
    "max",
    "min",
    "avg",
    "count",
    "quantile",
    "topk",
    "delta",
    "deriv",
    "predict_linear",
    "histogram_quantile",
    "avg_over_time",
    "max_over_time",
    "min_over_time",
    "sum_over_time",
    "label_replace",
    "clamp_min",
    "clamp_max",
    "scalar",
    "vector",
    "absent",
];
