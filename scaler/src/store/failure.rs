//! Which failures are worth another try.

use std::time::Duration;

use sqlx::postgres::PgDatabaseError;

use super::StoreError;

/// Bounds the time of an operation.
pub(super) async fn within<T>(
    limit: Duration,
    operation: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(limit, operation).await {
        Ok(result) => result,
        Err(_) => Err(StoreError::Unavailable(format!("no answer within {} s", limit.as_secs()))),
    }
}

/// What is wrong with a URL; sqlx wraps it in "error with configuration" several times, and never
/// quotes a password.
pub(super) fn bad_url(error: sqlx::Error) -> StoreError {
    let mut cause: &dyn std::error::Error = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    StoreError::Url(cause.to_string())
}

impl From<sqlx::Error> for StoreError {
    /// `Refused` only where the row itself is at fault. Everything else (disk full, read-only after
    /// a failover, a missing privilege, a broken connection) may be mended while the row waits.
    fn from(error: sqlx::Error) -> Self {
        let database = error.as_database_error();
        let postgres = database.is_some_and(|e| e.try_downcast_ref::<PgDatabaseError>().is_some());
        // SQLite, primary result codes: corrupt, not a database.
        let code = database.and_then(|e| e.code()?.parse::<i64>().ok());
        if !postgres && code.is_some_and(|code| [11, 26].contains(&(code & 0xff))) {
            return Self::Damaged(error.to_string());
        }
        let row_at_fault = match database.and_then(|e| e.try_downcast_ref::<PgDatabaseError>()) {
            // Data exception, integrity constraint, program limit; but a missing parent says that
            // the database was restored.
            Some(error) => {
                let code = error.code();
                ["22", "23", "54"].iter().any(|class| code.starts_with(class)) && code != "23503"
            }
            // SQLite, primary result codes: too big, constraint, mismatch, range.
            None => code.is_some_and(|code| [18, 19, 20, 25].contains(&(code & 0xff))),
        };
        if row_at_fault {
            Self::Refused(error.to_string())
        } else {
            Self::Unavailable(error.to_string())
        }
    }
}
