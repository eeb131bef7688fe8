//! Values: what each of them gives, and what is refused with a word of what to do.

use std::fs;
use std::net::SocketAddr;

use prewarm::config::{Config, SourceConfig};
use prewarm_tests::helm::{chart, helm, template};
use prewarm_tests::serve::Serve;
use serde_json::{Value, json};

use super::{of_kind, only, rendered};

const POSTGRES: &str = "database.url=postgres://prewarm@postgres/prewarm";

/// The text of the configuration.
fn toml(all: &[Value]) -> &str {
    only(all, "ConfigMap")["data"]["prewarm.toml"].as_str().expect("prewarm.toml")
}

/// The configuration as the server reads it.
fn configuration(all: &[Value]) -> Config {
    let text = toml(all);
    Config::load_text(text).unwrap_or_else(|error| panic!("{text}\n{error}"))
}

fn pod(all: &[Value]) -> &Value {
    &only(all, "Deployment")["spec"]["template"]["spec"]
}

#[test]
fn without_values_it_is_one_replica_on_sqlite_with_a_volume() {
    let all = rendered(&[]);
    let deployment = only(&all, "Deployment");
    assert_eq!(deployment["spec"]["replicas"], 1);
    assert_eq!(deployment["spec"]["strategy"]["type"], "Recreate", "a file has one writer");
    assert!(of_kind(&all, "PodDisruptionBudget").is_empty(), "it would block every drain");
    let claim = only(&all, "PersistentVolumeClaim");
    assert_eq!(claim["metadata"]["annotations"]["helm.sh/resource-policy"], "keep");
    let config = configuration(&all);
    assert_eq!(config.database.expose(), "sqlite:///data/prewarm.db");
    assert!(config.sources.contains_key("default"));
    let mounts = pod(&all)["containers"][0]["volumeMounts"].as_array().expect("mounts");
    assert!(mounts.contains(&json!({"name": "data", "mountPath": "/data"})));
    let volume = &pod(&all)["volumes"][1];
    assert_eq!(volume["persistentVolumeClaim"]["claimName"], claim["metadata"]["name"]);
    // Custom resources only where somebody has asked for them.
    for kind in ["PodMonitor", "ServiceMonitor", "PrometheusRule", "Certificate", "Namespace"] {
        assert!(of_kind(&all, kind).is_empty(), "{kind}");
    }
}

#[test]
fn an_address_of_postgres_gives_two_replicas_that_are_spread_and_kept() {
    for arguments in [
        vec!["--set", POSTGRES],
        vec!["--set", "database.existingSecret=mine"],
        vec!["--set", POSTGRES, "--set", "database.existingSecret=mine"],
    ] {
        let all = rendered(&arguments);
        let deployment = only(&all, "Deployment");
        assert_eq!(deployment["spec"]["replicas"], 2, "{arguments:?}");
        assert_eq!(deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"], 0);
        assert_eq!(only(&all, "PodDisruptionBudget")["spec"]["minAvailable"], 1);
        let spread = pod(&all)["topologySpreadConstraints"].as_array().expect("constraints");
        assert_eq!(spread.len(), 2);
        assert!(of_kind(&all, "PersistentVolumeClaim").is_empty());
    }
}

#[test]
fn a_password_is_in_a_secret_and_nowhere_else() {
    let address = "postgres://prewarm:hunter2@postgres/prewarm";
    let all = rendered(&["--set", &format!("database.url={address}")]);
    let secret = only(&all, "Secret");
    assert_eq!(secret["stringData"]["url"], address);
    let others = all.iter().filter(|document| document["kind"] != "Secret");
    assert!(others.into_iter().all(|document| !document.to_string().contains("hunter2")));
    let env = &pod(&all)["containers"][0]["env"][0];
    assert_eq!(env["name"], "PREWARM_DATABASE");
    assert_eq!(env["valueFrom"]["secretKeyRef"]["name"], secret["metadata"]["name"]);

    // Of a Secret that is there already: the whole address, or the password as a file.
    let all = rendered(&["--set", "database.existingSecret=mine"]);
    assert!(of_kind(&all, "Secret").is_empty());
    let reference = &pod(&all)["containers"][0]["env"][0]["valueFrom"]["secretKeyRef"];
    assert_eq!(*reference, json!({"name": "mine", "key": "url"}));
    let all = rendered(&["--set", POSTGRES, "--set", "database.existingSecret=mine"]);
    assert!(pod(&all)["containers"][0]["env"].is_null());
    assert!(toml(&all).contains("databasePasswordFile = \"/var/run/secrets/prewarm/password\""));
    assert_eq!(pod(&all)["volumes"][2]["secret"]["secretName"], "mine");
}

#[test]
fn values_reach_the_configuration_with_their_types() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let file = dir.path().join("values.yaml");
    let values = r#"
sources:
  default: {url: "https://mimir/prometheus", tenant: team-a, timeout: 5s, concurrency: 4}
  pods:
    kind: exposition
    urls: ["http://llama-0.llama:8000/metrics", "http://llama-1.llama:8000/metrics"]
    namespaces: [llm]
allow: {serverAddresses: ["http://*.models.svc.cluster.local:*"]}
config:
  slot: 5s
  limits: {maxWorkloads: 300}
  log: {format: text}
  policies:
    office:
      timezone: Europe/Berlin
      windows: |
        - {name: office, days: Mon-Fri, from: "08:00", to: "18:00", minReplicas: 2}
  holidays: {ours: {dates: ["2026-12-24"]}}
"#;
    fs::write(&file, values).expect("write the values");
    let all = rendered(&["--values", &file.display().to_string()]);
    let config = configuration(&all);
    assert_eq!(config.sources["default"].concurrency, 4);
    let SourceConfig { urls, namespaces, .. } = &config.sources["pods"];
    assert_eq!((urls.len(), &namespaces[..]), (2, &["llm".to_owned()][..]));
    assert_eq!(config.max_workloads, 300);
    assert_eq!(config.allow.server_addresses.len(), 1);
    assert_eq!(config.policies["office"].windows.len(), 1);
    assert_eq!(config.holidays["ours"].len(), 1);
}

#[test]
fn tls_is_a_secret_or_a_certificate_and_mutual_where_asked_for() {
    let given = rendered(&["--set", "tls.secretName=mine"]);
    assert!(toml(&given).contains("cert = \"/etc/prewarm-tls/tls.crt\""), "{}", toml(&given));
    assert!(!toml(&given).contains("clientCa"));
    let issued = rendered(&[
        "--set",
        "tls.certManager.enabled=true,tls.certManager.issuerRef.name=ca,tls.mutual=true",
    ]);
    let certificate = only(&issued, "Certificate");
    let names = certificate["spec"]["dnsNames"].as_array().expect("names");
    assert!(names.contains(&json!("prewarm-headless.prewarm.svc.cluster.local")), "KEDA's address");
    assert!(toml(&issued).contains("clientCa = \"/etc/prewarm-tls/ca.crt\""));
    let other = rendered(&["--set", "tls.secretName=mine,tls.clientCaSecret=theirs"]);
    assert!(toml(&other).contains("clientCa = \"/etc/prewarm-client-ca/ca.crt\""));
    for all in [&given, &issued, &other] {
        // Whatever is read is mounted, and what is mounted is there.
        let text = toml(all);
        let mounts = pod(all)["containers"][0]["volumeMounts"].as_array().expect("mounts");
        let volumes = pod(all)["volumes"].as_array().expect("volumes");
        for line in text.lines().filter(|line| line.contains("/etc/prewarm-")) {
            let path = line.split('"').nth(1).expect("a path");
            let mount = mounts
                .iter()
                .find(|mount| path.starts_with(mount["mountPath"].as_str().expect("a path")))
                .unwrap_or_else(|| panic!("{path} is not mounted"));
            assert!(volumes.iter().any(|volume| volume["name"] == mount["name"]), "{mount}");
        }
    }
}

#[test]
fn without_rights_it_asks_for_nothing_and_has_no_token() {
    let all = rendered(&["--set", "rbac.create=false"]);
    assert!(
        of_kind(&all, "ClusterRole").is_empty() && of_kind(&all, "ClusterRoleBinding").is_empty()
    );
    assert_eq!(pod(&all)["automountServiceAccountToken"], false);
    assert_eq!(configuration(&all).cluster, prewarm::config::ClusterAccess::Off);
    for role in of_kind(&rendered(&[]), "ClusterRole") {
        for rule in role["rules"].as_array().expect("rules") {
            for verb in rule["verbs"].as_array().expect("verbs") {
                assert!(
                    ["get", "list", "watch"].contains(&verb.as_str().expect("a verb")),
                    "{rule}"
                );
            }
        }
    }
}

#[test]
fn monitors_keep_the_labels_of_workloads() {
    let all = rendered(&[
        "--set",
        "metrics.podMonitor.enabled=true,metrics.serviceMonitor.enabled=true,metrics.podMonitor.labels.release=kps",
    ]);
    let pods = only(&all, "PodMonitor");
    assert_eq!(pods["spec"]["podMetricsEndpoints"][0]["honorLabels"], true);
    assert_eq!(pods["metadata"]["labels"]["release"], "kps");
    let services = only(&all, "ServiceMonitor");
    assert_eq!(services["spec"]["endpoints"][0]["honorLabels"], true);
    // Else each pod would be scraped twice, by the headless Service as well.
    let wanted = services["spec"]["selector"]["matchLabels"].as_object().expect("labels");
    let selects = |service: &&&Value| {
        wanted.iter().all(|(name, value)| service["metadata"]["labels"][name] == *value)
    };
    assert_eq!(of_kind(&all, "Service").iter().filter(selects).count(), 1);
}

#[test]
fn names_follow_the_release_and_stay_short_enough() {
    let chart = chart().display().to_string();
    let long = "a-release-name-that-is-as-long-as-helm-lets-it-be-53c";
    let text = helm(&["template", long, &chart, "--namespace", "scaling"]).expect("rendered");
    let all: Vec<Value> = serde_saphyr::from_multiple(&text).expect("YAML");
    for document in all.iter().filter(|document| !document.is_null()) {
        let name = document["metadata"]["name"].as_str().expect("a name");
        assert!(name.len() <= 63, "{name}");
        if document["metadata"]["namespace"].is_string() {
            assert_eq!(document["metadata"]["namespace"], "scaling", "{name}");
        }
    }
}

#[test]
fn wrong_values_are_refused_with_the_key_and_what_to_do() {
    for (set, words) in [
        ("replicas=2", "set database.url or database.existingSecret, or replicas: 1"),
        ("tls.mutual=true", "set tls.secretName or tls.certManager.enabled"),
        ("tls.secretName=a,tls.certManager.enabled=true", "give one of them"),
        ("tls.certManager.enabled=true", "tls.certManager.issuerRef is missing"),
        ("config.listen=0.0.0.0:1", "config.listen is what the chart writes itself"),
        ("databse.url=x", "databse"),
        ("database.url=mysql://x", "database"),
        ("sources.default.kind=graphite", "kind"),
        ("sources.default.url=prometheus:9090", "url"),
        ("image.pullPolicy=Sometimes", "pullPolicy"),
        ("replicas=0", "replicas"),
        ("persistence.size=big", "size"),
        ("resources=1", "resources"),
    ] {
        let error = template(&["--set", set]).expect_err(set);
        assert!(error.contains(words), "{set}: {error}");
    }
}

#[test]
fn helm_finds_no_fault_with_it() {
    let chart = chart().display().to_string();
    let report = helm(&["lint", "--strict", &chart]).unwrap_or_else(|error| panic!("{error}"));
    assert!(report.contains("0 chart(s) failed"), "{report}");
}

/// The program starts with what the chart configures, but for the addresses of the cluster.
#[tokio::test]
async fn the_server_starts_with_what_it_renders() {
    let all = rendered(&["--set", "rbac.create=false"]);
    let dir = tempfile::tempdir().expect("temporary directory");
    let database = format!("sqlite://{}/prewarm.db", dir.path().display());
    let text = toml(&all).replace("sqlite:///data/prewarm.db", &database);
    let served = Serve::start(env!("CARGO_BIN_EXE_prewarm-under-test"), &text, &[]).await;
    assert_eq!(served.status("/readyz").await, 200);
    let ports: Vec<_> = ["listen", "http"]
        .map(|key| {
            let line = text.lines().find(|line| line.starts_with(key)).expect(key);
            line.split('"').nth(1).expect("an address").parse::<SocketAddr>().expect(key).port()
        })
        .into();
    assert_eq!(ports, [9090, 9091], "what Services and probes name");
}
