//! What a source refuses reaches people in its own words: KEDA's error, the API that `prewarm
//! explain` reads.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::SignedDuration;
use prewarm_tests::app::{Setup, TestApp};
use prewarm_tests::keda::Trigger;
use prewarm_tests::prometheus::Prometheus;
use prewarm_tests::trace::{Trace, clock_time, days, monday};
use tonic::Code;

fn trigger(name: &str, query: &str) -> Trigger {
    Trigger::new("models", name).with("query", query).with("threshold", 4).with("mode", "off")
}

/// An HTTP server of our own.
async fn serve(app: Router) -> SocketAddr {
    prewarm_tests::install_crypto();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

/// What KEDA is told of a trigger that has never had demand, and what the API tells.
async fn told(app: &TestApp, trigger: &Trigger) -> (String, String) {
    let status = app.keda.poll(trigger).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition, "{status}");
    let trouble =
        app.explained(trigger).await.summary.source_trouble.expect("the source is in trouble");
    (status.message().to_owned(), trouble.message)
}

#[tokio::test]
async fn a_query_that_prometheus_refuses_is_told_by_status_words_and_query() {
    let demand = Trace::constant(monday(), days(1), 3.0);
    let series =
        ["a", "b", "c"].map(|pod| demand.clone().gauge(&format!("demand{{pod=\"{pod}\"}}")));
    let prometheus = Prometheus::holding(&series).await;
    let app = Setup::new(prometheus.address(), clock_time(monday(), 12, 0)).start().await;
    let broken = trigger("broken", "sum(demand");
    let several = trigger("several", "demand");
    let nothing = trigger("nothing", "sum(demnad)");
    app.register(&[&broken, &several, &nothing]).await;

    let (keda, explained) = told(&app, &broken).await;
    for text in [keda, explained] {
        assert!(
            text.contains("default refused the query: 400, ") && text.contains("parenthesis"),
            "{text}"
        );
        assert!(text.contains("in sum(demand") && !text.contains("returns nothing"), "{text}");
    }
    let (keda, explained) = told(&app, &several).await;
    for text in [keda, explained] {
        assert!(
            text.contains("returns 3 series where one is needed; wrap it in sum(…) in demand"),
            "{text}"
        );
    }
    let (keda, explained) = told(&app, &nothing).await;
    for text in [keda, explained] {
        assert!(text.contains("the demand query returns nothing: sum(demnad)"), "{text}");
    }
}

/// Managed services and proxies, each with its own words.
#[tokio::test]
async fn every_refusal_keeps_its_status_and_its_words() {
    let answer = async |request: Request| -> Response {
        let path = request.uri().to_string();
        let form = axum::body::to_bytes(request.into_body(), 1 << 16).await.unwrap();
        let form = format!("{path} {}", String::from_utf8_lossy(&form));
        let status = form
            .split("status_")
            .nth(1)
            .and_then(|rest| rest.get(..3)?.parse().ok())
            .unwrap_or(404);
        let status = StatusCode::from_u16(status).unwrap();
        let body = match status.as_u16() {
            400 => r#"{"error":{"code":400,"message":"words of 400","status":"INVALID_ARGUMENT"}}"#,
            422 => r#"{"status":"error","errorType":"422","error":"words of 422"}"#,
            429 => r#"{"status":"error","errorType":"too_many_requests","error":"words of 429"}"#,
            503 => "<html><head><title>words of 503</title></head><body></body></html>",
            401 => "words of 401\u{7}\n",
            _ => r#"{"kind":"Status","message":"words of 403"}"#,
        };
        (status, [(header::RETRY_AFTER, "60")], body).into_response()
    };
    let address = serve(Router::new().fallback(answer)).await;
    let app = Setup::new(address, clock_time(monday(), 12, 0)).start().await;
    for status in [400, 401, 403, 422, 429, 503] {
        let trigger = trigger(&format!("s{status}"), &format!("sum(status_{status})"));
        app.register(&[&trigger]).await;
        let (keda, explained) = told(&app, &trigger).await;
        for text in [keda, explained] {
            assert!(
                text.contains(&format!("{status}")) && text.contains(&format!("words of {status}")),
                "{text}"
            );
            assert!(!text.contains("returns nothing") && !text.contains("is down"), "{text}");
            assert!(!text.contains('\u{7}') && !text.contains('<'), "{text}");
        }
    }
}

/// Mimir and the clouds' managed services ration range queries.
#[tokio::test]
async fn a_backfill_that_is_rationed_goes_on_until_it_is_done() {
    let prometheus =
        Prometheus::holding(&[Trace::constant(monday(), days(2), 3.0).gauge("demand")]).await;
    let (upstream, refused) = (prometheus.address(), Arc::new(AtomicUsize::new(0)));
    let count = refused.clone();
    let pass = move |request: Request| {
        let count = count.clone();
        async move {
            let (parts, body) = request.into_parts();
            if parts.uri.path().ends_with("query_range") && count.fetch_add(1, Ordering::SeqCst) < 3
            {
                let retry = [(header::RETRY_AFTER, "1")];
                return (
                    StatusCode::TOO_MANY_REQUESTS,
                    retry,
                    "the request rate limit is exceeded",
                )
                    .into_response();
            }
            forwarded(upstream, &parts.method, &parts.uri.to_string(), body).await
        }
    };
    let address = serve(Router::new().fallback(pass)).await;
    let start = clock_time(monday() + days(1), 12, 0);
    let app = Setup::new(address, start).start().await;
    let trigger = trigger("rationed", "demand").with("historyWindow", "1d");
    app.register(&[&trigger]).await;
    app.history_of(&trigger, start - days(1), start, 1440).await;
    assert!(refused.load(Ordering::SeqCst) > 3);
}

/// The same question to another server.
async fn forwarded(
    upstream: SocketAddr,
    method: &Method,
    path: &str,
    body: axum::body::Body,
) -> Response {
    let body: Bytes = axum::body::to_bytes(body, 1 << 16).await.unwrap();
    let request =
        reqwest::Client::new().request(method.clone(), format!("http://{upstream}{path}"));
    let request =
        request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(body);
    let answer = request.send().await.unwrap();
    (answer.status(), answer.bytes().await.unwrap()).into_response()
}

#[tokio::test]
async fn a_part_of_the_data_holds_the_last_good_value_and_says_so() {
    let whole = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"40"]}]}}"#;
    let partial = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"4"]}]},"warnings":["receive series from Addr: 10.0.0.1:10901 LabelSets: {}: rpc error: code = Unavailable desc = EOF"]}"#;
    let gone = Arc::new(AtomicUsize::new(0));
    let now = gone.clone();
    let answer = move || {
        let body = if now.load(Ordering::SeqCst) == 0 { whole } else { partial };
        async move { body.into_response() }
    };
    let address = serve(Router::new().fallback(answer)).await;
    let app = Setup::new(address, clock_time(monday(), 12, 0)).start().await;
    let trigger = trigger("shards", "sum(demand)");
    app.register(&[&trigger]).await;
    app.step_until(app.slot() + SignedDuration::from_mins(1)).await;
    assert_eq!(app.keda.poll(&trigger).await.unwrap().value, 40.0);
    assert_eq!(app.explained(&trigger).await.summary.source_trouble, None);
    gone.store(1, Ordering::SeqCst);
    for _ in 0..4 {
        app.step().await;
        assert_eq!(
            app.keda.poll(&trigger).await.unwrap().value,
            40.0,
            "a shard less is no lower demand"
        );
    }
    let explained = app.explained(&trigger).await;
    let trouble = explained.summary.source_trouble.unwrap();
    assert_eq!(trouble.kind, "partial");
    assert!(
        trouble.message.starts_with("default could read only a part of its data: receive series"),
        "{trouble:?}"
    );
    assert_eq!(explained.summary.state, "last_good");
}
