//! Which Prometheus is read, and with what: given on the command line, or a source of the server's
//! configuration.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use jiff::SignedDuration;
use url::Url;

use super::prometheus::Request;
use crate::config::{self, Config, Credentials, Secret, SourceConfig, SourceKind};
use crate::duration;

/// A server and what is asked of it.
#[derive(Debug, clap::Args)]
pub(super) struct Server {
    /// Prometheus to read instead; a bearer token comes from --bearer-token-file or
    /// PREWARM_PROMETHEUS_TOKEN
    #[arg(long, value_name = "URL", requires = "query", conflicts_with = "config")]
    prometheus: Option<Url>,
    /// Server configuration whose source is read instead, with all that it says: headers,
    /// credentials, certificates
    #[arg(long, value_name = "FILE", requires = "query")]
    config: Option<PathBuf>,
    /// Which source of --config
    #[arg(long, value_name = "NAME", default_value = "default", requires = "config")]
    source: String,
    /// PromQL for the demand; one series, as in a trigger's metadata
    #[arg(long, value_name = "PROMQL", conflicts_with = "input")]
    query: Option<String>,
    /// Days to read from Prometheus (1 … 400)
    #[arg(long, value_name = "N", default_value_t = 28, requires = "query", value_parser = clap::value_parser!(u16).range(1..=400))]
    days: u16,
    /// Distance between values read from Prometheus
    #[arg(long, value_name = "DURATION", default_value = "1m", requires = "query", value_parser = step)]
    step: SignedDuration,
    /// File with a bearer token for Prometheus
    #[arg(long, value_name = "FILE", requires = "prometheus")]
    bearer_token_file: Option<PathBuf>,
    /// Header for Prometheus, like "X-Scope-OrgID: team-a"; secrets belong into --config, for
    /// others see this line
    #[arg(long, value_name = "NAME: VALUE", requires = "prometheus", value_parser = header)]
    header: Vec<(String, String)>,
    /// CA certificates (PEM) to trust as well
    #[arg(long, value_name = "FILE", requires = "prometheus")]
    ca: Option<PathBuf>,
}

impl Server {
    /// What is to be read.
    pub(super) fn request(&self) -> anyhow::Result<Request> {
        let Some(query) = &self.query else {
            bail!("--query PROMQL is needed beside --prometheus or --config");
        };
        let (name, source) = match (&self.prometheus, &self.config) {
            (Some(url), _) => self.given(url)?,
            (None, Some(file)) => self.configured(file)?,
            (None, None) => bail!("--input FILE, --prometheus URL or --config FILE is needed"),
        };
        Ok(Request { name, source, query: query.clone(), days: self.days, step: self.step })
    }

    pub(super) fn query(&self) -> Option<&str> {
        self.query.as_deref()
    }

    fn given(&self, url: &Url) -> anyhow::Result<(String, SourceConfig)> {
        if !url.username().is_empty() || url.password().is_some() {
            bail!(
                "--prometheus: an address with a user or password shows in the list of processes: put a token into a \
                 file (--bearer-token-file) or into {TOKEN}"
            );
        }
        let name =
            format!("{}{}", url.origin().ascii_serialization(), url.path().trim_end_matches('/'));
        let token = std::env::var_os(TOKEN).map(|token| token.to_string_lossy().into_owned());
        let mut source = SourceConfig::new(SourceKind::Prometheus, vec![url.clone()]);
        source.credentials = match (&self.bearer_token_file, token) {
            (Some(file), _) => Credentials::BearerFile(file.clone()),
            (None, Some(token)) => Credentials::Bearer(Secret::new(token)),
            (None, None) => Credentials::None,
        };
        source.headers =
            self.header.iter().map(|(name, value)| (name.clone(), Secret::new(value))).collect();
        source.tls.ca = self.ca.clone();
        Ok((name, source))
    }

    fn configured(&self, file: &Path) -> anyhow::Result<(String, SourceConfig)> {
        let config = Config::load(Some(file), config::environment()).context("--config")?;
        let Some(source) = config.sources.get(&self.source) else {
            let known: Vec<&str> = config.sources.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            bail!(
                "--source {}: {} has no such source; it has: {known}",
                self.source,
                file.display()
            );
        };
        if source.kind != SourceKind::Prometheus {
            bail!("--source {}: only a source of kind \"prometheus\" knows the past", self.source);
        }
        Ok((self.source.clone(), source.clone()))
    }
}

fn header(text: &str) -> Result<(String, String), String> {
    match text.split_once([':', '=']) {
        Some((name, value)) if !name.trim().is_empty() && !value.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("write it like \"X-Scope-OrgID: team-a\"".to_owned()),
    }
}

fn step(text: &str) -> Result<SignedDuration, String> {
    let step = duration::parse(text)?;
    let whole = step.subsec_nanos() == 0 && step.as_secs() > 0 && step.as_secs() <= 3600;
    if whole { Ok(step) } else { Err("must be whole seconds, from 1s to 1h".to_owned()) }
}

/// Variable with the bearer token.
const TOKEN: &str = "PREWARM_PROMETHEUS_TOKEN";
