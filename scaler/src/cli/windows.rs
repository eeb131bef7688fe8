//! `prewarm windows --policy FILE --from TIME --days N`.

use std::process::ExitCode;

/// Arguments of `prewarm windows --policy FILE --from TIME --days N`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
pub fn run(_args: Args) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not built yet")
}
