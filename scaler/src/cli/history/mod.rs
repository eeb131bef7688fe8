//! A workload's past demand, from a file or from Prometheus, and the calendar that it is read by.

mod file;
mod prometheus;
mod server;

use std::path::{Path, PathBuf};

use anyhow::Context;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::{Calendar, Series};

use file::Columns;
pub(crate) use file::instant;

use crate::clock::{Clock as _, SystemClock};
use crate::duration;
use crate::trigger::windows::policies;
use crate::trigger::{Rules, zone};
use server::Server;

/// Where the history is, and by which calendar its days are read.
#[derive(Debug, clap::Args)]
pub(crate) struct Source {
    /// CSV with a header like timestamp,value, or what Prometheus, promtool, Grafana or CloudWatch
    /// export of a range; gaps are allowed; - for standard input
    #[arg(long, value_name = "FILE", required_unless_present_any = ["prometheus", "config"], conflicts_with_all = ["prometheus", "config"])]
    input: Option<PathBuf>,
    /// Column of demand in --input, where its name is not "value"; several are summed
    #[arg(long, value_name = "NAME", requires = "input")]
    column: Vec<String>,
    /// Column of times in --input, where its name does not say so
    #[arg(long, value_name = "NAME", requires = "input")]
    time_column: Option<String>,
    /// Columns in --input that tell several series apart: their values are summed
    #[arg(long, value_name = "NAME,…", requires = "input", value_delimiter = ',')]
    sum_by: Vec<String>,
    #[command(flatten)]
    server: Server,
    /// Zone in which days and weeks are read, and times of --input that say none; the policy's, if
    /// it names one
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    /// Policy (timezone, windows, holidays), PrewarmPolicy, or ScaledObject with windows
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

/// Demand as it was, and what had to be done to read it so.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct History {
    /// Evenly spaced; gaps are NaN.
    pub(crate) series: Series,
    /// What a reader of the result should know, in words.
    pub(crate) notes: Vec<String>,
}

impl Source {
    /// Reads the history; what is noteworthy goes to standard error.
    pub(crate) async fn read(&self) -> anyhow::Result<Series> {
        let history = match &self.input {
            Some(path) => file::read(path, &self.columns()?)?,
            None => prometheus::read(self.server.request()?, SystemClock.now()).await?,
        };
        for note in &history.notes {
            eprintln!("prewarm: {note}");
        }
        Ok(history.series)
    }

    /// What of the file counts.
    fn columns(&self) -> anyhow::Result<Columns> {
        let zone = match (self.zone()?, &self.policy) {
            (None, Some(path)) => policy(path, |_| ())?.zone,
            (zone, _) => zone,
        };
        Ok(Columns {
            columns: self.column.clone(),
            time_column: self.time_column.clone(),
            sum_by: self.sum_by.clone(),
            zone,
        })
    }

    fn zone(&self) -> anyhow::Result<Option<TimeZone>> {
        let Some(name) = &self.timezone else { return Ok(None) };
        let zone =
            zone::parse(name).map_err(|problem| anyhow::anyhow!("--timezone {name}: {problem}"))?;
        Ok(Some(zone))
    }

    /// Zone, windows and holidays; UTC where none is named.
    pub(crate) fn calendar(&self) -> anyhow::Result<Calendar> {
        let zone = self.zone()?;
        let Some(path) = &self.policy else {
            return Ok(Calendar::empty(zone.unwrap_or(TimeZone::UTC)));
        };
        let policy = policy(path, |note| eprintln!("prewarm: {note}"))?;
        let zone = zone.or(policy.zone).unwrap_or(TimeZone::UTC);
        Ok(Calendar::new(zone, policy.windows, policy.holidays))
    }

    /// The question that was asked of Prometheus.
    pub(crate) fn query(&self) -> Option<&str> {
        self.server.query()
    }

    /// What the history is called in a title.
    pub(crate) fn title(&self) -> String {
        match (&self.input, self.server.query()) {
            (Some(path), _) if path.as_os_str() == "-" => "standard input".to_owned(),
            (Some(path), _) => {
                path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
            }
            (None, Some(query)) => query.to_owned(),
            (None, None) => "demand".to_owned(),
        }
    }
}

fn policy(path: &Path, tell: impl Fn(String)) -> anyhow::Result<crate::trigger::SharedPolicy> {
    let file = path.display();
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("--policy {file}: cannot be read"))?;
    let found = policies(&text, Rules::default(), true).map_err(|errors| {
        let errors: Vec<_> =
            errors.iter().map(|error| format!("--policy {file}: {error}")).collect();
        anyhow::anyhow!(errors.join("\n"))
    })?;
    for warning in found.iter().take(1).flat_map(|first| &first.warnings) {
        tell(format!("--policy {file}: {warning}"));
    }
    if let [first, _, ..] = found.as_slice() {
        tell(format!("--policy {file}: it holds several; taken is {}", first.title));
    }
    let first = found.into_iter().next().context("holds no windows")?;
    Ok(first.policy)
}

/// A length of time as people write it, for errors and tables.
pub(crate) fn written(span: SignedDuration) -> String {
    duration::text(span)
}

/// Start of the last bucket.
pub(crate) fn last(series: &Series) -> Timestamp {
    series.instant(series.values().len().saturating_sub(1))
}

/// More buckets than this are a mistake in a timestamp: 19 years of minutes.
const MOST_BUCKETS: i64 = 10_000_000;
