//! `prewarm init PRESET|EXAMPLE`: a ScaledObject to begin with.

mod examples;

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::{bail, ensure};
use regex::Regex;

use crate::signal::preset;
use crate::trigger::keys::nearest;
use examples::{EXAMPLES, Example};

/// Arguments of `prewarm init`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A preset (`prewarm presets`), or an example; without it both are listed
    #[arg(value_name = "PRESET|EXAMPLE")]
    what: Option<String>,
    /// Name of the workload, its Deployment and its ScaledObject
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Its namespace
    #[arg(long, value_name = "NAMESPACE")]
    namespace: Option<String>,
}

/// Writes it to standard output.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let text = match &args.what {
        None => list(),
        Some(what) => written(what, args.name.as_deref(), args.namespace.as_deref())?,
    };
    super::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn list() -> String {
    let mut text = "Examples, whole and with the settings that we recommend:\n".to_owned();
    for Example { name, about, .. } in EXAMPLES {
        let _ = writeln!(text, "  {name:<24}{about}");
    }
    let presets: Vec<&str> = preset::names().collect();
    let _ = writeln!(text, "\nPresets: {}", presets.join(", "));
    text
}

fn written(what: &str, name: Option<&str>, namespace: Option<&str>) -> anyhow::Result<String> {
    for given in [name, namespace].into_iter().flatten() {
        let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let fits = given.len() <= 63
            && given.chars().all(letters)
            && !given.starts_with('-')
            && !given.ends_with('-')
            && !given.is_empty();
        ensure!(fits, "{given:?} is no name of Kubernetes: 1 to 63 of a-z, 0-9 and -");
    }
    if let Some(example) = EXAMPLES.iter().find(|example| example.name == what) {
        let mut text = example.text.to_owned();
        if let Some(given) = name {
            text = renamed(&text, r"\b", example.workload, given);
        }
        if let Some(given) = namespace {
            // Elsewhere the word is another thing's name.
            text = renamed(&text, NAMESPACES, example.namespace, given);
        }
        return Ok(text);
    }
    if let Some(preset) = preset::catalog().find(|preset| preset.name == what) {
        return Ok(of_preset(preset, name.unwrap_or("llama"), namespace.unwrap_or("llm")));
    }
    let names: Vec<&str> =
        EXAMPLES.iter().map(|example| example.name).chain(preset::names()).collect();
    let hint = nearest(what, names.iter().map(|name| (*name, *name)))
        .map(|near| format!("; did you mean {near:?}?"))
        .unwrap_or_default();
    bail!("no preset or example is called {what:?}{hint} `prewarm init` lists them")
}

/// What stands before a namespace: a key, a label's matcher, a service's name, Envoy's route.
const NAMESPACES: &str = r#"namespace: |namespace="|\.|httproute/"#;

/// A text in which a name stands for another, wherever `before` stands before it.
fn renamed(text: &str, before: &str, word: &str, given: &str) -> String {
    let pattern = Regex::new(&format!(r"({before}){}\b", regex::escape(word))).expect("a pattern");
    let given = format!("${{1}}{given}");
    // Comments explain the example as it is.
    let lines = text.lines().map(|line| {
        let (code, comment) = match line.trim_start().starts_with('#') {
            true => ("", line),
            false => (line, ""),
        };
        pattern.replace_all(code, given.as_str()).into_owned() + comment
    });
    lines.map(|line| line + "\n").collect()
}

/// The ScaledObject of a preset that has no example of its own.
fn of_preset(preset: &preset::Preset, name: &str, namespace: &str) -> String {
    let labels: Vec<&str> =
        preset.needs.iter().filter_map(|need| need.any_of.first()).copied().collect();
    let selector: Vec<String> = if labels.is_empty() {
        vec![format!("namespace=\"{namespace}\"")]
    } else {
        labels
            .iter()
            .map(|label| match *label {
                "namespace" => format!("namespace=\"{namespace}\""),
                "pod" => format!("pod=~\"{name}-.*\""),
                label => format!("{label}=\"{name}\""),
            })
            .collect()
    };
    let wakes = if preset.outlives_pods {
        "# What it reads outlives the pods: a first request wakes the workload."
    } else {
        "# Its metrics vanish with the last replica: forecasts and windows wake the workload."
    };
    TEMPLATE
        .replace("{name}", name)
        .replace("{namespace}", namespace)
        .replace("{preset}", preset.name)
        .replace("{selector}", &selector.join(","))
        .replace("{threshold}", &preset.threshold.to_string())
        .replace("{wakes}", wakes)
}

const TEMPLATE: &str = include_str!("preset.yaml");

#[cfg(test)]
mod tests;
