//! Prometheus HTTP API, and what speaks it: Thanos, Mimir, VictoriaMetrics, the clouds' managed
//! ones, and proxies before them.
//!
//! One number comes of a query: a scalar, or a vector of exactly one sample. An empty vector, NaN
//! and ±Inf are missing. A negative number counts as 0.

mod answer;
mod dialect;

use std::fmt;
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use reqwest::StatusCode;
use url::Url;

use self::answer::{Answer, Point, Refusal};
use self::dialect::Dialect;
use super::http::{Http, Reply, join};
use super::outage_log::OutageLog;
use super::{
    MetricSource, Query, Sample, SignalFailure, Signals, SourceError, observed, several, shorten,
};
use crate::config::{Secret, SourceConfig};

/// A Prometheus server.
pub struct PrometheusSource {
    http: Http,
    instant: Url,
    range: Url,
    /// What every query carries, by the configuration.
    parameters: Vec<(String, Secret)>,
    dialect: Dialect,
    outage_log: OutageLog,
}

/// One question, with what is needed to tell of its failure.
struct Question<'a> {
    url: &'a Url,
    promql: &'a str,
    form: Vec<(&'static str, String)>,
    /// Bytes of the answer.
    limit: usize,
    /// Whether an answer about the past is wanted, where nothing may simply be too old.
    of_past: bool,
}

impl PrometheusSource {
    /// A source of this name; files of certificates are read now.
    pub fn new(name: &str, config: &SourceConfig) -> Result<Self, SourceError> {
        let wrong = |cause: String| SourceError::Misconfigured { source_name: name.into(), cause };
        let [base] = config.urls.as_slice() else {
            return Err(wrong(format!(
                "url must be exactly one address, not {}",
                config.urls.len()
            )));
        };
        if base.path().trim_end_matches('/').ends_with("/api/v1") {
            return Err(wrong("url must end before /api/v1".into()));
        }
        let endpoint = |what| {
            join(base, &["api", "v1", what])
                .ok_or_else(|| wrong("url must be http or https".into()))
        };
        Ok(Self {
            http: Http::new(name, config)?,
            instant: endpoint("query")?,
            range: endpoint("query_range")?,
            parameters: config
                .parameters
                .iter()
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
            dialect: Dialect::new(config.method),
            outage_log: OutageLog::default(),
        })
    }

    async fn value(&self, query: &Query, at: Timestamp) -> Result<Option<f64>, SourceError> {
        let promql = query.promql();
        let question = Question {
            url: &self.instant,
            promql,
            form: vec![("query", promql.to_owned()), ("time", seconds(at.as_millisecond()))],
            limit: INSTANT_LIMIT,
            of_past: false,
        };
        match self.ask(question).await? {
            Answer::Nothing => Ok(None),
            Answer::Scalar(point) => self.number(&point),
            Answer::Vector(series) => match series.as_slice() {
                [] => Ok(None),
                [one] => match &one.value {
                    Some(point) => self.number(point),
                    None => Err(self.not_one(
                        "it returns a native histogram; use histogram_quantile(…)",
                        promql,
                    )),
                },
                _ => Err(self.not_one(&several(series.len()), promql)),
            },
            Answer::Matrix(series) if series.is_empty() => Ok(None),
            Answer::Matrix(_) => {
                Err(self.not_one("it returns a range; use rate(…) or such", promql))
            }
            Answer::String(_) => Err(self.not_one("it returns text instead of a number", promql)),
        }
    }

    /// Why demand may not tell the truth, where its preset knows a sign of it.
    async fn caution(&self, demand: &Query, at: Timestamp) -> Option<&'static str> {
        let (query, words) = demand.caveat()?;
        let answer = self.value(&query, at).await;
        let sign = self.outage_log.record(self.http.name(), "caveat", &query, answer)?;
        (sign > 0.0).then_some(words)
    }

    async fn values(
        &self,
        query: &Query,
        from: Timestamp,
        to: Timestamp,
        step: SignedDuration,
    ) -> Result<Vec<(Timestamp, f64)>, SourceError> {
        if step.as_millis() <= 0 || from > to {
            return Err(self.unsupported(
                "read a range whose step is not positive or whose end is before its start",
            ));
        }
        if to.duration_since(from).as_millis() / step.as_millis() >= MAX_POINTS {
            return Err(self.unsupported("read more than 11,000 points at once"));
        }
        let promql = query.promql();
        let form = vec![
            ("query", promql.to_owned()),
            ("start", seconds(from.as_millisecond())),
            ("end", seconds(to.as_millisecond())),
            ("step", seconds(step.as_millis() as i64)),
        ];
        let question =
            Question { url: &self.range, promql, form, limit: RANGE_LIMIT, of_past: true };
        let points = match self.ask(question).await? {
            Answer::Nothing => Vec::new(),
            Answer::Vector(series) if series.is_empty() => Vec::new(),
            Answer::Matrix(mut series) if series.len() <= 1 => {
                series.pop().unwrap_or_default().values
            }
            Answer::Matrix(series) => return Err(self.not_one(&several(series.len()), promql)),
            _ => {
                return Err(self
                    .http
                    .garbage("a range query was answered with something else".into()));
            }
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

    /// Asks, and once more where the server says that it cannot answer at this moment.
    async fn ask(&self, question: Question<'_>) -> Result<Answer, SourceError> {
        match self.ask_once(&question).await {
            Err(error @ SourceError::Unavailable { .. }) => {
                let pause = error.retry_after().unwrap_or(PAUSE);
                if pause > LONGEST_PAUSE {
                    return Err(error);
                }
                tokio::time::sleep(pause).await;
                self.ask_once(&question).await
            }
            answer => answer,
        }
    }

    async fn ask_once(&self, question: &Question<'_>) -> Result<Answer, SourceError> {
        let reply = self.fetch(question).await?;
        let told = answer::read(&reply, question.of_past)
            .map_err(|refusal| self.refused(refusal, &reply, question))?;
        self.dialect.note(&told);
        self.outage_log.remark(self.http.name(), question.promql, told.remark.as_deref());
        Ok(told.answer)
    }

    /// By POST, for queries may be long; by GET where a proxy lets only that pass.
    async fn fetch(&self, question: &Question<'_>) -> Result<Reply, SourceError> {
        let form = self.form(question);
        let get = || {
            self.http.fetch(question.limit, |client| client.get(question.url.clone()).query(&form))
        };
        if self.dialect.gets() {
            return get().await;
        }
        let posted = self
            .http
            .fetch(question.limit, |client| client.post(question.url.clone()).form(&form))
            .await?;
        if !self.dialect.refuses_post(&posted) {
            return Ok(posted);
        }
        let got = get().await?;
        let heard =
            got.status.is_success() || !got.is_unauthorized() && answer::is_of_the_api(&got.body);
        if heard {
            self.dialect.remember_get(self.http.name(), posted.status);
        }
        // Where neither passes, what was said to POST counts, unless that was no more than "not
        // this verb".
        let only_the_verb =
            matches!(posted.status, StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED);
        Ok(if heard || only_the_verb { got } else { posted })
    }

    /// The question's own parameters, those of the configuration and those that the server is known
    /// to understand.
    fn form<'a>(&'a self, question: &'a Question<'_>) -> Vec<(&'a str, String)> {
        let mut form: Vec<(&str, String)> = question.form.clone();
        // The server gives up when we do.
        let ours = [("timeout", format!("{}ms", self.http.timeout().as_millis()))];
        let known = self.dialect.parameters().map(|(name, value)| (name, value.to_owned()));
        let configured = |name: &str| self.parameters.iter().any(|(key, _)| key == name);
        form.extend(ours.into_iter().chain(known).filter(|(name, _)| !configured(name)));
        form.extend(
            self.parameters.iter().map(|(name, value)| (name.as_str(), value.expose().to_owned())),
        );
        form
    }

    fn refused(&self, refusal: Refusal, reply: &Reply, question: &Question<'_>) -> SourceError {
        let source_name = self.http.name().to_owned();
        let cause = || asked(&Http::said(reply), question.promql);
        match refusal {
            Refusal::Credentials => self.http.unauthorized(reply),
            Refusal::Query => SourceError::BadQuery { source_name, cause: cause() },
            Refusal::NotNow => self.http.unavailable(reply, cause()),
            Refusal::Partial(words) => {
                SourceError::Partial { source_name, cause: asked(&words, question.promql) }
            }
            Refusal::InvalidResponse(words) => self.http.garbage(words),
        }
    }

    fn number(&self, Point(_, text): &Point) -> Result<Option<f64>, SourceError> {
        let value: f64 = text
            .parse()
            .map_err(|_| self.http.garbage(format!("\"{}\" is not a number", shorten(text))))?;
        Ok(observed(value))
    }

    fn not_one(&self, cause: &str, promql: &str) -> SourceError {
        SourceError::NotOneNumber {
            source_name: self.http.name().into(),
            cause: asked(cause, promql),
        }
    }

    fn unsupported(&self, what: &'static str) -> SourceError {
        SourceError::Unsupported { source_name: self.http.name().into(), what }
    }
}

impl MetricSource for PrometheusSource {
    fn sample<'a>(
        &'a self,
        signals: &'a Signals,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<Sample, SourceError>> {
        Box::pin(async move {
            let side = |signal, query: &'a Option<Query>| async move {
                let query = query.as_ref()?;
                let answer = self.value(query, at).await;
                self.outage_log.record(self.http.name(), signal, query, answer)
            };
            let (demand, backlog, latency, caveat) = futures::join!(
                self.value(&signals.demand, at),
                side("backlog", &signals.backlog),
                side("latency", &signals.latency),
                self.caution(&signals.demand, at),
            );
            Ok(Sample { demand: demand?, backlog, latency, caveat })
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

    fn server_time(&self) -> Option<(Timestamp, Duration)> {
        self.http.server_time()
    }

    fn has_history(&self) -> bool {
        true
    }

    fn failures(&self, signals: &Signals) -> Vec<SignalFailure> {
        self.outage_log.failures(signals)
    }
}

impl fmt::Debug for PrometheusSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrometheusSource").field("name", &self.http.name()).finish_non_exhaustive()
    }
}

/// Words about a query, and the query.
fn asked(words: &str, promql: &str) -> String {
    format!("{words} in {}", shorten(promql))
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
/// Before a second attempt, where the server does not say.
const PAUSE: Duration = Duration::from_millis(500);
/// Who wants a longer pause is asked again with the next slot, or by whoever fills a history.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod field_tests;
#[cfg(test)]
mod tests;
