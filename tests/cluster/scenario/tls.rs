//! Mutual TLS between KEDA and Prewarm through a TriggerAuthentication; a stranger is refused;
//! certificates rotate.

use std::sync::Arc;

use prewarm_tests::eventually;
use prewarm_tests::serve::Serve;
use serde_json::{Value, json};

use crate::control_plane::base64;
use crate::control_plane::pki::Authority;
use crate::demand::query;
use crate::fixture::{Fixture, POLL};
use crate::workload::{PATIENCE, Workload, trigger};

pub(super) async fn c36_tls(fixture: Arc<Fixture>) {
    let dir = tempfile::tempdir().unwrap();
    let ours = Authority::new(dir.path(), "prewarm-ca");
    let strangers = Authority::new(dir.path(), "strangers-ca");
    let server = ours.issue("server", &["127.0.0.1"]);
    let tls = format!(
        "[tls]\ncert = {:?}\nkey = {:?}\nclientCa = {:?}\n",
        server.cert, server.key, ours.file
    );
    let prewarm = fixture.serve("tls", dir.path(), &tls).await;

    let (friend, stranger) = ("tls-friend", "tls-stranger");
    fixture.gateway.set(friend, 4.0);
    fixture.gateway.set(stranger, 4.0);
    let known = workload(&fixture, friend, &prewarm, &ours, &ours).await;
    let unknown = workload(&fixture, stranger, &prewarm, &ours, &strangers).await;
    known.until("two carry the demand", |status| status.ready == 2).await;
    unknown.until_condition("Ready", "False").await;
    assert_eq!(
        unknown.status().await.unwrap().desired,
        1,
        "a stranger gets nothing and loses nothing"
    );

    // A new certificate at the same place: new connections get it without a restart, old ones go
    // on.
    let before = presented(&prewarm, &ours).await;
    ours.issue("server", &["127.0.0.1"]);
    eventually(PATIENCE, "the new certificate is presented", || async {
        (presented(&prewarm, &ours).await != before).then_some(())
    })
    .await;
    fixture.gateway.set(friend, 6.0);
    known.until("demand is followed", |status| status.ready == 3).await;
    // An edit makes KEDA rebuild its scaler, and connect anew.
    let edited = object(&prewarm, friend, "3");
    known.scaled_object(edited).await;
    known
        .until("the edit is followed over the new certificate", |status| status.desired == 2)
        .await;
    known.remove().await;
    unknown.remove().await;
}

async fn workload(
    fixture: &Fixture,
    name: &str,
    prewarm: &Serve,
    server: &Authority,
    client: &Authority,
) -> Workload {
    let workload = Workload::deploy(fixture.api(), name, 1, "none").await;
    let (cert, key) = client.signed("keda", &[]);
    let data = |text: &str| base64(text.as_bytes());
    fixture
        .api()
        .apply(&json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "prewarm-client", "namespace": name},
                       "data": {"ca": data(&server.pem), "cert": data(&cert), "key": data(&key)}}))
        .await;
    let parameter = |parameter: &str, key: &str| json!({"parameter": parameter, "name": "prewarm-client", "key": key});
    let references = [
        parameter("caCert", "ca"),
        parameter("tlsClientCert", "cert"),
        parameter("tlsClientKey", "key"),
    ];
    fixture
        .api()
        .apply(&json!({"apiVersion": "keda.sh/v1alpha1", "kind": "TriggerAuthentication",
                       "metadata": {"name": "prewarm", "namespace": name}, "spec": {"secretTargetRef": references}}))
        .await;
    workload.scaled_object(object(prewarm, name, "2")).await;
    workload
}

fn object(prewarm: &Serve, name: &str, threshold: &str) -> Value {
    let metadata = json!({"query": query(name), "threshold": threshold, "mode": "off"});
    let mut trigger = trigger("external", prewarm.grpc, metadata);
    trigger["authenticationRef"] = json!({"name": "prewarm"});
    json!({
        "pollingInterval": POLL, "cooldownPeriod": 5, "minReplicaCount": 1, "maxReplicaCount": 10,
        "advanced": {"horizontalPodAutoscalerConfig": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}}},
        "triggers": [trigger],
    })
}

/// The certificate that a new connection is shown.
async fn presented(prewarm: &Serve, ours: &Authority) -> Vec<u8> {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
    let (cert, key) = ours.signed("probe", &[]);
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ours.pem.as_bytes()).unwrap()).unwrap();
    let cert = CertificateDer::from_pem_slice(cert.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let mut config = rustls::ClientConfig::builder()
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![cert], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = tokio::net::TcpStream::connect(prewarm.grpc).await.unwrap();
    let stream =
        connector.connect(ServerName::try_from("127.0.0.1").unwrap(), stream).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}
