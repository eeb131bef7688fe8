//! Histories straight from Prometheus, in range queries that it allows.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, bail};
use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::Series;
use url::Url;

use super::History;
use crate::cli::progress::Progress;
use crate::clock::floor;
use crate::config::{Credentials, Secret, SourceConfig, SourceKind, SourceTls};
use crate::source::prometheus::PrometheusSource;
use crate::source::{MetricSource, Query};

/// What is read of a Prometheus.
#[derive(Debug)]
pub(crate) struct Request {
    /// Its address; without credentials.
    pub(crate) url: Url,
    /// PromQL that gives one series.
    pub(crate) query: String,
    /// How far back, in days.
    pub(crate) days: u16,
    /// Distance between values; at least a second.
    pub(crate) step: SignedDuration,
    /// File with a bearer token.
    pub(crate) token_file: Option<PathBuf>,
}

/// Reads the days before `now`; the last value is that of the last full step.
pub(crate) async fn read(request: Request, now: Timestamp) -> anyhow::Result<History> {
    let Request { url, query, days, step, token_file } = request;
    if !url.username().is_empty() || url.password().is_some() {
        bail!(
            "--prometheus: an address with a user or password shows in the list of processes: put a token into a file \
             (--bearer-token-file) or into {TOKEN}"
        );
    }
    let token = std::env::var_os(TOKEN).map(|token| token.to_string_lossy().into_owned());
    let name = format!("{}{}", url.origin().ascii_serialization(), url.path().trim_end_matches('/'));
    let config = SourceConfig {
        kind: SourceKind::Prometheus,
        urls: vec![url],
        credentials: match (token_file, token) {
            (Some(file), _) => Credentials::BearerFile(file),
            (None, Some(token)) => Credentials::Bearer(Secret::new(token)),
            (None, None) => Credentials::None,
        },
        headers: BTreeMap::new(),
        tls: SourceTls::default(),
        timeout: PATIENCE,
        concurrency: 1,
        namespaces: Vec::new(),
    };
    let source = PrometheusSource::new(&name, &config)?;
    let seconds = step.as_secs();
    let count = i64::from(days) * 86_400 / seconds;
    let end = floor(now, step);
    let at = |i: i64| end.checked_sub(SignedDuration::from_secs((count - i) * seconds));
    let mut values = vec![f64::NAN; usize::try_from(count)?];
    let progress = Progress::of(format!("reading {days} days"), values.len());
    let asked = Query::Text(query);
    let mut done = 0;
    while done < count {
        let last = (done + CHUNK).min(count) - 1;
        let answer = source.range(&asked, at(done)?, at(last)?, step).await.context("--query")?;
        for (instant, value) in answer {
            let i = (instant.as_second() - at(0)?.as_second()).div_euclid(seconds);
            if let Some(place) = usize::try_from(i).ok().and_then(|i| values.get_mut(i)) {
                *place = value;
            }
        }
        done = last + 1;
        progress.reach(usize::try_from(done)?);
    }
    let Some(first) = values.iter().position(|value| !value.is_nan()) else {
        bail!("--query returned nothing in the last {days} days: does it return a series in {name}'s own page?");
    };
    values.drain(..first);
    let series = Series::new(at(i64::try_from(first)?)?, step, values);
    Ok(History { series, notes: Vec::new() })
}

/// Variable with the bearer token.
const TOKEN: &str = "PREWARM_PROMETHEUS_TOKEN";

/// Points in one query; Prometheus allows 11,000.
const CHUNK: i64 = 10_000;

/// A week of a heavy query takes a while.
const PATIENCE: SignedDuration = SignedDuration::from_secs(60);
