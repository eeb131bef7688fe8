//! Connections: accept, shake hands, speak HTTP/2, drain. One task per connection, so that none
//! waits for another.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tonic::server::NamedService;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::{HealthReporter, health_reporter};

use super::middleware::Calls;
use super::proto::external_scaler_server::ExternalScalerServer;
use super::service::Scaler;
use super::tls::Certificates;
use super::{ServeError, Timing, proto};
use crate::metrics::Metrics;

/// The protocol, health and reflection (its old name too, for old grpcurl).
pub(super) async fn routes(scaler: Scaler) -> Result<(Routes, HealthReporter), ServeError> {
    let (reporter, health) = health_reporter();
    reporter.set_service_status("liveness", ServingStatus::Serving).await;
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let routes =
        Routes::new(ExternalScalerServer::new(scaler).max_decoding_message_size(REQUEST_LIMIT))
            .add_service(health)
            .add_service(reflection().build_v1()?)
            .add_service(reflection().build_v1alpha()?)
            .prepare();
    Ok((routes, reporter))
}

/// Reports readiness for as long as it is polled; never completes.
pub(super) async fn follow_readiness(reporter: HealthReporter, mut ready: watch::Receiver<bool>) {
    loop {
        let status = if *ready.borrow_and_update() {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        for name in ["readiness", ExternalScalerServer::<Scaler>::NAME] {
            reporter.set_service_status(name, status).await;
        }
        if ready.changed().await.is_err() {
            // Whoever knew is gone: the last word stands.
            return std::future::pending().await;
        }
    }
}

/// Accepts until `shutdown`, then lets open calls end for `timing.drain` and cuts the rest.
pub(super) async fn serve(
    listener: TcpListener,
    routes: Routes,
    metrics: &Arc<Metrics>,
    certificates: Option<&Certificates>,
    timing: Timing,
    shutdown: &CancellationToken,
) {
    let calls = Calls::new(metrics.clone(), timing.call, shutdown.clone());
    let server = Arc::new(Server { routes, calls, timing, shutdown: shutdown.clone() });
    let mut connections = JoinSet::new();
    let mut accepting = Accepting::default();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            Some(_) = connections.join_next() => {}
            (stream, peer) = accepting.next(&listener) => {
                let revoked = certificates.map(Certificates::revocations);
                let tls = certificates.map(|certificates| TlsAcceptor::from(certificates.current()));
                connections.spawn(server.clone().connection(stream, peer, tls, revoked));
            }
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    if timeout(timing.drain, drained).await.is_err() {
        tracing::warn!(grpc.connections = connections.len(), "connections cut at shutdown");
    }
    connections.shutdown().await;
}

/// Accepts whatever happens: a process that is out of file descriptors waits for some to become
/// free.
#[derive(Default)]
struct Accepting {
    failing: bool,
}

impl Accepting {
    async fn next(&mut self, listener: &TcpListener) -> (TcpStream, SocketAddr) {
        loop {
            match listener.accept().await {
                Ok(accepted) => {
                    self.failing = false;
                    return accepted;
                }
                Err(error) => {
                    if !std::mem::replace(&mut self.failing, true) {
                        tracing::warn!("cannot accept connections, trying on: {error}");
                    }
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
            }
        }
    }
}

/// Whose connection a request came by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

struct Server {
    routes: Routes,
    calls: Calls,
    timing: Timing,
    shutdown: CancellationToken,
}

impl Server {
    async fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        tls: Option<TlsAcceptor>,
        revoked: Option<watch::Receiver<u64>>,
    ) {
        // Answers are small: waiting to fill a segment would add 40 ms. Fails only on a socket that
        // is already closed.
        let _ = stream.set_nodelay(true);
        match tls {
            None => {
                let first_byte = async { stream.peek(&mut [0]).await.map(|_| stream) };
                if let Some(stream) = self.handshake(peer, first_byte).await {
                    self.http2(stream, peer, revoked).await;
                }
            }
            Some(tls) => {
                let first_byte = async {
                    let mut stream = tls.accept(stream).await?;
                    stream.fill_buf().await?;
                    Ok(stream)
                };
                if let Some(stream) = self.handshake(peer, first_byte).await {
                    self.http2(stream, peer, revoked).await;
                }
            }
        }
    }

    /// A peer that goes silent before HTTP/2 begins is beyond the reach of its pings: hence a limit
    /// of its own.
    async fn handshake<IO>(
        &self,
        peer: SocketAddr,
        shaking: impl Future<Output = io::Result<IO>>,
    ) -> Option<IO> {
        let shaken = tokio::select! {
            () = self.shutdown.cancelled() => return None,
            shaken = timeout(self.timing.handshake, shaking) => shaken,
        };
        match shaken {
            Ok(Ok(stream)) => return Some(stream),
            // Probes and port scans connect and go.
            Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                tracing::debug!(peer.address = %peer, "gone before the handshake: {error}");
            }
            Ok(Err(error)) => tracing::warn!(peer.address = %peer, "handshake failed: {error}"),
            Err(_) => {
                tracing::debug!(peer.address = %peer, "silent for {:?}", self.timing.handshake)
            }
        }
        None
    }

    async fn http2<IO>(
        self: Arc<Self>,
        stream: IO,
        peer: SocketAddr,
        revoked: Option<watch::Receiver<u64>>,
    ) where
        IO: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let (shutdown, drain) = (self.shutdown.clone(), self.timing.drain);
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .max_pending_accept_reset_streams(PENDING_RESETS)
            .keep_alive_interval(self.timing.keepalive_interval)
            .keep_alive_timeout(self.timing.keepalive_timeout);
        let service = service_fn(move |mut request: http::Request<_>| {
            request.extensions_mut().insert(Peer(peer.ip().to_canonical()));
            let server = self.clone();
            async move { server.calls.answer(server.routes.clone(), request).await }
        });
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = shutdown.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
            () = another_ca(revoked) => {
                // Calls under way are answered; push streams, which never end, are cut.
                connection.as_mut().graceful_shutdown();
                timeout(drain, connection).await.unwrap_or(Ok(()))
            }
        };
        if let Err(error) = ended {
            tracing::debug!(peer.address = %peer, "connection ended: {error}");
        }
    }
}

/// Ends when the certificate that let a connection in may count no more.
async fn another_ca(revoked: Option<watch::Receiver<u64>>) {
    let Some(mut revoked) = revoked else { return std::future::pending().await };
    if revoked.changed().await.is_err() {
        // Nobody follows the files any more.
        std::future::pending().await
    }
}

/// Calls open at once on a connection. KEDA uses a single one for all its triggers and queues
/// without a deadline beyond the limit: 10,000 triggers with two streams and three calls each are
/// 50,000. Twice that bounds a client gone wild.
const STREAMS: u32 = 100_000;

/// Calls that a client may cancel before we have seen them. HTTP/2's default of 20 would close
/// KEDA's only connection when a burst of calls meets its deadline.
const PENDING_RESETS: usize = 1000;

/// A ScaledObject is at most 1.5 MiB in etcd, and values from the environment may come on top.
const REQUEST_LIMIT: usize = 4 * 1024 * 1024;

/// Between attempts to accept while that fails.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);
