//! `prewarm explain NAMESPACE/NAME`: why the last answers were what they were.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::StatusCode;
use url::Url;

use crate::dashboard::api::{Decision, ScaledObject, Trigger, Unknown};

/// A server that does not answer by then is not there.
const PATIENCE: Duration = Duration::from_secs(5);

/// Arguments of `prewarm explain`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The ScaledObject or ScaledJob: NAMESPACE/NAME
    #[arg(value_name = "NAMESPACE/NAME", value_parser = scaled_object)]
    what: (String, String),
    /// HTTP address of the running server
    #[arg(long, value_name = "URL", default_value = "http://localhost:9091", env = "PREWARM_SERVER")]
    server: Url,
    /// The API's JSON as it is
    #[arg(long)]
    json: bool,
}

fn scaled_object(text: &str) -> Result<(String, String), String> {
    match text.split_once('/') {
        Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
            Ok((namespace.to_owned(), name.to_owned()))
        }
        _ => Err("write it as NAMESPACE/NAME, such as llm/llama".to_owned()),
    }
}

/// Runs the command.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (namespace, name) = &args.what;
    let mut url = args.server.clone();
    url.path_segments_mut()
        .map_err(|()| {
            anyhow::anyhow!("--server {} is no HTTP address: write it like http://localhost:9091", args.server)
        })?
        .pop_if_empty()
        .extend(["api", "v1", "workloads", namespace, name]);
    let client = reqwest::Client::builder().timeout(PATIENCE).build()?;
    let unreachable =
        || format!("no answer from {}: is `prewarm serve` running there? Name it with --server", args.server);
    let response = client.get(url).send().await.with_context(unreachable)?;
    let status = response.status();
    let text = response.text().await.with_context(unreachable)?;
    if status == StatusCode::NOT_FOUND {
        let unknown: Unknown = serde_json::from_str(&text).with_context(|| format!("{} is no Prewarm", args.server))?;
        let near =
            if unknown.near.is_empty() { String::new() } else { format!(" There is {}.", unknown.near.join(", ")) };
        bail!("{}{near}", unknown.error);
    }
    if status != StatusCode::OK {
        bail!("{} answered HTTP {status}", args.server);
    }
    if args.json {
        println!("{text}");
    } else {
        let found =
            serde_json::from_str(&text).with_context(|| format!("{} is no Prewarm of this version", args.server))?;
        print!("{}", story(&found));
    }
    Ok(ExitCode::SUCCESS)
}

/// The story for people.
fn story(of: &ScaledObject) -> String {
    let mut text = String::new();
    for trigger in &of.triggers {
        let _ = writeln!(
            text,
            "{}/{}  {}  (one replica carries {})",
            of.namespace, of.name, trigger.metric, trigger.threshold
        );
        for error in &trigger.errors {
            let _ = writeln!(text, "  metadata error: {error}");
        }
        for warning in &trigger.warnings {
            let _ = writeln!(text, "  warning: {warning}");
        }
        match &trigger.latest {
            None => text.push_str("  no decision yet\n"),
            Some(latest) => latest_story(&mut text, of, trigger, latest),
        }
        if !trigger.trail.is_empty() {
            text.push_str("\n  changes, newest last\n");
            let _ = writeln!(
                text,
                "  {:<20} {:>9} {:>9} {:>9} {:>5}  {:<7} why",
                "at (UTC)", "live", "forecast", "value", "want", "active"
            );
            for past in &trigger.trail {
                let _ = writeln!(
                    text,
                    "  {:<20} {:>9} {:>9} {:>9} {:>5}  {:<7} {} ({})",
                    past.at.strftime("%m-%d %H:%M:%S").to_string(),
                    number(past.live),
                    number(past.forecast),
                    number(past.metric_value),
                    past.metric_value.map_or_else(|| "?".to_owned(), |_| past.desired_replicas.to_string()),
                    past.active.map_or("unknown", |active| if active { "yes" } else { "no" }),
                    past.reason,
                    past.state,
                );
            }
        }
        text.push('\n');
    }
    text
}

fn latest_story(text: &mut String, of: &ScaledObject, trigger: &Trigger, latest: &Decision) {
    let age = of.now.duration_since(latest.at).as_secs();
    let answer = match (latest.metric_value, latest.active) {
        (Some(value), Some(active)) => {
            format!("{value} = {} replicas, {}", latest.desired_replicas, if active { "active" } else { "inactive" })
        }
        _ if latest.answer == "noData" => "FAILED_PRECONDITION: no sample has ever been seen; KEDA holds".to_owned(),
        _ => "UNAVAILABLE: unknown for too long; KEDA holds".to_owned(),
    };
    let _ = writeln!(text, "  answer      {answer}");
    let _ = writeln!(text, "  because     {} ({}), decided {age} s ago", latest.reason, latest.state);
    let live = match (latest.live, latest.live_age_seconds) {
        (Some(live), Some(age)) if age > 0.0 => format!("{live:.3} (last seen {age:.0} s ago)"),
        (Some(live), _) => format!("{live:.3}"),
        (None, Some(age)) => format!("unknown; last seen {age:.0} s ago"),
        (None, None) => "never seen".to_owned(),
    };
    let _ = writeln!(text, "  live        {live}");
    if latest.backlog_demand > 0.0 {
        let _ = writeln!(text, "  backlog     {} items, worth {:.3}", number(latest.backlog), latest.backlog_demand);
    }
    let lead = latest.lead_seconds;
    let forecast = match latest.forecast {
        None => format!("none over the next {lead:.0} s"),
        Some(value) => {
            let role = if latest.forecast_acts { "acts" } else { "recorded only" };
            format!("up to {value:.3} within {lead:.0} s = {} replicas, {role}", latest.forecast_replicas)
        }
    };
    let _ = writeln!(text, "  forecast    {forecast}");
    if let Some(would) = latest.would_value {
        let _ = writeln!(text, "              with it the answer would have been {would}");
    }
    let ceiling = latest.ceiling.map_or_else(|| "none".to_owned(), |most| most.to_string());
    let _ = writeln!(text, "  windows     floor {} within the lead, ceiling {ceiling}", latest.floor);
    if latest.hold > 0 {
        let _ = writeln!(text, "  hold        {}", latest.hold);
    }
    let silence = of.now.duration_since(trigger.last_seen).as_secs();
    let _ = writeln!(text, "  KEDA asked  {silence} s ago");
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision(at: &str, reason: &str, value: Option<f64>) -> Decision {
        Decision {
            at: at.parse().unwrap(),
            answer: if value.is_some() { "value" } else { "unavailable" }.into(),
            state: if value.is_some() { "fresh" } else { "blind" }.into(),
            reason: reason.into(),
            metric_value: value,
            active: value.map(|v| v > 0.0),
            desired_replicas: value.map_or(0, |v| (v / 6.0).ceil() as u32),
            observed: Some(12.0),
            live: Some(11.5),
            live_age_seconds: Some(0.0),
            backlog: Some(3.0),
            backlog_demand: 2.25,
            forecast: Some(40.2),
            forecast_replicas: 7,
            forecast_acts: true,
            would_value: None,
            floor: 2,
            ceiling: Some(12),
            hold: 0,
            latency_factor: 1.0,
            lead_seconds: 300.0,
        }
    }

    #[test]
    fn the_story_reads_well() {
        let of = ScaledObject {
            namespace: "llm".into(),
            name: "llama".into(),
            now: "2026-11-24T08:00:10Z".parse().unwrap(),
            triggers: vec![Trigger {
                namespace: "llm".into(),
                name: "llama".into(),
                metric: "prewarm-vllm-1a2b3c4d".into(),
                threshold: 6.0,
                last_seen: "2026-11-24T08:00:05Z".parse().unwrap(),
                errors: Vec::new(),
                warnings: vec!["team: unknown key, ignored".into()],
                latest: Some(decision("2026-11-24T08:00:00Z", "forecast", Some(42.0))),
                trail: vec![
                    decision("2026-11-24T07:10:00Z", "unavailable", None),
                    decision("2026-11-24T07:55:15Z", "forecast", Some(42.0)),
                ],
            }],
        };
        insta::assert_snapshot!(story(&of), @r"
        llm/llama  prewarm-vllm-1a2b3c4d  (one replica carries 6)
          warning: team: unknown key, ignored
          answer      42 = 7 replicas, active
          because     forecast (fresh), decided 10 s ago
          live        11.500
          backlog     3.0 items, worth 2.250
          forecast    up to 40.200 within 300 s = 7 replicas, acts
          windows     floor 2 within the lead, ceiling 12
          KEDA asked  5 s ago

          changes, newest last
          at (UTC)                  live  forecast     value  want  active  why
          11-24 07:10:00            11.5      40.2         -     ?  unknown unavailable (blind)
          11-24 07:55:15            11.5      40.2      42.0     7  yes     forecast (fresh)
        ");
    }

    #[test]
    fn a_name_without_a_namespace_is_refused_with_an_example() {
        assert!(scaled_object("llama").unwrap_err().contains("llm/llama"));
        assert_eq!(scaled_object("llm/llama").unwrap(), ("llm".into(), "llama".into()));
    }
}
