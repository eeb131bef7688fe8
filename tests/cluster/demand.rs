//! What a gateway in front of the models exposes: demand per workload, there whether or not pods are.

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
    gauges: Arc<Mutex<BTreeMap<String, f64>>>,
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

    /// Sets the demand of a workload: `gateway_requests_in_flight{workload="NAME"}`.
    pub(crate) fn set(&self, workload: &str, demand: f64) {
        self.lock().insert(workload.to_owned(), demand);
    }

    /// The demand of a workload as set last.
    pub(crate) fn demand(&self, workload: &str) -> Option<f64> {
        self.lock().get(workload).copied()
    }

    /// Its series vanish.
    pub(crate) fn forget(&self, workload: &str) {
        self.lock().remove(workload);
    }

    fn text(&self) -> String {
        self.lock().iter().fold("# TYPE gateway_requests_in_flight gauge\n".to_owned(), |mut text, (name, demand)| {
            writeln!(text, "gateway_requests_in_flight{{workload=\"{name}\"}} {demand}").expect("writing to a string");
            text
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, f64>> {
        self.gauges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The query for a workload's demand.
pub(crate) fn query(workload: &str) -> String {
    format!("sum(gateway_requests_in_flight{{workload=\"{workload}\"}})")
}
