//! What `deploy/` says is what the server understands, and its parts fit together. No cluster looks
//! at it here.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use prewarm::cli::Cli;
use prewarm::config::Config;
use prewarm::trigger::{self, Parsed};
use serde_json::Value;

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace's folder").join("deploy")
}

/// The YAML files of a folder of `deploy/`.
fn files(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(deploy().join(folder))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path());
    let mut files: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|ext| ext == "yaml")).collect();
    files.sort();
    assert!(!files.is_empty(), "{folder} is empty");
    files
}

/// Every document of a folder's files, by the file's name.
fn documents(folder: &str) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for file in files(folder) {
        let name = file.display().to_string();
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{name}: {error}"));
        let documents: Vec<Value> =
            serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        all.extend(documents.into_iter().map(|document| (name.clone(), document)));
    }
    all
}

fn of_kind<'a>(all: &'a [(String, Value)], kind: &str) -> Vec<&'a Value> {
    all.iter().map(|(_, document)| document).filter(|document| document["kind"] == kind).collect()
}

/// The one document of a kind.
fn only<'a>(all: &'a [(String, Value)], kind: &str) -> &'a Value {
    let [document] = of_kind(all, kind)[..] else { panic!("not one {kind} in deploy/manifests") };
    document
}

/// The triggers that Prewarm answers.
fn ours(object: &Value) -> impl Iterator<Item = &Value> {
    let triggers = object["spec"]["triggers"].as_array().expect("triggers").iter();
    triggers
        .filter(|trigger| trigger["type"].as_str().is_some_and(|kind| kind.starts_with("external")))
}

/// The source that `examples/sql-queue.yaml` asks for, as it says there.
fn jobs(password: &Path) -> String {
    let example =
        fs::read_to_string(deploy().join("examples/sql-queue.yaml")).expect("the example");
    let lines = example.lines().filter_map(|line| line.strip_prefix("#   "));
    let text = lines.fold(String::new(), |text, line| text + line + "\n");
    assert!(text.contains("[sources.jobs.queries]"), "{text}");
    text.replace("/var/run/secrets/jobs/password", &password.display().to_string())
}

/// The configuration of the ConfigMap, with a password to read, and what examples need beside it.
fn configuration(all: &[(String, Value)]) -> (tempfile::TempDir, PathBuf) {
    let text = only(all, "ConfigMap")["data"]["prewarm.toml"].as_str().expect("prewarm.toml");
    let dir = tempfile::tempdir().expect("temporary directory");
    let (password, file) = (dir.path().join("password"), dir.path().join("prewarm.toml"));
    fs::write(&password, "secret").expect("write the password");
    let mounted = "/var/run/secrets/prewarm/password";
    assert!(text.contains(mounted), "{text}");
    let text = text.replace(mounted, &password.display().to_string()) + "\n" + &jobs(&password);
    fs::write(&file, text).expect("write the configuration");
    (dir, file)
}

#[test]
fn the_configuration_is_valid_and_knows_the_password() {
    let all = documents("manifests");
    let (_dir, file) = configuration(&all);
    let config =
        Config::load(Some(&file), std::iter::empty()).unwrap_or_else(|error| panic!("{error}"));
    assert!(
        config.database.expose().contains("prewarm:secret@"),
        "the password's file belongs to the database"
    );
    assert!(config.sources.contains_key("default"), "the examples name no source");
}

#[test]
fn every_trigger_of_the_examples_is_read_without_error_or_warning() {
    let (_dir, file) = configuration(&documents("manifests"));
    let rules = Config::load(Some(&file), std::iter::empty())
        .unwrap_or_else(|error| panic!("{error}"))
        .rules();
    let examples = documents("examples");
    let scaled = of_kind(&examples, "ScaledObject");
    assert!(scaled.len() >= 25, "only {} ScaledObjects", scaled.len());
    for object in scaled {
        let text = |value: &Value| {
            value.as_str().unwrap_or_else(|| panic!("{value} is not a string")).to_owned()
        };
        let (namespace, name) =
            (text(&object["metadata"]["namespace"]), text(&object["metadata"]["name"]));
        for trigger in ours(object) {
            let metadata: HashMap<_, _> = trigger["metadata"]
                .as_object()
                .expect("metadata")
                .iter()
                .map(|(key, value)| (key.clone(), text(value)))
                .collect();
            let Parsed { spec, trigger } = trigger::parse(&namespace, &name, &metadata, &rules);
            spec.unwrap_or_else(|errors| panic!("{name}: {errors:?}"));
            let trigger = trigger.unwrap_or_else(|errors| panic!("{name}: {errors:?}"));
            assert!(trigger.warnings.is_empty(), "{name}: {:?}", trigger.warnings);
        }
    }
}

#[tokio::test]
async fn the_examples_pass_prewarm_check() {
    let (_dir, config) = configuration(&documents("manifests"));
    let config = config.display().to_string();
    let examples = files("examples").into_iter().map(|file| file.display().to_string());
    let arguments =
        ["prewarm", "check", "--config", &config].map(str::to_owned).into_iter().chain(examples);
    let checked = Cli::try_parse_from(arguments).expect("arguments").run().await.expect("a report");
    assert_eq!(checked, ExitCode::SUCCESS);
}

#[test]
fn the_parts_fit_together() {
    let all = documents("manifests");
    let deployment = only(&all, "Deployment");
    let pod = &deployment["spec"]["template"];
    let container = &pod["spec"]["containers"][0];
    let labels = &pod["metadata"]["labels"];
    let (_, first) = all.first().expect("a document");
    assert_eq!(first["kind"], "Namespace", "it is applied first");
    let cluster_wide = ["ClusterRole", "ClusterRoleBinding"];
    let namespaced = |document: &Value| cluster_wide.iter().all(|kind| document["kind"] != *kind);
    for (file, document) in all.iter().skip(1).filter(|(_, document)| namespaced(document)) {
        assert_eq!(
            document["metadata"]["namespace"], first["metadata"]["name"],
            "{file}: {}",
            document["kind"]
        );
    }

    // Whoever selects pods selects ours.
    let select = |kind: &str, pointer: &str| -> Vec<Value> {
        let of = of_kind(&all, kind);
        assert!(!of.is_empty(), "no {kind}");
        of.iter()
            .map(|one| one.pointer(pointer).cloned().unwrap_or_else(|| panic!("{kind}: {pointer}")))
            .collect()
    };
    let mut selectors = vec![deployment["spec"]["selector"]["matchLabels"].clone()];
    selectors.extend(select("Service", "/spec/selector"));
    selectors.extend(select("PodDisruptionBudget", "/spec/selector/matchLabels"));
    selectors.extend(select("NetworkPolicy", "/spec/podSelector/matchLabels"));
    let spread = pod["spec"]["topologySpreadConstraints"].as_array().expect("spread constraints");
    selectors
        .extend(spread.iter().map(|constraint| constraint["labelSelector"]["matchLabels"].clone()));
    assert!(
        selectors.iter().all(|selector| selector == labels),
        "{selectors:?} do not all select {labels}"
    );

    // Whoever names a port names one of the container's.
    let ports: HashMap<_, _> = container["ports"]
        .as_array()
        .expect("ports")
        .iter()
        .map(|port| (port["name"].as_str().expect("a name"), &port["containerPort"]))
        .collect();
    let config = Config::load_text("").expect("defaults");
    assert_eq!(ports["grpc"], config.listen.port());
    assert_eq!(ports["http"], config.http.port());
    for probe in ["livenessProbe", "readinessProbe"] {
        assert_eq!(container[probe]["httpGet"]["port"], "http", "{probe}");
    }
    for service in of_kind(&all, "Service") {
        for port in service["spec"]["ports"].as_array().expect("ports") {
            assert_eq!(
                ports[port["targetPort"].as_str().expect("a name")],
                &port["port"],
                "{service}"
            );
        }
    }

    // What is mounted is there; what is read is mounted.
    let names = |of: &Value| -> BTreeSet<String> {
        of.as_array()
            .expect("a list")
            .iter()
            .map(|one| one["name"].as_str().expect("a name").to_owned())
            .collect()
    };
    assert_eq!(names(&pod["spec"]["volumes"]), names(&container["volumeMounts"]));
    let mounts: Vec<_> = container["volumeMounts"]
        .as_array()
        .expect("mounts")
        .iter()
        .map(|m| &m["mountPath"])
        .collect();
    for file in ["/etc/prewarm/prewarm.toml", "/var/run/secrets/prewarm/password"] {
        let folder = file.rsplit_once('/').expect("a folder").0;
        assert!(mounts.iter().any(|mount| *mount == folder), "{file} is not mounted");
    }
    assert!(
        container["args"]
            .as_array()
            .expect("arguments")
            .contains(&"/etc/prewarm/prewarm.toml".into())
    );
}

#[test]
fn it_may_read_what_it_reads_and_nothing_more() {
    let all = documents("manifests");
    let (role, binding, account) =
        (only(&all, "ClusterRole"), only(&all, "ClusterRoleBinding"), only(&all, "ServiceAccount"));
    assert_eq!(binding["roleRef"]["name"], role["metadata"]["name"]);
    for field in ["name", "namespace"] {
        assert_eq!(binding["subjects"][0][field], account["metadata"][field]);
    }
    let words = |list: &Value| -> Vec<String> {
        list.as_array()
            .expect("a list")
            .iter()
            .map(|word| word.as_str().expect("a word").to_owned())
            .collect()
    };
    let granted: BTreeSet<(String, Vec<String>)> = role["rules"]
        .as_array()
        .expect("rules")
        .iter()
        .flat_map(|rule| {
            words(&rule["resources"]).into_iter().map(|resource| (resource, words(&rule["verbs"])))
        })
        .collect();
    let needed = [
        // The names of external metrics stand where resources do.
        ("*", "list"),
        ("deployments/scale", "get"),
        ("leaderworkersets/scale", "get"),
        ("nodes", "get"),
        ("pods", "list watch"),
        ("scaledobjects", "get"),
        ("statefulsets/scale", "get"),
    ];
    let needed = needed
        .map(|(what, verbs)| (what.to_owned(), verbs.split(' ').map(str::to_owned).collect()));
    assert_eq!(granted, BTreeSet::from(needed));
    // The Deployment alone has the token.
    assert_eq!(account["automountServiceAccountToken"], false);
    let pod = &only(&all, "Deployment")["spec"]["template"]["spec"];
    assert_eq!(pod["automountServiceAccountToken"], true);
    assert_eq!(pod["serviceAccountName"], account["metadata"]["name"]);
}

#[test]
fn the_pod_is_hardened_and_outlives_a_slow_shutdown() {
    let all = documents("manifests");
    let deployment = only(&all, "Deployment");
    let pod = &deployment["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    assert_eq!(container["securityContext"]["allowPrivilegeEscalation"], false);
    assert_eq!(container["securityContext"]["capabilities"]["drop"][0], "ALL");
    assert!(pod["terminationGracePeriodSeconds"].as_u64() > Some(10), "we need up to ten seconds");
    let replicas = deployment["spec"]["replicas"].as_u64();
    let kept = only(&all, "PodDisruptionBudget")["spec"]["minAvailable"].as_u64();
    assert!(
        replicas > kept,
        "a drain must be possible: {replicas:?} replicas, {kept:?} to be kept"
    );
    let dockerfile = fs::read_to_string(deploy().join("Dockerfile")).expect("the Dockerfile");
    let user = pod["securityContext"]["runAsUser"].to_string();
    assert!(dockerfile.contains(&format!("USER {user}:{user}")), "the image's user is {user}");
}

#[test]
fn keda_finds_every_replica_where_the_examples_say() {
    let all = documents("manifests");
    let headless =
        of_kind(&all, "Service").into_iter().find(|service| service["spec"]["clusterIP"] == "None");
    let headless = headless
        .expect("a headless Service: behind a ClusterIP KEDA's one connection finds one pod");
    let part = |value: &Value| value.as_str().expect("a string").to_owned();
    let (name, namespace) =
        (part(&headless["metadata"]["name"]), part(&headless["metadata"]["namespace"]));
    let address =
        format!("{name}.{namespace}.svc.cluster.local:{}", headless["spec"]["ports"][0]["port"]);
    for object in of_kind(&documents("examples"), "ScaledObject") {
        for trigger in ours(object) {
            assert_eq!(trigger["metadata"]["scalerAddress"], address.as_str());
        }
    }
}
