//! The HTTP client of a source with its certificates, built anew when their files change.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use reqwest::{Certificate, Client, Identity, redirect};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::resolve::Guarded;
use super::words::chain;
use crate::config::SourceTls;

/// How addresses are reached.
#[derive(Clone, Copy)]
pub(super) struct Reach {
    /// Some of them with TLS.
    pub(super) encrypted: bool,
    /// Past any proxy of the environment, which has no way to pods.
    pub(super) direct: bool,
    /// By a name out of metadata: where it leads is looked at.
    pub(super) guarded: bool,
}

/// A client that is built anew when its certificate files change.
pub(super) struct Reloading {
    tls: SourceTls,
    reach: Reach,
    client: ArcSwap<Client>,
    seen: Mutex<(Instant, Vec<Option<SystemTime>>)>,
}

impl Reloading {
    pub(super) fn new(tls: &SourceTls, reach: Reach) -> Result<Self, String> {
        let stamps = stamps(tls);
        Ok(Self {
            tls: tls.clone(),
            reach,
            client: ArcSwap::from_pointee(build(tls, reach)?),
            seen: Mutex::new((Instant::now(), stamps)),
        })
    }

    pub(super) async fn current(&self, source: &str) -> Arc<Client> {
        // Whoever finds the lock taken uses the client that is there.
        if let Ok(mut seen) = self.seen.try_lock()
            && seen.0.elapsed() >= CERTIFICATE_AGE
        {
            seen.0 = Instant::now();
            let (tls, reach, before) = (self.tls.clone(), self.reach, seen.1.clone());
            let rebuilt = tokio::task::spawn_blocking(move || {
                let now = stamps(&tls);
                (now != before).then(|| (build(&tls, reach), now))
            });
            if let Ok(Some((client, now))) = rebuilt.await {
                seen.1 = now;
                match client {
                    Ok(client) => self.client.store(Arc::new(client)),
                    // They may be half written; the next change is looked at again.
                    Err(cause) => tracing::warn!(
                        source.name = source,
                        error.message = cause,
                        "changed certificates cannot be used; going on with those from before"
                    ),
                }
            }
        }
        self.client.load_full()
    }
}

fn stamps(tls: &SourceTls) -> Vec<Option<SystemTime>> {
    [&tls.ca, &tls.cert, &tls.key]
        .into_iter()
        .flatten()
        .map(|path| std::fs::metadata(path).and_then(|file| file.modified()).ok())
        .collect()
}

fn build(tls: &SourceTls, reach: Reach) -> Result<Client, String> {
    let read = |path: &PathBuf| {
        std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))
    };
    let mut builder = Client::builder()
        .user_agent(concat!("prewarm/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(IDLE_TIMEOUT);
    if let Some(path) = &tls.ca {
        let roots = Certificate::from_pem_bundle(&read(path)?).unwrap_or_default();
        if roots.is_empty() {
            return Err(format!("{} holds no PEM certificate", path.display()));
        }
        builder = builder.tls_certs_merge(roots);
    } else if !reach.encrypted {
        // The system's roots are missing in an empty image, and plain HTTP needs none.
        builder = builder.tls_certs_only([]);
    }
    if reach.guarded {
        builder = builder.dns_resolver(Arc::new(Guarded));
    }
    if reach.direct {
        builder = builder.no_proxy();
    }
    match (&tls.cert, &tls.key) {
        (Some(cert), Some(key)) => {
            let mut pem = read(cert)?;
            pem.push(b'\n');
            pem.extend(read(key)?);
            let identity = Identity::from_pem(&pem).map_err(|_| {
                format!("{} and {} hold no PEM certificate with key", cert.display(), key.display())
            })?;
            builder = builder.identity(identity);
        }
        (None, None) => {}
        _ => return Err("a client certificate needs both cert and key".into()),
    }
    builder.tls_danger_accept_invalid_certs(tls.insecure_skip_verify).build().map_err(chain)
}

/// Certificates are renewed days before they expire.
pub(super) const CERTIFICATE_AGE: Duration = Duration::from_secs(60);
/// A peer that does not take a connection in this time is down; the rest of the timeout is for its
/// answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longer than a slot, so that connections live from slot to slot; shorter than common servers' own
/// limits.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);
