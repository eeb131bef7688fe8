//! Reads typed values out of a TOML file and the environment, and collects everything that is wrong
//! with them.
//!
//! Nobody lists the keys twice: a key is known because somebody asked for it, and what is left when
//! a section is finished is unknown. Environment variables are found the same way:
//! `PREWARM_TLS__CLIENT_CA` is `tls.clientCa`, because both are `TLS.CLIENTCA` without case and
//! underscores.

mod section;

use std::cell::RefCell;
use std::collections::BTreeMap;

use toml::Table;

use crate::trigger::keys::nearest;

pub(super) use section::Section;

/// Prefix of our environment variables.
const PREFIX: &str = "PREWARM_";

/// Both sources of configuration while they are read.
#[derive(Debug, Default)]
pub(super) struct Reader {
    /// The file's name, for errors.
    file: String,
    /// Variables nobody has asked for yet, by path.
    variables: RefCell<BTreeMap<Vec<String>, Variable>>,
    problems: RefCell<Vec<String>>,
    /// Full names of the keys that were asked for.
    asked: RefCell<Vec<String>>,
}

/// An environment variable.
#[derive(Clone)]
struct Variable {
    name: String,
    value: String,
}

// Values may be secret.
impl std::fmt::Debug for Variable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

impl Reader {
    /// A reader of `PREWARM_…` variables and of the file called `file`.
    pub(super) fn new(file: String, variables: impl Iterator<Item = (String, String)>) -> Self {
        let ours = variables.filter_map(|(name, value)| {
            let path = name.strip_prefix(PREFIX)?;
            let path = path.split("__").map(plain).collect();
            Some((path, Variable { name, value }))
        });
        Self { file, variables: RefCell::new(ours.collect()), ..Self::default() }
    }

    /// The whole configuration.
    pub(super) fn root(&self, table: Table) -> Section<'_> {
        Section { reader: self, path: Vec::new(), table, known: Vec::new() }
    }

    /// Notes what is wrong.
    pub(super) fn problem(&self, text: String) {
        self.problems.borrow_mut().push(text);
    }

    /// Everything that is wrong, variables that nobody asked for included.
    pub(super) fn finish(self) -> Vec<String> {
        let mut problems = self.problems.into_inner();
        let asked = self.asked.into_inner();
        for (path, Variable { name, .. }) in self.variables.into_inner() {
            let written = path.join(".");
            let near = nearest(&written, asked.iter().map(|key| (key.as_str(), key)));
            // One underscore is what others use, too: Kubernetes announces a Service called
            // "prewarm" as PREWARM_PORT. Two can only be meant for us.
            let below = asked.iter().find(|key| {
                key.split_once('.').is_some_and(|(section, _)| plain(section) == written)
            });
            match near.or(below) {
                Some(key) => {
                    problems.push(format!("{name}: no such key; did you mean {}?", variable(key)))
                }
                None if path.len() > 1 => {
                    problems.push(format!(
                        "{name}: no such key; `prewarm default-config` prints them all"
                    ));
                }
                None => {}
            }
        }
        problems
    }
}

/// A name without case and separators.
fn plain(name: &str) -> String {
    name.replace(['_', '-'], "").to_ascii_uppercase()
}

/// The environment variable of a key: `tls.clientCa` → `PREWARM_TLS__CLIENT_CA`.
fn variable(key: &str) -> String {
    let mut name = PREFIX.to_owned();
    for c in key.chars() {
        match c {
            '.' => name += "__",
            '-' => name.push('_'),
            c if c.is_ascii_uppercase() => name.extend(['_', c]),
            c => name.push(c.to_ascii_uppercase()),
        }
    }
    name
}
