//! Certificates of the control plane, made anew in each run.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};

/// A certificate and its key, as files.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    /// PEM certificate.
    pub(crate) cert: PathBuf,
    /// PEM key.
    pub(crate) key: PathBuf,
}

/// A key and its public half, as files `NAME.key` and `NAME.pub` in `dir`.
pub(crate) fn key_pair(dir: &Path, name: &str) -> (PathBuf, PathBuf) {
    let key = KeyPair::generate().expect("key");
    let (private, public) = (dir.join(format!("{name}.key")), dir.join(format!("{name}.pub")));
    std::fs::write(&private, key.serialize_pem()).expect("write");
    std::fs::write(&public, key.public_key_pem()).expect("write");
    (private, public)
}

/// A certificate authority in a folder.
#[derive(Debug)]
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate, PEM.
    pub(crate) pem: String,
    /// The same as a file.
    pub(crate) file: PathBuf,
    dir: PathBuf,
}

impl Authority {
    /// A new one called `name`; its files lie in `dir`.
    pub(crate) fn new(dir: &Path, name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("key");
        let pem = params.self_signed(&key).expect("certificate").pem();
        let file = dir.join(format!("{name}.crt"));
        std::fs::write(&file, &pem).expect("write");
        Self { issuer: Issuer::new(params, key), pem, file, dir: dir.to_owned() }
    }

    /// A certificate for `name` with the hosts it serves, for servers and clients alike, as
    /// `NAME.crt` and `NAME.key`.
    pub(crate) fn issue(&self, name: &str, hosts: &[&str]) -> Pair {
        let (cert, key) = self.signed(name, hosts);
        let pair = Pair {
            cert: self.dir.join(format!("{name}.crt")),
            key: self.dir.join(format!("{name}.key")),
        };
        std::fs::write(&pair.cert, cert).expect("write");
        std::fs::write(&pair.key, key).expect("write");
        pair
    }

    /// The same as PEM texts: certificate and key.
    pub(crate) fn signed(&self, name: &str, hosts: &[&str]) -> (String, String) {
        let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(hosts).expect("hosts");
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().expect("key");
        (params.signed_by(&key, &self.issuer).expect("certificate").pem(), key.serialize_pem())
    }
}
