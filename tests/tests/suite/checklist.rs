//! `tests/CONFORMANCE.md` says where each line of KEDA's checklist is tested; what it says must be
//! so.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A row: the line's number, the tests' names, the file.
fn rows() -> Vec<(u32, Vec<String>, String)> {
    let text = std::fs::read_to_string(root().join("tests/CONFORMANCE.md")).unwrap();
    let rows = text.lines().filter_map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, number, _, tests, file, _] = cells.as_slice() else { return None };
        let number = number.strip_prefix('C')?.parse().ok()?;
        let names = tests.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        Some((number, names, file.trim_matches('`').to_owned()))
    });
    rows.collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn every_line_of_the_checklist_has_its_test_or_says_who_owes_it() {
    let rows = rows();
    for number in 1..=44 {
        assert!(rows.iter().any(|(n, ..)| *n == number), "C{number:02} is missing");
    }
    let mut texts = BTreeMap::new();
    let scenarios = std::fs::read_to_string(root().join("tests/cluster/scenario/mod.rs")).unwrap();
    for (number, names, file) in rows {
        if file.starts_with("owed to issue ") {
            assert!(names.is_empty(), "C{number:02} is owed and yet has {names:?}");
            continue;
        }
        assert!(!names.is_empty(), "C{number:02} names no test");
        let text = texts.entry(file.clone()).or_insert_with(|| {
            std::fs::read_to_string(root().join(&file))
                .unwrap_or_else(|error| panic!("C{number:02}: {file}: {error}"))
        });
        for name in names {
            let (_, after) = text
                .split_once(&format!("fn {name}("))
                .unwrap_or_else(|| panic!("no `{name}` in {file}"));
            assert!(!after.is_empty());
            let before = text.split(&format!("fn {name}(")).next().unwrap();
            let attributes: Vec<&str> =
                before.lines().rev().take_while(|line| !line.trim().is_empty()).collect();
            let is_test =
                attributes.iter().any(|line| line.contains("#[test]") || line.contains("::test"));
            // Scenarios are listed instead.
            let is_scenario = file.starts_with("tests/cluster/scenario/")
                && scenarios.contains(&format!("::{name})"));
            assert!(
                is_test || is_scenario || text.contains("proptest!"),
                "`{name}` in {file} is no test"
            );
            assert!(
                numbers(&name).contains(&number),
                "`{name}` does not bear the number {number:02}"
            );
        }
    }
}

#[test]
fn no_test_that_bears_a_number_is_left_out() {
    let rows = rows();
    let mut files = Vec::new();
    for dir in ["scaler/src", "scaler/tests", "tests/tests", "tests/cluster", "forecaster/src"] {
        collect(&root().join(dir), &mut files);
    }
    let mut found = 0;
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        for line in text.lines() {
            let Some((_, rest)) = line.split_once("fn ") else { continue };
            let name: String =
                rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            for number in numbers(&name) {
                found += 1;
                let listed = rows.iter().any(|(n, names, _)| *n == number && names.contains(&name));
                assert!(
                    listed,
                    "C{number:02}: `{name}` of {} is not in tests/CONFORMANCE.md",
                    file.display()
                );
            }
        }
    }
    assert!(found > 40, "{found} tests bear a number");
}

/// The numbers that a test's name begins with: 1 and 36 of `c01_c36_tls_by_the_services_name`.
fn numbers(name: &str) -> Vec<u32> {
    let number =
        |word: &str| word.strip_prefix('c').filter(|digits| digits.len() == 2)?.parse().ok();
    name.split('_').map_while(number).collect()
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => collect(&path, files),
            false if path.extension().is_some_and(|e| e == "rs") => files.push(path),
            false => {}
        }
    }
}
