//! The chart, rendered by Helm, on a real API server.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use prewarm_tests::eventually;
use prewarm_tests::helm::{chart, helm};
use serde_json::{Value, json};

use crate::api::Api;
use crate::fixture::Fixture;
use crate::workload::PATIENCE;

/// Kinds that decide who may do what.
const RIGHTS: [&str; 4] = ["Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding"];

/// Everything that the API server knows is admitted, two pods under the restricted pod security
/// standard among it, and their account may do what the server does and nothing else.
pub(super) async fn helm_chart(fixture: Arc<Fixture>) {
    let (api, release) = (fixture.api(), "prewarm-chart");
    // On SQLite it waits for a volume, which no cluster of ours provides.
    for document in rendered(release, &[]) {
        if document["kind"] == "Namespace" {
            api.apply(&document).await;
        } else {
            let admitted = api.dry_run(&document).await;
            admitted.unwrap_or_else(|refusal| panic!("{refusal}\n{document:#}"));
        }
    }
    let database = "database.url=postgres://prewarm@postgres/prewarm";
    for document in rendered(release, &["--set", database]) {
        api.apply(&document).await;
    }
    let deployment = format!("/apis/apps/v1/namespaces/{release}/deployments/{release}");
    // Nothing runs an image here; what the standard forbids would not be made.
    eventually(PATIENCE, "both pods of the chart are admitted", || async {
        let status = api.get(&deployment).await?["status"].clone();
        (status["replicas"] == 2).then_some(())
    })
    .await;

    let may = async |verb: &str, group: &str, resource: &str, namespace: &str| {
        let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
            "spec": {"user": format!("system:serviceaccount:{release}:{release}"),
                     "resourceAttributes": {"verb": verb, "group": group, "resource": resource,
                                            "namespace": namespace}}});
        api.create(&review).await["status"]["allowed"] == true
    };
    for (verb, group, resource) in [
        ("list", "", "pods"),
        ("watch", "", "pods"),
        ("get", "", "nodes"),
        ("get", "keda.sh", "scaledobjects"),
        ("list", "external.metrics.k8s.io", "s0-redis-jobs"),
    ] {
        assert!(may(verb, group, resource, "llm").await, "{verb} {resource}");
    }
    for (verb, group, resource) in [
        ("get", "", "secrets"),
        ("list", "", "secrets"),
        ("get", "", "configmaps"),
        ("delete", "", "pods"),
        ("update", "keda.sh", "scaledobjects"),
        ("patch", "apps", "deployments"),
        ("create", "", "events"),
    ] {
        assert!(!may(verb, group, resource, "llm").await, "{verb} {resource}");
    }
    api.delete(&format!("/api/v1/namespaces/{release}")).await;
}

/// What Helm makes of the chart, as a release of this name in a namespace of this name.
fn rendered(release: &str, arguments: &[&str]) -> Vec<Value> {
    let chart = chart().display().to_string();
    let usual = ["template", release, &chart, "--namespace", release];
    let own = ["--set", "namespace.create=true"];
    let text = helm(&[&usual[..], &own, arguments].concat()).expect("rendered");
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text).expect("YAML");
    documents.into_iter().filter(|document| !document.is_null()).collect()
}

/// A kubeconfig with the rights that the chart gives, and no others; of a release of its own, for
/// another scenario may withdraw those of its.
pub(super) async fn rights(api: &Api, release: &str, dir: &Path) -> PathBuf {
    for document in rendered(release, &[]) {
        if RIGHTS.iter().any(|kind| document["kind"] == *kind) {
            api.apply(&document).await;
        }
    }
    let token = api.token(release, release).await;
    let file = dir.join("kubeconfig");
    std::fs::write(&file, api.kubeconfig_of(&token)).unwrap();
    file
}
