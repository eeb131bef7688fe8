//! The Helm chart: what Helm makes of it is what the server understands, the plain manifests are
//! rendered from it, and what its alerts and dashboard ask for is what `/metrics` exports.
//!
//! After a change of the chart:
//!
//! ```sh
//! PREWARM_BLESS=1 cargo test -p prewarm-tests --test chart
//! ```

#[path = "chart/exported.rs"]
mod exported;
#[path = "chart/manifests.rs"]
mod manifests;
#[path = "chart/values.rs"]
mod values;

use prewarm_tests::helm::template;
use serde_json::Value;

/// Every document that the chart gives with these arguments.
fn rendered(arguments: &[&str]) -> Vec<Value> {
    let text = template(arguments).unwrap_or_else(|error| panic!("{arguments:?}: {error}"));
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text)
        .unwrap_or_else(|error| panic!("{arguments:?}: {error}\n{text}"));
    documents.into_iter().filter(|document| !document.is_null()).collect()
}

/// Those of a kind.
fn of_kind<'a>(all: &'a [Value], kind: &str) -> Vec<&'a Value> {
    all.iter().filter(|document| document["kind"] == kind).collect()
}

/// The one document of a kind.
fn only<'a>(all: &'a [Value], kind: &str) -> &'a Value {
    let found = of_kind(all, kind);
    let [document] = found[..] else { panic!("{} of {kind}, not one", found.len()) };
    document
}
