//! A control plane on the loopback: etcd, API server, controllers with the HPA, scheduler, fake
//! nodes and kubelet (KWOK), KEDA's operator and metrics adapter, all unmodified, as plain
//! processes that end with ours.

pub(crate) mod admission;
mod kwok;
pub(crate) mod nodes;
pub(crate) mod pki;
mod restart;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use prewarm_tests::eventually;
use prewarm_tests::process::{self, Daemon, Signal};
use serde_json::json;
use tempfile::TempDir;

use crate::api::Api;
use pki::{Authority, Pair};
use restart::Restarted;

/// The bearer token of everybody here: a member of `system:masters`.
const TOKEN: &str = "control-plane";

/// How often the HPA looks: 15 s in a real cluster.
pub(crate) const HPA_SYNC: Duration = Duration::from_secs(2);

/// A running control plane; dropping it ends every process.
#[derive(Debug)]
pub(crate) struct Plane {
    /// Its API.
    pub(crate) api: Api,
    // Ended in this order: those that depend on others first.
    _nodes: nodes::Autoscaler,
    _operator: Restarted,
    _adapter: Daemon,
    _controllers: Vec<Daemon>,
    _apiserver: Daemon,
    _etcd: Daemon,
    _dir: TempDir,
}

/// Where the built programs lie, and which KEDA is meant.
#[derive(Debug, Clone)]
pub(crate) struct Tools {
    /// The folder that `tools/build` printed.
    pub(crate) bin: PathBuf,
    /// `keda`, or `keda-2.20`.
    pub(crate) keda: String,
    /// KEDA's custom resource definitions.
    pub(crate) crds: PathBuf,
}

/// What starting a process needs.
struct Start<'a> {
    tools: &'a Tools,
    dir: &'a Path,
    logs: &'a Path,
}

impl Start<'_> {
    fn daemon(
        &self,
        name: &'static str,
        program: &str,
        arguments: &[String],
        environment: &[(&str, &str)],
    ) -> Daemon {
        let mut command: Command =
            process::bound_to_us(&self.tools.bin.join(program), None, "KILL");
        command.args(arguments).envs(environment.iter().copied()).current_dir(self.dir);
        Daemon::spawn(name, command, &self.logs.join(format!("{name}.log")), Signal::KILL)
    }

    fn file(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }
}

/// Arguments from one text: words separated by white space.
fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

impl Plane {
    /// Starts everything and waits until it works; logs go to `logs`. KEDA's operator gets these
    /// flags as well.
    pub(crate) async fn start(tools: &Tools, logs: &Path, operator: &str) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("prewarm-plane-")
            .tempdir()
            .expect("temporary directory");
        let start = Start { tools, dir: dir.path(), logs };
        let (etcd, url) = etcd(&start);
        let (mut apiserver, api, authority) = apiserver(&start, &url);
        eventually(Duration::from_secs(120), "the API server is ready", || {
            apiserver.assert_running();
            let api = api.clone();
            async move { api.text("/readyz").await.ok().filter(|answer| answer == "ok") }
        })
        .await;
        let kubeconfig = start.file("kubeconfig");
        std::fs::write(&kubeconfig, api.kubeconfig()).expect("write the kubeconfig");
        let controllers =
            vec![controller_manager(&start, &kubeconfig), scheduler(&start, &kubeconfig)];
        let kwok = kwok::start(&start, &kubeconfig, &api).await;
        let (operator, adapter) = keda(&start, &kubeconfig, &api, &authority, operator).await;
        let mut controllers = controllers;
        controllers.push(kwok);
        let nodes = nodes::Autoscaler::start(&api);
        Self {
            api,
            _nodes: nodes,
            _operator: operator,
            _adapter: adapter,
            _controllers: controllers,
            _apiserver: apiserver,
            _etcd: etcd,
            _dir: dir,
        }
    }
}

fn etcd(start: &Start<'_>) -> (Daemon, String) {
    let [client, peer] =
        [process::free_port(), process::free_port()].map(|port| format!("http://127.0.0.1:{port}"));
    let arguments = words(&format!(
        "--data-dir {} --unsafe-no-fsync --log-level warn --listen-client-urls {client} --advertise-client-urls {client} \
         --listen-peer-urls {peer} --initial-advertise-peer-urls {peer} --initial-cluster default={peer}",
        start.file("etcd")
    ));
    (start.daemon("etcd", "etcd", &arguments, &[]), client)
}

fn apiserver(start: &Start<'_>, etcd: &str) -> (Daemon, Api, Authority) {
    let authority = Authority::new(start.dir, "ca");
    let serving =
        authority.issue("apiserver", &["127.0.0.1", "localhost", "kubernetes.default.svc"]);
    let proxy = authority.issue("front-proxy", &[]);
    let (private, public) = pki::key_pair(start.dir, "service-accounts");
    std::fs::write(start.dir.join("tokens"), format!("{TOKEN},admin,admin,system:masters\n"))
        .expect("write tokens");
    let port = process::free_port();
    let path = |path: &Path| path.display().to_string();
    let ca = path(&authority.file);
    let arguments = words(&format!(
        "--etcd-servers={etcd} --secure-port={port} --bind-address=127.0.0.1 --advertise-address=127.0.0.1 \
         --endpoint-reconciler-type=none --tls-cert-file={} --tls-private-key-file={} --client-ca-file={ca} \
         --token-auth-file={} --authorization-mode=RBAC --disable-admission-plugins=ServiceAccount \
         --service-account-issuer=https://kubernetes.default.svc --service-account-key-file={public} \
         --service-account-signing-key-file={private} --service-cluster-ip-range=10.0.0.0/16 \
         --requestheader-client-ca-file={ca} --requestheader-allowed-names=front-proxy \
         --requestheader-username-headers=X-Remote-User --requestheader-group-headers=X-Remote-Group \
         --requestheader-extra-headers-prefix=X-Remote-Extra- --proxy-client-cert-file={} --proxy-client-key-file={}",
        path(&serving.cert),
        path(&serving.key),
        start.file("tokens"),
        path(&proxy.cert),
        path(&proxy.key),
        public = path(&public),
        private = path(&private),
    ));
    let daemon = start.daemon("apiserver", "kube-apiserver", &arguments, &[]);
    let api = Api::new(SocketAddr::from(([127, 0, 0, 1], port)), TOKEN, &authority.pem);
    (daemon, api, authority)
}

fn controller_manager(start: &Start<'_>, kubeconfig: &str) -> Daemon {
    // Without node-lifecycle-controller fake nodes keep their not-ready taint and nothing is
    // scheduled.
    let arguments = words(&format!(
        "--kubeconfig={kubeconfig} --leader-elect=false --bind-address=127.0.0.1 --secure-port={} \
         --authentication-kubeconfig={kubeconfig} --authorization-kubeconfig={kubeconfig} --cert-dir={} \
         --node-monitor-grace-period=24h --horizontal-pod-autoscaler-sync-period={}s --concurrent-horizontal-pod-autoscaler-syncs=5 \
         --controllers=deployment-controller,replicaset-controller,job-controller,horizontal-pod-autoscaler-controller,\
namespace-controller,garbage-collector-controller,serviceaccount-controller,node-lifecycle-controller",
        process::free_port(),
        start.file("controller-manager"),
        HPA_SYNC.as_secs(),
    ));
    start.daemon("controller-manager", "kube-controller-manager", &arguments, &[])
}

fn scheduler(start: &Start<'_>, kubeconfig: &str) -> Daemon {
    let arguments = words(&format!(
        "--kubeconfig={kubeconfig} --leader-elect=false --bind-address=127.0.0.1 --secure-port={} \
         --authentication-kubeconfig={kubeconfig} --authorization-kubeconfig={kubeconfig} --cert-dir={}",
        process::free_port(),
        start.file("scheduler"),
    ));
    start.daemon("scheduler", "kube-scheduler", &arguments, &[])
}

/// KEDA's operator and adapter, and the external metrics API that the adapter serves.
async fn keda(
    start: &Start<'_>,
    kubeconfig: &str,
    api: &Api,
    authority: &Authority,
    flags: &str,
) -> (Restarted, Daemon) {
    api.create_namespace("keda").await;
    for file in std::fs::read_dir(&start.tools.crds).expect("KEDA's definitions") {
        let text = std::fs::read_to_string(file.expect("a file").path()).expect("a definition");
        api.apply_yaml(&text).await;
    }
    eventually(Duration::from_secs(60), "ScaledObjects can be listed", || async {
        api.get("/apis/keda.sh/v1alpha1/scaledobjects").await
    })
    .await;
    // Operator and adapter share a certificate: the adapter asks the operator, the API server the
    // adapter.
    let certs = start.dir.join("keda-certs");
    std::fs::create_dir_all(&certs).expect("folder");
    let Pair { cert, key } = authority.issue(
        "keda",
        &["127.0.0.1", "localhost", "keda-operator.keda.svc", "keda-metrics-apiserver.keda.svc"],
    );
    for (from, to) in [(&authority.file, "ca.crt"), (&cert, "tls.crt"), (&key, "tls.key")] {
        std::fs::copy(from, certs.join(to)).expect("copy");
    }
    let certs = certs.display().to_string();
    let [service, metrics, health, adapter, own] = std::array::from_fn(|_| process::free_port());
    let environment = [
        ("WATCH_NAMESPACE", ""),
        ("POD_NAMESPACE", "keda"),
        ("KEDA_CLUSTER_OBJECT_NAMESPACE", "keda"),
    ];
    let operator = words(&format!(
        "--kubeconfig={kubeconfig} --cert-dir={certs} --metrics-bind-address=127.0.0.1:{metrics} \
         --health-probe-bind-address=127.0.0.1:{health} --metrics-service-bind-address=127.0.0.1:{service} \
         --enable-webhook-patching=false --enable-apiservice-patching=false --enable-cert-rotation=false \
         --zap-log-level=info {flags}",
    ));
    let again = {
        let (tools, dir, logs) = (start.tools.clone(), start.dir.to_owned(), start.logs.to_owned());
        let program = format!("{}-operator", start.tools.keda);
        move || {
            Start { tools: &tools, dir: &dir, logs: &logs }.daemon(
                "keda-operator",
                &program,
                &operator,
                &environment,
            )
        }
    };
    let operator = Restarted::start("KEDA's operator", again);
    let arguments = words(&format!(
        "--kubeconfig={kubeconfig} --lister-kubeconfig={kubeconfig} --authentication-kubeconfig={kubeconfig} \
         --authorization-kubeconfig={kubeconfig} --secure-port={adapter} --bind-address=127.0.0.1 \
         --tls-cert-file={certs}/tls.crt --tls-private-key-file={certs}/tls.key --cert-dir={certs} \
         --client-ca-file={certs}/ca.crt --metrics-service-address=localhost:{service} --port={own}",
    ));
    let mut adapter_daemon = start.daemon(
        "keda-adapter",
        &format!("{}-adapter", start.tools.keda),
        &arguments,
        &environment,
    );
    // A ClusterIP needs kube-proxy; an external name that is the loopback does not.
    api.apply(&json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "keda-metrics-apiserver", "namespace": "keda"},
        "spec": {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": adapter}]},
    }))
    .await;
    api.apply(&json!({
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
        "metadata": {"name": "v1beta1.external.metrics.k8s.io"},
        "spec": {
            "service": {"name": "keda-metrics-apiserver", "namespace": "keda", "port": adapter},
            "group": "external.metrics.k8s.io", "version": "v1beta1", "groupPriorityMinimum": 100, "versionPriority": 100,
            "caBundle": base64(authority.pem.as_bytes()),
        },
    }))
    .await;
    eventually(Duration::from_secs(120), "the external metrics API answers", || {
        adapter_daemon.assert_running();
        async { api.get("/apis/external.metrics.k8s.io/v1beta1").await }
    })
    .await;
    (operator, adapter_daemon)
}

/// RFC 4648 with padding.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let letter =
        |group: u32, place: u32| char::from(LETTERS[(group >> (18 - 6 * place) & 63) as usize]);
    bytes
        .chunks(3)
        .flat_map(|chunk| {
            let group = chunk
                .iter()
                .chain([&0; 3])
                .take(3)
                .fold(0, |group, byte| group << 8 | u32::from(*byte));
            std::array::from_fn::<_, 4, _>(|i| {
                if i > chunk.len() { '=' } else { letter(group, i as u32) }
            })
        })
        .collect()
}
