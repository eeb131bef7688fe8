//! A ScaledObject or ScaledJob, as far as a check looks at it.

use std::collections::HashMap;

use super::finding::{Finding, Level};
use super::tree::{Node, Tree};
use crate::trigger::keys::{self, Name};

/// Which resource it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    ScaledObject,
    ScaledJob,
}

/// The resource with its triggers.
#[derive(Debug)]
pub(super) struct Resource<'t> {
    pub(super) kind: Kind,
    pub(super) name: &'t str,
    pub(super) namespace: Option<&'t str>,
    pub(super) tree: &'t Tree,
    pub(super) triggers: Vec<Trigger<'t>>,
    pub(super) findings: Vec<Finding>,
}

/// One trigger of the resource.
#[derive(Debug)]
pub(super) struct Trigger<'t> {
    /// `spec.triggers[0]`.
    pub(super) path: String,
    pub(super) tree: &'t Tree,
    /// Answered by Prewarm, as far as can be told.
    pub(super) ours: bool,
    /// Metadata as KEDA passes it on.
    pub(super) metadata: HashMap<String, String>,
}

/// Keys that no other external scaler has, whatever stands beside them.
const DISTINCTIVE: [&str; 9] = [
    "policyRef",
    "leadTime",
    "coldStart",
    "costRatio",
    "historyWindow",
    "maxPrewarmReplicas",
    "scaledJob",
    "onNoData",
    "keepWarm",
];

/// Keys that tell beside others of ours: another scaler may know windows or presets as well.
const TELLING: [&str; 5] = ["windows", "preset", "backlogQuery", "latencyQuery", "scaleToZero"];

/// Keys whose values are "true" or "false", and nothing else.
const FLAGS: [&str; 3] = ["scaledJob", "enableTLS", "unsafeSsl"];

impl<'t> Resource<'t> {
    /// Reads a document; `None` if it is another kind of resource.
    pub(super) fn read(tree: &'t Tree) -> Option<Self> {
        let kind = match tree.text("kind")? {
            "ScaledObject" => Kind::ScaledObject,
            "ScaledJob" => Kind::ScaledJob,
            _ => return None,
        };
        let mut resource = Self {
            kind,
            name: tree.text("metadata.name").unwrap_or_default(),
            namespace: tree.text("metadata.namespace"),
            tree,
            triggers: Vec::new(),
            findings: Vec::new(),
        };
        let triggers = tree.at("spec.triggers").map_or(&[][..], Tree::list);
        resource.triggers = triggers
            .iter()
            .enumerate()
            .map(|(index, tree)| resource.trigger(index, tree))
            .collect();
        Some(resource)
    }

    fn trigger(&mut self, index: usize, tree: &'t Tree) -> Trigger<'t> {
        let path = format!("spec.triggers[{index}]");
        let entries = tree.at("metadata").map_or(&[][..], Tree::entries);
        let ours = is_ours(tree);
        let mut metadata = HashMap::new();
        for (key, value) in entries {
            match &value.node {
                Node::Text(text) => drop(metadata.insert(key.clone(), text.clone())),
                // Read on as if it were text: one complaint about it is enough.
                _ if ours => {
                    if let Some(meant) =
                        self.not_text(&format!("{path}.metadata.{key}"), key, value)
                    {
                        metadata.insert(key.clone(), meant);
                    }
                }
                _ => {}
            }
        }
        Trigger { path, tree, ours, metadata }
    }

    /// Notes that a value is no text, and how to write it. Returns what was meant.
    fn not_text(&mut self, path: &str, key: &str, value: &Tree) -> Option<String> {
        const REFUSED: &str = "Kubernetes refuses metadata values that are not text";
        let read = scalar(&value.node);
        let written =
            if value.written.is_empty() { read.clone() } else { Some(value.written.clone()) };
        let meant = if FLAGS.contains(&key) { read.clone() } else { written.clone() };
        let shown = meant.as_deref().unwrap_or("…");
        let problem = format!("must be text: write {key}: \"{shown}\"");
        match (&value.node, &read, &written) {
            (Node::Flag(_), Some(read), Some(written)) if read != written => {
                let advice = format!("unquoted, {written} is {read} in YAML 1.1; {REFUSED}");
                self.error(path, problem, Some(&advice));
            }
            _ => self.error(path, problem, Some(REFUSED)),
        }
        meant
    }

    /// Notes a finding.
    pub(super) fn find(
        &mut self,
        level: Level,
        path: &str,
        problem: impl Into<String>,
        advice: Option<&str>,
    ) {
        self.findings.push(Finding {
            level,
            line: self.tree.line_of(path),
            path: path.to_owned(),
            problem: problem.into(),
            advice: advice.map(str::to_owned),
        });
    }

    /// Notes a finding whose line is known.
    pub(super) fn find_at(
        &mut self,
        line: u64,
        level: Level,
        path: &str,
        problem: impl Into<String>,
        advice: Option<&str>,
    ) {
        self.find(level, path, problem, advice);
        if let Some(finding) = self.findings.last_mut() {
            finding.line = line;
        }
    }

    /// Notes an error.
    pub(super) fn error(&mut self, path: &str, problem: impl Into<String>, advice: Option<&str>) {
        self.find(Level::Error, path, problem, advice);
    }

    /// Notes a warning.
    pub(super) fn warn(&mut self, path: &str, problem: impl Into<String>, advice: Option<&str>) {
        self.find(Level::Warning, path, problem, advice);
    }

    /// A whole number below `spec`. One in quotation marks is refused by the API server, and is
    /// read all the same: what it hides is to be told, too.
    pub(super) fn whole(&self, key: &str) -> Option<i64> {
        let path = format!("spec.{key}");
        let quoted = || self.tree.text(&path).and_then(|text| text.trim().parse().ok());
        self.tree.whole(&path).or_else(quoted)
    }
}

/// Whether a trigger is answered by Prewarm, as far as can be told: by the name of the Service that
/// it dials, or by keys that no other scaler has. The namespace of the Service says nothing: other
/// scalers may live beside us.
fn is_ours(trigger: &Tree) -> bool {
    if !matches!(trigger.text("type"), Some("external" | "external-push")) {
        return false;
    }
    let address = trigger.text("metadata.scalerAddress").unwrap_or_default();
    // `dns:///host:port`, and what people write by mistake.
    let host = address.split_once("://").map_or(address, |(_, rest)| rest.trim_start_matches('/'));
    let service = host.split(['.', ':', '/']).next().unwrap_or_default();
    if service.to_ascii_lowercase().contains("prewarm") {
        return true;
    }
    let keys: Vec<&str> = trigger
        .at("metadata")
        .map_or(&[][..], Tree::entries)
        .iter()
        .map(|(key, _)| key.as_str())
        .collect();
    let plain = |key: &str| key.replace(['-', '_'], "").to_ascii_lowercase();
    let distinctive = |key: &&str| DISTINCTIVE.iter().any(|known| plain(known) == plain(key));
    // A threshold and a query say little: many scalers have them.
    let known = keys.iter().filter(|key| keys::judge(key) == Name::Known).count();
    let telling = keys.iter().any(|key| TELLING.contains(key));
    keys.iter().any(distinctive) || (telling && known >= 2)
}

fn scalar(node: &Node) -> Option<String> {
    match node {
        Node::Flag(flag) => Some(flag.to_string()),
        Node::Whole(number) => Some(number.to_string()),
        Node::Number(number) => Some(number.to_string()),
        Node::Text(_) | Node::Null | Node::List(_) | Node::Map(_) => None,
    }
}
