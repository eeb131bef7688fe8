//! `prewarm forecast`: quantiles of demand at given leads, each from what was known at its origin.

mod answer;
mod baseline;
mod chart;
mod evaluate;
mod request;
mod table;
#[cfg(test)]
mod tests;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use jiff::{SignedDuration, Timestamp};

use super::history::{Source, written};
use answer::Answer;
use request::Request;

/// Arguments of `prewarm forecast`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    source: Source,
    /// Origins: timestamps of the last row that may be used [default: the last row]
    #[arg(long, value_name = "TIME", num_args = 1.., value_delimiter = ',', value_parser = request::at, conflicts_with = "evaluate")]
    at: Vec<Timestamp>,
    /// File with origins, one a line
    #[arg(long, value_name = "FILE", conflicts_with_all = ["at", "evaluate"])]
    origins: Option<PathBuf>,
    /// How far after the origin, in multiples of the input's step [default: one step, 5m, 15m, 60m
    /// where they fit]
    #[arg(long, value_name = "DURATION", value_delimiter = ',', value_parser = request::lead)]
    lead: Vec<SignedDuration>,
    /// Quantiles of demand, between 0 and 1
    #[arg(long, value_name = "Q", value_delimiter = ',', default_value = "0.5,0.9,0.95,0.99", value_parser = request::quantile)]
    quantile: Vec<f64>,
    /// table for people, csv (origin,lead_seconds,quantile,value) or json for programs [default:
    /// table on a terminal, else csv]
    #[arg(long, value_name = "FORMAT")]
    output: Option<Output>,
    /// Draw history, forecast and, where known, what came, as SVG
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
    /// Judge the forecasts on this history: as issued at each row of its last third, against simple
    /// ones
    #[arg(long, conflicts_with = "plot")]
    evaluate: bool,
}

/// How the answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    Table,
    Csv,
    Json,
}

const EXAMPLES: &str = "\
Examples:
  prewarm forecast --input demand.csv
      the next hour after the last row, as a table
  prewarm forecast --input demand.csv --at 2026-11-24T07:30:00Z --lead 5m,60m --timezone Europe/Berlin --plot morning.svg
      what would have been forecast that morning, drawn beside what came
  prewarm forecast --input demand.csv --origins origins.txt --lead 15m --quantile 0.95 --output csv > forecasts.csv
      many origins in one go; each row uses nothing after its origin
  prewarm forecast --input demand.csv --evaluate
      how good the forecasts would have been, against last value and seasonal naive
  prewarm forecast --prometheus http://localhost:9090 --query 'sum(rate(http_requests_total[1m]))' --lead 5m
      straight from Prometheus";

/// Runs the command. Its exit code is 1 where an origin that was asked for has no forecast, or a
/// lead that was named has none at one of them: what is missing is said with its reason.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let calendar = args.source.calendar()?;
    let series = args.source.read().await?;
    let terminal = std::io::stdout().is_terminal();
    let output = args.output.unwrap_or(if terminal { Output::Table } else { Output::Csv });
    let (title, zone) = (args.source.title(), calendar.zone().clone());
    let origins = request::origins(&series, &args.at, args.origins.as_deref())?;
    let request =
        Request::new(&series, &origins, &request::leads(&series, &args.lead), &args.quantile)?;
    if args.evaluate {
        let evaluation = evaluate::evaluate(&series, request, calendar)?;
        // As CSV it would be another contract.
        let json = args.output == Some(Output::Json);
        let text = if json {
            serde_json::to_string_pretty(&evaluation)? + "\n"
        } else {
            evaluate::table(&title, &series, &evaluation, &zone)
        };
        super::print(&text)?;
        return Ok(ExitCode::SUCCESS);
    }
    let (answers, _) = answer::answers(&series, &request, calendar);
    let text = match output {
        Output::Table => table::table(&title, &series, &request, &answers, &zone),
        Output::Csv => table::csv(&request, &answers)?,
        Output::Json => table::json(&request, &answers)?,
    };
    super::print(&text)?;
    if output != Output::Table {
        complain(&answers);
    }
    if let Some(path) = &args.plot {
        let file = path.display();
        let Some(svg) = chart::svg(&title, &series, &request, &answers, &zone) else {
            bail!("--plot {file}: there is no forecast to draw");
        };
        std::fs::write(path, svg).with_context(|| format!("--plot {file}: cannot be written"))?;
    }
    // Leads that nobody named are what people usually ask for: a young history need not have them
    // all.
    let complete = |answer: &Answer| match &answer.outcome {
        Ok(issued) => args.lead.is_empty() || issued.missing.is_empty(),
        Err(_) => false,
    };
    Ok(if answers.iter().all(complete) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Says on standard error which origins and which leads have no forecast, and why.
fn complain(answers: &[Answer]) {
    for answer in answers {
        let origin = answer.origin;
        match &answer.outcome {
            Err(reason) => eprintln!("prewarm: no forecast at {origin}: {reason}"),
            Ok(issued) => {
                for (lead, reason) in &issued.missing {
                    eprintln!(
                        "prewarm: no forecast at {origin} for {} ahead: {reason}",
                        written(*lead)
                    );
                }
            }
        }
    }
}
