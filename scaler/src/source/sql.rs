//! A database as a source: queries that the server's configuration names, and nothing else. Each is
//! asked for one number, in a read-only transaction and within a time limit.

mod answer;
mod database;

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Semaphore;

use super::outage_log::OutageLog;
use super::{MetricSource, Query, Sample, SignalFailure, Signals, SourceError, observed, shorten};
use crate::config::SourceConfig;
use database::Database;

/// A database with the queries that triggers may name.
#[derive(Debug)]
pub struct SqlSource {
    name: String,
    queries: BTreeMap<String, String>,
    database: Database,
    limit: Duration,
    turns: Semaphore,
    outage_log: OutageLog,
}

impl SqlSource {
    /// A source of a `kind = "sql"` section; nothing is connected yet.
    pub fn new(name: &str, config: &SourceConfig) -> Result<Self, SourceError> {
        let wrong = |cause: String| SourceError::Misconfigured { source_name: name.into(), cause };
        let sql = config.sql.as_ref().ok_or_else(|| wrong("url and queries are missing".into()))?;
        let limit = Duration::try_from(config.timeout).unwrap_or(Duration::from_secs(10));
        Ok(Self {
            name: name.to_owned(),
            queries: sql.queries.clone(),
            database: Database::new(sql.url.expose(), config.concurrency, limit).map_err(wrong)?,
            limit,
            turns: Semaphore::new(config.concurrency),
            outage_log: OutageLog::default(),
        })
    }

    /// The number of a named query; `None` if it gives no row, or NULL.
    async fn value(&self, query: &Query) -> Result<Option<f64>, SourceError> {
        let name = query.promql();
        let Some(sql) = self.queries.get(name) else {
            let known: Vec<&str> = self.queries.keys().map(String::as_str).collect();
            return Err(SourceError::BadQuery {
                source_name: self.name.clone(),
                cause: format!("{} is none of its queries: {}", shorten(name), known.join(", ")),
            });
        };
        let read = async {
            let _turn = self.turns.acquire().await;
            self.database.rows(sql, self.limit).await
        };
        let unreachable = |cause: String| SourceError::Unreachable {
            source_name: self.name.clone(),
            cause: format!("{cause} (query {name})"),
        };
        // The database ends it by itself; a connection that hangs does not.
        let rows = tokio::time::timeout(self.limit + GRACE, read)
            .await
            .map_err(|_| unreachable(format!("no answer within {} s", self.limit.as_secs())))?
            .map_err(|error| self.failed(name, &error))?;
        answer::number(rows).map(|value| value.and_then(observed)).map_err(|cause| {
            SourceError::NotOneNumber {
                source_name: self.name.clone(),
                cause: format!("query {name}: {cause}"),
            }
        })
    }

    /// What the database's error means.
    fn failed(&self, query: &str, error: &sqlx::Error) -> SourceError {
        let source_name = self.name.clone();
        let cause = format!("query {query}: {}", shorten(&error.to_string()));
        let code = error.as_database_error().and_then(|error| error.code()).unwrap_or_default();
        match error {
            // Ended for its time, or by an administrator; too many connections.
            sqlx::Error::Database(_) if code.starts_with("57") || code.starts_with("53") => {
                SourceError::Unavailable { source_name, cause, retry_after: None }
            }
            // SQLITE_INTERRUPT, by our own limit.
            sqlx::Error::Database(_) if code == "9" => SourceError::Unavailable {
                source_name,
                cause: format!("query {query}: took longer than {} s", self.limit.as_secs()),
                retry_after: None,
            },
            sqlx::Error::Database(_) if code.starts_with("28") => {
                SourceError::Misconfigured { source_name, cause }
            }
            sqlx::Error::Database(_) => SourceError::BadQuery { source_name, cause },
            _ => SourceError::Unreachable { source_name, cause },
        }
    }
}

/// How much longer than the limit a connection may take.
const GRACE: Duration = Duration::from_secs(1);

impl MetricSource for SqlSource {
    fn sample<'a>(
        &'a self,
        signals: &'a Signals,
        _: Timestamp,
    ) -> BoxFuture<'a, Result<Sample, SourceError>> {
        Box::pin(async move {
            let side = |signal, query: &'a Option<Query>| async move {
                let query = query.as_ref()?;
                let answer = self.value(query).await;
                self.outage_log.record(&self.name, signal, query, answer)
            };
            let (demand, backlog, latency) = futures::join!(
                self.value(&signals.demand),
                side("backlog", &signals.backlog),
                side("latency", &signals.latency),
            );
            Ok(Sample { demand: demand?, backlog, latency, caveat: None })
        })
    }

    fn range<'a>(
        &'a self,
        _: &'a Query,
        _: Timestamp,
        _: Timestamp,
        _: SignedDuration,
    ) -> BoxFuture<'a, Result<Vec<(Timestamp, f64)>, SourceError>> {
        let what = "say what it was: a query counts what is in a table now";
        let source_name = self.name.clone();
        Box::pin(async move { Err(SourceError::Unsupported { source_name, what }) })
    }

    fn has_history(&self) -> bool {
        false
    }

    fn failures(&self, signals: &Signals) -> Vec<SignalFailure> {
        self.outage_log.failures(signals)
    }
}

#[cfg(test)]
mod tests;
