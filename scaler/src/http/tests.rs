use std::time::Duration;

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

async fn morning() -> (Router, watch::Sender<bool>) {
    let (ready, readiness) = watch::channel(false);
    (router(fixtures::shown(fixtures::morning(), readiness).await), ready)
}

#[tokio::test]
async fn readiness_says_why_not_and_liveness_does_not_care() {
    let (router, ready) = morning().await;
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
    let (router, _ready) = morning().await;
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
    let (router, _ready) = morning().await;
    insta::assert_json_snapshot!(json(&router, "/api/v1/workloads").await);
}

#[tokio::test]
async fn the_explanation_holds_every_part_and_no_secret() {
    let (router, _ready) = morning().await;
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
    let (router, _ready) = morning().await;
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
    let (router, _ready) = morning().await;
    let index = body(ask(&router, "/", "text/html").await).await;
    for (at, _) in index.match_indices("href=\"") {
        let path = index[at + 6..].split('"').next().unwrap();
        if path.starts_with('#') {
            continue;
        }
        assert_ne!(ask(&router, path, "*/*").await.status(), StatusCode::NOT_FOUND, "{path}");
    }
    assert!(index.matches("href=\"").count() >= 4);
}

#[tokio::test]
async fn serving_ends_at_shutdown_although_a_client_keeps_its_connection() {
    let (router, _ready) = morning().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let serving = tokio::spawn(serve(listener, router, shutdown.clone()));
    let _idle = tokio::net::TcpStream::connect(address).await.unwrap();
    shutdown.cancel();
    tokio::time::timeout(server::Limits::default().drain * 2, serving)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}

#[test]
fn addresses_lose_their_credentials() {
    assert_eq!(
        view::without_credentials("http://admin:Hunter2@prom:9090/a?token=Hunter2"),
        "http://prom:9090/a"
    );
    assert_eq!(view::without_credentials("Hunter2"), "(not an address)");
}

#[tokio::test]
async fn every_response_forbids_what_is_inline_or_from_elsewhere() {
    let (router, _ready) = morning().await;
    for path in ["/", "/page/main.js", "/api/v1/status", "/metrics", "/nowhere"] {
        let answer = ask(&router, path, "*/*").await;
        let policy = answer.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
        assert!(policy.starts_with("default-src 'none'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(answer.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{path}");
        assert_eq!(answer.headers()[header::X_FRAME_OPTIONS], "DENY", "{path}");
    }
}

#[tokio::test]
async fn an_asset_that_the_browser_has_is_not_sent_again() {
    let (router, _ready) = morning().await;
    let first = ask(&router, "/page/main.js", "*/*").await;
    let tag = first.headers()[header::ETAG].clone();
    let again = Request::get("/page/main.js").header(header::IF_NONE_MATCH, tag);
    let again = router.oneshot(again.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert!(body(again).await.is_empty());
}

#[tokio::test]
async fn with_a_token_the_api_is_closed_and_probes_stay_open() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "correct horse\n").unwrap();
    let shown = fixtures::shown(fixtures::morning(), watch::channel(true).1).await;
    let router = router(Shown { token_file: Some(file.clone()), ..shown });
    let with = async |authorization: &str| {
        let request =
            Request::get("/api/v1/workloads").header(header::AUTHORIZATION, authorization);
        router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status()
    };
    assert_eq!(with("Bearer correct horse").await, StatusCode::OK);
    assert_eq!(with("bearer correct horse").await, StatusCode::OK);
    for wrong in ["Bearer correct", "Basic correct horse", "Bearer", "", "correct horse"] {
        assert_eq!(with(wrong).await, StatusCode::UNAUTHORIZED, "{wrong:?}");
    }
    let refused = ask(&router, "/api/v1/workloads/llm/llama", "*/*").await;
    assert!(refused.headers().contains_key(header::WWW_AUTHENTICATE));
    for open in ["/", "/livez", "/readyz", "/metrics"] {
        assert_eq!(ask(&router, open, "*/*").await.status(), StatusCode::OK, "{open}");
    }
    // A rotated token counts at once, and an empty file lets nobody in.
    std::fs::write(&file, "battery staple").unwrap();
    assert_eq!(with("Bearer battery staple").await, StatusCode::OK);
    assert_eq!(with("Bearer correct horse").await, StatusCode::UNAUTHORIZED);
    std::fs::write(&file, "").unwrap();
    assert_eq!(with("Bearer ").await, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn the_list_is_filtered_and_paged() {
    let (router, _ready) = morning().await;
    let whole = json(&router, "/api/v1/workloads").await;
    assert_eq!((whole["total"].as_u64(), whole["next"].as_str()), (Some(5), None));
    let (mut path, mut names) = ("/api/v1/workloads?limit=2".to_owned(), Vec::new());
    loop {
        let page = json(&router, &path).await;
        names.extend(page["workloads"].as_array().unwrap().iter().map(|w| w["name"].clone()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/workloads?limit=2&after={next}");
    }
    assert_eq!(names, ["asks", "blind", "broken", "gone", "llama"]);
    let held = json(&router, "/api/v1/workloads?state=blind&namespace=llm").await;
    assert_eq!((held["total"].as_u64(), &held["workloads"][0]["name"]), (Some(1), &"blind".into()));
    assert_eq!(json(&router, "/api/v1/workloads?namespace=other").await["total"], 0);
    let odd = ask(&router, "/api/v1/workloads?page=2", "*/*").await;
    assert_eq!(odd.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_status_says_what_is_wrong_and_who_is_refused() {
    let registry = fixtures::morning();
    let no_threshold = [("query".to_owned(), "up".to_owned())].into();
    let refused = crate::registry::Reference {
        namespace: "llm",
        name: "lost",
        metadata: &no_threshold,
        peer: None,
    };
    assert!(matches!(registry.find(refused), crate::registry::Found::Refused(_)));
    let (_ready, readiness) = watch::channel(true);
    let router = router(fixtures::shown(registry.clone(), readiness).await);
    let status = json(&router, "/api/v1/status").await;
    let subjects: Vec<_> =
        status["notices"].as_array().unwrap().iter().map(|it| it["subject"].clone()).collect();
    assert_eq!(subjects, ["trigger", "refused"]);
    let notice = status["notices"][0]["title"].as_str().unwrap();
    assert!(notice.contains("treshold") && notice.contains("threshold?"), "{notice}");
    let lost = &status["refused"][0];
    assert_eq!((&lost["name"], &lost["errors"][0]["key"]), (&"lost".into(), &"threshold".into()));
    // Once mended, it is refused no more.
    fixtures::register(&registry, "lost");
    assert_eq!(json(&router, "/api/v1/status").await["refused"], serde_json::json!([]));
}

#[tokio::test]
async fn a_very_long_name_costs_nothing() {
    let (router, _ready) = morning().await;
    let begun = std::time::Instant::now();
    let answer =
        ask(&router, &format!("/api/v1/workloads/llm/{}", "x".repeat(60_000)), "*/*").await;
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    let unknown: api::Unknown = serde_json::from_str(&body(answer).await).unwrap();
    assert!(unknown.error.len() < 1_000 && unknown.near.is_empty());
    assert!(begun.elapsed() < Duration::from_millis(500), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_series_is_on_an_even_grid_and_what_cannot_be_asked_says_why() {
    let now: Timestamp = fixtures::NOW.parse().unwrap();
    let rows: Vec<_> =
        (1..=60).filter(|back| *back != 30).map(|back| fixtures::row("llama", now, back)).collect();
    let readiness = watch::channel(true).1;
    let router = router(fixtures::shown_with(fixtures::morning(), readiness, &rows).await);
    let hour = json(
        &router,
        "/api/v1/workloads/llm/llama/series?from=2026-11-24T06:30:00Z&to=2026-11-24T07:30:00Z",
    )
    .await;
    assert_eq!((&hour["stepSeconds"], &hour["threshold"]), (&60.into(), &4.0.into()));
    let max = hour["max"].as_array().unwrap();
    assert_eq!(
        (max.len(), &max[0], &max[30], &max[59]),
        (60, &61.0.into(), &serde_json::Value::Null, &2.0.into())
    );
    let coarse = json(&router, "/api/v1/workloads/llm/llama/series?limit=13&from=2026-11-24T06:30:00Z&to=2026-11-24T07:30:00Z").await;
    assert_eq!(
        (&coarse["stepSeconds"], coarse["max"].as_array().unwrap().len()),
        (&300.into(), 12)
    );
    for odd in [
        "from=2026-11-24T07:30:00Z&to=2026-11-24T06:30:00Z",
        "limit=0",
        "limit=9999",
        "from=soon",
        "from=1970-01-01T00:00:00Z",
    ] {
        let answer =
            ask(&router, &format!("/api/v1/workloads/llm/llama/series?{odd}"), "*/*").await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{odd}");
    }
    for (path, status) in [
        ("lama/series", 404),
        ("llama/series?metric=other", 404),
        ("llama/forecast", 200),
        ("llama/decisions", 200),
        ("llama/windows", 200),
    ] {
        assert_eq!(
            ask(&router, &format!("/api/v1/workloads/llm/{path}"), "*/*").await.status(),
            status,
            "{path}"
        );
    }
}

#[tokio::test]
async fn an_instant_is_explained_by_the_decision_in_force_then() {
    let (router, _ready) = morning().await;
    let at = json(&router, "/api/v1/workloads/llm/llama?at=2026-11-24T07:26:00Z").await;
    assert_eq!(at["triggers"][0]["latest"]["reason"], "live");
    assert_eq!(at["triggers"][0]["desiredReplicas"], 2);
    let sentence = at["sentences"][0].as_str().unwrap();
    assert!(
        sentence.starts_with("2 replicas") && sentence.contains("Live demand prevails"),
        "{sentence}"
    );
    let before = json(&router, "/api/v1/workloads/llm/llama?at=2026-11-24T05:00:00Z").await;
    assert_eq!(before["triggers"][0]["latest"], serde_json::Value::Null);
}

/// Renewed by `PREWARM_BLESS=1 cargo test -p prewarm --lib openapi`.
#[test]
fn the_openapi_file_is_what_the_types_say() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");
    let rendered = openapi().to_pretty_json().unwrap() + "\n";
    if std::env::var_os("PREWARM_BLESS").is_some() {
        std::fs::write(file, &rendered).unwrap();
    }
    assert!(
        std::fs::read_to_string(file).unwrap_or_default() == rendered,
        "docs/openapi.json is not what the types say: PREWARM_BLESS=1"
    );
}
