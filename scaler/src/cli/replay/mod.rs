//! `prewarm replay`: what each way to scale would have missed and cost on this history.

#[cfg(test)]
mod example;
mod plot_data;
mod report;
mod scenario_args;
mod simulate;
mod summary;
mod table;
mod timeline;
mod verdict;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, anyhow, bail};
use jiff::SignedDuration;

use prewarm_forecaster::replay::{Arm, Conclusion};

use super::history::{Source, written};
use scenario_args::{Format, Outputs, ScenarioArgs};
use simulate::Simulated;
use summary::{EqualCost, Summary, Tuned};

/// Arguments of `prewarm replay`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    scenario: ScenarioArgs,
    #[command(flatten)]
    outputs: Outputs,
}

const EXAMPLES: &str = "\
Examples:
  prewarm replay --input demand.csv --threshold 4 --cold-start 5m
      what plain HPA, tuned HPA, cron, Prewarm and others would have cost and missed
  prewarm replay --prometheus http://localhost:9090 --query 'sum(rate(http_requests_total[1m]))' --days 28 \\
      --threshold 4 --cold-start 5m --timezone Europe/Berlin --report replay.html
      the same from Prometheus, with a page to show around
  prewarm replay --input demand.csv --threshold 4 --cold-start 5m --cost-ratio 100 --json | jq .conclusion
      where waiting costs more";

/// Runs the command.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let calendar = args.source.calendar()?;
    let series = args.source.read().await?;
    let zone = calendar.zone().clone();
    let Outputs { output, json, timeline, report } = &args.outputs;
    let mut assumed = args.scenario.assumed(&series, calendar, args.source.query());
    assumed.timeline = timeline.is_some() || report.is_some();
    let from = assumed.counted_from.unwrap_or(series.start());
    let counted = series.end().duration_since(from);
    if counted < LEAST {
        bail!(
            "only {} of the history would count (from {from} to {}), and a day is the least that says anything: give more \
             history, or a shorter --learn",
            written(counted),
            series.end()
        );
    }
    let Simulated { outcomes, frontier } = simulate::simulate(&series, &assumed);
    let conclusion = Conclusion::draw(&outcomes, assumed.cost_ratio)
        .ok_or_else(|| anyhow!("the history is too short to draw a conclusion from"))?;
    let assumptions = args.scenario.assumptions(&assumed);
    let arms = Summary::arms(&outcomes, &assumptions);
    let summary = Summary {
        title: args.source.title(),
        query: args.source.query().map(str::to_owned),
        from,
        to: series.end(),
        timezone: zone.iana_name().unwrap_or("UTC").to_owned(),
        equal_cost: arms
            .iter()
            .find(|arm| arm.name == Arm::Prewarm)
            .and_then(|arm| EqualCost::at(&frontier, arm.gpu_hours)),
        frontier,
        conclusion: verdict::verdict(&conclusion, &arms, &assumptions),
        assumptions,
        arms,
        tuned: Tuned {
            utilization: conclusion.settings.utilization,
            scale_down_seconds: conclusion.settings.scale_down_window.as_secs(),
            panics: conclusion.settings.panics,
        },
    };
    if let Some(path) = timeline {
        let file = create(path, "--timeline")?;
        timeline::write(
            file,
            outcomes.iter().map(|(arm, outcome)| (arm.name(), outcome.timeline.as_slice())),
        )
        .with_context(|| format!("--timeline {}: cannot be written", path.display()))?;
    }
    if let Some(path) = report {
        let shown = [Arm::Prewarm, Arm::Hpa];
        let plot_data =
            plot_data::plot_data(&outcomes, &shown, assumed.threshold.get(), summary.from, &zone)
                .ok_or_else(|| anyhow!("--report {}: nothing to draw", path.display()))?;
        std::fs::write(path, report::page(&summary, &plot_data))
            .with_context(|| format!("--report {}: cannot be written", path.display()))?;
    }
    let text = match (json, output) {
        (true, _) | (_, Format::Json) => serde_json::to_string_pretty(&summary)? + "\n",
        (_, Format::Csv) => table::csv(&summary)?,
        (_, Format::Table) => table::table(&summary),
    };
    super::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn create(path: &Path, flag: &str) -> anyhow::Result<std::io::BufWriter<std::fs::File>> {
    let file = std::fs::File::create(path)
        .with_context(|| format!("{flag} {}: cannot be written", path.display()))?;
    Ok(std::io::BufWriter::new(file))
}

/// Less says nothing.
const LEAST: SignedDuration = SignedDuration::from_hours(24);
