//! What is tried, and what fails beside demand, on a real Prometheus.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use prewarm_tests::eventually;
use prewarm_tests::keda::{Keda, Trigger};
use prewarm_tests::prometheus::Prometheus;
use prewarm_tests::serve::Serve;
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_prewarm-under-test");

/// A Prometheus without a series, and a Prewarm that reads it; source `other` is for team-b.
async fn serving(allow: &str) -> (Prometheus, Serve) {
    let nobody = "127.0.0.1:9".parse().unwrap();
    let prometheus = Prometheus::scraping("none", nobody, Duration::from_secs(5)).await;
    let url = format!("http://{}", prometheus.address());
    let configuration = format!(
        "database = \"sqlite://prewarm.db\"\nslot = \"1s\"\n[sources.default]\nkind = \"prometheus\"\nurl = \"{url}\"\n[sources.other]\nkind = \"prometheus\"\nurl = \"{url}\"\nnamespaces = [\"team-b\"]\n{allow}"
    );
    let serve = Serve::start(PROGRAM, &configuration, &[]).await;
    (prometheus, serve)
}

/// `prewarm check --server` of a ScaledObject with this metadata: whether it succeeded, and what it
/// printed.
fn check(serve: &Serve, dir: &Path, metadata: &str) -> (bool, String) {
    let text = format!(
        "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {{name: chat, namespace: team-a}}\nspec:\n  scaleTargetRef: {{name: chat}}\n  triggers:\n  - type: external-push\n    metadata: {{scalerAddress: \"prewarm:9090\", threshold: \"4\", {metadata}}}\n"
    );
    let file = dir.join("so.yaml");
    std::fs::write(&file, text).unwrap();
    let server = format!("http://{}", serve.http);
    let answer =
        Command::new(PROGRAM).args(["check", "--server", &server]).arg(file).output().unwrap();
    let printed = [answer.stdout, answer.stderr].concat();
    (answer.status.success(), String::from_utf8(printed).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn check_tries_queries_through_a_running_server_where_that_is_allowed() {
    let dir = tempfile::tempdir().unwrap();
    let (_prometheus, serve) = serving("[allow]\ntrials = true\n").await;
    let (good, printed) = check(&serve, dir.path(), "query: 'sum(vector(7))'");
    assert!(good && printed.contains("demand 7 now"), "{printed}");
    let (good, printed) = check(&serve, dir.path(), "query: 'sum(no_such_metric)'");
    assert!(!good && printed.contains("the query gives nothing"), "{printed}");
    // Good on paper, and refused by Prometheus, in its words.
    let (good, printed) = check(
        &serve,
        dir.path(),
        "query: 'sum(vector(7))', backlogQuery: 'label_replace(vector(1), \"a\", \"b\", \"c\", \"(\")'",
    );
    assert!(!good && printed.contains("backlogQuery: tried at"), "{printed}");
    // What the server would not sample in earnest it does not try.
    let (good, printed) = check(&serve, dir.path(), "query: 'sum(vector(7))', source: other");
    assert!(
        !good && printed.contains("namespace \"team-a\" may not use source \"other\""),
        "{printed}"
    );
    let (good, printed) =
        check(&serve, dir.path(), "query: up, serverAddress: 'http://169.254.169.254/latest'");
    assert!(!good && printed.contains("is not permitted"), "{printed}");
    // Nothing was registered by it.
    let listed: Value = serde_json::from_str(&serve.body("/api/v1/workloads").await).unwrap();
    assert_eq!(listed["workloads"].as_array().map(Vec::len), Some(0), "{listed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn trials_are_refused_by_default_and_the_key_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (_prometheus, serve) = serving("").await;
    let (good, printed) = check(&serve, dir.path(), "query: 'sum(vector(7))'");
    assert!(!good && printed.contains("allow.trials = true"), "{printed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_that_cannot_be_read_shows_in_the_api_and_in_the_metrics() {
    let (_prometheus, serve) = serving("").await;
    let keda = Keda::new(serve.grpc);
    let trigger = Trigger::new("team-a", "chat")
        .with("query", "sum(vector(7))")
        .with("backlogQuery", "sum(up")
        .with("threshold", 4);
    let explained = eventually(Duration::from_secs(30), "the failure shows", || async {
        let _ = keda.poll(&trigger).await;
        let text = serve.body("/api/v1/workloads/team-a/chat").await;
        let explained: Value = serde_json::from_str(&text).ok()?;
        let troubles = explained["triggers"][0]["signalTroubles"].as_array()?.clone();
        troubles.first().cloned()
    })
    .await;
    assert_eq!(
        (&explained["signal"], &explained["kind"]),
        (&"backlog".into(), &"bad_query".into())
    );
    assert!(explained["message"].as_str().unwrap().contains("refused the query"), "{explained}");
    let metrics = serve.body("/metrics").await;
    let line = "prewarm_source_signal_failures_total{source=\"default\",signal=\"backlog\",outcome=\"bad_query\"}";
    assert!(metrics.contains(line), "{metrics}");
    let server = format!("http://{}", serve.http);
    let told = Command::new(PROGRAM)
        .args(["explain", "team-a/chat", "--server", &server])
        .output()
        .unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.contains("backlog  ") && told.contains("going on without it"), "{told}");
}
