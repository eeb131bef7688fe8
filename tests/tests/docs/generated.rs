//! The parts of the documents that are rendered from the code.

use std::sync::Arc;
use std::time::Duration;

use clap::CommandFactory;
use prewarm::clock::SystemClock;
use prewarm::metrics::Metrics;
use prewarm::registry::Registry;
use prewarm::signal::preset;
use prewarm::trigger::{Rules, keys};

use crate::configuration;
use crate::markdown::{code, table};
use crate::source::{self, Source};

/// A part of a document.
#[derive(Debug)]
pub(crate) struct Part {
    /// The document.
    pub(crate) file: &'static str,
    /// Its name in the document's comments.
    pub(crate) name: &'static str,
    /// What stands there.
    pub(crate) text: String,
}

/// All of them.
pub(crate) fn parts() -> Vec<Part> {
    let part = |file, name, text| Part { file, name, text };
    vec![
        part("docs/triggers.md", "keys", trigger_keys()),
        part("docs/presets.md", "presets", presets()),
        part("docs/configuration.md", "configuration", configuration::reference()),
        part("docs/cli.md", "commands", commands()),
        part("docs/operations.md", "metrics", metrics()),
        part("docs/operations.md", "reasons", reasons()),
    ]
}

/// The first key of each group, in the order of [`keys::ALL`].
const GROUPS: [(&str, &str); 5] = [
    ("query", "Where demand comes from"),
    ("threshold", "What one replica carries"),
    ("mode", "Looking ahead"),
    ("timezone", "Windows and zero"),
    ("scaledJob", "The rest"),
];

/// The keys of trigger metadata.
fn trigger_keys() -> String {
    let mut text = String::new();
    let mut rows = Vec::new();
    let head = ["key", "value", "default", "meaning"];
    for key in keys::ALL {
        if let Some((_, title)) = GROUPS.iter().find(|(first, _)| *first == key.name) {
            if !rows.is_empty() {
                text += &table(&head, std::mem::take(&mut rows));
            }
            text += &format!("\n### {title}\n\n");
        }
        let default = key.default.map_or("–".to_owned(), code);
        rows.push(vec![code(key.name), key.range(), default, sentence(key.doc)]);
    }
    text + &table(&head, rows)
}

/// Each preset with its queries.
fn presets() -> String {
    let mut text = String::new();
    let entries: Vec<_> = preset::catalog().collect();
    let head =
        ["preset", "starting threshold", "wakes from zero", "backlog", "latency", "selector"];
    let yes = |there: bool| if there { "yes" } else { "–" }.to_owned();
    text += &table(
        &head,
        entries.iter().map(|entry| {
            let selector = if entry.generic_names {
                "needed: the names could be anybody's"
            } else {
                "as you like"
            };
            vec![
                format!("[`{0}`](#{0})", entry.name),
                entry.threshold.to_string(),
                yes(entry.outlives_pods),
                yes(entry.backlog.is_some()),
                yes(entry.latency.is_some()),
                selector.to_owned(),
            ]
        }),
    );
    for entry in entries {
        text += &format!(
            "\n### {}\n\n```promql\n# demand: requests in flight\n{}\n",
            entry.name,
            one_line(entry.demand)
        );
        if let Some(backlog) = entry.backlog {
            text += &format!("# backlog: requests waiting\n{}\n", one_line(backlog));
        }
        if let Some(latency) = entry.latency {
            text += &format!("# latency: seconds\n{}\n", one_line(latency));
        }
        text += "```\n";
        text += &selector(entry);
    }
    text
}

/// What a preset's selector must name, and what no series of its system shows.
fn selector(entry: &preset::Preset) -> String {
    let mut text = String::from("\nA selector should name");
    for (n, need) in entry.needs.iter().enumerate() {
        let labels: Vec<String> = need.any_of.iter().map(|label| code(label)).collect();
        let and = if n == 0 { "" } else { "; and" };
        text += &format!("{and} one of {} (else {})", labels.join(", "), need.why);
    }
    if let Some(open) = &entry.unnamed {
        text += &format!("; and {} (else {})", code(open.label), open.meaning);
    }
    text += ".";
    if let Some(unseen) = entry.cannot_see {
        text += &format!(" It cannot see {unseen}.");
    }
    text + "\n"
}

/// The help of each command.
fn commands() -> String {
    let mut text = String::new();
    let mut program = prewarm::cli::Cli::command();
    program.build();
    for command in program
        .get_subcommands()
        .filter(|command| !command.is_hide_set() && command.get_name() != "help")
    {
        // The values of variables differ from machine to machine.
        let help = command
            .clone()
            .mut_args(|argument| argument.hide_env_values(true))
            .render_help()
            .to_string();
        let help: Vec<&str> = help.lines().map(str::trim_end).collect();
        text +=
            &format!("\n## {}\n\n```text\n{}\n```\n", command.get_name(), help.join("\n").trim());
    }
    text
}

/// Our own metrics: each family with its labels, as `/metrics` has them.
fn metrics() -> String {
    let (registry, _arrivals) = Registry::new(Rules::default(), 1, Arc::new(SystemClock));
    let metrics = Metrics::default();
    touch(&metrics);
    let exposition = metrics.encode(&registry).expect("an exposition");
    let mut rows = Vec::new();
    for line in exposition.lines() {
        let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' '))
        else {
            continue;
        };
        let kind = exposition
            .lines()
            .find_map(|line| line.strip_prefix(&format!("# TYPE {name} ")))
            .unwrap_or("?");
        let shown = if kind == "counter" { format!("{name}_total") } else { name.to_owned() };
        let labels = exposition.lines().find_map(|line| labels(line, name)).unwrap_or_default();
        rows.push(vec![
            code(&(shown + &labels)),
            kind.to_owned(),
            help.trim_end_matches('.').to_owned(),
        ]);
    }
    assert!(rows.len() > 40, "only {} metrics found", rows.len());
    table(&["metric", "type", "meaning"], rows)
}

/// Counts one of everything, so that each family shows its labels.
fn touch(metrics: &Metrics) {
    let moment = Duration::from_millis(1);
    metrics.rpc_started("GetMetrics");
    metrics.rpc_handled("GetMetrics", "OK", moment);
    metrics.streams("StreamIsActive", 1);
    metrics.decided(prewarm_forecaster::Reason::Live);
    metrics.sampled("default", "ok", moment);
    metrics.implausible("demand", "held");
    metrics.store_error("append");
    metrics.refitted("ok", moment);
    metrics.tls_reloaded("ok");
    metrics.cluster_error("pods", "forbidden");
    metrics.start_up("warm", "ready");
    metrics.implausible("demand", "held");
}

/// What leads to an answer, by its name in metrics, JSON and logs.
fn reasons() -> String {
    let rows = names_of("Reason").into_iter().map(|(name, doc)| vec![code(&name), doc]);
    table(&["reason", "meaning"], rows)
}

/// Names, as `as_str` gives them, and doc comments of a public enum of the forecaster.
pub(crate) fn names_of(name: &str) -> Vec<(String, String)> {
    let head = format!("pub enum {name} {{\n");
    let declares =
        |source: &Source| source.is_under("forecaster/src/") && source.text.contains(&head);
    let source = source::sources()
        .into_iter()
        .find(declares)
        .unwrap_or_else(|| panic!("there is no enum {name}"));
    let body = source
        .text
        .split(&head)
        .nth(1)
        .and_then(|rest| rest.split("\n}\n").next())
        .unwrap_or_default();
    let methods = source.text.split(&format!("impl {name} {{\n")).nth(1).unwrap_or_default();
    let mut names = Vec::new();
    let mut doc = String::new();
    for line in body.lines().map(str::trim) {
        if let Some(text) = line.strip_prefix("/// ") {
            doc += &format!("{}{text}", if doc.is_empty() { "" } else { " " });
        } else if let Some(variant) = line.strip_suffix(',') {
            let shown = methods
                .split(&format!("Self::{variant} => \""))
                .nth(1)
                .and_then(|rest| rest.split('"').next());
            let shown = shown.unwrap_or_else(|| panic!("{name}::{variant} has no name in as_str"));
            names.push((shown.to_owned(), std::mem::take(&mut doc)));
        }
    }
    assert!(names.len() > 4, "{name}: only {} variants found", names.len());
    names
}

/// The names of the labels of a sample of this family, without those of buckets: `{method,code}`.
fn labels(line: &str, family: &str) -> Option<String> {
    let (name, rest) = line.split_once('{')?;
    let of_family = name
        .strip_prefix(family)
        .is_some_and(|end| matches!(end, "" | "_total" | "_info" | "_bucket"));
    let (labels, _) = rest.split_once('}').filter(|_| of_family)?;
    let names = labels.split(',').filter_map(|label| label.split_once('=')).map(|(name, _)| name);
    let names: Vec<&str> = names.filter(|name| *name != "le").collect();
    (!names.is_empty()).then(|| format!("{{{}}}", names.join(",")))
}

/// With a capital and a full stop; names in code stay as they are.
pub(crate) fn sentence(text: &str) -> String {
    let text = text.trim().trim_end_matches('.');
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().collect::<String>()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

/// PromQL of several lines on one.
fn one_line(promql: &str) -> String {
    promql.split_whitespace().collect::<Vec<_>>().join(" ").replace("{}", "")
}
