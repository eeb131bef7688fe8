//! `prewarm demo`: the whole loop on one machine, without a cluster.
//!
//! A simulated GPU fleet exposes vLLM's metrics over HTTP; the real server samples them, keeps
//! history, decides; a client calls it over gRPC in KEDA's order and rhythm and scales the fleet as
//! KEDA and the HPA would. Beside it the same arrivals meet a second fleet under KEDA alone. Only
//! the clock is fast, and the fleets are simulated.

mod autoscaler;
mod demand;
mod fleet;
mod picture;
mod table;

use std::collections::HashMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use axum::Router;
use axum::routing::get;
use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::Minute;
use prewarm_forecaster::decide::policy::Threshold;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::app::{App, Environment, FLUSH_EVERY};
use crate::clock::{AcceleratedClock, Clock};
use crate::config::Config;
use crate::grpc::client::KedaClient;
use crate::registry::Registry;
use crate::store::{HistoryStore, Row, SeriesKey};

use autoscaler::{Autoscaler, POLLING, SYNC};
use demand::{Dice, rate};
use fleet::{Fleet, SERVICE, SLOTS};
use picture::Moment;

/// Demand that one replica carries: three quarters of what it can serve at once.
const THRESHOLD: f64 = 0.75 * SLOTS as f64;

/// What the demo's ScaledObject is called.
const NAMESPACE: &str = "demo";
const NAME: &str = "llama";
const METRIC: &str = "llama-demand";

/// GPUs there are.
const MAX_REPLICAS: u32 = 40;

/// History that the server finds in its store, as after weeks of operation.
const HISTORY_DAYS: i64 = 14;

/// A simulated Tuesday, so that yesterday and last week were working days.
const MORNING: &str = "2026-11-24T07:30:00Z";

/// Arguments of `prewarm demo`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Simulated seconds a second (1 … 240)
    #[arg(long, value_name = "N", default_value_t = 90.0, value_parser = speed)]
    speed: f64,
    /// Simulated hours from 07:30 on (0.5 … 24)
    #[arg(long, value_name = "H", default_value_t = 3.0, value_parser = hours)]
    hours: f64,
    /// Cold start of a replica: GPU node, image, weights, warm-up
    #[arg(long, value_name = "MINUTES", default_value_t = 4.0, value_parser = minutes)]
    cold_start: f64,
    /// HTTP address of the server under demonstration (metrics, API) [default: a free port]
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    http: SocketAddr,
    /// Draw what demand needs and what each side has Ready, as SVG
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
}

fn speed(text: &str) -> Result<f64, String> {
    within(text, 1.0, 240.0)
}

fn hours(text: &str) -> Result<f64, String> {
    within(text, 0.5, 24.0)
}

fn minutes(text: &str) -> Result<f64, String> {
    within(text, 0.1, 30.0)
}

fn within(text: &str, least: f64, most: f64) -> Result<f64, String> {
    let value: f64 =
        text.parse().map_err(|_| format!("a number from {least} to {most}, please"))?;
    if (least..=most).contains(&value) {
        Ok(value)
    } else {
        Err(format!("must be from {least} to {most}"))
    }
}

/// Runs the demonstration; Ctrl-C ends it early, with the balance so far.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let cold_start = SignedDuration::from_secs_f64(args.cold_start * 60.0);
    let origin: Timestamp = MORNING.parse()?;
    let end = origin + SignedDuration::from_secs_f64(args.hours * 3600.0);

    let fleet = Arc::new(Mutex::new(Fleet::new(cold_start, 1)));
    let exposition = TcpListener::bind("127.0.0.1:0").await?;
    let endpoint = exposition.local_addr()?;
    let shutdown = CancellationToken::new();
    tokio::spawn(expose(exposition, fleet.clone(), shutdown.clone()));

    // The clock starts when everything stands: building and loading must not eat simulated time.
    let metadata = trigger(cold_start);
    let folder = std::env::temp_dir().join(format!("prewarm-demo-{}", std::process::id()));
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot create {}", folder.display()))?;
    let config = Config::load_text(&configuration(endpoint, &folder.join("demo.db")))?;
    let environment = Environment {
        clock: Arc::new(AcceleratedClock::new(origin, args.speed)),
        grpc: TcpListener::bind("127.0.0.1:0").await?,
        http: TcpListener::bind(args.http).await?,
        flush_every: FLUSH_EVERY,
    };
    let clock = environment.clock.clone();
    let app = App::build(config, environment).await?;
    let registry = app.registry().clone();
    let (grpc, http) = (app.grpc_address()?, app.http_address()?);
    eprint!("loading {HISTORY_DAYS} days of history …");
    load_history(app.store().as_ref(), origin).await?;
    eprintln!(" done");
    let server = tokio::spawn(app.run(shutdown.clone()));
    tokio::spawn(super::serve::cancel_on_signal(shutdown.clone())?);

    println!(
        "gRPC on {grpc}, http://{http}/metrics; one simulated hour takes {:.0} s; a cold start takes {} min; Ctrl-C ends\n",
        3600.0 / args.speed,
        args.cold_start
    );
    let client = KedaClient::connect(format!("http://{grpc}")).await?;
    let mut run = DemoRun { client, registry, metadata, fleet, clock, moments: Vec::new() };
    let outcome = run.play(end, cold_start, &shutdown).await;
    shutdown.cancel();
    server.await??;
    let _ = std::fs::remove_dir_all(&folder);
    print!("{}", outcome?);
    if let (Some(file), Some(svg)) = (&args.plot, picture::draw(&run.moments)) {
        std::fs::write(file, svg).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Simulated seconds between moments that are drawn.
const MOMENT: i64 = 15;

/// What the play needs: KEDA's side, the server's registry (for the reason), the fleet that is
/// scaled, the clock; and what there was to see.
struct DemoRun {
    client: KedaClient,
    registry: Arc<Registry>,
    metadata: HashMap<String, String>,
    fleet: Arc<Mutex<Fleet>>,
    clock: Arc<dyn Clock>,
    moments: Vec<Moment>,
}

impl DemoRun {
    /// Plays until `end` or Ctrl-C; returns the balance.
    async fn play(
        &mut self,
        end: Timestamp,
        cold_start: SignedDuration,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<String> {
        let threshold = Threshold::new(THRESHOLD)?;
        let created = self.clock.now();
        let mut with = Autoscaler::new(threshold, MAX_REPLICAS, created);
        let mut alone = Autoscaler::new(threshold, MAX_REPLICAS, created);
        let mut alone_fleet = Fleet::new(cold_start, 1);
        let mut dice = Dice::new(42);
        let mut wanted = None;
        let mut why = String::from("…");
        let mut second = created.as_second();
        println!("{}\n{}", table::arms(), table::head());
        while second < end.as_second() && !shutdown.is_cancelled() {
            self.clock.sleep_until(Timestamp::from_second(second)?).await;
            let now = Timestamp::from_second(second)?;
            let arrivals = dice.poisson(rate(now));
            alone_fleet.second(now, arrivals);
            let current = {
                let mut fleet = self.fleet.lock().unwrap_or_else(PoisonError::into_inner);
                fleet.second(now, arrivals);
                fleet.current() as u32
            };
            // KEDA polls and the HPA syncs on their own beats; both ask spec, value and activity in
            // this order.
            let (poll, sync) = (second % POLLING.as_secs() == 0, second % SYNC.as_secs() == 0);
            if poll || (sync && current > 0) {
                let answer = self.client.poll(NAMESPACE, NAME, &self.metadata).await;
                let mut target = current;
                if poll {
                    target = with.poll(now, answer.as_ref().ok().map(|a| a.active), target);
                }
                if sync {
                    target = with.sync(now, answer.as_ref().ok().map(|a| a.value), target);
                }
                match &answer {
                    Ok(answer) => {
                        wanted = Some((answer.value / THRESHOLD).ceil() as u32);
                        why = self
                            .registry
                            .triggers(NAMESPACE, NAME)
                            .first()
                            .and_then(|workload| workload.recommendation())
                            .map_or("", |recommendation| recommendation.decision.reason.as_str())
                            .to_owned();
                    }
                    Err(status) => {
                        wanted = None;
                        why = status.to_string();
                    }
                }
                self.fleet
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .scale_to(target as usize, now);
            }
            let current = alone_fleet.current() as u32;
            let mut target = current;
            if poll {
                target = alone.poll(now, Some(alone_fleet.demand() > 0.0), target);
            }
            if sync {
                target = alone.sync(now, Some(alone_fleet.demand()), target);
            }
            alone_fleet.scale_to(target as usize, now);
            if second % MOMENT == 0 {
                let prewarm = self.fleet.lock().unwrap_or_else(PoisonError::into_inner).ready();
                let needed = rate(now) * SERVICE.as_secs_f64() / THRESHOLD;
                self.moments.push(Moment { at: now, needed, prewarm, alone: alone_fleet.ready() });
            }
            if second % 300 == 0 {
                let fleet = self.fleet.lock().unwrap_or_else(PoisonError::into_inner);
                let offered = rate(now) * SERVICE.as_secs_f64();
                let arm = table::Arm { fleet: &fleet, wanted, why: &why };
                let other = table::Arm { fleet: &alone_fleet, wanted: None, why: "" };
                println!("{}", table::row(now, offered, THRESHOLD, &arm, &other));
                std::io::stdout().flush()?;
            }
            second += 1;
        }
        let now = Timestamp::from_second(second)?;
        let tally = self.fleet.lock().unwrap_or_else(PoisonError::into_inner).tally(now);
        Ok(format!("\n{}", table::balance(tally, alone_fleet.tally(now))))
    }
}

/// The trigger's metadata, as a ScaledObject would carry it.
fn trigger(cold_start: SignedDuration) -> HashMap<String, String> {
    [
        ("preset", "vllm".to_owned()),
        ("selector", "model_name=\"demo\"".to_owned()),
        ("threshold", THRESHOLD.to_string()),
        ("coldStart", format!("{}s", cold_start.as_secs())),
        ("metricName", METRIC.to_owned()),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value))
    .collect()
}

/// The server's configuration: one exposition source, history in a file of its own.
fn configuration(endpoint: SocketAddr, database: &Path) -> String {
    format!(
        "database = \"sqlite://{}\"\n[sources.default]\nkind = \"exposition\"\nurl = \"http://{endpoint}/metrics\"\n\
         [cluster]\naccess = \"off\"\n",
        database.display()
    )
}

/// Serves the fleet's metrics.
async fn expose(listener: TcpListener, fleet: Arc<Mutex<Fleet>>, shutdown: CancellationToken) {
    let metrics = move || {
        let text = fleet.lock().unwrap_or_else(PoisonError::into_inner).exposition();
        async move { text }
    };
    let router = Router::new().route("/metrics", get(metrics));
    let served =
        axum::serve(listener, router).with_graceful_shutdown(shutdown.cancelled_owned()).await;
    if let Err(error) = served {
        eprintln!("the simulated fleet's endpoint failed: {error}");
    }
}

/// Two weeks of minutes before `origin`, with the noise that Poisson arrivals have.
async fn load_history(store: &dyn HistoryStore, origin: Timestamp) -> anyhow::Result<()> {
    let key = Arc::new(SeriesKey {
        namespace: NAMESPACE.into(),
        name: NAME.into(),
        metric: METRIC.into(),
    });
    let mut dice = Dice::new(3);
    let minutes = HISTORY_DAYS * 24 * 60;
    let mut rows = Vec::with_capacity(minutes as usize);
    for back in (1..=minutes).rev() {
        let start = origin - SignedDuration::from_mins(back);
        let offered = rate(start) * SERVICE.as_secs_f64();
        // Four samples a minute of a Poisson number of requests in service.
        let samples: Vec<f64> = (0..4).map(|_| large_poisson(&mut dice, offered)).collect();
        let mean = samples.iter().sum::<f64>() / 4.0;
        let max = samples.iter().copied().fold(0.0, f64::max);
        rows.push(Row {
            key: key.clone(),
            minute: Minute { start, mean, max, backlog: Some(0.0), samples: 4 },
        });
    }
    for batch in rows.chunks(5_000) {
        store.append(batch).await?;
    }
    Ok(())
}

/// Poisson for means beyond what [`Dice::poisson`] takes: the sum of independent parts.
fn large_poisson(dice: &mut Dice, mean: f64) -> f64 {
    let parts = (mean / 50.0).ceil().max(1.0);
    (0..parts as u32).map(|_| dice.poisson(mean / parts) as f64).sum()
}
