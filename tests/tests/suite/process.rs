//! The service as a process, on the machine's own clock, with slots of one second.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use futures::StreamExt;
use futures::future::join_all;
use prewarm_tests::eventually;
use prewarm_tests::keda::{Answers, Keda, Trigger};
use prewarm_tests::postgres::Postgres;
use prewarm_tests::process::free_port;
use prewarm_tests::prometheus::Prometheus;
use prewarm_tests::proxy::{Fault, Proxy};
use prewarm_tests::serve::Serve;

const PROGRAM: &str = env!("CARGO_BIN_EXE_prewarm-under-test");

/// Something that serves 30 requests at once, as a Prometheus target.
pub(crate) async fn target() -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let metrics = || async { "# TYPE running gauge\nrunning{model=\"llama\"} 30\n" };
    tokio::spawn(async move {
        axum::serve(listener, Router::new().route("/metrics", get(metrics))).await
    });
    address
}

fn configuration(database: &str, source: SocketAddr) -> String {
    format!(
        "database = \"{database}\"\nslot = \"1s\"\n[sources.default]\nkind = \"prometheus\"\nurl = \"http://{source}\"\ntimeout = \"1s\"\n"
    )
}

fn trigger() -> Trigger {
    Trigger::new("models", "llama")
        .with("query", "sum(running)")
        .with("threshold", 4)
        .with("mode", "off")
}

async fn first_value(keda: &Keda, trigger: &Trigger) -> Answers {
    eventually(Duration::from_secs(20), "a value", || async { keda.poll(trigger).await.ok() }).await
}

#[tokio::test]
async fn scraped_demand_reaches_keda_and_sigterm_ends_it_all() {
    let prometheus = Prometheus::scraping("vllm", target().await, Duration::from_millis(500)).await;
    let serve =
        Serve::start(PROGRAM, &configuration("sqlite://prewarm.db", prometheus.address()), &[])
            .await;
    let keda = Keda::new(serve.grpc);
    let answers = first_value(&keda, &trigger()).await;
    assert_eq!((answers.value, answers.active, answers.replicas()), (30.0, true, 8));
    eventually(Duration::from_secs(5), "ready", || async {
        (serve.status("/readyz").await == 200).then_some(())
    })
    .await;

    // Two hundred push streams are open: each must end with OK, or KEDA waits up to a minute before
    // it reopens them.
    let trigger = trigger();
    let mut streams =
        join_all((0..200).map(|_| async { keda.push(&trigger).await.unwrap() })).await;
    for stream in &mut streams {
        assert!(stream.next().await.unwrap().unwrap().result, "the present state comes at once");
    }
    let ended = tokio::spawn(join_all(streams.into_iter().map(|mut stream| async move {
        while let Some(message) = stream.next().await {
            message.expect("ended by OK");
        }
    })));
    serve.terminate(Duration::from_secs(10)).await;
    ended.await.unwrap();
}

#[tokio::test]
async fn c22_a_start_without_the_database_is_not_ready_and_still_knows_its_specs() {
    let prometheus = Prometheus::scraping("vllm", target().await, Duration::from_millis(500)).await;
    let postgres = Postgres::start().await;
    let proxy = Proxy::before(postgres.address()).await;
    proxy.set(Fault::Stop).await;
    let database = postgres.url_through(proxy.address());
    let serve = Serve::start(PROGRAM, &configuration(&database, prometheus.address()), &[]).await;
    let keda = Keda::new(serve.grpc);
    let spec = keda.metric_spec(&trigger()).await.expect("a pure function of the metadata");
    assert_eq!(spec.target_size_float, 4.0);
    assert_eq!((serve.status("/livez").await, serve.status("/readyz").await), (200, 503));

    proxy.set(Fault::Pass).await;
    eventually(Duration::from_secs(20), "ready once the database is there", || async {
        (serve.status("/readyz").await == 200).then_some(())
    })
    .await;
    first_value(&keda, &trigger()).await;

    // From then on its outages are survived from memory.
    proxy.set(Fault::Hang).await;
    for _ in 0..3 {
        let answers = tokio::time::timeout(Duration::from_secs(1), keda.poll(&trigger())).await;
        assert_eq!(answers.expect("within a second").unwrap().value, 30.0);
    }
    assert_eq!((serve.status("/livez").await, serve.status("/readyz").await), (200, 200));
}

#[tokio::test]
async fn c37_secrets_are_nowhere_to_be_found() {
    const FROM_ENV: &str = "Hunter2-from-env";
    const TOKEN: &str = "Hunter2-token";
    const HEADER: &str = "Hunter2-header";
    const PASSWORD: &str = "Hunter2-password";
    let prometheus = Prometheus::scraping("vllm", target().await, Duration::from_millis(500)).await;
    let postgres = Postgres::start().await;
    let proxy = Proxy::before(prometheus.address()).await;
    let database = postgres.url().replace("prewarm@", &format!("prewarm:{PASSWORD}@"));
    let dir = tempfile::tempdir().unwrap();
    let token = dir.path().join("token");
    std::fs::write(&token, TOKEN).unwrap();
    let configuration = format!(
        "{}bearerTokenFile = \"{}\"\n[sources.default.headers]\nX-Scope-OrgID = \"{HEADER}\"\n",
        configuration(&database, proxy.address()),
        token.display()
    );
    let serve = Serve::start(PROGRAM, &configuration, &[("PREWARM_LOG__FILTER", "trace")]).await;
    let keda = Keda::new(serve.grpc);
    // KEDA resolves `…FromEnv` and sends the value under the same key.
    let good = trigger().with("connectionFromEnv", FROM_ENV);
    first_value(&keda, &good).await;
    // Errors are where secrets slip out: a bad trigger, an unknown metric, a source and a store in
    // trouble.
    let bad = Trigger { name: "bad".to_owned(), ..good.clone() }
        .with("windows", "[{name: x, days: Mon}]");
    let status = keda.poll(&bad).await.unwrap_err();
    let mut seen = vec![format!("{status:?}")];
    for fault in [Fault::Garbage, Fault::Stop] {
        for (fault, word) in [(fault, "cannot sample"), (Fault::Pass, "demand is back")] {
            let begun = serve.log().len();
            proxy.set(fault).await;
            eventually(Duration::from_secs(20), word, || async {
                serve.log()[begun..].contains(word).then_some(())
            })
            .await;
        }
    }
    for path in ["/metrics", "/readyz", "/api/v1/workloads", "/api/v1/workloads/models/llama"] {
        seen.push(serve.body(path).await);
    }
    seen.push(serve.terminate(Duration::from_secs(10)).await);
    seen.push(postgres.dump());
    for text in &seen {
        if let Some(at) = text.find("Hunter2") {
            panic!("a secret shows: …{}", &text[at.saturating_sub(200)..(at + 40).min(text.len())]);
        }
    }
    assert!(seen[seen.len() - 2].contains("llama"), "the log does speak of the workload");
    assert!(seen[seen.len() - 1].contains("llama"), "the database does hold the workload");
}

#[tokio::test]
async fn a_port_that_is_taken_is_said_so() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let output = tokio::process::Command::new(PROGRAM)
        .args(["serve", "--database=sqlite://:memory:"])
        .arg(format!("--listen={}", taken.local_addr().unwrap()))
        .arg(format!("--http=127.0.0.1:{}", free_port()))
        .output()
        .await
        .unwrap();
    assert!(!output.status.success());
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(
        words.contains("--listen") && words.contains(&taken.local_addr().unwrap().to_string()),
        "{words}"
    );
}
