//! The Kubernetes API over plain REST: server-side apply, read, delete.

use std::net::SocketAddr;
use std::time::Duration;

use prewarm_tests::eventually;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// A client that may do anything.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    http: reqwest::Client,
    base: String,
    token: String,
    ca: String,
}

impl Api {
    /// A client of the API server at `address` whose certificate `ca` (PEM) has signed.
    pub(crate) fn new(address: SocketAddr, token: &str, ca: &str) -> Self {
        prewarm_tests::install_crypto();
        let root = reqwest::Certificate::from_pem(ca.as_bytes()).expect("a certificate");
        let http = reqwest::Client::builder()
            .tls_certs_only([root])
            .timeout(Duration::from_secs(30))
            .no_proxy();
        let (base, token) = (format!("https://{address}"), token.to_owned());
        Self { http: http.build().expect("an HTTP client"), base, token, ca: ca.to_owned() }
    }

    /// A kubeconfig for the programs around it.
    pub(crate) fn kubeconfig(&self) -> String {
        self.kubeconfig_of(&self.token)
    }

    /// A kubeconfig for whoever has this token.
    pub(crate) fn kubeconfig_of(&self, token: &str) -> String {
        let ca = crate::control_plane::base64(self.ca.as_bytes());
        let cluster = json!({"name": "plane", "cluster": {"server": self.base, "certificate-authority-data": ca}});
        let user = json!({"name": "admin", "user": {"token": token}});
        let context = json!({"name": "plane", "context": {"cluster": "plane", "user": "admin"}});
        let all = json!({"apiVersion": "v1", "kind": "Config", "current-context": "plane",
                         "clusters": [cluster], "users": [user], "contexts": [context]});
        // JSON is YAML.
        all.to_string()
    }

    /// The object at `path`; `None` where there is none or the server does not answer.
    pub(crate) async fn get(&self, path: &str) -> Option<Value> {
        let (status, body) = self.send(Method::GET, path, None).await.ok()?;
        status.is_success().then(|| serde_json::from_str(&body).expect("JSON"))
    }

    /// The text at `path`.
    pub(crate) async fn text(&self, path: &str) -> reqwest::Result<String> {
        Ok(self.send(Method::GET, path, None).await?.1)
    }

    /// Server-side apply; panics with the server's words if it refuses.
    pub(crate) async fn apply(&self, object: &Value) {
        if let Err(refusal) = self.try_apply(object).await {
            panic!("{refusal}\n{object:#}");
        }
    }

    /// Server-side apply; the server's words if it refuses.
    pub(crate) async fn try_apply(&self, object: &Value) -> Result<(), String> {
        let path = format!("{}?fieldManager=tests&force=true", path(object));
        let (status, body) = self
            .send(Method::PATCH, &path, Some(("application/apply-patch+yaml", object.to_string())))
            .await
            .map_err(|error| error.to_string())?;
        if status.is_success() { Ok(()) } else { Err(format!("{status}: {body}")) }
    }

    /// Server-side apply that changes nothing; the server's words if it refuses.
    pub(crate) async fn dry_run(&self, object: &Value) -> Result<(), String> {
        let path = format!("{}?fieldManager=tests&force=true&dryRun=All", path(object));
        let body = Some(("application/apply-patch+yaml", object.to_string()));
        let (status, answer) =
            self.send(Method::PATCH, &path, body).await.map_err(|error| error.to_string())?;
        if status.is_success() { Ok(()) } else { Err(format!("{status}: {answer}")) }
    }

    /// A strict creation that changes nothing, as `kubectl apply --dry-run=server` asks for it; the
    /// server's words if it refuses.
    pub(crate) async fn dry_run_create(
        &self,
        object: &Value,
        namespace: &str,
    ) -> Result<(), String> {
        let kind = object["kind"].as_str().unwrap_or_default().to_lowercase();
        let path = format!(
            "/apis/keda.sh/v1alpha1/namespaces/{namespace}/{kind}s?dryRun=All&fieldValidation=Strict"
        );
        let body = Some(("application/json", object.to_string()));
        let (status, answer) =
            self.send(Method::POST, &path, body).await.map_err(|error| error.to_string())?;
        if status.is_success() { Ok(()) } else { Err(format!("{status}: {answer}")) }
    }

    /// Applies every document of a YAML text.
    pub(crate) async fn apply_yaml(&self, text: &str) {
        for document in text.split("\n---\n").filter(|document| document.contains("kind:")) {
            self.apply(&serde_saphyr::from_str(document).expect("YAML")).await;
        }
    }

    /// Creates what is answered and not kept, such as a review; the answer.
    pub(crate) async fn create(&self, object: &Value) -> Value {
        let (path, _) = path(object)
            .rsplit_once('/')
            .map(|(path, name)| (path.to_owned(), name.to_owned()))
            .expect("a path");
        let body = Some(("application/json", object.to_string()));
        let (status, answer) = self.send(Method::POST, &path, body).await.expect("an answer");
        assert!(status.is_success(), "{path}: {status}: {answer}");
        serde_json::from_str(&answer).expect("JSON")
    }

    /// A JSON merge patch of the object at `path`.
    pub(crate) async fn merge(&self, path: &str, patch: &Value) {
        let body = Some(("application/merge-patch+json", patch.to_string()));
        let (status, answer) = self.send(Method::PATCH, path, body).await.expect("an answer");
        assert!(status.is_success(), "{path}: {status}: {answer}");
    }

    /// A token of a service account.
    pub(crate) async fn token(&self, namespace: &str, account: &str) -> String {
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token");
        let request =
            json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
        let body = Some(("application/json", request.to_string()));
        let (status, answer) = self.send(Method::POST, &path, body).await.expect("an answer");
        assert!(status.is_success(), "{path}: {status}: {answer}");
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        answer["status"]["token"].as_str().expect("a token").to_owned()
    }

    /// Deletes the object at `path`, if it is there.
    pub(crate) async fn delete(&self, path: &str) {
        self.send(Method::DELETE, path, None).await.expect("an answer");
    }

    /// A namespace that can be used at once.
    pub(crate) async fn create_namespace(&self, name: &str) {
        self.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}))
            .await;
        let account = format!("/api/v1/namespaces/{name}/serviceaccounts/default");
        eventually(Duration::from_secs(30), "the namespace has its service account", || {
            self.get(&account)
        })
        .await;
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, String)>,
    ) -> reqwest::Result<(StatusCode, String)> {
        let mut request =
            self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token);
        if let Some((kind, body)) = body {
            request = request.header("content-type", kind).body(body);
        }
        let answer = request.send().await?;
        Ok((answer.status(), answer.text().await?))
    }
}

/// Where an object lives. Plurals are those of the kinds that the scenarios use.
fn path(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (version, kind, name) =
        (text(&object["apiVersion"]), text(&object["kind"]), text(&object["metadata"]["name"]));
    let group =
        if version.contains('/') { format!("/apis/{version}") } else { format!("/api/{version}") };
    let kind = kind.to_lowercase();
    let plural =
        kind.strip_suffix('y').map_or_else(|| format!("{kind}s"), |stem| format!("{stem}ies"));
    match object["metadata"]["namespace"].as_str() {
        Some(namespace) => format!("{group}/namespaces/{namespace}/{plural}/{name}"),
        None => format!("{group}/{plural}/{name}"),
    }
}
