//! Process configuration: TOML and environment, parsed to meaning. Secrets are redacted in `Debug`.

mod allow;
pub mod duration;

pub use allow::{AddressPattern, Allow};

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use jiff::SignedDuration;
use url::Url;

/// Text that never shows in `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

/// What kind of thing a source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// Prometheus HTTP API, or anything that speaks it (Thanos, Mimir, VictoriaMetrics).
    Prometheus,
    /// Exposition text, scraped directly from one or more endpoints.
    Exposition,
    /// A SQL database.
    Sql,
    /// Another trigger of the same ScaledObject, read through KEDA.
    Keda,
}

/// Credentials of a source; files are read again when they change (rotated tokens).
#[derive(Debug, Clone, Default)]
pub enum Credentials {
    /// None.
    #[default]
    None,
    /// Bearer token from a file.
    BearerFile(PathBuf),
    /// Bearer token from the environment.
    Bearer(Secret),
    /// Basic authentication.
    Basic {
        /// User name.
        user: String,
        /// Password.
        password: Secret,
    },
    /// Basic authentication, password from a file.
    BasicFile {
        /// User name.
        user: String,
        /// Password file.
        password_file: PathBuf,
    },
}

/// TLS settings of a source.
#[derive(Debug, Clone, Default)]
pub struct SourceTls {
    /// Additional roots (PEM).
    pub ca: Option<PathBuf>,
    /// Client certificate (PEM).
    pub cert: Option<PathBuf>,
    /// Client key (PEM).
    pub key: Option<PathBuf>,
    /// Skip verification; for tests.
    pub insecure_skip_verify: bool,
}

/// One named source.
#[derive(Debug, Clone)]
pub struct SourceConfig {
    /// What it is.
    pub kind: SourceKind,
    /// Base addresses; Prometheus has one, exposition one or more endpoints.
    pub urls: Vec<Url>,
    /// Credentials.
    pub credentials: Credentials,
    /// Further headers (`X-Scope-OrgID`); values are secret.
    pub headers: BTreeMap<String, Secret>,
    /// TLS.
    pub tls: SourceTls,
    /// Limit of one request.
    pub timeout: SignedDuration,
    /// Requests under way at once.
    pub concurrency: usize,
    /// Namespaces whose triggers may use it; empty = all.
    pub namespaces: Vec<String>,
}

/// TLS of our gRPC server; present client CA = mutual TLS. Files are read again when they change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificate chain (PEM).
    pub cert: PathBuf,
    /// Private key (PEM).
    pub key: PathBuf,
    /// CA of client certificates (PEM).
    pub client_ca: Option<PathBuf>,
}

/// The process's configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// gRPC address.
    pub listen: SocketAddr,
    /// HTTP address (API, metrics, probes).
    pub http: SocketAddr,
    /// `sqlite://…` or `postgres://…`; may hold a password, hence redacted.
    pub database: Secret,
    /// Distance between samples; divides a minute.
    pub slot: SignedDuration,
    /// Sources by name.
    pub sources: BTreeMap<String, SourceConfig>,
    /// What metadata may name.
    pub allow: Allow,
    /// TLS of the gRPC server.
    pub tls: Option<TlsFiles>,
    /// Workloads at once; one more is refused with RESOURCE_EXHAUSTED.
    pub max_workloads: usize,
    /// A workload of which nothing was heard for so long is forgotten (its history stays until retention).
    pub evict_after: SignedDuration,
}
