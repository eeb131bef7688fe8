//! `--server`: the triggers that are good on paper, tried through a running server's sources.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::StatusCode;
use reqwest::header::{AUTHORIZATION, HeaderMap};
use url::Url;

use super::finding::{Finding, Level, Report};
use super::query;
use crate::http::api::{Trial, TrialRequest};

/// One trigger of ours to be tried.
#[derive(Debug)]
pub(super) struct Attempt {
    /// Index of its resource in the report.
    pub(super) resource: usize,
    /// Index among the resource's triggers.
    pub(super) trigger: usize,
    /// Line of the trigger.
    pub(super) line: u64,
    pub(super) request: TrialRequest,
}

/// Tries each, and adds what is found to the report.
pub(super) async fn try_all(
    server: &Url,
    token_file: Option<&Path>,
    attempts: Vec<Attempt>,
    report: &mut Report,
) -> anyhow::Result<()> {
    let mut headers = HeaderMap::new();
    if let Some(file) = token_file {
        let token = std::fs::read_to_string(file)
            .with_context(|| format!("--token-file {}: cannot be read", file.display()))?;
        let bearer = format!("Bearer {}", token.trim())
            .parse()
            .with_context(|| format!("--token-file {}: holds no token", file.display()))?;
        headers.insert(AUTHORIZATION, bearer);
    }
    let client = reqwest::Client::builder().timeout(PATIENCE).default_headers(headers).build()?;
    for attempt in attempts {
        let trial = ask(&client, server, &attempt.request).await?;
        let path = |key: &str| format!("spec.triggers[{}].metadata.{key}", attempt.trigger);
        let checked = &mut report.resources[attempt.resource];
        let mut note = |level, key: &str, problem: String| {
            let finding =
                Finding { level, line: attempt.line, path: path(key), problem, advice: None };
            let told =
                |other: &Finding| other.path == finding.path && other.problem == finding.problem;
            if !checked.findings.iter().any(told) {
                checked.findings.push(finding);
            }
        };
        for error in &trial.errors {
            note(Level::Error, &error.key, error.problem.clone());
        }
        for trouble in &trial.troubles {
            let key = query::key_of(&trouble.signal, &attempt.request.metadata);
            note(Level::Error, key, format!("tried at {server}: {}", trouble.message));
        }
        let values =
            [("demand", trial.demand), ("backlog", trial.backlog), ("latency", trial.latency)];
        let values: Vec<String> = values
            .iter()
            .filter_map(|(name, value)| value.map(|value| format!("{name} {value}")))
            .collect();
        if !values.is_empty() {
            let key = query::key_of("demand", &attempt.request.metadata);
            note(Level::Note, key, format!("tried at {server}: {} now", values.join(", ")));
        }
    }
    Ok(())
}

async fn ask(
    client: &reqwest::Client,
    server: &Url,
    request: &TrialRequest,
) -> anyhow::Result<Trial> {
    let mut url = server.clone();
    let Ok(mut path) = url.path_segments_mut() else {
        bail!("--server {server}: not an HTTP address; write it like http://localhost:9091");
    };
    path.pop_if_empty().extend(["api", "v1", "try"]);
    drop(path);
    let unreachable = || {
        format!(
            "no answer from {server}: is `prewarm serve` running there? In a cluster: \
             kubectl -n prewarm port-forward service/prewarm 9091"
        )
    };
    for _ in 0..ATTEMPTS {
        let response =
            client.post(url.clone()).json(request).send().await.with_context(unreachable)?;
        let status = response.status();
        let text = response.text().await.with_context(unreachable)?;
        match status {
            StatusCode::OK => {
                return serde_json::from_str(&text).with_context(|| {
                    format!("{server} does not answer as this version of prewarm does")
                });
            }
            StatusCode::TOO_MANY_REQUESTS => tokio::time::sleep(Duration::from_secs(1)).await,
            StatusCode::NOT_FOUND => bail!(
                "{server} does not try queries: it is another version of prewarm, or not its port for HTTP (9091 unless configured otherwise)"
            ),
            StatusCode::UNAUTHORIZED => bail!(
                "{server} asks for a token: give its file with --token-file (the server's httpTokenFile holds it)"
            ),
            status => bail!("{server} answered {status}: {}", text.trim()),
        }
    }
    bail!("{server} is busy trying other triggers: ask again")
}

/// Longer than the server waits for its source.
const PATIENCE: Duration = Duration::from_secs(10);
/// While the server tries for others.
const ATTEMPTS: usize = 10;
