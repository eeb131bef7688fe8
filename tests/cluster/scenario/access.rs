//! With the rights of `deploy/` Prewarm learns cold starts from pods, knows its replicas and the
//! limits of its ScaledObject; refused, it does without.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use prewarm_tests::eventually;
use prewarm_tests::serve::Serve;
use serde_json::{Value, json};

use crate::api::Api;
use crate::demand::query;
use crate::fixture::{self, Fixture, POLL};
use crate::workload::{DeploymentStatus, PATIENCE, Workload, trigger};

/// Replicas that a window wants at any time.
const FLOOR: i64 = 5;

pub(super) async fn c21_access(fixture: Arc<Fixture>) {
    let (name, api) = ("access", fixture.api());
    fixture.gateway.set(name, 10.0);
    // Of its own: it is stopped.
    let mut prometheus = fixture::scraping(fixture.exposition).await;
    let dir = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}/access.db", dir.path().display());
    let configuration = fixture::configuration(prometheus.address(), &database);
    let kubeconfig = as_deployed(api, dir.path()).await;
    let environment = [("KUBECONFIG", kubeconfig.to_str().unwrap())];
    let prewarm = Serve::start(&fixture::program(), &configuration, &environment).await;
    let (grpc, http) = (prewarm.grpc, prewarm.http);

    // The seed is far from what pods take.
    let windows = format!(
        "- {{name: always, days: \"*\", from: \"00:00\", to: \"24:00\", minReplicas: {FLOOR}}}\n"
    );
    let metadata = json!({"query": query(name), "threshold": "2", "coldStart": "45s", "mode": "off",
                          "timezone": "UTC", "windows": windows});
    let workload = Workload::deploy(api, name, 0, "short").await;
    workload
        .scaled_object(json!({
            "pollingInterval": POLL, "cooldownPeriod": 5, "minReplicaCount": 0, "maxReplicaCount": 20,
            "advanced": {"horizontalPodAutoscalerConfig": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}}},
            "triggers": [trigger("external-push", grpc, metadata)],
        }))
        .await;

    // Five start-ups are enough to learn from; they take four to five seconds each, on a quiet
    // machine.
    workload.until("the floor is Ready", |fleet| fleet.ready == FLOOR).await;
    let learned =
        until(&prewarm, "the cold start is learned", |fleet| fleet["lead"] == "learned").await;
    let cold_start = learned["coldStartSeconds"].as_f64().unwrap();
    println!("access: a cold start of {cold_start} s was learned from {}", learned["startUps"]);
    assert!((4.0..30.0).contains(&cold_start), "{learned:#}");
    until(&prewarm, "replicas are known", |fleet| {
        fleet["replicas"] == json!({"ready": FLOOR, "starting": 0})
    })
    .await;

    let limits = json!({"minReplicas": 0, "maxReplicas": 20, "noneWhileIdle": false, "cooldownSeconds": 5.0,
                        "pollingSeconds": f64::from(POLL), "hpaWindowSeconds": 0.0});
    until(&prewarm, "the ScaledObject's limits are known", |fleet| fleet["scaling"] == limits)
        .await;

    // A restart without access has what was learned, and no more.
    drop(prewarm);
    let prewarm = Serve::start_at(&fixture::program(), &configuration, &[], grpc, http).await;
    let known = until(&prewarm, "it is asked for", |fleet| fleet["lead"] == "learned").await;
    assert_eq!(
        (&known["coldStartSeconds"], &known["replicas"]),
        (&learned["coldStartSeconds"], &Value::Null)
    );
    assert_eq!(known["scaling"], limits);
    drop(prewarm);
    let prewarm =
        Serve::start_at(&fixture::program(), &configuration, &environment, grpc, http).await;

    // A full outage with more than the floor running: unknown, hence held. With less: the floor.
    fixture.gateway.set(name, 14.0);
    workload.until("seven carry the demand", |fleet| fleet.ready == 7).await;
    prometheus.stop();
    let blind =
        || async { state(&prewarm).await == Some("blind".into()) && !scaling(&workload).await };
    workload.holds_while("held at seven", |fleet| fleet.desired == 7, blind).await;
    let scale = format!("/apis/apps/v1/namespaces/{name}/deployments/model/scale");
    api.merge(&scale, &json!({"spec": {"replicas": 2}})).await;
    workload
        .until("the floor after a person has scaled in", |fleet| {
            fleet.ready == FLOOR && fleet.desired == FLOOR
        })
        .await;
    assert_eq!(state(&prewarm).await.as_deref(), Some("blind"));
    eventually(PATIENCE, "the HPA has a metric", || async {
        scaling(&workload).await.then_some(())
    })
    .await;
    prometheus.restart().await;
    workload.until("demand is followed again", |fleet| fleet.ready == 7).await;

    // Rights withdrawn: told once, seen in the metrics, and answers go on.
    api.delete("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/prewarm").await;
    let refused = r#"prewarm_cluster_errors_total{what="pods",why="refused"}"#;
    until_metric(&prewarm, "the refusal is counted", refused, |value| value >= 1.0).await;
    fixture.gateway.set(name, 16.0);
    workload.until("demand is followed all the same", |fleet| fleet.ready == 8).await;
    until_metric(&prewarm, "what was seen is too old", "prewarm_cluster_up", |value| value == 0.0)
        .await;
    let without =
        until(&prewarm, "replicas are unknown", |fleet| fleet["replicas"].is_null()).await;
    assert_eq!(without["lead"], "learned");
    let told = prewarm.log().matches("the cluster does not say").count();
    assert_eq!(told, 1, "{}", prewarm.log());
    let eight = |fleet: DeploymentStatus| fleet.desired == 8;
    // Refused from the start it is the same.
    drop(prewarm);
    let prewarm =
        Serve::start_at(&fixture::program(), &configuration, &environment, grpc, http).await;
    let refused_at_once =
        || async { prewarm.body("/metrics").await.contains(refused) && scaling(&workload).await };
    workload.holds_while("nothing changes", eight, refused_at_once).await;
    fixture.gateway.set(name, 18.0);
    workload.until("demand is followed without any right", |fleet| fleet.ready == 9).await;
    workload.remove().await;
    drop(prewarm);
}

/// Applies account and rights as they are shipped; a kubeconfig with a token of the account and
/// nothing else.
async fn as_deployed(api: &Api, dir: &Path) -> PathBuf {
    let manifests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/manifests");
    for file in ["00-namespace.yaml", "access.yaml"] {
        api.apply_yaml(&std::fs::read_to_string(manifests.join(file)).unwrap()).await;
    }
    let token = api.token("prewarm", "prewarm").await;
    let file = dir.join("kubeconfig");
    std::fs::write(&file, api.kubeconfig_of(&token)).unwrap();
    file
}

/// What Prewarm says of its only trigger; `None` before KEDA has asked.
async fn explained(prewarm: &Serve) -> Option<Value> {
    let text = prewarm.body("/api/v1/workloads/access/model").await;
    let explanation: Value = serde_json::from_str(&text).ok()?;
    explanation["triggers"].get(0).cloned()
}

async fn state(prewarm: &Serve) -> Option<String> {
    Some(explained(prewarm).await?["state"].as_str()?.to_owned())
}

/// Waits for Prewarm to say so of replicas and start-ups.
async fn until(prewarm: &Serve, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    eventually(PATIENCE, what, || async {
        Some(explained(prewarm).await?["fleet"].clone()).filter(&wanted)
    })
    .await
}

async fn until_metric(prewarm: &Serve, what: &str, series: &str, wanted: impl Fn(f64) -> bool) {
    let value = || async {
        let text = prewarm.body("/metrics").await;
        let line =
            text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse::<f64>().ok());
        line.filter(|value| wanted(*value))
    };
    eventually(PATIENCE, what, value).await;
}

/// Whether the HPA knows its metric.
async fn scaling(workload: &Workload) -> bool {
    let hpa = workload.hpa().await.unwrap_or_default();
    let conditions = hpa["status"]["conditions"].as_array().cloned().unwrap_or_default();
    conditions
        .iter()
        .any(|condition| condition["type"] == "ScalingActive" && condition["status"] == "True")
}
