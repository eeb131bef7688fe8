//! What a kubelet does for a container that ends: start it again.

use std::time::Duration;

use prewarm_tests::process::Daemon;
use tokio::task::JoinHandle;

/// A process that is started again whenever it ends by itself; dropping this ends it.
#[derive(Debug)]
pub(super) struct Restarted(JoinHandle<()>);

impl Restarted {
    /// Starts it. A restart is printed: it is no fault of ours, and still worth a look at its log.
    pub(super) fn start(name: &'static str, spawn: impl Fn() -> Daemon + Send + 'static) -> Self {
        Self(tokio::spawn(async move {
            let mut daemon = spawn();
            let mut looks = tokio::time::interval(Duration::from_millis(500));
            loop {
                looks.tick().await;
                if let Some(status) = daemon.ended() {
                    let log = daemon.log();
                    let panic = log.lines().rfind(|line| {
                        line.starts_with("panic:") || line.starts_with("fatal error:")
                    });
                    println!(
                        "{name} ended by itself ({status}, {}) and is started again",
                        panic.unwrap_or("no panic")
                    );
                    daemon = spawn();
                }
            }
        }))
    }
}

impl Drop for Restarted {
    fn drop(&mut self) {
        self.0.abort();
    }
}
