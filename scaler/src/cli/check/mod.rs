//! `prewarm check FILE.yaml…`: ScaledObjects, ScaledJobs and policies, before they are applied.

mod address;
mod days;
mod finding;
mod formula;
mod live;
mod neighbors;
mod pace;
mod query;
mod ramp;
mod resource;
mod schema;
mod sibling;
mod traps;
mod tree;
mod webhook;

use std::io::{IsTerminal, Read as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use prewarm_forecaster::decide::timing::LoopTiming;
use url::Url;

use crate::config::{self, Config};
use crate::http::api::TrialRequest;
use crate::trigger::{self, Rules, keys};
use finding::{Checked, Finding, Level, Report};
use live::Attempt;
use resource::Resource;
use traps::Read;
use tree::Tree;

/// Arguments of `prewarm check FILE.yaml…`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// YAML files with ScaledObjects, ScaledJobs or policies; - for standard input
    #[arg(value_name = "FILE", required_unless_present = "keys")]
    files: Vec<PathBuf>,
    /// The server's configuration, to check sources, addresses and shared policies as well
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// HTTP address of a running server, through whose sources the triggers are tried; its
    /// configuration must have allow.trials = true
    #[arg(long, value_name = "URL")]
    server: Option<Url>,
    /// A file with that server's token, where its httpTokenFile asks for one
    #[arg(long, value_name = "FILE", env = "PREWARM_TOKEN_FILE", requires = "server")]
    token_file: Option<PathBuf>,
    /// JSON instead of text
    #[arg(long)]
    json: bool,
    /// List the keys of trigger metadata instead
    #[arg(long, conflicts_with_all = ["files", "config", "server"])]
    keys: bool,
}

/// Runs the command; fails if there is an error, or nothing to check.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    if args.keys {
        super::print(&if args.json { keys_json() } else { keys_text() })?;
        return Ok(ExitCode::SUCCESS);
    }
    let config = match &args.config {
        Some(path) => Some(Config::load(Some(path), config::environment())?),
        None => None,
    };
    let mut texts = Vec::new();
    for file in &args.files {
        if file.as_os_str() == "-" {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("cannot read standard input")?;
            texts.push(("standard input".to_owned(), text));
        } else {
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("cannot read {}", file.display()))?;
            texts.push((file.display().to_string(), text));
        }
    }
    let (mut report, attempts) = examine(&texts, config.as_ref());
    if let Some(server) = &args.server {
        let token = args.token_file.as_deref();
        live::try_all(server, token, attempts, &mut report).await?;
    }
    let colored = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let text = if args.json {
        serde_json::to_string_pretty(&report)? + "\n"
    } else {
        report.text(colored)
    };
    super::print(&text)?;
    let failed = report.count(Level::Error) > 0 || report.resources.is_empty();
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Errors and warnings of a text, and the report.
#[cfg(test)]
pub(super) fn judged(text: &str) -> (usize, usize, String) {
    let report = check(&[("test".to_owned(), text.to_owned())], None);
    (report.count(Level::Error), report.count(Level::Warning), report.text(false))
}

/// One document of a file.
struct Document {
    file: String,
    number: usize,
    tree: Tree,
}

/// Checks texts by their file names.
#[cfg(test)]
fn check(texts: &[(String, String)], config: Option<&Config>) -> Report {
    examine(texts, config).0
}

/// Checks texts by their file names; and what could be tried at a server.
fn examine(texts: &[(String, String)], config: Option<&Config>) -> (Report, Vec<Attempt>) {
    let mut attempts = Vec::new();
    let mut report = Report::default();
    let mut documents = Vec::new();
    for (file, text) in texts {
        match tree::documents(text) {
            Ok(trees) => documents.extend(trees.into_iter().zip(1..).flat_map(|(tree, number)| {
                unlisted(tree).into_iter().map(move |tree| Document {
                    file: file.clone(),
                    number,
                    tree,
                })
            })),
            Err((line, problem)) => report.resources.push(unreadable(file, line, problem, text)),
        }
    }
    let mut rules = config.map(Config::rules).unwrap_or_default();
    for Document { file, number, tree } in &documents {
        if let Some((checked, policy)) =
            days::check_policy(file, *number, tree, &mut rules, config.is_none())
        {
            if let Some(policy) = policy {
                rules.policies.insert(checked.name.clone(), policy);
            }
            report.resources.push(checked);
        }
    }
    let rhythm = config.map(|config| config.rhythm).unwrap_or_default();
    let mut unverified = false;
    let mut strangers = 0;
    for Document { file, number, tree } in &documents {
        let Some(mut resource) = Resource::read(tree) else { continue };
        let ours = resource.triggers.iter().filter(|trigger| trigger.ours).count();
        strangers += resource
            .triggers
            .iter()
            .filter(|trigger| !trigger.ours && is_external(trigger.tree))
            .count();
        if ours == 0 {
            continue;
        }
        if config.is_none() {
            for trigger in resource.triggers.iter().filter(|trigger| trigger.ours) {
                unverified |= !rules.trust(&trigger.metadata).is_empty();
            }
        }
        check_resource(&mut resource, &rules, &rhythm, &documents);
        resource.findings.sort_by_key(|finding| (finding.line, std::cmp::Reverse(finding.level)));
        let tried = resource.triggers.iter().enumerate().filter(|(_, trigger)| trigger.ours);
        attempts.extend(tried.map(|(index, trigger)| Attempt {
            resource: report.resources.len(),
            trigger: index,
            line: trigger.tree.line,
            request: TrialRequest {
                namespace: resource.namespace.unwrap_or("default").to_owned(),
                name: resource.name.to_owned(),
                metadata: trigger.metadata.clone(),
            },
        }));
        report.resources.push(Checked {
            file: file.clone(),
            document: *number,
            kind: format!("{:?}", resource.kind),
            namespace: resource.namespace.map(str::to_owned),
            name: resource.name.to_owned(),
            triggers: ours,
            findings: resource.findings,
        });
    }
    if unverified {
        let note = "sources, addresses and shared policies are taken on trust: give --config FILE to check them, too";
        report.notes.push(note.to_owned());
    }
    if strangers > 0 {
        report.notes.push(format!("external triggers of other scalers, not checked: {strangers}"));
    }
    if report.resources.is_empty() {
        report
            .notes
            .push("nothing to check: no ScaledObject or ScaledJob with a trigger of prewarm, and no policy".to_owned());
    }
    (report, attempts)
}

/// The items of a `List` (`kubectl get -o yaml`), or the document itself.
fn unlisted(tree: Tree) -> Vec<Tree> {
    match tree.at("items") {
        Some(items) if tree.text("kind").is_some_and(|kind| kind.ends_with("List")) => {
            items.list().to_vec()
        }
        _ => vec![tree],
    }
}

fn is_external(trigger: &Tree) -> bool {
    matches!(trigger.text("type"), Some("external" | "external-push"))
}

fn unreadable(file: &str, line: u64, problem: String, text: &str) -> Checked {
    let template = text
        .contains("{{")
        .then(|| "render templates first: helm template . | prewarm check -".to_owned());
    let finding =
        Finding { level: Level::Error, line, path: "YAML".to_owned(), problem, advice: template };
    Checked {
        file: file.to_owned(),
        document: 1,
        kind: "YAML".to_owned(),
        namespace: None,
        name: "that cannot be read".to_owned(),
        triggers: 0,
        findings: vec![finding],
    }
}

fn check_resource(
    resource: &mut Resource<'_>,
    rules: &Rules,
    rhythm: &LoopTiming,
    documents: &[Document],
) {
    let namespace = resource.namespace.unwrap_or("default");
    let ours = resource.triggers.iter().enumerate().filter(|(_, trigger)| trigger.ours);
    let read: Vec<Read> = ours
        .map(|(index, trigger)| Read {
            index,
            parsed: trigger::parse(namespace, resource.name, &trigger.metadata, rules),
        })
        .collect();
    for Read { index, parsed } in &read {
        let path = format!("spec.triggers[{index}].metadata");
        match &parsed.trigger {
            Ok(trigger) => {
                for warning in &trigger.warnings {
                    let known = |key: &str| resource.triggers[*index].metadata.contains_key(key);
                    match warning.split_once(": ").filter(|(key, _)| known(key)) {
                        Some((key, text)) => resource.warn(&format!("{path}.{key}"), text, None),
                        None => resource.warn(&path, warning.as_str(), None),
                    }
                }
            }
            Err(errors) => {
                for error in errors {
                    let path = if error.key == "metadata" {
                        path.clone()
                    } else {
                        format!("{path}.{}", error.key)
                    };
                    resource.error(&path, error.problem.as_str(), None);
                }
            }
        }
    }
    webhook::find(resource);
    formula::find(resource);
    neighbors::find(resource, documents);
    sibling::find(resource);
    days::find(resource, &read);
    traps::find(resource, &read);
    query::find(resource);
    pace::find(resource, &read, rhythm);
    schema::find(resource);
}

/// The table of keys, for people.
fn keys_text() -> String {
    let width = keys::ALL.iter().map(|key| key.name.len()).max().unwrap_or_default();
    let mut text = String::new();
    for key in keys::ALL {
        let default =
            key.default.map(|default| format!(" (default: {default})")).unwrap_or_default();
        text += &format!(
            "{:<width$}  {}\n{:<width$}  {}{default}\n",
            key.name,
            key.doc,
            "",
            key.range()
        );
    }
    text
}

fn keys_json() -> String {
    let keys = keys::ALL.iter().map(|key| {
        serde_json::json!({ "key": key.name, "meaning": key.doc, "allowed": key.range(), "default": key.default })
    });
    format!("{:#}\n", serde_json::Value::Array(keys.collect()))
}

#[cfg(test)]
mod field_tests;
#[cfg(test)]
mod tests;
