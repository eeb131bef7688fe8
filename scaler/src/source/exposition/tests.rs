//! Against servers whose text we set. The same numbers as a real Prometheus: `prewarm-tests`.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::State as Extract;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::*;
use crate::config::SourceKind;
use crate::signal::preset;
use crate::signal::selector::Selector;

/// One endpoint: what it says, and how often it was asked.
#[derive(Debug, Default)]
struct Endpoint {
    says: std::sync::Mutex<Option<String>>,
    asked: AtomicUsize,
    host: std::sync::Mutex<String>,
}

impl Endpoint {
    fn say(&self, text: &str) {
        *self.says.lock().unwrap() = Some(text.into());
    }

    fn fail(&self) {
        *self.says.lock().unwrap() = None;
    }
}

async fn answer(Extract(endpoint): Extract<Arc<Endpoint>>, headers: HeaderMap) -> Response {
    endpoint.asked.fetch_add(1, Ordering::SeqCst);
    *endpoint.host.lock().unwrap() = headers[header::HOST].to_str().unwrap().into();
    assert!(
        headers[header::ACCEPT]
            .to_str()
            .unwrap()
            .starts_with("application/openmetrics-text;version=1.0.0,")
    );
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match &*endpoint.says.lock().unwrap() {
        Some(text) => ([(header::CONTENT_TYPE, kind)], format!("{text}\n# EOF\n")).into_response(),
        None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

async fn endpoint(says: &str) -> (Arc<Endpoint>, String) {
    let endpoint = Arc::new(Endpoint::default());
    endpoint.say(says);
    let app =
        Router::new().route("/metrics", axum::routing::get(answer)).with_state(endpoint.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, app).await });
    (endpoint, format!("http://localhost:{port}/metrics"))
}

fn source(urls: &[&str]) -> ExpositionSource {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let urls = urls.iter().map(|url| url.parse().unwrap()).collect();
    let config = SourceConfig {
        timeout: SignedDuration::from_secs(5),
        concurrency: 4,
        ..SourceConfig::new(SourceKind::Exposition, urls)
    };
    ExpositionSource::new("pods", &config).unwrap()
}

fn signals(demand: &str) -> Signals {
    Signals { demand: Query::Text(demand.into()), backlog: None, latency: None }
}

fn slot(n: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + 15 * n).unwrap()
}

async fn demand(
    source: &ExpositionSource,
    promql: &str,
    n: i64,
) -> Result<Option<f64>, SourceError> {
    source.sample(&signals(promql), slot(n)).await.map(|sample| sample.demand)
}

#[tokio::test]
async fn endpoints_are_summed_and_a_rate_needs_two_scrapes() {
    let (a, url_a) = endpoint("running 3\nrequests_total 100").await;
    let (b, url_b) = endpoint("running 4\nrequests_total 1000").await;
    let source = source(&[&url_a, &url_b]);
    let rate = "sum(rate(requests_total[1m]))";
    assert_eq!(demand(&source, "sum(running)", 0).await, Ok(Some(7.0)));
    assert_eq!(demand(&source, rate, 0).await, Ok(None));
    a.say("running 0\nrequests_total 115");
    b.say("running 0\nrequests_total 1030");
    // 45 within 15 s, continued by half of that spacing toward the range's start.
    assert_eq!(demand(&source, rate, 1).await, Ok(Some(45.0 * 1.5 / 60.0)));
    assert_eq!(demand(&source, "sum(running)", 1).await, Ok(Some(0.0)), "zero is an observation");
    assert_eq!(demand(&source, "sum(nothing)", 1).await, Ok(None));
    assert_eq!(
        demand(&source, "running", 1).await.unwrap_err().to_string(),
        "pods was asked for one number: it returns 2 series where one is needed; wrap it in sum(…) in running"
    );
}

#[tokio::test]
async fn one_scrape_a_slot_serves_everybody() {
    let (a, url) = endpoint("x 1\ny 2").await;
    let source = source(&[&url]);
    let reads: Vec<Signals> = (0..50).map(|_| signals("sum(x)")).collect();
    let samples =
        futures::future::join_all(reads.iter().map(|signals| source.sample(signals, slot(0))))
            .await;
    assert!(samples.iter().all(|sample| sample.as_ref().unwrap().demand == Some(1.0)));
    assert_eq!(a.asked.load(Ordering::SeqCst), 1);
    assert_eq!(
        demand(&source, "sum(y)", 0).await,
        Ok(Some(2.0)),
        "a new metric costs a scrape more"
    );
    assert_eq!(a.asked.load(Ordering::SeqCst), 2);
    a.say("x 5\ny 6");
    assert_eq!(demand(&source, "sum(y)", 0).await, Ok(Some(2.0)));
    assert_eq!(demand(&source, "sum(x) + sum(y)", 1).await, Ok(Some(11.0)));
    assert_eq!(
        demand(&source, "sum(x) + sum(y)", 0).await,
        Ok(Some(3.0)),
        "late for a slot that was scraped"
    );
    assert_eq!(a.asked.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn one_endpoint_down_is_no_observation_and_no_lower_demand() {
    let (a, url_a) = endpoint("x 1").await;
    let (b, url_b) = endpoint("x 2").await;
    let source = source(&[&url_a, &url_b]);
    assert_eq!(demand(&source, "sum(x)", 0).await, Ok(Some(3.0)));
    b.fail();
    let error = demand(&source, "sum(x)", 1).await.unwrap_err();
    let port =
        url_b.trim_start_matches("http://localhost:").trim_end_matches("/metrics").to_owned();
    assert_eq!(error.to_string(), format!("pods (127.0.0.1:{port}) cannot answer now: HTTP 503"));
    assert_eq!(demand(&source, "sum(x)", 1).await.unwrap_err(), error);
    assert_eq!(a.asked.load(Ordering::SeqCst), 2, "the failure, too, is that of the slot");
    b.say("x 2");
    assert_eq!(demand(&source, "sum(x)", 2).await, Ok(Some(3.0)));
}

#[tokio::test]
async fn a_name_stands_for_its_addresses_and_is_still_what_is_asked_for() {
    let (a, url) = endpoint("x{instance=\"mine\",empty=\"\"} 1").await;
    let source = source(&[&url]);
    let port = url.trim_start_matches("http://localhost:").trim_end_matches("/metrics").to_owned();
    let labels =
        format!(r#"sum(x{{instance="127.0.0.1:{port}",exported_instance="mine",empty=""}})"#);
    assert_eq!(demand(&source, &labels, 0).await, Ok(Some(1.0)));
    assert_eq!(*a.host.lock().unwrap(), format!("localhost:{port}"));
}

#[tokio::test]
async fn what_cannot_be_read_says_so() {
    let (a, url) = endpoint("x 1\nx{ 2").await;
    let one = source(&[&url]);
    assert!(demand(&one, "sum(x)", 0).await.unwrap_err().to_string().ends_with(
        "answered with garbage: line 2: a label name must match [a-zA-Z_][a-zA-Z0-9_]*"
    ));
    a.say("x 1\n# EOF\ny 1");
    assert_eq!(demand(&one, "sum(x)", 1).await.unwrap_err().kind(), "garbage");
    let lost = source(&[&url.replace("/metrics", "/")]);
    assert!(
        demand(&lost, "sum(x)", 0)
            .await
            .unwrap_err()
            .to_string()
            .contains("HTTP 404; is it the path")
    );
    let nowhere = source(&["http://127.0.0.1:1/metrics"]);
    assert_eq!(demand(&nowhere, "sum(x)", 0).await.unwrap_err().kind(), "unreachable");
    let unknown = source(&["http://no-such-host.invalid/metrics"]);
    assert_eq!(demand(&unknown, "sum(x)", 0).await.unwrap_err().kind(), "unreachable");
    assert_eq!(demand(&one, "topk(1, x)", 2).await.unwrap_err().kind(), "bad_query");
    let asked = a.asked.load(Ordering::SeqCst);
    assert_eq!(demand(&one, "sum(x", 3).await.unwrap_err().kind(), "bad_query");
    assert_eq!(
        a.asked.load(Ordering::SeqCst),
        asked,
        "nothing is scraped for a query that cannot be answered"
    );
    let past =
        one.range(&Query::Text("x".into()), slot(0), slot(1), SignedDuration::from_secs(15)).await;
    assert_eq!(past.unwrap_err().kind(), "unsupported");
    assert!(!one.has_history());
}

#[tokio::test]
async fn a_selector_that_no_page_can_match_is_told_apart_from_no_demand() {
    let (_, url) = endpoint("x{model=\"a\"} 1\ny 2").await;
    let source = source(&[&url]);
    let error = demand(&source, r#"sum(x{namespace="llm",model="a"})"#, 0).await.unwrap_err();
    assert_eq!(error.kind(), "bad_query");
    assert_eq!(
        error.to_string(),
        "pods can never match the query: no series of x has a label namespace where it is scraped directly (it has \
         instance, model; what a Prometheus adds, as namespace, pod and job, is not there): leave namespace out of the \
         selector"
    );
    assert_eq!(
        demand(&source, r#"sum(x{model="b"})"#, 0).await,
        Ok(None),
        "another value may come"
    );
    assert_eq!(demand(&source, r#"sum(x{namespace=""})"#, 0).await, Ok(Some(1.0)));
    assert_eq!(
        demand(&source, r#"sum(nothing{namespace="llm"})"#, 0).await,
        Ok(None),
        "a metric may come"
    );
    assert_eq!(demand(&source, r#"sum(x{namespace="llm"}) or sum(y)"#, 0).await, Ok(Some(2.0)));

    let (_, url) = endpoint(
        "sglang:num_running_reqs{model_name=\"a\"} 1\nsglang:num_queue_reqs{model_name=\"a\"} 2",
    )
    .await;
    let source = super::tests::source(&[&url]);
    let preset = async |selector: &str| {
        let found = preset::find("sglang", &Selector::parse(selector).unwrap()).unwrap();
        let signals = Signals { demand: Query::Preset(found.demand), backlog: None, latency: None };
        source.sample(&signals, slot(0)).await.map(|sample| sample.demand)
    };
    assert_eq!(preset(r#"model_name="a""#).await, Ok(Some(3.0)));
    assert_eq!(
        preset(r#"model_name="b""#).await,
        Ok(None),
        "labels of the preset's own are nobody's mistake"
    );
    let told = preset(r#"namespace="llm",model_name="a""#).await.unwrap_err().to_string();
    assert!(told.ends_with("leave namespace out of the selector"), "{told}");
}

#[tokio::test]
async fn backlog_and_latency_fail_alone() {
    let (_, url) = endpoint("x 1\ny 2").await;
    let source = source(&[&url]);
    let query = |text: &str| Some(Query::Text(text.into()));
    let signals =
        Signals { backlog: query("sum(y)"), latency: query("topk(1, y)"), ..signals("sum(x)") };
    let sample = source.sample(&signals, slot(0)).await.unwrap();
    assert_eq!(
        sample,
        Sample { demand: Some(1.0), backlog: Some(2.0), latency: None, caveat: None }
    );
}

#[test]
fn latin_1_is_told_with_its_line() {
    let error =
        scrape::read(b"x 1\ny{a=\"\xfc\"} 2\n", text::Format::Text, &["x".to_owned()].into(), "")
            .unwrap_err();
    assert_eq!(error, "line 2: not UTF-8");
}
