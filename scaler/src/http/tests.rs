use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use axum::response::Response;
use tower::ServiceExt;

use super::*;

async fn ask(router: &Router, path: &str, accept: &str) -> Response {
    let request = Request::get(path).header(header::ACCEPT, accept).body(Body::empty()).unwrap();
    router.clone().oneshot(request).await.unwrap()
}

async fn body(response: Response) -> String {
    let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

async fn json(router: &Router, path: &str) -> serde_json::Value {
    serde_json::from_str(&body(ask(router, path, "*/*").await).await).unwrap()
}

fn morning() -> (Router, watch::Sender<bool>) {
    let (ready, readiness) = watch::channel(false);
    (router(fixtures::morning(), Arc::default(), readiness), ready)
}

#[tokio::test]
async fn readiness_says_why_not_and_liveness_does_not_care() {
    let (router, ready) = morning();
    let probe = async |expected: StatusCode, words: &str| {
        let answer = ask(&router, "/readyz", "*/*").await;
        assert_eq!(answer.status(), expected);
        assert_eq!(body(answer).await, words);
        assert_eq!(ask(&router, "/livez", "*/*").await.status(), StatusCode::OK);
    };
    probe(StatusCode::SERVICE_UNAVAILABLE, "not ready: starting, the store has not answered yet\n")
        .await;
    ready.send_replace(true);
    probe(StatusCode::OK, "ready\n").await;
    ready.send_replace(false);
    probe(StatusCode::SERVICE_UNAVAILABLE, "not ready: shutting down\n").await;
}

#[tokio::test]
async fn metrics_come_in_the_format_that_is_asked_for() {
    let (router, _ready) = morning();
    // What Prometheus 2.42 and 3 send.
    let prometheus = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                      text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    let open = ask(&router, "/metrics", prometheus).await;
    assert_eq!(open.headers()[header::CONTENT_TYPE], OPENMETRICS);
    assert!(body(open).await.ends_with("# EOF\n"));
    let old = ask(&router, "/metrics", "text/plain").await;
    assert_eq!(old.headers()[header::CONTENT_TYPE], PLAIN);
    assert!(body(old).await.contains("# TYPE prewarm_build_info gauge\n"));
}

#[tokio::test]
async fn the_list_says_where_each_workload_stands() {
    let (router, _ready) = morning();
    insta::assert_json_snapshot!(json(&router, "/api/v1/workloads").await);
}

#[tokio::test]
async fn the_explanation_holds_every_part_and_no_secret() {
    let (router, _ready) = morning();
    let mut explained = json(&router, "/api/v1/workloads/llm/llama").await;
    assert!(!explained.to_string().contains("Hunter2"));
    let trigger = explained["triggers"][0].as_object_mut().unwrap();
    let transitions = trigger.remove("transitions").unwrap();
    let reasons: Vec<_> =
        transitions.as_array().unwrap().iter().map(|decision| &decision["reason"]).collect();
    assert_eq!(reasons, ["keep_warm", "live", "forecast"]);
    insta::assert_json_snapshot!(explained);
}

#[tokio::test]
async fn an_unknown_workload_is_answered_with_near_ones() {
    let (router, _ready) = morning();
    let answer = ask(&router, "/api/v1/workloads/llm/lama", "*/*").await;
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    let unknown: api::Unknown = serde_json::from_str(&body(answer).await).unwrap();
    assert!(unknown.error.starts_with("llm/lama is not known"), "{}", unknown.error);
    assert_eq!(unknown.near.first().map(String::as_str), Some("llm/llama"));
    let elsewhere = json(&router, "/api/v1/workloads/production-eu-west/blind").await;
    assert_eq!(elsewhere["near"][0], "llm/blind");
}

#[tokio::test]
async fn the_index_links_to_what_there_is() {
    let (router, _ready) = morning();
    let index = body(ask(&router, "/", "text/html").await).await;
    for (at, _) in index.match_indices("href=\"") {
        let path = index[at + 6..].split('"').next().unwrap();
        assert_ne!(ask(&router, path, "*/*").await.status(), StatusCode::NOT_FOUND, "{path}");
    }
    assert!(index.matches("href=\"").count() >= 4);
}

#[tokio::test]
async fn serving_ends_at_shutdown_although_a_client_keeps_its_connection() {
    let (router, _ready) = morning();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(serve(listener, router, shutdown.clone()));
    let _idle = tokio::net::TcpStream::connect(address).await.unwrap();
    shutdown.cancel();
    tokio::time::timeout(DRAIN * 2, serving).await.unwrap().unwrap().unwrap();
}

#[test]
fn addresses_lose_their_credentials() {
    assert_eq!(
        view::without_credentials("http://admin:Hunter2@prom:9090/a?token=Hunter2"),
        "http://prom:9090/a"
    );
    assert_eq!(view::without_credentials("Hunter2"), "(not an address)");
}
