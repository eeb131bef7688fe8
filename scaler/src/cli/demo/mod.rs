//! `prewarm demo`: the whole loop on one machine, without a cluster.
//!
//! Simulated GPU fleets expose vLLM's metrics over HTTP; the real server samples them, keeps history,
//! decides, and shows its page; a client calls it over gRPC in KEDA's order and rhythm and scales the
//! fleets as KEDA and the HPA would. Beside each the same arrivals meet a second fleet under KEDA
//! alone. Only the clock is fast, and the fleets are simulated.

mod autoscaler;
mod demand;
mod fleet;
mod picture;
mod stage;
mod story;
mod table;

use std::io::{IsTerminal as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use axum::Router;
use axum::routing::get;
use jiff::{SignedDuration, Timestamp};
use prewarm_forecaster::Minute;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::app::{App, Environment, FLUSH_EVERY};
use crate::clock::{AcceleratedClock, Clock};
use crate::config::Config;
use crate::grpc::client::KedaClient;
use crate::registry::Registry;
use crate::store::{HistoryStore, Row, SeriesKey};

use demand::Dice;
use fleet::{Fleet, SERVICE, SLOTS};
use stage::Stage;
use story::{Scenario, Story};

/// Demand that one replica carries: three quarters of what it can serve at once.
const THRESHOLD: f64 = 0.75 * SLOTS as f64;

/// Where the demo's ScaledObjects are.
const NAMESPACE: &str = "demo";

/// History that the server finds in its store, as after weeks of operation.
const HISTORY_DAYS: i64 = 14;

/// A simulated Tuesday, so that yesterday and last week were working days.
const MORNING: &str = "2026-11-24T07:30:00Z";

/// Arguments of `prewarm demo`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Workloads on stage
    #[arg(long, value_enum, default_value_t = Scenario::All)]
    scenario: Scenario,
    /// Simulated seconds a second (1 … 240)
    #[arg(long, value_name = "N", default_value_t = 180.0, value_parser = speed)]
    speed: f64,
    /// Simulated hours from 07:30 on (0.5 … 24)
    #[arg(long, value_name = "H", default_value_t = 3.0, value_parser = hours)]
    hours: f64,
    /// Cold start of a replica: GPU node, image, weights, warm-up [default: 3 to 6, by workload]
    #[arg(long, value_name = "MINUTES", value_parser = minutes)]
    cold_start: Option<f64>,
    /// Print the scoreboard at the end and nothing else
    #[arg(long)]
    once: bool,
    /// Do not open the page in a browser
    #[arg(long)]
    no_open: bool,
    /// HTTP address of the server under demonstration (page, API, metrics) [default: a free port]
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

/// Runs the demonstration; `q` or Ctrl-C ends it early, with the balance so far.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let origin: Timestamp = MORNING.parse()?;
    let end = origin + SignedDuration::from_secs_f64(args.hours * 3600.0);
    let stories = args.scenario.stories();
    let stages = stories.iter().map(|story| {
        let minutes = args.cold_start.map(|minutes| SignedDuration::from_secs_f64(minutes * 60.0));
        Stage::new(*story, minutes.unwrap_or(story.cold_start), origin)
    });
    let stages = stages.collect::<anyhow::Result<Vec<Stage>>>()?;

    let exposition = TcpListener::bind("127.0.0.1:0").await?;
    let endpoint = exposition.local_addr()?;
    let shutdown = CancellationToken::new();
    let fleets = stages.iter().map(Stage::fleet).collect();
    tokio::spawn(expose(exposition, fleets, shutdown.clone()));

    // The clock starts when everything stands: building and loading must not eat simulated time.
    let folder = std::env::temp_dir().join(format!("prewarm-demo-{}", std::process::id()));
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot create {}", folder.display()))?;
    let config = Config::load_text(&configuration(endpoint, &folder.join("demo.db")))?;
    let http = TcpListener::bind(args.http).await?;
    introduce(&args, &stories, http.local_addr()?);
    let clock = Arc::new(AcceleratedClock::new(origin, args.speed));
    let environment = Environment {
        clock: clock.clone(),
        grpc: TcpListener::bind("127.0.0.1:0").await?,
        http,
        flush_every: FLUSH_EVERY,
    };
    let app = App::build(config, environment).await?;
    let registry = app.registry().clone();
    let grpc = app.grpc_address()?;
    for story in &stories {
        load_history(app.store().as_ref(), story, origin).await?;
    }
    let server = tokio::spawn(app.run(shutdown.clone()));
    tokio::spawn(super::serve::cancel_on_signal(shutdown.clone())?);
    cancel_on_q(shutdown.clone());

    let client = KedaClient::connect(format!("http://{grpc}")).await?;
    let mut run = DemoRun { client, registry, clock, stages, once: args.once };
    let outcome = run.play(end, &shutdown).await;
    shutdown.cancel();
    server.await??;
    let _ = std::fs::remove_dir_all(&folder);
    super::print(&outcome?)?;
    let moments = run.stages.first().map(|stage| stage.moments.as_slice()).unwrap_or_default();
    if let (Some(file), Some(svg)) = (&args.plot, picture::draw(moments)) {
        std::fs::write(file, svg).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Says what will be seen, and where; opens the page where there is a screen.
fn introduce(args: &Args, stories: &[Story], http: SocketAddr) {
    if args.once {
        return;
    }
    println!("The page:  http://{http}/");
    for story in stories {
        println!("  {:<7}  {}", story.name, story.title);
    }
    let length = args.hours * 3600.0 / args.speed;
    println!("{} h from 07:30 on in {length:.0} s; q and Enter, or Ctrl-C, ends.\n", args.hours);
    println!("{}", table::head());
    let screen = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some());
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    if !args.no_open && std::io::stdout().is_terminal() && (screen || cfg!(target_os = "macos")) {
        // Whoever has no such program has the link.
        let _ = std::process::Command::new(opener)
            .arg(format!("http://{http}/"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
    }
}

/// Ends the play at a line that begins with `q`. A thread of its own: reading a terminal cannot be
/// interrupted, and ends with the process.
fn cancel_on_q(shutdown: CancellationToken) {
    if !std::io::stdin().is_terminal() {
        return;
    }
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if line.trim_start().starts_with('q') {
                shutdown.cancel();
                return;
            }
        }
    });
}

/// What the play needs: KEDA's side, the server's registry (for the reason), the workloads, the
/// clock.
struct DemoRun {
    client: KedaClient,
    registry: Arc<Registry>,
    clock: Arc<dyn Clock>,
    stages: Vec<Stage>,
    once: bool,
}

impl DemoRun {
    /// Plays until `end`, or until it is ended; returns the scoreboard.
    async fn play(
        &mut self,
        end: Timestamp,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<String> {
        let mut second = self.clock.now().as_second();
        let mut told: Vec<Option<stage::StageView>> = vec![None; self.stages.len()];
        let color = table::colored();
        while second < end.as_second() && !shutdown.is_cancelled() {
            let now = Timestamp::from_second(second)?;
            self.clock.sleep_until(now).await;
            for (stage, told) in self.stages.iter_mut().zip(&mut told) {
                stage.second(now, &mut self.client, &self.registry).await;
                let scene = stage.scene(now);
                if !self.once && second % TOLD == 0 && table::is_news(told.as_ref(), &scene) {
                    println!("{}", table::row(now, stage.story.name, &scene, color));
                    std::io::stdout().flush()?;
                    *told = Some(scene);
                }
            }
            second += 1;
        }
        let now = Timestamp::from_second(second)?;
        let mut text = String::new();
        for stage in &self.stages {
            let (prewarm, alone) = stage.tallies(now);
            text += &format!("\n{}: {}\n", stage.story.name, stage.story.title);
            text += &table::balance(prewarm, alone);
        }
        Ok(text)
    }
}

/// Simulated seconds within which a workload has one line at most.
const TOLD: i64 = 60;

/// The server's configuration: one exposition source, history in a file of its own.
fn configuration(endpoint: SocketAddr, database: &Path) -> String {
    format!(
        "database = \"sqlite://{}\"\n[sources.default]\nkind = \"exposition\"\nurl = \"http://{endpoint}/metrics\"\n\
         [cluster]\naccess = \"off\"\n",
        database.display()
    )
}

/// Serves the fleets' metrics.
async fn expose(
    listener: TcpListener,
    fleets: Vec<Arc<Mutex<Fleet>>>,
    shutdown: CancellationToken,
) {
    let metrics = move || {
        let locked = fleets.iter().map(|it| it.lock().unwrap_or_else(PoisonError::into_inner));
        let text = Fleet::exposition(&locked.collect::<Vec<_>>());
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
async fn load_history(
    store: &dyn HistoryStore,
    story: &Story,
    origin: Timestamp,
) -> anyhow::Result<()> {
    let key = Arc::new(SeriesKey {
        namespace: NAMESPACE.into(),
        name: story.name.into(),
        metric: story.metric(),
    });
    let mut dice = Dice::new(3);
    let minutes = HISTORY_DAYS * 24 * 60;
    let mut rows = Vec::with_capacity(minutes as usize);
    for back in (1..=minutes).rev() {
        let start = origin - SignedDuration::from_mins(back);
        let offered = (story.rate)(start) * SERVICE.as_secs_f64();
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
