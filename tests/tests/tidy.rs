//! The house rules that no compiler checks. Each error names file and line.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace's folder").to_owned()
}

/// Every Rust source below the members' folders, with its path from the root.
fn sources() -> Vec<(String, String)> {
    fn walk(folder: &Path, root: &Path, into: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() {
                walk(&path, root, into);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(root).expect("below the root").to_string_lossy().into_owned();
                into.push((name, fs::read_to_string(&path).expect("UTF-8")));
            }
        }
    }
    let root = root();
    let mut all = Vec::new();
    for member in ["forecaster", "scaler", "tests"] {
        walk(&root.join(member), &root, &mut all);
    }
    assert!(all.len() > 50, "only {} sources found", all.len());
    all
}

/// Lines of code: without comments, and without what follows `#[cfg(test)]` at the end of a file.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().take_while(|(_, line)| line.trim() != "#[cfg(test)]");
    lines.filter(|(_, line)| !line.trim_start().starts_with("//")).map(|(i, line)| (i + 1, line))
}

/// No line of the sources that `covers` picks may hold one of `words`.
fn forbid(rule: &str, covers: impl Fn(&str) -> bool, words: &[&str]) {
    let mut offences = Vec::new();
    let mut looked_at = 0;
    for (name, text) in sources().iter().filter(|(name, _)| covers(name)) {
        looked_at += 1;
        let offending = code(text).filter(|(_, line)| words.iter().any(|word| line.contains(word)));
        offences.extend(offending.map(|(n, line)| format!("{name}:{n}: {line}")));
    }
    assert!(looked_at > 0, "{rule}: no source is covered");
    assert!(offences.is_empty(), "{rule}\n{}", offences.join("\n"));
}

#[test]
fn the_forecaster_touches_nothing() {
    let manifest = fs::read_to_string(root().join("forecaster/Cargo.toml")).expect("its manifest");
    let lines = manifest.lines().skip_while(|line| *line != "[dependencies]").skip(1);
    let names: Vec<_> = lines
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .filter(|name| !name.is_empty() && !name.starts_with('#'))
        .collect();
    let allowed = ["jiff", "thiserror", "ndarray", "linfa", "linfa-linear", "linfa-nn"];
    assert!(!names.is_empty() && names.iter().all(|name| allowed.contains(name)), "forecaster/Cargo.toml: {names:?}");
    forbid(
        "forecaster: no I/O, clock, environment, logging, async",
        |name| name.starts_with("forecaster/src/") && !name.ends_with("/tests.rs"),
        &[
            "std::fs",
            "std::env",
            "std::net",
            "std::process",
            "std::thread",
            "Instant",
            "SystemTime",
            "tracing",
            "async ",
            "println!",
        ],
    );
}

#[test]
fn generated_protobuf_types_stay_under_grpc() {
    forbid(
        "generated types are named under scaler/src/grpc only",
        |name| name.starts_with("scaler/src/") && !name.starts_with("scaler/src/grpc/"),
        &["grpc::proto", "include_proto!", "prost::"],
    );
}

#[test]
fn answers_are_read_from_the_registry_alone() {
    forbid(
        "grpc and dashboard import neither source, store nor collector",
        |name| name.starts_with("scaler/src/grpc/") || name.starts_with("scaler/src/dashboard/"),
        &["crate::source", "crate::store", "crate::collector", "crate::refit"],
    );
}

#[test]
fn the_lower_floors_do_not_know_the_upper_ones() {
    let lower = ["registry", "source", "store", "clock", "metadata", "config"].map(|m| format!("scaler/src/{m}"));
    forbid(
        "registry, source, store, clock, metadata and config import nothing above them",
        |name| lower.iter().any(|module| name.starts_with(module.as_str())),
        &["crate::app", "crate::cli", "crate::grpc", "crate::dashboard", "crate::collector", "crate::refit"],
    );
}

#[test]
fn time_is_read_in_one_place() {
    forbid(
        "time is read through Clock",
        |name| name.starts_with("scaler/src/") && name != "scaler/src/clock.rs",
        &["Timestamp::now(", "Zoned::now(", "SystemTime::now("],
    );
}

#[test]
fn only_the_command_line_prints() {
    forbid(
        "no output but logs outside cli and main",
        |name| name.starts_with("scaler/src/") && !name.starts_with("scaler/src/cli/") && name != "scaler/src/main.rs",
        &["println!", "process::exit"],
    );
}

#[test]
fn files_are_short_and_named_by_what_they_do() {
    let mut offences = Vec::new();
    for (name, text) in sources() {
        let lines = text.lines().count();
        if lines > 500 {
            offences.push(format!("{name}: {lines} lines, at most 500"));
        }
        let stem = Path::new(&name).file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        if ["util", "utils", "helper", "helpers", "common", "manager", "misc"].contains(&stem.as_str()) {
            offences.push(format!("{name}: the name says nothing"));
        }
    }
    assert!(offences.is_empty(), "{}", offences.join("\n"));
}
