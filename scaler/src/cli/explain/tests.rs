use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::http::api::SourceTrouble;
use crate::http::{self, fixtures};

/// The API of a real server, over HTTP.
async fn served() -> (Url, tokio_util::sync::DropGuard) {
    // Another test of this process may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let router = http::router(fixtures::shown(fixtures::morning(), watch::channel(true).1).await);
    let shutdown = CancellationToken::new();
    tokio::spawn(http::serve(listener, router, shutdown.clone()));
    (url, shutdown.drop_guard())
}

fn about(server: &Url, name: &str) -> Args {
    Args {
        scaled_object: ("llm".into(), name.into()),
        server: server.clone(),
        at: None,
        token_file: None,
        json: false,
    }
}

async fn story_of(name: &str) -> String {
    let (server, _serving) = served().await;
    render::render(&serde_json::from_str(&fetch(&about(&server, name)).await.unwrap()).unwrap())
}

#[tokio::test]
async fn a_forecast_that_prevails() {
    insta::assert_snapshot!(story_of("llama").await);
}

#[tokio::test]
async fn a_source_that_is_down_for_long() {
    insta::assert_snapshot!(story_of("blind").await);
}

#[tokio::test]
async fn what_a_source_says_is_told_in_its_words() {
    let (server, _serving) = served().await;
    let mut told: Explanation =
        serde_json::from_str(&fetch(&about(&server, "blind")).await.unwrap()).unwrap();
    let since = told.now - jiff::SignedDuration::from_mins(5);
    for (kind, message, meaning) in [
        (
            "bad_query",
            "default refused the query: 400, parse error in sum(up",
            "does not answer the query with a number",
        ),
        (
            "partial",
            "default could read only a part of its data: EOF in sum(up)",
            "does not read all of its data",
        ),
        (
            "unauthorized",
            "default refused our credentials (HTTP 401): no org id",
            "does not take our credentials",
        ),
        ("missing", "the demand query returns nothing: sum(up)", "does not return anything"),
    ] {
        let trouble = SourceTrouble { kind: kind.to_owned(), message: message.to_owned(), since };
        told.triggers[0].summary.source_trouble = Some(trouble);
        let output = render::render(&told);
        assert!(output.contains(&format!("source   {message}, for 5 min")), "{output}");
        assert!(output.contains(meaning) && !output.contains("is down"), "{output}");
    }
}

#[tokio::test]
async fn metadata_that_an_edit_broke() {
    insta::assert_snapshot!(story_of("broken").await);
}

#[tokio::test]
async fn no_decision_yet() {
    insta::assert_snapshot!(story_of("asks").await);
}

#[tokio::test]
async fn an_unknown_name_is_an_error_with_the_nearest() {
    let (server, _serving) = served().await;
    let error = fetch(&about(&server, "lama")).await.unwrap_err().to_string();
    assert!(
        error.starts_with("llm/lama is not known") && error.contains("Nearest:\n  llm/llama\n"),
        "{error}"
    );
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error_that_says_where_we_looked() {
    let (server, serving) = served().await;
    drop(serving);
    let nobody: Url = "http://127.0.0.1:1".parse().unwrap();
    let error = fetch(&about(&nobody, "llama")).await.unwrap_err().to_string();
    assert!(error.contains("http://127.0.0.1:1") && error.contains("port-forward"), "{error}");
    let mailbox = about(&"mailto:a@b".parse().unwrap(), "llama");
    assert!(
        fetch(&mailbox).await.unwrap_err().to_string().contains("http://localhost:9091"),
        "{server}"
    );
}

#[test]
fn the_name_is_namespace_and_name() {
    assert_eq!(scaled_object("llm/llama"), Ok(("llm".into(), "llama".into())));
    for wrong in ["llama", "/llama", "llm/", "a/b/c"] {
        assert!(scaled_object(wrong).is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn another_time_is_explained_by_the_decision_of_then() {
    let (server, _serving) = served().await;
    let at = instant("2026-11-24T07:26:00Z").unwrap();
    let told = fetch(&Args { at: Some(at), ..about(&server, "llama") }).await.unwrap();
    let story = render::render(&serde_json::from_str(&told).unwrap());
    assert!(story.contains("2 replicas: KEDA is told 8"), "{story}");
    assert!(story.contains("Live demand prevails"), "{story}");
    assert!(instant("Monday").unwrap_err().contains("2026-11-23T07:52"));
}
