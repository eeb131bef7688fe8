//! `prewarm explain NAMESPACE/NAME`: why the last answers were what they were.

mod learned;
mod render;
mod replicas;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use reqwest::StatusCode;
use url::Url;

use crate::http::api::{Explanation, Unknown};

/// Arguments of `prewarm explain NAMESPACE/NAME`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The ScaledObject or ScaledJob
    #[arg(value_name = "NAMESPACE/NAME", value_parser = scaled_object)]
    scaled_object: (String, String),
    /// HTTP address of the running server
    #[arg(
        long,
        value_name = "URL",
        default_value = "http://localhost:9091",
        env = "PREWARM_SERVER"
    )]
    server: Url,
    /// Explain the answer of this instant, of the 13 months that are kept, in place of the latest:
    /// 2026-11-23T07:52:00Z, or local time without zone (2026-11-23T07:52)
    #[arg(long, value_name = "TIME", value_parser = instant)]
    at: Option<Timestamp>,
    /// A file with the server's token, where its httpTokenFile asks for one
    #[arg(long, value_name = "FILE", env = "PREWARM_TOKEN_FILE")]
    token_file: Option<PathBuf>,
    /// Print the API's JSON as it is
    #[arg(long)]
    json: bool,
}

/// An instant with its zone, or a local time of this machine.
fn instant(text: &str) -> Result<Timestamp, String> {
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant);
    }
    let local = text.parse::<DateTime>().map_err(|_| {
        "write it like 2026-11-23T07:52:00Z, or 2026-11-23T07:52 in local time".to_owned()
    })?;
    let zoned = local.to_zoned(TimeZone::system()).map_err(|error| error.to_string())?;
    Ok(zoned.timestamp())
}

/// Runs the command.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let text = fetch(&args).await?;
    if args.json {
        println!("{text}");
        return Ok(ExitCode::SUCCESS);
    }
    let explanation: Explanation = serde_json::from_str(&text).with_context(|| {
        format!("{} does not answer as this version of prewarm does; try --json", args.server)
    })?;
    print!("{}", render::render(&explanation));
    Ok(ExitCode::SUCCESS)
}

async fn fetch(args: &Args) -> anyhow::Result<String> {
    let (namespace, name) = &args.scaled_object;
    let server = &args.server;
    let mut url = server.clone();
    let Ok(mut path) = url.path_segments_mut() else {
        bail!("--server {server}: not an HTTP address; write it like http://localhost:9091");
    };
    path.pop_if_empty().extend(["api", "v1", "workloads", namespace, name]);
    drop(path);
    if let Some(at) = args.at {
        url.query_pairs_mut().append_pair("at", &at.to_string());
    }
    let token = match &args.token_file {
        None => None,
        Some(file) => Some(
            std::fs::read_to_string(file)
                .with_context(|| format!("--token-file {}: cannot be read", file.display()))?,
        ),
    };

    let unreachable = || {
        format!(
            "no answer from {server}: is `prewarm serve` running there? In a cluster: \
             kubectl -n prewarm port-forward service/prewarm 9091"
        )
    };
    let client = reqwest::Client::builder().timeout(PATIENCE).build()?;
    let mut request = client.get(url);
    if let Some(token) = token {
        request = request.bearer_auth(token.trim());
    }
    let response = request.send().await.with_context(unreachable)?;
    let status = response.status();
    let text = response.text().await.with_context(unreachable)?;
    match status {
        StatusCode::OK => Ok(text),
        StatusCode::NOT_FOUND => match serde_json::from_str(&text) {
            Ok(unknown) => bail!(nearest(&unknown)),
            Err(_) => bail!(
                "{server} is not a prewarm server: its port for HTTP is 9091 unless configured otherwise"
            ),
        },
        StatusCode::UNAUTHORIZED => bail!(
            "{server} asks for a token: give its file with --token-file (the server's httpTokenFile holds it)"
        ),
        status => bail!("{server} answered {status}: {}", text.trim()),
    }
}

fn nearest(unknown: &Unknown) -> String {
    match unknown.near.as_slice() {
        [] => format!("{}\nThis server knows no workload at all.", unknown.error),
        near => format!("{}\nNearest:\n  {}", unknown.error, near.join("\n  ")),
    }
}

fn scaled_object(text: &str) -> Result<(String, String), String> {
    match text.split_once('/') {
        Some((namespace, name))
            if !namespace.is_empty() && !name.is_empty() && !name.contains('/') =>
        {
            Ok((namespace.to_owned(), name.to_owned()))
        }
        _ => Err("write NAMESPACE/NAME, as in llm/llama".to_owned()),
    }
}

/// A server that has not answered by then is not there.
const PATIENCE: Duration = Duration::from_secs(5);
