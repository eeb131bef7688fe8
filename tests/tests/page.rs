//! The page in Debian's Chromium, over a service that follows 2,000 workloads. `tests/page/drive.mjs`
//! says what is tried; screenshots are kept in the target folder.

#![expect(clippy::unwrap_used, reason = "a test's support may")]

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use prewarm_tests::app::{Setup, TestApp};
use prewarm_tests::keda::Trigger;
use prewarm_tests::prometheus::Prometheus;
use prewarm_tests::trace::{Trace, clock_time, days, monday};
use tokio::process::Command;

/// With `llm/llama`.
const WORKLOADS: usize = 2_000;

/// A service at noon of the second Monday: one workload with a week of demand, many that windows
/// alone decide, some that are invalid, and one that is refused.
async fn fleet() -> (Prometheus, TestApp) {
    let week = Trace::working_days(monday(), days(8), 40.0, 3).gauge("demand{service=\"llm\"}");
    let prometheus = Prometheus::holding(&[week]).await;
    let setup = Setup::new(prometheus.address(), clock_time(monday() + days(7), 12, 0));
    let app = setup.start().await;
    let llama = Trigger::new("llm", "llama")
        .with("query", "sum(demand{service=\"llm\"})")
        .with("threshold", 4)
        .with(
            "windows",
            "[{name: office, from: \"08:00\", to: \"18:00\", minReplicas: 2, maxReplicas: 30}]",
        );
    app.register(&[&llama]).await;
    let window = "[{name: day, from: \"06:00\", to: \"22:00\", minReplicas: 3}]";
    for i in 1..WORKLOADS {
        let namespace = format!("team-{}", i % 20);
        let trigger = Trigger::new(&namespace, &format!("model-{i:04}"))
            .with("windows", window)
            .with("threshold", 4);
        let trigger = if i % 500 == 7 { trigger.with("mode", "sometimes") } else { trigger };
        app.keda.metric_spec(&trigger).await.unwrap();
    }
    let refused = Trigger::new("llm", "lost").with("query", "up");
    app.keda.metric_spec(&refused).await.unwrap_err();
    app.decided().await;
    // A few slots, so that there are decisions to look back at.
    for _ in 0..8 {
        app.step().await;
    }
    (prometheus, app)
}

#[tokio::test(flavor = "multi_thread")]
async fn people_see_search_open_zoom_and_understand() {
    let drive = Path::new(env!("CARGO_MANIFEST_DIR")).join("page");
    assert!(
        drive.join("node_modules/playwright-core").is_dir(),
        "run `npm ci` in tests/page first (tests/run does)"
    );
    let shots = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("page");
    std::fs::create_dir_all(&shots).unwrap();
    let (_prometheus, app) = fleet().await;

    let mut browser = Command::new("node")
        .arg(drive.join("drive.mjs"))
        .arg(format!("http://{}", app.http))
        .arg(&shots)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("node (apt-get install nodejs)");
    // Time goes on while people look: a slot every two seconds.
    let time = async {
        loop {
            tokio::time::sleep(Duration::from_secs(2)).await;
            app.step().await;
        }
    };
    let ended = tokio::select! {
        ended = browser.wait() => ended.unwrap(),
        () = time => unreachable!("time does not end"),
        () = tokio::time::sleep(LIMIT) => panic!("not done within {LIMIT:?}"),
    };
    assert!(
        ended.success(),
        "the browser's checks failed: see above; screenshots are in {}",
        shots.display()
    );
    assert!(shots.join("workload-dark.png").is_file());
}

/// All checks together, on a busy machine.
const LIMIT: Duration = Duration::from_secs(240);
