//! One HTTP client per source: credentials, TLS, limits. No error or log that starts here holds a credential.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Client, Identity, RequestBuilder, StatusCode, redirect};
use tokio::sync::{Mutex, Semaphore};
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::{SourceError, shorten};
use crate::config::{Credentials, Secret, SourceConfig, SourceKind, SourceTls};

/// A client with everything that one source's configuration says about HTTP.
pub(super) struct Http {
    name: String,
    client: Reloading,
    credentials: Login,
    headers: HeaderMap,
    timeout: Duration,
    permits: Semaphore,
}

/// What came back, after decompression; never a redirect, never 401 or 403.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) content_type: String,
    pub(super) body: Vec<u8>,
}

impl Http {
    pub(super) fn new(name: &str, config: &SourceConfig) -> Result<Self, SourceError> {
        let wrong = |cause: String| SourceError::Misconfigured { source_name: name.into(), cause };
        let timeout = Duration::try_from(config.timeout)
            .ok()
            .filter(|timeout| !timeout.is_zero())
            .ok_or_else(|| wrong("timeout must be more than 0s".into()))?;
        if config.concurrency == 0 {
            return Err(wrong("concurrency must be at least 1".into()));
        }
        let reach = Reach {
            encrypted: config.urls.iter().any(|url| url.scheme() == "https"),
            direct: config.kind == SourceKind::Exposition,
        };
        Ok(Self {
            name: name.into(),
            client: Reloading::new(&config.tls, reach).map_err(wrong)?,
            credentials: Login::from(&config.credentials),
            headers: header_map(&config.headers).map_err(wrong)?,
            timeout,
            permits: Semaphore::new(config.concurrency),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Sends one request; waiting for a turn, connecting and reading all count towards the timeout. A body of more
    /// than `limit` bytes (after decompression) is cut off and is an error.
    pub(super) async fn fetch(
        &self,
        limit: usize,
        request: impl FnOnce(&Client) -> RequestBuilder,
    ) -> Result<Reply, SourceError> {
        let deadline = Instant::now() + self.timeout;
        let Ok(permit) = timeout_at(deadline, self.permits.acquire()).await else {
            return Err(self.unreachable(format!("every connection was busy for {:?}", self.timeout)));
        };
        let _permit = permit.map_err(|_| self.unreachable("closed".into()))?;
        match timeout_at(deadline, self.send(limit, request)).await {
            Ok(reply) => reply,
            Err(_) => Err(self.unreachable(format!("no complete answer within {:?}", self.timeout))),
        }
    }

    async fn send(&self, limit: usize, request: impl FnOnce(&Client) -> RequestBuilder) -> Result<Reply, SourceError> {
        let client = self.client.current(&self.name).await;
        let request = request(&client).headers(self.headers.clone());
        let request = self.credentials.apply(request).await.map_err(|cause| self.misconfigured(cause))?;
        let mut response = request.send().await.map_err(|error| self.unreachable(chain(error)))?;
        let status = response.status();
        if status == StatusCode::UNAUTHORIZED || status == StatusCode::FORBIDDEN {
            self.credentials.forget().await;
            return Err(SourceError::Unauthorized { source_name: self.name.clone(), status: status.as_u16() });
        }
        if status.is_redirection() {
            return Err(self.garbage(format!(
                "HTTP {} redirects elsewhere; redirects are not followed, so configure the final address",
                status.as_u16()
            )));
        }
        let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let content_type = content_type.unwrap_or_default().to_owned();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.unreachable(chain(error)))? {
            if body.len() + chunk.len() > limit {
                return Err(self.garbage(format!("the answer is larger than {} MiB", limit >> 20)));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Reply { status, content_type, body })
    }

    pub(super) fn unreachable(&self, cause: String) -> SourceError {
        SourceError::Unreachable { source_name: self.name.clone(), cause: shorten(&cause) }
    }

    pub(super) fn garbage(&self, cause: String) -> SourceError {
        SourceError::Garbage { source_name: self.name.clone(), cause: shorten(&cause) }
    }

    pub(super) fn bad_query(&self, cause: String) -> SourceError {
        SourceError::BadQuery { source_name: self.name.clone(), cause: shorten(&cause) }
    }

    fn misconfigured(&self, cause: String) -> SourceError {
        SourceError::Misconfigured { source_name: self.name.clone(), cause: shorten(&cause) }
    }
}

/// `base` with `segments` behind its own path, so that `http://mimir/prometheus` keeps its prefix.
pub(super) fn join(base: &Url, segments: &[&str]) -> Option<Url> {
    let mut url = base.clone();
    url.path_segments_mut().ok()?.pop_if_empty().extend(segments);
    url.set_fragment(None);
    Some(url)
}

/// Credentials as they are sent; files are read anew.
enum Login {
    None,
    Bearer(Secret),
    BearerFile(SecretFile),
    Basic { user: String, password: Secret },
    BasicFile { user: String, password: SecretFile },
}

impl From<&Credentials> for Login {
    fn from(credentials: &Credentials) -> Self {
        match credentials {
            Credentials::None => Self::None,
            Credentials::Bearer(token) => Self::Bearer(token.clone()),
            Credentials::BearerFile(path) => Self::BearerFile(SecretFile::new(path)),
            Credentials::Basic { user, password } => Self::Basic { user: user.clone(), password: password.clone() },
            Credentials::BasicFile { user, password_file } => {
                Self::BasicFile { user: user.clone(), password: SecretFile::new(password_file) }
            }
        }
    }
}

impl Login {
    async fn apply(&self, request: RequestBuilder) -> Result<RequestBuilder, String> {
        Ok(match self {
            Self::None => request,
            Self::Bearer(token) => request.bearer_auth(token.expose()),
            Self::BearerFile(file) => request.bearer_auth(file.read().await?.expose()),
            Self::Basic { user, password } => request.basic_auth(user, Some(password.expose())),
            Self::BasicFile { user, password } => request.basic_auth(user, Some(password.read().await?.expose())),
        })
    }

    async fn forget(&self) {
        if let Self::BearerFile(file) | Self::BasicFile { password: file, .. } = self {
            *file.last.lock().await = None;
        }
    }
}

/// A file with a secret, read again every few seconds: mounted tokens rotate.
struct SecretFile {
    path: PathBuf,
    last: Mutex<Option<(Instant, Secret)>>,
}

impl SecretFile {
    fn new(path: &Path) -> Self {
        Self { path: path.into(), last: Mutex::new(None) }
    }

    async fn read(&self) -> Result<Secret, String> {
        let mut last = self.last.lock().await;
        if let Some((when, secret)) = &*last
            && when.elapsed() < SECRET_AGE
        {
            return Ok(secret.clone());
        }
        let text = tokio::fs::read_to_string(&self.path)
            .await
            .map_err(|error| format!("cannot read {}: {error}", self.path.display()))?;
        if text.trim().is_empty() {
            return Err(format!("{} is empty", self.path.display()));
        }
        let secret = Secret::new(text.trim());
        *last = Some((Instant::now(), secret.clone()));
        Ok(secret)
    }
}

/// How addresses are reached.
#[derive(Clone, Copy)]
struct Reach {
    /// Some of them with TLS.
    encrypted: bool,
    /// Past any proxy of the environment, which has no way to pods.
    direct: bool,
}

/// A client that is built anew when its certificate files change.
struct Reloading {
    tls: SourceTls,
    reach: Reach,
    client: ArcSwap<Client>,
    seen: Mutex<(Instant, Vec<Option<SystemTime>>)>,
}

impl Reloading {
    fn new(tls: &SourceTls, reach: Reach) -> Result<Self, String> {
        let stamps = stamps(tls);
        Ok(Self {
            tls: tls.clone(),
            reach,
            client: ArcSwap::from_pointee(build(tls, reach)?),
            seen: Mutex::new((Instant::now(), stamps)),
        })
    }

    async fn current(&self, source: &str) -> Arc<Client> {
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
    let read = |path: &PathBuf| std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()));
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
    if reach.direct {
        builder = builder.no_proxy();
    }
    match (&tls.cert, &tls.key) {
        (Some(cert), Some(key)) => {
            let mut pem = read(cert)?;
            pem.push(b'\n');
            pem.extend(read(key)?);
            let identity = Identity::from_pem(&pem)
                .map_err(|_| format!("{} and {} hold no PEM certificate with key", cert.display(), key.display()))?;
            builder = builder.identity(identity);
        }
        (None, None) => {}
        _ => return Err("a client certificate needs both cert and key".into()),
    }
    builder.tls_danger_accept_invalid_certs(tls.insecure_skip_verify).build().map_err(chain)
}

fn header_map(headers: &BTreeMap<String, Secret>) -> Result<HeaderMap, String> {
    headers
        .iter()
        .map(|(name, value)| {
            let header =
                HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("\"{name}\" is no header name"))?;
            let mut value = HeaderValue::from_str(value.expose())
                .map_err(|_| format!("the value of header {name} must be visible ASCII"))?;
            value.set_sensitive(true);
            Ok((header, value))
        })
        .collect()
}

/// An error with its causes and without the URL, which may hold a password.
fn chain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let words = inner.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = inner.source();
    }
    text
}

/// Kubelets replace a projected token long before it expires; a few seconds late is early enough.
const SECRET_AGE: Duration = Duration::from_secs(5);
/// Certificates are renewed days before they expire.
const CERTIFICATE_AGE: Duration = Duration::from_secs(60);
/// A peer that does not take a connection in this time is down; the rest of the timeout is for its answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longer than a slot, so that connections live from slot to slot; shorter than common servers' own limits.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);

#[cfg(test)]
mod tests;
