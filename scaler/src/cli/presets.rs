//! `prewarm presets [NAME]`.

use std::process::ExitCode;

use anyhow::bail;
use promql_parser::parser;
use serde_json::{Value, json};

use super::columns::{Align, aligned};
use crate::signal::preset::{self, Preset};

/// Arguments of `prewarm presets`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Show this one: what it asks, in which unit, and which labels a selector should name
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Lists the presets, or shows one.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let chosen: Vec<&Preset> = match &args.name {
        None => preset::catalog().collect(),
        Some(name) => match preset::catalog().find(|preset| preset.name == name) {
            Some(found) => vec![found],
            None => bail!(preset::unknown(name)),
        },
    };
    let text = match (args.json, &args.name) {
        (true, None) => {
            serde_json::to_string_pretty(&chosen.into_iter().map(json_of).collect::<Vec<_>>())?
                + "\n"
        }
        (true, Some(_)) => serde_json::to_string_pretty(&json_of(chosen[0]))? + "\n",
        (false, None) => list(&chosen),
        (false, Some(_)) => shown(chosen[0]),
    };
    super::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn zero(preset: &Preset) -> &'static str {
    if preset.outlives_pods {
        "what it reads outlives the pods: a first request wakes the workload"
    } else {
        "its metrics vanish with the last replica: forecasts and windows wake the workload, an \
         unexpected first request needs a query in front of it"
    }
}

fn json_of(preset: &Preset) -> Value {
    let labels: Vec<Value> =
        preset.needs.iter().map(|need| json!({"anyOf": need.any_of, "why": need.why})).collect();
    json!({
        "name": preset.name,
        "unit": UNIT,
        "threshold": preset.threshold,
        "demand": plain(preset.demand),
        "backlog": preset.backlog.map(plain),
        "latency": preset.latency.map(plain),
        "wakesFromZero": preset.outlives_pods,
        "selectorNeeded": preset.generic_names,
        "labels": labels,
        "cannotSee": preset.cannot_see,
    })
}

/// PromQL as one would type it.
fn plain(promql: &str) -> String {
    parser::parse(promql).map_or_else(|_| promql.to_owned(), |expr| expr.to_string())
}

/// Of every preset's demand.
const UNIT: &str = "requests in flight, those that wait included";

fn list(presets: &[&Preset]) -> String {
    let yes = |there: bool| if there { "yes" } else { "–" }.to_owned();
    let mut rows = vec![
        ["PRESET", "THRESHOLD", "WAKES FROM ZERO", "BACKLOG", "LATENCY"]
            .map(str::to_owned)
            .to_vec(),
    ];
    rows.extend(presets.iter().map(|preset| {
        vec![
            preset.name.to_owned(),
            preset.threshold.to_string(),
            yes(preset.outlives_pods),
            yes(preset.backlog.is_some()),
            yes(preset.latency.is_some()),
        ]
    }));
    aligned(&rows, &[Align::Left, Align::Right])
        + &format!(
            "\nDemand is {UNIT}. `prewarm presets NAME` shows one, `prewarm init NAME` writes a ScaledObject.\n"
        )
}

fn shown(preset: &Preset) -> String {
    let mut text = format!(
        "{}\n\nunit: {UNIT}\nthreshold to start with: {} a replica\nat zero: {}\n",
        preset.name,
        preset.threshold,
        zero(preset)
    );
    if preset.generic_names {
        text += "selector: needed, for the metrics' names could be anybody's\n";
    }
    for need in preset.needs {
        text += &format!("selector: name one of {}, else {}\n", need.any_of.join(", "), need.why);
    }
    if let Some(blind) = preset.cannot_see {
        text += &format!("cannot see: {blind}\n");
    }
    let parts = [
        ("demand", Some(preset.demand)),
        ("backlog", preset.backlog),
        ("latency, seconds", preset.latency),
    ];
    for (title, promql) in parts {
        if let Some(promql) = promql {
            text += &format!("\n# {title}\n{}\n", plain(promql));
        }
    }
    text
}
