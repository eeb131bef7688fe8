//! `prewarm check FILE.yaml…`.

use std::process::ExitCode;

/// Arguments of `prewarm check FILE.yaml…`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(_args: Args) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not built yet")
}
