//! What all scenarios share.

use std::net::SocketAddr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use prewarm_tests::eventually;
use prewarm_tests::postgres::Postgres;
use prewarm_tests::prometheus::Prometheus;
use prewarm_tests::serve::Serve;

use crate::api::Api;
use crate::control_plane::admission::Admission;
use crate::control_plane::{Plane, Tools};
use crate::demand::Gateway;
use crate::history::now;
use crate::workload::PATIENCE;

/// KEDA's polling interval in every scenario, in seconds: 30 in a real cluster.
pub(crate) const POLL: u32 = 2;

/// Prewarm's distance between samples.
const SLOT: &str = "1s";

/// For how long Prewarm repeats its last good answer, in seconds: 300 by default.
pub(crate) const LAST_GOOD: u64 = 10;

/// The control plane, a gateway that is scraped, a database, and a Prewarm over both.
#[derive(Debug)]
pub(crate) struct Fixture {
    /// Demand.
    pub(crate) gateway: Gateway,
    /// Where the gateway is scraped.
    pub(crate) exposition: SocketAddr,
    /// Its metrics.
    pub(crate) prometheus: Prometheus,
    /// Where Prewarm keeps its history.
    pub(crate) postgres: Postgres,
    /// Prewarm.
    pub(crate) prewarm: Serve,
    /// Where timelines go.
    pub(crate) output: PathBuf,
    tools: Tools,
    plane: Plane,
}

impl Fixture {
    /// Starts it.
    pub(crate) async fn start(tools: &Tools, output: &Path) -> Self {
        let gateway = Gateway::default();
        let exposition = gateway.serve().await;
        let (plane, prometheus, postgres) =
            tokio::join!(Plane::start(tools, output, ""), scraping(exposition), Postgres::start());
        let configuration = configuration(prometheus.address(), &postgres.url());
        let prewarm = Serve::start(&program(), &configuration, &[]).await;
        Self {
            gateway,
            exposition,
            prometheus,
            postgres,
            prewarm,
            output: output.to_owned(),
            tools: tools.clone(),
            plane,
        }
    }

    /// A second control plane whose KEDA operator has these flags; its logs go to a folder of this
    /// name.
    pub(crate) async fn another_plane(&self, name: &str, operator: &str) -> (Plane, PathBuf) {
        let logs = self.output.join(name);
        std::fs::create_dir_all(&logs).unwrap();
        (Plane::start(&self.tools, &logs, operator).await, logs)
    }

    /// Waits until Prewarm lets the forecast act for a workload: it has judged the days in the
    /// store. Panics if that leaves less than `lead` before the moment, for then nothing could be
    /// in time.
    pub(crate) async fn learned(&self, namespace: &str, moment: Timestamp, lead: Duration) {
        let said = |line: &str| {
            line.contains("another policy acts") && line.contains(&format!("\"{namespace}\""))
        };
        eventually(PATIENCE, "the forecast may act", || {
            std::future::ready(self.prewarm.log().lines().any(said).then_some(()))
        })
        .await;
        let left = moment.duration_since(now());
        assert!(
            left.as_secs_f64() > lead.as_secs_f64(),
            "{namespace}: learned {left:?} ahead, with a lead of {lead:?}"
        );
    }

    /// KEDA's admission webhook, for namespaces that ask for it.
    pub(crate) async fn admission(&self) -> Admission {
        Admission::start(&self.plane, &self.tools, &self.output).await
    }

    /// The folder with KEDA's custom resource definitions.
    pub(crate) fn definitions(&self) -> &Path {
        &self.tools.crds
    }

    /// Whether it is KEDA 2.21, whose polls read what the HPA has seen and whose calls to
    /// Kubernetes have deadlines.
    pub(crate) fn newest(&self) -> bool {
        self.tools.keda == "keda"
    }

    /// A Prewarm of a scenario's own with a history in this folder; its log is kept as `NAME.log`
    /// if the scenario fails.
    pub(crate) async fn serve(&self, name: &str, dir: &Path, more: &str) -> Own {
        let database = format!("sqlite://{}/{name}.db", dir.display());
        let configuration = configuration(self.prometheus.address(), &database) + more;
        let log = self.output.join(format!("{name}.log"));
        Own { serve: Serve::start(&program(), &configuration, &[]).await, log }
    }

    /// The Kubernetes API.
    pub(crate) fn api(&self) -> &Api {
        &self.plane.api
    }
}

/// A Prewarm that one scenario has for itself.
#[derive(Debug)]
pub(crate) struct Own {
    serve: Serve,
    log: PathBuf,
}

impl Deref for Own {
    type Target = Serve;

    fn deref(&self) -> &Serve {
        &self.serve
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let _ = std::fs::write(&self.log, self.serve.log());
        }
    }
}

/// A Prometheus that scrapes the gateway each second.
pub(crate) async fn scraping(gateway: SocketAddr) -> Prometheus {
    Prometheus::scraping("gateway", gateway, Duration::from_secs(1)).await
}

/// Configuration of a Prewarm with its times shortened.
pub(crate) fn configuration(prometheus: SocketAddr, database: &str) -> String {
    format!(
        "database = \"{database}\"\nslot = \"{SLOT}\"\n\
         [sources.default]\nkind = \"prometheus\"\nurl = \"http://{prometheus}\"\ntimeout = \"5s\"\n\
         [rhythm]\nkedaPollingInterval = \"{POLL}s\"\nhpaSyncPeriod = \"{}s\"\nlastGood = \"{LAST_GOOD}s\"\n\
         [log]\nformat = \"text\"\n",
        crate::control_plane::HPA_SYNC.as_secs()
    )
}

/// The program under test, built beside this one.
pub(crate) fn program() -> String {
    let own = std::env::current_exe().unwrap();
    own.with_file_name("prewarm-under-test").display().to_string()
}
