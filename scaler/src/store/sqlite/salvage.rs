//! What can be read of one database is copied into another: out of a damaged file, or out of
//! memory.

use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};

/// How much was copied.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Salvaged {
    /// Series with at least their name.
    pub(super) series: u64,
    /// Rows of all tables.
    pub(super) rows: u64,
    /// Tables of a series that could not be read to their end.
    pub(super) unreadable: u64,
}

/// Copies series by series, and of each table by table, what can be read of `old` (a path, or the
/// URI of a database in memory); what is there already stays. Ends after `limit`, wherever it is.
pub(super) async fn copy(new: &SqliteConnectOptions, old: &str, limit: Duration) -> Salvaged {
    let mut salvaged = Salvaged::default();
    let copying = async {
        let mut connection = new.clone().foreign_keys(false).connect().await?;
        sqlx::query("ATTACH DATABASE $1 AS old").bind(old).execute(&mut connection).await?;
        for (id, namespace, name, metric) in series(&mut connection).await? {
            let names = [&namespace, &name, &metric];
            let put = "INSERT INTO main.series (namespace, name, metric) VALUES ($1, $2, $3) \
                 ON CONFLICT DO NOTHING";
            let put = names.iter().fold(sqlx::query(put), |query, name| query.bind(*name));
            put.execute(&mut connection).await?;
            salvaged.series += 1;
            for table in TABLES {
                let [this, one, other] = [&namespace, &name, &metric];
                let copied = sqlx::query(table).bind(id).bind(this).bind(one).bind(other);
                match copied.execute(&mut connection).await {
                    Ok(done) => salvaged.rows += done.rows_affected(),
                    Err(_) => salvaged.unreadable += 1,
                }
            }
        }
        connection.close().await
    };
    let ended: Result<Result<(), sqlx::Error>, _> = tokio::time::timeout(limit, copying).await;
    if !matches!(ended, Ok(Ok(()))) {
        salvaged.unreadable += 1;
    }
    salvaged
}

async fn series(
    connection: &mut SqliteConnection,
) -> Result<Vec<(i64, String, String, String)>, sqlx::Error> {
    sqlx::query_as("SELECT id, namespace, name, metric FROM old.series").fetch_all(connection).await
}

/// `$1`: the id in the old database; `$2` to `$4`: names of the series. Packed days and checkpoints
/// have checksums of their own; minutes are looked at here.
const TABLES: [&str; 4] = [
    "INSERT OR IGNORE INTO main.minutes (series_id, minute, mean, max, backlog, samples) \
     SELECT n.id, o.minute, o.mean, o.max, o.backlog, o.samples FROM old.minutes AS o, main.series AS n \
     WHERE o.series_id = $1 AND n.namespace = $2 AND n.name = $3 AND n.metric = $4 \
     AND o.minute >= 0 AND o.minute % 60 = 0 AND o.mean BETWEEN 0 AND 1e15 AND o.max BETWEEN 0 AND 1e15 \
     AND o.samples BETWEEN 1 AND 60",
    "INSERT OR IGNORE INTO main.days (series_id, day, step_s, n, codec, data) \
     SELECT n.id, o.day, o.step_s, o.n, o.codec, o.data FROM old.days AS o, main.series AS n \
     WHERE o.series_id = $1 AND n.namespace = $2 AND n.name = $3 AND n.metric = $4",
    "INSERT OR IGNORE INTO main.notes (series_id, kind, at, codec, data) \
     SELECT n.id, o.kind, o.at, o.codec, o.data FROM old.notes AS o, main.series AS n \
     WHERE o.series_id = $1 AND n.namespace = $2 AND n.name = $3 AND n.metric = $4",
    "INSERT OR IGNORE INTO main.checkpoints (series_id, at, codec, data) \
     SELECT n.id, o.at, o.codec, o.data FROM old.checkpoints AS o, main.series AS n \
     WHERE o.series_id = $1 AND n.namespace = $2 AND n.name = $3 AND n.metric = $4",
];
