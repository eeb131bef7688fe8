//! What files hold besides ScaledObjects.

use insta::assert_snapshot;

use super::*;

#[test]
fn policies_are_checked_and_referred_to() {
    let policy = "kind: PrewarmPolicy\nmetadata: {name: office}\nspec:\n  timezone: Europe/Berlin\n  windows:\n  - {name: a, days: Mon-Fri, from: \"08:00\", to: \"18:00\", minReplicas: 200}\n";
    let referring =
        format!("{policy}---\n{}", scaled_object("", &format!("{DEMAND}\npolicyRef: office")));
    assert_snapshot!(checked(&referring), @r#"
    so.yaml, document 1: PrewarmPolicy office: ok

    so.yaml, document 2: ScaledObject llm/llama
      19  error    spec.triggers[0].metadata.policyRef: window "a" wants 200 replicas, maxReplicaCount is 100
                   the HPA never goes above maxReplicaCount; raise it or lower the floor

    2 resources, 1 trigger of prewarm: 1 error, 0 warnings
    "#);
    assert_snapshot!(checked("kind: PrewarmPolicy\nmetadata: {name: office}\nspec:\n  timezon: UTC\n  windows:\n  - {name: a, days: Mon, from: \"8\", to: \"18:00\", minReplicas: 2}\n"), @r#"
    so.yaml, document 1: PrewarmPolicy office
      4  error    spec.timezon: is not a key; known here: timezone, windows, holidays
      6  error    spec.windows[0].from: "8" is no local time: write it like "08:00"

    1 resource, 0 triggers of prewarm: 2 errors, 0 warnings
    "#);
    assert_snapshot!(checked("timezone: UTC\nwindows:\n- {name: a, days: Mon, from: \"08:00\", to: \"18:00\", minReplicas: 2}\n"), @"
    so.yaml, document 1: policy without a name: ok

    1 resource, 0 triggers of prewarm: 0 errors, 0 warnings
    ");
}

#[test]
fn names_are_verified_against_the_configuration() {
    let text = scaled_object(
        "",
        &format!("{DEMAND}\nsource: tean-a\npolicyRef: office\nholidays: bavaria"),
    );
    assert_snapshot!(checked(&text), @"
    so.yaml, document 1: ScaledObject llm/llama: ok

    sources, addresses and shared policies are taken on trust: give --config FILE to check them, too
    1 resource, 1 trigger of prewarm: 0 errors, 0 warnings
    ");
    let config = Config::load_text("[sources.team-a]\nurl = \"http://a\"").unwrap();
    assert_snapshot!(report(&text, Some(&config)).text(false), @r#"
    so.yaml, document 1: ScaledObject llm/llama
      12  error    spec.triggers[0].metadata.source: the server's configuration has no source "tean-a"; did you mean "team-a"?
      13  error    spec.triggers[0].metadata.policyRef: the server's configuration has no policy "office"; add it there as policies.NAME
      14  error    spec.triggers[0].metadata.holidays: the server's configuration has no calendar "bavaria"; add it there as holidays.NAME, or write dates (2026-12-24) or an ISO 3166 code (DE-BY)

    1 resource, 1 trigger of prewarm: 3 errors, 0 warnings
    "#);
    let address = scaled_object("", &format!("{DEMAND}\nserverAddress: http://prometheus:9090"));
    assert_eq!(report(&address, None).count(Level::Error), 0);
    assert_eq!(report(&address, Some(&config)).count(Level::Error), 1);
}

#[test]
fn lists_are_looked_into() {
    let object = scaled_object("cooldownPeriod: 0", DEMAND);
    let items: String = object
        .lines()
        .enumerate()
        .map(|(i, line)| format!("{} {line}\n", if i == 0 { "-" } else { " " }))
        .collect();
    let list = format!("apiVersion: v1\nkind: List\nitems:\n{items}");
    let finding = &report(&list, None).resources[0].findings[0];
    assert_eq!((finding.path.as_str(), finding.line), ("spec.cooldownPeriod", 8));
}

#[test]
fn what_cannot_be_read_is_an_error() {
    assert_snapshot!(checked("spec:\n  a: [\n"), @"
    so.yaml, document 1: YAML that cannot be read
      2  error    YAML: line 2 column 6: unclosed bracket '['

    1 resource, 0 triggers of prewarm: 1 error, 0 warnings
    ");
    assert_snapshot!(checked("kind: ScaledObject\nspec: {{ .Values.spec }}\nx: {{- y }}"), @"
    so.yaml, document 1: YAML that cannot be read
      2  error    YAML: line 2 column 8: expected string scalar
                  render templates first: helm template . | prewarm check -

    1 resource, 0 triggers of prewarm: 1 error, 0 warnings
    ");
    assert_snapshot!(checked("kind: Deployment\n"), @"
    nothing to check: no ScaledObject or ScaledJob with a trigger of prewarm, and no policy
    0 resources, 0 triggers of prewarm: 0 errors, 0 warnings
    ");
    assert!(report("kind: Deployment\n", None).resources.is_empty());
}

#[test]
fn keys_are_listed() {
    let text = keys_text();
    assert!(text.starts_with("query"), "{text}");
    assert_eq!(text.lines().count(), 2 * keys::ALL.len());
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&keys_json()).unwrap().as_array().unwrap().len(),
        keys::ALL.len()
    );
}
