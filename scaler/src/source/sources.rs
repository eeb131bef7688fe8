//! Every source by its name or address.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use url::Url;

use super::exposition::ExpositionSource;
use super::prometheus::PrometheusSource;
use super::sql::SqlSource;
use super::{MetricSource, SourceError, SourceRef};
use crate::config::{SourceConfig, SourceKind};

/// The configured sources, and one for every address that metadata names.
#[derive(Debug)]
pub struct Sources {
    named: BTreeMap<String, Arc<dyn MetricSource>>,
    by_address: Mutex<HashMap<Url, Arc<dyn MetricSource>>>,
}

impl Sources {
    /// Builds the configured sources; the error names the first that cannot work. Nothing is
    /// connected yet.
    pub fn new(configs: &BTreeMap<String, SourceConfig>) -> Result<Self, SourceError> {
        let mut named = BTreeMap::new();
        for (name, config) in configs {
            named.insert(name.clone(), build(name, config)?);
        }
        Ok(Self { named, by_address: Mutex::default() })
    }

    /// The source a trigger reads. An address must have passed the allow-list already; the same
    /// address gives the same source, and one that nobody holds any more makes room for others.
    pub fn resolve(&self, source: &SourceRef) -> Result<Arc<dyn MetricSource>, SourceError> {
        match source {
            SourceRef::Named(name) => {
                self.named.get(name).cloned().ok_or_else(|| self.unknown(name))
            }
            SourceRef::Address(url) => self.at_address(url),
            // Not ours to reach: whoever has access to the cluster builds it.
            SourceRef::ExternalMetrics => Err(SourceError::Misconfigured {
                source_name: "external metrics".to_owned(),
                cause: "is read through the Kubernetes API alone".to_owned(),
            }),
        }
    }

    fn at_address(&self, url: &Url) -> Result<Arc<dyn MetricSource>, SourceError> {
        let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(source) = by_address.get(url) {
            return Ok(source.clone());
        }
        let name = format!("{}{}", url.origin().ascii_serialization(), url.path());
        let wrong = |cause: String| SourceError::Misconfigured { source_name: name.clone(), cause };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong(
                "an address in metadata must not hold a user or password; configure a source"
                    .into(),
            ));
        }
        if by_address.len() >= MAX_ADDRESSES {
            by_address.retain(|_, source| Arc::strong_count(source) > 1);
        }
        if by_address.len() >= MAX_ADDRESSES {
            return Err(wrong(format!(
                "{MAX_ADDRESSES} addresses are in use already; configure sources by name"
            )));
        }
        let source = build(&name, &anonymous(url))?;
        by_address.insert(url.clone(), source.clone());
        Ok(source)
    }

    fn unknown(&self, name: &str) -> SourceError {
        let known: Vec<_> = self.named.keys().map(String::as_str).collect();
        let known = if known.is_empty() { "none".into() } else { known.join(", ") };
        SourceError::Misconfigured {
            source_name: name.into(),
            cause: format!("not configured; known sources: {known}"),
        }
    }
}

fn build(name: &str, config: &SourceConfig) -> Result<Arc<dyn MetricSource>, SourceError> {
    if config.urls.iter().any(|url| !matches!(url.scheme(), "http" | "https")) {
        let cause = "url must begin with http:// or https://".into();
        return Err(SourceError::Misconfigured { source_name: name.into(), cause });
    }
    match config.kind {
        SourceKind::Prometheus => Ok(Arc::new(PrometheusSource::new(name, config)?)),
        SourceKind::Exposition => Ok(Arc::new(ExpositionSource::new(name, config)?)),
        SourceKind::Sql => Ok(Arc::new(SqlSource::new(name, config)?)),
    }
}

/// How an address from metadata is read: no credentials, defaults for the rest.
fn anonymous(url: &Url) -> SourceConfig {
    let scraped = url.path().trim_end_matches('/').ends_with("/metrics");
    let kind = if scraped { SourceKind::Exposition } else { SourceKind::Prometheus };
    // A name that says by itself that it is this machine was written out by the operator.
    let local = url.host_str().is_some_and(|host| host == "localhost");
    SourceConfig {
        concurrency: 4,
        from_metadata: !local,
        ..SourceConfig::new(kind, vec![url.clone()])
    }
}

/// Each costs a connection pool; a cluster has a few Prometheus servers.
const MAX_ADDRESSES: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SourceTls;

    fn config(kind: SourceKind, url: &str) -> SourceConfig {
        SourceConfig { kind, ..anonymous(&url.parse().unwrap()) }
    }

    fn sources() -> Sources {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Sources::new(&BTreeMap::from([
            ("default".into(), config(SourceKind::Prometheus, "http://prometheus:9090")),
            ("pods".into(), config(SourceKind::Exposition, "http://pods/metrics")),
        ]))
        .unwrap()
    }

    fn address(url: &str) -> SourceRef {
        SourceRef::Address(url.parse().unwrap())
    }

    #[test]
    fn a_named_source_is_found_and_an_unknown_one_told_with_the_known() {
        let sources = sources();
        assert!(sources.resolve(&SourceRef::Named("default".into())).unwrap().has_history());
        let error = sources.resolve(&SourceRef::Named("defualt".into())).unwrap_err();
        assert_eq!(
            error.to_string(),
            "source defualt: not configured; known sources: default, pods"
        );
    }

    #[test]
    fn an_address_gives_one_source_and_never_takes_a_password() {
        let sources = sources();
        let one = sources.resolve(&address("http://prometheus.team-a:9090/prefix")).unwrap();
        let two = sources.resolve(&address("http://prometheus.team-a:9090/prefix")).unwrap();
        assert!(Arc::ptr_eq(&one, &two));
        let scraped = sources.resolve(&address("http://llama.team-a:8000/metrics")).unwrap();
        assert!(one.has_history() && !scraped.has_history());
        let error =
            sources.resolve(&address("http://me:hunter2@prometheus:9090")).unwrap_err().to_string();
        assert!(
            error.starts_with("source http://prometheus:9090/: an address in metadata must not"),
            "{error}"
        );
        assert!(!error.contains("hunter2"));
    }

    #[test]
    fn addresses_are_bounded_and_make_room_when_nobody_holds_them() {
        let sources = sources();
        let nth = |n: usize| sources.resolve(&address(&format!("http://prometheus-{n}:9090")));
        let held: Vec<_> = (0..MAX_ADDRESSES).map(|n| nth(n).unwrap()).collect();
        assert_eq!(nth(MAX_ADDRESSES).unwrap_err().kind(), "misconfigured");
        drop(held);
        assert!(nth(MAX_ADDRESSES).is_ok());
    }

    #[test]
    fn what_cannot_work_is_told_at_the_start() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let refused = |config: SourceConfig| {
            Sources::new(&BTreeMap::from([("a".into(), config)])).unwrap_err().to_string()
        };
        let good = || config(SourceKind::Prometheus, "http://prometheus:9090");
        assert_eq!(
            refused(config(SourceKind::Prometheus, "ftp://prometheus")),
            "source a: url must begin with http:// or https://"
        );
        assert_eq!(
            refused(config(SourceKind::Prometheus, "http://prometheus/api/v1/")),
            "source a: url must end before /api/v1"
        );
        assert_eq!(
            refused(SourceConfig { urls: Vec::new(), ..good() }),
            "source a: url must be exactly one address, not 0"
        );
        assert_eq!(
            refused(SourceConfig { concurrency: 0, ..good() }),
            "source a: concurrency must be at least 1"
        );
        let missing = SourceTls { ca: Some("/nowhere/ca.pem".into()), ..SourceTls::default() };
        assert!(
            refused(SourceConfig { tls: missing, ..good() })
                .starts_with("source a: cannot read /nowhere/ca.pem: ")
        );
        let half = SourceTls { cert: Some("/nowhere/tls.crt".into()), ..SourceTls::default() };
        assert_eq!(
            refused(SourceConfig { tls: half, ..good() }),
            "source a: a client certificate needs both cert and key"
        );
    }
}
