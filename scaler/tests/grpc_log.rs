//! What the gRPC side logs. Alone in its binary: there is one log in a process.

#![expect(clippy::unwrap_used, reason = "a test's support may")]

use std::sync::{Arc, Mutex};

use served::{Served, active, metric, scaled_object, spec, value, with};

#[path = "grpc/served.rs"]
#[allow(dead_code, reason = "shared with tests that use more of it")]
mod served;

/// Everything that is logged, at every level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn c37_what_arrives_from_the_environment_shows_nowhere_and_refusals_show_once() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone());
    let _logging = tracing::subscriber::set_default(subscriber.finish());
    let served = Served::start().await;
    let mut client = served.client().await;
    let secret = "hunter2-and-a-half";
    for (key, text) in
        [("tokenFromEnv", secret), ("threshold", "none"), ("quantile", "2"), ("mode", "off")]
    {
        let reference = with(with(scaled_object("llama"), "tokenFromEnv", secret), key, text);
        let name =
            spec(&mut client, &reference).await.map_or("none".into(), |spec| spec.metric_name);
        if !served.registry.is_empty() {
            served.publish(&reference, value(8.0));
        }
        for error in [
            metric(&mut client, &reference, &name).await.err(),
            active(&mut client, &reference).await.err(),
        ] {
            assert!(
                !error.is_some_and(|status| format!("{status:?}").contains(secret)),
                "{key} = {text}"
            );
        }
        for workload in served.registry.workloads() {
            assert!(!format!("{workload:?}").contains(secret));
        }
    }
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("metadata changed"), "not captured:\n{log}");
    assert_eq!(
        log.matches(" refused: invalid trigger metadata").count(),
        1,
        "three calls with one problem:\n{log}"
    );
    assert!(!log.contains(secret));
}
