//! `prewarm default-config`.

use std::process::ExitCode;

/// Prints the commented default configuration.
pub fn run() -> anyhow::Result<ExitCode> {
    super::print(crate::config::DEFAULT)?;
    Ok(ExitCode::SUCCESS)
}
