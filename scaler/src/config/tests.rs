mod secrets;

use std::fs;

use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;

fn environment(pairs: &[(&str, &str)]) -> impl Iterator<Item = (String, String)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect::<Vec<_>>()
        .into_iter()
}

/// Loads text as the file `prewarm.toml`, with an environment.
fn load(text: &str, pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("prewarm.toml");
    fs::write(&file, text).unwrap();
    let place = format!("{}/", folder.path().display());
    Config::load(Some(&file), environment(pairs)).map_err(|error| ConfigError {
        problems: error.problems.iter().map(|problem| problem.replace(&place, "")).collect(),
    })
}

fn complaint(text: &str) -> String {
    load(text, &[]).unwrap_err().to_string()
}

fn complaint_of_variables(pairs: &[(&str, &str)]) -> String {
    load("", pairs).unwrap_err().to_string()
}

const SOURCE: &str = "[sources.default]\nurl = \"http://prometheus:9090\"\n";

#[test]
fn the_printed_configuration_is_the_default() {
    let printed = Config::load_text(DEFAULT).unwrap();
    assert_eq!(format!("{printed:?}"), format!("{:?}", Config::default()));
    assert_eq!(printed.database, Config::default().database);
}

#[test]
fn what_the_printed_configuration_shows_can_be_used() {
    let shown: String = DEFAULT
        .lines()
        .filter(|line| !line.starts_with("# ") && *line != "#")
        .map(|line| line.strip_prefix('#').unwrap_or(line).to_owned() + "\n")
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let password = folder.path().join("password");
    fs::write(&password, "pw\n").unwrap();
    let shown = shown
        .replace("/var/run/secrets/prewarm/password", password.to_str().unwrap())
        .replace("/var/run/secrets/jobs/password", password.to_str().unwrap())
        .replace("sqlite://prewarm.db", "postgres://prewarm@db/prewarm");
    let config = Config::load_text(&shown).unwrap_or_else(|error| panic!("{error}\n{shown}"));
    assert_eq!(config.sources.len(), 3);
    assert_eq!(config.sources["default"].timeout, SourceConfig::TIMEOUT);
    assert_eq!(config.sources["default"].concurrency, SourceConfig::CONCURRENCY);
    assert_eq!(config.policies["business-hours"].windows.len(), 2);
    assert_eq!(config.policies["business-hours"].holidays, config.holidays["bavaria"]);
    assert!(config.tls.is_some_and(|tls| tls.client_ca.is_some()));
}

#[test]
fn every_key_is_in_the_printed_configuration() {
    // Unknown keys list the known ones: the program itself says what there is.
    for section in [
        "",
        "sources.default",
        "allow",
        "tls",
        "limits",
        "rhythm",
        "log",
        "policies.x",
        "holidays.x",
    ] {
        let header = if section.is_empty() { String::new() } else { format!("[{section}]\n") };
        let text = complaint(&format!("{header}qqqqqqqqqqqqqq = 1\n"));
        let line = text.lines().find(|line| line.contains("qqqqqqqqqqqqqq")).unwrap();
        let (_, known) = line.split_once("known here: ").unwrap();
        for key in known.split(", ").filter(|key| !["bearerToken", "password"].contains(key)) {
            let stated = DEFAULT.lines().any(|line| {
                let line = line.trim_start_matches('#');
                line.starts_with(&format!("{key} = "))
                    || line.starts_with(&format!("[{key}"))
                    || line.contains(&format!(".{key}]"))
            });
            let mentioned = key == "file" && DEFAULT.contains("file = ");
            assert!(stated || mentioned, "{section}: {key} is not in default.toml");
        }
    }
}

#[test]
fn reads_a_file() {
    let config = load(
        r#"
        listen = "127.0.0.1:1"
        http = "[::1]:2"
        database = "sqlite:///data/prewarm.db"
        slot = "30s"
        [sources.default]
        kind = "prometheus"
        url = "https://prometheus:9090/base"
        bearerTokenFile = "/token"
        headers = { X-Scope-OrgID = "team-a" }
        method = "get"
        parameters = { dedup = "true" }
        timeout = "5s"
        concurrency = 4
        namespaces = ["llm"]
        [sources.pods]
        kind = "exposition"
        urls = ["http://a:1/metrics", "http://b:1/metrics"]
        user = "me"
        passwordFile = "/password"
        ca = "/ca.pem"
        [allow]
        serverAddresses = ["http://*.models.svc:*"]
        [tls]
        cert = "tls.crt"
        key = "tls.key"
        [limits]
        maxWorkloads = 5
        evictAfter = "1d"
        [rhythm]
        kedaPollingInterval = "10s"
        hpaSyncPeriod = "5s"
        hpaStabilization = "0s"
        lastGood = "0s"
        [log]
        format = "text"
        filter = "prewarm=debug"
        [holidays.bavaria]
        dates = ["2026-01-06"]
        [policies.office]
        timezone = "Europe/Berlin"
        holidays = "bavaria"
        windows = [{ name = "day", days = "Mon-Fri", from = 08:00:00, to = "18:00", minReplicas = 2 }]
        "#,
        &[],
    )
    .unwrap();
    assert_eq!((config.listen.port(), config.http.to_string().as_str()), (1, "[::1]:2"));
    assert_eq!(config.database.expose(), "sqlite:///data/prewarm.db");
    let default = &config.sources["default"];
    assert_eq!(
        (default.kind, default.urls[0].as_str()),
        (SourceKind::Prometheus, "https://prometheus:9090/base")
    );
    assert!(
        matches!(&default.credentials, Credentials::BearerFile(file) if file.as_os_str() == "/token")
    );
    assert_eq!(default.headers["X-Scope-OrgID"].expose(), "team-a");
    assert_eq!((default.method, default.parameters["dedup"].expose()), (Method::Get, "true"));
    assert_eq!((default.timeout, default.concurrency), (SignedDuration::from_secs(5), 4));
    let pods = &config.sources["pods"];
    assert_eq!((pods.kind, pods.urls.len()), (SourceKind::Exposition, 2));
    assert!(matches!(&pods.credentials, Credentials::BasicFile { user, .. } if user == "me"));
    assert_eq!(pods.tls.ca, Some("/ca.pem".into()));
    assert_eq!(
        config.tls,
        Some(TlsFiles {
            cert: "tls.crt".into(),
            key: "tls.key".into(),
            client_ca: None,
            client_names: Vec::new()
        })
    );
    assert_eq!((config.max_workloads, config.evict_after), (5, SignedDuration::from_hours(24)));
    let seconds = SignedDuration::from_secs;
    let rhythm = LoopTiming {
        slot: seconds(30),
        keda_poll: seconds(10),
        hpa_sync: seconds(5),
        hpa_window: seconds(0),
        last_good: seconds(0),
    };
    assert_eq!(config.rhythm, rhythm);
    assert_eq!((config.log_format, config.log_filter.as_str()), (LogFormat::Text, "prewarm=debug"));
    let rules = config.rules();
    assert_eq!(rules.sources.unwrap()["default"].namespaces, ["llm"]);
    assert_eq!(rules.policies["office"].windows[0].from, jiff::civil::time(8, 0, 0, 0));
}

#[test]
fn the_environment_wins() {
    let config = load(
        SOURCE,
        &[
            ("PREWARM_SLOT", "5s"),
            ("PREWARM_SOURCES__DEFAULT__URL", "http://other:9090"),
            ("PREWARM_SOURCES__DEFAULT__BEARER_TOKEN", "hunter2"),
            ("PREWARM_SOURCES__DEFAULT__HEADERS__X_SCOPE_ORGID", "team"),
            ("PREWARM_SOURCES__TEAM_B__URL", "http://b:9090"),
            ("PREWARM_SOURCES__TEAM_B__NAMESPACES", "b1, b2"),
            ("PREWARM_TLS__CERT", "c"),
            ("PREWARM_TLS__KEY", "k"),
            ("PREWARM_TLS__CLIENT_CA", "ca"),
            ("PREWARM_LIMITS__MAX_WORKLOADS", "7"),
            ("PREWARM_ALLOW__SERVER_ADDRESSES", "http://a:*,http://b:*"),
            ("PREWARM_CONFIG", "prewarm.toml"),
            ("PATH", "/bin"),
        ],
    )
    .unwrap();
    assert_eq!(config.rhythm.slot, SignedDuration::from_secs(5));
    let default = &config.sources["default"];
    assert_eq!(default.urls[0].as_str(), "http://other:9090/");
    assert!(
        matches!(&default.credentials, Credentials::Bearer(token) if token.expose() == "hunter2")
    );
    assert_eq!(default.headers["x-scope-orgid"].expose(), "team");
    assert_eq!(config.sources["team-b"].namespaces, ["b1", "b2"]);
    assert_eq!(config.tls.unwrap().client_ca, Some("ca".into()));
    assert_eq!((config.max_workloads, config.allow.server_addresses.len()), (7, 2));
}

#[test]
fn variables_of_others_are_left_alone() {
    // What Kubernetes sets for a Service called "prewarm", and what a test run sets.
    let config = load(
        SOURCE,
        &[
            ("PREWARM_PORT", "tcp://10.0.0.1:9090"),
            ("PREWARM_PORT_9090_TCP_ADDR", "10.0.0.1"),
            ("PREWARM_SERVICE_HOST", "10.0.0.1"),
            ("PREWARM_SERVICE_PORT_GRPC", "9090"),
            ("PREWARM_HTTP_SERVICE_HOST", "10.0.0.1"),
            ("PREWARM_HTTP_PORT", "tcp://10.0.0.1:9091"),
            ("PREWARM_TEST_RUN", "1"),
        ],
    );
    assert_eq!(config.unwrap().sources.len(), 1);
}

#[test]
fn errors_name_place_value_range_and_fix() {
    assert_snapshot!(complaint("slot = \"7s\""), @r#"prewarm.toml: slot = "7s": must be a divisor of 60s in whole seconds: 1s, 5s, 10s, 15s, 20s, 30s, 60s, …"#);
    assert_snapshot!(complaint("slot = 15"), @"prewarm.toml: slot = 15: must be a divisor of 60s in whole seconds: 1s, 5s, 10s, 15s, 20s, 30s, 60s, …");
    assert_snapshot!(complaint("listen = \"localhost:9090\""), @r#"prewarm.toml: listen = "localhost:9090": must be an IP address with a port, like 0.0.0.0:9090"#);
    assert_snapshot!(complaint("http = \"0.0.0.0:9090\""), @"prewarm.toml: http: 0.0.0.0:9090 is taken by listen: give another port");
    assert_snapshot!(complaint("[limits]\nmaxWorkloads = 0\nevictAfter = \"1s\""), @r#"
    prewarm.toml: limits.maxWorkloads = 0: must be a whole number from 1 to 1000000
    prewarm.toml: limits.evictAfter = "1s": must be a duration from 1m to 365d
    "#);
    assert_snapshot!(complaint("[rhythm]\nlastGood = 300"), @r#"prewarm.toml: rhythm.lastGood = 300: must be a duration from 0s to 1h, quoted and with its unit ("90s")"#);
    assert_snapshot!(complaint("[rhythm]\nlastGood = \"300\""), @r#"prewarm.toml: rhythm.lastGood: "300" has no unit: write 300s if seconds are meant (a duration from 0s to 1h)"#);
    assert_snapshot!(complaint("[allow]\nserverAddresses = [\"*\"]"), @r#"prewarm.toml: allow.serverAddresses: "*" must begin with http:// or https://: write it like http://*.models.svc.cluster.local:*"#);
    assert_snapshot!(complaint("[tls]\ncert = \"a\""), @"prewarm.toml: tls.key: is missing: TLS needs cert and key (PEM files)");
    assert_snapshot!(complaint("[sources.default]\nkind = \"prom\""), @r#"
    prewarm.toml: sources.default.kind = "prom": must be "prometheus", "exposition" or "sql" (another trigger of a ScaledObject needs no source: triggers name it by triggerName)
    prewarm.toml: sources.default.url: is missing: give an address like http://prometheus.monitoring:9090
    "#);
    assert_snapshot!(complaint("[sources.\"a b\"]\nurl = \"http://x\""), @r#"prewarm.toml: sources."a b": a name must be 1 to 63 of a-z, A-Z, 0-9, - and _"#);
    assert_snapshot!(complaint("sources = 3"), @"prewarm.toml: sources: must be a section (integer given): write [sources]");
    assert_snapshot!(complaint("[policies.x]\nwindows = [{ name = \"a\", days = \"Mon\", from = \"8\", to = \"18:00\" }]"), @r#"
    prewarm.toml: policies.x.windows[0].from: "8" is no local time: write it like "08:00"
    prewarm.toml: policies.x.windows[0]: says nothing: it needs minReplicas, maxReplicas or scaleToZero
    "#);
    assert_snapshot!(complaint("[holidays.x]\nfile = \"/nowhere.ics\""), @"prewarm.toml: holidays.x.file: cannot read /nowhere.ics: No such file or directory (os error 2)");
    assert_snapshot!(complaint("listen = \n"), @"prewarm.toml:1: not TOML: string values must be quoted, expected literal string");
    assert_snapshot!(Config::load(Some("/nowhere.toml".as_ref()), environment(&[])).unwrap_err(), @"cannot read /nowhere.toml: No such file or directory (os error 2)");
    assert_snapshot!(complaint_of_variables(&[("PREWARM_LIMITS__MAX_WORKLOADS", "many")]), @r#"PREWARM_LIMITS__MAX_WORKLOADS = "many": must be a whole number from 1 to 1000000"#);
}

#[test]
fn unknown_keys_are_errors_with_a_suggestion() {
    assert_snapshot!(complaint("lisen = \"x\"\n[source.default]\nurl = \"http://x\""), @"
    prewarm.toml: lisen: no such key; did you mean listen?
    prewarm.toml: source: no such key; did you mean sources?
    ");
    assert_snapshot!(complaint("[tls]\ncert=\"a\"\nkey=\"b\"\nclientCA = \"c\""), @"prewarm.toml: tls.clientCA: no such key; did you mean clientCa?");
    assert_snapshot!(complaint(&format!("{SOURCE}foo = 1")), @"prewarm.toml: sources.default.foo: no such key; known here: kind, url, urls, bearerTokenFile, bearerToken, user, passwordFile, password, headers, tenant, method, parameters, ca, cert, key, insecureSkipVerify, timeout, concurrency, namespaces");
    assert_snapshot!(complaint_of_variables(&[("PREWARM_DATABSE", "x"), ("PREWARM_LOG", "info"), ("PREWARM_LIMITS__MAX", "1"), ("PREWARM_TLS__CLIENTCAS", "1")]), @"
    prewarm.toml: tls.cert: is missing: TLS needs cert and key (PEM files)
    PREWARM_DATABSE: no such key; did you mean PREWARM_DATABASE?
    PREWARM_LIMITS__MAX: no such key; `prewarm default-config` prints them all
    PREWARM_LOG: no such key; did you mean PREWARM_LOG__FORMAT?
    PREWARM_TLS__CLIENTCAS: no such key; did you mean PREWARM_TLS__CLIENT_CA?
    ");
}

#[test]
fn holidays_come_from_a_calendar_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bavaria.ics");
    let calendar = [
        "BEGIN:VCALENDAR",
        "BEGIN:VEVENT",
        "SUMMARY:Epiphany",
        "DTSTART;VALUE=DATE:20260106",
        "END:VEVENT",
        "END:VCALENDAR",
        "",
    ];
    fs::write(&file, calendar.join("\r\n")).unwrap();
    let config = load(&format!("[holidays.bavaria]\nfile = \"{}\"", file.display()), &[]).unwrap();
    assert_eq!(config.holidays["bavaria"], [jiff::civil::date(2026, 1, 6)]);
    assert_eq!(config.notes.len(), 0);

    let timed = calendar.join("\r\n").replace(";VALUE=DATE:20260106", ":20260106T100000Z");
    fs::write(&file, timed).unwrap();
    let text = format!(
        "[holidays.bavaria]\nfile = \"{}\"\n[holidays.office]\ndates = [\"DE-BY\", \"2026-12-24\"]\n[policies.x]\nwindows = \"[]\"\nholidays = [\"office\", \"2026-12-31\"]",
        file.display()
    );
    let config = load(&text, &[]).unwrap();
    assert!(
        config.notes[0]
            .ends_with("events left out, for they are no whole days: 1 (\"Epiphany\" on line 2)")
    );
    let policy = &config.policies["x"].holidays;
    assert!(
        [(1, 6), (12, 24), (12, 31)]
            .iter()
            .all(|(m, d)| policy.contains(&jiff::civil::date(2026, *m, *d)))
    );

    for (text, problem) in [
        ("", "is empty: an iCalendar file begins with"),
        ("BEGIN:VCALENDAR", "line 1: the file ends"),
    ] {
        fs::write(&file, text).unwrap();
        let told = complaint(&format!("[holidays.bavaria]\nfile = \"{}\"", file.display()));
        assert!(told.contains(problem) && told.contains("holidays.bavaria.file: "), "{told}");
    }
}

#[test]
fn the_command_line_has_the_last_word() {
    let overrides =
        Overrides { http: Some("127.0.0.1:0".parse().unwrap()), ..Overrides::default() };
    let config = Config::default().with_overrides(overrides);
    assert_eq!((config.http.port(), config.listen.port()), (0, 9090));
}

proptest! {
    #[test]
    fn any_text_gets_an_answer(text in "([a-z.\\[\\]]{0,12}( = )?[\"a-z0-9\\[\\]{}:/@]{0,12}\n){0,6}") {
        let _ = Config::load_text(&text);
    }

    #[test]
    fn any_environment_gets_an_answer(name in "[A-Z_]{0,24}", value in ".{0,20}") {
        let pairs = [(format!("PREWARM_{name}"), value.clone()), (format!("PREWARM_SOURCES__{name}"), value)];
        let _ = Config::load(None, pairs.into_iter());
    }
}

#[test]
fn a_tenant_is_a_header_and_a_query_is_no_parameter() {
    let config = load(&format!("{SOURCE}tenant = \"team-a|team-b\""), &[]).unwrap();
    assert_eq!(config.sources["default"].headers["X-Scope-OrgID"].expose(), "team-a|team-b");
    let variable = [("PREWARM_SOURCES__DEFAULT__PARAMETERS__PARTIAL_RESPONSE", "false")];
    let config = load(SOURCE, &variable).unwrap();
    assert_eq!(config.sources["default"].parameters["partial_response"].expose(), "false");
    let twice = format!("{SOURCE}tenant = \"a\"\nheaders = {{ x-scope-orgid = \"a\" }}");
    assert!(
        complaint(&twice)
            .ends_with("sources.default.tenant: is the header X-Scope-OrgID: give one of them")
    );
    let query = complaint(&format!("{SOURCE}parameters = {{ query = \"up\" }}"));
    assert!(query.contains("query is what a query is made of"), "{query}");
    let method = complaint(&format!("{SOURCE}method = \"put\""));
    assert!(method.contains("\"auto\", \"get\" or \"post\""), "{method}");
}
