//! HTTP: the page, JSON API, metrics, probes. Reads the registry, and what the archive reads of the
//! store; changes nothing.

pub mod api;
mod assets;
#[cfg(test)]
pub(crate) mod fixtures;
mod guard;
mod learned;
mod moment;
mod openapi;
mod past;
pub(crate) mod sentence;
mod server;
mod settings;
#[cfg(test)]
mod tests;
mod trial;
mod trouble;
mod view;
pub(crate) mod words;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use jiff::Timestamp;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use utoipa::IntoParams;

use crate::archive::Archive;
use crate::metrics::{Metrics, plain};
use crate::registry::Registry;

pub use openapi::document as openapi;
pub use settings::KnownSource;
pub use trial::{Refusal, TryTrigger};

/// Sources of the configuration by name, as people may see them.
pub type Sources = BTreeMap<String, KnownSource>;

/// What the routes show.
#[derive(Debug)]
pub struct Shown {
    /// What is answered.
    pub registry: Arc<Registry>,
    /// What is kept.
    pub archive: Archive,
    /// Our own metrics.
    pub metrics: Arc<Metrics>,
    /// True once answers can be given, and false when the process begins to end.
    pub readiness: watch::Receiver<bool>,
    /// Sources of the configuration.
    pub sources: Sources,
    /// A file with the token that page and API ask for; without one they are open to whoever
    /// reaches the port. Metrics and probes never ask.
    pub token_file: Option<PathBuf>,
    /// Who tries triggers that are not applied yet, if anybody may.
    pub trials: Option<Arc<dyn TryTrigger>>,
}

/// The routes.
pub fn router(shown: Shown) -> Router {
    let Shown { registry, archive, metrics, readiness, sources, token_file, trials } = shown;
    let was_ready = Arc::default();
    let sources = Arc::new(sources);
    let shared = Shared { registry, archive, metrics, readiness, sources, was_ready };
    let guarded = Router::new()
        .route("/api/v1/status", get(status))
        .route("/api/v1/workloads", get(workloads))
        .route("/api/v1/workloads/{namespace}/{name}", get(explain))
        .route("/api/v1/workloads/{namespace}/{name}/series", get(past::series))
        .route("/api/v1/workloads/{namespace}/{name}/forecast", get(past::forecast))
        .route("/api/v1/workloads/{namespace}/{name}/decisions", get(past::decisions))
        .route("/api/v1/workloads/{namespace}/{name}/windows", get(past::windows))
        .with_state(shared.clone())
        .merge(trial::route(trials))
        .layer(axum::middleware::from_fn_with_state(token_file.map(Arc::new), guard::token));
    Router::new()
        .route("/api/v1/openapi.json", get(async || Json(openapi::document())))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(exposition))
        .with_state(shared)
        .merge(guarded)
        .merge(assets::routes())
        .layer(axum::middleware::from_fn(guard::headers))
}

/// Serves until `shutdown`; requests under way then have five seconds to end.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    server::serve(listener, router, server::Limits::default(), shutdown).await
}

#[derive(Debug, Clone)]
struct Shared {
    registry: Arc<Registry>,
    archive: Archive,
    metrics: Arc<Metrics>,
    readiness: watch::Receiver<bool>,
    sources: Arc<Sources>,
    /// A probe has seen us ready: not being so any more means that we are going.
    was_ready: Arc<AtomicBool>,
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

/// What is wrong, in words: sources, store, triggers, those refused at `GetMetricSpec` included.
#[utoipa::path(get, path = "/api/v1/status", responses((status = 200, body = api::Status)))]
async fn status(State(shared): State<Shared>) -> Response {
    let store = shared.archive.ping().await.map_err(|error| error.to_string());
    let ready = *shared.readiness.borrow();
    let Shared { registry, metrics, .. } = shared;
    match off_the_reactor(move || trouble::status(&registry, &metrics, ready, store)).await {
        Ok(status) => Json(status).into_response(),
        Err(response) => response,
    }
}

/// Every trigger in one line, a page at a time.
#[utoipa::path(get, path = "/api/v1/workloads", params(view::Filter),
    responses((status = 200, body = api::Workloads), (status = 400, body = api::Refusal)))]
async fn workloads(
    State(shared): State<Shared>,
    filter: Result<Query<view::Filter>, QueryRejection>,
) -> Response {
    let Query(filter) = match filter {
        Ok(filter) => filter,
        Err(error) => return past::refused(&error.body_text()),
    };
    match off_the_reactor(move || view::workloads(&shared.registry, &filter)).await {
        Ok(list) => Json(list).into_response(),
        Err(response) => response,
    }
}

/// When an explanation is wanted of.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Moment {
    /// The instant (RFC 3339); now unless given.
    at: Option<Timestamp>,
}

/// Why the answer of one ScaledObject is what it is, or was at an instant of the 13 months that are
/// kept.
#[utoipa::path(get, path = "/api/v1/workloads/{namespace}/{name}",
    params(("namespace" = String, Path, description = "Namespace"), ("name" = String, Path, description = "Name of the ScaledObject or ScaledJob"), Moment),
    responses((status = 200, body = api::Explanation), (status = 400, body = api::Refusal), (status = 404, body = api::Unknown), (status = 503, body = api::Refusal)))]
async fn explain(
    State(shared): State<Shared>,
    Path((namespace, name)): Path<(String, String)>,
    moment: Result<Query<Moment>, QueryRejection>,
) -> Response {
    let Query(Moment { at }) = match moment {
        Ok(moment) => moment,
        Err(error) => return past::refused(&error.body_text()),
    };
    let looked_up = off_the_reactor({
        let (registry, sources) = (shared.registry.clone(), shared.sources.clone());
        move || {
            view::explanation(&registry, &sources, &namespace, &name)
                .ok_or_else(|| view::unknown(&registry, &namespace, &name))
        }
    });
    match looked_up.await {
        Ok(Ok(explanation)) => match at {
            Some(at) => moment::explained(&shared, explanation, at).await,
            None => Json(explanation).into_response(),
        },
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

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";
