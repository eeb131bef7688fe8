//! One scrape of all endpoints, in parallel, all or nothing.

use std::collections::{BTreeSet, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures::future::{join_all, try_join_all};
use reqwest::header::{ACCEPT, HOST};
use url::{Host, Url};

use super::text::{Format, Sample, parse};
use super::window::{Labels, Scraped};
use crate::config::SourceConfig;
use crate::source::SourceError;
use crate::source::error::may_pass;
use crate::source::http::{Http, Reply};

/// The endpoints of one source.
pub(super) struct Scraper {
    http: Http,
    urls: Vec<Url>,
}

/// One address of an endpoint.
struct Target {
    url: Url,
    /// What the server shall think it was asked as, where `url` names its address.
    host: Option<String>,
    instance: String,
}

impl Scraper {
    pub(super) fn new(name: &str, config: &SourceConfig) -> Result<Self, SourceError> {
        if config.urls.is_empty() || config.urls.len() > MAX_TARGETS {
            let cause =
                format!("url must be 1 to {MAX_TARGETS} addresses, not {}", config.urls.len());
            return Err(SourceError::Misconfigured { source_name: name.into(), cause });
        }
        Ok(Self { http: Http::new(name, config)?, urls: config.urls.clone() })
    }

    pub(super) fn name(&self) -> &str {
        self.http.name()
    }

    /// The samples of these metrics at every endpoint.
    pub(super) async fn scrape(
        &self,
        wanted: impl Iterator<Item = &str>,
    ) -> Result<Vec<Scraped>, SourceError> {
        let wanted: Arc<HashSet<String>> = Arc::new(wanted.map(str::to_owned).collect());
        let targets = try_join_all(self.urls.iter().map(|url| self.targets(url))).await?;
        let targets: Vec<Target> = targets.into_iter().flatten().collect();
        if targets.len() > MAX_TARGETS {
            return Err(self
                .http
                .garbage(format!("{} endpoints, more than {MAX_TARGETS}", targets.len())));
        }
        // All of them to the end, so that every connection can be used again.
        let scrapes =
            join_all(targets.iter().map(|target| self.fetch(target, wanted.clone()))).await;
        let mut samples = Vec::new();
        for scrape in scrapes {
            samples.extend(scrape?);
        }
        if samples.len() > MAX_SERIES {
            let cause = format!(
                "{} series of the metrics asked for, more than {MAX_SERIES}",
                samples.len()
            );
            return Err(self.http.garbage(cause));
        }
        Ok(samples)
    }

    /// Every address behind the name of a plain HTTP endpoint. With TLS the name is what the
    /// certificate is for.
    async fn targets(&self, url: &Url) -> Result<Vec<Target>, SourceError> {
        let port = url.port_or_known_default().unwrap_or(80);
        let host = match url.host() {
            Some(Host::Domain(host)) if url.scheme() == "http" => host.to_owned(),
            host => {
                let instance =
                    format!("{}:{port}", host.map(|host| host.to_string()).unwrap_or_default());
                return Ok(vec![Target { url: url.clone(), host: None, instance }]);
            }
        };
        let found = tokio::time::timeout(
            self.http.timeout(),
            tokio::net::lookup_host((host.as_str(), port)),
        )
        .await;
        let addresses: BTreeSet<IpAddr> = match found {
            Err(_) => return Err(self.http.unreachable(format!("{host} is not resolved in time"))),
            Ok(Err(error)) => return Err(self.http.unreachable(format!("{host}: {error}"))),
            Ok(Ok(addresses)) => addresses.map(|address| address.ip()).collect(),
        };
        if addresses.is_empty() {
            return Err(self.http.unreachable(format!("{host} has no address")));
        }
        // A pod of a dual-stack cluster has one address of each kind.
        let version_4 = addresses.iter().any(IpAddr::is_ipv4);
        let each =
            addresses.into_iter().filter(|address| address.is_ipv4() == version_4).map(|address| {
                let mut at_address = url.clone();
                let _ = at_address.set_ip_host(address);
                Target {
                    url: at_address,
                    host: Some(format!("{host}:{port}")),
                    instance: SocketAddr::new(address, port).to_string(),
                }
            });
        Ok(each.collect())
    }

    /// Why an answer is no exposition, by its status and in its words.
    fn refusal(&self, reply: &Reply) -> Option<SourceError> {
        let said = Http::said(reply);
        match reply.status.as_u16() {
            200 => None,
            401 | 403 => Some(self.http.unauthorized(reply)),
            _ if may_pass(reply.status) => {
                Some(self.http.unavailable(reply, format!("HTTP {said}")))
            }
            _ => Some(self.http.garbage(format!("HTTP {said}; is it the path of its metrics?"))),
        }
    }

    async fn fetch(
        &self,
        target: &Target,
        wanted: Arc<HashSet<String>>,
    ) -> Result<Vec<Scraped>, SourceError> {
        let named = |error: SourceError| error.at_endpoint(&target.instance);
        let reply = self.http.fetch(BODY_LIMIT, |client| {
            let request = client.get(target.url.clone()).header(ACCEPT, FORMATS);
            match &target.host {
                Some(host) => request.header(HOST, host),
                None => request,
            }
        });
        let reply = reply.await.map_err(named)?;
        if let Some(refusal) = self.refusal(&reply) {
            return Err(named(refusal));
        }
        let (format, instance) = (Format::of(&reply.content_type), target.instance.clone());
        // Megabytes of text would keep an async worker from its other work.
        let read =
            tokio::task::spawn_blocking(move || read(&reply.body, format, &wanted, &instance))
                .await;
        read.map_err(|error| error.to_string())
            .flatten()
            .map_err(|cause| named(self.http.garbage(cause)))
    }
}

pub(super) fn read(
    body: &[u8],
    format: Format,
    wanted: &HashSet<String>,
    instance: &str,
) -> Result<Vec<Scraped>, String> {
    let text = std::str::from_utf8(body).map_err(|error| {
        let line = body[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("line {line}: not UTF-8")
    })?;
    let mut samples = Vec::new();
    parse(
        text,
        format,
        |name| wanted.contains(name),
        |sample| samples.push(scraped(sample, instance)),
    )
    .map_err(|error| error.to_string())?;
    Ok(samples)
}

/// With the labels that a Prometheus would store: empty ones are none, and `instance` is ours.
fn scraped(sample: Sample<'_>, instance: &str) -> Scraped {
    let mut labels: Labels = sample
        .labels
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(label, value)| {
            let label =
                if label == "instance" { "exported_instance".into() } else { label.into_owned() };
            (label, value.into_owned())
        })
        .collect();
    labels.push(("instance".into(), instance.into()));
    labels.sort();
    Scraped { metric: sample.name.into_owned(), labels, value: sample.value }
}

/// Prometheus' own preference: in OpenMetrics some libraries name counters differently, and names
/// must agree.
const FORMATS: &str = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                       text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
/// An engine exposes about 1 MB.
const BODY_LIMIT: usize = 16 << 20;
/// Pods behind one name; beyond, a Prometheus is the better place.
const MAX_TARGETS: usize = 256;
/// Some 10 MB of window.
const MAX_SERIES: usize = 20_000;
