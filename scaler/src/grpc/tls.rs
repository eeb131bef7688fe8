//! TLS with certificates that change while we serve. The files are read again and again; a set that does not fit
//! together (half written, key before certificate) is left alone until it does.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use rustls::server::{NoClientAuth, WebPkiClientVerifier};

use crate::config::TlsFiles;
use crate::metrics::Metrics;

/// Why a set of TLS files cannot be used. Never holds key material.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("TLS {what} {}: {source}", path.display())]
    Read {
        /// Which file.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not PEM, or holds nothing of the kind.
    #[error("TLS {what} {}: {source}: a PEM file is needed", path.display())]
    Pem {
        /// Which file.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// The key does not belong to the certificate, or either is unusable.
    #[error("TLS certificate {} with key {}: {source}", cert.display(), key.display())]
    Pair {
        /// The certificate.
        cert: PathBuf,
        /// The key.
        key: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// The client CA is unusable.
    #[error("TLS client CA {}: {problem}", path.display())]
    ClientCa {
        /// Where.
        path: PathBuf,
        /// Why.
        problem: String,
    },
}

/// The certificates in force.
#[derive(Debug)]
pub(super) struct Certificates {
    files: TlsFiles,
    loaded: Contents,
    config: ArcSwap<ServerConfig>,
}

impl Certificates {
    /// Reads the files for the first time; they have to be right.
    pub(super) async fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let loaded = Contents::read(&files).await?;
        let config = ArcSwap::from_pointee(loaded.parse(&files)?);
        Ok(Self { files, loaded, config })
    }

    /// What a handshake that begins now uses.
    pub(super) fn current(&self) -> Arc<ServerConfig> {
        self.config.load_full()
    }
}

/// Takes over changed files for as long as it is polled; never completes. Reads contents, not times: Kubernetes swaps
/// a symlink, others write in place.
pub(super) async fn follow(certificates: Option<&Certificates>, every: Duration, metrics: &Metrics) {
    let Some(Certificates { files, loaded, config }) = certificates else {
        return std::future::pending().await;
    };
    let mut seen = Ok(loaded.clone());
    loop {
        tokio::time::sleep(every).await;
        // Errors are compared by their text, so that a lasting one is told once.
        let now = Contents::read(files).await.map_err(|error| error.to_string());
        if now == seen {
            continue;
        }
        let parsed = now.as_ref().map_err(String::clone).and_then(|now| now.parse(files).map_err(|e| e.to_string()));
        match parsed {
            Ok(parsed) => {
                config.store(Arc::new(parsed));
                metrics.tls_reloaded("ok");
                tracing::info!(tls.cert = %files.cert.display(), "certificates reloaded");
            }
            Err(problem) => {
                metrics.tls_reloaded("error");
                tracing::warn!("certificates not reloaded, the old ones stay: {problem}");
            }
        }
        seen = now;
    }
}

/// The files as read.
#[derive(Clone, PartialEq, Eq)]
struct Contents {
    cert: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

impl std::fmt::Debug for Contents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

impl Contents {
    async fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        Ok(Self {
            cert: read("certificate", &files.cert).await?,
            key: read("key", &files.key).await?,
            client_ca: match &files.client_ca {
                Some(path) => Some(read("client CA", path).await?),
                None => None,
            },
        })
    }

    fn parse(&self, files: &TlsFiles) -> Result<ServerConfig, TlsError> {
        let chain = certificates("certificate", &files.cert, &self.cert)?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|source| TlsError::Pem {
            what: "key",
            path: files.key.clone(),
            source,
        })?;
        let provider = Arc::new(ring::default_provider());
        let pair = |source| TlsError::Pair { cert: files.cert.clone(), key: files.key.clone(), source };

        let verifier = match (&files.client_ca, &self.client_ca) {
            (Some(path), Some(contents)) => {
                let problem = |problem: String| TlsError::ClientCa { path: path.clone(), problem };
                let mut roots = rustls::RootCertStore::empty();
                for root in certificates("client CA", path, contents)? {
                    roots.add(root).map_err(|error| problem(error.to_string()))?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone()).build();
                verifier.map_err(|error| problem(error.to_string()))?
            }
            _ => Arc::new(NoClientAuth),
        };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(pair)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)
            .map_err(pair)?;
        // gRPC clients insist on being offered HTTP/2.
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(config)
    }
}

async fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    tokio::fs::read(path).await.map_err(|source| TlsError::Read { what, path: path.to_owned(), source })
}

/// At least one certificate.
fn certificates(what: &'static str, path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrong = |source| TlsError::Pem { what, path: path.to_owned(), source };
    let chain = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().map_err(wrong)?;
    if chain.is_empty() { Err(wrong(pem::Error::NoItemsFound)) } else { Ok(chain) }
}
