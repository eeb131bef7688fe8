//! Scenarios on a real control plane: `tests/cluster/run` builds what this needs and starts it.
//!
//! Everything is real but the nodes: etcd, API server, HPA, scheduler, KEDA, Prometheus, PostgreSQL, `prewarm serve`. Times
//! are shortened by configuration only. Scenarios have namespaces of their own and run side by side.

#![expect(clippy::unwrap_used, reason = "a scenario that cannot go on fails")]

mod api;
mod demand;
mod dns;
mod history;
mod plane;
mod scenario;
mod timeline;
mod workload;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use clap::Parser;

use plane::Tools;
use world::World;

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
        arguments.scenarios.is_empty() || arguments.scenarios.iter().any(|word| name.contains(word.as_str()))
    };
    let chosen: Vec<_> = scenario::all().into_iter().filter(|scenario| wanted(scenario.name)).collect();
    if chosen.is_empty() {
        eprintln!("no scenario is called like {:?}; there are:", arguments.scenarios);
        scenario::all().iter().for_each(|scenario| eprintln!("  {}", scenario.name));
        return ExitCode::FAILURE;
    }
    let _ = std::fs::remove_dir_all(&arguments.output);
    std::fs::create_dir_all(&arguments.output).unwrap();
    let crds = arguments.tools.join(format!("{}-crds", arguments.keda));
    let tools = Tools { bin: arguments.tools, keda: arguments.keda, crds };
    let begun = Instant::now();
    let world = tokio::select! {
        world = World::start(&tools, &arguments.output) => Arc::new(world),
        _ = tokio::signal::ctrl_c() => return ExitCode::FAILURE,
    };
    println!("control plane up in {:.0?}", begun.elapsed());

    let running: Vec<_> = chosen
        .into_iter()
        .map(|scenario| {
            let run = (scenario.run)(world.clone());
            let begun = Instant::now();
            (scenario.name, tokio::spawn(async move { (run.await, begun.elapsed()) }))
        })
        .collect();
    let (mut passed, mut failed) = (0, 0);
    let all = async {
        for (name, task) in running {
            match task.await {
                Ok(((), took)) => {
                    passed += 1;
                    println!("ok      {name} ({took:.0?})");
                }
                Err(_) => {
                    failed += 1;
                    println!("FAILED  {name} (its panic is above; logs in {})", arguments.output.display());
                }
            }
        }
    };
    tokio::select! {
        () = all => {}
        // Dropping the world ends every process.
        _ = tokio::signal::ctrl_c() => return ExitCode::FAILURE,
    }
    drop(world);
    println!("\n{passed} passed, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
