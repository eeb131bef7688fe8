//! History in PostgreSQL (15 or newer), shared by all replicas.

mod checkpoints;
mod columns;
mod connections;
mod documents;
mod loss;
mod repack;
mod schema;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::Minute;
use sqlx::{Connection, PgConnection};

use super::checkpoint::{PackedCheckpoint, SeriesCheckpoint};
use super::compaction::{self, CompactionBackend, FirstHot, Horizon};
use super::day::PackedDay;
use super::document::{Document, Kind};
use super::failure::within;
use super::records::{self, DAY_S};
use super::{Compacted, HistoryStore, Resolution, Row, SeriesKey, StoreError, assemble, sql};
use columns::Columns;
use connections::Connections;
use repack::repack;

/// History in PostgreSQL.
#[derive(Debug)]
pub struct PostgresStore {
    connections: Connections,
}

impl PostgresStore {
    /// Opens the database: checks its version and migrates it. If it cannot be reached now, that is
    /// done once it can, and until then every operation answers [`StoreError::Unavailable`]. An
    /// error says that waiting does not help.
    ///
    /// Where a password file is given, it is read at each new connection: passwords are rotated.
    pub async fn open(url: &str, password_file: Option<PathBuf>) -> Result<Self, StoreError> {
        let store = Self { connections: Connections::new(url, password_file)? };
        match store.connections.connect().await {
            Err(StoreError::Unavailable(why)) => {
                tracing::warn!(
                    error = why,
                    "database unavailable at start; history waits in memory"
                );
            }
            other => drop(other?),
        }
        Ok(store)
    }

    async fn write(&self, rows: &[Row]) -> Result<(), StoreError> {
        let kept = records::distinct(rows)?;
        if kept.is_empty() {
            return Ok(());
        }
        let mut lease = self.connections.lease().await?;
        within(ANSWER, async {
            let connection = lease.connection()?;
            let unknown: BTreeSet<&SeriesKey> = kept
                .keys()
                .map(|&(key, _)| key)
                .filter(|key| self.connections.ids.find(key).is_none())
                .collect();
            if !unknown.is_empty() {
                self.connections.ids.learn(assign(connection, &unknown).await?);
            }
            let mut columns = Columns::default();
            for (&(key, _), minute) in &kept {
                let id = self.connections.ids.find(key);
                // Forgotten in this very moment, because another connection was opened.
                let id = id.ok_or_else(|| {
                    StoreError::Unavailable("series ids are being read again".into())
                })?;
                columns.push(id, minute);
            }
            columns.write(connection).await
        })
        .await?;
        lease.give_back();
        Ok(())
    }

    async fn read(
        &self,
        key: &SeriesKey,
        (from, to): (i64, i64),
        resolution: Resolution,
    ) -> Result<Vec<Minute>, StoreError> {
        let mut lease = self.connections.lease().await?;
        let found = within(ANSWER, async {
            let connection = lease.connection()?;
            let Some(id) = self.id(connection, key).await? else { return Ok(None) };
            // Hot rows first: compaction moves rows from here to there, so none can slip through
            // between the two.
            let hot: Vec<sql::HotRow> = sqlx::query_as(sql::HOT)
                .bind(id)
                .bind(from)
                .bind(to)
                .fetch_all(&mut *connection)
                .await?;
            let first = from.div_euclid(DAY_S) * DAY_S;
            let days: Vec<PackedDay> = sqlx::query_as(sql::DAYS)
                .bind(id)
                .bind(first)
                .bind(to)
                .fetch_all(connection)
                .await?;
            Ok(Some((hot, days)))
        })
        .await?;
        lease.give_back();
        Ok(found
            .map_or(Vec::new(), |(hot, days)| assemble(key, hot, &days, (from, to), resolution)))
    }

    async fn id(
        &self,
        connection: &mut PgConnection,
        key: &SeriesKey,
    ) -> Result<Option<i64>, StoreError> {
        if let Some(id) = self.connections.ids.find(key) {
            return Ok(Some(id));
        }
        let names = [&key.namespace, &key.name, &key.metric];
        let found =
            names.iter().fold(sqlx::query_scalar(sql::SERIES), |query, name| query.bind(*name));
        let found: Option<i64> = found.fetch_optional(connection).await?;
        self.connections.ids.learn(found.map(|id| (key.clone(), id)));
        Ok(found)
    }
}

impl HistoryStore for PostgresStore {
    fn append<'a>(&'a self, rows: &'a [Row]) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.write(rows))
    }

    fn load<'a>(
        &'a self,
        key: &'a SeriesKey,
        from: Timestamp,
        to: Timestamp,
        resolution: Resolution,
    ) -> BoxFuture<'a, Result<Vec<Minute>, StoreError>> {
        Box::pin(self.read(key, records::seconds(from, to, resolution), resolution))
    }

    fn save_documents<'a>(
        &'a self,
        key: &'a SeriesKey,
        notes: &'a [Document],
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(documents::write(&self.connections, key, notes))
    }

    fn documents<'a>(
        &'a self,
        key: &'a SeriesKey,
        kind: Kind,
        from: Timestamp,
        to: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<Document>, StoreError>> {
        Box::pin(async move {
            let mut lease = self.connections.lease().await?;
            let found = within(ANSWER, async {
                let connection = lease.connection()?;
                let Some(id) = self.id(connection, key).await? else { return Ok(Vec::new()) };
                documents::read(connection, id, kind, from, to).await
            })
            .await?;
            lease.give_back();
            Ok(found)
        })
    }

    fn latest_documents<'a>(
        &'a self,
        key: &'a SeriesKey,
        kind: Kind,
        most: u32,
    ) -> BoxFuture<'a, Result<Vec<Document>, StoreError>> {
        Box::pin(async move {
            let mut lease = self.connections.lease().await?;
            let found = within(ANSWER, async {
                let connection = lease.connection()?;
                let Some(id) = self.id(connection, key).await? else { return Ok(Vec::new()) };
                documents::latest(connection, id, kind, most).await
            })
            .await?;
            lease.give_back();
            Ok(found)
        })
    }

    fn save_checkpoints<'a>(
        &'a self,
        checkpoints: &'a [SeriesCheckpoint],
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(checkpoints::write(&self.connections, checkpoints))
    }

    fn checkpoint<'a>(
        &'a self,
        key: &'a SeriesKey,
    ) -> BoxFuture<'a, Result<Option<PackedCheckpoint>, StoreError>> {
        Box::pin(async move {
            let mut lease = self.connections.lease().await?;
            let found = within(ANSWER, async {
                let connection = lease.connection()?;
                let Some(id) = self.id(connection, key).await? else { return Ok(None) };
                checkpoints::read(connection, id).await
            })
            .await?;
            lease.give_back();
            Ok(found)
        })
    }

    fn lease<'a>(
        &'a self,
        key: &'a SeriesKey,
        holder: &'a str,
        span: SignedDuration,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        Box::pin(documents::lease(&self.connections, key, holder, span))
    }

    fn heartbeat<'a>(
        &'a self,
        holder: &'a str,
        span: SignedDuration,
    ) -> BoxFuture<'a, Result<Vec<String>, StoreError>> {
        Box::pin(documents::heartbeat(&self.connections, holder, span))
    }

    fn compact<'a>(&'a self, now: Timestamp) -> BoxFuture<'a, Result<Compacted, StoreError>> {
        Box::pin(compaction::compact(self, now))
    }

    fn clock(&self) -> BoxFuture<'_, Result<Option<Timestamp>, StoreError>> {
        Box::pin(async {
            let mut lease = self.connections.lease().await?;
            let now = within(ANSWER, async {
                let text = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint";
                Ok(sqlx::query_scalar::<_, i64>(text).fetch_one(lease.connection()?).await?)
            });
            let now = now.await?;
            lease.give_back();
            Ok(Timestamp::from_millisecond(now).ok())
        })
    }

    fn trouble(&self) -> Option<String> {
        self.connections.loss.trouble()
    }

    fn begun_anew(&self) -> u64 {
        self.connections.loss.count()
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async {
            let mut lease = self.connections.lease().await?;
            within(ANSWER, async { Ok(lease.connection()?.ping().await?) }).await?;
            lease.give_back();
            Ok(())
        })
    }
}

impl CompactionBackend for PostgresStore {
    async fn drop_days(&self, before: i64, limit: i64) -> Result<u64, StoreError> {
        let mut lease = self.connections.lease().await?;
        let deleted = sqlx::query(sql::DROP_DAYS).bind(before).bind(limit);
        let deleted =
            within(ANSWER, async { Ok(deleted.execute(lease.connection()?).await?) }).await?;
        lease.give_back();
        Ok(deleted.rows_affected())
    }

    async fn drop_documents(&self, kind: Kind, before: i64, limit: i64) -> Result<u64, StoreError> {
        let mut lease = self.connections.lease().await?;
        let deleted = sqlx::query(sql::DROP_NOTES).bind(kind.as_str()).bind(before).bind(limit);
        let deleted =
            within(ANSWER, async { Ok(deleted.execute(lease.connection()?).await?) }).await?;
        lease.give_back();
        Ok(deleted.rows_affected())
    }

    async fn drop_checkpoints(&self, before: i64) -> Result<(), StoreError> {
        let mut lease = self.connections.lease().await?;
        let deleted = sqlx::query(sql::DROP_CHECKPOINTS).bind(before);
        within(ANSWER, async { Ok(deleted.execute(lease.connection()?).await?) }).await?;
        lease.give_back();
        Ok(())
    }

    async fn series(&self, after: i64, limit: i64) -> Result<Vec<FirstHot>, StoreError> {
        let mut lease = self.connections.lease().await?;
        let found = sqlx::query_as(sql::SERIES_AFTER).bind(after).bind(limit);
        let found =
            within(ANSWER, async { Ok(found.fetch_all(lease.connection()?).await?) }).await?;
        lease.give_back();
        Ok(found)
    }

    async fn hot_days(&self, series: i64, before: i64) -> Result<Vec<i64>, StoreError> {
        let mut lease = self.connections.lease().await?;
        let found = sqlx::query_scalar(sql::HOT_DAYS).bind(series).bind(before);
        let found =
            within(ANSWER, async { Ok(found.fetch_all(lease.connection()?).await?) }).await?;
        lease.give_back();
        Ok(found)
    }

    async fn days_to_thin(
        &self,
        before: i64,
        after: (i64, i64),
        limit: i64,
    ) -> Result<Vec<(i64, i64)>, StoreError> {
        let mut lease = self.connections.lease().await?;
        let found =
            sqlx::query_as(sql::DAYS_TO_THIN).bind(before).bind(after.0).bind(after.1).bind(limit);
        let found =
            within(ANSWER, async { Ok(found.fetch_all(lease.connection()?).await?) }).await?;
        lease.give_back();
        Ok(found)
    }

    async fn repack(
        &self,
        series: i64,
        day: i64,
        horizon: Horizon,
    ) -> Result<Compacted, StoreError> {
        let mut lease = self.connections.lease().await?;
        let done = within(ANSWER, repack(lease.connection()?, series, day, horizon)).await?;
        lease.give_back();
        Ok(done)
    }
}

/// Ids of series, assigned where they have none yet. Ordered, so that two replicas do not wait for
/// each other crosswise.
async fn assign(
    connection: &mut PgConnection,
    keys: &BTreeSet<&SeriesKey>,
) -> Result<Vec<(SeriesKey, i64)>, StoreError> {
    let column = |part: fn(&SeriesKey) -> &String| {
        keys.iter().map(|key| part(key).clone()).collect::<Vec<_>>()
    };
    let (namespaces, names, metrics) =
        (column(|k| &k.namespace), column(|k| &k.name), column(|k| &k.metric));
    sqlx::query(
        "INSERT INTO series (namespace, name, metric) SELECT * FROM UNNEST($1::text[], $2::text[], $3::text[]) \
         ON CONFLICT DO NOTHING",
    )
    .bind(&namespaces)
    .bind(&names)
    .bind(&metrics)
    .execute(&mut *connection)
    .await?;
    let ids: Vec<(String, String, String, i64)> = sqlx::query_as(
        "SELECT namespace, name, metric, id FROM series \
         JOIN UNNEST($1::text[], $2::text[], $3::text[]) AS wanted (namespace, name, metric) \
         USING (namespace, name, metric)",
    )
    .bind(&namespaces)
    .bind(&names)
    .bind(&metrics)
    .fetch_all(connection)
    .await?;
    Ok(ids
        .into_iter()
        .map(|(namespace, name, metric, id)| (SeriesKey { namespace, name, metric }, id))
        .collect())
}

/// One operation on a connection; with the time to connect, ten seconds at most.
const ANSWER: Duration = Duration::from_secs(6);
