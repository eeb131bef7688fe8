//! Who we are to the Kubernetes API and where it is: in a pod by its service account, elsewhere by
//! `KUBECONFIG`.

use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

/// Until a connection stands.
const CONNECT: Duration = Duration::from_secs(5);

/// A client; `None` where nothing says that there is a cluster, or with a word in the log where
/// what says so is broken. `~/.kube/config` is not looked at: what a person administers is not what
/// this process is to watch.
pub(super) async fn client() -> Option<Client> {
    let mut config = if std::env::var_os("KUBECONFIG").is_some_and(|path| !path.is_empty()) {
        match from_file().await {
            Ok(config) => config,
            Err(error) => return broken(&format!("KUBECONFIG: {error}")),
        }
    } else if std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() {
        match Config::incluster() {
            Ok(config) => config,
            // `automountServiceAccountToken: false` is one way to say no.
            Err(error) => return broken(&format!("service account: {error}")),
        }
    } else {
        tracing::info!("no cluster to look at: cold starts are what triggers say");
        return None;
    };
    config.connect_timeout = Some(CONNECT);
    match Client::try_from(config) {
        Ok(client) => Some(client),
        Err(error) => broken(&error.to_string()),
    }
}

async fn from_file() -> Result<Config, kube::config::KubeconfigError> {
    let file = Kubeconfig::from_env()?.unwrap_or_default();
    Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await
}

fn broken(error: &str) -> Option<Client> {
    tracing::warn!(error, "no access to the cluster: cold starts are what triggers say");
    None
}
