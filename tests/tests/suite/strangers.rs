//! Callers that are not KEDA, and clocks that are not ours.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Response};
use jiff::SignedDuration;
use prewarm::clock::{Clock as _, SystemClock};
use prewarm_tests::eventually;
use prewarm_tests::keda::{Keda, Trigger};
use prewarm_tests::prometheus::Prometheus;
use prewarm_tests::serve::Serve;
use tokio::net::{TcpListener, TcpSocket};

use super::process::target;

const PROGRAM: &str = env!("CARGO_BIN_EXE_prewarm-under-test");
const SOON: Duration = Duration::from_secs(30);

async fn start(source: SocketAddr) -> Serve {
    let text = format!(
        "database = \"sqlite://prewarm.db\"\nslot = \"1s\"\n[sources.default]\n\
         kind = \"prometheus\"\nurl = \"http://{source}\"\ntimeout = \"1s\"\n"
    );
    Serve::start(PROGRAM, &text, &[]).await
}

fn trigger(query: &str) -> Trigger {
    Trigger::new("models", "llama")
        .with("query", query)
        .with("metricName", "demand")
        .with("threshold", 4)
        .with("mode", "off")
}

async fn prometheus() -> Prometheus {
    Prometheus::scraping("vllm", target().await, Duration::from_millis(500)).await
}

/// A way to `upstream` that comes from another address of the loopback.
async fn from_elsewhere(upstream: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            tokio::spawn(async move {
                let socket = TcpSocket::new_v4()?;
                socket.bind("127.0.0.2:0".parse().unwrap())?;
                let mut far = socket.connect(upstream).await?;
                tokio::io::copy_bidirectional(&mut near, &mut far).await
            });
        }
    });
    address
}

#[tokio::test]
async fn another_caller_does_not_change_what_a_trigger_asks_for() {
    let prometheus = prometheus().await;
    let serve = start(prometheus.address()).await;
    let keda = Keda::new(serve.grpc);
    let owners = trigger("sum(running)");
    let answers = eventually(SOON, "a value", || async { keda.poll(&owners).await.ok() }).await;
    assert_eq!(answers.value, 30.0);

    let stranger = Keda::new(from_elsewhere(serve.grpc).await);
    let strangers = trigger("vector(1000000)");
    for _ in 0..5 {
        // What the stranger gets is what is in force.
        let theirs = stranger.poll(&strangers).await.unwrap();
        assert_eq!(theirs.value, 30.0);
        assert_eq!(keda.poll(&owners).await.unwrap().value, 30.0);
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    assert!(serve.log().contains("other metadata is not taken from there while 127.0.0.1"));

    // The owner may: the mean over the stable window begins to rise.
    let edited = trigger("2 * sum(running)");
    eventually(SOON, "the owner's edit", || async {
        (keda.poll(&edited).await.ok()?.value > 31.0).then_some(())
    })
    .await;
    serve.terminate(Duration::from_secs(10)).await;
}

/// A Prometheus whose clock differs by so many seconds: its samples and its `Date` bear its own
/// time.
#[derive(Clone)]
struct Skewed {
    upstream: SocketAddr,
    ahead: Arc<AtomicI64>,
    http: reqwest::Client,
}

impl Skewed {
    async fn before(upstream: SocketAddr, ahead: i64) -> (Self, SocketAddr) {
        prewarm_tests::install_crypto();
        let (ahead, http) = (Arc::new(AtomicI64::new(ahead)), reqwest::Client::new());
        let skewed = Self { upstream, ahead, http };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().fallback(pass).with_state(skewed.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (skewed, address)
    }
}

async fn pass(State(skewed): State<Skewed>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let ahead = skewed.ahead.load(Ordering::Relaxed);
    let text = String::from_utf8_lossy(&body).into_owned();
    let pairs = reqwest::Url::parse(&format!("http://x/?{text}")).unwrap();
    let mut form: BTreeMap<String, String> = pairs.query_pairs().into_owned().collect();
    for key in ["time", "start", "end"] {
        if let Some(at) = form.get_mut(key) {
            *at = format!("{}", at.parse::<f64>().expect("epoch seconds") - ahead as f64);
        }
    }
    let url = format!("http://{}{}", skewed.upstream, uri.path());
    let mut request = skewed.http.post(url).form(&form);
    if let Some(accept) = headers.get(header::ACCEPT) {
        request = request.header(header::ACCEPT, accept);
    }
    let answer = request.send().await.unwrap();
    let (status, content) = (answer.status(), answer.headers()[header::CONTENT_TYPE].clone());
    let date = SystemClock.now() + SignedDuration::from_secs(ahead);
    let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&date);
    let headers = [(header::CONTENT_TYPE, content), (header::DATE, date.unwrap().parse().unwrap())];
    (status, headers, answer.bytes().await.unwrap()).into_response()
}

#[tokio::test]
async fn a_prometheus_four_minutes_ahead_or_behind_is_asked_by_its_own_clock() {
    let prometheus = prometheus().await;
    // Empty at any time but the present.
    let query = "sum(max_over_time(running[5s]))";
    for (ahead, says) in [(240, "ahead of ours (bridged"), (-240, "behind ours (bridged")] {
        let (skewed, address) = Skewed::before(prometheus.address(), ahead).await;
        let serve = start(address).await;
        let keda = Keda::new(serve.grpc);
        let answers =
            eventually(SOON, "a value", || async { keda.poll(&trigger(query)).await.ok() }).await;
        assert_eq!(answers.value, 30.0, "{ahead}");
        let ready = eventually(SOON, "ready", || async {
            let text = serve.body("/readyz").await;
            text.starts_with("ready").then_some(text)
        })
        .await;
        assert!(ready.contains(says) && ready.contains("degraded: clock"), "{ready}");
        let metrics = serve.body("/metrics").await;
        assert!(metrics.contains("prewarm_source_clock_offset_seconds{source=\"default\"} "));

        skewed.ahead.store(0, Ordering::Relaxed);
        eventually(SOON, "the clocks agree", || async {
            (serve.body("/readyz").await == "ready\n").then_some(())
        })
        .await;
        serve.terminate(Duration::from_secs(10)).await;
    }
}
