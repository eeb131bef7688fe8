//! Connections of the HTTP port: so many at once, each with limits on how long its requests may
//! take to arrive and how long it lives. One that says nothing, or never reads, costs a place for a
//! while and no more.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Limits; tests have shorter ones.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Connections at once; further ones wait in the kernel.
    pub(super) connections: usize,
    /// From connecting, or from the answer before, to the end of a request's headers.
    pub(super) headers: Duration,
    /// A connection is used for so long; the request under way may end.
    pub(super) lifetime: Duration,
    /// Requests under way at the end of a connection, or of the process.
    pub(super) drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 128,
            // Longer than Prometheus' usual interval of a minute: it keeps its connection.
            headers: Duration::from_secs(75),
            lifetime: Duration::from_secs(300),
            drain: Duration::from_secs(5),
        }
    }
}

/// Accepts until `shutdown`; requests under way then have `drain` to end.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let places = Arc::new(Semaphore::new(limits.connections));
    let mut connections = JoinSet::new();
    loop {
        let accepted = async {
            // Never closed.
            let place = places.clone().acquire_owned().await;
            (place, listener.accept().await)
        };
        tokio::select! {
            () = shutdown.cancelled() => break,
            Some(_) = connections.join_next() => {}
            (place, accepted) = accepted => match accepted {
                Ok((stream, _)) => {
                    let serving = connection(stream, router.clone(), limits, shutdown.clone());
                    connections.spawn(async move {
                        serving.await;
                        drop(place);
                    });
                }
                // Out of descriptors, for instance: some become free.
                Err(_) => tokio::time::sleep(ACCEPT_RETRY).await,
            }
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    let _ = timeout(limits.drain, drained).await;
    connections.shutdown().await;
    Ok(())
}

async fn connection(
    stream: TcpStream,
    router: Router,
    limits: Limits,
    shutdown: CancellationToken,
) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.headers);
    let service = TowerToHyperService::new(router);
    let mut serving = pin!(builder.serve_connection(TokioIo::new(stream), service));
    // How a connection ends is the peer's affair.
    tokio::select! {
        _ = serving.as_mut() => return,
        () = shutdown.cancelled() => {}
        () = tokio::time::sleep(limits.lifetime) => {}
    }
    serving.as_mut().graceful_shutdown();
    let _ = timeout(limits.drain, serving).await;
}

/// Between attempts to accept while that fails.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn whoever_says_nothing_or_never_reads_is_shown_out() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let large = || async { "x".repeat(32 << 20) };
        let router = Router::new()
            .route("/large", axum::routing::get(large))
            .route("/small", axum::routing::get(|| async { "small" }));
        let limits = Limits {
            connections: 2,
            headers: Duration::from_millis(300),
            lifetime: Duration::from_millis(600),
            drain: Duration::from_millis(100),
        };
        tokio::spawn(serve(listener, router, limits, CancellationToken::new()));
        let connect = || async { TcpStream::connect(address).await.unwrap() };
        let served = || async {
            let mut another = connect().await;
            let request = b"GET /small HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
            another.write_all(request).await.unwrap();
            let mut text = String::new();
            let read = timeout(Duration::from_secs(5), another.read_to_string(&mut text));
            read.await.expect("served").unwrap();
            assert!(text.ends_with("small"), "{text}");
        };

        // Both places are taken by callers that say nothing, or not all.
        let _silent = connect().await;
        let mut slow = connect().await;
        slow.write_all(b"GET /small HTTP/1.1\r\nHost: x\r\n").await.unwrap();
        served().await;

        // And by two that never read.
        let (mut one, mut two) = (connect().await, connect().await);
        for reader in [&mut one, &mut two] {
            reader.write_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        }
        served().await;
        let mut rest = Vec::new();
        // Broken off or reset.
        let _ = timeout(Duration::from_secs(5), one.read_to_end(&mut rest)).await.expect("ended");
        assert!(rest.len() < 32 << 20, "given up: {} bytes", rest.len());
    }
}
