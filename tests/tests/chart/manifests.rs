//! `deploy/manifests` is the chart with `deploy/chart/ci/manifests.yaml`, a file for each template.

use std::collections::BTreeMap;
use std::fs;

use prewarm_tests::helm::{chart, deploy, template};

/// What stands above each document that Helm prints.
const SOURCE: &str = "# Source: prewarm/templates/";

/// The files as they should be, by name.
fn files() -> BTreeMap<String, String> {
    let values = chart().join("ci/manifests.yaml").display().to_string();
    let text = template(&["--values", &values]).unwrap_or_else(|error| panic!("{error}"));
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for document in text.split("---\n").filter(|document| !document.trim().is_empty()) {
        let (source, document) = document
            .strip_prefix(SOURCE)
            .and_then(|rest| rest.split_once('\n'))
            .unwrap_or_else(|| panic!("no source: {document}"));
        let file = files.entry(source.to_owned()).or_insert_with(|| {
            "# Rendered from deploy/chart; change it there (tests/tests/chart.rs).\n".to_owned()
        });
        if file.contains("\nkind: ") {
            file.push_str("---\n");
        }
        file.push_str(document.trim_end());
        file.push('\n');
    }
    files
}

#[test]
fn the_plain_manifests_are_what_the_chart_renders() {
    let folder = deploy().join("manifests");
    let files = files();
    if std::env::var_os("PREWARM_BLESS").is_some() {
        fs::remove_dir_all(&folder).expect("remove the old ones");
        fs::create_dir(&folder).expect("a folder");
        for (name, text) in &files {
            fs::write(folder.join(name), text).expect("write a manifest");
        }
    }
    let mut committed = BTreeMap::new();
    for entry in fs::read_dir(&folder).expect("deploy/manifests") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        committed.insert(name, fs::read_to_string(path).expect("a text"));
    }
    for (name, text) in &files {
        assert_eq!(committed.get(name), Some(text), "{name}: PREWARM_BLESS=1 writes it anew");
    }
    assert!(files.keys().eq(committed.keys()), "{:?}, not {:?}", committed.keys(), files.keys());
}
