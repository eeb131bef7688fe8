//! A node autoscaler, as Karpenter is one: a pod of a class that finds no node gets one after a
//! while, an empty node goes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::api::Api;

/// Label and taint of the nodes of a class, and what its pods select and tolerate. Any value is a
/// class of its own.
pub(crate) const CLASS: &str = "node-class";

/// From a pod that finds no node to the node's registration.
pub(crate) const PROVISIONING: Duration = Duration::from_secs(12);

/// So long stays a node without pods.
pub(crate) const EMPTY: Duration = Duration::from_secs(20);

/// The autoscaler at work; dropping it ends it.
#[derive(Debug)]
pub(super) struct Autoscaler(JoinHandle<()>);

impl Autoscaler {
    /// Looks twice a second.
    pub(super) fn start(api: &Api) -> Self {
        let api = api.clone();
        Self(tokio::spawn(async move {
            let mut looks = tokio::time::interval(Duration::from_millis(500));
            let mut state = State::default();
            loop {
                looks.tick().await;
                state.look(&api).await;
            }
        }))
    }
}

impl Drop for Autoscaler {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Names of the nodes of a class.
pub(crate) async fn of_class(api: &Api, class: &str) -> Vec<String> {
    let nodes = api
        .get(&format!("/api/v1/nodes?labelSelector={CLASS}%3D{class}"))
        .await
        .unwrap_or_default();
    items(&nodes).iter().map(|node| text(&node["metadata"]["name"])).collect()
}

#[derive(Debug, Default)]
struct State {
    /// When the nodes on order come, by class.
    orders: BTreeMap<String, Vec<Instant>>,
    /// Since when nodes have been empty.
    empty: BTreeMap<String, Instant>,
    /// Nodes made so far.
    made: u32,
}

impl State {
    async fn look(&mut self, api: &Api) {
        let (pods, nodes) = (
            api.get("/api/v1/pods").await,
            api.get(&format!("/api/v1/nodes?labelSelector={CLASS}")).await,
        );
        let (Some(pods), Some(nodes)) = (pods, nodes) else { return };
        let mut homeless: BTreeMap<String, usize> = BTreeMap::new();
        let mut used = BTreeSet::new();
        for pod in items(&pods) {
            match (pod["spec"]["nodeName"].as_str(), pod["spec"]["nodeSelector"][CLASS].as_str()) {
                (Some(node), _) => drop(used.insert(node.to_owned())),
                (None, Some(class)) if unschedulable(pod) => {
                    *homeless.entry(class.to_owned()).or_default() += 1
                }
                _ => {}
            }
        }
        let mut free: BTreeMap<String, usize> = BTreeMap::new();
        for node in items(&nodes) {
            let name = text(&node["metadata"]["name"]);
            if used.contains(&name) {
                self.empty.remove(&name);
                continue;
            }
            *free.entry(text(&node["metadata"]["labels"][CLASS])).or_default() += 1;
            if self.empty.entry(name.clone()).or_insert_with(Instant::now).elapsed() > EMPTY {
                self.empty.remove(&name);
                api.delete(&format!("/api/v1/nodes/{name}")).await;
            }
        }
        for (class, pods) in homeless {
            let orders = self.orders.entry(class.clone()).or_default();
            let coming = orders.len() + free.get(&class).copied().unwrap_or(0);
            orders.extend((coming..pods).map(|_| Instant::now() + PROVISIONING));
        }
        for (class, orders) in &mut self.orders {
            let (due, later): (Vec<Instant>, _) =
                orders.iter().partition(|due| **due <= Instant::now());
            *orders = later;
            for order in due {
                self.made += 1;
                if api.try_apply(&node(class, self.made)).await.is_err() {
                    orders.push(order);
                }
            }
        }
    }
}

/// One GPU, for pods of its class alone.
fn node(class: &str, number: u32) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": format!("{class}-{number}"), "labels": {"type": "kwok", "gpus": "one", CLASS: class}},
        "spec": {"taints": [{"key": CLASS, "value": class, "effect": "NoSchedule"}]},
    })
}

/// Whether the scheduler has looked and found no node.
fn unschedulable(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array().map_or(&[][..], Vec::as_slice);
    conditions
        .iter()
        .any(|condition| condition["type"] == "PodScheduled" && condition["status"] == "False")
}

fn items(list: &Value) -> &[Value] {
    list["items"].as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
