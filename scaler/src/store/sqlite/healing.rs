//! A history that outlives its file. The file may be deleted, replaced, damaged, or of no use from
//! the start on: answers go on, what can be saved is saved, and [`HistoryStore::trouble`] says so.
//!
//! | what is found | what is done |
//! |---|---|
//! | deleted while open | written anew, whole: we still hold it open |
//! | another file in its place | opened |
//! | damaged | set aside as `FILE.damaged-N`; a new one gets what can still be read |
//! | of no use (a directory, no permission, another program's) | memory, until it is of use |
//! | a table dropped | created again |

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::salvage::{self, Salvaged};
use super::{SqliteStore, file, schema};
use crate::store::StoreError;

/// A SQLite store whose file is watched.
#[derive(Debug)]
pub struct HealingStore {
    pub(super) shared: Arc<Shared>,
    watcher: JoinHandle<()>,
}

/// What operations and the watcher share.
#[derive(Debug)]
pub(super) struct Shared {
    url: String,
    path: PathBuf,
    current: ArcSwap<SqliteStore>,
    /// An operation has failed as one on a damaged file does.
    suspicious: AtomicBool,
    /// How often history was begun anew.
    anew: AtomicU64,
    trouble: Mutex<Option<String>>,
}

impl HealingStore {
    /// Opens the URL's file; where it is of no use, history is kept in memory until it is. An error
    /// says that the URL itself cannot be.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let path = file::options(url)?.get_filename().to_owned();
        let begun = Begun::at(url, &path).await?;
        let shared = Arc::new(Shared {
            url: url.to_owned(),
            path,
            current: ArcSwap::new(begun.store),
            suspicious: AtomicBool::new(false),
            anew: AtomicU64::new(0),
            trouble: Mutex::new(None),
        });
        shared.tell(begun.in_memory);
        let watcher = tokio::spawn(watch(Arc::downgrade(&shared)));
        Ok(Self { shared, watcher })
    }
}

impl Drop for HealingStore {
    fn drop(&mut self) {
        self.watcher.abort();
    }
}

/// A store that works, whatever the file is like.
struct Begun {
    store: Arc<SqliteStore>,
    /// Why it is in memory, if it is.
    in_memory: Option<String>,
}

impl Begun {
    /// Opens the file; a damaged one is set aside first.
    async fn at(url: &str, path: &std::path::Path) -> Result<Self, StoreError> {
        let in_file = |store| Self { store: Arc::new(store), in_memory: None };
        let why = match SqliteStore::open(url).await {
            Ok(store) => return Ok(in_file(store)),
            Err(StoreError::Damaged(why)) => match file::set_aside(path) {
                Ok(aside) => match SqliteStore::open(url).await {
                    Ok(store) => {
                        let old = aside.to_string_lossy();
                        let salvaged = salvage::copy(&store.options, &old, SALVAGE).await;
                        tell_begun_anew(path, &aside, &why, salvaged);
                        return Ok(in_file(store));
                    }
                    Err(error) => error.to_string(),
                },
                Err(error) => format!("{why}; and it cannot be moved away: {error}"),
            },
            Err(error) => error.to_string(),
        };
        let store = Arc::new(SqliteStore::open(file::MEMORY).await?);
        Ok(Self { store, in_memory: Some(why) })
    }
}

impl Shared {
    /// The store of this moment.
    pub(super) fn current(&self) -> Arc<SqliteStore> {
        self.current.load_full()
    }

    /// Looks at how an operation ended.
    pub(super) fn seen<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        match &result {
            Err(StoreError::Damaged(_)) => self.suspicious.store(true, Ordering::Relaxed),
            Err(StoreError::Unavailable(why)) if why.contains("no such table") => {
                self.suspicious.store(true, Ordering::Relaxed);
            }
            _ => {}
        }
        result
    }

    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn begun_anew(&self) -> u64 {
        self.anew.load(Ordering::Relaxed)
    }

    /// Sets what is wrong; in the log where that changes.
    fn tell(&self, in_memory: Option<String>) {
        let path = self.path.display();
        let aside = file::set_aside_before(&self.path);
        let trouble = match in_memory {
            Some(why) => Some(format!(
                "history is in memory and lost at the end of the process: {path}: {why}"
            )),
            None if aside.is_empty() => None,
            None => {
                let aside: Vec<String> =
                    aside.iter().map(|name| name.display().to_string()).collect();
                Some(format!(
                    "damaged history was set aside: {}; `sqlite3 FILE .recover` may still read it; \
                     remove it to end this notice",
                    aside.join(", ")
                ))
            }
        };
        let mut told = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match &trouble {
            Some(text) if *told != trouble => tracing::error!("{text}"),
            None if told.is_some() => tracing::info!("history is kept in {path} again"),
            _ => {}
        }
        *told = trouble;
    }

    /// One look at the file; answers when its pages are to be looked through next.
    async fn look(&self, check_at: Instant) -> Instant {
        let store = self.current();
        let Some(identity) = store.identity else {
            return self.return_to_file(&store, check_at).await;
        };
        match file::usable(&self.path) {
            Ok(Some(found)) if found == identity => {}
            Ok(Some(_)) => {
                tracing::warn!("another file lies at {}: opening it", self.path.display());
                self.replace(&store, None).await;
                return check_at;
            }
            Ok(None) => {
                self.write_anew(&store).await;
                return check_at;
            }
            Err(error) => {
                self.tell(Some(error.to_string()));
                return check_at;
            }
        }
        self.tell(None);
        let suspicious = self.suspicious.swap(false, Ordering::Relaxed);
        if suspicious && let Err(error) = schema::mend(&store.writer).await {
            tracing::warn!(%error, "the schema cannot be mended");
        }
        if !suspicious && Instant::now() < check_at {
            return check_at;
        }
        let begun = Instant::now();
        if let Err(error) = file::check(&store.options).await {
            self.replace(&store, Some(error.to_string())).await;
        }
        // A large file takes longer, and is looked through less often.
        Instant::now() + CHECK_EVERY.max(SHARE * begun.elapsed().as_millis() as u32)
    }

    /// Tries whether the file is of use by now, and takes what memory holds along.
    async fn return_to_file(&self, memory: &Arc<SqliteStore>, due: Instant) -> Instant {
        if Instant::now() < due {
            return due;
        }
        match Begun::at(&self.url, &self.path).await {
            Ok(Begun { store, in_memory: None }) => {
                let name = memory.options.get_filename().to_string_lossy();
                let uri = format!("{name}?mode=memory&cache=shared");
                let salvaged = salvage::copy(&store.options, &uri, SALVAGE).await;
                tracing::info!(salvaged.rows, "history goes from memory into the file");
                self.swap(memory, store).await;
                self.tell(None);
            }
            Ok(Begun { in_memory: why, .. }) => self.tell(why),
            Err(error) => self.tell(Some(error.to_string())),
        }
        Instant::now() + RETURN_EVERY
    }

    /// The file is gone, and open all the same: it is written anew from what we hold.
    async fn write_anew(&self, store: &Arc<SqliteStore>) {
        let written = async {
            // Nobody writes meanwhile.
            let mut writer = store.writer.acquire().await?;
            let beside = file::with_suffix(&self.path, ".restored");
            let _ = std::fs::remove_file(&beside);
            let name = beside.to_string_lossy().into_owned();
            sqlx::query("VACUUM INTO $1").bind(name).execute(&mut *writer).await?;
            for suffix in ["-wal", "-shm"] {
                // Of the deleted file, if they were left behind.
                let _ = std::fs::remove_file(file::with_suffix(&self.path, suffix));
            }
            std::fs::rename(&beside, &self.path)
                .map_err(|error| StoreError::Unavailable(error.to_string()))?;
            let opened = Arc::new(SqliteStore::open(&self.url).await?);
            self.swap(store, opened).await;
            Ok::<_, StoreError>(())
        };
        match written.await {
            Ok(()) => {
                let path = self.path.display();
                tracing::error!("{path} was deleted while in use: written anew, nothing is lost");
                self.tell(None);
            }
            Err(error) => self.tell(Some(format!("it was deleted while in use: {error}"))),
        }
    }

    /// Goes over to what lies at the path: after setting it aside where it is damaged.
    async fn replace(&self, store: &Arc<SqliteStore>, damage: Option<String>) {
        // Nobody writes meanwhile, unless somebody hangs in there.
        let _writer = store.writer.acquire().await;
        if let Some(why) = damage {
            tracing::error!("{} is damaged: {why}", self.path.display());
        }
        match Begun::at(&self.url, &self.path).await {
            Ok(begun) => {
                self.swap(store, begun.store).await;
                self.tell(begun.in_memory);
            }
            Err(error) => self.tell(Some(error.to_string())),
        }
    }

    /// From here on the new store is used; who waits for the old one is refused and tries again.
    async fn swap(&self, old: &Arc<SqliteStore>, new: Arc<SqliteStore>) {
        self.current.store(new);
        self.anew.fetch_add(1, Ordering::Relaxed);
        // Closing waits for connections on loan, ours among them: it ends by itself.
        let old = old.clone();
        tokio::spawn(async move {
            tokio::join!(old.writer.close(), old.readers.close());
        });
        tokio::task::yield_now().await;
    }
}

fn tell_begun_anew(path: &std::path::Path, aside: &std::path::Path, why: &str, salvaged: Salvaged) {
    tracing::error!(
        salvaged.series,
        salvaged.rows,
        salvaged.unreadable,
        "{} was damaged ({why}): set aside as {}, and begun anew with what could be read",
        path.display(),
        aside.display()
    );
}

async fn watch(shared: Weak<Shared>) {
    let mut check_at = Instant::now() + CHECK_EVERY;
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let Some(shared) = shared.upgrade() else { return };
        check_at = shared.look(check_at).await;
    }
}

/// One `stat`.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// All pages, of a small file.
const CHECK_EVERY: Duration = Duration::from_secs(10);
/// Per millisecond that it took: half a percent of a core at most.
const SHARE: Duration = Duration::from_millis(200);
/// Whether a file is of use by now.
const RETURN_EVERY: Duration = Duration::from_secs(5);
/// Copying what can be read.
const SALVAGE: Duration = Duration::from_secs(20);
