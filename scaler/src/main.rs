//! The `prewarm` binary: installs the TLS provider, parses the command line, ends the process.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("prewarm: no threads to run on: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(run());
    // A fit that is under way is of no use any more: nobody waits for it.
    runtime.shutdown_background();
    code
}

async fn run() -> ExitCode {
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
