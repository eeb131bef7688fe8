//! Files of windows: policies, PrewarmPolicy resources, ScaledObjects and ScaledJobs, in one
//! document or several.

use std::collections::{BTreeMap, HashMap};

use jiff::civil::Date;
use serde_json::Value;

use super::super::fields::Fields;
use super::super::keys::{HOLIDAYS, POLICY_REF, WINDOWS};
use super::super::{MetadataError, Rules, SharedPolicy, holidays, look_ahead, zone};
use super::{Map, error, noted, options, parse_windows, unreadable, windows};

/// Longest file, in bytes: that of a whole repository's resources.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// Windows that a file holds.
#[derive(Debug, Clone)]
pub struct FoundPolicy {
    /// Which of the file's windows they are: `ScaledObject llm/chat, spec.triggers[0]`.
    pub title: String,
    /// Zone, windows and holidays.
    pub policy: SharedPolicy,
    /// Accepted, yet worth a word; and what only the server's configuration knows.
    pub warnings: Vec<String>,
}

/// Reads all windows of a file: `{timezone, windows, holidays}`, PrewarmPolicy resources (the same
/// under `spec`, known to the other documents by their names), and triggers that have `windows` or
/// `policyRef`. Other resources are none of our business. `on_trust` = the server's configuration
/// is not at hand. At least one is found, or there is an error.
pub fn policies(
    text: &str,
    mut rules: Rules,
    on_trust: bool,
) -> Result<Vec<FoundPolicy>, Vec<MetadataError>> {
    const EXPECTED: &str = "YAML with timezone, windows and holidays, or a ScaledObject";
    if text.len() > MOST_BYTES {
        return Err(vec![error(
            "policy",
            format!("is longer than {} MiB", MOST_BYTES / 1024 / 1024),
        )]);
    }
    let documents: Vec<Value> = serde_saphyr::from_multiple_with_options(text, options())
        .map_err(|cause| vec![unreadable(&cause, "policy", EXPECTED)])?;
    let documents: Vec<Value> = documents.into_iter().flat_map(unlisted).collect();
    let mut found = Vec::new();
    let mut errors = Vec::new();
    for document in &documents {
        let (title, fields, path) = match document.get("kind").and_then(Value::as_str) {
            Some("PrewarmPolicy") => {
                (title(document, "PrewarmPolicy"), document.get("spec"), "spec.")
            }
            None if document.get("windows").is_some() => ("policy".to_owned(), Some(document), ""),
            _ => continue,
        };
        let fields: Map =
            fields.and_then(Value::as_object).cloned().unwrap_or_default().into_iter().collect();
        let trusted = if on_trust { rules.trust(&texts(&fields)) } else { Vec::new() };
        match shared_policy(&fields, &rules.holidays) {
            Ok(policy) => {
                if let Some(name) = document.pointer("/metadata/name").and_then(Value::as_str) {
                    rules.policies.insert(name.to_owned(), policy.clone());
                }
                let surprise =
                    fields.get("timezone").and_then(Value::as_str).and_then(zone::surprise);
                let mut warnings: Vec<String> =
                    surprise.into_iter().map(|text| format!("timezone: {text}")).collect();
                warnings.extend(unknown_here(&trusted));
                found.push(FoundPolicy { title, policy, warnings });
            }
            Err(more) => errors.extend(placed(more, path)),
        }
    }
    for document in &documents {
        let kind = match document.get("kind").and_then(Value::as_str) {
            Some(kind @ ("ScaledObject" | "ScaledJob")) => kind,
            _ => continue,
        };
        let triggers = document.pointer("/spec/triggers").and_then(Value::as_array);
        for (index, trigger) in triggers.into_iter().flatten().enumerate() {
            let Some(metadata) =
                trigger.get("metadata").and_then(Value::as_object).filter(has_windows)
            else {
                continue;
            };
            let metadata = texts(&metadata.clone().into_iter().collect());
            let trusted = if on_trust { rules.trust(&metadata) } else { Vec::new() };
            let path = format!("spec.triggers[{index}]");
            match of_trigger(&metadata, &rules) {
                Ok((policy, mut warnings)) => {
                    warnings.extend(unknown_here(&trusted));
                    found.push(FoundPolicy {
                        title: format!("{}, {path}", title(document, kind)),
                        policy,
                        warnings,
                    });
                }
                Err(more) => errors.extend(placed(more, &format!("{path}.metadata."))),
            }
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    if found.is_empty() {
        let problem = "holds no windows: it needs windows, a PrewarmPolicy, or a ScaledObject with a trigger that has \
                       windows or policyRef";
        return Err(vec![error("policy", problem)]);
    }
    Ok(found)
}

/// The items of a `List` (`kubectl get -o yaml`), or the document itself.
fn unlisted(document: Value) -> Vec<Value> {
    let is_list =
        document.get("kind").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("List"));
    match document.get("items") {
        Some(Value::Array(items)) if is_list => items.clone(),
        _ => vec![document],
    }
}

fn title(document: &Value, kind: &str) -> String {
    let text = |path: &str| document.pointer(path).and_then(Value::as_str);
    let name = text("/metadata/name").unwrap_or("without a name");
    match text("/metadata/namespace") {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    }
}

fn has_windows(metadata: &&serde_json::Map<String, Value>) -> bool {
    metadata.contains_key(WINDOWS.name) || metadata.contains_key(POLICY_REF.name)
}

/// Metadata as KEDA would pass it on; what is no text there is `prewarm check`'s to say.
fn texts(fields: &Map) -> HashMap<String, String> {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    fields.iter().map(|(key, value)| (key.clone(), text(value))).collect()
}

fn of_trigger(
    metadata: &HashMap<String, String>,
    rules: &Rules,
) -> Result<(SharedPolicy, Vec<String>), Vec<MetadataError>> {
    let mut fields = Fields::new(metadata).map_err(|error| vec![error])?;
    fields.warnings.clear();
    let policy = look_ahead::own_policy(&mut fields, rules);
    if fields.errors.is_empty() { Ok((policy, fields.warnings)) } else { Err(fields.errors) }
}

fn placed(errors: Vec<MetadataError>, path: &str) -> impl Iterator<Item = MetadataError> {
    errors
        .into_iter()
        .map(move |error| MetadataError { key: format!("{path}{}", error.key), ..error })
}

fn unknown_here(trusted: &[String]) -> impl Iterator<Item = String> {
    let of_windows = trusted.iter().filter(|reference| {
        let key = reference.split(':').next().unwrap_or_default();
        key == POLICY_REF.name || key == HOLIDAYS.name
    });
    of_windows
        .map(|reference| format!("{reference} is the server's: give --config FILE to read it, too"))
}

/// Reads `{timezone, windows, holidays}`; other keys are left alone. `holidays` may name one of
/// `calendars`.
pub fn shared_policy(
    fields: &Map,
    calendars: &BTreeMap<String, Vec<Date>>,
) -> Result<SharedPolicy, Vec<MetadataError>> {
    let mut errors = Vec::new();
    let zone = fields.get("timezone").and_then(|value| {
        let found = match value {
            Value::String(name) => zone::parse(name),
            other => Err(format!("{other} is not text: write an IANA name like Europe/Berlin")),
        };
        noted(found.map_err(|problem| error("timezone", problem)), &mut errors)
    });
    let list = match fields.get("windows") {
        Some(Value::String(text)) => parse_windows(text),
        Some(tree) => windows(tree, "windows"),
        None => Err(vec![error("windows", "is missing: a list of windows")]),
    };
    let list = list.unwrap_or_else(|more| {
        errors.extend(more);
        Vec::new()
    });
    let dates = match fields.get("holidays") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(text)) => holidays::parse(text, calendars),
        // A list has the same words, each on its own.
        Some(Value::Array(words)) => {
            let words: Vec<String> = words
                .iter()
                .map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned))
                .collect();
            holidays::parse(&words.join(", "), calendars)
        }
        Some(other) => Err(vec![error(
            "holidays",
            format!("{other} must be a list of dates such as [2026-12-24]"),
        )]),
    };
    let dates = dates.unwrap_or_else(|more| {
        errors.extend(more);
        Vec::new()
    });
    if errors.is_empty() {
        Ok(SharedPolicy { zone, windows: list, holidays: dates })
    } else {
        Err(errors)
    }
}
