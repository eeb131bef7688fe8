//! The service as a process: what a container runs.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use crate::eventually;
use crate::process::{self, Daemon, Signal};

/// A running `prewarm serve`; dropped with the value.
#[derive(Debug)]
pub struct Serve {
    // Before `dir`: the process must end before its files go.
    daemon: Daemon,
    /// Where it serves gRPC.
    pub grpc: SocketAddr,
    /// Where it serves HTTP.
    pub http: SocketAddr,
    _dir: TempDir,
}

impl Serve {
    /// Starts `program` with a configuration file of these lines and these variables, and waits
    /// until it is alive.
    pub async fn start(program: &str, configuration: &str, environment: &[(&str, &str)]) -> Self {
        let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let (grpc, http) = (local(process::free_port()), local(process::free_port()));
        Self::start_at(program, configuration, environment, grpc, http).await
    }

    /// The same at these addresses: the successor of one that has ended.
    pub async fn start_at(
        program: &str,
        configuration: &str,
        environment: &[(&str, &str)],
        grpc: SocketAddr,
        http: SocketAddr,
    ) -> Self {
        crate::install_crypto();
        let dir = tempfile::Builder::new()
            .prefix("prewarm-serve-")
            .tempdir()
            .expect("temporary directory");
        let file = dir.path().join("prewarm.toml");
        std::fs::write(&file, configuration).expect("write the configuration");
        let mut command = process::bound_to_us(Path::new(program), None, "KILL");
        command.arg("serve").arg("--config").arg(&file).current_dir(dir.path());
        command.arg(format!("--listen={grpc}")).arg(format!("--http={http}"));
        command.envs(environment.iter().copied());
        let mut daemon = Daemon::spawn("prewarm", command, &dir.path().join("log"), Signal::KILL);
        eventually(Duration::from_secs(10), "/livez answers", || {
            daemon.assert_running();
            async move { reqwest::get(format!("http://{http}/livez")).await.ok().map(drop) }
        })
        .await;
        Self { daemon, grpc, http, _dir: dir }
    }

    /// SIGTERM; panics unless it exits with success within `limit`. Its log.
    pub async fn terminate(self, limit: Duration) -> String {
        self.end_by(Signal::TERM, limit).await
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.daemon.id()
    }

    /// Sends a signal, and waits for its end; panics unless it exits with success within `limit`.
    /// Its log.
    pub async fn end_by(mut self, signal: Signal, limit: Duration) -> String {
        self.daemon.signal(signal);
        let begun = std::time::Instant::now();
        let status =
            eventually(limit, "the process exits", || std::future::ready(self.daemon.ended()))
                .await;
        assert!(status.success(), "{status} after {:?}:\n{}", begun.elapsed(), self.daemon.log());
        self.daemon.log()
    }

    /// Freezes it: connections are accepted by the kernel and never answered.
    pub fn freeze(&self) {
        self.daemon.freeze();
    }

    /// Undoes [`Self::freeze`].
    pub fn thaw(&self) {
        self.daemon.thaw();
    }

    /// Everything it has written so far.
    pub fn log(&self) -> String {
        self.daemon.log()
    }

    /// Status of an HTTP request.
    pub async fn status(&self, path: &str) -> u16 {
        reqwest::get(format!("http://{}{path}", self.http))
            .await
            .expect("an answer")
            .status()
            .as_u16()
    }

    /// Body of an HTTP request.
    pub async fn body(&self, path: &str) -> String {
        let answer = reqwest::get(format!("http://{}{path}", self.http)).await.expect("an answer");
        answer.text().await.expect("a text")
    }
}
