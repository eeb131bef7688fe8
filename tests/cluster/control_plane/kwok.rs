//! Fake nodes and the kubelet: a pod is Ready after its cold start, which its labels choose.

use std::time::Duration;

use prewarm_tests::eventually;
use prewarm_tests::process::{self, Daemon};
use serde_json::json;

use super::{Start, words};
use crate::api::Api;

/// How long a pod takes to be Ready, by its label `cold-start`; a fifth of it is jitter.
pub(crate) const COLD_STARTS: [(&str, u64); 4] =
    [("none", 200), ("short", 4_000), ("long", 15_000), ("longest", 40_000)];

/// Nodes by their label `gpus`, and how many each has.
const NODES: [(&str, u64); 2] = [("many", 1000), ("one", 1)];

/// Starts KWOK with one node of many GPUs.
pub(super) async fn start(start: &Start<'_>, kubeconfig: &str, api: &Api) -> Daemon {
    std::fs::write(start.dir.join("kwok.yaml"), stages()).expect("write the stages");
    let arguments = words(&format!(
        "--config={} --kubeconfig={kubeconfig} --manage-all-nodes=true --server-address=127.0.0.1:{}",
        start.file("kwok.yaml"),
        process::free_port(),
    ));
    let mut daemon = start.daemon("kwok", "kwok", &arguments, &[]);
    api.apply(&json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "gpu-1", "labels": {"type": "kwok", "gpus": "many"}}}))
        .await;
    eventually(Duration::from_secs(60), "the node is ready", || {
        daemon.assert_running();
        async {
            let node = api.get("/api/v1/nodes/gpu-1").await?;
            let taints = node["spec"]["taints"].as_array().map_or(0, Vec::len);
            let ready = node["status"]["conditions"]
                .as_array()?
                .iter()
                .any(|c| c["type"] == "Ready" && c["status"] == "True");
            (ready && taints == 0).then_some(())
        }
    })
    .await;
    daemon
}

/// One stage a size that makes nodes ready, one a cold start, one that deletes pods.
fn stages() -> String {
    let nodes: String = NODES
        .iter()
        .map(|(gpus, count)| {
            format!(
                r#"
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {{name: node-ready-{gpus}}}
spec:
  resourceRef: {{apiGroup: v1, kind: Node}}
  selector:
    matchLabels: {{gpus: {gpus}}}
    matchExpressions:
    - {{key: '.status.conditions.[] | select( .type == "Ready" ) | .status', operator: NotIn, values: ["True"]}}
  next:
    statusTemplate: |
      {{{{ $now := Now }}}}
      addresses: [{{address: 10.1.0.1, type: InternalIP}}]
      allocatable: {{cpu: 1k, memory: 1Ti, pods: 1M, nvidia.com/gpu: {count}}}
      capacity: {{cpu: 1k, memory: 1Ti, pods: 1M, nvidia.com/gpu: {count}}}
      conditions:
      - {{type: Ready, status: "True", reason: KubeletReady, message: ready, lastHeartbeatTime: {{{{ $now | Quote }}}}, lastTransitionTime: {{{{ $now | Quote }}}}}}
      phase: Running
---"#
            )
        })
        .collect();
    let others = r#"
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {name: pod-delete}
spec:
  resourceRef: {apiGroup: v1, kind: Pod}
  selector:
    matchExpressions:
    - {key: '.metadata.deletionTimestamp', operator: Exists}
  next:
    finalizers: {empty: true}
    delete: true
"#;
    COLD_STARTS.iter().fold(nodes + others, |text, (name, delay)| {
        let jitter = delay + delay / 5;
        format!(
            r#"{text}---
apiVersion: kwok.x-k8s.io/v1alpha1
kind: Stage
metadata: {{name: pod-ready-{name}}}
spec:
  resourceRef: {{apiGroup: v1, kind: Pod}}
  selector:
    matchLabels: {{cold-start: {name}}}
    matchExpressions:
    - {{key: '.metadata.deletionTimestamp', operator: DoesNotExist}}
    - {{key: '.spec.nodeName', operator: Exists}}
    - {{key: '.status.podIP', operator: DoesNotExist}}
  delay: {{durationMilliseconds: {delay}, jitterDurationMilliseconds: {jitter}}}
  next:
    statusTemplate: |
      {{{{ $now := Now }}}}
      conditions:
      - {{type: Initialized, status: "True", lastTransitionTime: {{{{ $now | Quote }}}}}}
      - {{type: Ready, status: "True", lastTransitionTime: {{{{ $now | Quote }}}}}}
      - {{type: ContainersReady, status: "True", lastTransitionTime: {{{{ $now | Quote }}}}}}
      containerStatuses:
      {{{{ range .spec.containers }}}}
      - {{name: {{{{ .name | Quote }}}}, image: {{{{ .image | Quote }}}}, ready: true, restartCount: 0, state: {{running: {{startedAt: {{{{ $now | Quote }}}}}}}}}}
      {{{{ end }}}}
      hostIP: 10.1.0.1
      podIP: 10.1.0.2
      phase: Running
      startTime: {{{{ $now | Quote }}}}
"#
        )
    })
}
