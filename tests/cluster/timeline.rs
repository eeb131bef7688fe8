//! What happened, as CSV and SVG.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::time::MissedTickBehavior;

use crate::history::now;
use crate::workload::{DeploymentStatus, Workload};

/// One row a look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    /// Seconds since the recording began.
    pub(crate) at: f64,
    /// Requests that arrive in a second.
    pub(crate) demand: f64,
    /// The metric as exposed.
    pub(crate) metric: f64,
    /// The Deployment.
    pub(crate) status: DeploymentStatus,
}

/// A recording of one workload.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    /// Its rows, oldest first.
    pub(crate) rows: Vec<Row>,
}

impl Timeline {
    /// Looks every 250 ms until `until`; what arrives and what the gateway exposes is said by
    /// `load` at each look.
    pub(crate) async fn record(
        workload: &Workload,
        until: Timestamp,
        mut load: impl FnMut(f64, DeploymentStatus) -> (f64, f64),
    ) -> Self {
        let begun = Instant::now();
        let mut rows = Vec::new();
        let mut looks = tokio::time::interval(Duration::from_millis(250));
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while now() < until {
            looks.tick().await;
            if let Some(status) = workload.status().await {
                let at = begun.elapsed().as_secs_f64();
                let (demand, metric) = load(at, status);
                rows.push(Row { at, demand, metric, status });
            }
        }
        Self { rows }
    }

    /// Replicas that were Ready when the first request came.
    pub(crate) fn ready_at_start(&self) -> Option<i64> {
        self.rows.iter().find(|row| row.demand > 0.0).map(|row| row.status.ready)
    }

    /// Pods times seconds, Ready or not: what is paid for.
    pub(crate) fn gpu_seconds(&self) -> f64 {
        self.rows
            .windows(2)
            .map(|pair| pair[0].status.pods as f64 * (pair[1].at - pair[0].at))
            .sum()
    }

    /// Writes `NAME.csv` and `NAME.svg` into `dir`; `threshold` is the demand that one replica
    /// carries.
    pub(crate) fn keep(&self, dir: &Path, name: &str, threshold: f64) {
        let mut csv = "seconds,demand,metric,desired,pods,ready\n".to_owned();
        for Row { at, demand, metric, status } in &self.rows {
            writeln!(
                csv,
                "{at:.2},{demand:.2},{metric:.2},{},{},{}",
                status.desired, status.pods, status.ready
            )
            .expect("a string");
        }
        std::fs::write(dir.join(format!("{name}.csv")), csv).expect("write the timeline");
        std::fs::write(dir.join(format!("{name}.svg")), self.svg(name, threshold))
            .expect("write the drawing");
    }

    /// Demand in replicas, replicas asked for and Ready.
    fn svg(&self, name: &str, threshold: f64) -> String {
        let (width, height, left, bottom) = (900.0, 260.0, 40.0, 30.0);
        let end = self.rows.last().map_or(1.0, |row| row.at.max(1.0));
        let lines =
            [("demand / threshold", "#888888"), ("desired", "#d08000"), ("ready", "#0060c0")];
        let height_of = |row: &Row| {
            [row.demand / threshold, row.status.desired as f64, row.status.ready as f64]
        };
        let values = self.rows.iter().flat_map(height_of);
        let most = values.filter(|value| value.is_finite()).fold(1.0, f64::max);
        let x = |at: f64| left + at / end * (width - left - 10.0);
        let y = |value: f64| height - bottom - value / most * (height - bottom - 30.0);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"11\">\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n<text x=\"{left}\" y=\"14\">{name}</text>\n"
        );
        for (i, (label, color)) in lines.iter().enumerate() {
            let rows = self
                .rows
                .iter()
                .map(|row| (row.at, height_of(row)[i]))
                .filter(|(_, value)| value.is_finite());
            let points: Vec<String> =
                rows.map(|(at, value)| format!("{:.1},{:.1}", x(at), y(value))).collect();
            let points = points.join(" ");
            let at = left + 300.0 + 140.0 * i as f64;
            writeln!(svg, "<polyline fill=\"none\" stroke=\"{color}\" points=\"{points}\"/>")
                .expect("a string");
            writeln!(svg, "<text x=\"{at}\" y=\"14\" fill=\"{color}\">{label}</text>")
                .expect("a string");
        }
        for value in 0..=most.ceil() as u32 {
            writeln!(svg, "<text x=\"10\" y=\"{:.1}\">{value}</text>", y(f64::from(value)) + 4.0)
                .expect("a string");
        }
        writeln!(svg, "<text x=\"{left}\" y=\"{}\">0 to {end:.0} s</text>\n</svg>", height - 8.0)
            .expect("a string");
        svg
    }
}
