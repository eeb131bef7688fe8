//! Every example passes the schema of KEDA's own custom resource.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use crate::fixture::Fixture;

pub(super) async fn examples(fixture: Arc<Fixture>) {
    let api = fixture.api();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/examples");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let documents: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
        for document in documents {
            let keda = document["apiVersion"].as_str().is_some_and(|v| v.starts_with("keda.sh/"));
            if !keda {
                continue;
            }
            if let Some(namespace) = document["metadata"]["namespace"].as_str() {
                api.create_namespace(namespace).await;
            }
            let dry = api.dry_run(&document).await;
            dry.unwrap_or_else(|refusal| panic!("{}: {refusal}", path.display()));
            seen += 1;
        }
    }
    assert!(seen >= 25, "only {seen} resources of KEDA");
    // What the schema refuses is refused here, too.
    let wrong: Value = serde_json::json!({"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject",
        "metadata": {"name": "wrong", "namespace": "llm"},
        "spec": {"scaleTargetRef": {"name": "x"}, "triggers": [{"type": "cron"}]}});
    assert!(api.dry_run(&wrong).await.is_err(), "the dry run looks at the schema");
}
