//! From a ScaledObject to the selector of its pods, by way of the scale subresource of what it
//! scales; and to its limits.

use std::time::Duration;

use k8s_openapi::api::core::v1::Node;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind, Selector};
use kube::{Api, Client};

use super::Name;
use super::labels::selector;
use super::pod::NodeInfo;
use crate::scaled_object::ScaledObjectLimits;

/// No request takes longer: an API server that accepts and never answers is as good as none.
const LIMIT: Duration = Duration::from_secs(10);

/// What failed, and whether it was refused. Texts hold names, no secrets.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// 401 or 403: we may not.
    #[error("refused: {0}")]
    Refused(String),
    /// There is no such thing, or it does not say yet.
    #[error("not there: {0}")]
    Missing(String),
    /// No answer.
    #[error("unreachable: {0}")]
    Unreachable(String),
}

impl Failure {
    /// snake_case name.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Missing(_) => "missing",
            Self::Unreachable(_) => "unreachable",
        }
    }
}

impl From<kube::Error> for Failure {
    fn from(error: kube::Error) -> Self {
        match &error {
            kube::Error::Api(status) if matches!(status.code, 401 | 403) => {
                Self::Refused(status.message.clone())
            }
            kube::Error::Api(status) if status.code == 404 => Self::Missing(status.message.clone()),
            _ => Self::Unreachable(with_causes(&error)),
        }
    }
}

/// An error with what led to it: kube's own text often says no more than "ServiceError".
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text += &format!(": {more}");
        }
        cause = error.source();
    }
    text
}

pub(super) async fn within<T>(
    request: impl Future<Output = kube::Result<T>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(LIMIT, request).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Failure::Unreachable("no answer within 10 s".to_owned())),
    }
}

/// What is known of a ScaledObject.
#[derive(Debug)]
pub(super) struct Found {
    /// Limits and beats.
    pub(super) scaling: ScaledObjectLimits,
    /// Of the pods of what it scales.
    pub(super) selector: Result<Selector, Failure>,
}

/// A ScaledObject as it is now.
pub(super) async fn scaled_object(client: &Client, of: &Name) -> Result<DynamicObject, Failure> {
    let (namespace, name) = of;
    let kind = ApiResource::from_gvk_with_plural(
        &GroupVersionKind::gvk("keda.sh", "v1alpha1", "ScaledObject"),
        "scaledobjects",
    );
    let scaled_objects: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &kind);
    within(scaled_objects.get(name)).await
}

/// Asks for a ScaledObject and for what it scales.
pub(super) async fn find(client: &Client, of: &Name) -> Result<Found, Failure> {
    let scaled_object = scaled_object(client, of).await?;
    let selector = pods_of(client, of, &scaled_object.data).await;
    Ok(Found { scaling: ScaledObjectLimits::of(&scaled_object.data), selector })
}

async fn pods_of(
    client: &Client,
    of: &Name,
    scaled_object: &serde_json::Value,
) -> Result<Selector, Failure> {
    let (namespace, name) = of;
    let (resource, target) = scaled(scaled_object).ok_or_else(|| {
        Failure::Missing(format!("{namespace}/{name} does not say yet what it scales"))
    })?;
    let targets: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    let scale = within(targets.get_scale(&target)).await?;
    let text = scale.status.and_then(|status| status.selector).unwrap_or_default();
    selector(&text).ok_or_else(|| {
        let of = format!("{} {namespace}/{target}", resource.kind);
        Failure::Missing(format!("the scale subresource of {of} names no pods (selector {text:?})"))
    })
}

/// What `scaleTargetRef` means: KEDA says so in the status, once it has looked.
fn scaled(scaled_object: &serde_json::Value) -> Option<(ApiResource, String)> {
    let text =
        |pointer: &str| scaled_object.pointer(pointer)?.as_str().filter(|text| !text.is_empty());
    let name = text("/spec/scaleTargetRef/name")?.to_owned();
    let of_status = |field: &str| text(&format!("/status/scaleTargetGVKR/{field}"));
    if let (Some(version), Some(kind), Some(plural)) =
        (of_status("version"), of_status("kind"), of_status("resource"))
    {
        let gvk = GroupVersionKind::gvk(of_status("group").unwrap_or_default(), version, kind);
        return Some((ApiResource::from_gvk_with_plural(&gvk, plural), name));
    }
    let (group, version) =
        text("/spec/scaleTargetRef/apiVersion").unwrap_or("apps/v1").split_once('/')?;
    // Kubernetes' own kinds have the plurals that one expects; of others KEDA will say.
    let kind = text("/spec/scaleTargetRef/kind").unwrap_or("Deployment");
    let own = group == "apps" && ["Deployment", "StatefulSet"].contains(&kind);
    own.then(|| {
        let plural = format!("{}s", kind.to_lowercase());
        (
            ApiResource::from_gvk_with_plural(
                &GroupVersionKind::gvk(group, version, kind),
                &plural,
            ),
            name,
        )
    })
}

/// A node; `None` if it has gone, as nodes of small clouds do.
pub(super) async fn machine(client: &Client, name: &str) -> Result<Option<NodeInfo>, Failure> {
    let nodes: Api<Node> = Api::all(client.clone());
    Ok(within(nodes.get_opt(name)).await?.as_ref().and_then(NodeInfo::of))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn what(scaled_object: &serde_json::Value) -> Option<String> {
        let (resource, name) = scaled(scaled_object)?;
        Some(format!("{} {}/{name}", resource.api_version, resource.plural))
    }

    #[test]
    fn the_target_is_what_keda_has_found_or_what_needs_no_finding() {
        let reference = |reference| json!({"spec": {"scaleTargetRef": reference}});
        for (object, target) in [
            (reference(json!({"name": "llama"})), Some("apps/v1 deployments/llama")),
            (
                reference(json!({"name": "llama", "kind": "StatefulSet"})),
                Some("apps/v1 statefulsets/llama"),
            ),
            (
                reference(
                    json!({"name": "llama", "kind": "Rollout", "apiVersion": "argoproj.io/v1alpha1"}),
                ),
                None,
            ),
            (reference(json!({"name": "llama", "kind": "Deployment", "apiVersion": "v1"})), None),
            (reference(json!({"name": ""})), None),
            (json!({}), None),
            (json!({"spec": 3, "status": []}), None),
        ] {
            assert_eq!(what(&object).as_deref(), target, "{object}");
        }
        let group = json!({
            "spec": {"scaleTargetRef": {"name": "llama", "kind": "LeaderWorkerSet", "apiVersion": "leaderworkerset.x-k8s.io/v1"}},
            "status": {"scaleTargetGVKR": {"group": "leaderworkerset.x-k8s.io", "version": "v1", "kind": "LeaderWorkerSet",
                                           "resource": "leaderworkersets"}},
        });
        assert_eq!(
            what(&group).as_deref(),
            Some("leaderworkerset.x-k8s.io/v1 leaderworkersets/llama")
        );
    }
}
