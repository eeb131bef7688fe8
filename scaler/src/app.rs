//! Puts the house together: the only place that knows every module.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use jiff::SignedDuration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::archive::Archive;
use crate::clock::Clock;
use crate::cluster::{Cluster, Watching};
use crate::cold_starts::ColdStartSync;
use crate::collector::{Collector, Skews};
use crate::config::{Config, SourceConfig, SourceKind};
use crate::metrics::Metrics;
use crate::registry::{Registry, Workload};
use crate::source::Sources;
use crate::store::checkpoint::CheckpointQueue;
use crate::store::ending::Ending;
pub use crate::store::queue::FLUSH_EVERY;
use crate::store::queue::HistoryQueue;
use crate::store::spill::Spill;
use crate::store::{self, HistoryStore};
use crate::training::Trainer;
use crate::trial::Trials;
use crate::{grpc, http};

/// Rows that wait for an absent store: an hour of 10,000 workloads.
const QUEUE_ROWS: usize = 600_000;

/// Finished days are packed this often.
const COMPACTION_EVERY: SignedDuration = SignedDuration::from_hours(1);

/// The first compaction waits for the bustle of a start to pass.
const FIRST_COMPACTION: SignedDuration = SignedDuration::from_mins(2);

/// While the store cannot be reached after a start.
const STORE_RETRY: Duration = Duration::from_secs(2);

/// So often what is wrong with the store is looked for.
const STORE_WATCH: Duration = Duration::from_secs(1);

/// So many seconds between looks at the database's clock, and what is no difference.
const CLOCK_EVERY: u64 = 60;
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_secs(2);

/// Readiness waits for first decisions so long, and looks so often.
const FIRST_DECISIONS: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Streams, requests and the last rows have this long after SIGTERM; KEDA's pods and ours have 30
/// s.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(9);

/// Of which the last rows may take this.
const FLUSH_LIMIT: Duration = Duration::from_secs(5);

/// What a caller brings from outside: time and bound listeners (tests bind port 0).
#[derive(Debug)]
pub struct Environment {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// gRPC.
    pub grpc: TcpListener,
    /// HTTP.
    pub http: TcpListener,
    /// A row of history waits at most so long for others ([`FLUSH_EVERY`]), in real time whatever
    /// the clock does. A simulated day has thousands of rows: tests do not wait for each.
    pub flush_every: Duration,
}

/// The service, assembled and not yet running.
#[derive(Debug)]
pub struct App {
    config: Config,
    environment: Environment,
    registry: Arc<Registry>,
    arrivals: mpsc::UnboundedReceiver<Arc<Workload>>,
    sources: Arc<Sources>,
    store: Arc<dyn HistoryStore>,
    metrics: Arc<Metrics>,
    cluster: (Cluster, Watching),
}

impl App {
    /// Assembles the service. Fails on what cannot mend itself: a bad address, an unreadable
    /// certificate, a database URL that names no store. A database that is merely down is waited
    /// for while running.
    pub async fn build(config: Config, environment: Environment) -> anyhow::Result<Self> {
        let metrics = Arc::new(Metrics::default());
        let (registry, arrivals) =
            Registry::new(config.rules(), config.max_workloads, environment.clock.clone());
        let sources = Arc::new(Sources::new(&config.sources).context("sources")?);
        let store = store::open_to_serve(&config.database, config.database_password_file.clone())
            .await
            .context("database")?;
        let cluster = Cluster::new(config.cluster);
        Ok(Self {
            config,
            environment,
            registry: Arc::new(registry),
            arrivals,
            sources,
            store,
            metrics,
            cluster,
        })
    }

    /// The registry that answers are read from.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// The history.
    pub fn store(&self) -> &Arc<dyn HistoryStore> {
        &self.store
    }

    /// Where gRPC listens.
    pub fn grpc_address(&self) -> std::io::Result<SocketAddr> {
        self.environment.grpc.local_addr()
    }

    /// Where HTTP listens.
    pub fn http_address(&self) -> std::io::Result<SocketAddr> {
        self.environment.http.local_addr()
    }

    /// Serves until `shutdown`; then not ready, streams ended, last rows written, within ten
    /// seconds.
    pub async fn run(self, shutdown: CancellationToken) -> anyhow::Result<()> {
        let Self {
            config,
            environment,
            registry,
            arrivals,
            sources,
            store,
            metrics,
            cluster: (cluster, watching),
        } = self;
        let clock = environment.clock.clone();
        let (ready, readiness) = watch::channel(false);
        let queue = Arc::new(HistoryQueue::new(
            store.clone(),
            metrics.clone(),
            QUEUE_ROWS,
            environment.flush_every,
        ));
        let checkpoints = Arc::new(CheckpointQueue::new(store.clone(), metrics.clone()));
        let spill = Arc::new(Spill::new(&config.spill_directory));
        let ending = Ending::new(queue.clone(), checkpoints.clone(), spill);
        ending.take_up();
        let watching_store = tokio::spawn(watch_store(
            store.clone(),
            registry.clone(),
            ending.clone(),
            clock.clone(),
            shutdown.clone(),
        ));
        let refitter =
            Arc::new(Trainer::new(store.clone(), metrics.clone(), clock.clone(), config.rhythm));
        let collector = Collector {
            registry: registry.clone(),
            sources: sources.clone(),
            store: store.clone(),
            queue: queue.clone(),
            checkpoints: checkpoints.clone(),
            refitter: refitter.clone(),
            cluster,
            cold_start_sync: ColdStartSync::new(store.clone(), metrics.clone(), clock.clone()),
            metrics: metrics.clone(),
            clock: clock.clone(),
            skews: Skews::default(),
            rhythm: config.rhythm,
            evict_after: config.evict_after,
        };

        // Probes and metrics outlive the rest, so that a shutdown can be watched.
        let probes_end = CancellationToken::new();
        let trials = config.trials.then(|| -> Arc<dyn http::TryTrigger> {
            Arc::new(Trials::new(registry.clone(), sources.clone(), config.rhythm.slot))
        });
        let router = http::router(http::Shown {
            registry: registry.clone(),
            archive: Archive::new(store.clone()),
            metrics: metrics.clone(),
            readiness: readiness.clone(),
            sources: known_sources(&config),
            token_file: config.http_token_file.clone(),
            trials,
        });
        let http = tokio::spawn(http::serve(environment.http, router, probes_end.clone()));
        let rpc = tokio::spawn(grpc::serve(
            environment.grpc,
            registry.clone(),
            metrics.clone(),
            config.tls.clone(),
            readiness,
            shutdown.clone(),
        ));
        let collecting = tokio::spawn(collector.run(arrivals, shutdown.clone()));
        let watching = tokio::spawn(watching.run(metrics.clone(), clock.clone(), shutdown.clone()));
        let compacting =
            tokio::spawn(compact(store.clone(), metrics.clone(), clock, shutdown.clone()));
        let living = tokio::spawn({
            let (refitter, shutdown) = (refitter.clone(), shutdown.clone());
            async move { refitter.live(shutdown).await }
        });
        let becoming_ready = tokio::spawn(become_ready(store, registry, ready, shutdown.clone()));

        let mut rpc = rpc;
        let failed = tokio::select! {
            () = shutdown.cancelled() => None,
            ended = &mut rpc => Some(ended),
        };
        shutdown.cancel();
        let orderly = async {
            let ended = match failed {
                Some(ended) => ended,
                None => rpc.await,
            };
            let _ = tokio::join!(
                collecting,
                watching,
                compacting,
                becoming_ready,
                living,
                watching_store
            );
            tokio::join!(
                queue.close(FLUSH_LIMIT),
                checkpoints.close(FLUSH_LIMIT),
                refitter.release()
            );
            ended
        };
        let ended = tokio::time::timeout(SHUTDOWN_LIMIT, orderly).await;
        ending.spill(&metrics);
        probes_end.cancel();
        let _ = tokio::time::timeout(Duration::from_millis(500), http).await;
        match ended {
            Ok(Ok(served)) => served.context("gRPC server"),
            Ok(Err(panic)) => Err(panic).context("gRPC server"),
            Err(_) => {
                tracing::warn!("shutdown took too long: leaving what is still open");
                Ok(())
            }
        }
    }
}

/// Says what is wrong with the store, and forgets spilled files once they are written.
async fn watch_store(
    store: Arc<dyn HistoryStore>,
    registry: Arc<Registry>,
    ending: Ending,
    clock: Arc<dyn Clock>,
    shutdown: CancellationToken,
) {
    for second in 0_u64.. {
        registry.notices().set("store", store.trouble());
        ending.settle();
        if clock.is_wall() && second.is_multiple_of(CLOCK_EVERY) {
            look_at_clock(&*store, &*clock, &registry).await;
        }
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(STORE_WATCH) => {}
        }
    }
}

/// Sources as people may see them: where a query can be asked by hand, without credentials.
fn known_sources(config: &Config) -> http::Sources {
    let shown = |(name, source): (&String, &SourceConfig)| {
        let mut url = source.urls.first()?.clone();
        url.set_query(None);
        // An address that cannot have credentials has none to lose.
        let _ = (url.set_username(""), url.set_password(None));
        let exposition = source.kind == SourceKind::Exposition;
        Some((name.clone(), http::KnownSource { exposition, address: url.into() }))
    };
    config.sources.iter().filter_map(shown).collect()
}

/// Says how far the database's clock is from ours: replicas decide slot by slot, and agree only
/// where their clocks do.
async fn look_at_clock(store: &dyn HistoryStore, clock: &dyn Clock, registry: &Registry) {
    let asked = clock.now();
    let Ok(Some(theirs)) = store.clock().await else { return };
    let way = clock.now().duration_since(asked);
    let offset = theirs.duration_since(asked + way / 2);
    let apart = offset.abs() > CLOCK_TOLERANCE + way;
    let text = apart.then(|| {
        let seconds = offset.as_secs_f64();
        format!(
            "the database's clock is {seconds:+.1} s from ours: replicas whose clocks differ answer \
             differently; set the clocks"
        )
    });
    if let Some(text) = text.as_ref().filter(|_| !registry.notices().holds("database_clock")) {
        tracing::warn!("{text}");
    }
    registry.notices().set("database_clock", text);
}

/// Ready once the store has answered and every workload that has been asked about by then has its
/// first decision: from then on outages of the store are survived from memory. One workload that
/// cannot be decided does not keep the others waiting for longer than [`FIRST_DECISIONS`]. Not
/// ready while shutting down.
async fn become_ready(
    store: Arc<dyn HistoryStore>,
    registry: Arc<Registry>,
    ready: watch::Sender<bool>,
    shutdown: CancellationToken,
) {
    let answered = async {
        let mut told = false;
        while let Err(error) = store.ping().await {
            if !told {
                tracing::warn!(error = %error, "not ready: the store does not answer");
                told = true;
            }
            tokio::time::sleep(STORE_RETRY).await;
        }
        let decided = async {
            while registry.workloads().iter().any(|workload| workload.is_undecided()) {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        // Out of time: what is undecided still holds, and the others answer.
        let _ = tokio::time::timeout(FIRST_DECISIONS, decided).await;
    };
    tokio::select! {
        () = answered => {
            ready.send_replace(true);
            tracing::info!("ready");
            shutdown.cancelled().await;
        }
        () = shutdown.cancelled() => {}
    }
    ready.send_replace(false);
}

/// Packs finished days, thins and drops old ones, every hour.
async fn compact(
    store: Arc<dyn HistoryStore>,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    shutdown: CancellationToken,
) {
    let mut due = clock.now() + FIRST_COMPACTION;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = clock.sleep_until(due) => {}
        }
        // Safe to be cut off anywhere: each day is one transaction.
        tokio::select! {
            () = shutdown.cancelled() => return,
            done = store.compact(clock.now()) => match done {
                Ok(done) => metrics.compacted(done.days_packed, done.days_thinned, done.days_dropped),
                Err(error) => {
                    metrics.store_error("compact");
                    tracing::warn!(error = %error, "cannot compact history; tried again in an hour");
                }
            },
        }
        due = clock.now() + COMPACTION_EVERY;
    }
}
