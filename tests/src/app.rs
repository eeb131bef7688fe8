//! The service in this process, on ports of its own, in time that the test moves.

mod setup;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use prewarm::app::{App, Environment};
use prewarm::clock::{Clock, ManualClock, floor};
use prewarm::http::api;
use prewarm::registry::{Registry, Workload};
use prewarm::store::document::Kind;
use prewarm::store::{HistoryStore, Resolution};
use prewarm_forecaster::{Minute, Recommendation};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use setup::Setup;

use crate::eventually;
use crate::keda::{Keda, Trigger};

/// Distance between samples unless a test wants another: the service's default.
pub const SLOT: SignedDuration = SignedDuration::from_secs(15);

/// A running service. Dropping it is a crash; [`TestApp::stop`] is SIGTERM.
#[derive(Debug)]
pub struct TestApp {
    /// KEDA's operator, connected to it.
    pub keda: Keda,
    /// Its time.
    pub clock: Arc<ManualClock>,
    /// What it answers from.
    pub registry: Arc<Registry>,
    /// Its history.
    pub store: Arc<dyn HistoryStore>,
    /// Where it serves HTTP.
    pub http: SocketAddr,
    setup: Setup,
    shutdown: CancellationToken,
    running: Option<(Runtime, JoinHandle<anyhow::Result<()>>)>,
    dir: Option<TempDir>,
}

impl TestApp {
    async fn start(setup: Setup) -> Self {
        let dir =
            tempfile::Builder::new().prefix("prewarm-app-").tempdir().expect("temporary directory");
        Self::start_in(setup, Some(dir)).await
    }

    async fn start_in(setup: Setup, dir: Option<TempDir>) -> Self {
        crate::install_crypto();
        // Runtime of its own: a crash takes all its tasks, and a stall of it is not one of the
        // test's.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("runtime");
        let config = setup.configuration(dir.as_ref());
        let clock: Arc<dyn Clock> = setup.clock.clone();
        let built = runtime.spawn(async move {
            let flush_every = Duration::from_millis(20);
            let environment =
                Environment { clock, grpc: listener().await, http: listener().await, flush_every };
            App::build(config, environment).await
        });
        let app = built
            .await
            .expect("no panic")
            .unwrap_or_else(|error| panic!("cannot build the service: {error:#}"));
        let (registry, store) = (app.registry().clone(), app.store().clone());
        let keda = Keda::new(app.grpc_address().expect("an address"));
        let http = app.http_address().expect("an address");
        let shutdown = CancellationToken::new();
        let task = runtime.spawn(app.run(shutdown.clone()));
        let clock = setup.clock.clone();
        Self {
            keda,
            clock,
            registry,
            store,
            http,
            setup,
            shutdown,
            running: Some((runtime, task)),
            dir,
        }
    }

    /// SIGTERM: ends streams, writes the last rows; must take less than ten seconds.
    pub async fn stop(&mut self) {
        let Some((runtime, task)) = self.running.take() else { return };
        self.shutdown.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(10), task).await;
        ended.expect("ends within ten seconds").expect("no panic").expect("no error");
        runtime.shutdown_background();
    }

    /// Ends it and starts it anew: the same database, clock and sources, other ports.
    pub async fn restart(&mut self) {
        self.stop().await;
        let dir = self.dir.take();
        *self = Self::start_in(self.setup.clone(), dir).await;
    }

    /// As [`Self::restart`] after a crash: nothing is written on the way out.
    pub async fn crash_and_restart(&mut self) {
        if let Some((runtime, _)) = self.running.take() {
            runtime.shutdown_background();
        }
        let dir = self.dir.take();
        *self = Self::start_in(self.setup.clone(), dir).await;
    }

    /// The instant.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The slot that the instant belongs to: what the service samples at.
    pub fn slot(&self) -> Timestamp {
        floor(self.now(), self.setup.slot)
    }

    /// One slot later, when every workload has decided for it.
    pub async fn step(&self) {
        self.clock.advance(self.setup.slot);
        self.decided().await;
    }

    /// Slot by slot until `t`.
    pub async fn step_until(&self, t: Timestamp) {
        while self.slot() + self.setup.slot <= t {
            self.step().await;
        }
    }

    /// Slot by slot until `t`, waiting in real time for the store and the models to keep up, as
    /// they do when time is real.
    pub async fn follow_until(&self, trigger: &Trigger, t: Timestamp) {
        while self.slot() + self.setup.slot <= t {
            Self::follow(&[self], trigger).await;
        }
    }

    /// One slot later on all replicas (on one clock), when each has decided for it and what is due
    /// in it has been learned.
    pub async fn follow(replicas: &[&Self], trigger: &Trigger) {
        const BUCKET: SignedDuration = SignedDuration::from_mins(5);
        let minute = SignedDuration::from_mins(1);
        let Some(first) = replicas.first() else { return };
        first.clock.advance(first.setup.slot);
        let slot = first.slot();
        let bucket = floor(slot, BUCKET);
        for app in replicas {
            app.decided().await;
            let workload = app.workload(trigger);
            if slot == bucket {
                eventually(
                    Duration::from_secs(30),
                    "the bucket's last minute is stored",
                    || async {
                        let last = app
                            .store
                            .load(workload.key(), bucket - minute, bucket, Resolution::Minute)
                            .await;
                        last.ok()?.first().map(drop)
                    },
                )
                .await;
            }
            // Refitted within two minutes by one, read by others after two and a half, in force
            // after three.
            let late = bucket + SignedDuration::from_hours(1);
            if slot.duration_since(bucket) == minute * 2 + first.setup.slot {
                eventually(
                    Duration::from_secs(30),
                    "a saved forecast from the bucket's end",
                    || async {
                        let saved =
                            app.store.documents(workload.key(), Kind::Forecast, bucket, late).await;
                        saved.ok()?.first().map(drop)
                    },
                )
                .await;
            }
            if slot.duration_since(bucket) == minute * 3 - first.setup.slot {
                eventually(Duration::from_secs(30), "a forecast from the bucket's end", || async {
                    workload
                        .training_status()
                        .forecast_origin
                        .filter(|origin| *origin >= bucket)
                        .map(drop)
                })
                .await;
            }
        }
    }

    /// Waits, in real time alone, for a forecast from `origin` or later, and takes the step that
    /// installs it.
    pub async fn forecast_from(&self, trigger: &Trigger, origin: Timestamp) {
        let workload = self.workload(trigger);
        let what = format!("a forecast from {origin} on");
        eventually(Duration::from_secs(30), &what, || async {
            workload.training_status().forecast_origin.filter(|latest| *latest >= origin).map(drop)
        })
        .await;
        self.step().await;
    }

    /// Straight to the slot of `t`, as after a suspended machine; forwards or backwards. The
    /// service looks twice a slot, in real time, whether its clock was set back: with the default
    /// slot that is longer than this waits.
    pub async fn jump(&self, t: Timestamp) {
        self.clock.set(floor(t, self.setup.slot) + self.setup.slot / 4);
        self.decided().await;
    }

    /// Waits until every workload with a valid trigger has decided for the present slot.
    pub async fn decided(&self) {
        let slot = self.slot();
        for workload in self.registry.workloads() {
            if workload.registration().trigger.is_err() {
                continue;
            }
            let what = format!("{:?} decides for {slot}", workload.key());
            eventually(Duration::from_secs(20), &what, || async {
                // It may be forgotten meanwhile: a jump is a long silence.
                let gone = self
                    .registry
                    .triggers(&workload.key().namespace, &workload.key().name)
                    .is_empty();
                (gone || workload.recommendation().is_some_and(|r| r.at == slot)).then_some(())
            })
            .await;
        }
    }

    /// Registers triggers by one `GetMetricSpec` each and waits for their first decisions.
    pub async fn register(&self, triggers: &[&Trigger]) {
        for trigger in triggers {
            self.keda.metric_spec(trigger).await.expect("a spec");
        }
        self.decided().await;
    }

    /// The only workload of a ScaledObject.
    pub fn workload(&self, trigger: &Trigger) -> Arc<Workload> {
        let mut workloads = self.registry.triggers(&trigger.namespace, &trigger.name);
        assert_eq!(workloads.len(), 1, "{}/{}", trigger.namespace, trigger.name);
        workloads.remove(0)
    }

    /// What it last decided.
    pub fn recommendation(&self, trigger: &Trigger) -> Arc<Recommendation> {
        self.workload(trigger).recommendation().expect("a recommendation")
    }

    /// What the store holds of a workload within `[from, to)`.
    pub async fn history(&self, trigger: &Trigger, from: Timestamp, to: Timestamp) -> Vec<Minute> {
        let key = self.workload(trigger).key().clone();
        self.store.load(&key, from, to, Resolution::Minute).await.expect("load history")
    }

    /// The database, opened anew: the service's own handle ends with it.
    pub async fn reopened_store(&self) -> Arc<dyn HistoryStore> {
        let config = self.setup.configuration(self.dir.as_ref());
        prewarm::store::open(&config.database).await.expect("open the store")
    }

    /// Waits until the store holds `minutes` of a workload within `[from, to)`.
    pub async fn history_of(
        &self,
        trigger: &Trigger,
        from: Timestamp,
        to: Timestamp,
        minutes: usize,
    ) -> Vec<Minute> {
        let key = self.workload(trigger).key().clone();
        let what = format!("{minutes} minutes of history");
        eventually(Duration::from_secs(30), &what, || async {
            let history = self.store.load(&key, from, to, Resolution::Minute).await.ok()?;
            (history.len() >= minutes).then_some(history)
        })
        .await
    }

    /// Waits, in real time alone, until there is a forecast, and takes the step that installs it.
    pub async fn forecast_installed(&self, trigger: &Trigger) {
        let workload = self.workload(trigger);
        let what = format!("a forecast for {:?}", workload.key());
        eventually(Duration::from_secs(60), &what, || async {
            workload.training_status().forecast_origin.map(drop)
        })
        .await;
        self.step().await;
        assert!(
            self.recommendation(trigger).decision.parts.forecast.is_some(),
            "{:?}",
            self.recommendation(trigger)
        );
    }

    /// Status and body of an HTTP request.
    pub async fn http(&self, path: &str) -> (u16, String) {
        let answer = reqwest::get(format!("http://{}{path}", self.http)).await.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("a text"))
    }

    /// What the API tells of a workload, as `prewarm explain` reads it.
    pub async fn explained(&self, trigger: &Trigger) -> api::Trigger {
        let (status, text) =
            self.http(&format!("/api/v1/workloads/{}/{}", trigger.namespace, trigger.name)).await;
        assert_eq!(status, 200, "{text}");
        let mut explanation: api::Explanation =
            serde_json::from_str(&text).expect("an explanation");
        explanation.triggers.remove(0)
    }

    /// Waits, in real time alone, until the tuner has chosen, and takes the step that puts the
    /// selection in force.
    pub async fn chosen(&self, trigger: &Trigger) -> api::Selection {
        let workload = self.workload(trigger);
        let what = format!("a selection for {:?}", workload.key());
        eventually(Duration::from_secs(60), &what, || async {
            workload.training_status().selections.last().map(drop)
        })
        .await;
        self.step().await;
        self.explained(trigger).await.learned.selection.expect("a selection")
    }

    /// Sum over the series of `name` on `/metrics` whose labels hold each of `labels`; `None` if
    /// there is none.
    pub async fn metric(&self, name: &str, labels: &[&str]) -> Option<f64> {
        let (_, text) = self.http("/metrics").await;
        let lines = text.lines().filter(|line| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with([' ', '{']))
                && labels.iter().all(|label| line.contains(label))
        });
        let values: Vec<f64> =
            lines.filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if let Some((runtime, _)) = self.running.take() {
            runtime.shutdown_background();
        }
    }
}

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.expect("bind a free port")
}
