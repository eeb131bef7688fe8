//! Helm, built from its Go module as the control plane's tools are, and what it makes of the chart.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use crate::process;

/// The chart.
pub fn chart() -> PathBuf {
    deploy().join("chart")
}

/// The folder of everything that is deployed.
pub fn deploy() -> PathBuf {
    root().join("deploy")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace's folder").to_owned()
}

/// The program; built if it is not there yet, which takes minutes on a new machine.
fn program() -> &'static Path {
    static PROGRAM: LazyLock<PathBuf> = LazyLock::new(|| {
        let build = root().join("tests/cluster/tools/build");
        PathBuf::from(process::run(Command::new(build).arg("helm")).trim()).join("helm")
    });
    &PROGRAM
}

/// Runs Helm to its end; its output, or its complaint.
pub fn helm(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program())
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}", program().display()));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// The chart as release `prewarm` in namespace `prewarm`, with further arguments.
pub fn template(arguments: &[&str]) -> Result<String, String> {
    let chart = chart().display().to_string();
    let usual = ["template", "prewarm", &chart, "--namespace", "prewarm"];
    helm(&[&usual[..], arguments].concat())
}
