//! The file: how it is opened, which one it is, whether it is sound, and how it is set aside.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection};

use super::LIMIT;
use crate::store::StoreError;
use crate::store::failure::bad_url;

/// The URL of a history that is lost with the process.
pub(super) const MEMORY: &str = "sqlite::memory:";

/// Device and inode: which file a path led to.
pub(super) type Identity = (u64, u64);

/// How connections to this URL are opened.
pub(super) fn options(url: &str) -> Result<SqliteConnectOptions, StoreError> {
    let options: SqliteConnectOptions = url.parse().map_err(bad_url)?;
    Ok(options
        .create_if_missing(true)
        .page_size(PAGE)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(BUSY)
        .pragma("journal_size_limit", "67108864")
        .disable_statement_logging())
}

/// Connections that live as long as the store. One that comes back in the middle of a transaction
/// is closed: after a commit that failed (full disk) SQLite has rolled back and sqlx does not know.
pub(super) fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(LIMIT)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .after_release(|connection, _| {
            Box::pin(async move {
                // A rollback that is under way has ended before the answer comes.
                Ok(connection.ping().await.is_ok() && !connection.is_in_transaction())
            })
        })
}

/// Which file is there; `None` where it can be created. An error names what is in the way.
pub(super) fn usable(path: &Path) -> Result<Option<Identity>, StoreError> {
    let shown = path.display();
    match std::fs::metadata(path) {
        Ok(found) if found.is_file() => Ok(Some((found.dev(), found.ino()))),
        Ok(_) => Err(StoreError::Url(format!(
            "{shown} is not a file; give another path, or move away what is there"
        ))),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            match directory.filter(|directory| !directory.is_dir()) {
                Some(missing) => Err(StoreError::Url(format!(
                    "directory {} does not exist; create it or mount a volume there",
                    missing.display()
                ))),
                None => Ok(None),
            }
        }
        Err(error) => Err(StoreError::Unavailable(format!("{shown}: {error}"))),
    }
}

/// Why the file cannot be opened; where it may not be written, what is to be done about it.
pub(super) fn unopened(error: sqlx::Error, path: &Path) -> StoreError {
    let words = error.to_string();
    let denied = ["unable to open database file", "readonly database"];
    if !denied.iter().any(|denied| words.contains(denied)) {
        return error.into();
    }
    StoreError::Url(format!(
        "cannot write {}: mount a volume there that this process's user may write (fsGroup), or \
         name another database",
        path.display()
    ))
}

/// Looks through every page of the file, on a connection that remembers none: `Damaged` where they
/// do not fit together. What cannot be looked at now is no damage.
pub(super) async fn check(options: &SqliteConnectOptions) -> Result<(), StoreError> {
    let look = async {
        let mut connection = options.clone().pragma("query_only", "on").connect().await?;
        let found: String =
            sqlx::query_scalar("PRAGMA integrity_check(1)").fetch_one(&mut connection).await?;
        // Its end decides nothing.
        let _ = connection.close().await;
        Ok::<_, sqlx::Error>(found)
    };
    match look.await.map_err(StoreError::from) {
        Ok(found) if found == "ok" => Ok(()),
        Ok(found) => Err(StoreError::Damaged(found)),
        Err(StoreError::Damaged(why)) => Err(StoreError::Damaged(why)),
        Err(_) => Ok(()),
    }
}

/// Moves the file away, with its journal, to the first name that is free; answers that name.
pub(super) fn set_aside(path: &Path) -> std::io::Result<PathBuf> {
    let mut free = (1..).map(|n| aside(path, n)).filter(|name| !name.exists());
    let name = free.next().unwrap_or_else(|| aside(path, 0));
    std::fs::rename(path, &name)?;
    for suffix in ["-wal", "-shm"] {
        match std::fs::rename(with_suffix(path, suffix), with_suffix(&name, suffix)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(name)
}

/// Files that were set aside and that nobody has taken away yet.
pub(super) fn set_aside_before(path: &Path) -> Vec<PathBuf> {
    (1..10).map(|n| aside(path, n)).filter(|name| name.exists()).collect()
}

fn aside(path: &Path, n: u32) -> PathBuf {
    with_suffix(path, &format!(".damaged-{n}"))
}

/// The path with something behind its last letter.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

const PAGE: u32 = 4096;
/// Another process may hold the file for a moment (backup, a second replica).
const BUSY: Duration = Duration::from_secs(5);
