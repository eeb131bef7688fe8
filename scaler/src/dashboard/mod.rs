//! HTTP: JSON API, metrics, probes. Reads the registry and nothing else.

pub mod api;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Json, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;
use crate::registry::Registry;

#[derive(Debug, Clone)]
struct House {
    registry: Arc<Registry>,
    metrics: Arc<Metrics>,
    ready: watch::Receiver<bool>,
}

/// The routes.
pub fn router(registry: Arc<Registry>, metrics: Arc<Metrics>, ready: watch::Receiver<bool>) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/livez", get(async || "alive\n"))
        .route("/readyz", get(readyz))
        .route("/metrics", get(exposition))
        .route("/api/v1/workloads", get(list))
        .route("/api/v1/workloads/{namespace}/{name}", get(explain))
        .with_state(House { registry, metrics, ready })
}

/// Serves until `shutdown`.
pub async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) -> std::io::Result<()> {
    axum::serve(listener, router).with_graceful_shutdown(shutdown.cancelled_owned()).await
}

async fn index(State(house): State<House>) -> Html<String> {
    Html(format!(
        "<!doctype html><meta charset=utf-8><title>Prewarm</title><h1>Prewarm {}</h1><p>{} workloads</p><ul>\
         <li><a href=/api/v1/workloads>workloads</a><li><a href=/metrics>metrics</a>\
         <li><a href=/readyz>readiness</a><li><a href=/livez>liveness</a></ul>",
        env!("CARGO_PKG_VERSION"),
        house.registry.len(),
    ))
}

async fn readyz(State(house): State<House>) -> (StatusCode, &'static str) {
    if *house.ready.borrow() {
        (StatusCode::OK, "ready\n")
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "not ready: the store has not answered since the start, or we are shutting down\n",
        )
    }
}

async fn exposition(State(house): State<House>) -> Response {
    match house.metrics.encode(&house.registry) {
        Ok(text) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("cannot encode: {error}\n")).into_response(),
    }
}

async fn list(State(house): State<House>) -> Json<api::Workloads> {
    Json(api::workloads(&house.registry))
}

async fn explain(State(house): State<House>, Path((namespace, name)): Path<(String, String)>) -> Response {
    match api::scaled_object(&house.registry, &namespace, &name) {
        Some(found) => Json(found).into_response(),
        None => (StatusCode::NOT_FOUND, Json(api::unknown(&house.registry, &namespace, &name))).into_response(),
    }
}
