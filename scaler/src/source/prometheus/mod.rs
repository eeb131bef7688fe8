//! Prometheus HTTP API, and what speaks it: Thanos, Mimir, VictoriaMetrics.
//!
//! One number comes of a query: a scalar, or a vector of exactly one sample. An empty vector, NaN and ±Inf are missing.
//! A negative number counts as 0.

use std::fmt;

use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use reqwest::StatusCode;
use serde::Deserialize;
use url::Url;

use super::complaints::Complaints;
use super::http::{Http, Reply, join};
use super::{MetricSource, Query, Sample, Signals, SourceError, observed, several, shorten};
use crate::config::SourceConfig;

/// A Prometheus server.
pub struct PrometheusSource {
    http: Http,
    instant: Url,
    range: Url,
    complaints: Complaints,
}

impl PrometheusSource {
    /// A source of this name; files of certificates are read now.
    pub fn new(name: &str, config: &SourceConfig) -> Result<Self, SourceError> {
        let wrong = |cause: String| SourceError::Misconfigured { source_name: name.into(), cause };
        let [base] = config.urls.as_slice() else {
            return Err(wrong(format!("url must be exactly one address, not {}", config.urls.len())));
        };
        if base.path().trim_end_matches('/').ends_with("/api/v1") {
            return Err(wrong("url must end before /api/v1".into()));
        }
        let endpoint = |what| join(base, &["api", "v1", what]).ok_or_else(|| wrong("url must be http or https".into()));
        Ok(Self {
            http: Http::new(name, config)?,
            instant: endpoint("query")?,
            range: endpoint("query_range")?,
            complaints: Complaints::default(),
        })
    }

    async fn value(&self, query: &Query, at: Timestamp) -> Result<Option<f64>, SourceError> {
        let form = [("query", self.promql(query)?.to_owned()), ("time", seconds(at.as_millisecond()))];
        match self.ask(&self.instant, form.into(), INSTANT_LIMIT).await? {
            Answer::Scalar(point) => self.number(&point),
            Answer::Vector(series) => match series.as_slice() {
                [] => Ok(None),
                [Instant { value: Some(point) }] => self.number(point),
                [_] => Err(self.http.bad_query("it returns a native histogram; use histogram_quantile(…)".into())),
                _ => Err(self.http.bad_query(several(series.len()))),
            },
            Answer::Matrix(_) => Err(self.http.bad_query("it returns a range; use rate(…) or such".into())),
            Answer::String(_) => Err(self.http.bad_query("it returns text instead of a number".into())),
        }
    }

    async fn values(
        &self,
        query: &Query,
        from: Timestamp,
        to: Timestamp,
        step: SignedDuration,
    ) -> Result<Vec<(Timestamp, f64)>, SourceError> {
        if step.as_millis() <= 0 || from > to {
            return Err(self.unsupported("read a range whose step is not positive or whose end is before its start"));
        }
        if to.duration_since(from).as_millis() / step.as_millis() >= MAX_POINTS {
            return Err(self.unsupported("read more than 11,000 points at once"));
        }
        let form = vec![
            ("query", self.promql(query)?.to_owned()),
            ("start", seconds(from.as_millisecond())),
            ("end", seconds(to.as_millisecond())),
            ("step", seconds(step.as_millis() as i64)),
        ];
        let points = match self.ask(&self.range, form, RANGE_LIMIT).await? {
            Answer::Matrix(mut series) if series.len() <= 1 => series.pop().unwrap_or_default().values,
            Answer::Matrix(series) => return Err(self.http.bad_query(several(series.len()))),
            _ => return Err(self.http.garbage("a range query was answered with something else".into())),
        };
        let mut values = Vec::with_capacity(points.len());
        for point in &points {
            let Some(value) = self.number(point)? else { continue };
            let at = Timestamp::from_millisecond((point.0 * 1000.0).round() as i64)
                .map_err(|_| self.http.garbage(format!("time {} is out of range", point.0)))?;
            values.push((at, value));
        }
        Ok(values)
    }

    async fn ask(&self, url: &Url, mut form: Vec<(&'static str, String)>, limit: usize) -> Result<Answer, SourceError> {
        // The server gives up when we do.
        form.push(("timeout", format!("{}ms", self.http.timeout().as_millis())));
        // A sum over the shards that happen to answer looks like falling demand: Thanos and VictoriaMetrics shall fail.
        form.push(("partial_response", "false".into()));
        form.push(("deny_partial_response", "1".into()));
        let mut reply = self.http.fetch(limit, |client| client.post(url.clone()).form(&form)).await?;
        if matches!(reply.status, StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED) {
            reply = self.http.fetch(limit, |client| client.get(url.clone()).query(&form)).await?;
        }
        self.read(&reply)
    }

    fn read(&self, reply: &Reply) -> Result<Answer, SourceError> {
        let status = reply.status.as_u16();
        let envelope = match serde_json::from_slice::<Envelope>(&reply.body) {
            Ok(envelope) => envelope,
            Err(_) if reply.status.is_server_error() || status == 429 => {
                return Err(self.http.unreachable(format!("HTTP {status}")));
            }
            Err(_) if !reply.status.is_success() => {
                return Err(self.http.garbage(format!("HTTP {status}; is url the address of a Prometheus API?")));
            }
            Err(error) => return Err(self.http.garbage(format!("not the JSON of a Prometheus API: {error}"))),
        };
        match envelope {
            Envelope { data: Some(_), is_partial: true, .. } => {
                Err(self.http.unreachable("it could read only a part of its data".into()))
            }
            Envelope { status: Status::Success, data: Some(data), .. } => Ok(data),
            Envelope { status: Status::Success, .. } => Err(self.http.garbage("success without data".into())),
            Envelope { error_type, error, .. } => {
                let words = format!("{}: {}", error_type.as_deref().unwrap_or("error"), error.unwrap_or_default());
                match error_type.as_deref() {
                    Some("timeout" | "canceled" | "internal" | "unavailable") => Err(self.http.unreachable(words)),
                    None if reply.status.is_server_error() || status == 429 => Err(self.http.unreachable(words)),
                    _ => Err(self.http.bad_query(words)),
                }
            }
        }
    }

    fn number(&self, Point(_, text): &Point) -> Result<Option<f64>, SourceError> {
        let value: f64 =
            text.parse().map_err(|_| self.http.garbage(format!("\"{}\" is not a number", shorten(text))))?;
        Ok(observed(value))
    }

    fn promql<'a>(&self, query: &'a Query) -> Result<&'a str, SourceError> {
        query.promql().ok_or_else(|| self.unsupported("read another trigger; that comes later"))
    }

    fn unsupported(&self, what: &'static str) -> SourceError {
        SourceError::Unsupported { source_name: self.http.name().into(), what }
    }
}

impl MetricSource for PrometheusSource {
    fn sample<'a>(&'a self, signals: &'a Signals, at: Timestamp) -> BoxFuture<'a, Result<Sample, SourceError>> {
        Box::pin(async move {
            let side = |signal, query: &'a Option<Query>| async move {
                let query = query.as_ref()?;
                let answer = self.value(query, at).await;
                self.complaints.heed(self.http.name(), signal, query, answer)
            };
            let (demand, backlog, latency) = futures::join!(
                self.value(&signals.demand, at),
                side("backlog", &signals.backlog),
                side("latency", &signals.latency),
            );
            Ok(Sample { demand: demand?, backlog, latency })
        })
    }

    fn range<'a>(
        &'a self,
        query: &'a Query,
        from: Timestamp,
        to: Timestamp,
        step: SignedDuration,
    ) -> BoxFuture<'a, Result<Vec<(Timestamp, f64)>, SourceError>> {
        Box::pin(self.values(query, from, to, step))
    }

    fn has_history(&self) -> bool {
        true
    }
}

impl fmt::Debug for PrometheusSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrometheusSource").field("name", &self.http.name()).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    status: Status,
    data: Option<Answer>,
    error_type: Option<String>,
    error: Option<String>,
    /// VictoriaMetrics.
    #[serde(default)]
    is_partial: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Success,
    Error,
}

#[derive(Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum Answer {
    Scalar(Point),
    Vector(Vec<Instant>),
    Matrix(Vec<Range>),
    #[allow(dead_code, reason = "told apart only to name it in the error")]
    String(serde::de::IgnoredAny),
}

/// Unix seconds and the value's text.
#[derive(Deserialize)]
struct Point(f64, String);

#[derive(Deserialize)]
struct Instant {
    value: Option<Point>,
}

#[derive(Deserialize, Default)]
struct Range {
    #[serde(default)]
    values: Vec<Point>,
}

/// Decimal seconds of `milliseconds`, as the API wants times and steps.
fn seconds(milliseconds: i64) -> String {
    let sign = if milliseconds < 0 { "-" } else { "" };
    let milliseconds = milliseconds.unsigned_abs();
    format!("{sign}{}.{:03}", milliseconds / 1000, milliseconds % 1000)
}

/// Prometheus' own limit of a range query.
const MAX_POINTS: i128 = 11_000;
/// One number fits a thousand times; a query without an aggregation does not.
const INSTANT_LIMIT: usize = 1 << 20;
/// 11,000 points take about 400 kB.
const RANGE_LIMIT: usize = 16 << 20;

#[cfg(test)]
mod tests;
