//! What the API server refuses by KEDA's schemas: types, bounds, missing and unknown fields.
//!
//! `schema/keda.json` holds the schemas of ScaledObject and ScaledJob as KEDA's module has them; it
//! says of which version, and how it is brought up to date. They are structural schemas, whose
//! rules JSON Schema does not have (a null is absent, an unknown field is refused by a strict write,
//! a quantity is a number or text), and a finding needs its line: hence a walk of our own along
//! document and schema, shorter than what a validator's answers would have to be turned into.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;
use serde::Deserialize;

use super::finding::{Finding, Level};
use super::resource::{Kind, Resource};
use super::tree::{Node, Tree};
use crate::trigger::keys::nearest;

/// KEDA's API, and the one before it.
const API_VERSION: &str = "keda.sh/v1alpha1";
const KEDA_1: &str = "keda.k8s.io/";

/// What Kubernetes itself knows below `metadata`; `true` = a map of text.
const METADATA: [(&str, bool); 15] = [
    ("name", false),
    ("generateName", false),
    ("namespace", false),
    ("labels", true),
    ("annotations", true),
    ("creationTimestamp", false),
    ("deletionGracePeriodSeconds", false),
    ("deletionTimestamp", false),
    ("finalizers", false),
    ("generation", false),
    ("managedFields", false),
    ("ownerReferences", false),
    ("resourceVersion", false),
    ("selfLink", false),
    ("uid", false),
];

/// The schemas, as they are kept.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Schemas {
    #[serde(rename = "origin")]
    _origin: String,
    #[serde(rename = "ScaledObject")]
    scaled_object: Schema,
    #[serde(rename = "ScaledJob")]
    scaled_job: Schema,
}

/// A structural schema, as far as KEDA's use it. A keyword that is not here fails the test that
/// reads them.
#[derive(Debug, Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Schema {
    #[serde(rename = "type")]
    kind: String,
    format: Option<String>,
    minimum: Option<i64>,
    maximum: Option<i64>,
    min_length: Option<usize>,
    min_items: Option<usize>,
    pattern: Option<String>,
    #[serde(rename = "enum")]
    words: Vec<String>,
    required: Vec<String>,
    nullable: bool,
    properties: BTreeMap<String, Schema>,
    items: Option<Box<Schema>>,
    additional_properties: Option<Box<Schema>>,
    #[serde(rename = "x-kubernetes-int-or-string")]
    quantity: bool,
    #[serde(rename = "x-kubernetes-preserve-unknown-fields")]
    open: bool,
}

static SCHEMAS: LazyLock<Option<Schemas>> =
    LazyLock::new(|| serde_json::from_str(include_str!("schema/keda.json")).ok());

/// Looks for what would be refused. Findings of the rules that came before win over a mere bound.
pub(super) fn find(resource: &mut Resource<'_>) {
    let tree = resource.tree;
    let version = tree.text("apiVersion").unwrap_or_default();
    if version.starts_with(KEDA_1) {
        return keda_1(resource, version);
    }
    if version != API_VERSION {
        let problem = match version {
            "" => "is missing".to_owned(),
            other => format!("is {other:?}"),
        };
        resource.error("apiVersion", problem, Some("write apiVersion: keda.sh/v1alpha1"));
    }
    let Some(schemas) = SCHEMAS.as_ref() else { return };
    let schema = match resource.kind {
        Kind::ScaledObject => &schemas.scaled_object,
        Kind::ScaledJob => &schemas.scaled_job,
    };
    let mut walk = Walk { root: schema, findings: Vec::new(), ours: Vec::new() };
    walk.ours = resource
        .triggers
        .iter()
        .filter(|trigger| trigger.ours)
        .map(|trigger| format!("{}.metadata", trigger.path))
        .collect();
    walk.metadata(tree);
    walk.object(schema, tree, "");
    for (of_bounds, finding) in walk.findings {
        let told = |other: &Finding| other.path == finding.path && other.level == Level::Error;
        if !of_bounds || !resource.findings.iter().any(told) {
            resource.findings.push(finding);
        }
    }
}

/// A resource of KEDA 1: its words for what has another name now.
fn keda_1(resource: &mut Resource<'_>, version: &str) {
    resource.error(
        "apiVersion",
        format!("is {version:?}: KEDA 1, which KEDA 2 does not read"),
        Some("write apiVersion: keda.sh/v1alpha1, and see KEDA's guide for migration to 2.x"),
    );
    for (old, new) in [
        ("spec.scaleTargetRef.deploymentName", "spec.scaleTargetRef.name"),
        ("spec.scaleTargetRef.containerName", "spec.scaleTargetRef.envSourceContainerName"),
        ("spec.scaleType", "kind: ScaledJob"),
    ] {
        if resource.tree.at(old).is_some() {
            resource.error(old, format!("is KEDA 1's: now {new}"), None);
        }
    }
}

/// A walk along a document and its schema.
struct Walk<'s> {
    root: &'s Schema,
    /// With each whether it is of bounds or words alone: the type is right.
    findings: Vec<(bool, Finding)>,
    /// Metadata that is read, and judged, elsewhere.
    ours: Vec<String>,
}

impl<'s> Walk<'s> {
    fn value(&mut self, schema: &'s Schema, tree: &Tree, path: &str) {
        if schema.open || (schema.nullable && tree.node == Node::Null) {
            return;
        }
        match schema.kind.as_str() {
            _ if schema.quantity => match &tree.node {
                Node::Whole(_) => {}
                Node::Text(text) => self.text(schema, text, tree, path),
                _ => self.wrong(tree, path, "a whole number or text"),
            },
            "integer" => match tree.node {
                Node::Whole(number) => self.whole(schema, number, tree, path),
                Node::Number(number) if number.fract() == 0.0 && number.abs() < 1e15 => {
                    self.whole(schema, number as i64, tree, path);
                }
                Node::Number(_) => self.wrong(tree, path, "a whole number"),
                _ => self.wrong(tree, path, "a number"),
            },
            "number" => match tree.node {
                Node::Whole(_) | Node::Number(_) => {}
                _ => self.wrong(tree, path, "a number"),
            },
            "boolean" if !matches!(tree.node, Node::Flag(_)) => {
                self.wrong(tree, path, "true or false");
            }
            "string" => match &tree.node {
                Node::Text(text) => self.text(schema, text, tree, path),
                _ => self.wrong(tree, path, "text"),
            },
            "array" => self.list(schema, tree, path),
            "object" => self.object(schema, tree, path),
            _ => {}
        }
    }

    fn whole(&mut self, schema: &Schema, number: i64, tree: &Tree, path: &str) {
        if let Some(least) = schema.minimum.filter(|least| number < *least) {
            self.bounds(tree, path, format!("{number} is below {least}"));
        }
        let most = match schema.format.as_deref() {
            Some("int32") => Some(i64::from(i32::MAX)),
            _ => None,
        };
        let most = schema.maximum.or(most);
        if let Some(most) = most.filter(|most| number > *most) {
            self.bounds(tree, path, format!("{number} is above {most}"));
        }
    }

    fn text(&mut self, schema: &Schema, text: &str, tree: &Tree, path: &str) {
        if schema.min_length.is_some_and(|least| text.chars().count() < least) {
            self.bounds(tree, path, "is empty".to_owned());
        }
        if !schema.words.is_empty() && !schema.words.iter().any(|word| word == text) {
            let near = nearest(text, schema.words.iter().map(|word| (word.as_str(), word)));
            let hint = near.map(|word| format!("; did you mean {word:?}?")).unwrap_or_default();
            let allowed = schema.words.join(", ");
            self.bounds(tree, path, format!("{text:?} is none of {allowed}{hint}"));
        }
        let fits = |pattern: &String| Regex::new(pattern).is_ok_and(|regex| regex.is_match(text));
        if schema.pattern.as_ref().is_some_and(|pattern| !fits(pattern)) {
            self.bounds(tree, path, format!("{text:?} is no quantity such as 0.05, 5% is 0.05"));
        }
    }

    fn list(&mut self, schema: &'s Schema, tree: &Tree, path: &str) {
        let Node::List(items) = &tree.node else {
            let advice = matches!(tree.node, Node::Map(_))
                .then(|| "each item of a list begins with a dash".to_owned());
            return self.note(false, tree, path, wrong(&tree.node, "a list"), advice);
        };
        if schema.min_items.is_some_and(|least| items.len() < least) {
            self.bounds(tree, path, "has no item".to_owned());
        }
        for (index, item) in items.iter().enumerate() {
            if let Some(schema) = &schema.items {
                self.value(schema, item, &format!("{path}[{index}]"));
            }
        }
    }

    fn object(&mut self, schema: &'s Schema, tree: &Tree, path: &str) {
        let Node::Map(entries) = &tree.node else {
            return self.wrong(tree, path, "a map of keys and values");
        };
        let below = |key: &str| {
            if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
        };
        // `metadata` is Kubernetes' own, `status` is what KEDA writes itself.
        let elsewhere = |key: &str| path.is_empty() && matches!(key, "metadata" | "status");
        for key in &schema.required {
            if !entries.iter().any(|(name, tree)| name == key && tree.node != Node::Null) {
                let advice = match key.as_str() {
                    "scaleTargetRef" => Some("name the Deployment or StatefulSet that is scaled"),
                    "jobTargetRef" => Some("write the Job that is started"),
                    _ => None,
                };
                let advice = advice.map(str::to_owned);
                self.note(false, tree, &below(key), "is missing".to_owned(), advice);
            }
        }
        for (key, value) in entries.iter().filter(|(key, _)| !elsewhere(key)) {
            let path = below(key);
            let known = schema.properties.get(key).or(schema.additional_properties.as_deref());
            match known {
                // The API server drops a null before it looks.
                Some(schema) if value.node == Node::Null && !schema.nullable => {}
                Some(_) if self.ours.contains(&path) => {}
                Some(schema) => self.value(schema, value, &path),
                None => self.unknown(schema, key, value, &path),
            }
        }
    }

    /// A key that the schema does not have. KEDA never sees it.
    fn unknown(&mut self, schema: &Schema, key: &str, tree: &Tree, path: &str) {
        let near = nearest(key, schema.properties.keys().map(|name| (name.as_str(), name)));
        let hint = match near {
            Some(name) => format!("did you mean {name}?"),
            None => match place(self.root, key, "") {
                Some(place) => format!("it belongs at {place}"),
                None if schema.properties.len() > 12 || schema.properties.is_empty() => {
                    "take it out".to_owned()
                }
                None => {
                    let known: Vec<&str> = schema.properties.keys().map(String::as_str).collect();
                    format!("known here: {}", known.join(", "))
                }
            },
        };
        let advice = "kubectl refuses it, and where validation is off it is dropped in silence";
        self.note(false, tree, path, format!("is not a field; {hint}"), Some(advice.to_owned()));
    }

    /// Kubernetes' own part.
    fn metadata(&mut self, tree: &Tree) {
        let Some(metadata) = tree.at("metadata") else {
            return self.note(false, tree, "metadata", "is missing".to_owned(), None);
        };
        let name = metadata.text("name").unwrap_or_default();
        if name.is_empty() && metadata.text("generateName").is_none() {
            self.note(false, metadata, "metadata.name", "is missing".to_owned(), None);
        } else if !is_name(name) && !name.is_empty() {
            let advice = "lower-case letters, digits, - and ., beginning and ending with a letter or digit, at most 253";
            let problem = format!("{name:?} is no name of a resource");
            let at = metadata.at("name").unwrap_or(metadata);
            self.note(false, at, "metadata.name", problem, Some(advice.to_owned()));
        }
        for (key, value) in metadata.entries() {
            let path = format!("metadata.{key}");
            let Some((_, of_text)) = METADATA.iter().find(|(name, _)| name == key) else {
                let near = nearest(key, METADATA.iter().map(|(name, _)| (*name, *name)));
                let hint = near.map(|name| format!("; did you mean {name}?")).unwrap_or_default();
                self.note(false, value, &path, format!("is not a field{hint}"), None);
                continue;
            };
            for (key, text) in value.entries().iter().filter(|_| *of_text) {
                if !matches!(text.node, Node::Text(_)) && text.node != Node::Null {
                    self.wrong(text, &format!("{path}.{key}"), "text");
                }
            }
        }
    }

    fn wrong(&mut self, tree: &Tree, path: &str, wanted: &str) {
        let key = path.rsplit('.').next().unwrap_or(path);
        let shown = match (&tree.node, wanted) {
            (Node::Text(text), "a number") => {
                text.trim().parse::<i64>().is_ok().then(|| text.trim().to_owned())
            }
            (Node::Text(text), "true or false") => {
                matches!(text.as_str(), "true" | "false").then(|| text.clone())
            }
            (Node::Flag(_) | Node::Whole(_) | Node::Number(_), "text") => {
                Some(format!("\"{}\"", tree.written))
            }
            _ => None,
        };
        let refused = "the API server refuses the whole resource";
        let advice = match shown {
            Some(value) => format!("{refused}: write {key}: {value}"),
            None => refused.to_owned(),
        };
        self.note(false, tree, path, wrong(&tree.node, wanted), Some(advice));
    }

    fn bounds(&mut self, tree: &Tree, path: &str, problem: String) {
        let advice = Some("the API server refuses the whole resource".to_owned());
        self.note(true, tree, path, problem, advice);
    }

    fn note(
        &mut self,
        of_bounds: bool,
        tree: &Tree,
        path: &str,
        problem: String,
        advice: Option<String>,
    ) {
        let (level, path) = (Level::Error, path.to_owned());
        self.findings.push((of_bounds, Finding { level, line: tree.line, path, problem, advice }));
    }
}

/// Where a field of this name is known; the template of a Job has too many of all names.
fn place(schema: &Schema, key: &str, path: &str) -> Option<String> {
    schema.properties.iter().filter(|(name, _)| *name != "jobTargetRef").find_map(
        |(name, inner)| {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            if name == key && path.contains('.') {
                return Some(path);
            }
            let items =
                inner.items.as_deref().and_then(|items| place(items, key, &format!("{path}[]")));
            items.or_else(|| place(inner, key, &path))
        },
    )
}

fn wrong(node: &Node, wanted: &str) -> String {
    let is = match node {
        Node::Null => "is empty".to_owned(),
        Node::Flag(flag) => format!("is {flag}"),
        Node::Whole(number) => format!("is the number {number}"),
        Node::Number(number) => format!("is the number {number}"),
        Node::Text(text) if text.chars().count() > 40 => "is text".to_owned(),
        Node::Text(text) => format!("is the text {text:?}"),
        Node::List(_) => "is a list".to_owned(),
        Node::Map(_) => "is a map".to_owned(),
    };
    format!("must be {wanted}, {is}")
}

/// A DNS subdomain, RFC 1123.
fn is_name(text: &str) -> bool {
    let label = |label: &str| {
        let ends =
            |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        ends(label.chars().next())
            && ends(label.chars().next_back())
            && label.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    };
    text.len() <= 253 && text.split('.').all(label)
}
