//! Process configuration: TOML and environment, parsed to meaning. Secrets are redacted in `Debug`.

mod database;
mod load;
mod reader;
mod shared;

pub use load::ConfigError;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use jiff::SignedDuration;
use jiff::civil::Date;
use prewarm_forecaster::decide::timing::LoopTiming;
use url::Url;

use crate::trigger::{Allow, Rules, SharedPolicy, SourceRule};
pub use crate::trigger::{SourceKind, is_local_ip};

/// The commented default configuration, as `prewarm default-config` prints it.
pub const DEFAULT: &str = include_str!("default.toml");

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

/// How a Prometheus API is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    /// POST, and GET where POST is refused (some proxies authorize by verb).
    #[default]
    Auto,
    /// Always GET.
    Get,
    /// Always POST.
    Post,
}

impl Method {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "auto" => Some(Self::Auto),
            "get" => Some(Self::Get),
            "post" => Some(Self::Post),
            _ => None,
        }
    }
}

/// One named source.
#[derive(Clone)]
pub struct SourceConfig {
    /// What it is.
    pub kind: SourceKind,
    /// Base addresses; Prometheus has one, exposition one or more endpoints.
    pub urls: Vec<Url>,
    /// Credentials.
    pub credentials: Credentials,
    /// Further headers (`X-Scope-OrgID`); values are secret.
    pub headers: BTreeMap<String, Secret>,
    /// How a Prometheus API is asked.
    pub method: Method,
    /// Further parameters of each query (`partial_response`, `dedup`); values may be secret.
    pub parameters: BTreeMap<String, Secret>,
    /// TLS.
    pub tls: SourceTls,
    /// Limit of one request.
    pub timeout: SignedDuration,
    /// Requests under way at once.
    pub concurrency: usize,
    /// Namespaces whose triggers may use it; empty = all.
    pub namespaces: Vec<String>,
    /// Its address was named by a trigger, not by the configuration.
    pub from_metadata: bool,
    /// Address and queries of a database; of `kind = "sql"` alone.
    pub sql: Option<SqlQueries>,
}

/// A database and what may be asked of it.
#[derive(Debug, Clone)]
pub struct SqlQueries {
    /// `postgres://…` or `sqlite://…`; may hold a password, hence redacted.
    pub url: Secret,
    /// SQL by the name that triggers give.
    pub queries: BTreeMap<String, String>,
}

impl SourceConfig {
    /// Limit of one request, if none is given.
    pub const TIMEOUT: SignedDuration = SignedDuration::from_secs(10);
    /// Requests under way at once, if nothing else is given.
    pub const CONCURRENCY: usize = 16;
    /// The header by which Mimir, Cortex and others tell tenants apart.
    pub const TENANT_HEADER: &str = "X-Scope-OrgID";

    /// A source with defaults for everything but its kind and its addresses.
    pub fn new(kind: SourceKind, urls: Vec<Url>) -> Self {
        Self {
            kind,
            urls,
            credentials: Credentials::None,
            headers: BTreeMap::new(),
            method: Method::default(),
            parameters: BTreeMap::new(),
            tls: SourceTls::default(),
            timeout: Self::TIMEOUT,
            concurrency: Self::CONCURRENCY,
            namespaces: Vec::new(),
            from_metadata: false,
            sql: None,
        }
    }
}

// A database's address may hold a password.
impl std::fmt::Debug for SourceConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let urls = self
            .urls
            .iter()
            .map(|url| format!("{}{}", url.origin().ascii_serialization(), url.path()));
        f.debug_struct("SourceConfig")
            .field("kind", &self.kind)
            .field("urls", &urls.collect::<Vec<_>>())
            .field("credentials", &self.credentials)
            .field("headers", &self.headers)
            .field("method", &self.method)
            .field("parameters", &self.parameters)
            .field("tls", &self.tls)
            .field("timeout", &self.timeout)
            .field("concurrency", &self.concurrency)
            .field("namespaces", &self.namespaces)
            .finish()
    }
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
    /// Names (SAN) of which a client's certificate has one; empty = any certificate of the CA.
    pub client_names: Vec<String>,
}

/// Whether the Kubernetes API is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClusterAccess {
    /// Where there is one: in a pod with its service account, elsewhere with `KUBECONFIG`.
    #[default]
    Auto,
    /// Never.
    Off,
}

impl ClusterAccess {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "auto" => Some(Self::Auto),
            "off" => Some(Self::Off),
            _ => None,
        }
    }
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// One JSON object a line.
    #[default]
    Json,
    /// For people.
    Text,
}

impl LogFormat {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "json" => Some(Self::Json),
            "text" => Some(Self::Text),
            _ => None,
        }
    }
}

/// The process's configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// gRPC address.
    pub listen: SocketAddr,
    /// HTTP address (API, metrics, probes).
    pub http: SocketAddr,
    /// A file with the token that page and API ask for; without one they are open to whoever
    /// reaches the port.
    pub http_token_file: Option<PathBuf>,
    /// `sqlite://…` or `postgres://…`; may hold a password, hence redacted.
    pub database: Secret,
    /// Where PostgreSQL's password comes from, if from a file: read again at each connection.
    pub database_password_file: Option<PathBuf>,
    /// What the database does not take before the end of the process waits here for the next start.
    pub spill_directory: PathBuf,
    /// Slot, KEDA's and the HPA's rhythm, how long a last good value is repeated. The slot divides
    /// a minute.
    pub rhythm: LoopTiming,
    /// Sources by name.
    pub sources: BTreeMap<String, SourceConfig>,
    /// What metadata may name.
    pub allow: Allow,
    /// Whether triggers that are not applied yet may be tried over HTTP.
    pub trials: bool,
    /// TLS of the gRPC server.
    pub tls: Option<TlsFiles>,
    /// Workloads at once; one more is refused with RESOURCE_EXHAUSTED.
    pub max_workloads: usize,
    /// A workload of which nothing was heard for so long is forgotten (its history stays until
    /// retention).
    pub evict_after: SignedDuration,
    /// Windows that triggers share, by name.
    pub policies: BTreeMap<String, SharedPolicy>,
    /// Holiday calendars that triggers share, by name.
    pub holidays: BTreeMap<String, Vec<Date>>,
    /// What is worth a word, though it is no error: events of a calendar that are left out.
    pub notes: Vec<String>,
    /// Whether the Kubernetes API is looked at.
    pub cluster: ClusterAccess,
    /// How log lines are written.
    pub log_format: LogFormat,
    /// Which lines are written, like `info,prewarm=debug`.
    pub log_filter: String,
}

impl Default for Config {
    fn default() -> Self {
        let any = |port| SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
        Self {
            listen: any(9090),
            http: any(9091),
            http_token_file: None,
            database: Secret::new("sqlite://prewarm.db"),
            database_password_file: None,
            spill_directory: PathBuf::from("prewarm-spill"),
            rhythm: LoopTiming::default(),
            sources: BTreeMap::new(),
            allow: Allow::default(),
            trials: false,
            tls: None,
            max_workloads: 20_000,
            evict_after: SignedDuration::from_hours(7 * 24),
            policies: BTreeMap::new(),
            holidays: BTreeMap::new(),
            notes: Vec::new(),
            cluster: ClusterAccess::default(),
            log_format: LogFormat::default(),
            log_filter: "info".to_owned(),
        }
    }
}

/// The environment of the process, for [`Config::load`]. A value that is not Unicode is read as
/// well as it can be (`std::env::vars` would panic on it, be it ours or not).
pub fn environment() -> impl Iterator<Item = (String, String)> {
    let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    std::env::vars_os().map(move |(name, value)| (text(name), text(value)))
}

/// What the command line says in place of the configuration.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// gRPC address.
    pub listen: Option<SocketAddr>,
    /// HTTP address.
    pub http: Option<SocketAddr>,
    /// Database.
    pub database: Option<Secret>,
}

impl Config {
    /// The command line has the last word.
    pub fn with_overrides(mut self, overrides: Overrides) -> Self {
        self.listen = overrides.listen.unwrap_or(self.listen);
        self.http = overrides.http.unwrap_or(self.http);
        self.database = overrides.database.unwrap_or(self.database);
        self
    }

    /// What trigger metadata may refer to.
    pub fn rules(&self) -> Rules {
        let rule = |source: &SourceConfig| SourceRule {
            kind: source.kind,
            namespaces: source.namespaces.clone(),
            queries: source.sql.as_ref().map(|sql| sql.queries.keys().cloned().collect()),
        };
        Rules {
            allow: self.allow.clone(),
            sources: Some(
                self.sources.iter().map(|(name, source)| (name.clone(), rule(source))).collect(),
            ),
            policies: self.policies.clone(),
            holidays: self.holidays.clone(),
            without_cluster: self.cluster == ClusterAccess::Off,
        }
    }
}

#[cfg(test)]
mod tests;
