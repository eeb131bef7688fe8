//! KEDA's admission webhook, from the same module as its operator, for the namespaces that ask for
//! it: elsewhere scenarios apply what it would refuse.

use std::time::Duration;

use prewarm_tests::eventually;
use prewarm_tests::process::{self, Daemon};
use serde_json::{Value, json};

use super::{Plane, Start, Tools, base64, words};

/// Namespaces with this label are judged.
pub(crate) const JUDGED: &str = "admission";

/// The webhook under way; dropping it ends it.
#[derive(Debug)]
pub(crate) struct Admission {
    daemon: Daemon,
    http: reqwest::Client,
    base: String,
}

impl Admission {
    /// Starts it and waits until it answers.
    pub(crate) async fn start(plane: &Plane, tools: &Tools, logs: &std::path::Path) -> Self {
        let dir = plane._dir.path();
        let certs = dir.join("keda-certs");
        let authority = std::fs::read_to_string(certs.join("ca.crt")).expect("an authority");
        let [port, metrics, health] = std::array::from_fn(|_| process::free_port());
        let arguments = words(&format!(
            "--kubeconfig={} --cert-dir={} --port={port} --metrics-bind-address=127.0.0.1:{metrics} \
             --health-probe-bind-address=127.0.0.1:{health}",
            dir.join("kubeconfig").display(),
            certs.display(),
        ));
        let program = format!("{}-webhooks", tools.keda);
        let mut daemon =
            Start { tools, dir, logs }.daemon("keda-admission", &program, &arguments, &[]);
        let root = reqwest::Certificate::from_pem(authority.as_bytes()).expect("a certificate");
        let http = reqwest::Client::builder()
            .tls_certs_only([root])
            .timeout(Duration::from_secs(30))
            .no_proxy()
            .build()
            .expect("an HTTP client");
        let base = format!("https://127.0.0.1:{port}");
        let hook = |kind: &str| {
            json!({
                "name": format!("v{kind}.kb.io"), "admissionReviewVersions": ["v1"], "sideEffects": "None",
                "failurePolicy": "Fail", "timeoutSeconds": 20,
                "namespaceSelector": {"matchLabels": {JUDGED: "keda"}},
                "clientConfig": {
                    "url": format!("{base}/validate-keda-sh-v1alpha1-{kind}"),
                    "caBundle": base64(authority.as_bytes()),
                },
                "rules": [{"apiGroups": ["keda.sh"], "apiVersions": ["v1alpha1"],
                           "operations": ["CREATE", "UPDATE"], "resources": [format!("{kind}s")]}],
            })
        };
        plane
            .api
            .apply(&json!({
                "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
                "metadata": {"name": "keda-admission"},
                "webhooks": [hook("scaledobject"), hook("scaledjob")],
            }))
            .await;
        eventually(Duration::from_secs(120), "KEDA's webhook is ready", || {
            daemon.assert_running();
            let asked = http.get(format!("{base}/")).send();
            async move { asked.await.ok().map(drop) }
        })
        .await;
        Self { daemon, http, base }
    }

    /// What it says of a ScaledObject that is not a dry run: only then it looks at requests of cpu
    /// and memory.
    pub(crate) async fn judge(&mut self, object: &Value) -> Result<(), String> {
        self.daemon.assert_running();
        let resource =
            json!({"group": "keda.sh", "version": "v1alpha1", "resource": "scaledobjects"});
        let kind = json!({"group": "keda.sh", "version": "v1alpha1", "kind": "ScaledObject"});
        let review = json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "request": {
                "uid": "1", "kind": kind, "resource": resource, "operation": "CREATE", "dryRun": false,
                "name": object["metadata"]["name"], "namespace": object["metadata"]["namespace"],
                "userInfo": {"username": "tests"}, "object": object,
            },
        });
        let url = format!("{}/validate-keda-sh-v1alpha1-scaledobject", self.base);
        let answer = self
            .http
            .post(url)
            .header("content-type", "application/json")
            .body(review.to_string())
            .send()
            .await
            .expect("an answer");
        let text = answer.text().await.expect("a body");
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        let response = &answer["response"];
        match response["allowed"].as_bool() {
            Some(true) => Ok(()),
            Some(false) => Err(response["status"]["message"].to_string()),
            None => panic!("no verdict: {answer}"),
        }
    }
}
