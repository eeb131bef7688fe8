//! `prewarm explain NAMESPACE/NAME`: why the last answers were what they were.

mod format;
mod learned;
mod render;
mod replicas;
#[cfg(test)]
mod tests;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
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
    /// Print the API's JSON as it is
    #[arg(long)]
    json: bool,
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

    let unreachable = || {
        format!(
            "no answer from {server}: is `prewarm serve` running there? In a cluster: \
             kubectl -n prewarm port-forward service/prewarm 9091"
        )
    };
    let client = reqwest::Client::builder().timeout(PATIENCE).build()?;
    let response = client.get(url).send().await.with_context(unreachable)?;
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
