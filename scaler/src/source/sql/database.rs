//! PostgreSQL and SQLite, to be read and never written.

use std::time::{Duration, Instant};

use serde_json::Value as Json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions, SqliteRow};
use sqlx::{AssertSqlSafe, PgPool, Row, SqlitePool, TypeInfo, ValueRef};

use super::answer::Cell;

/// Where queries are asked.
#[derive(Debug)]
pub(super) enum Database {
    Postgres(PgPool),
    Sqlite(SqlitePool),
}

impl Database {
    /// At most so many connections, opened when they are needed. The error says what is wrong with
    /// the address, and does not repeat it.
    pub(super) fn new(url: &str, connections: usize, limit: Duration) -> Result<Self, String> {
        let connections = u32::try_from(connections).unwrap_or(u32::MAX);
        if url.starts_with("sqlite:") {
            let options: SqliteConnectOptions =
                url.parse().map_err(|_| "url is no address of SQLite".to_owned())?;
            // A writer's lock is waited for; a query that runs has its own limit.
            let options = options.read_only(true).create_if_missing(false).busy_timeout(limit);
            let pool = SqlitePoolOptions::new().max_connections(connections).acquire_timeout(limit);
            return Ok(Self::Sqlite(pool.connect_lazy_with(options)));
        }
        let options: PgConnectOptions =
            url.parse().map_err(|_| "url is no address of PostgreSQL".to_owned())?;
        let options = options.application_name("prewarm");
        let pool = PgPoolOptions::new().max_connections(connections).acquire_timeout(limit);
        Ok(Self::Postgres(pool.connect_lazy_with(options)))
    }

    /// The first two rows of a query.
    pub(super) async fn rows(
        &self,
        sql: &str,
        limit: Duration,
    ) -> Result<Vec<Vec<Cell>>, sqlx::Error> {
        // As a subquery it can be one SELECT and nothing else; a comment may end it.
        let sql = sql.trim().trim_end_matches(';');
        match self {
            Self::Postgres(pool) => {
                // As JSON: every kind of number, NUMERIC included, is read alike.
                let sql = format!("SELECT to_json(t)::text FROM (\n{sql}\n) AS t LIMIT 2");
                let time = format!("SET LOCAL statement_timeout = {}", limit.as_millis());
                let mut transaction = pool.begin_with("BEGIN READ ONLY").await?;
                sqlx::query(AssertSqlSafe(time)).execute(&mut *transaction).await?;
                let texts: Vec<String> =
                    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(&mut *transaction).await?;
                transaction.rollback().await?;
                Ok(texts.iter().map(|text| of_json(text)).collect())
            }
            Self::Sqlite(pool) => {
                let sql = format!("SELECT * FROM (\n{sql}\n) LIMIT 2");
                let mut connection = pool.acquire().await?;
                // The thread of a query that nobody waits for any more would go on.
                let begun = Instant::now();
                let in_time = move || begun.elapsed() < limit;
                connection.lock_handle().await?.set_progress_handler(STEPS, in_time);
                let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut *connection).await;
                connection.lock_handle().await?.remove_progress_handler();
                rows?.iter().map(of_sqlite).collect()
            }
        }
    }
}

/// Instructions of SQLite between two looks at the time: less than a millisecond.
const STEPS: i32 = 10_000;

fn of_json(text: &str) -> Vec<Cell> {
    let Ok(Json::Object(row)) = serde_json::from_str(text) else {
        return vec![Cell::Other("no row".to_owned())];
    };
    let cell = |value| match value {
        Json::Null => Cell::Null,
        Json::Number(number) => number.as_f64().map_or(Cell::Null, Cell::Number),
        Json::String(_) => Cell::Other("text".to_owned()),
        Json::Bool(_) => Cell::Other("true or false".to_owned()),
        Json::Array(_) | Json::Object(_) => Cell::Other("a structure".to_owned()),
    };
    row.into_iter().map(|(_, value)| cell(value)).collect()
}

fn of_sqlite(row: &SqliteRow) -> Result<Vec<Cell>, sqlx::Error> {
    let cell = |column| {
        let value = row.try_get_raw(column)?;
        let kind = value.type_info().name().to_lowercase();
        Ok(match kind.as_str() {
            _ if value.is_null() => Cell::Null,
            // SQLite's own types of values, whatever a column was declared as.
            "integer" | "real" => Cell::Number(row.try_get_unchecked(column)?),
            _ => Cell::Other(kind),
        })
    };
    (0..row.len()).map(cell).collect()
}
