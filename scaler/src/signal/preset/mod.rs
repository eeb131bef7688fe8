//! Presets: demand, backlog, latency and a starting threshold by serving system.
//!
//! Demand is the same thing in every preset, **requests in flight**: those being served plus those waiting inside the
//! serving system. That is the unit in which a replica's capacity is known beforehand (batch size, worker count,
//! concurrency target), so a threshold can be offered without knowing the model; and it counts what waits, so it does not
//! saturate where completions would. Where a system exports no such gauge, Little's law gives the mean: seconds of
//! request time spent per second. The price: it rises with latency when replicas are short. Who knows a replica's
//! requests/s writes an arrival rate as `query` and forecasts that.
//!
//! The tables are PromQL as one would type it; a selector becomes matchers of every series in it, by way of PromQL's own
//! grammar. A renamed metric is `new or old`. A part that may rightly be absent carries `or vector(0)`; the main part
//! never does, so that a lost scrape stays missing. Rates look back two minutes: four scrapes of 30 s.

mod engines;
mod gateways;
mod servers;

use promql_parser::label::Matcher;
use promql_parser::parser::token::{T_EQL, T_EQL_REGEX, T_NEQ, T_NEQ_REGEX};
use promql_parser::parser::{Expr, VectorSelector, parse};

use super::selector::{Operator, Selector};

/// A preset's expression over series, with its selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression {
    promql: String,
}

impl Expression {
    /// The expression as PromQL, selector included.
    pub fn promql(&self) -> &str {
        &self.promql
    }
}

/// What a preset gives for one selector.
#[derive(Debug, Clone, PartialEq)]
pub struct PresetSignals {
    /// Offered demand: requests in flight.
    pub demand: Expression,
    /// Items waiting; most are part of `demand` already, so it wakes a workload rather than adds to it.
    pub backlog: Option<Expression>,
    /// p95 latency in seconds.
    pub latency: Option<Expression>,
    /// Requests in flight that one replica carries until the user knows better.
    pub threshold: f64,
}

/// Looks a preset up by name (`vllm`, `sglang`, …); the error names the known ones and the nearest.
pub fn find(name: &str, selector: &Selector) -> Result<PresetSignals, String> {
    let preset = tables().find(|preset| preset.name == name).ok_or_else(|| unknown(name))?;
    if preset.generic_names && selector.matchers().is_empty() {
        return Err(format!(
            "the metrics of {name} have generic names: a selector must say which job or pods are meant"
        ));
    }
    let render = |promql: &str| Ok::<_, String>(Expression { promql: narrowed(promql, selector, preset.lacks)? });
    Ok(PresetSignals {
        demand: render(preset.demand)?,
        backlog: preset.backlog.map(render).transpose()?,
        latency: preset.latency.map(render).transpose()?,
        threshold: preset.threshold,
    })
}

/// The names of all presets, as `preset` takes them.
pub fn names() -> impl Iterator<Item = &'static str> {
    tables().map(|preset| preset.name)
}

/// A preset as documents list it: its expressions as written, without a selector.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Entry {
    /// Its name, as `preset` takes it.
    pub name: &'static str,
    /// Offered demand: requests in flight.
    pub demand: &'static str,
    /// Items waiting.
    pub backlog: Option<&'static str>,
    /// Latency in seconds.
    pub latency: Option<&'static str>,
    /// Requests in flight that one replica carries until the user knows better.
    pub threshold: f64,
    /// Its metrics could be anybody's: a selector is needed.
    pub needs_selector: bool,
    /// Its demand is there at zero replicas, too, so that the first request wakes a workload.
    pub wakes_from_zero: bool,
}

/// Every preset, for documents.
pub fn catalog() -> impl Iterator<Item = Entry> {
    tables().map(|preset| Entry {
        name: preset.name,
        demand: preset.demand,
        backlog: preset.backlog,
        latency: preset.latency,
        threshold: preset.threshold,
        needs_selector: preset.generic_names,
        wakes_from_zero: preset.outlives_pods,
    })
}

/// One line of the tables.
struct Preset {
    name: &'static str,
    demand: &'static str,
    backlog: Option<&'static str>,
    latency: Option<&'static str>,
    threshold: f64,
    /// Series that lack labels by which the others are selected: those matchers are left out there.
    lacks: &'static [(&'static str, &'static [&'static str])],
    /// The names could be anybody's.
    generic_names: bool,
    /// Demand is there at zero replicas, too: what it reads is not the pods' own.
    outlives_pods: bool,
}

/// `histogram_quantile(0.95, …)` of a histogram by its base name.
macro_rules! p95 {
    ($name:literal) => {
        p95!($name, "")
    };
    ($name:literal, $matchers:literal) => {
        concat!("histogram_quantile(0.95, sum by (le) (rate(", $name, "_bucket{", $matchers, "}[2m])))")
    };
}
use p95;

fn tables() -> impl Iterator<Item = &'static Preset> {
    [engines::PRESETS, servers::PRESETS, gateways::PRESETS].into_iter().flatten()
}

fn unknown(name: &str) -> String {
    let known = names().collect::<Vec<_>>().join(", ");
    let nearest = names()
        .map(|known| (strsim::jaro_winkler(&name.to_ascii_lowercase(), known), known))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(likeness, _)| *likeness > ALIKE);
    let hint = nearest.map(|(_, known)| format!(" (did you mean \"{known}\"?)")).unwrap_or_default();
    format!("unknown preset \"{name}\"{hint}; known: {known}")
}

/// The expression with the selector's matchers on every series.
fn narrowed(promql: &str, selector: &Selector, lacks: &[(&str, &[&str])]) -> Result<String, String> {
    let mut expression = parse(promql)?;
    let mut failure = None;
    for_each_series(&mut expression, &mut |series| {
        let lacking =
            lacks.iter().find(|(metric, _)| series.name.as_deref() == Some(metric)).map(|(_, labels)| *labels);
        for matcher in selector.matchers() {
            if lacking.is_some_and(|labels| labels.contains(&matcher.label.as_str())) {
                continue;
            }
            let token = match matcher.operator {
                Operator::Is => T_EQL,
                Operator::IsNot => T_NEQ,
                Operator::Matches => T_EQL_REGEX,
                Operator::MatchesNot => T_NEQ_REGEX,
            };
            match Matcher::new_matcher(token, matcher.label.clone(), matcher.value.clone()) {
                Ok(matcher) => series.matchers.matchers.push(matcher),
                Err(error) => failure = Some(error),
            }
        }
    });
    failure.map_or_else(|| Ok(expression.to_string()), Err)
}

fn for_each_series(expression: &mut Expr, change: &mut impl FnMut(&mut VectorSelector)) {
    match expression {
        Expr::VectorSelector(series) => change(series),
        Expr::MatrixSelector(range) => change(&mut range.vs),
        Expr::Aggregate(aggregate) => for_each_series(&mut aggregate.expr, change),
        Expr::Unary(unary) => for_each_series(&mut unary.expr, change),
        Expr::Paren(paren) => for_each_series(&mut paren.expr, change),
        Expr::Subquery(subquery) => for_each_series(&mut subquery.expr, change),
        Expr::Binary(binary) => {
            for_each_series(&mut binary.lhs, change);
            for_each_series(&mut binary.rhs, change);
        }
        Expr::Call(call) => call.args.args.iter_mut().for_each(|argument| for_each_series(argument, change)),
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => {}
    }
}

/// Below this likeness a suggestion would be a guess.
const ALIKE: f64 = 0.75;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_is_promql_that_looks_back_two_minutes() {
        let selector = Selector::parse(r#"namespace="llm",model_name=~"a|b""#).unwrap();
        for preset in tables() {
            let found = find(preset.name, &selector).unwrap();
            assert!(found.threshold > 0.0);
            for text in [Some(preset.demand), preset.backlog, preset.latency].into_iter().flatten() {
                let mut expression = parse(text).unwrap_or_else(|error| panic!("{}: {text}: {error}", preset.name));
                for_each_series(&mut expression, &mut |series| assert!(series.name.is_some(), "{text}"));
                for range in text.split('[').skip(1) {
                    assert!(range.starts_with("2m]"), "{text}");
                }
            }
            let rendered = [Some(found.demand), found.backlog, found.latency];
            for expression in rendered.into_iter().flatten() {
                let mut again = parse(expression.promql()).unwrap();
                for_each_series(&mut again, &mut |series| {
                    let labels: Vec<_> = series.matchers.matchers.iter().map(|m| m.name.as_str()).collect();
                    assert!(labels.contains(&"namespace"), "{} in {}", labels.join(","), expression.promql());
                });
            }
        }
    }

    #[test]
    fn a_selector_narrows_every_series() {
        let selector = Selector::parse(r#"namespace="llm",model_name="say \"hi\"""#).unwrap();
        let signals = find("vllm", &selector).unwrap();
        assert_eq!(
            signals.demand.promql(),
            r#"sum(vllm:num_requests_running{model_name="say \"hi\"",namespace="llm"}) + "#.to_owned()
                + r#"sum(vllm:num_requests_waiting{model_name="say \"hi\"",namespace="llm"})"#
        );
        let none = find("vllm", &Selector::default()).unwrap();
        assert_eq!(none.demand.promql(), "sum(vllm:num_requests_running) + sum(vllm:num_requests_waiting)");
    }

    #[test]
    fn series_that_lack_a_label_are_not_selected_by_it() {
        let selector = Selector::parse(r#"namespace="llm",model_name="llama""#).unwrap();
        let backlog = find("llm-d-epp", &selector).unwrap().backlog.unwrap();
        assert!(backlog.promql().contains(r#"max(llm_d_epp_average_queue_size{namespace="llm"})"#), "{backlog:?}");
        assert!(backlog.promql().contains(r#"model_name="llama""#), "{backlog:?}");
    }

    #[test]
    fn an_unknown_name_is_told_the_known_and_the_nearest() {
        let error = |name| find(name, &Selector::default()).unwrap_err();
        assert!(error("vlm").starts_with("unknown preset \"vlm\" (did you mean \"vllm\"?); known: vllm, sglang,"));
        assert!(error("Ray-Server").contains("did you mean \"ray-serve\"?"));
        assert!(error("quux").starts_with("unknown preset \"quux\"; known: "));
        assert!(error("nim").contains("a selector must say which"), "{}", error("nim"));
        assert_eq!(names().count(), 17);
    }
}
