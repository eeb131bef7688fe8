//! Windows, zones and holidays: policies as documents of their own, and what a trigger's windows
//! may surprise with.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value as Json;

use super::finding::{Checked, Finding, Level};
use super::resource::Resource;
use super::traps::Read;
use super::tree::Tree;
use crate::trigger::windows::{shared_policy, undecided_on_holidays};
use crate::trigger::{Rules, SharedPolicy, keys, zone};

/// What to do about a window that holds on holidays.
const DECIDE: &str = "it did not in earlier versions; write holidays: skip in it if it is not to hold then, or holidays: ignore if it is";

/// Notes which windows of a trigger hold on holidays because they are for all days and say nothing
/// of them.
pub(super) fn find(resource: &mut Resource<'_>, read: &[Read]) {
    for Read { index, .. } in read {
        let metadata = &resource.triggers[*index].metadata;
        let (Some(windows), true) =
            (metadata.get(keys::WINDOWS.name), metadata.contains_key(keys::HOLIDAYS.name))
        else {
            continue;
        };
        let path = format!("spec.triggers[{index}].metadata.{}", keys::WINDOWS);
        for name in undecided_on_holidays(windows) {
            resource.find(Level::Note, &path, holds_on_holidays(&name), Some(DECIDE));
        }
    }
}

fn holds_on_holidays(window: &str) -> String {
    format!("window {window:?} is for all days and says nothing of holidays: it holds on them, too")
}

/// A PrewarmPolicy, or a bare file of windows as `prewarm windows` takes it.
///
/// `on_trust` = the server's configuration is not at hand: calendars that it may name are taken on
/// trust.
pub(super) fn check_policy(
    file: &str,
    document: usize,
    tree: &Tree,
    rules: &mut Rules,
    on_trust: bool,
) -> Option<(Checked, Option<SharedPolicy>)> {
    let (kind, base) = match tree.text("kind") {
        Some("PrewarmPolicy") => ("PrewarmPolicy", "spec"),
        None if tree.at("windows").is_some() => ("policy", ""),
        _ => return None,
    };
    let fields =
        if base.is_empty() { Some(tree) } else { tree.at(base) }.map_or(&[][..], Tree::entries);
    let full = |key: &str| if base.is_empty() { key.to_owned() } else { format!("{base}.{key}") };
    let mut findings = Vec::new();
    let mut note = |level, key: &str, problem: String| {
        let path = full(key);
        findings.push(Finding { level, line: tree.line_of(&path), path, problem, advice: None });
    };
    const KEYS: [&str; 3] = ["timezone", "windows", "holidays"];
    for (key, _) in fields.iter().filter(|(key, _)| !KEYS.contains(&key.as_str())) {
        note(Level::Error, key, format!("is not a key; known here: {}", KEYS.join(", ")));
    }
    let fields: BTreeMap<String, Json> =
        fields.iter().map(|(key, tree)| (key.clone(), tree.json())).collect();
    let text = |key: &str| {
        fields.get(key).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    };
    if let Some(holidays) = text(keys::HOLIDAYS.name).filter(|_| on_trust) {
        rules.trust(&HashMap::from([(keys::HOLIDAYS.name.to_owned(), holidays)]));
    }
    let policy = shared_policy(&fields, &rules.holidays);
    for error in policy.as_ref().err().into_iter().flatten() {
        note(Level::Error, &error.key, error.problem.clone());
    }
    if let Some(surprise) = text(keys::TIMEZONE.name).as_deref().and_then(zone::surprise) {
        note(Level::Warning, keys::TIMEZONE.name, surprise);
    }
    if fields.contains_key(keys::HOLIDAYS.name) {
        for name in undecided_on_holidays(&text(keys::WINDOWS.name).unwrap_or_default()) {
            note(Level::Note, keys::WINDOWS.name, holds_on_holidays(&name));
        }
    }
    let checked = Checked {
        file: file.to_owned(),
        document,
        kind: kind.to_owned(),
        namespace: tree.text("metadata.namespace").map(str::to_owned),
        name: tree.text("metadata.name").unwrap_or("without a name").to_owned(),
        triggers: 0,
        findings,
    };
    Some((checked, policy.ok()))
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    /// What is found in a ScaledObject with this metadata, one line each.
    fn found(metadata: &str) -> String {
        let metadata = metadata.replace('\n', "\n      ");
        let text = format!(
            "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {{name: chat}}\nspec:\n  scaleTargetRef: {{name: chat}}\n  triggers:\n  - type: external-push\n    metadata:\n      scalerAddress: prewarm:9090\n      query: sum(sessions)\n      threshold: \"4\"\n      {metadata}\n"
        );
        told(&text)
    }

    fn told(text: &str) -> String {
        let report = check(&[("so.yaml".to_owned(), text.to_owned())], None);
        let findings = report.resources.into_iter().flat_map(|resource| resource.findings);
        let line = |finding: Finding| {
            let advice = finding.advice.map(|advice| format!(" ({advice})")).unwrap_or_default();
            format!(
                "{:?} {} {}: {}{advice}",
                finding.level, finding.line, finding.path, finding.problem
            )
        };
        findings.map(line).collect::<Vec<_>>().join("\n")
    }

    /// Public questions about KEDA have `mode: off`, `enableTLS: yes` and `NO` for Norway without
    /// quotes.
    #[test]
    fn words_that_yaml_takes_for_true_or_false_are_told_as_they_were_written() {
        insta::assert_snapshot!(found("mode: off\nholidays: NO\nscaleToZero: 0\nenableTLS: yes"), @r#"
        Error 12 spec.triggers[0].metadata.mode: must be text: write mode: "off" (unquoted, off is false in YAML 1.1; Kubernetes refuses metadata values that are not text)
        Error 13 spec.triggers[0].metadata.holidays: must be text: write holidays: "NO" (unquoted, NO is false in YAML 1.1; Kubernetes refuses metadata values that are not text)
        Error 14 spec.triggers[0].metadata.scaleToZero: must be text: write scaleToZero: "0" (Kubernetes refuses metadata values that are not text)
        Error 14 spec.triggers[0].metadata.scaleToZero: "0" is not "auto", "never" or "windows"
        Error 15 spec.triggers[0].metadata.enableTLS: must be text: write enableTLS: "true" (unquoted, yes is true in YAML 1.1; Kubernetes refuses metadata values that are not text)
        "#);
    }

    #[test]
    fn windows_for_all_days_that_do_not_say_what_holidays_are_to_them_are_told() {
        let windows = "windows: |\n  - {name: night, days: \"*\", from: \"22:00\", to: \"06:00\", maxReplicas: 2}\n  - {name: office, days: Mon-Fri, from: \"08:00\", to: \"18:00\", minReplicas: 2}";
        insta::assert_snapshot!(found(&format!("holidays: DE-BY\n{windows}")), @r#"Note 13 spec.triggers[0].metadata.windows: window "night" is for all days and says nothing of holidays: it holds on them, too (it did not in earlier versions; write holidays: skip in it if it is not to hold then, or holidays: ignore if it is)"#);
        assert_eq!(found(windows), "");
        let said = windows.replace("name: night", "name: night, holidays: skip");
        assert_eq!(found(&format!("holidays: DE-BY\n{said}")), "");
        let policy = "kind: PrewarmPolicy\nmetadata: {name: office}\nspec:\n  timezone: Etc/GMT+2\n  holidays: bavaria\n  windows:\n  - {name: off, from: \"08:00\", to: \"18:00\", minReplicas: 2}\n";
        insta::assert_snapshot!(told(policy), @r#"
        Warning 4 spec.timezone: Etc/GMT+2 is UTC−2: its sign is turned round, as in POSIX; for UTC+2 write Etc/GMT-2 or a zone such as Europe/Athens, Europe/Helsinki, Europe/Kyiv
        Note 6 spec.windows: window "off" is for all days and says nothing of holidays: it holds on them, too
        "#);
    }
}
