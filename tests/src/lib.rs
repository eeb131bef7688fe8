//! What the integration tests stand on: real services in private instances, a client that calls as
//! KEDA does, the HPA's arithmetic, faults between the service and its dependencies, and generated
//! demand.
//!
//! Nothing here outlives the test process, and nothing here sleeps for a fixed time: tests wait for
//! conditions with [`eventually`]. A service that is missing is a panic that names its Debian
//! package, never a skipped test.

pub mod app;
pub mod helm;
pub mod hpa;
pub mod keda;
pub mod postgres;
pub mod process;
pub mod prometheus;
pub mod proxy;
pub mod redis;
pub mod serve;
pub mod trace;

use std::future::Future;
use std::sync::Once;
use std::time::{Duration, Instant};

/// Calls `attempt` until it gives a value; panics with `what` once `limit` has passed.
#[track_caller]
pub fn eventually<T, F, A>(limit: Duration, what: &str, mut attempt: F) -> impl Future<Output = T>
where
    F: FnMut() -> A,
    A: Future<Output = Option<T>>,
{
    let caller = std::panic::Location::caller();
    async move {
        let deadline = Instant::now() + limit;
        let mut pause = Duration::from_millis(2);
        loop {
            if let Some(value) = attempt().await {
                return value;
            }
            assert!(Instant::now() < deadline, "{caller}: not within {limit:?}: {what}");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }
}

/// Installs the TLS provider, once per process; needed before any HTTP client is built.
pub fn install_crypto() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // Somebody else of this process may have been first; then it is the same provider.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}
