//! TLS with certificates of our own making. What happens above it is tested with the sources.

use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::client::CERTIFICATE_AGE;
use super::*;
use crate::config::SourceTls;

/// A certificate authority and what it signs.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut parameters = CertificateParams::new([]).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap())
    }

    /// Certificate and key for `name`.
    fn sign(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        (CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &self.0).unwrap(), key)
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        roots
    }
}

/// Answers `{}` over TLS to clients that `authority` has signed, as `localhost`.
async fn server(authority: &Authority) -> Url {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (certificate, key) = authority.sign("localhost");
    let chain = vec![CertificateDer::from(certificate.der().to_vec())];
    let verifier = WebPkiClientVerifier::builder(Arc::new(authority.roots())).build().unwrap();
    let config = ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}")
                .await;
            let _ = stream.shutdown().await;
        }
    });
    format!("https://localhost:{port}/").parse().unwrap()
}

/// Files as a Secret mounts them.
struct Mounted {
    folder: TempDir,
}

impl Mounted {
    fn new(trusted: &Authority, signed_by: &Authority) -> Self {
        let mounted = Self { folder: tempfile::tempdir().unwrap() };
        mounted.write(trusted, signed_by);
        mounted
    }

    fn write(&self, trusted: &Authority, signed_by: &Authority) {
        let (certificate, key) = signed_by.sign("prewarm");
        std::fs::write(self.path("ca.crt"), trusted.0.pem()).unwrap();
        std::fs::write(self.path("tls.crt"), certificate.pem()).unwrap();
        std::fs::write(self.path("tls.key"), key.serialize_pem()).unwrap();
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    fn tls(&self) -> SourceTls {
        let [ca, cert, key] = ["ca.crt", "tls.crt", "tls.key"].map(|file| Some(self.path(file)));
        SourceTls { ca, cert, key, insecure_skip_verify: false }
    }
}

fn client(url: &Url, tls: SourceTls) -> Result<Http, SourceError> {
    let config = SourceConfig {
        tls,
        timeout: jiff::SignedDuration::from_secs(5),
        concurrency: 1,
        ..SourceConfig::new(SourceKind::Prometheus, vec![url.clone()])
    };
    Http::new("default", &config)
}

async fn ask(http: &Http, url: &Url) -> Result<String, SourceError> {
    let reply = http.fetch(100, |client| client.get(url.clone())).await?;
    Ok(String::from_utf8(reply.body).unwrap())
}

#[tokio::test]
async fn an_own_authority_and_a_client_certificate_are_used() {
    let authority = Authority::new();
    let url = server(&authority).await;
    let mounted = Mounted::new(&authority, &authority);
    assert_eq!(ask(&client(&url, mounted.tls()).unwrap(), &url).await, Ok("{}".into()));

    let stranger = client(&url, SourceTls { cert: None, key: None, ..mounted.tls() }).unwrap();
    assert_eq!(
        ask(&stranger, &url).await.unwrap_err().kind(),
        "unreachable",
        "without a client certificate"
    );
    let forged = Mounted::new(&authority, &Authority::new());
    assert!(
        ask(&client(&url, forged.tls()).unwrap(), &url).await.is_err(),
        "signed by another authority"
    );
    let other = Mounted::new(&Authority::new(), &authority);
    let error = ask(&client(&url, other.tls()).unwrap(), &url).await.unwrap_err();
    assert!(error.to_string().contains("certificate"), "{error}");
    let careless = client(&url, SourceTls { insecure_skip_verify: true, ..other.tls() }).unwrap();
    assert_eq!(ask(&careless, &url).await, Ok("{}".into()));
}

#[tokio::test]
async fn renewed_certificates_are_taken_up_without_a_restart() {
    let authority = Authority::new();
    let url = server(&authority).await;
    let mounted = Mounted::new(&Authority::new(), &authority);
    let http = client(&url, mounted.tls()).unwrap();
    assert!(ask(&http, &url).await.is_err());

    mounted.write(&authority, &authority);
    tokio::time::pause();
    tokio::time::advance(CERTIFICATE_AGE).await;
    tokio::time::resume();
    assert_eq!(ask(&http, &url).await, Ok("{}".into()));

    std::fs::write(mounted.path("tls.crt"), "half written").unwrap();
    tokio::time::pause();
    tokio::time::advance(CERTIFICATE_AGE).await;
    tokio::time::resume();
    assert_eq!(
        ask(&http, &url).await,
        Ok("{}".into()),
        "the old client serves until the files are whole"
    );
}

#[tokio::test]
async fn files_that_are_no_certificates_are_told_at_the_start() {
    let url = server(&Authority::new()).await;
    let authority = Authority::new();
    let mounted = Mounted::new(&authority, &authority);
    std::fs::write(mounted.path("ca.crt"), "nonsense").unwrap();
    let error = client(&url, mounted.tls()).err().unwrap();
    assert!(error.to_string().ends_with("ca.crt holds no PEM certificate"), "{error}");
    mounted.write(&authority, &authority);
    std::fs::write(mounted.path("tls.key"), "nonsense").unwrap();
    let error = client(&url, mounted.tls()).err().unwrap();
    assert!(error.to_string().ends_with("tls.key hold no PEM certificate with key"), "{error}");
}

#[test]
fn a_server_says_when_to_ask_again_in_seconds_or_by_its_own_clock() {
    let read = |pairs: &[(HeaderName, &str)]| {
        let headers =
            pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()));
        retry_after(&headers.collect())
    };
    let date = (DATE, "Tue, 24 Nov 2026 12:00:00 GMT");
    assert_eq!(read(&[(RETRY_AFTER, "7")]), Some(Duration::from_secs(7)));
    assert_eq!(
        read(&[date.clone(), (RETRY_AFTER, "Tue, 24 Nov 2026 12:01:30 GMT")]),
        Some(Duration::from_secs(90))
    );
    assert_eq!(
        read(&[date.clone(), (RETRY_AFTER, "Tue, 24 Nov 2026 11:00:00 GMT")]),
        Some(Duration::ZERO)
    );
    assert_eq!(read(&[date, (RETRY_AFTER, "soon")]), None);
    assert_eq!(
        read(&[(RETRY_AFTER, "Tue, 24 Nov 2026 12:01:30 GMT")]),
        None,
        "without a clock of its own"
    );
}
