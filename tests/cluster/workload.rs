//! A Deployment of fake GPU pods and the ScaledObject over it.

use std::net::SocketAddr;
use std::time::Duration;

use prewarm_tests::eventually;
use serde_json::{Value, json};

use crate::api::Api;
use crate::control_plane::nodes::CLASS;

/// How long a scenario waits for what it expects: generous, for machines are slow and nothing here
/// measures speed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A namespace with one Deployment called `model`, and a ScaledObject of that name over it.
#[derive(Debug, Clone)]
pub(crate) struct Workload {
    api: Api,
    /// The namespace.
    pub(crate) namespace: String,
}

/// What a Deployment's status says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct DeploymentStatus {
    /// Replicas asked for.
    pub(crate) desired: i64,
    /// Pods that exist.
    pub(crate) pods: i64,
    /// Pods that are Ready.
    pub(crate) ready: i64,
}

impl Workload {
    /// A Deployment with `replicas` whose pods take `cold_start` (a name of the kubelet's stages)
    /// to be Ready.
    pub(crate) async fn deploy(
        api: &Api,
        namespace: &str,
        replicas: u32,
        cold_start: &str,
    ) -> Self {
        Self::deploy_with(api, namespace, replicas, cold_start, json!({})).await
    }

    /// The same on nodes of a class of its own, which come when its pods find none (a GPU each).
    pub(crate) async fn deploy_on(
        api: &Api,
        class: &str,
        namespace: &str,
        replicas: u32,
        cold_start: &str,
    ) -> Self {
        let placement = json!({"nodeSelector": {CLASS: class},
                               "tolerations": [{"key": CLASS, "value": class, "effect": "NoSchedule"}]});
        Self::deploy_with(api, namespace, replicas, cold_start, placement).await
    }

    /// The same with these fields in the pods' spec.
    async fn deploy_with(
        api: &Api,
        namespace: &str,
        replicas: u32,
        cold_start: &str,
        more: Value,
    ) -> Self {
        api.create_namespace(namespace).await;
        let labels = json!({"app": "model", "cold-start": cold_start});
        let mut spec = json!({
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": false,
            "containers": [{"name": "model", "image": "model:1",
                            "resources": {"limits": {"nvidia.com/gpu": "1"}}}],
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            spec[key] = value.clone();
        }
        api.apply(&json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "model", "namespace": namespace},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": {"app": "model"}},
                "template": {"metadata": {"labels": labels}, "spec": spec},
            },
        }))
        .await;
        let workload = Self { api: api.clone(), namespace: namespace.to_owned() };
        workload.scale(replicas).await;
        workload
    }

    /// Sets the Deployment's replicas as a person would.
    pub(crate) async fn scale(&self, replicas: u32) {
        let path = format!("/apis/apps/v1/namespaces/{}/deployments/model/scale", self.namespace);
        self.api.merge(&path, &json!({"spec": {"replicas": replicas}})).await;
        self.until("the pods are Ready", |status| {
            status.ready == i64::from(replicas) && status.pods == status.ready
        })
        .await;
    }

    /// Applies a ScaledObject of this spec (`scaleTargetRef` is filled in).
    pub(crate) async fn scaled_object(&self, mut spec: Value) {
        spec["scaleTargetRef"] = json!({"name": "model"});
        let object = json!({"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject",
                            "metadata": {"name": "model", "namespace": self.namespace}, "spec": spec});
        self.api.apply(&object).await;
    }

    /// What the Deployment has.
    pub(crate) async fn status(&self) -> Option<DeploymentStatus> {
        let path = format!("/apis/apps/v1/namespaces/{}/deployments/model", self.namespace);
        let deployment = self.api.get(&path).await?;
        let number = |value: &Value| value.as_i64().unwrap_or(0);
        let status = &deployment["status"];
        Some(DeploymentStatus {
            desired: number(&deployment["spec"]["replicas"]),
            pods: number(&status["replicas"]),
            ready: number(&status["readyReplicas"]),
        })
    }

    /// Waits for the Deployment to be like that.
    #[track_caller]
    pub(crate) fn until(
        &self,
        what: &str,
        wanted: impl Fn(DeploymentStatus) -> bool,
    ) -> impl Future<Output = DeploymentStatus> {
        self.until_within(PATIENCE, what, wanted)
    }

    /// The same with a patience of its own.
    #[track_caller]
    pub(crate) fn until_within(
        &self,
        patience: Duration,
        what: &str,
        wanted: impl Fn(DeploymentStatus) -> bool,
    ) -> impl Future<Output = DeploymentStatus> {
        let what = format!("{}: {what}", self.namespace);
        let (workload, wanted) = (self.clone(), wanted);
        let caller = std::panic::Location::caller();
        async move {
            let mut last = DeploymentStatus::default();
            let deadline = std::time::Instant::now() + patience;
            loop {
                if let Some(status) = workload.status().await {
                    last = status;
                    if wanted(status) {
                        return status;
                    }
                }
                assert!(
                    std::time::Instant::now() < deadline,
                    "{caller}: not within {patience:?}: {what}; it is {last:?}"
                );
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }

    /// Watches that the Deployment stays like that while `n` times something else is seen to go on.
    pub(crate) async fn holds_while<F, A>(
        &self,
        what: &str,
        holds: impl Fn(DeploymentStatus) -> bool,
        mut over: F,
    ) where
        F: FnMut() -> A,
        A: Future<Output = bool>,
    {
        let deadline = std::time::Instant::now() + PATIENCE;
        while !over().await {
            if let Some(status) = self.status().await {
                assert!(holds(status), "{}: {what}; it is {status:?}", self.namespace);
            }
            assert!(
                std::time::Instant::now() < deadline,
                "{}: not over within {PATIENCE:?}: {what}",
                self.namespace
            );
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// The ScaledObject as it stands.
    pub(crate) async fn object(&self) -> Value {
        let path =
            format!("/apis/keda.sh/v1alpha1/namespaces/{}/scaledobjects/model", self.namespace);
        self.api.get(&path).await.unwrap_or_default()
    }

    /// The HPA that KEDA made of it.
    pub(crate) async fn hpa(&self) -> Option<Value> {
        let path = format!(
            "/apis/autoscaling/v2/namespaces/{}/horizontalpodautoscalers/keda-hpa-model",
            self.namespace
        );
        self.api.get(&path).await
    }

    /// Whether the HPA gets its metrics; `None` before it says.
    pub(crate) async fn scaling_active(&self) -> Option<bool> {
        let hpa = self.hpa().await?;
        let conditions = hpa["status"]["conditions"].as_array()?;
        let active = conditions.iter().find(|condition| condition["type"] == "ScalingActive")?;
        Some(active["status"] == "True")
    }

    /// Status and message of a condition of the ScaledObject.
    pub(crate) async fn condition(&self, kind: &str) -> Option<(String, String)> {
        condition(&self.object().await, kind)
    }

    /// Waits until a condition of the ScaledObject has that status.
    pub(crate) async fn until_condition(&self, kind: &str, status: &str) {
        let what = format!("{}: the ScaledObject's {kind} is {status}", self.namespace);
        eventually(PATIENCE, &what, || async {
            self.condition(kind).await.filter(|(now, _)| now == status)
        })
        .await;
    }

    /// Messages of the events about the ScaledObject.
    pub(crate) async fn events(&self) -> Vec<String> {
        let path = format!("/api/v1/namespaces/{}/events", self.namespace);
        let events = self.api.get(&path).await.unwrap_or_default();
        let events = events["items"].as_array().cloned().unwrap_or_default();
        events.iter().filter_map(|event| Some(event["message"].as_str()?.to_owned())).collect()
    }

    /// Removes everything of it.
    pub(crate) async fn remove(&self) {
        let path =
            format!("/apis/keda.sh/v1alpha1/namespaces/{}/scaledobjects/model", self.namespace);
        self.api.delete(&path).await;
        self.api
            .delete(&format!("/apis/apps/v1/namespaces/{}/deployments/model", self.namespace))
            .await;
    }
}

fn condition(object: &Value, kind: &str) -> Option<(String, String)> {
    let conditions = object["status"]["conditions"].as_array()?;
    let found = conditions.iter().find(|condition| condition["type"] == kind)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Some((text(&found["status"]), text(&found["message"])))
}

/// A trigger of Prewarm at `address`, of `kind` (`external` or `external-push`), with this metadata
/// beside the address.
pub(crate) fn trigger(kind: &str, address: SocketAddr, metadata: Value) -> Value {
    let mut metadata = metadata;
    metadata["scalerAddress"] = json!(address.to_string());
    json!({"type": kind, "metricType": "AverageValue", "metadata": metadata})
}
