//! The file and the environment → [`Config`].

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use jiff::SignedDuration;
use toml::Table;
use url::Url;

use super::database;
use super::reader::{Reader, Section};
use super::shared::{read_holidays, read_policies};
use super::{
    ClusterAccess, Config, Credentials, LogFormat, Method, Secret, SourceConfig, SourceKind,
    SourceTls, TlsFiles,
};

/// Why a configuration cannot be used: everything that is wrong with it, one line each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", problems.join("\n"))]
pub struct ConfigError {
    /// File or variable, key, value, what is allowed, how to fix it. No secrets.
    pub problems: Vec<String>,
}

impl ConfigError {
    fn one(problem: String) -> Self {
        Self { problems: vec![problem] }
    }
}

impl Config {
    /// Reads the file, if there is one, and then the environment, which wins
    /// (`PREWARM_SECTION__KEY`).
    pub fn load(
        path: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let Some(path) = path else { return load("", "", environment) };
        let text = std::fs::read_to_string(path).map_err(|error| {
            ConfigError::one(format!("cannot read {}: {error}", path.display()))
        })?;
        load(&text, &path.display().to_string(), environment)
    }

    /// Reads text as a file without a name; the environment has no say.
    pub fn load_text(text: &str) -> Result<Self, ConfigError> {
        load(text, "", std::iter::empty())
    }
}

fn load(
    text: &str,
    file: &str,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Config, ConfigError> {
    let table: Table = text.parse().map_err(|error: toml::de::Error| {
        // Its own text would show the line, and with it perhaps a password.
        let line = error
            .span()
            .map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        ConfigError::one(format!("{file}:{line}: not TOML: {}", error.message()))
    })?;
    let prefix = if file.is_empty() { String::new() } else { format!("{file}: ") };
    // The variable that names the file itself.
    let reader = Reader::new(prefix, environment.filter(|(name, _)| name != "PREWARM_CONFIG"));
    let config = read(reader.root(table));
    match reader.finish() {
        problems if problems.is_empty() => Ok(config),
        problems => Err(ConfigError { problems }),
    }
}

const SECOND: SignedDuration = SignedDuration::from_secs(1);
const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const HOUR: SignedDuration = SignedDuration::from_hours(1);
const YEAR: SignedDuration = SignedDuration::from_hours(365 * 24);

fn read(mut root: Section<'_>) -> Config {
    let mut config = Config::default();
    read_addresses(&mut root, &mut config);
    database::read(&mut root, &mut config);
    if let Some(directory) = root.path("spillDirectory") {
        config.spill_directory = directory;
    }
    if let Some(slot) = root.parsed(
        "slot",
        "a divisor of 60s in whole seconds: 1s, 5s, 10s, 15s, 20s, 30s, 60s, …",
        |text| {
            let slot = crate::duration::parse(text).ok()?;
            let seconds = slot.as_secs();
            ((1..=60).contains(&seconds) && slot.subsec_nanos() == 0 && 60 % seconds == 0)
                .then_some(slot)
        },
    ) {
        config.rhythm.slot = slot;
    }
    for (name, section) in root.named("sources") {
        if let Some(source) = read_source(section) {
            config.sources.insert(name, source);
        }
    }
    let mut allow = root.section("allow");
    for pattern in allow.texts("serverAddresses").unwrap_or_default() {
        match pattern.parse() {
            Ok(pattern) => config.allow.server_addresses.push(pattern),
            Err(problem) => allow.problem("serverAddresses", problem),
        }
    }
    config.trials = allow.flag("trials").unwrap_or(config.trials);
    allow.finish();
    config.tls = read_tls(root.section("tls"));

    let mut limits = root.section("limits");
    config.max_workloads =
        limits.whole("maxWorkloads", 1..=1_000_000).unwrap_or(config.max_workloads);
    config.evict_after = limits.duration("evictAfter", MINUTE..=YEAR).unwrap_or(config.evict_after);
    limits.finish();

    let mut rhythm = root.section("rhythm");
    let beat = &mut config.rhythm;
    beat.keda_poll =
        rhythm.duration("kedaPollingInterval", SECOND..=HOUR).unwrap_or(beat.keda_poll);
    beat.hpa_sync = rhythm.duration("hpaSyncPeriod", SECOND..=HOUR).unwrap_or(beat.hpa_sync);
    beat.hpa_window =
        rhythm.duration("hpaStabilization", SignedDuration::ZERO..=HOUR).unwrap_or(beat.hpa_window);
    beat.last_good =
        rhythm.duration("lastGood", SignedDuration::ZERO..=HOUR).unwrap_or(beat.last_good);
    rhythm.finish();

    let mut cluster = root.section("cluster");
    if let Some(access) = cluster.parsed("access", "\"auto\" or \"off\"", ClusterAccess::parse) {
        config.cluster = access;
    }
    cluster.finish();

    let mut log = root.section("log");
    if let Some(format) = log.parsed("format", "\"json\" or \"text\"", LogFormat::parse) {
        config.log_format = format;
    }
    if let Some(filter) = log.text("filter", "a filter like info or info,prewarm=debug") {
        config.log_filter = filter;
    }
    log.finish();

    let calendars = read_holidays(&mut root);
    config.holidays = calendars.dates;
    config.notes = calendars.notes;
    config.policies = read_policies(&mut root, &config.holidays);
    root.finish();
    config
}

fn read_addresses(root: &mut Section<'_>, config: &mut Config) {
    const EXPECTED: &str = "an IP address with a port, like 0.0.0.0:9090";
    let address = |text: &str| text.parse::<SocketAddr>().ok();
    if let Some(listen) = root.parsed("listen", EXPECTED, address) {
        config.listen = listen;
    }
    if let Some(http) = root.parsed("http", EXPECTED, address) {
        config.http = http;
    }
    config.http_token_file = root.path("httpTokenFile");
    if config.listen == config.http && config.listen.port() != 0 {
        root.problem("http", format!("{} is taken by listen: give another port", config.http));
    }
}

fn read_source(mut section: Section<'_>) -> Option<SourceConfig> {
    const KINDS: &str = "\"prometheus\", \"exposition\" or \"sql\" (another trigger of a \
                         ScaledObject needs no source: triggers name it by triggerName)";
    let kind = section.parsed("kind", KINDS, SourceKind::parse);
    let kind = kind.unwrap_or(SourceKind::Prometheus);
    if kind == SourceKind::Sql {
        return database::read_source(section);
    }
    let urls = read_urls(&mut section, kind);
    let credentials = read_credentials(&mut section);
    let source = SourceConfig {
        kind,
        urls,
        credentials,
        headers: read_headers(&mut section),
        method: section
            .parsed("method", "\"auto\", \"get\" or \"post\"", Method::parse)
            .unwrap_or_default(),
        parameters: read_parameters(&mut section),
        tls: SourceTls {
            ca: section.path("ca"),
            cert: section.path("cert"),
            key: section.path("key"),
            insecure_skip_verify: section.flag("insecureSkipVerify").unwrap_or_default(),
        },
        timeout: section.duration("timeout", SECOND..=MINUTE).unwrap_or(SourceConfig::TIMEOUT),
        concurrency: section.whole("concurrency", 1..=256).unwrap_or(SourceConfig::CONCURRENCY),
        namespaces: section.texts("namespaces").unwrap_or_default(),
        from_metadata: false,
        sql: None,
    };
    if source.tls.cert.is_some() != source.tls.key.is_some() {
        section.problem("cert", "cert and key go together: give both or none");
    }
    section.finish();
    (!source.urls.is_empty()).then_some(source)
}

/// Headers by name, the tenant's included.
fn read_headers(section: &mut Section<'_>) -> BTreeMap<String, Secret> {
    let headers = section.secrets("headers").into_iter();
    let mut headers: BTreeMap<String, Secret> =
        headers.map(|(name, value)| (name, Secret::new(value))).collect();
    if let Some(tenant) = section.text("tenant", "the name of a tenant, or several: a|b") {
        if headers.keys().any(|name| name.eq_ignore_ascii_case(SourceConfig::TENANT_HEADER)) {
            let problem =
                format!("is the header {}: give one of them", SourceConfig::TENANT_HEADER);
            section.problem("tenant", problem);
        }
        headers.insert(SourceConfig::TENANT_HEADER.to_owned(), Secret::new(tenant));
    }
    headers
}

/// Parameters that each query carries; those that say what is asked are not free.
fn read_parameters(section: &mut Section<'_>) -> BTreeMap<String, Secret> {
    const OURS: [&str; 5] = ["query", "time", "start", "end", "step"];
    let mut parameters = BTreeMap::new();
    for (name, value) in section.secrets("parameters") {
        if OURS.contains(&name.as_str()) {
            section.problem(
                "parameters",
                format!("{name} is what a query is made of: it cannot be set here"),
            );
        }
        // Variables cannot tell a dash from an underscore, and no back end has a parameter with a
        // dash.
        parameters.insert(name.replace('-', "_"), Secret::new(value));
    }
    parameters
}

fn read_urls(section: &mut Section<'_>, kind: SourceKind) -> Vec<Url> {
    let one = section.unseen("url", "an address like http://prometheus.monitoring:9090", |text| {
        Some(text.trim().to_owned())
    });
    let more = section.texts("urls");
    match (&one, &more) {
        (Some(_), Some(_)) => section.problem("urls", "cannot stand beside url: give one of them"),
        (None, None) => {
            section.problem(
                "url",
                "is missing: give an address like http://prometheus.monitoring:9090",
            );
        }
        (None, Some(list)) if list.is_empty() => {
            section.problem("urls", "is empty: give at least one address")
        }
        (None, Some(list)) if kind != SourceKind::Exposition && list.len() > 1 => {
            section.problem("urls", "only kind = \"exposition\" reads several addresses: give url");
        }
        _ => {}
    }
    let key = if one.is_some() { "url" } else { "urls" };
    let texts = one.into_iter().chain(more.unwrap_or_default());
    texts
        .filter_map(|text| url(&text, kind).map_err(|problem| section.problem(key, problem)).ok())
        .collect()
}

/// An address; the error does not repeat it, for it may hold a password.
fn url(text: &str, kind: SourceKind) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| {
        format!("not an address like http://prometheus.monitoring:9090: {error}")
    })?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err("must begin with http:// or https:// and a host".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "must not hold a user or password: give user and passwordFile, or bearerTokenFile"
                .to_owned(),
        );
    }
    if url.fragment().is_some() || (kind == SourceKind::Prometheus && url.query().is_some()) {
        return Err("must end with the path: no ? and no # (what follows ? goes into parameters)"
            .to_owned());
    }
    Ok(url)
}

fn read_credentials(section: &mut Section<'_>) -> Credentials {
    let token_file = section.path("bearerTokenFile");
    let token = section.secret_variable("bearerToken", "bearerTokenFile");
    let user = section.text("user", "a user name");
    let password_file = section.path("passwordFile");
    let password = section.secret_variable("password", "passwordFile");

    let ways = [token_file.is_some(), token.is_some(), user.is_some()];
    if ways.into_iter().filter(|given| *given).count() > 1 {
        section.problem("user", "give one of bearerTokenFile, bearerToken and user");
    }
    match (token_file, token, user, password_file, password) {
        (Some(file), ..) => Credentials::BearerFile(file),
        (_, Some(token), ..) => Credentials::Bearer(Secret::new(token)),
        (_, _, Some(user), Some(password_file), None) => {
            Credentials::BasicFile { user, password_file }
        }
        (_, _, Some(user), None, Some(password)) => {
            Credentials::Basic { user, password: Secret::new(password) }
        }
        (_, _, Some(_), None, None) => {
            section.problem(
                "passwordFile",
                "is missing: user needs it (or password in the environment)",
            );
            Credentials::None
        }
        (_, _, _, None, None) => Credentials::None,
        _ => {
            section.problem("passwordFile", "goes with user, and not beside password");
            Credentials::None
        }
    }
}

fn read_tls(mut section: Section<'_>) -> Option<TlsFiles> {
    let present = !section.is_empty();
    let (cert, key, client_ca) =
        (section.path("cert"), section.path("key"), section.path("clientCa"));
    let client_names = section.texts("clientNames").unwrap_or_default();
    if !client_names.is_empty() && client_ca.is_none() {
        section
            .problem("clientNames", "needs clientCa: names are read from certificates of that CA");
    }
    let tls = match (cert, key) {
        (Some(cert), Some(key)) => Some(TlsFiles { cert, key, client_ca, client_names }),
        (None, None) if !present => None,
        (None, _) => {
            section.problem("cert", "is missing: TLS needs cert and key (PEM files)");
            None
        }
        (_, None) => {
            section.problem("key", "is missing: TLS needs cert and key (PEM files)");
            None
        }
    };
    section.finish();
    tls
}
