//! The reference of the server's configuration, from the commented default and from what the reader
//! says when it refuses.

use prewarm::config::{Config, DEFAULT};

use crate::markdown::{code, table};

/// A value that no key takes: the reader then says what it would take.
const REFUSED: &str = "1979-05-27";

/// Tables whose next part is a name that people choose.
const NAMED: [&str; 3] = ["sources", "policies", "holidays"];

/// One key, as the default configuration shows it.
#[derive(Debug)]
struct Key {
    name: String,
    /// As written; an example where the key is commented out.
    value: String,
    /// It stands in force.
    in_force: bool,
    comment: String,
}

/// One table of the configuration.
#[derive(Debug, Default)]
struct Section {
    /// `sources.default`; empty at the root.
    name: String,
    comment: String,
    keys: Vec<Key>,
}

/// Every section with its keys: environment variable, default, what is allowed, what it means.
pub(crate) fn reference() -> String {
    let mut text = String::new();
    for section in merged(sections()) {
        let shown = generic(&section.name);
        let title =
            if shown.is_empty() { "At the top".to_owned() } else { code(&format!("[{shown}]")) };
        text += &format!("\n## {title}\n\n");
        if !section.comment.is_empty() {
            text += &format!("{}\n\n", section.comment);
        }
        let head = ["key", "environment", "default", "value", "meaning"];
        text += &table(&head, section.keys.iter().map(|key| row(&section.name, key)));
    }
    text
}

fn row(section: &str, key: &Key) -> Vec<String> {
    let (default, example) = match key.in_force {
        true => (code(&key.value), String::new()),
        false if key.value.is_empty() => ("–".to_owned(), String::new()),
        false => ("–".to_owned(), format!("; {}", code(&key.value))),
    };
    let value = allowed(section, &key.name) + &example;
    vec![
        code(&key.name),
        code(&variable(&generic(section), &key.name)),
        default,
        value,
        key.comment.clone(),
    ]
}

/// `sources.default` and `sources.pods` are both `sources.NAME`.
fn generic(section: &str) -> String {
    let mut parts: Vec<&str> = section.split('.').collect();
    if let [first, name, ..] = parts.as_mut_slice()
        && NAMED.contains(first)
    {
        *name = "NAME";
    }
    parts.join(".")
}

/// Sections of one kind as one, each with all the keys that the reader knows.
fn merged(sections: Vec<Section>) -> Vec<Section> {
    let mut merged: Vec<Section> = Vec::new();
    for section in sections {
        match merged.iter_mut().find(|other| generic(&other.name) == generic(&section.name)) {
            Some(other) => {
                for key in section.keys {
                    if other.keys.iter().all(|known| known.name != key.name) {
                        other.keys.push(key);
                    }
                }
            }
            None => merged.push(section),
        }
    }
    let tables: Vec<String> =
        merged.iter().flat_map(|section| section.name.split('.')).map(str::to_owned).collect();
    for section in &mut merged {
        for name in known(&section.name) {
            let listed = section.keys.iter().any(|key| key.name == name) || tables.contains(&name);
            if !listed {
                section.keys.push(Key {
                    name,
                    value: String::new(),
                    in_force: false,
                    comment: String::new(),
                });
            }
        }
    }
    merged
}

/// The default configuration, taken apart. Commented text begins with `# `, commented keys with
/// `#`.
fn sections() -> Vec<Section> {
    let mut sections = vec![Section::default()];
    let mut comment: Vec<&str> = Vec::new();
    let mut lines = DEFAULT.lines();
    while let Some(line) = lines.next() {
        if line.is_empty() {
            comment.clear();
            continue;
        }
        if let Some(text) = line.strip_prefix("# ") {
            comment.push(text);
            continue;
        }
        let (in_force, line) = line.strip_prefix('#').map_or((true, line), |line| (false, line));
        let said = std::mem::take(&mut comment).join(" ");
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            sections.push(Section { name: name.to_owned(), comment: said, keys: Vec::new() });
        } else if let Some((name, value)) = line.split_once(" = ") {
            let many = value == "\"\"\"";
            if many {
                for _ in lines.by_ref().take_while(|line| !line.ends_with("\"\"\"")) {}
            }
            let value = if many { String::new() } else { value.to_owned() };
            let key = Key { name: name.to_owned(), value, in_force, comment: said };
            sections.last_mut().expect("the root").keys.push(key);
        }
    }
    assert!(
        sections.len() > 8,
        "only {} sections found in the default configuration",
        sections.len()
    );
    sections
}

/// What a key takes: what the reader says to a value of a kind that it does not take.
fn allowed(section: &str, key: &str) -> String {
    if section.starts_with("policies.") {
        return "as in a trigger".to_owned();
    }
    let full = if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") };
    let said = complaints(section, &format!("{key} = {REFUSED}"))
        .into_iter()
        .find(|text| text.starts_with(&full));
    let said = said.unwrap_or_else(|| panic!("{full} takes {REFUSED}"));
    match said.split_once("must be ") {
        Some((_, allowed)) => allowed.replace(", quoted and with its unit (\"90s\")", ""),
        None => {
            let said = said[full.len()..].trim_start_matches([':', ' ']);
            said.replace(&variable(section, key), &variable(&generic(section), key))
        }
    }
}

/// The keys of a section that the reader knows, its subsections among them.
fn known(section: &str) -> Vec<String> {
    let listed = complaints(section, "zzzzzzzzzzzz = 1").into_iter().find_map(|text| {
        let (_, known) = text.split_once("known here: ")?;
        Some(known.split(", ").map(str::to_owned).collect())
    });
    listed.unwrap_or_default()
}

/// What is wrong with a configuration of one line.
fn complaints(section: &str, line: &str) -> Vec<String> {
    let mut text = match section.rsplit_once('.') {
        // A database has queries, and nothing else has.
        Some((source, "queries")) => format!("[{source}]\nkind = \"sql\"\n"),
        _ => String::new(),
    };
    if !section.is_empty() {
        text += &format!("[{section}]\n");
    }
    text += &format!("{line}\n");
    Config::load_text(&text).map_or_else(|error| error.problems, |_| Vec::new())
}

/// `tls.clientCa` → `PREWARM_TLS__CLIENT_CA`.
fn variable(section: &str, key: &str) -> String {
    let full = if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") };
    let mut name = "PREWARM_".to_owned();
    let mut lower = false;
    for c in full.chars() {
        if lower && c.is_ascii_uppercase() {
            name.push('_');
        }
        lower = c.is_ascii_lowercase();
        match c {
            '.' => name += "__",
            '-' => name.push('_'),
            c => name.push(c.to_ascii_uppercase()),
        }
    }
    name
}
