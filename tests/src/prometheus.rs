//! A private Prometheus on the loopback, loaded with traces or scraping a target.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tempfile::TempDir;

use crate::eventually;
use crate::process::{self, Daemon, Signal};
use crate::trace::Metric;

/// A private Prometheus; dropped with the value.
#[derive(Debug)]
pub struct Prometheus {
    // Before `dir`: the server must end before its data goes.
    daemon: Option<Daemon>,
    http: reqwest::Client,
    port: u16,
    dir: TempDir,
}

impl Prometheus {
    /// Starts one that holds `metrics`, whatever their age.
    pub async fn holding(metrics: &[Metric]) -> Self {
        Self::holding_text(&metrics.iter().map(Metric::openmetrics).collect::<String>()).await
    }

    /// Starts one that holds `metrics`, with more in its configuration.
    pub async fn holding_with(metrics: &[Metric], configuration: &str) -> Self {
        let prometheus = Self::prepare(configuration);
        prometheus.load(&metrics.iter().map(Metric::openmetrics).collect::<String>());
        prometheus.started().await
    }

    /// Starts one that holds these samples: OpenMetrics lines with timestamps, without the final `#
    /// EOF`.
    pub async fn holding_text(samples: &str) -> Self {
        let prometheus = Self::prepare("");
        if !samples.is_empty() {
            prometheus.load(samples);
        }
        prometheus.started().await
    }

    /// Starts one that scrapes `target` each `interval` (whole milliseconds) as job `job`.
    pub async fn scraping(job: &str, target: SocketAddr, interval: Duration) -> Self {
        let every = interval.as_millis();
        Self::prepare(&format!(
            "scrape_configs:\n- job_name: {job}\n  scrape_interval: {every}ms\n  scrape_timeout: {every}ms\n  \
             static_configs:\n  - targets: ['{target}']\n"
        ))
        .started()
        .await
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// The value of an instant query that gives one series; `None` if it gives nothing. Panics on
    /// more than one.
    pub async fn query(&self, promql: &str, at: Timestamp) -> Option<f64> {
        let time = format!("{:.3}", at.as_millisecond() as f64 / 1000.0);
        let request = self.http.get(self.api("query")).query(&[("query", promql), ("time", &time)]);
        let answer: Value =
            request.send().await.expect("query Prometheus").json().await.expect("JSON");
        assert_eq!(answer["status"], "success", "{promql}: {answer}");
        let series = answer["data"]["result"].as_array().expect("a vector");
        assert!(series.len() <= 1, "{promql} gives {} series", series.len());
        series
            .first()
            .map(|one| one["value"][1].as_str().expect("a value").parse().expect("a number"))
    }

    /// Freezes it: connections are accepted by the kernel and never answered.
    pub fn freeze(&self) {
        self.daemon.iter().for_each(Daemon::freeze);
    }

    /// Undoes [`Self::freeze`].
    pub fn thaw(&self) {
        self.daemon.iter().for_each(Daemon::thaw);
    }

    /// Ends the server; its data stays.
    pub fn stop(&mut self) {
        self.daemon = None;
    }

    /// Starts a stopped server on its old data and port.
    pub async fn restart(&mut self) {
        self.stop();
        let mut command = process::bound_to_us(&program("prometheus"), None, "KILL");
        command.arg(format!("--config.file={}", self.file("prometheus.yml").display()));
        command.arg(format!("--storage.tsdb.path={}", self.file("data").display()));
        command.arg(format!("--web.listen-address={}", self.address()));
        command.args(["--storage.tsdb.retention.time=30y", "--log.level=warn"]);
        let mut daemon = Daemon::spawn("prometheus", command, &self.file("log"), Signal::KILL);
        let ready = format!("http://{}/-/ready", self.address());
        eventually(Duration::from_secs(20), "Prometheus is ready", || {
            daemon.assert_running();
            let request = self.http.get(&ready);
            async move {
                request.send().await.ok().filter(|answer| answer.status().is_success()).map(drop)
            }
        })
        .await;
        self.daemon = Some(daemon);
    }

    fn prepare(scrape_configs: &str) -> Self {
        crate::install_crypto();
        let dir = tempfile::Builder::new()
            .prefix("prewarm-prom-")
            .tempdir()
            .expect("temporary directory");
        std::fs::write(dir.path().join("prometheus.yml"), scrape_configs)
            .expect("write the configuration");
        Self { daemon: None, http: reqwest::Client::new(), port: process::free_port(), dir }
    }

    async fn started(mut self) -> Self {
        self.restart().await;
        self
    }

    /// Writes blocks before the first start: samples of any age, which no scrape could give.
    fn load(&self, samples: &str) {
        std::fs::write(self.file("traces.om"), format!("{samples}# EOF\n"))
            .expect("write the traces");
        // One large block: the default of two hours reads the whole text once for each.
        let mut promtool = Command::new(program("promtool"));
        promtool.args([
            "tsdb",
            "create-blocks-from",
            "openmetrics",
            "--quiet",
            "--max-block-duration=1000h",
        ]);
        process::run(promtool.arg(self.file("traces.om")).arg(self.file("data")));
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn api(&self, what: &str) -> String {
        format!("http://{}/api/v1/{what}", self.address())
    }
}

fn program(name: &str) -> PathBuf {
    process::program(name, &[], "prometheus")
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::trace::{Trace, clock_time, days, monday};

    #[tokio::test]
    async fn holds_a_week_as_gauge_and_as_counter() {
        let week = Trace::working_days(monday(), days(7), 80.0, 7);
        let metrics = [
            week.clone().gauge("demand{a=\"b\"}"),
            week.clone().counter("requests_total{a=\"b\"}"),
        ];
        let mut prometheus = Prometheus::holding(&metrics).await;
        let noon = clock_time(monday() + days(2), 12, 0);
        for restarted in [false, true] {
            let gauge = prometheus.query("demand{a=\"b\"}", noon).await.unwrap();
            assert!(
                (gauge - week.at(noon).unwrap()).abs() < 0.001,
                "{gauge}, restarted: {restarted}"
            );
            prometheus.restart().await;
        }
        let rate = prometheus.query("sum(rate(requests_total[5m]))", noon).await.unwrap();
        let mean =
            (0..20).filter_map(|i| week.at(noon - SignedDuration::from_secs(15) * i)).sum::<f64>()
                / 20.0;
        assert!((rate - mean).abs() < mean * 0.02, "{rate} against {mean}");
        assert_eq!(prometheus.query("demand", monday() - days(1)).await, None, "before the trace");
    }
}
