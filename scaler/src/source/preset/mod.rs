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
//! grammar. A renamed metric is `new or old` of each pod, for during a rollout some have the one and some the other. A part
//! that may rightly be absent carries `or vector(0)`; the main part never does, so that a lost scrape stays missing. Rates
//! look back two minutes: four scrapes of 30 s. A request counts once, at whichever of its hops and ranks it shows.

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
    caveat: Option<Caution>,
}

impl Expression {
    /// The expression as PromQL, selector included.
    pub fn promql(&self) -> &str {
        &self.promql
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
    /// Items waiting; most are part of `demand` already, so it wakes a workload rather than adds to it.
    pub backlog: Option<Expression>,
    /// p95 latency in seconds.
    pub latency: Option<Expression>,
    /// Requests in flight that one replica carries until the user knows better.
    pub threshold: f64,
    /// Labels that the selector does not name although it should, in words; those first that do not matter where the
    /// pods are scraped directly.
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
        Ok::<_, String>(Expression { promql, caveat: None })
    };
    let open = preset.unnamed.as_ref().filter(|unnamed| !names(unnamed.label));
    let mut demand = render(open.map_or(preset.demand, |unnamed| unnamed.demand))?;
    if let Some(Caveat { promql, words }) = preset.caveat {
        demand.caveat = Some(Caution { promql: preset.narrowed(promql, selector)?, words });
    }
    let needs = preset.needs.iter().filter(|need| !need.any_of.iter().any(|label| names(label)));
    let mut unnamed: Vec<_> = needs.map(|need| Unnarrowed { any_of: need.any_of, why: need.why }).collect();
    unnamed.extend(open.map(|open| Unnarrowed { any_of: std::slice::from_ref(&open.label), why: open.meaning }));
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
pub fn tables() -> impl Iterator<Item = &'static Preset> {
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
    /// The names could be anybody's.
    pub generic_names: bool,
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

/// Sum over pods, each by the first of these names that it exposes: during a rollout, some have the old and some the new
/// ones, and a pod that has both counts once.
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
        concat!("histogram_quantile(0.95, sum by (le) (rate(", $name, "_bucket{", $matchers, "}[2m])))")
    };
}
use p95;

fn unknown(name: &str) -> String {
    let known = names().collect::<Vec<_>>().join(", ");
    let nearest = names()
        .map(|known| (strsim::jaro_winkler(&name.to_ascii_lowercase(), known), known))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(likeness, _)| *likeness > ALIKE);
    let hint = nearest.map(|(_, known)| format!(" (did you mean \"{known}\"?)")).unwrap_or_default();
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
        needs: &[],
        unnamed: None,
        caveat: None,
        cannot_see: None,
    };

    /// The expression with the selector's matchers on every series. What the selector says of a label outranks what the
    /// table says of it: `reporter="destination"` is asked for by whoever wants that.
    fn narrowed(&self, promql: &str, selector: &Selector) -> Result<String, String> {
        let mut expression = parse(promql)?;
        let mut failure = None;
        for_each_series(&mut expression, &mut |series| {
            let metric = series.name.clone().unwrap_or_default();
            let given = selector.matchers().iter().filter_map(|matcher| self.matcher(&metric, matcher));
            let given: Vec<_> = given.collect();
            series.matchers.matchers.retain(|ours| !given.iter().any(|(_, label, _)| *label == ours.name));
            for (token, label, value) in given {
                match Matcher::new_matcher(token, label, value) {
                    Ok(matcher) => series.matchers.matchers.push(matcher),
                    Err(error) => failure = Some(error),
                }
            }
        });
        failure.map_or_else(|| Ok(expression.to_string()), Err)
    }

    /// What a matcher of the selector is on the series of one metric; `None` where they cannot be told apart by it.
    fn matcher(&self, metric: &str, matcher: &selector::Matcher) -> Option<(TokenId, String, String)> {
        let lacking = self.lacks.iter().find(|(known, _)| *known == metric).map(|(_, labels)| *labels);
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
            metric.starts_with(translation.metrics) && translation.from.contains(&matcher.label.as_str())
        });
        let Some(Translation { to, suffix, .. }) = translation else {
            return Some((token, matcher.label.clone(), matcher.value.clone()));
        };
        let (token, value) = match matcher.operator {
            _ if suffix.is_empty() => (token, matcher.value.clone()),
            Operator::Is => (T_EQL_REGEX, regex::escape(&matcher.value) + suffix),
            Operator::IsNot => (T_NEQ_REGEX, regex::escape(&matcher.value) + suffix),
            Operator::Matches | Operator::MatchesNot => (token, format!("(?:{}){suffix}", matcher.value)),
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
            let open = preset.unnamed.map(|open| open.demand);
            let caveat = preset.caveat.map(|caveat| caveat.promql);
            for text in [Some(preset.demand), preset.backlog, preset.latency, open, caveat].into_iter().flatten() {
                let mut expression = parse(text).unwrap_or_else(|error| panic!("{}: {text}: {error}", preset.name));
                for_each_series(&mut expression, &mut |series| assert!(series.name.is_some(), "{text}"));
                let range = regex::Regex::new(r"\[(\d+[smhd])").unwrap();
                assert!(range.captures_iter(text).all(|found| &found[1] == "2m"), "{text}");
            }
            let caveat = found.demand.caveat().map(|caveat| caveat.promql.clone());
            let rendered = [Some(found.demand), found.backlog, found.latency].into_iter().flatten();
            for promql in rendered.map(|expression| expression.promql).chain(caveat) {
                let mut again = parse(&promql).unwrap();
                for_each_series(&mut again, &mut |series| {
                    let labels: Vec<_> = series.matchers.matchers.iter().map(|m| m.name.as_str()).collect();
                    assert!(labels.contains(&"namespace"), "{} in {promql}", labels.join(","));
                });
            }
        }
    }

    #[test]
    fn a_selector_narrows_every_series() {
        let selector = Selector::parse(r#"namespace="llm",model_name="say \"hi\"""#).unwrap();
        let signals = find("vllm", &selector).unwrap();
        let narrowed = r#"vllm:num_requests_waiting{model_name="say \"hi\"",namespace="llm"}"#;
        assert_eq!(signals.demand.promql().matches(narrowed).count(), 2, "{}", signals.demand.promql());
        assert_eq!(signals.demand.promql().matches("namespace=\"llm\"").count(), 8);
        let none = find("tgi", &Selector::default()).unwrap();
        assert_eq!(none.demand.promql(), "sum(tgi_batch_current_size) + sum(tgi_queue_size)");
    }

    #[test]
    fn series_that_lack_a_label_are_not_selected_by_it() {
        let selector = Selector::parse(r#"namespace="llm",model_name="llama""#).unwrap();
        let backlog = find("llm-d-epp", &selector).unwrap().backlog.unwrap();
        assert!(backlog.promql().contains(r#"(llm_d_epp_average_queue_size{namespace="llm"})"#), "{backlog:?}");
        assert!(backlog.promql().contains(r#"model_name="llama""#), "{backlog:?}");
    }

    #[test]
    fn an_unknown_name_is_told_the_known_and_the_nearest() {
        let error = |name| find(name, &Selector::default()).unwrap_err();
        assert!(error("vlm").starts_with("unknown preset \"vlm\" (did you mean \"vllm\"?); known: vllm, sglang,"));
        assert!(error("Ray-Server").contains("did you mean \"ray-serve\"?"));
        assert!(error("quux").starts_with("unknown preset \"quux\"; known: "));
        assert!(error("nim").contains("a selector must say which"), "{}", error("nim"));
    }

    #[test]
    fn what_a_selector_says_of_a_label_outranks_the_table() {
        let of = |name, selector: &str| find(name, &Selector::parse(selector).unwrap()).unwrap().demand;
        let envoy = of("envoy", r#"envoy_cluster_name="xds_cluster""#);
        assert!(!envoy.promql().contains("!~"), "{}", envoy.promql());
        let istio = of("istio", r#"reporter="destination""#);
        assert!(!istio.promql().contains("source\"}"), "{}", istio.promql());
    }

    #[test]
    fn series_that_name_a_service_by_its_revision_are_found() {
        let of = |selector: &str| find("knative", &Selector::parse(selector).unwrap()).unwrap().demand;
        let found = of(r#"kn_service_name="a.b",k8s_namespace_name="demo""#);
        assert!(found.promql().contains(r#"duration_seconds_sum{kn_revision_name=~"a\\.b-[0-9]+",namespace="demo"}"#));
        assert!(found.promql().contains(r#"active{k8s_namespace_name="demo",kn_service_name="a.b"}"#));
        let several = of(r#"kn_service_name=~"a|b""#);
        assert!(several.promql().contains(r#"kn_revision_name=~"(?:a|b)-[0-9]+""#), "{}", several.promql());
    }

    #[test]
    fn a_selector_that_leaves_open_what_it_must_name_is_told_so() {
        let open = |name, selector: &str| {
            let found = find(name, &Selector::parse(selector).unwrap()).unwrap();
            found.unnamed.iter().map(|open| open.any_of[0]).collect::<Vec<_>>()
        };
        assert_eq!(open("vllm", ""), ["namespace", "model_name"]);
        assert_eq!(open("vllm", r#"namespace="llm""#), ["model_name"]);
        assert_eq!(open("vllm", r#"job="llama""#), [""; 0]);
        assert_eq!(open("triton", r#"namespace="a""#), ["model"]);
        assert_eq!(open("triton", r#"namespace="a",model="b""#), [""; 0]);
        assert_eq!(open("istio", r#"namespace="a""#), ["destination_service_name"]);
        for preset in tables() {
            assert!(!preset.needs.is_empty(), "{} says what a selector must name", preset.name);
        }
    }
}
