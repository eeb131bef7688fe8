//! History in one SQLite file: write-ahead log, one writer connection, a few readers.

mod compact;
mod delegate;
mod file;
pub mod healing;
mod salvage;
mod schema;

use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::Minute;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use sqlx::{ConnectOptions, Connection, Sqlite, SqliteConnection, Transaction};

use super::checkpoint::{CheckpointRow, PackedCheckpoint, SeriesCheckpoint};
use super::compaction;
use super::day::PackedDay;
use super::document::{Document, Kind};
use super::failure::within;
use super::records::{self, DAY_S};
use super::series::SeriesIds;
use super::{Compacted, HistoryStore, Resolution, Row, SeriesKey, StoreError, assemble, sql};

/// History in SQLite.
#[derive(Debug)]
pub struct SqliteStore {
    /// One connection: SQLite writes one at a time anyway, and waiting for each other here is fair.
    writer: SqlitePool,
    readers: SqlitePool,
    options: SqliteConnectOptions,
    /// Which file it is; `None` in memory.
    identity: Option<file::Identity>,
    /// Keeps memory alive.
    #[expect(dead_code, reason = "held, never used")]
    anchor: Option<Mutex<SqliteConnection>>,
    ids: SeriesIds,
}

impl SqliteStore {
    /// Opens the file, creating it if need be, migrates it and looks whether it is sound.
    /// `sqlite://relative.db`, `sqlite:///absolute.db`, `sqlite::memory:` (lost with the process).
    /// `Damaged`: another try gives the same, and so does every read of what is damaged.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let mut options = file::options(url)?;
        let in_memory = url == file::MEMORY;
        let identity = if in_memory { None } else { file::usable(options.get_filename())? };
        if !in_memory {
            let opened = options.connect().await;
            let opened = opened.map_err(|error| file::unopened(error, options.get_filename()))?;
            opened.close().await?;
            // From here on a connection finds the file or fails: should it be deleted, an empty one
            // in its place would hide that.
            options = options.create_if_missing(false);
        }
        let writer = file::pool(1).connect_lazy_with(options.clone());
        schema::migrate(&writer).await?;
        if in_memory {
            // Lives as long as one connection to it, and a failure may cost the writer's.
            let anchor = SqliteConnection::connect_with(&options).await?;
            let readers = writer.clone();
            let anchor = Some(Mutex::new(anchor));
            return Ok(Self {
                writer,
                readers,
                options,
                identity,
                anchor,
                ids: SeriesIds::default(),
            });
        }
        if identity.is_some() {
            // A large file is looked at later, while serving.
            let checked = tokio::time::timeout(CHECK_AT_START, file::check(&options)).await;
            checked.unwrap_or(Ok(()))?;
        }
        let identity = file::usable(options.get_filename())?;
        let readers =
            file::pool(READERS).connect_lazy_with(options.clone().pragma("query_only", "on"));
        Ok(Self { writer, readers, options, identity, anchor: None, ids: SeriesIds::default() })
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

/// One operation, waiting for its turn included.
const LIMIT: Duration = Duration::from_secs(8);
const READERS: u32 = 4;
/// Looking through the whole file may take so long before it is served from.
const CHECK_AT_START: Duration = Duration::from_secs(5);
/// Six values each; SQLite takes 32,766.
const ROWS_A_STATEMENT: usize = 500;
