//! What an image holds: the program alone in an empty root with roots of TLS, as any user, with
//! nothing to write but its volume. Where the program is not linked statically its libraries lie
//! beside it, as the loader wants them.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use prewarm_tests::eventually;
use prewarm_tests::process::{self, Daemon, Signal};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_prewarm-under-test");

/// A user that no file knows, as OpenShift gives them.
const USER: u32 = 1_000_650_000;

/// An empty root; nobody but root may write in it.
fn root() -> TempDir {
    let root = tempfile::Builder::new().prefix("prewarm-root-").tempdir().expect("a folder");
    let inside = |path: &str| root.path().join(path.trim_start_matches('/'));
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o555)).expect("read-only");
    fs::copy(PROGRAM, inside("/prewarm")).expect("the program");
    let certificates = "/etc/ssl/certs/ca-certificates.crt";
    let libraries = Command::new("ldd").arg(PROGRAM).output().expect("ldd");
    let libraries = String::from_utf8_lossy(&libraries.stdout).into_owned();
    let libraries = libraries.split_whitespace().filter(|word| word.starts_with('/'));
    for file in libraries.chain([certificates]) {
        let copy = inside(file);
        fs::create_dir_all(copy.parent().expect("a folder")).expect("folders");
        fs::copy(file, &copy).unwrap_or_else(|error| panic!("{file}: {error}"));
    }
    root
}

/// `prewarm serve` in the root, without any environment.
fn serve(root: &Path, http: u16) -> Command {
    // Somebody who is not root becomes root of a namespace of his own.
    let mut command = if process::is_root() {
        let mut command = process::bound_to_us(Path::new("chroot"), None, "KILL");
        command.arg(format!("--userspec={USER}:0"));
        command
    } else {
        let mut command = process::bound_to_us(Path::new("unshare"), None, "KILL");
        command.args(["--map-root-user", "chroot"]);
        command
    };
    command.arg(root).args(["/prewarm", "serve", "--database=sqlite:///data/prewarm.db"]);
    command.args(["--listen=127.0.0.1:0".to_owned(), format!("--http=127.0.0.1:{http}")]);
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path).env("PREWARM_LOG__FORMAT", "text");
    command
}

fn data(root: &Path, owner: u32) {
    let data = root.join("data");
    fs::create_dir(&data).expect("a folder");
    if process::is_root() {
        chown(&data, Some(owner), Some(owner)).expect("its owner");
    }
    if owner != USER {
        fs::set_permissions(&data, fs::Permissions::from_mode(0o555)).expect("read-only");
    }
}

#[tokio::test]
async fn it_runs_in_an_empty_root_as_any_user() {
    prewarm_tests::install_crypto();
    let root = root();
    data(root.path(), USER);
    let port = process::free_port();
    let log = tempfile::NamedTempFile::new().expect("a log");
    let mut daemon = Daemon::spawn("prewarm", serve(root.path(), port), log.path(), Signal::TERM);
    eventually(Duration::from_secs(20), "ready", || {
        daemon.assert_running();
        async move {
            let answer = reqwest::get(format!("http://127.0.0.1:{port}/readyz")).await.ok()?;
            answer.status().is_success().then_some(())
        }
    })
    .await;
    assert!(root.path().join("data/prewarm.db").is_file());
    daemon.signal(Signal::TERM);
    let ended = daemon.wait(Duration::from_secs(10)).expect("it ends");
    assert!(ended.success(), "{}", daemon.log());
}

/// It serves on, with history in memory, and says so.
#[tokio::test]
async fn a_volume_that_cannot_be_written_is_told_in_one_sentence() {
    let missing = root();
    told(missing.path(), "directory /data does not exist; create it or mount a volume there").await;
    // To root nothing is read-only.
    if process::is_root() {
        let denied = root();
        data(denied.path(), 0);
        told(denied.path(), "cannot write /data/prewarm.db: mount a volume there").await;
    }
}

/// Waits for the words in its log.
async fn told(root: &Path, words: &str) {
    let log = tempfile::NamedTempFile::new().expect("a log");
    let command = serve(root, process::free_port());
    let mut daemon = Daemon::spawn("prewarm", command, log.path(), Signal::TERM);
    eventually(Duration::from_secs(20), words, || {
        daemon.assert_running();
        std::future::ready(daemon.log().contains(words).then_some(()))
    })
    .await;
}
