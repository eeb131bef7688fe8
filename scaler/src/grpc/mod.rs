//! KEDA's ExternalScaler protocol. The only place that names generated types; it reads the registry
//! and nothing else.
//!
//! A call goes `server` (connections) → `calls` (deadline, panics, counting) → `service` (the five
//! RPCs) → `convert` (recommendation → message or status). `push` holds the two streams.

pub mod client;
mod client_names;
mod convert;
mod middleware;
mod server;
mod service;
mod streams;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::config::TlsFiles;
use crate::metrics::Metrics;
use crate::registry::Registry;

pub use tls::TlsError;

/// Generated from `proto/externalscaler.proto`.
#[expect(missing_docs, reason = "generated")]
pub mod proto {
    tonic::include_proto!("externalscaler");

    /// Descriptors for gRPC reflection.
    pub(super) const DESCRIPTORS: &[u8] = tonic::include_file_descriptor_set!("externalscaler");
}

/// How long things may take. The defaults suit KEDA; tests shorten them.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// A unary answer, from its first byte on. KEDA sets no deadline: a hung call would freeze its
    /// loop.
    pub call: Duration,
    /// How long the first question about a workload waits for its first decision; below `call`.
    pub first_decision: Duration,
    /// Silence after which a peer is pinged.
    pub keepalive_interval: Duration,
    /// How long the pong may take before the connection is closed.
    pub keepalive_timeout: Duration,
    /// TLS handshake, and the first byte of HTTP/2 after it.
    pub handshake: Duration,
    /// How often certificate files are looked at.
    pub tls_poll: Duration,
    /// How long open calls may take to end at shutdown; what is still open then is cut.
    pub drain: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            call: Duration::from_millis(900),
            first_decision: Duration::from_millis(800),
            keepalive_interval: Duration::from_secs(30),
            keepalive_timeout: Duration::from_secs(10),
            handshake: Duration::from_secs(10),
            tls_poll: Duration::from_secs(1),
            drain: Duration::from_secs(8),
        }
    }
}

/// Why serving could not begin.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The TLS files are unusable.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The compiled-in descriptors are broken.
    #[error("gRPC reflection: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// Serves the protocol, health and reflection until `shutdown`; then ends every stream with OK and
/// returns within ten seconds whatever is open.
///
/// gRPC health follows `ready` for `readiness` and `externalscaler.ExternalScaler`; the server
/// itself (``) and `liveness` are serving for as long as the process lives. Fails only before the
/// first connection: unusable TLS files.
pub async fn serve(
    listener: TcpListener,
    registry: Arc<Registry>,
    metrics: Arc<Metrics>,
    tls: Option<TlsFiles>,
    ready: watch::Receiver<bool>,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    serve_with(listener, registry, metrics, tls, ready, Timing::default(), shutdown).await
}

/// [`serve`] with other time limits.
pub async fn serve_with(
    listener: TcpListener,
    registry: Arc<Registry>,
    metrics: Arc<Metrics>,
    tls: Option<TlsFiles>,
    ready: watch::Receiver<bool>,
    timing: Timing,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let scaler = service::Scaler::new(registry, timing.first_decision);
    let (routes, health) = server::routes(scaler).await?;
    let tls = match tls {
        Some(files) => Some(tls::Certificates::load(files).await?),
        None => None,
    };
    let serving = server::serve(listener, routes, &metrics, tls.as_ref(), timing, &shutdown);
    tokio::select! {
        () = serving => {}
        () = server::follow_readiness(health, ready) => {}
        () = tls::follow(tls.as_ref(), timing.tls_poll, &metrics) => {}
    }
    Ok(())
}
