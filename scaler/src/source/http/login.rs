//! Credentials of a source. Files are read again when they change.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::RequestBuilder;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::config::{Credentials, Secret};

/// Credentials as they are sent; files are read anew.
pub(super) enum Login {
    None,
    Bearer(Secret),
    BearerFile(SecretFile),
    Basic { user: String, password: Secret },
    BasicFile { user: String, password: SecretFile },
}

impl From<&Credentials> for Login {
    fn from(credentials: &Credentials) -> Self {
        match credentials {
            Credentials::None => Self::None,
            Credentials::Bearer(token) => Self::Bearer(token.clone()),
            Credentials::BearerFile(path) => Self::BearerFile(SecretFile::new(path)),
            Credentials::Basic { user, password } => {
                Self::Basic { user: user.clone(), password: password.clone() }
            }
            Credentials::BasicFile { user, password_file } => {
                Self::BasicFile { user: user.clone(), password: SecretFile::new(password_file) }
            }
        }
    }
}

impl Login {
    /// Adds the credentials to a request.
    pub(super) async fn apply(&self, request: RequestBuilder) -> Result<RequestBuilder, String> {
        Ok(match self {
            Self::None => request,
            Self::Bearer(token) => request.bearer_auth(token.expose()),
            Self::BearerFile(file) => request.bearer_auth(file.read().await?.expose()),
            Self::Basic { user, password } => request.basic_auth(user, Some(password.expose())),
            Self::BasicFile { user, password } => {
                request.basic_auth(user, Some(password.read().await?.expose()))
            }
        })
    }

    /// What must not be shown where a source repeats what it was sent.
    pub(super) async fn secrets(&self) -> Vec<Secret> {
        match self {
            Self::None => Vec::new(),
            Self::Bearer(secret) | Self::Basic { password: secret, .. } => vec![secret.clone()],
            Self::BearerFile(file) | Self::BasicFile { password: file, .. } => {
                file.last.lock().await.iter().map(|(_, secret)| secret.clone()).collect()
            }
        }
    }

    /// Reads files anew at the next request: a token may have been replaced.
    pub(super) async fn forget(&self) {
        if let Self::BearerFile(file) | Self::BasicFile { password: file, .. } = self {
            *file.last.lock().await = None;
        }
    }
}

/// A file with a secret, read again every few seconds: mounted tokens rotate.
pub(super) struct SecretFile {
    path: PathBuf,
    last: Mutex<Option<(Instant, Secret)>>,
}

impl SecretFile {
    fn new(path: &Path) -> Self {
        Self { path: path.into(), last: Mutex::new(None) }
    }

    async fn read(&self) -> Result<Secret, String> {
        let mut last = self.last.lock().await;
        if let Some((when, secret)) = &*last
            && when.elapsed() < SECRET_AGE
        {
            return Ok(secret.clone());
        }
        let text = tokio::fs::read_to_string(&self.path)
            .await
            .map_err(|error| format!("cannot read {}: {error}", self.path.display()))?;
        if text.trim().is_empty() {
            return Err(format!("{} is empty", self.path.display()));
        }
        let secret = Secret::new(text.trim());
        *last = Some((Instant::now(), secret.clone()));
        Ok(secret)
    }
}

/// Kubelets replace a projected token long before it expires; a few seconds late is early enough.
const SECRET_AGE: Duration = Duration::from_secs(5);
