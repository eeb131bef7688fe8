//! Where a test keeps its history: a file of its own, memory, or a database of its own in a private
//! PostgreSQL.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use prewarm::config::Secret;
use prewarm::store::{self, HistoryStore};
use prewarm_tests::postgres::Postgres;
use sqlx::{Connection, PgConnection, SqliteConnection};
use tempfile::TempDir;
use tokio::sync::Mutex;

/// A place for one history.
#[derive(Debug)]
pub(crate) struct Place {
    url: String,
    // Held until the test ends.
    _directory: Option<TempDir>,
    _cluster: Option<Arc<Postgres>>,
}

impl Place {
    /// A file that does not exist yet.
    pub(crate) async fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/history.db", directory.path().display());
        Self { url, _directory: Some(directory), _cluster: None }
    }

    /// Memory: one store only.
    pub(crate) async fn memory() -> Self {
        Self { url: "sqlite::memory:".into(), _directory: None, _cluster: None }
    }

    /// An empty database.
    pub(crate) async fn postgres() -> Self {
        static DATABASES: AtomicUsize = AtomicUsize::new(0);
        let cluster = shared().await;
        let name = format!("history_{}", DATABASES.fetch_add(1, Ordering::Relaxed));
        let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
        sqlx::raw_sql(create).execute(&mut cluster.connect().await).await.unwrap();
        let url = cluster.url();
        let url = format!("{}/{name}", url.rsplit_once('/').unwrap().0);
        Self { url, _directory: None, _cluster: Some(cluster) }
    }

    pub(crate) fn url(&self) -> Secret {
        Secret::new(&*self.url)
    }

    /// A store of this place; each has its own connections and memory, as a replica has.
    pub(crate) async fn open(&self) -> Arc<dyn HistoryStore> {
        store::open(&self.url()).await.unwrap()
    }

    /// Takes SQLite's write lock.
    pub(crate) async fn lock(&self) -> Lock {
        let mut connection = SqliteConnection::connect(&self.url).await.unwrap();
        sqlx::raw_sql("BEGIN IMMEDIATE").execute(&mut connection).await.unwrap();
        Lock { _connection: connection }
    }

    /// Runs SQL behind the store's back; answers how many rows it touched.
    pub(crate) async fn sql(&self, text: &str) -> u64 {
        let text = sqlx::AssertSqlSafe(text.to_owned());
        if self.url.starts_with("sqlite") {
            let mut connection = SqliteConnection::connect(&self.url).await.unwrap();
            let done = sqlx::raw_sql(text).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
            done.rows_affected()
        } else {
            let mut connection = PgConnection::connect(&self.url).await.unwrap();
            sqlx::raw_sql(text).execute(&mut connection).await.unwrap().rows_affected()
        }
    }
}

/// Another process that writes to the file until this is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    _connection: SqliteConnection,
}

/// One PostgreSQL for the tests that run at the same time; the last one ends it.
async fn shared() -> Arc<Postgres> {
    static SHARED: Mutex<Weak<Postgres>> = Mutex::const_new(Weak::new());
    let mut shared = SHARED.lock().await;
    match shared.upgrade() {
        Some(cluster) => cluster,
        None => {
            let cluster = Arc::new(Postgres::start().await);
            *shared = Arc::downgrade(&cluster);
            cluster
        }
    }
}
