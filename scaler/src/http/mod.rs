//! HTTP: index, JSON API, metrics, probes. Reads the registry and nothing else.

pub mod api;
#[cfg(test)]
pub(crate) mod fixtures;
mod learned;
#[cfg(test)]
mod tests;
mod view;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Json, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::metrics::{Metrics, plain};
use crate::registry::Registry;

/// The routes. `readiness` turns true once answers can be given, and false when the process begins
/// to end.
pub fn router(
    registry: Arc<Registry>,
    metrics: Arc<Metrics>,
    readiness: watch::Receiver<bool>,
) -> Router {
    let was_ready = Arc::default();
    Router::new()
        .route("/", get(index))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(exposition))
        .route("/api/v1/workloads", get(workloads))
        .route("/api/v1/workloads/{namespace}/{name}", get(explain))
        .with_state(Shared { registry, metrics, readiness, was_ready })
}

/// Serves until `shutdown`; requests under way then have five seconds to end.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let serving =
        axum::serve(listener, router).with_graceful_shutdown(shutdown.clone().cancelled_owned());
    let cut = async {
        shutdown.cancelled().await;
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        served = serving.into_future() => served,
        () = cut => Ok(()),
    }
}

#[derive(Debug, Clone)]
struct Shared {
    registry: Arc<Registry>,
    metrics: Arc<Metrics>,
    readiness: watch::Receiver<bool>,
    /// A probe has seen us ready: not being so any more means that we are going.
    was_ready: Arc<AtomicBool>,
}

async fn index() -> Html<&'static str> {
    Html(include_str!("index.html"))
}

/// The process lives. Nothing else counts: a restart mends neither a database nor a source, and
/// forgets what is known.
async fn livez() -> &'static str {
    "alive\n"
}

/// Whether answers can be given; and what is wrong all the same, a line each.
async fn readyz(State(shared): State<Shared>) -> (StatusCode, String) {
    let notices = shared.registry.notices().lines();
    if *shared.readiness.borrow() {
        shared.was_ready.store(true, Ordering::Relaxed);
        return (StatusCode::OK, format!("ready\n{notices}"));
    }
    let why = if shared.was_ready.load(Ordering::Relaxed) {
        "not ready: shutting down\n"
    } else {
        "not ready: starting, the store has not answered yet\n"
    };
    (StatusCode::SERVICE_UNAVAILABLE, format!("{why}{notices}"))
}

async fn exposition(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let open = accepted.into_iter().any(|accept| accept.contains("application/openmetrics-text"));
    let encoded = off_the_reactor(move || {
        let text = shared.metrics.encode(&shared.registry)?;
        Ok::<_, std::fmt::Error>(if open { text } else { plain(&text) })
    });
    match encoded.await {
        Ok(Ok(text)) => {
            ([(header::CONTENT_TYPE, if open { OPENMETRICS } else { PLAIN })], text).into_response()
        }
        Ok(Err(error)) => failed(&error.to_string()),
        Err(response) => response,
    }
}

async fn workloads(State(shared): State<Shared>) -> Response {
    match off_the_reactor(move || view::workloads(&shared.registry)).await {
        Ok(list) => Json(list).into_response(),
        Err(response) => response,
    }
}

async fn explain(
    State(shared): State<Shared>,
    Path((namespace, name)): Path<(String, String)>,
) -> Response {
    let looked_up = off_the_reactor(move || {
        let registry = &shared.registry;
        view::explanation(registry, &namespace, &name)
            .ok_or_else(|| view::unknown(registry, &namespace, &name))
    });
    match looked_up.await {
        Ok(Ok(explanation)) => Json(explanation).into_response(),
        Ok(Err(unknown)) => (StatusCode::NOT_FOUND, Json(unknown)).into_response(),
        Err(response) => response,
    }
}

/// Ten thousand workloads take a while to print, and gRPC answers on the same threads.
async fn off_the_reactor<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Response> {
    tokio::task::spawn_blocking(work).await.map_err(|error| failed(&error.to_string()))
}

fn failed(error: &str) -> Response {
    tracing::error!(error, "HTTP request failed");
    (StatusCode::INTERNAL_SERVER_ERROR, "internal error; the server's log says more\n")
        .into_response()
}

/// Requests under way at shutdown.
const DRAIN: Duration = Duration::from_secs(5);

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";
