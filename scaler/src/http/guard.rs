//! What every response carries, and who may read.

use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Json, Response};
use sha2::{Digest as _, Sha256};

use super::api;

/// Headers of security: nothing inline, nothing from elsewhere, no frame around us.
pub(super) async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (
            header::HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=()",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // What is answered changes by the slot; assets say otherwise themselves.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Lets through whoever brings the token, where one is configured. The file is read at each request:
/// a rotated token counts at once.
pub(super) async fn token(
    State(file): State<Option<Arc<PathBuf>>>,
    request: Request,
    next: Next,
) -> Response {
    let Some(file) = file else { return next.run(request).await };
    let expected = match tokio::fs::read_to_string(&*file).await {
        Ok(text) if !text.trim().is_empty() => text,
        Ok(_) => return unreadable(&file, "is empty"),
        Err(error) => return unreadable(&file, &error.to_string()),
    };
    let brought = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    // Digests are compared: how long that takes tells nothing about the token.
    let digest = |text: &str| Sha256::digest(text.trim().as_bytes());
    match brought {
        Some((_, token)) if digest(token) == digest(&expected) => next.run(request).await,
        _ => {
            let error = "a token is needed: send it as `Authorization: Bearer …`".to_owned();
            let mut response =
                (StatusCode::UNAUTHORIZED, Json(api::Refusal { error })).into_response();
            let challenge = HeaderValue::from_static("Bearer realm=\"prewarm\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
            response
        }
    }
}

/// A token that cannot be read lets nobody in.
fn unreadable(file: &std::path::Path, why: &str) -> Response {
    tracing::error!(file = %file.display(), error = why, "httpTokenFile cannot be read: nobody is let in");
    let error = "the server cannot read its own token: its log says why".to_owned();
    (StatusCode::SERVICE_UNAVAILABLE, Json(api::Refusal { error })).into_response()
}

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";
