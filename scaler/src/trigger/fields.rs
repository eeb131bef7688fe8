//! Reads typed values out of metadata and collects everything that is wrong with them.

use std::collections::HashMap;
use std::fmt::Display;

use jiff::SignedDuration;
use prewarm_forecaster::decide::policy::Threshold;

use super::MetadataError;
use super::keys::{self, Form, Key, Name};
use crate::duration::{self, quoted};

/// Keys and values together; KEDA's own (certificates) included.
const MAX_BYTES: usize = 128 * 1024;

/// A trigger's metadata while it is read.
#[derive(Debug)]
pub(super) struct Fields<'a> {
    metadata: &'a HashMap<String, String>,
    /// Keys that were most likely meant by misspelt ones.
    meant: Vec<&'static str>,
    /// What is wrong, in the order of reading.
    pub(super) errors: Vec<MetadataError>,
    /// What is worth a word.
    pub(super) warnings: Vec<String>,
}

impl<'a> Fields<'a> {
    /// Judges the keys' names; values are read on demand. Errs if there is too much to read at all.
    pub(super) fn new(metadata: &'a HashMap<String, String>) -> Result<Self, MetadataError> {
        let bytes: usize = metadata.iter().map(|(key, value)| key.len() + value.len()).sum();
        if bytes > MAX_BYTES {
            let problem = format!(
                "{bytes} bytes are too many: at most {MAX_BYTES} in all keys and values together"
            );
            return Err(MetadataError { key: "metadata".to_owned(), problem });
        }
        let mut fields =
            Self { metadata, meant: Vec::new(), errors: Vec::new(), warnings: Vec::new() };
        let mut names: Vec<&String> = metadata.keys().collect();
        names.sort_unstable();
        for name in names {
            match keys::judge(name) {
                Name::Known | Name::Keda => {}
                Name::NearMiss(key) => {
                    fields.meant.push(key.name);
                    let problem = format!("is not a key; did you mean {key}?");
                    fields.errors.push(MetadataError { key: name.clone(), problem });
                }
                Name::Misplaced { place } => {
                    fields
                        .warnings
                        .push(format!("{name}: does nothing in metadata; it belongs in {place}"));
                }
                Name::Unknown => {
                    fields.warnings.push(format!("unknown key {} is ignored", quoted(name)))
                }
            }
        }
        Ok(fields)
    }

    /// Whether the key is there, be its value right or wrong.
    pub(super) fn has(&self, key: &Key) -> bool {
        self.metadata.contains_key(key.name)
    }

    /// Whether `key` was most likely meant by a misspelt one (which is an error already).
    pub(super) fn misspelt(&self, key: &Key) -> bool {
        self.meant.contains(&key.name)
    }

    /// Notes what is wrong with a key.
    pub(super) fn error(&mut self, key: &Key, problem: impl Display) {
        self.errors.push(MetadataError { key: key.name.to_owned(), problem: problem.to_string() });
    }

    /// Notes that a key is missing, unless a misspelt one says so already.
    pub(super) fn missing(&mut self, key: &Key, why: impl Display) {
        if !self.misspelt(key) {
            let from_environment = format!("{key}FromEnv");
            let hint = match self.metadata.contains_key(&from_environment) {
                true => format!(" ({from_environment} is not read)"),
                false => String::new(),
            };
            self.error(key, format!("is missing: {why}{hint}"));
        }
    }

    /// Notes something worth a word.
    pub(super) fn warn(&mut self, key: &Key, text: impl Display) {
        self.warnings.push(format!("{key}: {text}"));
    }

    /// The value, without a word on what is wrong with it: whoever reads it says so.
    pub(super) fn peek(&self, key: &Key) -> Option<&'a str> {
        self.metadata.get(key.name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// The value without the white space around it (YAML blocks end in a newline); `None` if absent
    /// or wrong.
    pub(super) fn text(&mut self, key: &Key) -> Option<&'a str> {
        let value = self.metadata.get(key.name)?.trim();
        if value.is_empty() {
            self.error(key, format!("is empty: give {}, or remove the key", key.range()));
            return None;
        }
        let limit = if let Form::Text { max } = key.form { max } else { 1024 };
        if value.len() > limit {
            self.error(key, format!("has {} bytes: at most {limit} are allowed", value.len()));
            return None;
        }
        Some(value)
    }

    /// One of the key's words.
    pub(super) fn word(&mut self, key: &Key) -> Option<&'static str> {
        let value = self.text(key)?;
        let word = key.words.iter().find(|word| **word == value);
        if word.is_none() {
            let hint = match key.words.iter().find(|word| word.eq_ignore_ascii_case(value)) {
                Some(word) => format!(" (write it \"{word}\")"),
                None => meant_by_flag(key, value),
            };
            self.error(key, format!("{} is not {}{hint}", quoted(value), key.range()));
        }
        word.copied()
    }

    /// A number within the key's bounds; `Some(None)` for one of its words.
    pub(super) fn number(&mut self, key: &Key) -> Option<Option<f64>> {
        let value = self.text(key)?;
        if key.words.contains(&value) {
            return Some(None);
        }
        let (written, min, max) = match key.form {
            Form::Number { min, max } => (Some(value), min, max),
            Form::Percent { min, max } => (value.strip_suffix('%').map(str::trim_end), min, max),
            _ => (Some(value), f64::MIN, f64::MAX),
        };
        let number = written.and_then(|written| written.parse::<f64>().ok());
        match number {
            Some(number) if (min..=max).contains(&number) => Some(Some(number)),
            Some(_) => self.reject(key, value, "is out of range"),
            None => self.reject(key, value, "is not a number"),
        }
    }

    /// A whole number within the key's bounds.
    pub(super) fn whole(&mut self, key: &Key) -> Option<u32> {
        let number = self.number(key)??;
        if number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number) {
            return Some(number as u32);
        }
        self.error(key, format!("{number} is not a whole number: must be {}", key.range()));
        None
    }

    /// Demand per replica.
    pub(super) fn threshold(&mut self, key: &Key) -> Option<Threshold> {
        let value = self.text(key)?;
        match value.parse::<f64>().map(Threshold::new) {
            Ok(Ok(threshold)) => Some(threshold),
            Ok(Err(_)) => self.reject(key, value, "is out of range"),
            Err(_) => self.reject(key, value, "is not a number"),
        }
    }

    /// A duration within the key's bounds; `Some(None)` for one of its words.
    pub(super) fn duration(&mut self, key: &Key) -> Option<Option<SignedDuration>> {
        let value = self.text(key)?;
        if key.words.contains(&value) {
            return Some(None);
        }
        let (min, max) =
            if let Form::Duration { min, max } = key.form { (min, max) } else { (0, i64::MAX) };
        match duration::parse(value) {
            Ok(duration)
                if duration >= SignedDuration::from_secs(min)
                    && duration <= SignedDuration::from_secs(max) =>
            {
                Some(Some(duration))
            }
            Ok(_) => self.reject(key, value, "is out of range"),
            Err(problem) => {
                self.error(key, format!("{problem} ({})", key.range()));
                None
            }
        }
    }

    fn reject<T>(&mut self, key: &Key, value: &str, what: &str) -> Option<T> {
        self.error(key, format!("{} {what}: must be {}", quoted(value), key.range()));
        None
    }
}

/// Which of a key's words was meant by a word that YAML 1.1 takes for true or false, and the other
/// way round.
fn meant_by_flag(key: &Key, value: &str) -> String {
    let (truth, words) = match value.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "y" => (true, ["true", "on"]),
        "false" | "no" | "off" | "n" => (false, ["false", "off"]),
        _ => return String::new(),
    };
    match words.into_iter().find(|word| key.words.contains(word)) {
        Some(word @ ("on" | "off")) => {
            format!(" (unquoted, {word} is {truth} in YAML: write it \"{word}\")")
        }
        Some(word) => format!(" (write it \"{word}\")"),
        None => String::new(),
    }
}
