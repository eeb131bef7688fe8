//! What the webhook refuses because of other resources (`scaledobject_webhook.go`
//! `verifyScaledObjects`, `verifyHpas`, `verifyCPUMemoryScalers`), as far as they are in the files
//! given: two scalers of one target, two of one HPA, cpu without requests.

use super::Document;
use super::resource::{Kind, Resource};
use super::tree::{Node, Tree};

/// What scales a target.
#[derive(Debug)]
struct Scaler<'t> {
    /// `ScaledObject` or `HorizontalPodAutoscaler`.
    kind: &'static str,
    name: &'t str,
    namespace: Option<&'t str>,
    target: Target<'t>,
    /// The HPA that it is, or makes.
    hpa: String,
    tree: &'t Tree,
    file: &'t str,
    line: u64,
}

/// `scaleTargetRef` with KEDA's defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Target<'t> {
    version: &'t str,
    kind: &'t str,
    name: &'t str,
}

impl<'t> Target<'t> {
    fn read(tree: &'t Tree) -> Option<Self> {
        let text = |key: &str, default: &'t str| {
            let path = format!("spec.scaleTargetRef.{key}");
            tree.text(&path).filter(|text| !text.is_empty()).unwrap_or(default)
        };
        Some(Self {
            version: text("apiVersion", "apps/v1"),
            kind: text("kind", "Deployment"),
            name: tree.text("spec.scaleTargetRef.name").filter(|name| !name.is_empty())?,
        })
    }
}

impl<'t> Scaler<'t> {
    fn read(document: &'t Document) -> Option<Self> {
        let tree = &document.tree;
        let kind = match tree.text("kind")? {
            "ScaledObject" => "ScaledObject",
            "HorizontalPodAutoscaler" => "HorizontalPodAutoscaler",
            _ => return None,
        };
        let name = tree.text("metadata.name")?;
        let hpa = match kind {
            "ScaledObject" => hpa_name(tree, name),
            _ => name.to_owned(),
        };
        Some(Self {
            kind,
            name,
            namespace: tree.text("metadata.namespace"),
            target: Target::read(tree)?,
            hpa,
            tree,
            file: &document.file,
            line: tree.line_of("kind"),
        })
    }

    fn place(&self) -> String {
        format!("{} {} ({}, line {})", self.kind, self.name, self.file, self.line)
    }
}

/// Looks for other resources in the files that KEDA would not have beside this one.
pub(super) fn find(resource: &mut Resource<'_>, documents: &[Document]) {
    if resource.kind != Kind::ScaledObject {
        return;
    }
    let others: Vec<Scaler<'_>> = documents.iter().filter_map(Scaler::read).collect();
    other_scalers(resource, &others);
    requests(resource, documents);
}

fn other_scalers(resource: &mut Resource<'_>, others: &[Scaler<'_>]) {
    let Some(target) = Target::read(resource.tree) else { return };
    let hpa = hpa_name(resource.tree, resource.name);
    let adopts = annotation(resource.tree, "scaledobject.keda.sh/transfer-hpa-ownership");
    let namespace = resource.namespace;
    for other in others.iter().filter(|other| other.namespace == namespace) {
        // One name is one resource: overlays of it are read one by one.
        if other.kind == "ScaledObject" && other.name == resource.name {
            continue;
        }
        let path = "spec.scaleTargetRef.name";
        match other.kind {
            "ScaledObject" if other.target == target => resource.error(
                path,
                format!("{} is scaled by another one, too: {}", target.name, other.place()),
                Some("KEDA's webhook refuses the second: put all triggers into one ScaledObject"),
            ),
            "ScaledObject" if other.hpa == hpa => resource.error(
                "spec.advanced.horizontalPodAutoscalerConfig.name",
                format!("{hpa} is the HPA of another one, too: {}", other.place()),
                Some("KEDA's webhook refuses the second: give each a name of its own"),
            ),
            "HorizontalPodAutoscaler" if other.target == target => {
                let unchecked =
                    annotation(other.tree, "validations.keda.sh/hpa-ownership") == Some("false");
                let adopted = adopts == Some("true") && other.name == hpa;
                if unchecked || adopted || is_made_by(other.tree, resource.name) {
                    continue;
                }
                resource.error(
                    path,
                    format!("{} is scaled by an HPA of your own, too: {}", target.name, other.place()),
                    Some("KEDA's webhook refuses it: delete the HPA, or hand it over by the annotation scaledobject.keda.sh/transfer-hpa-ownership: \"true\" and advanced.horizontalPodAutoscalerConfig.name"),
                );
            }
            _ => {}
        }
    }
}

/// An HPA that KEDA made for this ScaledObject, as `kubectl get -o yaml` shows it.
fn is_made_by(hpa: &Tree, name: &str) -> bool {
    let owners = hpa.at("metadata.ownerReferences").map_or(&[][..], Tree::list);
    owners
        .iter()
        .any(|owner| owner.text("kind") == Some("ScaledObject") && owner.text("name") == Some(name))
}

fn hpa_name(tree: &Tree, name: &str) -> String {
    let given = tree.text("spec.advanced.horizontalPodAutoscalerConfig.name");
    given.filter(|name| !name.is_empty()).map_or_else(|| format!("keda-hpa-{name}"), str::to_owned)
}

/// A trigger on cpu or memory is a share of what the containers ask for.
fn requests(resource: &mut Resource<'_>, documents: &[Document]) {
    let Some(target) = Target::read(resource.tree) else { return };
    let namespace = resource.namespace;
    let here = |tree: &&Tree, kind: &str| {
        tree.text("kind") == Some(kind) && tree.text("metadata.namespace") == namespace
    };
    let trees = || documents.iter().map(|document| &document.tree);
    let Some(workload) = trees().find(|tree| {
        matches!(target.kind, "Deployment" | "StatefulSet")
            && here(tree, target.kind)
            && tree.text("metadata.name") == Some(target.name)
    }) else {
        return;
    };
    let limited = |what: &str| {
        trees().filter(|tree| here(tree, "LimitRange")).any(|range| {
            let limits = range.at("spec.limits").map_or(&[][..], Tree::list);
            limits.iter().any(|limit| {
                limit.text("type") == Some("Container")
                    && ["default", "defaultRequest"]
                        .iter()
                        .any(|key| limit.at(&format!("{key}.{what}")).is_some_and(is_some_of_it))
            })
        })
    };
    let pod = "spec.template.spec";
    let mut missing = Vec::new();
    for trigger in &resource.triggers {
        let Some(what @ ("cpu" | "memory")) = trigger.tree.text("type") else { continue };
        let named = trigger.tree.text("metadata.containerName").filter(|name| !name.is_empty());
        let asks = |tree: &Tree, base: &str| {
            ["requests", "limits"].iter().any(|kind| {
                tree.at(&format!("{base}resources.{kind}.{what}")).is_some_and(is_some_of_it)
            })
        };
        if named.is_none() && asks(workload, &format!("{pod}.")) || limited(what) {
            continue;
        }
        let containers = workload.at(&format!("{pod}.containers")).map_or(&[][..], Tree::list);
        let without = containers.iter().find(|container| {
            named.is_none_or(|name| container.text("name") == Some(name)) && !asks(container, "")
        });
        if let Some(container) = without {
            let name = container.text("name").unwrap_or_default().to_owned();
            missing.push((trigger.path.clone(), what, name));
        }
    }
    for (path, what, container) in missing {
        resource.error(
            &format!("{path}.type"),
            format!("is {what}, and container {container} of {} asks for no {what}", target.name),
            Some("KEDA's webhook refuses it: write resources.requests in the container"),
        );
    }
}

/// A quantity above 0.
fn is_some_of_it(quantity: &Tree) -> bool {
    match &quantity.node {
        Node::Whole(number) => *number > 0,
        Node::Number(number) => *number > 0.0,
        Node::Text(text) => text.contains(|c: char| ('1'..='9').contains(&c)),
        _ => false,
    }
}

fn annotation<'t>(tree: &'t Tree, key: &str) -> Option<&'t str> {
    let entries = tree.at("metadata.annotations")?.entries();
    let (_, value) = entries.iter().find(|(name, _)| name == key)?;
    if let Node::Text(text) = &value.node { Some(text) } else { None }
}
