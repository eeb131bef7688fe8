//! TLS as KEDA uses it, certificates that change under way, clients that nobody knows.

use std::path::Path;
use std::time::Duration;

use futures::future::join_all;
use prewarm::config::TlsFiles;
use prewarm::grpc::{ServeError, Timing};
use prewarm_forecaster::Answer;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;
use tokio_stream::StreamExt;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use crate::served::{Client, Served, Setting, metric, scaled_object, soon, spec, value};

/// The Service's name: the host part of `scalerAddress`, which KEDA checks the certificate against.
const SERVICE: &str = "prewarm.prewarm.svc.cluster.local";

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate and its key.
struct Pair {
    cert: String,
    key: String,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    fn issue(&self, host: &str) -> Pair {
        let key = KeyPair::generate().unwrap();
        let cert = CertificateParams::new(vec![host.to_owned()])
            .unwrap()
            .signed_by(&key, &self.issuer)
            .unwrap();
        Pair { cert: cert.pem(), key: key.serialize_pem() }
    }
}

/// Writes the files as a mounted secret has them.
fn write(directory: &Path, server: &Pair, client_ca: Option<&Authority>) -> TlsFiles {
    let file = |name: &str, contents: &str| {
        let path = directory.join(name);
        std::fs::write(&path, contents).unwrap();
        path
    };
    TlsFiles {
        cert: file("tls.crt", &server.cert),
        key: file("tls.key", &server.key),
        client_ca: client_ca.map(|ca| file("ca.crt", &ca.pem)),
        client_names: Vec::new(),
    }
}

async fn served(files: TlsFiles) -> Served {
    let timing = Timing { tls_poll: Duration::from_millis(10), ..Timing::default() };
    Served::with(Setting { tls: Some(files), timing, ..Setting::default() }).await
}

/// Connects as KEDA does: roots and name from the trigger, a client certificate from its
/// TriggerAuthentication.
async fn connect(
    served: &Served,
    roots: &Authority,
    own: Option<&Pair>,
) -> Result<Client, tonic::transport::Error> {
    let mut tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(&roots.pem))
        .domain_name(SERVICE);
    if let Some(pair) = own {
        tls = tls.identity(Identity::from_pem(&pair.cert, &pair.key));
    }
    let endpoint =
        Endpoint::from_shared(format!("https://{}", served.address)).unwrap().tls_config(tls)?;
    Ok(Client::new(endpoint.connect().await?))
}

/// With TLS 1.3 a refusal of the client's certificate shows at its first call.
async fn works(served: &Served, roots: &Authority, own: Option<&Pair>) -> bool {
    match connect(served, roots, own).await {
        Ok(mut client) => spec(&mut client, &scaled_object("llama")).await.is_ok(),
        Err(_) => false,
    }
}

async fn until(condition: impl AsyncFn() -> bool) {
    let met = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon(met).await;
}

#[tokio::test]
async fn c01_c36_tls_by_the_services_name() {
    let directory = TempDir::new().unwrap();
    let authority = Authority::new();
    let served = served(write(directory.path(), &authority.issue(SERVICE), None)).await;
    let mut client = connect(&served, &authority, None).await.unwrap();
    let reference = scaled_object("llama");
    let name = served.answering(&mut client, &reference, value(8.0)).await;
    assert_eq!(metric(&mut client, &reference, &name).await.unwrap().metric_value_float, 8.0);
    let mut pushed = client.stream_is_active(reference).await.unwrap().into_inner();
    assert!(soon(pushed.next()).await.unwrap().unwrap().result);

    assert!(!works(&served, &Authority::new(), None).await, "another authority's roots");
    let plain =
        Endpoint::from_shared(format!("http://{}", served.address)).unwrap().connect().await;
    let refused = match plain {
        Ok(channel) => spec(&mut Client::new(channel), &scaled_object("llama")).await.is_err(),
        Err(_) => true,
    };
    assert!(refused, "plaintext on a TLS port");
}

#[tokio::test]
async fn c36_a_certificate_for_another_host_is_not_ours() {
    let directory = TempDir::new().unwrap();
    let authority = Authority::new();
    let served = served(write(directory.path(), &authority.issue("elsewhere.svc"), None)).await;
    assert!(connect(&served, &authority, None).await.is_err());
}

#[tokio::test]
async fn c36_mutual_tls_refuses_strangers() {
    let directory = TempDir::new().unwrap();
    let (authority, kedas, strangers) = (Authority::new(), Authority::new(), Authority::new());
    let served = served(write(directory.path(), &authority.issue(SERVICE), Some(&kedas))).await;
    assert!(works(&served, &authority, Some(&kedas.issue("keda-operator"))).await);
    assert!(!works(&served, &authority, None).await, "no certificate");
    assert!(
        !works(&served, &authority, Some(&strangers.issue("keda-operator"))).await,
        "another authority's"
    );
    assert_eq!(served.registry.len(), 1, "nobody else got as far as a call");
}

#[tokio::test]
async fn c36_certificates_change_without_a_restart() {
    let directory = TempDir::new().unwrap();
    let (before, after) = (Authority::new(), Authority::new());
    let (old_client, new_client) = (before.issue("keda-operator"), after.issue("keda-operator"));
    let served = served(write(directory.path(), &before.issue(SERVICE), Some(&before))).await;
    let mut open = connect(&served, &before, Some(&old_client)).await.unwrap();
    let name = served.answering(&mut open, &scaled_object("llama"), value(8.0)).await;

    // The server's certificate first.
    write(directory.path(), &after.issue(SERVICE), Some(&before));
    until(async || works(&served, &after, Some(&old_client)).await).await;
    assert!(!works(&served, &before, Some(&old_client)).await);
    // Then the authority of its clients.
    write(directory.path(), &after.issue(SERVICE), Some(&after));
    until(async || works(&served, &after, Some(&new_client)).await).await;
    assert!(!works(&served, &after, Some(&old_client)).await);
    // Whom the CA that is gone has let in is let in no more.
    until(async || metric(&mut open.clone(), &scaled_object("llama"), &name).await.is_err()).await;
}

#[tokio::test]
async fn a_ca_that_is_only_added_disturbs_nobody() {
    let directory = TempDir::new().unwrap();
    let (old, new) = (Authority::new(), Authority::new());
    let server = old.issue(SERVICE);
    let client = old.issue("keda-operator");
    let served = served(write(directory.path(), &server, Some(&old))).await;
    let mut open = connect(&served, &old, Some(&client)).await.unwrap();
    let name = served.answering(&mut open, &scaled_object("llama"), value(8.0)).await;
    let both = Authority { pem: format!("{}{}", old.pem, new.pem), ..Authority::new() };
    write(directory.path(), &server, Some(&both));
    let stranger = new.issue("keda-operator");
    until(async || works(&served, &old, Some(&stranger)).await).await;
    assert!(metric(&mut open, &scaled_object("llama"), &name).await.is_ok());
}

#[tokio::test]
async fn only_clients_of_the_given_names_are_let_in() {
    let directory = TempDir::new().unwrap();
    let (authority, kedas) = (Authority::new(), Authority::new());
    let files = write(directory.path(), &authority.issue(SERVICE), Some(&kedas));
    let client_names = vec!["keda-operator.keda.svc".to_owned()];
    let served = served(TlsFiles { client_names, ..files }).await;
    assert!(works(&served, &authority, Some(&kedas.issue("keda-operator.keda.svc"))).await);
    for other in ["keda-operator", "prometheus.monitoring.svc", "evil.keda-operator.keda.svc"] {
        assert!(!works(&served, &authority, Some(&kedas.issue(other))).await, "{other}");
    }
    assert_eq!(served.registry.len(), 1, "nobody else got as far as a call");
}

#[tokio::test]
async fn unusable_files_stop_the_start_and_are_named() {
    let directory = TempDir::new().unwrap();
    let authority = Authority::new();
    let (pair, other) = (authority.issue(SERVICE), authority.issue(SERVICE));
    let good = write(directory.path(), &pair, Some(&authority));
    let missing = TlsFiles { key: directory.path().join("absent.key"), ..good.clone() };
    let swapped = TlsFiles { cert: good.key.clone(), ..good.clone() };
    let mut served = served(missing).await;
    assert!(error(&mut served).await.contains("absent.key"));
    let mut served = self::served(swapped).await;
    assert!(error(&mut served).await.contains("tls.key"));
    let mismatched = write(directory.path(), &Pair { cert: pair.cert, key: other.key }, None);
    let mut served = self::served(mismatched).await;
    let text = error(&mut served).await;
    assert!(text.contains("tls.crt") && text.contains("tls.key"), "{text}");
}

async fn error(served: &mut Served) -> String {
    let result: Result<(), ServeError> = soon(&mut served.running).await.unwrap();
    result.unwrap_err().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c43_two_hundred_tls_connections_at_once_are_absorbed() {
    let directory = TempDir::new().unwrap();
    let authority = Authority::new();
    let client = authority.issue("keda-operator");
    let served = served(write(directory.path(), &authority.issue(SERVICE), Some(&authority))).await;
    let mut first = connect(&served, &authority, Some(&client)).await.unwrap();
    let reference = scaled_object("llama");
    let name = served.answering(&mut first, &reference, Answer::Unavailable).await;
    served.publish(&reference, value(8.0));
    let answers = join_all((0..200).map(async |_| {
        let mut client = connect(&served, &authority, Some(&client)).await.unwrap();
        metric(&mut client, &reference, &name).await.unwrap().metric_value_float
    }));
    assert!(soon(answers).await.iter().all(|value| *value == 8.0));
}
