//! The schemas that `prewarm check` carries are those of the module that runs here.

use std::path::Path;

use serde_json::{Map, Value, json};

/// What of a schema is kept: the rest is words, defaults, and hints for merging.
const KEPT: [&str; 13] = [
    "type",
    "format",
    "minimum",
    "maximum",
    "minLength",
    "minItems",
    "pattern",
    "enum",
    "required",
    "nullable",
    "x-kubernetes-int-or-string",
    "x-kubernetes-preserve-unknown-fields",
    "maxItems",
];

/// Compares; `PREWARM_BLESS=1` writes them anew instead. `definitions` = the folder with KEDA's
/// custom resource definitions.
pub(super) fn is_kedas_own(definitions: &Path) {
    let version = pinned_version();
    if !definitions.ends_with("keda-crds") {
        return; // Another KEDA than the one that `check` speaks of.
    }
    let mut all = Map::new();
    all.insert(
        "origin".to_owned(),
        json!(format!(
            "config/crd/bases of the Go module github.com/kedacore/keda/v2 {version}, Apache-2.0, without descriptions, defaults and status; brought up to date by PREWARM_BLESS=1 tests/cluster/run check-agrees"
        )),
    );
    for plural in ["scaledobjects", "scaledjobs"] {
        let file = definitions.join(format!("keda.sh_{plural}.yaml"));
        let definition: Value =
            serde_saphyr::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
        let spec = &definition["spec"];
        let mut schema = kept(&spec["versions"][0]["schema"]["openAPIV3Schema"]);
        schema["properties"].as_object_mut().unwrap().remove("status");
        all.insert(spec["names"]["kind"].as_str().unwrap().to_owned(), schema);
    }
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../scaler/src/cli/check/schema/keda.json");
    if std::env::var_os("PREWARM_BLESS").is_some() {
        std::fs::write(&file, format!("{:#}\n", Value::Object(all.clone()))).unwrap();
    }
    let carried: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert!(
        carried == Value::Object(all),
        "{} is not what KEDA {version} has: PREWARM_BLESS=1 tests/cluster/run check-agrees writes it anew; then read what has changed, for rules that check is to know",
        file.display()
    );
}

fn kept(schema: &Value) -> Value {
    let mut out = Map::new();
    for (key, value) in schema.as_object().unwrap() {
        match key.as_str() {
            "properties" => {
                let inner = value.as_object().unwrap().iter();
                let inner = inner.map(|(name, schema)| (name.clone(), kept(schema))).collect();
                out.insert(key.clone(), Value::Object(inner));
            }
            "items" | "additionalProperties" if value.is_object() => {
                out.insert(key.clone(), kept(value));
            }
            key if KEPT.contains(&key) => {
                out.insert(key.to_owned(), value.clone());
            }
            _ => {}
        }
    }
    Value::Object(out)
}

/// The module's version in `tools/keda/go.mod`.
fn pinned_version() -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster/tools/keda/go.mod");
    let text = std::fs::read_to_string(file).unwrap();
    let line = text.lines().find_map(|line| line.split("github.com/kedacore/keda/v2 ").nth(1));
    line.unwrap().split_whitespace().next().unwrap().to_owned()
}
