//! The schema of a database: migrated when it is older, mended where a table was dropped.

use std::sync::LazyLock;

use sqlx::PgConnection;
use sqlx::migrate::{MigrateError, Migrator};

use super::connections::rejected;
use crate::store::{StoreError, schema};

/// A newer schema is fine: a replica of the next version may have migrated already (see
/// migrations/README.md).
static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrations = sqlx::migrate!("../migrations/postgres");
    migrations.set_ignore_missing(true);
    migrations
});

/// In which state a schema is.
pub(super) enum Found {
    /// Nothing needs to be done.
    Current,
    /// There are migrations to run.
    Older,
    /// Migrated, and yet these tables are missing.
    Incomplete(Vec<String>),
}

/// Looks at the schema.
pub(super) async fn found(connection: &mut PgConnection) -> Result<Found, StoreError> {
    let newest = MIGRATIONS.iter().map(|m| m.version).max();
    let known: bool = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
        .fetch_one(&mut *connection)
        .await?;
    if !known {
        return Ok(Found::Older);
    }
    let applied: Option<i64> = sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations")
        .fetch_one(&mut *connection)
        .await?;
    if applied < newest {
        return Ok(Found::Older);
    }
    let missing: Vec<String> =
        sqlx::query_scalar("SELECT t FROM unnest($1::text[]) AS t WHERE to_regclass(t) IS NULL")
            .bind(schema::tables(&MIGRATIONS))
            .fetch_all(connection)
            .await?;
    Ok(if missing.is_empty() { Found::Current } else { Found::Incomplete(missing) })
}

/// Whether no series is known there.
pub(super) async fn is_empty(connection: &mut PgConnection) -> Result<bool, StoreError> {
    let some = sqlx::query_scalar("SELECT NOT EXISTS (SELECT 1 FROM series)");
    Ok(some.fetch_one(connection).await?)
}

/// Runs what has not run yet.
pub(super) async fn migrate(connection: &mut PgConnection) -> Result<(), StoreError> {
    // `run` takes anything that can be acquired, which the compiler cannot see to be `Send` here.
    match MIGRATIONS.run_direct(None, connection, false).await {
        Ok(()) => Ok(()),
        Err(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) => {
            Err(rejected(error))
        }
        Err(error) => Err(StoreError::Refused(format!("migration: {error}"))),
    }
}

/// Creates what the migrations have created and somebody has dropped. Of two replicas that do so at
/// once one may fail, and looks again with its next connection.
pub(super) async fn mend(connection: &mut PgConnection) -> Result<(), StoreError> {
    for statement in schema::idempotent(&MIGRATIONS) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut *connection).await?;
    }
    Ok(())
}
