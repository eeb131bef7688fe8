//! TLS with certificates that change while we serve. The files are read again and again; a set that
//! does not fit together (half written, key before certificate) is left alone until it does.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use rustls::server::{NoClientAuth, WebPkiClientVerifier};
use tokio::sync::watch;

use super::client_names::NamedClients;
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
    /// Counts other client CAs: connections that an earlier one let in are ended.
    client_ca: watch::Sender<u64>,
}

impl Certificates {
    /// Reads the files for the first time; they have to be right.
    pub(super) async fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let loaded = Contents::read(&files).await?;
        let config = ArcSwap::from_pointee(loaded.parse(&files)?);
        Ok(Self { files, loaded, config, client_ca: watch::Sender::new(0) })
    }

    /// What a handshake that begins now uses.
    pub(super) fn current(&self) -> Arc<ServerConfig> {
        self.config.load_full()
    }

    /// Changes when what a connection was let in by is in force no more. Ask before [`current`].
    ///
    /// [`current`]: Self::current
    pub(super) fn revocations(&self) -> watch::Receiver<u64> {
        self.client_ca.subscribe()
    }
}

/// Takes over changed files for as long as it is polled; never completes. Reads contents, not
/// times: Kubernetes swaps a symlink, others write in place.
pub(super) async fn follow(
    certificates: Option<&Certificates>,
    every: Duration,
    metrics: &Metrics,
) {
    let Some(Certificates { files, loaded, config, client_ca }) = certificates else {
        return std::future::pending().await;
    };
    let mut seen = Ok(loaded.clone());
    let mut trusted = loaded.roots();
    loop {
        tokio::time::sleep(every).await;
        // Errors are compared by their text, so that a lasting one is told once.
        let now = Contents::read(files).await.map_err(|error| error.to_string());
        if now == seen {
            continue;
        }
        let parsed = now
            .as_ref()
            .map_err(String::clone)
            .and_then(|now| now.parse(files).map_err(|e| e.to_string()));
        match parsed {
            Ok(parsed) => {
                config.store(Arc::new(parsed));
                let trusts = now.as_ref().map_or(Vec::new(), Contents::roots);
                let removed = trusted.iter().any(|root| !trusts.contains(root));
                trusted = trusts;
                // One that is only added, as in an orderly rotation, disturbs nobody.
                if removed {
                    client_ca.send_modify(|changes| *changes += 1);
                    tracing::info!("a client CA is gone: open connections are ended");
                }
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

    /// The client CAs; none where they cannot be read.
    fn roots(&self) -> Vec<CertificateDer<'static>> {
        let pem = self.client_ca.as_deref().unwrap_or_default();
        CertificateDer::pem_slice_iter(pem).filter_map(Result::ok).collect()
    }

    fn parse(&self, files: &TlsFiles) -> Result<ServerConfig, TlsError> {
        let chain = certificates("certificate", &files.cert, &self.cert)?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|source| TlsError::Pem {
            what: "key",
            path: files.key.clone(),
            source,
        })?;
        let provider = Arc::new(ring::default_provider());
        let pair =
            |source| TlsError::Pair { cert: files.cert.clone(), key: files.key.clone(), source };

        let verifier = match (&files.client_ca, &self.client_ca) {
            (Some(path), Some(contents)) => {
                let problem = |problem: String| TlsError::ClientCa { path: path.clone(), problem };
                let mut roots = rustls::RootCertStore::empty();
                for root in certificates("client CA", path, contents)? {
                    roots.add(root).map_err(|error| problem(error.to_string()))?;
                }
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone())
                        .build();
                let verifier = verifier.map_err(|error| problem(error.to_string()))?;
                match files.client_names.as_slice() {
                    [] => verifier,
                    names => Arc::new(NamedClients::new(verifier, names).map_err(problem)?),
                }
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
    tokio::fs::read(path).await.map_err(|source| TlsError::Read {
        what,
        path: path.to_owned(),
        source,
    })
}

/// At least one certificate.
fn certificates(
    what: &'static str,
    path: &Path,
    pem: &[u8],
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let wrong = |source| TlsError::Pem { what, path: path.to_owned(), source };
    let chain =
        CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().map_err(wrong)?;
    if chain.is_empty() { Err(wrong(pem::Error::NoItemsFound)) } else { Ok(chain) }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
    use tempfile::TempDir;

    use super::*;

    const EVERY: Duration = Duration::from_secs(1);

    struct Mount {
        directory: TempDir,
        files: TlsFiles,
    }

    impl Mount {
        fn new() -> Self {
            let directory = TempDir::new().unwrap();
            let path = |name| directory.path().join(name);
            let files = TlsFiles {
                cert: path("tls.crt"),
                key: path("tls.key"),
                client_ca: Some(path("ca.crt")),
                client_names: Vec::new(),
            };
            let mount = Self { directory, files };
            let pair = pair();
            mount.write("tls.crt", &pair.cert.pem());
            mount.write("tls.key", &pair.signing_key.serialize_pem());
            mount.write("ca.crt", &pair.cert.pem());
            mount
        }

        fn write(&self, name: &str, contents: &str) {
            std::fs::write(self.directory.path().join(name), contents).unwrap();
        }
    }

    fn pair() -> CertifiedKey<KeyPair> {
        generate_simple_self_signed(["prewarm".to_owned()]).unwrap()
    }

    /// What is in force after the files have been looked at a few times.
    async fn settled(certificates: &Certificates) -> Arc<ServerConfig> {
        let metrics = Metrics::default();
        let following = follow(Some(certificates), EVERY, &metrics);
        assert!(tokio::time::timeout(EVERY * 3, following).await.is_err(), "it never completes");
        certificates.current()
    }

    #[tokio::test(start_paused = true)]
    async fn c36_a_set_that_does_not_fit_together_is_left_alone_until_it_does() {
        let mount = Mount::new();
        let certificates = Certificates::load(mount.files.clone()).await.unwrap();
        let first = certificates.current();
        assert!(Arc::ptr_eq(&settled(&certificates).await, &first), "nothing has changed");

        let next = pair();
        let (cert, key) = (next.cert.pem(), next.signing_key.serialize_pem());
        for (name, contents) in [
            ("tls.crt", &cert[..cert.len() / 2]),
            ("tls.crt", ""),
            // Whole, but the key is still the old one.
            ("tls.crt", &cert),
            ("tls.key", &key[..key.len() / 2]),
            ("ca.crt", "-----BEGIN CERTIFICATE-----"),
        ] {
            mount.write(name, contents);
            assert!(
                Arc::ptr_eq(&settled(&certificates).await, &first),
                "{name} was taken over half done"
            );
        }
        std::fs::remove_file(&mount.files.key).unwrap();
        assert!(Arc::ptr_eq(&settled(&certificates).await, &first), "the key is gone");
        mount.write("tls.key", &key);
        assert!(
            Arc::ptr_eq(&settled(&certificates).await, &first),
            "the client CA is still cut off"
        );
        mount.write("ca.crt", &cert);
        assert!(
            !Arc::ptr_eq(&settled(&certificates).await, &first),
            "everything fits and nothing was reloaded"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn c36_a_secret_mounted_by_kubernetes_is_followed() {
        let (old, new, mount) = (Mount::new(), Mount::new(), TempDir::new().unwrap());
        // Kubernetes replaces the link `..data`, on which the files' own links rest.
        let data = mount.path().join("..data");
        std::os::unix::fs::symlink(old.directory.path(), &data).unwrap();
        let link = |name: &str| {
            let path = mount.path().join(name);
            std::os::unix::fs::symlink(Path::new("..data").join(name), &path).unwrap();
            path
        };
        let files = TlsFiles {
            cert: link("tls.crt"),
            key: link("tls.key"),
            client_ca: None,
            client_names: Vec::new(),
        };
        let certificates = Certificates::load(files).await.unwrap();
        let first = certificates.current();
        let staged = mount.path().join("..data_tmp");
        std::os::unix::fs::symlink(new.directory.path(), &staged).unwrap();
        std::fs::rename(&staged, &data).unwrap();
        assert!(!Arc::ptr_eq(&settled(&certificates).await, &first));
    }

    #[tokio::test]
    async fn errors_name_the_file_and_never_the_key() {
        let mount = Mount::new();
        mount
            .write("tls.key", "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n");
        let error = Certificates::load(mount.files.clone()).await.unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(
            text.contains("tls.key") && !text.contains("c2VjcmV0") && !text.contains("secret"),
            "{text}"
        );
        let contents = Contents::read(&mount.files).await.unwrap();
        assert_eq!(format!("{contents:?}"), "[redacted]");
    }
}
