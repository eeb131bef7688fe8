//! What a gateway in front of the models exposes: demand per workload, there whether or not pods
//! are. Where a scenario plays a queue, it is what vLLM calls `num_requests_running` and
//! `num_requests_waiting`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;

/// Gauges that scenarios set and Prometheus scrapes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gateway {
    gauges: Arc<Mutex<BTreeMap<String, Load>>>,
}

/// The requests of a workload that somebody waits for.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Load {
    /// Being served.
    pub(crate) running: f64,
    /// In the queue before the replicas.
    pub(crate) waiting: f64,
}

impl Gateway {
    /// Serves `/metrics` as long as this process lives.
    pub(crate) async fn serve(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let address = listener.local_addr().expect("an address");
        let gateway = self.clone();
        let router = Router::new().route("/metrics", get(move || async move { gateway.text() }));
        tokio::spawn(async move { axum::serve(listener, router).await.expect("serve") });
        address
    }

    /// Sets the demand of a workload of which nothing waits: `requests_running{workload="NAME"}`.
    pub(crate) fn set(&self, workload: &str, demand: f64) {
        self.expose(workload, Load { running: demand, waiting: 0.0 });
    }

    /// Sets both of a workload: `requests_running` and `requests_waiting`.
    pub(crate) fn expose(&self, workload: &str, load: Load) {
        self.lock().insert(workload.to_owned(), load);
    }

    /// Its series vanish.
    pub(crate) fn forget(&self, workload: &str) {
        self.lock().remove(workload);
    }

    fn text(&self) -> String {
        let loads = self.lock();
        let gauge = |name: &str, of: fn(&Load) -> f64| {
            loads.iter().fold(format!("# TYPE {name} gauge\n"), |mut text, (workload, load)| {
                writeln!(text, "{name}{{workload=\"{workload}\"}} {}", of(load))
                    .expect("writing to a string");
                text
            })
        };
        gauge("requests_running", |load| load.running)
            + &gauge("requests_waiting", |load| load.waiting)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Load>> {
        self.gauges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The query for a workload's demand: who is served and who waits.
pub(crate) fn query(workload: &str) -> String {
    format!("sum({{__name__=~\"requests_running|requests_waiting\",workload=\"{workload}\"}})")
}
