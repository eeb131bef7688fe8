//! `prewarm serve`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::app::{App, Environment, FLUSH_EVERY};
use crate::clock::SystemClock;
use crate::config::{self, Config, Overrides, Secret};
use crate::telemetry;

/// Arguments of `prewarm serve`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Configuration file (TOML); `prewarm default-config` prints a commented one
    #[arg(long, value_name = "FILE", env = "PREWARM_CONFIG")]
    config: Option<PathBuf>,
    /// gRPC address, e.g. 0.0.0.0:9090
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// HTTP address of API, metrics and probes, e.g. 0.0.0.0:9091
    #[arg(long, value_name = "ADDR")]
    http: Option<SocketAddr>,
    /// sqlite://FILE or postgres://USER@HOST/DATABASE
    #[arg(long, value_name = "URL")]
    database: Option<String>,
}

/// Runs the command: serves until SIGTERM, SIGHUP or Ctrl-C.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let overrides = Overrides {
        listen: args.listen,
        http: args.http,
        database: args.database.map(Secret::new),
    };
    let config =
        Config::load(args.config.as_deref(), config::environment())?.with_overrides(overrides);
    telemetry::init(config.log_format, &config.log_filter)?;
    for (name, dates) in &config.holidays {
        tracing::info!(
            calendar.name = name,
            calendar.dates = dates.len(),
            "holiday calendar is read"
        );
    }
    for note in &config.notes {
        tracing::warn!("{note}");
    }
    let environment = Environment {
        clock: Arc::new(SystemClock),
        grpc: bind(config.listen, "listen").await?,
        http: bind(config.http, "http").await?,
        flush_every: FLUSH_EVERY,
    };
    let app = App::build(config, environment).await?;
    tracing::info!(grpc.address = %app.grpc_address()?, http.address = %app.http_address()?, "serving");
    let shutdown = CancellationToken::new();
    tokio::spawn(cancel_on_signal(shutdown.clone())?);
    app.run(shutdown).await?;
    Ok(ExitCode::SUCCESS)
}

async fn bind(address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("{key} = \"{address}\": cannot bind; choose another with --{key}"))
}

/// A future that cancels `shutdown` at SIGTERM, SIGINT or SIGHUP: the configuration is read at the
/// start, and whoever restarts us reads it anew.
pub(super) fn cancel_on_signal(
    shutdown: CancellationToken,
) -> anyhow::Result<impl Future<Output = ()> + Send> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = hangup.recv() => {}
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("shutting down");
        shutdown.cancel();
    })
}
