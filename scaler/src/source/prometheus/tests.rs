//! Against a server that fails in every way we know; a real Prometheus answers in `tests/source`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::config::{Credentials, Secret, SourceKind};

pub(super) const VECTOR: &str =
    r#"{"status":"success","data":{"resultType":"vector","result":[RESULT]}}"#;

pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

pub(super) fn config(url: &str) -> SourceConfig {
    SourceConfig {
        timeout: SignedDuration::from_secs(5),
        concurrency: 4,
        ..SourceConfig::new(SourceKind::Prometheus, vec![url.parse().unwrap()])
    }
}

pub(super) fn source(config: &SourceConfig) -> PrometheusSource {
    let _ = rustls::crypto::ring::default_provider().install_default();
    PrometheusSource::new("default", config).unwrap()
}

pub(super) fn signals(query: &str) -> Signals {
    Signals { demand: Query::Text(query.into()), backlog: None, latency: None }
}

/// What reached the server: method, path with query, headers, body.
pub(super) type Seen = Arc<Mutex<Vec<(String, String, HeaderMap, String)>>>;

/// A server that answers every request alike and remembers it.
pub(super) async fn server(
    answer: impl Fn(&Request) -> Response + Clone + Send + Sync + 'static,
) -> (String, Seen) {
    let seen = Seen::default();
    let keep = seen.clone();
    let app = Router::new()
        .fallback(move |State(seen): State<Seen>, request: Request| {
            let answer = answer.clone();
            async move {
                let response = answer(&request);
                let (parts, body) = request.into_parts();
                let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
                let body = String::from_utf8(body.into()).unwrap();
                seen.lock().unwrap().push((
                    parts.method.to_string(),
                    parts.uri.to_string(),
                    parts.headers,
                    body,
                ));
                response
            }
        })
        .with_state(keep);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    (address, seen)
}

pub(super) async fn answer_to(status: u16, body: &'static str) -> Result<Sample, SourceError> {
    let (url, _) =
        server(move |_| (StatusCode::from_u16(status).unwrap(), body).into_response()).await;
    source(&config(&url)).sample(&signals("up"), at(1_800_000_000)).await
}

pub(super) async fn demand_of(result: &str) -> Result<Option<f64>, SourceError> {
    answer_to(200, Box::leak(VECTOR.replace("RESULT", result).into_boxed_str()))
        .await
        .map(|sample| sample.demand)
}

#[tokio::test]
async fn one_sample_is_a_value_and_none_is_missing() {
    assert_eq!(demand_of(r#"{"metric":{},"value":[1,"2.5"]}"#).await, Ok(Some(2.5)));
    assert_eq!(demand_of("").await, Ok(None));
    for missing in ["NaN", "+Inf", "-Inf"] {
        assert_eq!(
            demand_of(&format!(r#"{{"metric":{{}},"value":[1,"{missing}"]}}"#)).await,
            Ok(None),
            "{missing}"
        );
    }
    assert_eq!(
        demand_of(r#"{"metric":{},"value":[1,"-0.25"]}"#).await,
        Ok(Some(0.0)),
        "negative counts as 0"
    );
    let scalar =
        answer_to(200, r#"{"status":"success","data":{"resultType":"scalar","result":[1,"7"]}}"#)
            .await;
    assert_eq!(scalar.unwrap().demand, Some(7.0));
}

#[tokio::test]
async fn what_is_not_one_number_says_how_to_make_it_one() {
    let several =
        demand_of(r#"{"metric":{"a":"1"},"value":[1,"1"]},{"metric":{"a":"2"},"value":[1,"2"]}"#)
            .await;
    assert_eq!(
        several.unwrap_err().to_string(),
        "default was asked for one number: it returns 2 series where one is needed; wrap it in sum(…) in up"
    );
    let histogram =
        demand_of(r#"{"metric":{},"histogram":[1,{"count":"1","sum":"2"}]}"#).await.unwrap_err();
    assert_eq!(histogram.kind(), "bad_query");
    let text =
        answer_to(200, r#"{"status":"success","data":{"resultType":"string","result":[1,"x"]}}"#)
            .await;
    assert_eq!(text.unwrap_err().kind(), "bad_query");
    assert_eq!(
        demand_of(r#"{"metric":{},"value":[1,"many"]}"#).await.unwrap_err().kind(),
        "garbage"
    );
}

#[tokio::test]
async fn every_failure_has_its_kind() {
    let words = r#"{"status":"error","errorType":"bad_data","error":"1:5: parse error"}"#;
    let refused = answer_to(400, words).await.unwrap_err();
    assert_eq!(refused.to_string(), "default refused the query: 400, 1:5: parse error in up");
    let slow =
        answer_to(503, r#"{"status":"error","errorType":"timeout","error":"query timed out"}"#)
            .await;
    assert_eq!(slow.unwrap_err().kind(), "unreachable");
    assert_eq!(
        answer_to(401, "").await.unwrap_err().to_string(),
        "default refused our credentials (HTTP 401)"
    );
    assert_eq!(answer_to(403, words).await.unwrap_err().kind(), "unauthorized");
    assert_eq!(answer_to(502, "<html>bad gateway").await.unwrap_err().kind(), "unreachable");
    assert_eq!(answer_to(429, "slow down").await.unwrap_err().kind(), "unreachable");
    assert_eq!(
        answer_to(404, "not found").await.unwrap_err().to_string(),
        "default answered with garbage: HTTP 404, not found; is url the address of a Prometheus API?"
    );
    assert_eq!(answer_to(200, "<html>hello").await.unwrap_err().kind(), "garbage");
    assert_eq!(answer_to(200, r#"{"status":"success"}"#).await.unwrap_err().kind(), "garbage");
    let partial =
        r#"{"status":"success","isPartial":true,"data":{"resultType":"vector","result":[]}}"#;
    assert_eq!(answer_to(200, partial).await.unwrap_err().kind(), "partial");
    let long = Box::leak(
        format!(r#"{{"status":"error","errorType":"execution","error":"{}"}}"#, "x".repeat(5000))
            .into_boxed_str(),
    );
    assert!(answer_to(422, long).await.unwrap_err().to_string().chars().count() < 250);
}

#[tokio::test]
async fn an_endless_answer_is_cut_off_and_a_hung_server_is_left_in_time() {
    let (url, _) = server(|_| vec![b' '; INSTANT_LIMIT + 1].into_response()).await;
    let error = source(&config(&url)).sample(&signals("up"), at(0)).await.unwrap_err();
    assert_eq!(error.to_string(), "default answered with garbage: the answer is larger than 1 MiB");

    // Accepts, never answers.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hung = SourceConfig {
        timeout: SignedDuration::from_millis(200),
        concurrency: 1,
        ..config(&format!("http://{}", listener.local_addr().unwrap()))
    };
    let (hung, up) = (source(&hung), signals("up"));
    // The second waits for its turn: that counts toward the timeout as well.
    let started = std::time::Instant::now();
    let (first, second) = futures::join!(hung.sample(&up, at(0)), hung.sample(&up, at(0)));
    assert_eq!(
        first.unwrap_err().to_string(),
        "cannot reach default: no complete answer within 200ms"
    );
    assert_eq!(second.unwrap_err().kind(), "unreachable");
    assert!(started.elapsed() < std::time::Duration::from_millis(390), "one timeout, not two");

    drop(listener);
    assert_eq!(hung.sample(&up, at(0)).await.unwrap_err().kind(), "unreachable");
}

#[tokio::test]
async fn redirects_are_not_followed() {
    let (elsewhere, reached) = server(|_| "{}".into_response()).await;
    let (url, _) = server(move |_| {
        (StatusCode::FOUND, [(header::LOCATION, format!("{elsewhere}/api/v1/query"))])
            .into_response()
    })
    .await;
    let credentials = Credentials::Bearer(Secret::new("hunter2"));
    let error = source(&SourceConfig { credentials, ..config(&url) })
        .sample(&signals("up"), at(0))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("redirects"), "{error}");
    assert!(reached.lock().unwrap().is_empty());
}

#[tokio::test]
async fn the_question_carries_slot_prefix_headers_and_credentials() {
    let (url, seen) = server(|_| VECTOR.replace("RESULT", "").into_response()).await;
    let config = SourceConfig {
        credentials: Credentials::Basic { user: "me".into(), password: Secret::new("hunter2") },
        headers: BTreeMap::from([("X-Scope-OrgID".into(), Secret::new("team-a"))]),
        ..config(&format!("{url}/prometheus/"))
    };
    source(&config).sample(&signals(r#"sum(x{a="b&c"})"#), at(1_800_000_015)).await.unwrap();
    let (method, path, headers, body) = seen.lock().unwrap().pop().unwrap();
    assert_eq!((method.as_str(), path.as_str()), ("POST", "/prometheus/api/v1/query"));
    assert_eq!(headers["x-scope-orgid"], "team-a");
    assert_eq!(headers["authorization"], "Basic bWU6aHVudGVyMg==");
    assert_eq!(body, "query=sum%28x%7Ba%3D%22b%26c%22%7D%29&time=1800000015.000&timeout=5000ms");
}

#[tokio::test]
async fn a_server_without_post_is_asked_with_get() {
    let (url, seen) = server(|request| match request.method().as_str() {
        "POST" => StatusCode::METHOD_NOT_ALLOWED.into_response(),
        _ => VECTOR.replace("RESULT", r#"{"metric":{},"value":[1,"3"]}"#).into_response(),
    })
    .await;
    let sample = source(&config(&url)).sample(&signals("up"), at(1)).await.unwrap();
    assert_eq!(sample.demand, Some(3.0));
    assert!(seen.lock().unwrap()[1].1.starts_with("/api/v1/query?query=up&time=1.000&"));
}

#[tokio::test]
async fn a_rotated_token_is_read_again_after_a_refusal() {
    let (url, seen) =
        server(|request| match request.headers()["authorization"].to_str().unwrap() {
            "Bearer new" => VECTOR.replace("RESULT", "").into_response(),
            _ => StatusCode::UNAUTHORIZED.into_response(),
        })
        .await;
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "old\n").unwrap();
    let source = source(&SourceConfig {
        credentials: Credentials::BearerFile(token.clone()),
        ..config(&url)
    });
    assert_eq!(source.sample(&signals("up"), at(0)).await.unwrap_err().kind(), "unauthorized");
    std::fs::write(&token, "new\n").unwrap();
    assert_eq!(source.sample(&signals("up"), at(0)).await.unwrap(), Sample::default());
    assert_eq!(seen.lock().unwrap().len(), 2);

    std::fs::remove_file(&token).unwrap();
    let fresh = super::tests::source(&SourceConfig {
        credentials: Credentials::BearerFile(token),
        ..config(&url)
    });
    let error = fresh.sample(&signals("up"), at(0)).await.unwrap_err();
    assert!(error.to_string().starts_with("source default: cannot read /"), "{error}");
}

#[tokio::test]
async fn backlog_and_latency_fail_alone() {
    let (url, _) = server(|request| {
        // The body is not read yet here, so the queries are told apart by their order of failure:
        // GET shows them.
        let text = request.uri().query().unwrap_or_default();
        if request.method() == "POST" {
            StatusCode::METHOD_NOT_ALLOWED.into_response()
        } else if text.contains("query=bad") {
            (StatusCode::BAD_REQUEST, r#"{"status":"error","errorType":"bad_data","error":"no"}"#)
                .into_response()
        } else {
            VECTOR.replace("RESULT", r#"{"metric":{},"value":[1,"4"]}"#).into_response()
        }
    })
    .await;
    let source = source(&config(&url));
    let query = |text: &str| Query::Text(text.into());
    let signals = Signals {
        demand: query("good"),
        backlog: Some(query("bad")),
        latency: Some(query("good")),
    };
    let sample = source.sample(&signals, at(0)).await.unwrap();
    assert_eq!(
        sample,
        Sample { demand: Some(4.0), backlog: None, latency: Some(4.0), caveat: None }
    );
    let signals = Signals { demand: query("bad"), ..signals };
    assert_eq!(source.sample(&signals, at(0)).await.unwrap_err().kind(), "bad_query");
}

#[tokio::test]
async fn a_range_has_bounds() {
    let source = source(&config("http://127.0.0.1:1"));
    let signals = signals("up");
    let range = |from, to, step| {
        source.values(&signals.demand, at(from), at(to), SignedDuration::from_secs(step))
    };
    assert!(range(0, 11_000, 1).await.unwrap_err().to_string().contains("11,000"));
    assert_eq!(range(0, 10_999, 1).await.unwrap_err().kind(), "unreachable");
    assert!(range(1, 0, 1).await.unwrap_err().to_string().contains("before its start"));
    assert!(range(0, 1, 0).await.unwrap_err().to_string().contains("not positive"));
}

#[test]
fn neither_debug_nor_errors_show_a_password() {
    let source = source(&config("http://me:hunter2@127.0.0.1:1/"));
    assert_eq!(format!("{source:?}"), "PrometheusSource { name: \"default\", .. }");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let error = runtime.block_on(source.sample(&signals("up"), at(0))).unwrap_err();
    assert_eq!(error.kind(), "unreachable");
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

#[test]
fn times_are_decimal_seconds() {
    assert_eq!(seconds(1_800_000_000_250), "1800000000.250");
    assert_eq!(seconds(-1_500), "-1.500");
}
