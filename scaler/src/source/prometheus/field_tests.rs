//! Answers of back ends and proxies as public reports quote them; each test names where such a
//! thing was seen.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::tests::{VECTOR, answer_to, at, config, server, signals, source};
use super::*;
use crate::config::{Credentials, Method};

fn three() -> Response {
    VECTOR.replace("RESULT", r#"{"metric":{},"value":[1,"3"]}"#).into_response()
}

/// What is asked: the body of a form, or what follows `?`.
fn asked(
    (method, path, _, body): &(String, String, axum::http::HeaderMap, String),
) -> (String, String) {
    let query = path.split_once('?').map_or(body.clone(), |(_, query)| query.to_owned());
    (method.clone(), query)
}

#[tokio::test]
async fn google_managed_prometheus_gets_no_parameter_that_it_does_not_know() {
    let (url, seen) = server(|_| three()).await;
    let source = source(&config(&url));
    for _ in 0..2 {
        assert_eq!(source.sample(&signals("up"), at(1)).await.unwrap().demand, Some(3.0));
    }
    for request in seen.lock().unwrap().iter() {
        assert_eq!(asked(request).1, "query=up&time=1.000&timeout=5000ms");
    }
    // What it says to others, in Google's form.
    let refusal = r#"{"error":{"code":400,"message":"Invalid JSON payload received. Unknown name \"partial_response\": Cannot bind query parameter.","status":"INVALID_ARGUMENT"}}"#;
    assert_eq!(
        answer_to(400, refusal).await.unwrap_err().to_string(),
        "default refused the query: 400, Invalid JSON payload received. Unknown name \"partial_response\": Cannot bind \
         query parameter. in up"
    );
}

#[tokio::test]
async fn thanos_and_victoria_metrics_are_known_by_their_answers_and_asked_for_all_or_nothing() {
    let thanos = r#"{"status":"success","data":{"resultType":"vector","result":[],"analysis":{}}}"#;
    let cluster = r#"{"status":"success","isPartial":false,"data":{"resultType":"vector","result":[]},"stats":{}}"#;
    for (answer, parameter) in
        [(thanos, "&partial_response=false"), (cluster, "&deny_partial_response=1")]
    {
        let (url, seen) = server(move |_| answer.into_response()).await;
        let source = source(&config(&url));
        for _ in 0..2 {
            assert_eq!(source.sample(&signals("up"), at(1)).await.unwrap().demand, None);
        }
        let asked: Vec<_> = seen.lock().unwrap().iter().map(asked).collect();
        assert!(!asked[0].1.contains("partial"), "{asked:?}");
        assert!(asked[1].1.ends_with(parameter), "{asked:?}");
    }
}

#[tokio::test]
async fn parameters_of_the_configuration_go_with_every_query_and_outrank_ours() {
    let (url, seen) = server(|_| three()).await;
    let parameters = [("dedup", "true"), ("timeout", "9s")];
    let parameters = parameters.map(|(name, value)| (name.to_owned(), Secret::new(value))).into();
    let source = source(&SourceConfig { parameters, ..config(&url) });
    source.sample(&signals("up"), at(1)).await.unwrap();
    source
        .range(&Query::Text("up".into()), at(1), at(2), SignedDuration::from_secs(1))
        .await
        .unwrap_err();
    let asked: Vec<_> = seen.lock().unwrap().iter().map(|request| asked(request).1).collect();
    assert_eq!(asked[0], "query=up&time=1.000&dedup=true&timeout=9s");
    assert_eq!(asked[1], "query=up&start=1.000&end=2.000&step=1.000&dedup=true&timeout=9s");
}

/// kube-rbac-proxy in front of OpenShift's Thanos querier, and AKS with Azure RBAC, let readers GET
/// only; Grafana's plugins and googleapis.com do not understand forms.
#[tokio::test]
async fn proxies_that_let_only_get_pass_are_asked_by_get_from_then_on() {
    for (status, words) in [
        (
            StatusCode::FORBIDDEN,
            "Forbidden (user=system:serviceaccount:a:b, verb=create, resource=pods)",
        ),
        (StatusCode::METHOD_NOT_ALLOWED, ""),
        (StatusCode::NOT_IMPLEMENTED, ""),
        (
            StatusCode::BAD_REQUEST,
            r#"{"error":{"code":400,"message":"Invalid JSON payload received."}}"#,
        ),
        (StatusCode::UNSUPPORTED_MEDIA_TYPE, "<html></html>"),
    ] {
        let (url, seen) = server(move |request: &Request| match request.method().as_str() {
            "POST" => (status, words).into_response(),
            _ => three(),
        })
        .await;
        let source = source(&config(&url));
        for _ in 0..3 {
            assert_eq!(
                source.sample(&signals("up"), at(1)).await.unwrap().demand,
                Some(3.0),
                "{status}"
            );
        }
        let methods: Vec<_> =
            seen.lock().unwrap().iter().map(|request| request.0.clone()).collect();
        assert_eq!(methods, ["POST", "GET", "GET", "GET"], "{status}");
    }
}

#[tokio::test]
async fn a_query_that_get_refuses_is_told_in_the_words_of_get() {
    let (url, _) = server(|request: &Request| match request.method().as_str() {
        "POST" => (StatusCode::FORBIDDEN, "verb=create").into_response(),
        _ => (
            StatusCode::BAD_REQUEST,
            r#"{"status":"error","errorType":"bad_data","error":"1:4: no"}"#,
        )
            .into_response(),
    })
    .await;
    let error = source(&config(&url)).sample(&signals("sum("), at(1)).await.unwrap_err();
    assert_eq!(error.to_string(), "default refused the query: 400, 1:4: no in sum(");
}

#[tokio::test]
async fn the_configuration_may_fix_the_method() {
    for (method, sent) in [(Method::Get, "GET"), (Method::Post, "POST")] {
        let (url, seen) = server(|_| (StatusCode::FORBIDDEN, "no").into_response()).await;
        let error = source(&SourceConfig { method, ..config(&url) })
            .sample(&signals("up"), at(1))
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), "default refused our credentials (HTTP 403): no");
        let methods: Vec<_> =
            seen.lock().unwrap().iter().map(|request| request.0.clone()).collect();
        assert_eq!(methods, [sent]);
    }
}

/// Cortex' query front end, Google Managed Prometheus and others, where nothing matches.
#[tokio::test]
async fn nothing_is_said_in_many_ways() {
    for nothing in [
        r#"{"status":"success","data":{"resultType":"vector","result":null}}"#,
        r#"{"status":"success","data":{"resultType":"matrix","result":null}}"#,
        r#"{"status":"success","data":{"resultType":"","result":null}}"#,
        r#"{"status":"success","data":{"resultType":"","result":[]}}"#,
        r#"{"status":"success","data":{"resultType":null,"result":[]}}"#,
        r#"{"status":"success","data":{"result":[],"resultType":"vector"},"warnings":null,"infos":[]}"#,
    ] {
        assert_eq!(answer_to(200, nothing).await, Ok(Sample::default()), "{nothing}");
        let (url, _) = server(move |_| nothing.into_response()).await;
        let (source, up) = (source(&config(&url)), Query::Text("up".into()));
        let range = source.range(&up, at(0), at(9), SignedDuration::from_secs(1)).await;
        assert_eq!(range, Ok(Vec::new()), "{nothing}");
    }
}

/// VictoriaMetrics puts the status into `errorType`, Mimir words of its own.
#[tokio::test]
async fn the_status_outranks_words_that_are_not_prometheus_own() {
    for (status, kind_of_error, kind) in [
        (503, r#""503""#, "unreachable"),
        (422, r#""422""#, "bad_query"),
        (400, r#""400""#, "bad_query"),
        (429, r#""too_many_requests""#, "unreachable"),
        (429, r#""bad_data""#, "unreachable"),
        (500, r#""internal""#, "unreachable"),
        (503, "503", "unreachable"),
        (422, "422", "bad_query"),
        (422, r#""execution""#, "bad_query"),
        (413, r#""too_large""#, "bad_query"),
        (499, r#""canceled""#, "unreachable"),
        (401, r#""unauthorized""#, "unauthorized"),
        (200, r#""503""#, "unreachable"),
        (200, r#""422""#, "bad_query"),
        (200, r#""too_many_requests""#, "unreachable"),
        (502, "null", "unreachable"),
    ] {
        let body = format!(
            r#"{{"status":"error","errorType":{kind_of_error},"error":"said the source"}}"#
        );
        let error = answer_to(status, body.leak()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{status} {kind_of_error}: {error}");
        assert!(error.to_string().contains("said the source"), "{error}");
        assert!(error.to_string().contains(&status.to_string()), "{error}");
    }
}

/// Thanos that may not answer in part, with a store that is gone; and one whose limit the query
/// exceeds.
#[tokio::test]
async fn a_store_that_is_gone_is_no_fault_of_the_query() {
    let gone = r#"{"status":"error","errorType":"execution","error":"expanding series: proxy Series(): Addr: 10.0.0.1:10901 LabelSets: {}: rpc error: code = Unavailable desc = connection refused"}"#;
    assert_eq!(answer_to(422, gone).await.unwrap_err().kind(), "unreachable");
    let limit = r#"{"status":"error","errorType":"execution","error":"expanding series: proxy Series(): rpc error: code = ResourceExhausted desc = exceeded series limit"}"#;
    assert_eq!(answer_to(422, limit).await.unwrap_err().kind(), "bad_query");
}

#[tokio::test]
async fn part_of_the_data_is_no_number_and_a_lint_is_no_fault() {
    let warned = async |warnings: &str, result: &str| {
        let body = format!(
            r#"{{"status":"success","data":{{"resultType":"vector","result":[{result}]}},"warnings":[{warnings}]}}"#
        );
        answer_to(200, body.leak()).await.map(|sample| sample.demand)
    };
    let value = r#"{"metric":{},"value":[1,"3"]}"#;
    let lint = r#""PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \"x\" (1:6)""#;
    assert_eq!(warned(lint, value).await, Ok(Some(3.0)));
    assert_eq!(warned(r#""this workspace moves next month""#, value).await, Ok(Some(3.0)));
    let gone = r#""receive series from Addr: 10.0.0.1:10901 LabelSets: {a=\"b\"}: rpc error: code = Unavailable desc = EOF""#;
    let error = warned(&format!("{lint},{gone}"), value).await.unwrap_err();
    assert_eq!(error.kind(), "partial");
    assert!(
        error
            .to_string()
            .starts_with("default could read only a part of its data: receive series from"),
        "{error}"
    );
    assert!(error.passes());

    // Beyond the retention of every store there is nothing to lose.
    let body = r#"{"status":"success","data":{"resultType":"matrix","result":[]},"warnings":["No StoreAPIs matched for this query"]}"#;
    let (url, _) = server(move |_| body.into_response()).await;
    let range = source(&config(&url))
        .range(&Query::Text("up".into()), at(0), at(9), SignedDuration::from_secs(1))
        .await;
    assert_eq!(range, Ok(Vec::new()));
}

#[tokio::test]
async fn who_is_busy_is_asked_once_more_when_it_wants_to() {
    for (status, retry_after) in [(429, Some("1")), (503, None), (500, None)] {
        let count = std::sync::Arc::new(AtomicUsize::new(0));
        let counted = count.clone();
        let (url, _) = server(move |_| {
            if counted.fetch_add(1, Ordering::SeqCst) > 0 {
                return three();
            }
            let mut response = StatusCode::from_u16(status).unwrap().into_response();
            if let Some(seconds) = retry_after {
                response.headers_mut().insert(header::RETRY_AFTER, seconds.parse().unwrap());
            }
            response
        })
        .await;
        let begun = Instant::now();
        assert_eq!(
            source(&config(&url)).sample(&signals("up"), at(1)).await.unwrap().demand,
            Some(3.0),
            "{status}"
        );
        assert_eq!(count.load(Ordering::SeqCst), 2);
        assert!(retry_after.is_none() || begun.elapsed() >= Duration::from_secs(1));
    }
    // A long pause is for whoever can wait.
    let (url, seen) = server(|_| {
        (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "60")], "slow").into_response()
    })
    .await;
    let error = source(&config(&url)).sample(&signals("up"), at(1)).await.unwrap_err();
    assert_eq!(error.to_string(), "default cannot answer now: 429, slow in up");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(60)));
    assert_eq!(seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_refusal_keeps_its_words_and_none_of_our_secrets() {
    let (url, _) = server(|request: &Request| {
        let sent = request.headers()["authorization"].to_str().unwrap().to_owned();
        (
            StatusCode::UNAUTHORIZED,
            format!("no org id\u{7}\n{sent} is expired; {}", "x".repeat(500)),
        )
            .into_response()
    })
    .await;
    let credentials = Credentials::Bearer(Secret::new("hunter2"));
    let error = source(&SourceConfig { credentials, ..config(&url) })
        .sample(&signals("up"), at(0))
        .await
        .unwrap_err();
    let told = error.to_string();
    assert!(
        told.starts_with(
            "default refused our credentials (HTTP 401): no org id Bearer [redacted] is"
        ),
        "{told}"
    );
    assert!(told.chars().count() < 260, "{told}");
}
