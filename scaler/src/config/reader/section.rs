//! One table of the configuration while it is read.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use jiff::SignedDuration;
use serde_json::Value as Json;
use toml::{Table, Value};

use super::{PREFIX, Reader, plain, variable};
use crate::duration::{self, quoted};
use crate::trigger::keys::nearest;

/// A value and where it came from.
#[derive(Debug)]
pub(in crate::config) struct Given {
    value: Value,
    /// `prewarm.toml: tls.cert` or `PREWARM_TLS__CERT`.
    place: String,
    from_environment: bool,
}

/// One table of the configuration.
#[derive(Debug)]
pub(in crate::config) struct Section<'r> {
    pub(super) reader: &'r Reader,
    pub(super) path: Vec<String>,
    pub(super) table: Table,
    pub(super) known: Vec<&'static str>,
}

impl<'r> Section<'r> {
    /// A key's full name.
    pub(in crate::config) fn full(&self, key: &str) -> String {
        self.path.iter().map(String::as_str).chain([key]).collect::<Vec<_>>().join(".")
    }

    /// Notes what is wrong with a key of this section.
    pub(in crate::config) fn problem(&self, key: &str, problem: impl std::fmt::Display) {
        self.reader.problem(format!("{}{}: {problem}", self.reader.file, self.full(key)));
    }

    /// The raw value, the environment's first.
    pub(in crate::config) fn take(&mut self, key: &'static str) -> Option<Given> {
        self.known.push(key);
        self.reader.asked.borrow_mut().push(self.full(key));
        let in_file = self.table.remove(key);
        let path = self.path.iter().map(String::as_str).chain([key]).map(plain).collect::<Vec<_>>();
        if let Some(variable) = self.reader.variables.borrow_mut().remove(&path) {
            return Some(Given {
                value: Value::String(variable.value),
                place: variable.name,
                from_environment: true,
            });
        }
        let place = format!("{}{}", self.reader.file, self.full(key));
        in_file.map(|value| Given { value, place, from_environment: false })
    }

    fn reject<T>(&self, given: &Given, expected: &str) -> Option<T> {
        let value = match &given.value {
            Value::String(text) => quoted(text),
            Value::Integer(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
            Value::Boolean(flag) => flag.to_string(),
            other => format!("({})", other.type_str()),
        };
        self.reader.problem(format!("{} = {value}: must be {expected}", given.place));
        None
    }

    /// Like `reject`, for values that may hold a secret.
    fn reject_unseen<T>(&self, given: &Given, expected: &str) -> Option<T> {
        self.reader.problem(format!("{}: must be {expected}", given.place));
        None
    }

    /// Text that is not empty.
    pub(in crate::config) fn text(&mut self, key: &'static str, expected: &str) -> Option<String> {
        let given = self.take(key)?;
        match given.value.as_str().map(str::trim) {
            Some(text) if !text.is_empty() => Some(text.to_owned()),
            _ => self.reject(&given, expected),
        }
    }

    /// Text that `parse` understands and that must not be shown.
    pub(in crate::config) fn unseen<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let given = self.take(key)?;
        given.value.as_str().and_then(parse).or_else(|| self.reject_unseen(&given, expected))
    }

    /// A secret that must not stand in the file.
    pub(in crate::config) fn secret_variable(
        &mut self,
        key: &'static str,
        instead: &str,
    ) -> Option<String> {
        let given = self.take(key)?;
        if given.from_environment {
            let text = given.value.as_str().filter(|text| !text.is_empty());
            return text
                .map(str::to_owned)
                .or_else(|| self.reject_unseen(&given, "text that is not empty"));
        }
        self.problem(
            key,
            format!(
                "a secret does not belong in this file: use {instead}, or {}",
                variable(&self.full(key))
            ),
        );
        None
    }

    /// The path of a file.
    pub(in crate::config) fn path(&mut self, key: &'static str) -> Option<PathBuf> {
        self.text(key, "the path of a file").map(PathBuf::from)
    }

    /// Text that `parse` understands.
    pub(in crate::config) fn parsed<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let given = self.take(key)?;
        given
            .value
            .as_str()
            .and_then(|text| parse(text.trim()))
            .or_else(|| self.reject(&given, expected))
    }

    /// A duration within bounds.
    pub(in crate::config) fn duration(
        &mut self,
        key: &'static str,
        range: RangeInclusive<SignedDuration>,
    ) -> Option<SignedDuration> {
        let given = self.take(key)?;
        let bounds = format!(
            "a duration from {} to {}",
            duration::text(*range.start()),
            duration::text(*range.end())
        );
        match given.value.as_str().map(|text| duration::parse(text.trim())) {
            Some(Ok(duration)) if range.contains(&duration) => Some(duration),
            Some(Err(problem)) => {
                self.reader.problem(format!("{}: {problem} ({bounds})", given.place));
                None
            }
            Some(Ok(_)) => self.reject(&given, &bounds),
            None => self.reject(&given, &format!("{bounds}, quoted and with its unit (\"90s\")")),
        }
    }

    /// A whole number within bounds.
    pub(in crate::config) fn whole(
        &mut self,
        key: &'static str,
        range: RangeInclusive<usize>,
    ) -> Option<usize> {
        let given = self.take(key)?;
        let number = match &given.value {
            Value::Integer(number) => usize::try_from(*number).ok(),
            Value::String(text) if given.from_environment => text.trim().parse().ok(),
            _ => None,
        };
        let expected = || format!("a whole number from {} to {}", range.start(), range.end());
        number.filter(|number| range.contains(number)).or_else(|| self.reject(&given, &expected()))
    }

    /// True or false.
    pub(in crate::config) fn flag(&mut self, key: &'static str) -> Option<bool> {
        let given = self.take(key)?;
        match &given.value {
            Value::Boolean(flag) => Some(*flag),
            Value::String(text) if given.from_environment && text == "true" => Some(true),
            Value::String(text) if given.from_environment && text == "false" => Some(false),
            _ => self.reject(&given, "true or false"),
        }
    }

    /// A list of texts; in the environment they are separated by commas.
    pub(in crate::config) fn texts(&mut self, key: &'static str) -> Option<Vec<String>> {
        let given = self.take(key)?;
        match &given.value {
            Value::Array(list) => {
                match list.iter().map(|item| item.as_str().map(str::to_owned)).collect() {
                    Some(texts) => Some(texts),
                    None => self.reject(&given, "a list of texts"),
                }
            }
            Value::String(text) if given.from_environment => Some(
                text.split(',')
                    .map(str::trim)
                    .filter(|item| !item.is_empty())
                    .map(str::to_owned)
                    .collect(),
            ),
            _ => self.reject(&given, "a list of texts"),
        }
    }

    /// Whatever stands there, as a tree.
    pub(in crate::config) fn tree(&mut self, key: &'static str) -> Option<Json> {
        self.take(key).map(|given| json(given.value))
    }

    /// A table of the file by key, and all variables below it.
    pub(in crate::config) fn section(&mut self, key: &'static str) -> Section<'r> {
        self.known.push(key);
        let table = self.table_of(key);
        self.child(key, table)
    }

    /// The tables below a key, by a name that people choose; variables may add to them or make new
    /// ones.
    pub(in crate::config) fn named(&mut self, key: &'static str) -> Vec<(String, Section<'r>)> {
        self.section(key).children()
    }

    /// Every entry as a section of its own.
    fn children(mut self) -> Vec<(String, Section<'r>)> {
        let mut names: Vec<String> = self.table.keys().cloned().collect();
        let here: Vec<String> = self.path.iter().map(|part| plain(part)).collect();
        for (path, variable) in self.reader.variables.borrow().iter() {
            let below = path.len() > here.len() + 1 && path.starts_with(&here);
            if below && !names.iter().any(|name| plain(name) == path[here.len()]) {
                let written =
                    variable.name[PREFIX.len()..].split("__").nth(here.len()).unwrap_or_default();
                names.push(written.to_ascii_lowercase().replace('_', "-"));
            }
        }
        let name_fits = |name: &str| {
            let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            (1..=63).contains(&name.len()) && name.chars().all(fits)
        };
        let mut children = Vec::new();
        for name in names {
            if name_fits(&name) {
                let table = self.table_of(&name);
                children.push((name.clone(), self.child(&name, table)));
            } else {
                self.problem(&quoted(&name), "a name must be 1 to 63 of a-z, A-Z, 0-9, - and _");
            }
        }
        children
    }

    /// Texts by a name that people choose, like HTTP headers; the values must not be shown.
    pub(in crate::config) fn secrets(&mut self, key: &'static str) -> Vec<(String, String)> {
        let section = self.section(key);
        let here: Vec<String> = section.path.iter().map(|part| plain(part)).collect();
        let mut variables = section.reader.variables.borrow_mut();
        let below: Vec<_> = variables
            .keys()
            .filter(|path| path.len() == here.len() + 1 && path.starts_with(&here))
            .cloned()
            .collect();
        let mut texts: BTreeMap<String, (String, String)> = BTreeMap::new();
        for (name, value) in &section.table {
            match value.as_str() {
                Some(value) => drop(texts.insert(plain(name), (name.clone(), value.to_owned()))),
                None => section.problem(name, "must be text"),
            }
        }
        for path in below {
            let Some(variable) = variables.remove(&path) else { continue };
            let written = variable.name.rsplit("__").next().unwrap_or_default();
            let name = written.to_ascii_lowercase().replace('_', "-");
            texts.insert(path[here.len()].clone(), (name, variable.value));
        }
        section.reader.asked.borrow_mut().push(section.path.join("."));
        texts.into_values().collect()
    }

    fn table_of(&mut self, key: &str) -> Table {
        match self.table.remove(key) {
            Some(Value::Table(table)) => table,
            Some(other) => {
                self.problem(
                    key,
                    format!(
                        "must be a section ({} given): write [{}]",
                        other.type_str(),
                        self.full(key)
                    ),
                );
                Table::new()
            }
            None => Table::new(),
        }
    }

    fn child(&self, key: &str, table: Table) -> Section<'r> {
        let path = self.path.iter().cloned().chain([key.to_owned()]).collect();
        Section { reader: self.reader, path, table, known: Vec::new() }
    }

    /// Whether anything stands here, in the file or in the environment.
    pub(in crate::config) fn is_empty(&self) -> bool {
        let here: Vec<String> = self.path.iter().map(|part| plain(part)).collect();
        self.table.is_empty()
            && !self.reader.variables.borrow().keys().any(|path| path.starts_with(&here))
    }

    /// Reports what nobody asked for.
    pub(in crate::config) fn finish(self) {
        for key in self.table.keys() {
            let hint = match nearest(key, self.known.iter().map(|known| (*known, known))) {
                Some(known) => format!("did you mean {known}?"),
                None => format!("known here: {}", self.known.join(", ")),
            };
            self.problem(&shown(key), format!("no such key; {hint}"));
        }
    }
}

fn shown(key: &str) -> String {
    let plain = key.len() <= 60 && key.chars().all(|c| c.is_ascii_graphic());
    if plain { key.to_owned() } else { quoted(key) }
}

/// TOML as JSON; dates and times become text.
fn json(value: Value) -> Json {
    match value {
        Value::String(text) => Json::String(text),
        Value::Integer(number) => number.into(),
        Value::Float(number) => number.into(),
        Value::Boolean(flag) => flag.into(),
        Value::Datetime(moment) => Json::String(match (moment.date, moment.time) {
            // TOML writes 08:00:00 where windows say "08:00".
            (None, Some(time)) if time.second.unwrap_or_default() == 0 => {
                format!("{:02}:{:02}", time.hour, time.minute)
            }
            _ => moment.to_string(),
        }),
        Value::Array(list) => list.into_iter().map(json).collect(),
        Value::Table(table) => {
            Json::Object(table.into_iter().map(|(key, value)| (key, json(value))).collect())
        }
    }
}
