//! One HTTP client per source: credentials, TLS, limits. No error or log that starts here holds a
//! credential.

mod client;
mod login;
mod resolve;
pub(super) mod words;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822;
use reqwest::header::{AGE, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, StatusCode};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use url::Url;

use self::client::{Reach, Reloading};
use self::login::Login;
use self::words::chain;
use super::{SourceError, shorten};
use crate::config::{Secret, SourceConfig, SourceKind};

/// A client with everything that one source's configuration says about HTTP.
pub(super) struct Http {
    name: String,
    client: Reloading,
    credentials: Login,
    headers: HeaderMap,
    /// Values of parameters, which may be secret.
    parameters: Vec<Secret>,
    timeout: Duration,
    permits: Semaphore,
    /// The last `Date`, and when it came.
    date: Mutex<Option<(Timestamp, Instant)>>,
}

/// What came back, after decompression; never a redirect. A refusal's body holds no secret of ours.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) content_type: String,
    /// When the server wants to be asked again.
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Vec<u8>,
}

impl Reply {
    pub(super) fn is_unauthorized(&self) -> bool {
        matches!(self.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
    }
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
            guarded: config.from_metadata,
        };
        Ok(Self {
            name: name.into(),
            client: Reloading::new(&config.tls, reach).map_err(wrong)?,
            credentials: Login::from(&config.credentials),
            headers: header_map(&config.headers).map_err(wrong)?,
            parameters: config.parameters.values().cloned().collect(),
            timeout,
            permits: Semaphore::new(config.concurrency),
            date: Mutex::default(),
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Sends one request; waiting for a turn, connecting and reading all count toward the timeout.
    /// A body of more than `limit` bytes (after decompression) is cut off and is an error.
    pub(super) async fn fetch(
        &self,
        limit: usize,
        request: impl FnOnce(&Client) -> RequestBuilder,
    ) -> Result<Reply, SourceError> {
        let deadline = Instant::now() + self.timeout;
        let Ok(permit) = timeout_at(deadline, self.permits.acquire()).await else {
            return Err(
                self.unreachable(format!("every connection was busy for {:?}", self.timeout))
            );
        };
        let _permit = permit.map_err(|_| self.unreachable("closed".into()))?;
        match timeout_at(deadline, self.send(limit, request)).await {
            Ok(reply) => reply,
            Err(_) => {
                Err(self.unreachable(format!("no complete answer within {:?}", self.timeout)))
            }
        }
    }

    async fn send(
        &self,
        limit: usize,
        request: impl FnOnce(&Client) -> RequestBuilder,
    ) -> Result<Reply, SourceError> {
        let client = self.client.current(&self.name).await;
        let request = request(&client).headers(self.headers.clone());
        let request =
            self.credentials.apply(request).await.map_err(|cause| self.misconfigured(cause))?;
        let mut response = request.send().await.map_err(|error| self.unreachable(chain(error)))?;
        self.note_date(response.headers());
        let status = response.status();
        if status.is_redirection() {
            return Err(self.garbage(format!(
                "HTTP {} redirects elsewhere; redirects are not followed, so configure the final address",
                status.as_u16()
            )));
        }
        let content_type =
            response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let content_type = content_type.unwrap_or_default().to_owned();
        let retry_after = retry_after(response.headers());
        let mut body = Vec::new();
        while let Some(chunk) =
            response.chunk().await.map_err(|error| self.unreachable(chain(error)))?
        {
            if body.len() + chunk.len() > limit {
                if status.is_success() {
                    return Err(
                        self.garbage(format!("the answer is larger than {} MiB", limit >> 20))
                    );
                }
                // The beginning of a refusal says why.
                body.extend_from_slice(&chunk[..limit - body.len()]);
                break;
            }
            body.extend_from_slice(&chunk);
        }
        let mut reply = Reply { status, content_type, retry_after, body };
        if !status.is_success() {
            self.conceal(&mut reply).await;
        }
        if reply.is_unauthorized() {
            self.credentials.forget().await;
        }
        Ok(reply)
    }

    fn note_date(&self, headers: &HeaderMap) {
        let date = headers.get(DATE).and_then(|date| rfc2822::parse(date.to_str().ok()?).ok());
        // What comes out of a cache bears the time at which it went in.
        let date = date.filter(|_| !headers.contains_key(AGE));
        if let Some(date) = date {
            let mut latest = self.date.lock().unwrap_or_else(PoisonError::into_inner);
            *latest = Some((date.timestamp(), Instant::now()));
        }
    }

    /// What the server's clock said last, and how long ago.
    pub(super) fn server_time(&self) -> Option<(Timestamp, Duration)> {
        let latest = *self.date.lock().unwrap_or_else(PoisonError::into_inner);
        latest.map(|(date, came)| (date, came.elapsed()))
    }

    /// Takes what is secret out of a refusal that repeats what it was sent.
    async fn conceal(&self, reply: &mut Reply) {
        let mut secrets = self.credentials.secrets().await;
        let headers = self.headers.iter().filter(|(name, _)| !names_a_tenant(name));
        secrets.extend(headers.filter_map(|(_, value)| Some(Secret::new(value.to_str().ok()?))));
        // Most parameters are words like "true".
        secrets.extend(self.parameters.iter().filter(|value| value.expose().len() >= 8).cloned());
        let text = String::from_utf8_lossy(&reply.body);
        reply.body = words::without(&text, secrets.iter().map(Secret::expose)).into_bytes();
    }

    /// A refusal by 401 or 403, in its own words.
    pub(super) fn unauthorized(&self, reply: &Reply) -> SourceError {
        SourceError::Unauthorized {
            source_name: self.name.clone(),
            status: reply.status.as_u16(),
            cause: words::of_body(&reply.body),
        }
    }

    /// The server says that it cannot answer now.
    pub(super) fn unavailable(&self, reply: &Reply, cause: String) -> SourceError {
        let retry_after = reply.retry_after;
        SourceError::Unavailable { source_name: self.name.clone(), cause, retry_after }
    }

    pub(super) fn unreachable(&self, cause: String) -> SourceError {
        SourceError::Unreachable { source_name: self.name.clone(), cause: shorten(&cause) }
    }

    pub(super) fn garbage(&self, cause: String) -> SourceError {
        SourceError::InvalidResponse { source_name: self.name.clone(), cause: shorten(&cause) }
    }

    /// Status and words of a refusal.
    pub(super) fn said(reply: &Reply) -> String {
        let status = reply.status.as_u16();
        match words::of_body(&reply.body) {
            words if words.is_empty() => status.to_string(),
            words => format!("{status}, {words}"),
        }
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

fn header_map(headers: &BTreeMap<String, Secret>) -> Result<HeaderMap, String> {
    headers
        .iter()
        .map(|(name, value)| {
            let header = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| format!("\"{name}\" is no header name"))?;
            let mut value = HeaderValue::from_str(value.expose())
                .map_err(|_| format!("the value of header {name} must be visible ASCII"))?;
            value.set_sensitive(true);
            Ok((header, value))
        })
        .collect()
}

/// When a server wants to be asked again: seconds, or a date that is told from the server's own
/// clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = rfc2822::parse(text).ok()?;
    let now = rfc2822::parse(headers.get(DATE)?.to_str().ok()?).ok()?;
    Some(
        Duration::try_from(at.timestamp().duration_since(now.timestamp()))
            .unwrap_or(Duration::ZERO),
    )
}

/// A header that says whose data is meant: a refusal that repeats it is the better for it.
fn names_a_tenant(header: &HeaderName) -> bool {
    let tenants = [SourceConfig::TENANT_HEADER, "THANOS-TENANT", "AccountID", "ProjectID"];
    tenants.iter().any(|tenant| header.as_str().eq_ignore_ascii_case(tenant))
}

#[cfg(test)]
mod tests;
