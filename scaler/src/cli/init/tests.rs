use std::collections::BTreeSet;

use super::*;
use crate::cli::check;

#[test]
fn every_file_of_the_examples_is_one() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/examples");
    let files: BTreeSet<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let named: BTreeSet<String> =
        EXAMPLES.iter().map(|example| format!("{}.yaml", example.name)).collect();
    assert_eq!(files, named);
}

#[test]
fn an_example_gets_the_names_that_are_asked_for() {
    for example in EXAMPLES {
        let text = written(example.name, Some("chat-7"), Some("team-a")).unwrap();
        assert!(text.contains("chat-7") && text.contains("team-a"), "{}: {text}", example.name);
        let code: String = text
            .lines()
            .filter(|line| !line.trim_start().starts_with('#'))
            .map(|line| format!("{line}\n"))
            .collect();
        let left = Regex::new(&format!("namespace: {}\\b", example.namespace)).unwrap();
        assert!(!left.is_match(&code), "{}", example.name);
        assert_eq!(written(example.name, None, None).unwrap(), example.text);
        // KServe makes the ScaledObject of this one.
        if example.name != "kserve-llm" {
            let (errors, warnings, words) = check::judged(&text);
            // This one shows what a utilization is worth as demand, and is warned of.
            let expected = usize::from(example.name == "gpu-utilization");
            assert_eq!((errors, warnings), (0, expected), "{}: {words}", example.name);
        }
    }
}

#[test]
fn every_preset_gives_a_scaled_object_without_fault() {
    for name in preset::names() {
        let text = written(name, Some("chat"), Some("team-a")).unwrap();
        let (errors, warnings, words) = check::judged(&text);
        assert_eq!((errors, warnings), (0, 0), "{name}: {words}");
    }
}

#[test]
fn what_is_unknown_is_told_with_what_is_near() {
    let error = |what, name| written(what, name, None).unwrap_err().to_string();
    assert!(error("vlm", None).contains("did you mean \"vllm\"?"), "{}", error("vlm", None));
    assert!(error("vllm", Some("Chat")).contains("no name of Kubernetes"));
    let list = list();
    for name in EXAMPLES.iter().map(|example| example.name).chain(preset::names()) {
        assert!(list.contains(name), "{name}");
    }
}
