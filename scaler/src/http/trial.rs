//! `POST /api/v1/try`: a trigger that is not applied yet, tried. Off unless the configuration
//! allows it: whoever reaches this port could ask in any namespace's name, and see the numbers that
//! its sources give.

use std::fmt::Debug;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::post;
use futures::future::BoxFuture;

use super::api::{Trial, TrialRequest};

/// Metadata of one trigger is smaller by far: its longest value is 32 KiB.
const MAX_BODY: usize = 128 * 1024;

/// Tries a trigger once, without registering it.
pub trait TryTrigger: Debug + Send + Sync + 'static {
    /// What its source says now.
    fn attempt(&self, request: TrialRequest) -> BoxFuture<'_, Result<Trial, Refusal>>;
}

/// Why a trigger was not tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Others are being tried.
    Busy,
}

/// The route; without anybody who tries, it says how to allow it.
pub(super) fn route(trials: Option<Arc<dyn TryTrigger>>) -> Router {
    Router::new()
        .route("/api/v1/try", post(attempt))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(trials)
}

async fn attempt(
    State(trials): State<Option<Arc<dyn TryTrigger>>>,
    Json(request): Json<TrialRequest>,
) -> Response {
    let Some(trials) = trials else {
        return (StatusCode::FORBIDDEN, FORBIDDEN).into_response();
    };
    match trials.attempt(request).await {
        Ok(trial) => Json(trial).into_response(),
        Err(Refusal::Busy) => {
            (StatusCode::TOO_MANY_REQUESTS, "others are being tried: ask again\n").into_response()
        }
    }
}

const FORBIDDEN: &str = "the server's configuration does not allow trials: allow.trials = true there, for as long as they are needed\n";
