//! A private PostgreSQL (15 or newer) on the loopback.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

use crate::eventually;
use crate::process::{self, Daemon, Signal};

/// Our superuser; there is no password.
const USER: &str = "prewarm";

/// A private cluster; dropped with the value.
#[derive(Debug)]
pub struct Postgres {
    // Before `dir`: fields are dropped in this order, and the server must end before its data goes.
    daemon: Option<Daemon>,
    port: u16,
    dir: TempDir,
}

impl Postgres {
    /// Makes a cluster and starts it.
    pub async fn start() -> Self {
        let dir =
            tempfile::Builder::new().prefix("prewarm-pg-").tempdir().expect("temporary directory");
        if let Some(user) = server_user() {
            process::run(Command::new("chown").arg(user).arg(dir.path()));
        }
        let mut initdb = process::bound_to_us(&program("initdb"), server_user(), "KILL");
        initdb.args([
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
            "--no-instructions",
        ]);
        initdb.arg(format!("--username={USER}")).arg("-D").arg(data(dir.path()));
        process::run(initdb.current_dir("/"));
        let mut postgres = Self { daemon: None, port: process::free_port(), dir };
        postgres.restart().await;
        postgres
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// A URL for the service, straight to the server.
    pub fn url(&self) -> String {
        self.url_through(self.address())
    }

    /// A URL for the service by way of `address`, say a proxy's.
    pub fn url_through(&self, address: SocketAddr) -> String {
        format!("postgres://{USER}@{address}/postgres")
    }

    /// A connection of our own.
    pub async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url()).await.expect("connect to PostgreSQL")
    }

    /// From now on `role` is asked for its password.
    pub async fn demand_password(&self, role: &str) {
        let rules = format!(
            "host all {role} 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n"
        );
        std::fs::write(data(self.dir.path()).join("pg_hba.conf"), rules).expect("write the rules");
        let reload = sqlx::query("SELECT pg_reload_conf()");
        reload.execute(&mut self.connect().await).await.expect("read the rules");
    }

    /// Freezes the postmaster: new connections are accepted by the kernel and never answered.
    pub fn freeze(&self) {
        self.daemon.iter().for_each(Daemon::freeze);
    }

    /// Undoes [`Self::freeze`].
    pub fn thaw(&self) {
        self.daemon.iter().for_each(Daemon::thaw);
    }

    /// Ends the server; the data stays.
    pub fn stop(&mut self) {
        self.daemon = None;
    }

    /// Starts a stopped server on its old data and port.
    pub async fn restart(&mut self) {
        self.stop();
        // Should we die: KILL, which reaches a frozen postmaster, too; its children see its end and
        // follow.
        let mut command = process::bound_to_us(&program("postgres"), server_user(), "KILL");
        command.current_dir("/").arg("-D").arg(data(self.dir.path()));
        for setting in [
            "listen_addresses=127.0.0.1",
            "fsync=off",
            "full_page_writes=off",
            "shared_buffers=32MB",
        ] {
            command.arg("-c").arg(setting);
        }
        command.arg("-c").arg(format!("port={}", self.port));
        command.arg("-c").arg(format!("unix_socket_directories={}", self.dir.path().display()));
        let log = self.dir.path().join("log");
        // QUIT is PostgreSQL's immediate shutdown.
        let mut daemon = Daemon::spawn("postgres", command, &log, Signal::QUIT);
        let url = self.url();
        eventually(Duration::from_secs(20), "PostgreSQL accepts connections", || {
            daemon.assert_running();
            let url = url.clone();
            async move { PgConnection::connect(&url).await.ok() }
        })
        .await;
        self.daemon = Some(daemon);
    }

    /// The whole database as text, for looking for what must not be in it.
    pub fn dump(&self) -> String {
        let mut command = Command::new(program("pg_dump"));
        process::run(command.arg("--inserts").arg(self.url()))
    }
}

/// Where the cluster's files lie.
fn data(dir: &Path) -> PathBuf {
    dir.join("data")
}

/// The user that runs the server: PostgreSQL refuses root, so root steps down to the package's own
/// user.
fn server_user() -> Option<&'static str> {
    process::is_root().then_some("postgres")
}

/// A program of the newest PostgreSQL of this machine.
fn program(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<u32> =
        versions.filter_map(|dir| dir.file_name().to_str()?.parse().ok()).collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    let places: Vec<PathBuf> = versions
        .into_iter()
        .map(|v| PathBuf::from(format!("/usr/lib/postgresql/{v}/bin")))
        .collect();
    process::program(name, &places, "postgresql")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn keeps_its_data_over_a_restart() {
        let mut postgres = Postgres::start().await;
        let mut connection = postgres.connect().await;
        sqlx::query("CREATE TABLE kept AS SELECT 42 AS n").execute(&mut connection).await.unwrap();
        sqlx::query("CHECKPOINT").execute(&mut connection).await.unwrap();

        postgres.stop();
        assert!(PgConnection::connect(&postgres.url()).await.is_err(), "it is stopped");

        postgres.restart().await;
        let n: i32 = sqlx::query_scalar("SELECT n FROM kept")
            .fetch_one(&mut postgres.connect().await)
            .await
            .unwrap();
        assert_eq!(n, 42);
        assert!(postgres.dump().contains("INSERT INTO public.kept VALUES (42)"));
    }

    #[tokio::test]
    async fn frozen_it_accepts_and_never_answers() {
        let postgres = Postgres::start().await;
        postgres.freeze();
        let url = postgres.url();
        let attempt =
            tokio::time::timeout(Duration::from_millis(300), PgConnection::connect(&url)).await;
        assert!(attempt.is_err(), "neither accepted nor refused");
        postgres.thaw();
        postgres.connect().await;
    }
}
