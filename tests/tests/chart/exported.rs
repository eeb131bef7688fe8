//! Alerts and dashboard ask for series that are there, by labels that they have.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use prewarm_tests::app::Setup;
use prewarm_tests::helm::{chart, deploy};
use prewarm_tests::keda::Trigger;
use prewarm_tests::process;
use prewarm_tests::prometheus::Prometheus;
use prewarm_tests::trace::{Trace, clock_time, days, monday};
use promql_parser::parser::{self, Expr};
use promql_parser::util::{ExprVisitor, walk_expr};
use serde_json::Value;

use super::{only, rendered};

/// What a query selects: the metric, with the labels that it names.
#[derive(Debug, Default)]
struct Selectors(Vec<(String, BTreeMap<String, String>)>);

impl ExprVisitor for Selectors {
    type Error = ();

    fn pre_visit(&mut self, expr: &Expr) -> Result<bool, ()> {
        let selector = match expr {
            Expr::VectorSelector(selector) => selector,
            Expr::MatrixSelector(matrix) => &matrix.vs,
            _ => return Ok(true),
        };
        let labels = selector.matchers.matchers.iter();
        let labels = labels.map(|matcher| (matcher.name.clone(), matcher.value.clone())).collect();
        self.0.push((selector.name.clone().expect("a metric's name"), labels));
        Ok(true)
    }
}

fn selectors(query: &str) -> Vec<(String, BTreeMap<String, String>)> {
    // What Grafana fills in.
    let query = query.replace("$namespace", ".*").replace("$name", ".*");
    let expr = parser::parse(&query).unwrap_or_else(|error| panic!("{query}: {error}"));
    let mut found = Selectors::default();
    walk_expr(&mut found, &expr).expect("it never fails");
    assert!(!found.0.is_empty(), "{query}");
    found.0
}

/// The series of an exposition: labels with their values by metric.
fn series(exposition: &str) -> BTreeMap<String, BTreeMap<String, BTreeSet<String>>> {
    let mut all: BTreeMap<String, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for line in exposition.lines() {
        if let Some((name, kind)) =
            line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
        {
            let suffixes: &[&str] = match kind {
                "histogram" => &["_bucket", "_sum", "_count"],
                _ => &[""],
            };
            for suffix in suffixes {
                all.entry(format!("{name}{suffix}")).or_default();
            }
        } else if let Some((name, rest)) = line.split_once('{') {
            let labels = rest.rsplit_once('}').expect("closed").0;
            let of = all.get_mut(name).unwrap_or_else(|| panic!("{name} has no type"));
            for label in labels.split("\",") {
                let (label, value) = label.split_once("=\"").expect("a label");
                of.entry(label.to_owned()).or_default().insert(value.trim_end_matches('"').into());
            }
        }
    }
    all
}

/// What a server that has a workload exports.
async fn exported() -> BTreeMap<String, BTreeMap<String, BTreeSet<String>>> {
    let demand = Trace::working_days(monday(), days(1), 40.0, 5).gauge("demand");
    let prometheus = Prometheus::holding(&[demand]).await;
    let app = Setup::new(prometheus.address(), clock_time(monday(), 12, 0)).start().await;
    let trigger = Trigger::new("llm", "llama").with("query", "demand").with("threshold", 4);
    app.register(&[&trigger]).await;
    for _ in 0..4 {
        app.step().await;
    }
    app.keda.poll(&trigger).await.expect("answers");
    let answer = reqwest::get(format!("http://{}/metrics", app.http)).await.expect("an answer");
    let mut all = series(&answer.text().await.expect("a text"));
    for (name, labels) in documented() {
        let known = all.entry(name).or_default();
        for label in labels {
            known.entry(label).or_default();
        }
    }
    all
}

/// What has not happened yet has no series: names and labels as the documents have them, which are
/// rendered from the code (`tests/tests/docs.rs`).
fn documented() -> Vec<(String, Vec<String>)> {
    let operations = deploy().join("../docs/operations.md");
    let text = fs::read_to_string(operations).expect("docs/operations.md");
    let (_, table) = text.split_once("<!-- generated: metrics -->").expect("the table of metrics");
    let mut found = Vec::new();
    for row in table.lines().filter(|row| row.starts_with("| `")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let metric = cells[1].trim_matches('`');
        let (name, labels) = metric.split_once('{').unwrap_or((metric, ""));
        let labels = labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty());
        let labels: Vec<String> = labels.map(str::to_owned).collect();
        let suffixes: &[&str] = match cells[2] {
            "histogram" => &["_bucket", "_sum", "_count"],
            "info" => &["_info"],
            _ => &[""],
        };
        found.extend(suffixes.iter().map(|suffix| (format!("{name}{suffix}"), labels.clone())));
    }
    found
}

/// The alerts' expressions, by name.
fn alerts() -> Vec<(String, String)> {
    let all = rendered(&["--set", "alerts.enabled=true,alerts.labels.release=kps"]);
    let rule = only(&all, "PrometheusRule");
    assert_eq!(rule["metadata"]["labels"]["release"], "kps");
    let rules = rule["spec"]["groups"][0]["rules"].as_array().expect("rules");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    for rule in rules {
        for key in ["summary", "runbook"] {
            let words = text(&rule["annotations"][key]);
            assert!(words.len() > 20 && words.ends_with('.'), "{}: {key}: {words}", rule["alert"]);
        }
    }
    rules.iter().map(|rule| (text(&rule["alert"]), text(&rule["expr"]))).collect()
}

/// The dashboard's queries, by panel.
fn dashboard() -> Vec<(String, String)> {
    let all = rendered(&["--set", "dashboard.enabled=true"]);
    let map = all
        .iter()
        .find(|document| !document["data"]["prewarm.json"].is_null())
        .expect("the dashboard's ConfigMap");
    assert_eq!(map["metadata"]["labels"]["grafana_dashboard"], "1");
    let text = map["data"]["prewarm.json"].as_str().expect("a text");
    let dashboard: Value = serde_json::from_str(text).expect("JSON");
    let mut queries = Vec::new();
    for panel in dashboard["panels"].as_array().expect("panels") {
        for target in panel["targets"].as_array().into_iter().flatten() {
            queries.push((
                panel["title"].to_string(),
                target["expr"].as_str().expect("a query").into(),
            ));
        }
    }
    assert!(queries.len() > 20, "only {}", queries.len());
    queries
}

#[tokio::test]
async fn alerts_and_dashboard_ask_for_what_is_exported() {
    let exported = exported().await;
    assert!(exported.len() > 40, "{exported:?}");
    let mut with_labels = 0;
    for (place, query) in alerts().into_iter().chain(dashboard()) {
        for (metric, labels) in selectors(&query) {
            let known =
                exported.get(&metric).unwrap_or_else(|| panic!("{place}: there is no {metric}"));
            // What has not happened yet has no series.
            if known.is_empty() {
                continue;
            }
            for label in labels.keys() {
                with_labels += 1;
                assert!(known.contains_key(label), "{place}: {metric} has no label {label}");
            }
        }
    }
    assert!(with_labels > 20, "only {with_labels} labels were there to compare");
    // Of a closed set each name exists.
    let states = &exported["prewarm_workload_state"]["state"];
    for (place, query) in alerts().into_iter().chain(dashboard()) {
        for (_, labels) in selectors(&query) {
            for state in labels.get("state").iter().flat_map(|states| states.split('|')) {
                assert!(states.contains(state), "{place}: there is no state {state}");
            }
        }
    }
}

#[test]
fn promtool_accepts_the_alerts() {
    let promtool = process::program("promtool", &[], "prometheus");
    let file = chart().join("files/alerts.yaml");
    let report =
        process::run(Command::new(promtool).args(["check", "rules", "--lint=all"]).arg(&file));
    assert!(report.contains("SUCCESS"), "{report}");
    // What is checked is what is rendered.
    let written: Value =
        serde_saphyr::from_str(&fs::read_to_string(file).expect("the alerts")).expect("YAML");
    let all = rendered(&["--set", "alerts.enabled=true"]);
    assert_eq!(only(&all, "PrometheusRule")["spec"]["groups"], written["groups"]);
}
