//! Presets: demand, backlog, latency and a starting threshold by serving system.
//!
//! Demand is the same thing in every preset, **requests in flight**: those being served plus those
//! waiting inside the serving system. That is the unit in which a replica's capacity is known
//! beforehand (batch size, worker count, concurrency target), so a threshold can be offered without
//! knowing the model; and it counts what waits, so it does not saturate where completions would.
//! Where a system exports no such gauge, Little's law gives the mean: seconds of request time spent
//! per second. The price: it rises with latency when replicas are short. Who knows a replica's
//! requests/s writes an arrival rate as `query` and forecasts that.
//!
//! The tables are PromQL as one would type it; a selector becomes matchers of every series in it,
//! by way of PromQL's own grammar. A renamed metric is `new or old` of each pod, for during a
//! rollout some have the one and some the other. A part that may rightly be absent carries `or
//! vector(0)`; the main part never does, so that a lost scrape stays missing. Rates look back two
//! minutes: four scrapes of 30 s. A request counts once, at whichever of its hops and ranks it
//! shows.

mod engines;
mod gateways;
mod servers;

use promql_parser::label::Matcher;
use promql_parser::parser::token::{T_EQL, T_EQL_REGEX, T_NEQ, T_NEQ_REGEX, TokenId};
use promql_parser::parser::{Expr, VectorSelector, parse};

use super::selector::{self, Operator, Selector};

/// A preset's expression over series, with its selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression {
    promql: String,
    selected_by: Vec<String>,
    caveat: Option<Caution>,
}

impl Expression {
    /// The expression as PromQL, selector included.
    pub fn promql(&self) -> &str {
        &self.promql
    }

    /// Labels that the selector names: the others are the preset's own.
    pub fn selected_by(&self) -> &[String] {
        &self.selected_by
    }

    /// When the expression does not tell the truth, if there is such a case.
    pub fn caveat(&self) -> Option<&Caution> {
        self.caveat.as_ref()
    }
}

/// A sign that an expression does not tell the truth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caution {
    /// PromQL, selector included: above zero where the expression is not to be trusted.
    pub promql: String,
    /// What that means and what to do.
    pub words: &'static str,
}

/// What a preset gives for one selector.
#[derive(Debug, Clone, PartialEq)]
pub struct PresetSignals {
    /// Offered demand: requests in flight.
    pub demand: Expression,
    /// Items waiting; most are part of `demand` already, so it wakes a workload rather than adds to
    /// it.
    pub backlog: Option<Expression>,
    /// p95 latency in seconds.
    pub latency: Option<Expression>,
    /// Requests in flight that one replica carries until the user knows better.
    pub threshold: f64,
    /// Labels that the selector does not name although it should, in words; those first that do not
    /// matter where the pods are scraped directly.
    pub unnamed: Vec<Unnarrowed>,
}

/// A kind of label that a selector leaves open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unnarrowed {
    /// One of these should be named.
    pub any_of: &'static [&'static str],
    /// What happens otherwise.
    pub why: &'static str,
}

impl Unnarrowed {
    /// Whether an endpoint that is scraped directly answers the question by itself.
    pub fn is_settled_by_an_endpoint(&self) -> bool {
        self.any_of.contains(&"pod")
    }
}

/// Looks a preset up by name (`vllm`, `sglang`, …); the error names the known ones and the nearest.
pub fn find(name: &str, selector: &Selector) -> Result<PresetSignals, String> {
    let preset = tables().find(|preset| preset.name == name).ok_or_else(|| unknown(name))?;
    if preset.generic_names && selector.matchers().is_empty() {
        return Err(format!(
            "the metrics of {name} have generic names: a selector must say which job or pods are meant"
        ));
    }
    let names = |label: &str| selector.matchers().iter().any(|matcher| matcher.label == label);
    let render = |promql: &str| {
        let promql = preset.narrowed(promql, selector)?;
        let selected_by = selector.matchers().iter().map(|matcher| matcher.label.clone()).collect();
        Ok::<_, String>(Expression { promql, selected_by, caveat: None })
    };
    let open = preset.unnamed.as_ref().filter(|unnamed| !names(unnamed.label));
    let mut demand = render(open.map_or(preset.demand, |unnamed| unnamed.demand))?;
    if let Some(Caveat { promql, words }) = preset.caveat {
        demand.caveat = Some(Caution { promql: preset.narrowed(promql, selector)?, words });
    }
    let needs = preset.needs.iter().filter(|need| !need.any_of.iter().any(|label| names(label)));
    let mut unnamed: Vec<_> =
        needs.map(|need| Unnarrowed { any_of: need.any_of, why: need.why }).collect();
    unnamed.extend(
        open.map(|open| Unnarrowed {
            any_of: std::slice::from_ref(&open.label),
            why: open.meaning,
        }),
    );
    Ok(PresetSignals {
        demand,
        backlog: preset.backlog.map(render).transpose()?,
        latency: preset.latency.map(render).transpose()?,
        threshold: preset.threshold,
        unnamed,
    })
}

/// The names of all presets, as `preset` takes them.
pub fn names() -> impl Iterator<Item = &'static str> {
    tables().map(|preset| preset.name)
}

/// All presets, for documents and for whoever lists them.
pub fn catalog() -> impl Iterator<Item = &'static Preset> {
    tables()
}

fn tables() -> impl Iterator<Item = &'static Preset> {
    [engines::PRESETS, servers::PRESETS, gateways::PRESETS].into_iter().flatten()
}

/// One line of the tables. The expressions are PromQL without a selector.
#[derive(Debug)]
pub struct Preset {
    /// As `preset` takes it.
    pub name: &'static str,
    /// Requests in flight.
    pub demand: &'static str,
    /// Requests waiting.
    pub backlog: Option<&'static str>,
    /// p95 in seconds.
    pub latency: Option<&'static str>,
    /// Requests in flight that one replica carries until the user knows better.
    pub threshold: f64,
    /// Series that lack labels by which the others are selected: those matchers are left out there.
    pub lacks: &'static [(&'static str, &'static [&'static str])],
    /// Series that name the same thing by another label.
    pub translations: &'static [Translation],
    /// The names could be anybody's: without a selector nothing is asked.
    pub generic_names: bool,
    /// Demand is there at zero replicas, too: what it reads is not the pods' own.
    pub outlives_pods: bool,
    /// Labels that a selector must name, one of each line.
    pub needs: &'static [Need],
    /// What is asked where the selector leaves a label open.
    pub unnamed: Option<Unnamed>,
    /// When the demand does not tell the truth.
    pub caveat: Option<Caveat>,
    /// What no series of the system shows.
    pub cannot_see: Option<&'static str>,
}

/// Labels of which a selector must name one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// One of these.
    pub any_of: &'static [&'static str],
    /// What happens otherwise.
    pub why: &'static str,
}

/// Another expression for selectors that leave a label open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unnamed {
    /// The label.
    pub label: &'static str,
    /// Requests in flight then.
    pub demand: &'static str,
    /// What that counts, and why.
    pub meaning: &'static str,
}

/// A sign that demand does not tell the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caveat {
    /// PromQL without a selector: above zero where demand is not to be trusted.
    pub promql: &'static str,
    /// What that means and what to do.
    pub words: &'static str,
}

/// The same thing by another label, on series whose names begin alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Translation {
    /// Beginning of the series' names.
    pub metrics: &'static str,
    /// Labels of the selector that these series lack.
    pub from: &'static [&'static str],
    /// What they have instead.
    pub to: &'static str,
    /// A regular expression of what follows the value there.
    pub suffix: &'static str,
}

/// Whose pods, or which of a Prometheus' scrape jobs.
const PODS: Need = Need {
    any_of: &[
        "namespace",
        "pod",
        "job",
        "service",
        "container",
        "instance",
        "exported_namespace",
        "kubernetes_namespace",
    ],
    why: "the series of other teams count as well",
};

/// Sum over pods, each by the first of these names that it exposes: during a rollout, some have the
/// old and some the new ones, and a pod that has both counts once.
macro_rules! by_pod {
    ($first:expr $(, $other:expr)* $(,)?) => {
        concat!(
            "sum(sum by (pod, instance) (",
            $first,
            ")",
            $(" or sum by (pod, instance) (", $other, ")",)*
            ")"
        )
    };
}
use by_pod;

/// `histogram_quantile(0.95, …)` of a histogram by its base name.
macro_rules! p95 {
    ($name:literal) => {
        p95!($name, "")
    };
    ($name:literal, $matchers:literal) => {
        concat!(
            "histogram_quantile(0.95, sum by (le) (rate(",
            $name,
            "_bucket{",
            $matchers,
            "}[2m])))"
        )
    };
}
use p95;

/// What is wrong with a name that no preset has.
pub fn unknown(name: &str) -> String {
    let known = names().collect::<Vec<_>>().join(", ");
    let nearest = names()
        .map(|known| (strsim::jaro_winkler(&name.to_ascii_lowercase(), known), known))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(likeness, _)| *likeness > ALIKE);
    let hint =
        nearest.map(|(_, known)| format!(" (did you mean \"{known}\"?)")).unwrap_or_default();
    format!("unknown preset \"{name}\"{hint}; known: {known}")
}

impl Preset {
    /// A preset of nothing, for what most of them leave out.
    const NONE: Self = Self {
        name: "",
        demand: "",
        backlog: None,
        latency: None,
        threshold: 1.0,
        lacks: &[],
        translations: &[],
        generic_names: false,
        outlives_pods: false,
        needs: &[],
        unnamed: None,
        caveat: None,
        cannot_see: None,
    };

    /// The expression with the selector's matchers on every series. What the selector says of a
    /// label outranks what the table says of it: `reporter="destination"` is asked for by whoever
    /// wants that.
    fn narrowed(&self, promql: &str, selector: &Selector) -> Result<String, String> {
        let mut expression = parse(promql)?;
        let mut failure = None;
        for_each_series(&mut expression, &mut |series| {
            let metric = series.name.clone().unwrap_or_default();
            let given =
                selector.matchers().iter().filter_map(|matcher| self.matcher(&metric, matcher));
            let given: Vec<_> = given.collect();
            series
                .matchers
                .matchers
                .retain(|ours| !given.iter().any(|(_, label, _)| *label == ours.name));
            for (token, label, value) in given {
                match Matcher::new_matcher(token, label, value) {
                    Ok(matcher) => series.matchers.matchers.push(matcher),
                    Err(error) => failure = Some(error),
                }
            }
        });
        failure.map_or_else(|| Ok(expression.to_string()), Err)
    }

    /// What a matcher of the selector is on the series of one metric; `None` where they cannot be
    /// told apart by it.
    fn matcher(
        &self,
        metric: &str,
        matcher: &selector::Matcher,
    ) -> Option<(TokenId, String, String)> {
        let lacking =
            self.lacks.iter().find(|(known, _)| *known == metric).map(|(_, labels)| *labels);
        if lacking.is_some_and(|labels| labels.contains(&matcher.label.as_str())) {
            return None;
        }
        let token = match matcher.operator {
            Operator::Is => T_EQL,
            Operator::IsNot => T_NEQ,
            Operator::Matches => T_EQL_REGEX,
            Operator::MatchesNot => T_NEQ_REGEX,
        };
        let translation = self.translations.iter().find(|translation| {
            metric.starts_with(translation.metrics)
                && translation.from.contains(&matcher.label.as_str())
        });
        let Some(Translation { to, suffix, .. }) = translation else {
            return Some((token, matcher.label.clone(), matcher.value.clone()));
        };
        let (token, value) = match matcher.operator {
            _ if suffix.is_empty() => (token, matcher.value.clone()),
            Operator::Is => (T_EQL_REGEX, regex::escape(&matcher.value) + suffix),
            Operator::IsNot => (T_NEQ_REGEX, regex::escape(&matcher.value) + suffix),
            Operator::Matches | Operator::MatchesNot => {
                (token, format!("(?:{}){suffix}", matcher.value))
            }
        };
        Some((token, (*to).to_owned(), value))
    }
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
        Expr::Call(call) => {
            call.args.args.iter_mut().for_each(|argument| for_each_series(argument, change))
        }
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => {}
    }
}

/// Below this likeness a suggestion would be a guess.
const ALIKE: f64 = 0.75;

#[cfg(test)]
mod tests;
