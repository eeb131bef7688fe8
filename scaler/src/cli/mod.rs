//! Command line: one file per command.

pub mod check;
mod columns;
pub mod completions;
pub mod default_config;
pub mod demo;
pub mod explain;
pub mod forecast;
mod history;
pub mod init;
pub mod man_pages;
mod parallel;
mod plot;
pub mod presets;
mod progress;
pub mod replay;
mod rolling;
pub mod serve;
pub mod windows;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// KEDA external scaler that has GPU replicas ready before the spike.
#[derive(Debug, Parser)]
#[command(
    name = "prewarm",
    version,
    about,
    propagate_version = true,
    arg_required_else_help = true
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer KEDA: sample, keep history, decide
    Serve(serve::Args),
    /// Show the whole loop on this machine, without a cluster
    Demo(demo::Args),
    /// Forecast demand from its history, at one origin or many
    Forecast(Box<forecast::Args>),
    /// Replay a history: what plain HPA, tuned HPA, Prewarm and others would have missed and cost
    Replay(Box<replay::Args>),
    /// Print when floors and ceilings of a policy hold, in local time and UTC
    Windows(windows::Args),
    /// Validate ScaledObjects and policies before they are applied
    Check(check::Args),
    /// Write a ScaledObject to begin with: of a preset, or one of the examples
    Init(init::Args),
    /// Show what presets ask, in which unit, and what they cannot see
    Presets(presets::Args),
    /// Ask a running server why its last answers were what they were
    Explain(explain::Args),
    /// Print the commented default configuration
    DefaultConfig,
    /// Print the script by which a shell completes this command line
    Completions(completions::Args),
    /// Write man pages, one for each command
    ManPages(man_pages::Args),
}

impl Cli {
    /// Runs the command; the exit code is 0 on success, 1 where a check found errors.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Serve(args) => serve::run(args).await,
            Command::Demo(args) => demo::run(args).await,
            Command::Forecast(args) => forecast::run(*args).await,
            Command::Replay(args) => replay::run(*args).await,
            Command::Windows(args) => windows::run(args),
            Command::Check(args) => check::run(args).await,
            Command::Init(args) => init::run(&args),
            Command::Presets(args) => presets::run(&args),
            Command::Explain(args) => explain::run(args).await,
            Command::DefaultConfig => default_config::run(),
            Command::Completions(args) => completions::run(&args),
            Command::ManPages(args) => man_pages::run(&args),
        }
    }
}

/// Writes to standard output; a reader that has gone (`prewarm … | head`) is no failure.
fn print(text: &str) -> std::io::Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}
