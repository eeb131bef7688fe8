//! History in one SQLite file: write-ahead log, one writer connection, a few readers.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::Minute;
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions, Sqlite, Transaction};

use super::checkpoint::{CheckpointRow, PackedCheckpoint, SeriesCheckpoint};
use super::compaction::{self, CompactionBackend, FirstHot, Horizon, PackResult};
use super::day::PackedDay;
use super::document::{Document, Kind};
use super::failure::{bad_url, within};
use super::records::{self, DAY_S};
use super::series::SeriesIds;
use super::{
    Compacted, HistoryStore, Resolution, Row, SeriesKey, StoreError, assemble, report, sql,
};

/// A newer schema is fine: a replica of the next version may have migrated already (see
/// migrations/README.md).
static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrations = sqlx::migrate!("../migrations/sqlite");
    migrations.set_ignore_missing(true);
    migrations
});

/// History in SQLite.
#[derive(Debug)]
pub struct SqliteStore {
    /// One connection: SQLite writes one at a time anyway, and waiting for each other here is fair.
    writer: SqlitePool,
    readers: SqlitePool,
    ids: SeriesIds,
}

impl SqliteStore {
    /// Opens the file, creating it if need be, and migrates it. `sqlite://relative.db`,
    /// `sqlite:///absolute.db`, `sqlite::memory:` (lost with the process; tests).
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let memory = url == "sqlite::memory:";
        let options: SqliteConnectOptions = url.parse().map_err(bad_url)?;
        let options = options
            .create_if_missing(true)
            .page_size(PAGE)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(BUSY)
            .pragma("journal_size_limit", "67108864")
            .disable_statement_logging();
        let directory =
            options.get_filename().parent().filter(|d| !memory && !d.as_os_str().is_empty());
        if let Some(missing) = directory.filter(|d| !d.is_dir()) {
            let missing = missing.display();
            return Err(StoreError::Url(format!(
                "directory {missing} does not exist; create it or mount a volume there"
            )));
        }
        let pool = |connections| {
            SqlitePoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(LIMIT)
                .idle_timeout(None)
                .max_lifetime(None)
                .test_before_acquire(false)
        };
        let writer = pool(1).connect_lazy_with(options.clone());
        migrate(&writer).await?;
        let readers = if memory {
            writer.clone()
        } else {
            pool(READERS).connect_lazy_with(options.pragma("query_only", "on"))
        };
        Ok(Self { writer, readers, ids: SeriesIds::default() })
    }

    async fn write(&self, rows: &[Row]) -> Result<(), StoreError> {
        let kept = records::distinct(rows)?;
        let (mut records, mut unknown) = (Vec::with_capacity(kept.len()), Vec::new());
        for (&(key, _), minute) in &kept {
            let id = self.ids.find(key);
            if id.is_none() && unknown.last() != Some(&key) {
                unknown.push(key);
            }
            records.push((id, key, *minute));
        }
        let mut tx = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        let learned =
            if unknown.is_empty() { Vec::new() } else { assign(&mut tx, &unknown).await? };
        let found = |key: &SeriesKey| {
            learned.binary_search_by(|(k, _)| k.cmp(key)).ok().map(|at| learned[at].1)
        };
        let records: Vec<(i64, &Minute)> = records
            .into_iter()
            .filter_map(|(id, key, minute)| Some((id.or_else(|| found(key))?, minute)))
            .collect();
        for chunk in records.chunks(ROWS_A_STATEMENT) {
            let text =
                if chunk.len() == ROWS_A_STATEMENT { FULL.clone() } else { upsert(chunk.len()) };
            let mut statement = sqlx::query(sqlx::AssertSqlSafe(text));
            for (id, minute) in chunk {
                statement = statement
                    .bind(id)
                    .bind(minute.start.as_second())
                    .bind(minute.mean)
                    .bind(minute.max)
                    .bind(minute.backlog)
                    .bind(i32::from(minute.samples));
            }
            statement.execute(&mut *tx).await?;
        }
        tx.commit().await?;
        self.ids.learn(learned);
        Ok(())
    }

    async fn write_notes(&self, key: &SeriesKey, notes: &[Document]) -> Result<(), StoreError> {
        records::check_key(key)?;
        let mut tx = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        let learned = assign(&mut tx, &[key]).await?;
        let id = learned.first().map(|(_, id)| *id);
        for Document { kind, at, codec, data } in notes {
            let put = sqlx::query(sql::PUT_NOTE)
                .bind(id)
                .bind(kind.as_str())
                .bind(at.as_second())
                .bind(codec);
            put.bind(data).execute(&mut *tx).await?;
            if let Some(kept) = kind.kept() {
                let drop = sqlx::query(sql::DROP_EARLIER).bind(id).bind(kind.as_str());
                drop.bind(i64::from(kept) - 1).execute(&mut *tx).await?;
            }
        }
        tx.commit().await?;
        self.ids.learn(learned);
        Ok(())
    }

    async fn write_checkpoints(&self, checkpoints: &[SeriesCheckpoint]) -> Result<(), StoreError> {
        let mut unknown: Vec<&SeriesKey> = Vec::new();
        for (key, _) in checkpoints {
            records::check_key(key)?;
            if self.ids.find(key).is_none() {
                unknown.push(key);
            }
        }
        let mut tx = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        let learned =
            if unknown.is_empty() { Vec::new() } else { assign(&mut tx, &unknown).await? };
        for (key, PackedCheckpoint { at, codec, data }) in checkpoints {
            let new =
                learned.binary_search_by(|(known, _)| known.cmp(key)).ok().map(|at| learned[at].1);
            let Some(id) = new.or_else(|| self.ids.find(key)) else { continue };
            let put = sqlx::query(sqlx::AssertSqlSafe(PUT_CHECKPOINT.clone()));
            put.bind(id).bind(at.as_second()).bind(codec).bind(data).execute(&mut *tx).await?;
        }
        tx.commit().await?;
        self.ids.learn(learned);
        Ok(())
    }

    async fn id(&self, key: &SeriesKey) -> Result<Option<i64>, StoreError> {
        if let Some(id) = self.ids.find(key) {
            return Ok(Some(id));
        }
        let found: Option<i64> = sqlx::query_scalar(sql::SERIES)
            .bind(&key.namespace)
            .bind(&key.name)
            .bind(&key.metric)
            .fetch_optional(&self.readers)
            .await?;
        self.ids.learn(found.map(|id| (key.clone(), id)));
        Ok(found)
    }

    async fn read(
        &self,
        key: &SeriesKey,
        (from, to): (i64, i64),
        resolution: Resolution,
    ) -> Result<Vec<Minute>, StoreError> {
        let Some(id) = self.id(key).await? else { return Ok(Vec::new()) };
        // Hot rows first: compaction moves rows from here to there, so none can slip through
        // between the two.
        let hot: Vec<sql::HotRow> =
            sqlx::query_as(sql::HOT).bind(id).bind(from).bind(to).fetch_all(&self.readers).await?;
        let days: Vec<PackedDay> = sqlx::query_as(sql::DAYS)
            .bind(id)
            .bind(from.div_euclid(DAY_S) * DAY_S)
            .bind(to)
            .fetch_all(&self.readers)
            .await?;
        Ok(assemble(key, hot, &days, (from, to), resolution))
    }
}

impl HistoryStore for SqliteStore {
    fn append<'a>(&'a self, rows: &'a [Row]) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(within(LIMIT, self.write(rows)))
    }

    fn load<'a>(
        &'a self,
        key: &'a SeriesKey,
        from: Timestamp,
        to: Timestamp,
        resolution: Resolution,
    ) -> BoxFuture<'a, Result<Vec<Minute>, StoreError>> {
        Box::pin(within(LIMIT, self.read(key, records::seconds(from, to, resolution), resolution)))
    }

    fn save_documents<'a>(
        &'a self,
        key: &'a SeriesKey,
        notes: &'a [Document],
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(within(LIMIT, self.write_notes(key, notes)))
    }

    fn documents<'a>(
        &'a self,
        key: &'a SeriesKey,
        kind: Kind,
        from: Timestamp,
        to: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<Document>, StoreError>> {
        Box::pin(within(LIMIT, async move {
            let Some(id) = self.id(key).await? else { return Ok(Vec::new()) };
            let found =
                sqlx::query_as(sql::NOTES).bind(id).bind(kind.as_str()).bind(from.as_second());
            let found: Vec<sql::DocumentRow> =
                found.bind(to.as_second()).fetch_all(&self.readers).await?;
            Ok(found.into_iter().map(|row| sql::document(kind, row)).collect())
        }))
    }

    fn latest_documents<'a>(
        &'a self,
        key: &'a SeriesKey,
        kind: Kind,
        most: u32,
    ) -> BoxFuture<'a, Result<Vec<Document>, StoreError>> {
        Box::pin(within(LIMIT, async move {
            let Some(id) = self.id(key).await? else { return Ok(Vec::new()) };
            let found = sqlx::query_as(sql::LATEST_NOTES).bind(id).bind(kind.as_str()).bind(most);
            let found: Vec<sql::DocumentRow> = found.fetch_all(&self.readers).await?;
            Ok(found.into_iter().rev().map(|row| sql::document(kind, row)).collect())
        }))
    }

    fn save_checkpoints<'a>(
        &'a self,
        checkpoints: &'a [SeriesCheckpoint],
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(within(LIMIT, self.write_checkpoints(checkpoints)))
    }

    fn checkpoint<'a>(
        &'a self,
        key: &'a SeriesKey,
    ) -> BoxFuture<'a, Result<Option<PackedCheckpoint>, StoreError>> {
        Box::pin(within(LIMIT, async move {
            let Some(id) = self.id(key).await? else { return Ok(None) };
            let found = sqlx::query_as(sql::CHECKPOINT).bind(id);
            let found: Option<CheckpointRow> = found.fetch_optional(&self.readers).await?;
            Ok(found.map(PackedCheckpoint::of_row))
        }))
    }

    fn lease<'a>(
        &'a self,
        _: &'a SeriesKey,
        _: &'a str,
        _: SignedDuration,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        // A file has one process that serves from it; it need not wait for itself after a crash.
        Box::pin(async { Ok(true) })
    }

    fn heartbeat<'a>(
        &'a self,
        _: &'a str,
        _: SignedDuration,
    ) -> BoxFuture<'a, Result<Vec<String>, StoreError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn compact<'a>(&'a self, now: Timestamp) -> BoxFuture<'a, Result<Compacted, StoreError>> {
        Box::pin(compaction::compact(self, now))
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(within(LIMIT, async {
            sqlx::query("SELECT 1").execute(&self.readers).await?;
            Ok(())
        }))
    }
}

impl CompactionBackend for SqliteStore {
    async fn drop_days(&self, before: i64, limit: i64) -> Result<u64, StoreError> {
        let deleted = sqlx::query(sql::DROP_DAYS).bind(before).bind(limit).execute(&self.writer);
        within(LIMIT, async { Ok(deleted.await?.rows_affected()) }).await
    }

    async fn drop_documents(&self, kind: Kind, before: i64, limit: i64) -> Result<u64, StoreError> {
        let deleted = sqlx::query(sql::DROP_NOTES)
            .bind(kind.as_str())
            .bind(before)
            .bind(limit)
            .execute(&self.writer);
        within(LIMIT, async { Ok(deleted.await?.rows_affected()) }).await
    }

    async fn drop_checkpoints(&self, before: i64) -> Result<(), StoreError> {
        let deleted = sqlx::query(sql::DROP_CHECKPOINTS).bind(before).execute(&self.writer);
        within(LIMIT, async { Ok(deleted.await.map(drop)?) }).await
    }

    async fn series(&self, after: i64, limit: i64) -> Result<Vec<FirstHot>, StoreError> {
        let found =
            sqlx::query_as(sql::SERIES_AFTER).bind(after).bind(limit).fetch_all(&self.readers);
        within(LIMIT, async { Ok(found.await?) }).await
    }

    async fn hot_days(&self, series: i64, before: i64) -> Result<Vec<i64>, StoreError> {
        let found =
            sqlx::query_scalar(sql::HOT_DAYS).bind(series).bind(before).fetch_all(&self.readers);
        within(LIMIT, async { Ok(found.await?) }).await
    }

    async fn days_to_thin(
        &self,
        before: i64,
        after: (i64, i64),
        limit: i64,
    ) -> Result<Vec<(i64, i64)>, StoreError> {
        let found =
            sqlx::query_as(sql::DAYS_TO_THIN).bind(before).bind(after.0).bind(after.1).bind(limit);
        within(LIMIT, async { Ok(found.fetch_all(&self.readers).await?) }).await
    }

    async fn repack(
        &self,
        series: i64,
        day: i64,
        horizon: Horizon,
    ) -> Result<Compacted, StoreError> {
        within(LIMIT, async {
            let mut tx = self.writer.begin_with("BEGIN IMMEDIATE").await?;
            let hot: Vec<sql::HotRow> = sqlx::query_as(sql::HOT)
                .bind(series)
                .bind(day)
                .bind(day + DAY_S)
                .fetch_all(&mut *tx)
                .await?;
            let packed: Option<PackedDay> = sqlx::query_as(sql::DAYS)
                .bind(series)
                .bind(day)
                .bind(day + 1)
                .fetch_optional(&mut *tx)
                .await?;
            let hot = hot.into_iter().map(sql::record).collect();
            let (pack_result, done) =
                match compaction::pack_result(day, packed.as_ref(), hot, horizon) {
                    Ok(pack_result) => pack_result,
                    Err(error) => {
                        let (namespace, name, metric) =
                            sqlx::query_as(sql::NAMES).bind(series).fetch_one(&mut *tx).await?;
                        report(&SeriesKey { namespace, name, metric }, day, &error);
                        return Ok(Compacted::default());
                    }
                };
            if let PackResult::Packed(packed) = &pack_result {
                let PackedDay { day, step_s, n, codec, data } = packed;
                let put = sqlx::query(sql::PUT_DAY)
                    .bind(series)
                    .bind(day)
                    .bind(step_s)
                    .bind(n)
                    .bind(codec)
                    .bind(data);
                put.execute(&mut *tx).await?;
            }
            if !matches!(pack_result, PackResult::Stays) {
                let clear = sqlx::query(
                    "DELETE FROM minutes WHERE series_id = $1 AND minute >= $2 AND minute < $3",
                );
                clear.bind(series).bind(day).bind(day + DAY_S).execute(&mut *tx).await?;
            }
            tx.commit().await?;
            Ok(done)
        })
        .await
    }
}

/// SQLite has no lock for migrations: of two processes that start at once one fails, looks again
/// and finds the work done.
async fn migrate(writer: &SqlitePool) -> Result<(), StoreError> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        match MIGRATIONS.run(writer).await {
            Ok(()) => return Ok(()),
            Err(MigrateError::Execute(_) | MigrateError::ExecuteMigration(..)) if attempt < 10 => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(MigrateError::Execute(error)) => return Err(error.into()),
            Err(error) => return Err(StoreError::Refused(format!("migration: {error}"))),
        }
    }
}

/// Ids of series (ordered by key), assigned where they have none yet.
async fn assign(
    tx: &mut Transaction<'_, Sqlite>,
    keys: &[&SeriesKey],
) -> Result<Vec<(SeriesKey, i64)>, StoreError> {
    let names: serde_json::Value =
        keys.iter().map(|k| serde_json::json!([k.namespace, k.name, k.metric])).collect();
    let names = names.to_string();
    sqlx::query(
        "INSERT INTO series (namespace, name, metric) \
         SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each($1) WHERE true ON CONFLICT DO NOTHING",
    )
    .bind(&names)
    .execute(&mut **tx)
    .await?;
    let mut ids: Vec<(SeriesKey, i64)> = sqlx::query_as::<_, (String, String, String, i64)>(
        "SELECT s.namespace, s.name, s.metric, s.id FROM json_each($1) AS j JOIN series AS s \
         ON s.namespace = j.value ->> 0 AND s.name = j.value ->> 1 AND s.metric = j.value ->> 2",
    )
    .bind(&names)
    .fetch_all(&mut **tx)
    .await?
    .into_iter()
    .map(|(namespace, name, metric, id)| (SeriesKey { namespace, name, metric }, id))
    .collect();
    ids.sort();
    Ok(ids)
}

static FULL: LazyLock<Arc<str>> = LazyLock::new(|| upsert(ROWS_A_STATEMENT));

static PUT_CHECKPOINT: LazyLock<Arc<str>> = LazyLock::new(|| {
    let stays = sql::YOUNGER_STAYS;
    format!("INSERT INTO checkpoints (series_id, at, codec, data) VALUES (?,?,?,?){stays}").into()
});

/// Values are bound, not sent as JSON: SQLite's text to float is not exact to the last bit.
fn upsert(rows: usize) -> Arc<str> {
    let values = vec!["(?,?,?,?,?,?)"; rows].join(",");
    let stays = sql::FULLER_STAYS;
    format!("INSERT INTO minutes (series_id, minute, mean, max, backlog, samples) VALUES {values}{stays}").into()
}

/// Another process may hold the file for a moment (backup, a second replica).
const BUSY: Duration = Duration::from_secs(5);
/// One operation, waiting for its turn included.
const LIMIT: Duration = Duration::from_secs(8);
const READERS: u32 = 4;
const PAGE: u32 = 4096;
/// Six values each; SQLite takes 32,766.
const ROWS_A_STATEMENT: usize = 500;
