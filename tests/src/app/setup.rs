//! What a service under test is started with.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use prewarm::clock::{ManualClock, floor};
use prewarm::config::Config;
use tempfile::TempDir;

use super::{SLOT, TestApp};

/// What the service is started with.
#[derive(Debug, Clone)]
pub struct Setup {
    pub(super) clock: Arc<ManualClock>,
    pub(super) slot: SignedDuration,
    source: String,
    impatient: bool,
    pub(super) database: Option<String>,
    toml: String,
}

impl Setup {
    /// A service that reads the Prometheus at `address` as its default source, at `now`, with a
    /// SQLite file of its own.
    pub fn new(address: SocketAddr, now: Timestamp) -> Self {
        let source =
            format!("kind = \"prometheus\"\nurl = \"http://{address}\"\ntimeout = \"10s\"\n");
        // A quarter of a slot after its start: whatever place within the slot a workload has, its
        // turn has come.
        let clock = Arc::new(ManualClock::new(floor(now, SLOT) + SLOT / 4));
        Self { clock, slot: SLOT, source, impatient: false, database: None, toml: String::new() }
    }

    /// With another distance between samples; divides a minute.
    pub fn slot(mut self, slot: SignedDuration) -> Self {
        self.slot = slot;
        self
    }

    /// With this database instead.
    pub fn database(mut self, url: impl Into<String>) -> Self {
        self.database = Some(url.into());
        self
    }

    /// That gives up soon on a source which hangs: tests wait for that in real time.
    pub fn impatient(mut self) -> Self {
        self.impatient = true;
        self
    }

    /// With more sections of the configuration.
    pub fn with(mut self, lines: &str) -> Self {
        self.toml.push_str(lines);
        self
    }

    /// On the clock of another service: two replicas, or one before and after a restart.
    pub fn on(mut self, clock: &Arc<ManualClock>) -> Self {
        self.clock = clock.clone();
        self
    }

    /// Starts it.
    pub async fn start(self) -> TestApp {
        TestApp::start(self).await
    }
}

impl Setup {
    /// The configuration by the way of users: a file.
    pub(super) fn configuration(&self, dir: Option<&TempDir>) -> Config {
        let dir = dir.expect("a directory").path();
        let database = self.database.clone().unwrap_or_else(|| sqlite(dir));
        let text = format!(
            "database = \"{database}\"\nslot = \"{}s\"\n[sources.default]\n{}{}",
            self.slot.as_secs(),
            self.source,
            self.toml
        );
        let file = dir.join("prewarm.toml");
        std::fs::write(&file, &text).expect("write the configuration");
        let config = Config::load(Some(&file), std::iter::empty());
        let mut config = config.unwrap_or_else(|error| panic!("{text}\n{error}"));
        config.spill_directory = dir.join("spill");
        if self.impatient {
            // Less than a user may ask for.
            config
                .sources
                .values_mut()
                .for_each(|source| source.timeout = SignedDuration::from_millis(400));
        }
        config
    }
}

fn sqlite(dir: &std::path::Path) -> String {
    let file: PathBuf = dir.join("prewarm.db");
    format!("sqlite://{}", file.display())
}
