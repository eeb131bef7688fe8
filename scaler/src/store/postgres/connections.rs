//! Connections that are never waited for longer than a few seconds.
//!
//! A small set of our own instead of sqlx's pool, for three reasons: the pool hides why it cannot
//! connect behind "timed out", it keeps a hung connection's place while it asks it to say goodbye,
//! and every new connection is to be looked at (version, migrations) because the server behind it
//! may be another one now: an older one, an empty one, a restored one.

use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::store::StoreError;
use crate::store::failure::{bad_url, within};
use crate::store::series::SeriesIds;

/// A newer schema is fine: a replica of the next version may have migrated already (see
/// migrations/README.md).
static MIGRATIONS: LazyLock<Migrator> = LazyLock::new(|| {
    let mut migrations = sqlx::migrate!("../migrations/postgres");
    migrations.set_ignore_missing(true);
    migrations
});

/// Where connections come from and go back to.
#[derive(Debug)]
pub(super) struct Connections {
    options: PgConnectOptions,
    idle: Mutex<Vec<Idle>>,
    permits: Semaphore,
    /// Forgotten with every new connection: the database may have been restored.
    pub(super) ids: SeriesIds,
}

/// A connection and when it was last used.
type Idle = (PgConnection, Instant);

impl Connections {
    /// Reads the URL; connects to nothing yet.
    pub(super) fn new(url: &str) -> Result<Self, StoreError> {
        let options: PgConnectOptions = url.parse().map_err(bad_url)?;
        let options = options.application_name("prewarm").disable_statement_logging();
        Ok(Self {
            options,
            idle: Mutex::default(),
            permits: Semaphore::new(CONNECTIONS),
            ids: SeriesIds::default(),
        })
    }

    /// A connection for one operation, within [`CONNECT`].
    pub(super) async fn lease(&self) -> Result<Lease<'_>, StoreError> {
        let lease = within(CONNECT, async {
            // The semaphore is never closed; if it were, there would be no connection.
            let permit =
                self.permits.acquire().await.map_err(|e| StoreError::Unavailable(e.to_string()))?;
            Ok(Lease { home: self, connection: self.reuse().await, _permit: permit })
        });
        let mut lease = lease.await?;
        if lease.connection.is_none() {
            let connected = self.connect().await.map_err(|error| match error {
                // What is wrong with the database now (an old version after a failover, a changed
                // password) is not the fault of the rows that wait: they try again.
                StoreError::Refused(why) => StoreError::Unavailable(why),
                other => other,
            });
            lease.connection = Some(connected?);
        }
        Ok(lease)
    }

    /// An idle connection that still answers.
    async fn reuse(&self) -> Option<PgConnection> {
        let (mut connection, used) =
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
        if used.elapsed() < FRESH {
            return Some(connection);
        }
        match tokio::time::timeout(ECHO, connection.ping()).await {
            Ok(Ok(())) => Some(connection),
            _ => {
                // What broke this one has broken its like.
                self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
                None
            }
        }
    }

    /// A new connection to a database that is new enough and migrated. `Refused` says that another
    /// try gives the same.
    pub(super) async fn connect(&self) -> Result<PgConnection, StoreError> {
        let (mut connection, current) = within(CONNECT, async {
            let mut connection =
                PgConnection::connect_with(&self.options).await.map_err(rejected)?;
            new_enough(&connection)?;
            let current = current(&mut connection).await?;
            Ok((connection, current))
        })
        .await?;
        if !current {
            // Replicas that start at once wait for each other: sqlx takes an advisory lock.
            within(MIGRATE, migrate(&mut connection)).await?;
        }
        within(CONNECT, async { Ok(sqlx::raw_sql(SETTINGS).execute(&mut connection).await?) })
            .await?;
        self.ids.forget();
        Ok(connection)
    }
}

/// A connection on loan. Given back it is used again; dropped (an error, a timeout, a caller that
/// went away in the middle) it is closed, and the server rolls back what was under way.
#[derive(Debug)]
pub(super) struct Lease<'a> {
    home: &'a Connections,
    connection: Option<PgConnection>,
    _permit: SemaphorePermit<'a>,
}

impl Lease<'_> {
    /// The connection.
    pub(super) fn connection(&mut self) -> Result<&mut PgConnection, sqlx::Error> {
        self.connection.as_mut().ok_or(sqlx::Error::PoolClosed)
    }

    /// Ends an operation that went well.
    pub(super) fn give_back(mut self) {
        let idle = self.connection.take().map(|connection| (connection, Instant::now()));
        self.home.idle.lock().unwrap_or_else(PoisonError::into_inner).extend(idle);
    }
}

/// Failures of connecting that only a person can mend.
fn rejected(error: sqlx::Error) -> StoreError {
    let code = error.as_database_error().and_then(|e| e.code()).unwrap_or_default();
    // Invalid authorization, unknown database, missing privilege; and what the URL asks for (TLS,
    // files) cannot be.
    let ours = code.starts_with("28") || code == "3D000" || code == "42501";
    if ours || matches!(error, sqlx::Error::Tls(_) | sqlx::Error::Configuration(_)) {
        StoreError::Refused(error.to_string())
    } else {
        error.into()
    }
}

fn new_enough(connection: &PgConnection) -> Result<(), StoreError> {
    match connection.server_version_num() {
        Some(number) if number < OLDEST * 10_000 => {
            let (major, minor) = (number / 10_000, number % 10_000);
            Err(StoreError::Refused(format!(
                "PostgreSQL {major}.{minor} is too old; use {OLDEST} or newer"
            )))
        }
        _ => Ok(()),
    }
}

/// Whether nothing needs to be migrated.
async fn current(connection: &mut PgConnection) -> Result<bool, StoreError> {
    let newest = MIGRATIONS.iter().map(|m| m.version).max();
    let known: bool = sqlx::query_scalar("SELECT to_regclass('_sqlx_migrations') IS NOT NULL")
        .fetch_one(&mut *connection)
        .await?;
    if !known {
        return Ok(false);
    }
    let applied: Option<i64> = sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations")
        .fetch_one(connection)
        .await?;
    Ok(applied >= newest)
}

async fn migrate(connection: &mut PgConnection) -> Result<(), StoreError> {
    // `run` takes anything that can be acquired, which the compiler cannot see to be `Send` here.
    match MIGRATIONS.run_direct(None, connection, false).await {
        Ok(()) => Ok(()),
        Err(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) => {
            Err(rejected(error))
        }
        Err(error) => Err(StoreError::Refused(format!("migration: {error}"))),
    }
}

/// The oldest version that we test.
const OLDEST: u32 = 15;
/// Loads and the writer at once; more would wait for the same disk.
const CONNECTIONS: usize = 6;
/// From nothing to a connection that answers.
const CONNECT: Duration = Duration::from_secs(4);
/// An idle connection answers at once or is dead.
const ECHO: Duration = Duration::from_secs(1);
/// A connection that was just used is not asked whether it lives.
const FRESH: Duration = Duration::from_secs(1);
/// All migrations, waiting for another replica's included.
const MIGRATE: Duration = Duration::from_secs(60);
/// The server gives up when we do, and a replica that vanished does not keep its locks. `SET` and
/// not start-up options: those are refused by PgBouncer.
const SETTINGS: &str = "SET statement_timeout = '6s'; SET lock_timeout = '4s'; \
     SET idle_in_transaction_session_timeout = '30s'";
