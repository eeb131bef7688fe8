//! Series that a Prometheus holds as blocks and an endpoint exposes as text, from one description.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use jiff::{SignedDuration, Timestamp};
use prewarm::config::{SourceConfig, SourceKind};
use prewarm::source::{MetricSource, SourceRef, Sources};
use prewarm_tests::prometheus::Prometheus;
use tokio::sync::watch;

/// Values of `name{label="value"}` at even steps that end at [`now`].
#[derive(Debug, Clone)]
pub(super) struct Row {
    /// As exposition text writes it.
    pub(super) series: String,
    /// NaN stands for NaN.
    pub(super) values: Vec<f64>,
}

/// Thirteen seconds apart, so that no range in whole minutes ends on a scrape: there, versions 2
/// and 3 of Prometheus differ.
const STEP: SignedDuration = SignedDuration::from_secs(13);
pub(super) const SCRAPES: usize = 20;

/// The instant of the last scrape.
pub(super) fn now() -> Timestamp {
    "2026-11-02T12:00:07Z".parse().unwrap()
}

fn instant(scrape: usize) -> Timestamp {
    now() - STEP * (SCRAPES - 1 - scrape) as i32
}

/// A Prometheus that holds the rows.
pub(super) async fn prometheus(rows: &[Row]) -> Prometheus {
    let mut text = String::new();
    for row in rows {
        for (scrape, value) in row.values.iter().enumerate() {
            let seconds = instant(scrape).as_millisecond() as f64 / 1000.0;
            writeln!(text, "{} {value:?} {seconds:.3}", row.series).unwrap();
        }
    }
    Prometheus::holding_text(&text).await
}

/// An endpoint that exposes the rows, one scrape after the other.
pub(super) struct Endpoint {
    address: SocketAddr,
    scrape: watch::Sender<usize>,
}

impl Endpoint {
    pub(super) async fn exposing(rows: &[Row]) -> Self {
        let (scrape, current) = watch::channel(0);
        let rows: Arc<[Row]> = rows.into();
        let text = move || {
            let (rows, scrape) = (rows.clone(), *current.borrow());
            async move {
                rows.iter()
                    .map(|row| format!("{} {:?}\n", row.series, row.values[scrape]))
                    .collect::<String>()
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            axum::serve(listener, Router::new().route("/metrics", get(text))).await
        });
        Self { address, scrape }
    }

    /// Calls `sample` with every scrape's instant, in order; the last result.
    pub(super) async fn play<T, F: Future<Output = T>>(
        &self,
        mut sample: impl FnMut(Timestamp) -> F,
    ) -> T {
        let mut last = None;
        for scrape in 0..SCRAPES {
            self.scrape.send_replace(scrape);
            last = Some(sample(instant(scrape)).await);
        }
        last.unwrap()
    }

    /// As [`Self::play`], for several endpoints that are scraped at once.
    pub(super) async fn play_all<T, F: Future<Output = T>>(
        endpoints: &[Self],
        mut sample: impl FnMut(Timestamp) -> F,
    ) -> T {
        let mut last = None;
        for scrape in 0..SCRAPES {
            for endpoint in endpoints {
                endpoint.scrape.send_replace(scrape);
            }
            last = Some(sample(instant(scrape)).await);
        }
        last.unwrap()
    }

    /// One source over several endpoints.
    pub(super) fn source_over(endpoints: &[Self]) -> Arc<dyn MetricSource> {
        prewarm_tests::install_crypto();
        let urls = endpoints
            .iter()
            .map(|endpoint| format!("http://{}/metrics", endpoint.address).parse().unwrap());
        let config = SourceConfig::new(SourceKind::Exposition, urls.collect());
        let sources = Sources::new(&BTreeMap::from([("pods".into(), config)])).unwrap();
        sources.resolve(&SourceRef::Named("pods".into())).unwrap()
    }

    pub(super) fn source(&self) -> Arc<dyn MetricSource> {
        prewarm_tests::install_crypto();
        let url = format!("http://{}/metrics", self.address).parse().unwrap();
        Sources::new(&BTreeMap::new()).unwrap().resolve(&SourceRef::Address(url)).unwrap()
    }
}

/// The server as a source of ours.
pub(super) fn source(prometheus: &Prometheus) -> Arc<dyn MetricSource> {
    prewarm_tests::install_crypto();
    let url = format!("http://{}", prometheus.address()).parse().unwrap();
    let config = SourceConfig {
        timeout: SignedDuration::from_secs(2),
        concurrency: 4,
        ..SourceConfig::new(SourceKind::Prometheus, vec![url])
    };
    let sources = Sources::new(&BTreeMap::from([("default".into(), config)])).unwrap();
    sources.resolve(&SourceRef::Named("default".into())).unwrap()
}
