//! Scenarios on a real control plane: `tests/cluster/run` builds what this needs and starts it.
//!
//! Everything is real but the nodes: etcd, API server, HPA, scheduler, KEDA, Prometheus,
//! PostgreSQL, `prewarm serve`. Times are shortened by configuration only. Scenarios have
//! namespaces of their own and run side by side.

#![expect(clippy::unwrap_used, reason = "a scenario that cannot go on fails")]

mod api;
mod control_plane;
mod demand;
mod dns;
mod fixture;
mod history;
mod queue;
mod scenario;
mod timeline;
mod workload;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use control_plane::Tools;
use fixture::Fixture;

/// Scenarios on a real control plane.
#[derive(Debug, Parser)]
struct Arguments {
    /// Folder with the built programs.
    #[arg(long)]
    tools: PathBuf,
    /// Which KEDA of that folder.
    #[arg(long, default_value = "keda")]
    keda: String,
    /// Where logs and timelines go.
    #[arg(long)]
    output: PathBuf,
    /// Scenarios whose names contain one of these words; all without any.
    scenarios: Vec<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let wanted = |name: &str| {
        arguments.scenarios.is_empty()
            || arguments.scenarios.iter().any(|word| name.contains(word.as_str()))
    };
    let chosen: Vec<_> =
        scenario::all().into_iter().filter(|scenario| wanted(scenario.name)).collect();
    if chosen.is_empty() {
        eprintln!("no scenario is called like {:?}; there are:", arguments.scenarios);
        scenario::all().iter().for_each(|scenario| eprintln!("  {}", scenario.name));
        return ExitCode::FAILURE;
    }
    let _ = std::fs::remove_dir_all(&arguments.output);
    std::fs::create_dir_all(&arguments.output).unwrap();
    let crds = arguments.tools.join(format!("{}-crds", arguments.keda));
    let tools = Tools { bin: arguments.tools, keda: arguments.keda, crds };
    // Whichever way it ends, the future is dropped, with the fixture and every scenario in it: that
    // ends every process.
    tokio::select! {
        code = play(chosen, &tools, &arguments.output) => code,
        signal = asked_to_end() => {
            eprintln!("{signal}: ending everything");
            ExitCode::FAILURE
        }
    }
}

/// Plays the scenarios side by side on one control plane; a line as each ends.
async fn play(chosen: Vec<scenario::Scenario>, tools: &Tools, output: &Path) -> ExitCode {
    let begun = Instant::now();
    let fixture = Arc::new(Fixture::start(tools, output).await);
    println!("control plane up in {:.0?}", begun.elapsed());
    let mut names = HashMap::new();
    let mut running = JoinSet::new();
    for scenario in chosen {
        let run = (scenario.run)(fixture.clone());
        let begun = Instant::now();
        let task = running.spawn(async move {
            run.await;
            begun.elapsed()
        });
        names.insert(task.id(), scenario.name);
    }
    let (mut passed, mut failed) = (0, 0);
    while let Some(ended) = running.join_next_with_id().await {
        match ended {
            Ok((id, took)) => {
                passed += 1;
                println!("ok      {} ({took:.0?})", names[&id]);
            }
            Err(error) => {
                failed += 1;
                println!(
                    "FAILED  {} (its panic is above; logs in {})",
                    names[&error.id()],
                    output.display()
                );
            }
        }
    }
    if failed == 0 {
        forget_logs(output);
    } else {
        std::fs::write(output.join("prewarm.log"), fixture.prewarm.log()).unwrap();
    }
    drop(fixture);
    println!("\nin all {:.0?}\n{passed} passed, {failed} failed", begun.elapsed());
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Ctrl-C, or what a service manager and `kill` send.
async fn asked_to_end() -> &'static str {
    let mut terminate = signal(SignalKind::terminate()).unwrap();
    let mut interrupt = signal(SignalKind::interrupt()).unwrap();
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}

/// Nobody needs the logs of what went well; timelines and tables stay.
fn forget_logs(output: &Path) {
    for entry in std::fs::read_dir(output).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            forget_logs(&path);
        } else if path.extension().is_some_and(|extension| extension == "log") {
            let _ = std::fs::remove_file(path);
        }
    }
}
