//! `prewarm explain NAMESPACE/NAME`.

use std::process::ExitCode;

/// Arguments of `prewarm explain NAMESPACE/NAME`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub async fn run(_args: Args) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not built yet")
}
