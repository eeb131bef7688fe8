//! What we hand out ourselves.

use super::*;

/// The examples that we hand out have no fault.
#[test]
fn our_examples_are_ok() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/examples");
    let mut triggers = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let report = report(&std::fs::read_to_string(&path).unwrap(), None);
        // This one shows what a utilization is worth as demand, and is warned of.
        let expected = usize::from(path.ends_with("gpu-utilization.yaml"));
        assert_eq!(
            (report.count(Level::Error), report.count(Level::Warning)),
            (0, expected),
            "{}",
            report.text(false)
        );
        triggers += report.resources.iter().map(|resource| resource.triggers).sum::<usize>();
    }
    assert!(triggers >= 2, "{triggers} triggers in deploy/examples");
}

/// The configuration in our manifests can be loaded.
#[test]
fn our_manifests_are_configured() {
    let file =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/manifests/config.yaml");
    let documents = tree::documents(&std::fs::read_to_string(file).unwrap()).unwrap();
    let maps = documents.iter().filter(|document| document.text("kind") == Some("ConfigMap"));
    let files: Vec<&(String, Tree)> =
        maps.flat_map(|map| map.at("data").unwrap().entries()).collect();
    let [(_, Tree { node: tree::Node::Text(text), .. })] = files.as_slice() else {
        panic!("{files:?}")
    };
    // The password's file is mounted in the pod alone.
    let text: Vec<&str> =
        text.lines().filter(|line| !line.starts_with("databasePasswordFile")).collect();
    Config::load_text(&text.join("\n")).unwrap();
}
