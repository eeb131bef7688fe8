//! The API's description, from its own types and handlers.

use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Prewarm",
        description = "Read-only: what KEDA is told, why, what was and what is expected. Instants are RFC 3339, \
                       durations seconds; what is unknown is null.",
        license(name = "Apache-2.0")
    ),
    paths(
        super::status,
        super::workloads,
        super::explain,
        super::past::series,
        super::past::forecast,
        super::past::decisions,
        super::past::windows
    )
)]
struct Document;

/// OpenAPI 3.1.
pub fn document() -> utoipa::openapi::OpenApi {
    Document::openapi()
}
