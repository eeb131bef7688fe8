//! The documents: short where they must be, and true wherever a program can tell.
//!
//! Parts of them are rendered from the code. After a change of a key, a preset, a flag, a metric or
//! the configuration:
//!
//! ```sh
//! PREWARM_BLESS=1 cargo test -p prewarm-tests --test docs
//! ```

#[path = "docs/configuration.rs"]
mod configuration;
#[path = "docs/generated.rs"]
mod generated;
#[path = "docs/markdown.rs"]
mod markdown;
#[path = "tidy/source.rs"]
mod source;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::{env, fs};

use markdown::Document;
use prewarm::trigger::{self, Rules};
use serde_json::Value;

/// Lines of the README: what a stranger reads.
const README_LINES: usize = 120;

/// Folders of this repository: a word in code that begins with one of them is a path.
const FOLDERS: [&str; 8] =
    ["forecaster/", "scaler/", "tests/", "docs/", "deploy/", "migrations/", "proto/", ".ci/"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace's folder").to_owned()
}

/// Every document of the repository, by its path from the root.
fn documents() -> BTreeMap<String, Document> {
    let mut found = BTreeMap::new();
    for folder in ["", "docs", "deploy", "migrations", "tests"] {
        for entry in fs::read_dir(root().join(folder)).expect("a folder of the repository") {
            let path = entry.expect("a readable entry").path();
            if path.extension().is_some_and(|extension| extension == "md") {
                let name = path
                    .strip_prefix(root())
                    .expect("below the root")
                    .to_string_lossy()
                    .into_owned();
                let text =
                    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"));
                found.insert(name, Document::new(text));
            }
        }
    }
    for needed in
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/triggers.md"]
    {
        assert!(found.contains_key(needed), "{needed} is missing");
    }
    found
}

#[test]
fn the_readme_is_short() {
    let lines = documents()["README.md"].text.lines().count();
    assert!(
        lines <= README_LINES,
        "README.md has {lines} lines, at most {README_LINES}: move something to docs/"
    );
}

#[test]
fn links_lead_to_files_and_headings_that_exist() {
    let all = documents();
    let mut broken = Vec::new();
    let mut followed = 0;
    for (name, document) in &all {
        for (line, target) in document.links() {
            if target.contains("://") {
                continue;
            }
            followed += 1;
            let (file, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let file = if file.is_empty() { name.clone() } else { beside(name, file) };
            if !root().join(&file).exists() {
                broken.push(format!("{name}:{line}: {target}: there is no {file}"));
            } else if !anchor.is_empty() {
                let headings = all.get(&file).map(Document::anchors).unwrap_or_default();
                if !headings.iter().any(|heading| heading == anchor) {
                    broken.push(format!(
                        "{name}:{line}: {target}: no such heading; there are {}",
                        headings.join(", ")
                    ));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert!(followed > 50, "only {followed} links found");
}

/// The path from the root of a file that is named from within a document.
fn beside(document: &str, file: &str) -> String {
    let mut parts: Vec<&str> = document.split('/').collect();
    parts.pop();
    for part in file.split('/') {
        match part {
            "." | "" => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[test]
fn every_example_has_its_section() {
    let page = &documents()["docs/examples.md"].text;
    for entry in fs::read_dir(root().join("deploy/examples")).expect("the examples") {
        let file = entry.expect("an entry").file_name().to_string_lossy().into_owned();
        let name = file.trim_end_matches(".yaml");
        let (_, section) = page
            .split_once(&format!("\n## {name}\n"))
            .unwrap_or_else(|| panic!("docs/examples.md has no section {name}"));
        let section = section.split("\n## ").next().unwrap_or_default();
        assert!(section.contains(&format!("](../deploy/examples/{file})")), "{name}: no link");
        for item in ["Needs", "Settings", "Wakes from zero", "Cannot see"] {
            assert!(section.contains(&format!("- **{item}:** ")), "{name}: no {item}");
        }
    }
}

#[test]
fn every_page_is_linked_from_the_readme() {
    let all = documents();
    let linked: Vec<String> = all["README.md"]
        .links()
        .map(|(_, target)| beside("README.md", target.split('#').next().unwrap_or("")))
        .collect();
    for name in all.keys().filter(|name| name.starts_with("docs/") || !name.contains('/')) {
        assert!(name == "README.md" || linked.contains(name), "README.md does not link to {name}");
    }
}

#[test]
fn files_and_folders_that_are_named_exist() {
    let mut missing = Vec::new();
    let mut named = 0;
    for (name, document) in documents() {
        for (line, word) in document.code_words() {
            // `forecaster/…/NAME.rs` and `tests/run quick` are no paths, or more than one.
            let path = word.split([' ', ':', '#']).next().unwrap_or_default().trim_end_matches('/');
            let pattern = path.contains(['*', '…', '{', '<'])
                || path.contains("NAME")
                || path.contains("NNNN");
            if FOLDERS.iter().any(|folder| word.starts_with(folder)) && !pattern {
                named += 1;
                if !root().join(path).exists() {
                    missing.push(format!("{name}:{line}: {path} does not exist"));
                }
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
    assert!(named > 20, "only {named} paths found");
}

#[test]
fn generated_parts_are_what_the_code_says() {
    let bless = env::var_os("PREWARM_BLESS").is_some();
    let mut differ = Vec::new();
    for part in generated::parts() {
        let path = root().join(part.file);
        let before =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", part.file));
        let after = markdown::with_part(&before, part.name, &part.text)
            .unwrap_or_else(|problem| panic!("{}: {problem}", part.file));
        if before == after {
            continue;
        }
        if bless {
            fs::write(&path, &after).unwrap_or_else(|error| panic!("{}: {error}", part.file));
        }
        let line = before
            .lines()
            .zip(after.lines())
            .position(|(old, new)| old != new)
            .map_or(0, |line| line + 1);
        differ.push(format!("{}:{line}: {}", part.file, part.name));
    }
    let advice = "PREWARM_BLESS=1 cargo test -p prewarm-tests --test docs writes them anew";
    assert!(
        bless || differ.is_empty(),
        "parts that the code has left behind ({advice}):\n{}",
        differ.join("\n")
    );
}

#[test]
fn the_answer_table_has_every_state() {
    let concepts = &documents()["docs/concepts.md"];
    let rows = concepts.table_rows("The answer table");
    for (state, _) in generated::names_of("State") {
        assert!(
            rows.iter().any(|row| row[0] == markdown::code(&state)),
            "docs/concepts.md: no row for {state}"
        );
    }
}

#[test]
fn every_invariant_has_its_test() {
    let architecture = &documents()["ARCHITECTURE.md"];
    let mut held = 0;
    for cells in architecture.table_rows("Invariants") {
        let [invariant, tests, file] = &cells[..] else {
            panic!("{cells:?}: invariant, tests, file")
        };
        let file = file.trim_matches('`');
        let text = fs::read_to_string(root().join(file))
            .unwrap_or_else(|error| panic!("{invariant}: {file}: {error}"));
        let names: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "{invariant}: no test is named");
        for name in names {
            let (before, _) = text
                .split_once(&format!("fn {name}("))
                .unwrap_or_else(|| panic!("{invariant}: no {name} in {file}"));
            // A test within a module is indented.
            let attributes: Vec<&str> = before
                .trim_end_matches(' ')
                .lines()
                .rev()
                .take_while(|line| !line.trim().is_empty())
                .collect();
            let is_test =
                attributes.iter().any(|line| line.contains("#[test]") || line.contains("::test"));
            let is_scenario = file.starts_with("tests/cluster/scenario/");
            assert!(
                is_test || is_scenario || text.contains("proptest!"),
                "{invariant}: {name} in {file} is no test"
            );
            held += 1;
        }
    }
    assert!(held > 15, "only {held} tests are named");
}

#[test]
fn names_that_are_gone_stay_out_of_the_code() {
    let rows = documents()["ARCHITECTURE.md"].table_rows("Names that are gone");
    let gone: Vec<String> = rows
        .iter()
        .flat_map(|row| row[1].split('`').skip(1).step_by(2))
        .map(str::to_owned)
        .collect();
    assert!(!gone.is_empty(), "no names found");
    let mut offences = Vec::new();
    for source in source::sources() {
        let file = source.path.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs");
        let folder = source.path.trim_end_matches("/mod.rs").rsplit('/').next().unwrap_or_default();
        for name in gone.iter().filter(|name| *name == file || *name == folder) {
            offences.push(format!("{}:1: {name} is gone, see ARCHITECTURE.md", source.path));
        }
        for (line, text) in source.code_lines() {
            for name in gone.iter().filter(|name| declares(text, name)) {
                offences
                    .push(format!("{}:{line}: {name} is gone, see ARCHITECTURE.md", source.path));
            }
        }
    }
    assert!(offences.is_empty(), "{}", offences.join("\n"));
}

/// Whether a line declares a type or a module of this name.
fn declares(line: &str, name: &str) -> bool {
    ["struct ", "enum ", "trait ", "type ", "mod "].iter().any(|keyword| {
        let after = line.split_once(keyword).and_then(|(_, after)| after.strip_prefix(name));
        after.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
    })
}

#[test]
fn triggers_of_the_documents_are_read_without_error_or_warning() {
    let mut read = 0;
    for (name, document) in documents() {
        for (line, block) in document.blocks("yaml") {
            let place = format!("{name}:{line}");
            let trees: Vec<Value> = serde_saphyr::from_multiple(&block)
                .unwrap_or_else(|error| panic!("{place}: {error}"));
            for trigger in trees.iter().flat_map(triggers) {
                let metadata: HashMap<String, String> =
                    serde_json::from_value(trigger["metadata"].clone()).unwrap_or_else(|error| {
                        panic!("{place}: every value of metadata is a string: {error}")
                    });
                if !trigger["type"].as_str().is_some_and(|kind| kind.starts_with("external")) {
                    continue;
                }
                // What refers to the server's configuration is taken on trust.
                let rules = trusting(&metadata);
                let parsed = trigger::parse("llm", "llama", &metadata, &rules);
                let trigger = parsed.trigger.unwrap_or_else(|errors| panic!("{place}: {errors:?}"));
                assert!(trigger.warnings.is_empty(), "{place}: {:?}", trigger.warnings);
                read += 1;
            }
        }
    }
    assert!(read > 8, "only {read} triggers found");
}

/// The triggers of a ScaledObject, or of a part of one.
fn triggers(tree: &Value) -> Vec<Value> {
    let list = tree.pointer("/spec/triggers").or(tree.get("triggers")).and_then(Value::as_array);
    list.cloned().unwrap_or_default()
}

/// Rules in which shared windows and calendars exist under the names that `metadata` uses.
fn trusting(metadata: &HashMap<String, String>) -> Rules {
    let mut rules = Rules::default();
    if let Some(name) = metadata.get("policyRef") {
        let shared =
            trigger::SharedPolicy { zone: None, windows: Vec::new(), holidays: Vec::new() };
        rules.policies.insert(name.clone(), shared);
    }
    if let Some(name) = metadata.get("holidays") {
        rules.holidays.insert(name.clone(), Vec::new());
    }
    rules
}
