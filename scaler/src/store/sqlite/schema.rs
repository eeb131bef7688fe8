//! The schema of a file: migrated at the start, mended where a table was dropped.

use std::sync::LazyLock;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::SqlitePool;

use crate::store::{StoreError, schema};

/// A newer schema is fine: a replica of the next version may have migrated already (see
/// migrations/README.md).
static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrations = sqlx::migrate!("../migrations/sqlite");
    migrations.set_ignore_missing(true);
    migrations
});

/// SQLite has no lock for migrations: of two processes that start at once one fails, looks again
/// and finds the work done.
pub(super) async fn migrate(writer: &SqlitePool) -> Result<(), StoreError> {
    let mut attempt = 0;
    loop {
        attempt += 1;
        match MIGRATIONS.run(writer).await {
            Ok(()) => break,
            Err(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) => {
                match StoreError::from(error) {
                    damaged @ StoreError::Damaged(_) => return Err(damaged),
                    other if attempt == 10 => return Err(other),
                    _ => tokio::time::sleep(Duration::from_millis(100)).await,
                }
            }
            Err(error) => return Err(StoreError::Refused(format!("migration: {error}"))),
        }
    }
    mend(writer).await
}

/// Creates what the migrations have created and somebody has dropped.
pub(super) async fn mend(writer: &SqlitePool) -> Result<(), StoreError> {
    for statement in schema::idempotent(&MIGRATIONS) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(writer).await?;
    }
    Ok(())
}
