//! Connections that are never waited for longer than a few seconds.
//!
//! A small set of our own instead of sqlx's pool, for three reasons: the pool hides why it cannot
//! connect behind "timed out", it keeps a hung connection's place while it asks it to say goodbye,
//! and every new connection is to be looked at (version, migrations) because the server behind it
//! may be another one now: an older one, an empty one, a restored one.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::loss::Loss;
use super::schema::{self, Found};
use crate::store::StoreError;
use crate::store::failure::{bad_url, within};
use crate::store::series::SeriesIds;

/// Where connections come from and go back to.
#[derive(Debug)]
pub(super) struct Connections {
    options: PgConnectOptions,
    idle: Mutex<Vec<Idle>>,
    permits: Semaphore,
    /// Forgotten with every new connection: the database may have been restored.
    pub(super) ids: SeriesIds,
    /// What a connection has found gone.
    pub(super) loss: Loss,
    password_file: Option<PathBuf>,
}

/// A connection that waits for its next use.
#[derive(Debug)]
struct Idle {
    connection: PgConnection,
    used: Instant,
    opened: Instant,
}

impl Connections {
    /// Reads the URL; connects to nothing yet.
    pub(super) fn new(url: &str, password_file: Option<PathBuf>) -> Result<Self, StoreError> {
        let options: PgConnectOptions = url.parse().map_err(bad_url)?;
        let options = options.application_name("prewarm").disable_statement_logging();
        Ok(Self {
            options,
            idle: Mutex::default(),
            permits: Semaphore::new(CONNECTIONS),
            ids: SeriesIds::default(),
            loss: Loss::default(),
            password_file,
        })
    }

    /// A connection for one operation, within [`CONNECT`].
    pub(super) async fn lease(&self) -> Result<Lease<'_>, StoreError> {
        let lease = within(CONNECT, async {
            // The semaphore is never closed; if it were, there would be no connection.
            let permit =
                self.permits.acquire().await.map_err(|e| StoreError::Unavailable(e.to_string()))?;
            Ok(Lease { home: self, idle: self.reuse().await, _permit: permit })
        });
        let mut lease = lease.await?;
        if lease.idle.is_none() {
            let connected = self.connect().await.map_err(|error| match error {
                // What is wrong with the database now (an old version after a failover, a changed
                // password) is not the fault of the rows that wait: they try again.
                StoreError::Refused(why) => StoreError::Unavailable(why),
                other => other,
            });
            let (connection, now) = (connected?, Instant::now());
            lease.idle = Some(Idle { connection, used: now, opened: now });
        }
        Ok(lease)
    }

    /// An idle connection that still answers.
    async fn reuse(&self) -> Option<Idle> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
        if idle.opened.elapsed() > LIFETIME {
            return None;
        }
        if idle.used.elapsed() < FRESH {
            return Some(idle);
        }
        match tokio::time::timeout(ECHO, idle.connection.ping()).await {
            Ok(Ok(())) => Some(idle),
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
        let options = self.with_password().await?;
        let (mut connection, found) = within(CONNECT, async {
            let mut connection = PgConnection::connect_with(&options).await.map_err(rejected)?;
            new_enough(&connection)?;
            let found = schema::found(&mut connection).await?;
            Ok((connection, found))
        })
        .await?;
        match found {
            Found::Current => {}
            // Replicas that start at once wait for each other: sqlx takes an advisory lock.
            Found::Older => within(MIGRATE, schema::migrate(&mut connection)).await?,
            Found::Incomplete(tables) => {
                let tables = tables.join(", ");
                tracing::error!("tables are gone from the database: {tables}; created again");
                self.loss.tell(format!("tables were gone from the database: {tables}"));
                within(MIGRATE, schema::mend(&mut connection)).await?;
            }
        }
        let empty = within(CONNECT, schema::is_empty(&mut connection)).await?;
        within(CONNECT, async { Ok(sqlx::raw_sql(SETTINGS).execute(&mut connection).await?) })
            .await?;
        if self.ids.forget() {
            // There were series a moment ago.
            self.loss.look(false);
        }
        self.loss.look(empty);
        Ok(connection)
    }
}

impl Connections {
    /// The options with the password as the file has it now.
    async fn with_password(&self) -> Result<PgConnectOptions, StoreError> {
        let Some(file) = &self.password_file else { return Ok(self.options.clone()) };
        let password = tokio::fs::read_to_string(file).await.map_err(|error| {
            StoreError::Unavailable(format!("databasePasswordFile {}: {error}", file.display()))
        })?;
        Ok(self.options.clone().password(password.trim_end_matches(['\r', '\n'])))
    }
}

/// A connection on loan. Given back it is used again; dropped (an error, a timeout, a caller that
/// went away in the middle) it is closed, and the server rolls back what was under way.
#[derive(Debug)]
pub(super) struct Lease<'a> {
    home: &'a Connections,
    idle: Option<Idle>,
    _permit: SemaphorePermit<'a>,
}

impl Lease<'_> {
    /// The connection.
    pub(super) fn connection(&mut self) -> Result<&mut PgConnection, sqlx::Error> {
        let idle = self.idle.as_mut().ok_or(sqlx::Error::PoolClosed)?;
        Ok(&mut idle.connection)
    }

    /// Ends an operation that went well.
    pub(super) fn give_back(mut self) {
        let idle = self.idle.take().map(|idle| Idle { used: Instant::now(), ..idle });
        self.home.idle.lock().unwrap_or_else(PoisonError::into_inner).extend(idle);
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        // An operation that failed: a new connection looks at the database anew, which may lack a
        // table or be another one.
        if self.idle.is_some() {
            self.home.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }
}

/// Failures of connecting that only a person can mend.
pub(super) fn rejected(error: sqlx::Error) -> StoreError {
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

/// The oldest version that we test.
const OLDEST: u32 = 15;
/// Loads and the writer at once; more would wait for the same disk.
const CONNECTIONS: usize = 6;
/// From nothing to a connection that answers.
const CONNECT: Duration = Duration::from_secs(4);
/// An idle connection answers at once or is dead.
const ECHO: Duration = Duration::from_secs(1);
/// So long a connection is used: what it was opened with (a password, a CA) may have been replaced.
const LIFETIME: Duration = Duration::from_secs(300);
/// A connection that was just used is not asked whether it lives.
const FRESH: Duration = Duration::from_secs(1);
/// All migrations, waiting for another replica's included.
const MIGRATE: Duration = Duration::from_secs(60);
/// The server gives up when we do, and a replica that vanished does not keep its locks. `SET` and
/// not start-up options: those are refused by PgBouncer.
const SETTINGS: &str = "SET statement_timeout = '6s'; SET lock_timeout = '4s'; \
     SET idle_in_transaction_session_timeout = '30s'";
