//! The `prewarm` binary: installs the TLS provider, parses the command line, ends the process.

use std::process::ExitCode;

use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        eprintln!("prewarm: another TLS provider is already installed");
        return ExitCode::FAILURE;
    }
    match prewarm::cli::Cli::parse().run().await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("prewarm: {error:#}");
            ExitCode::FAILURE
        }
    }
}
