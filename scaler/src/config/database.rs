//! Addresses of databases, with passwords that stand elsewhere: our own, and those of sources.

use std::path::Path;

use jiff::SignedDuration;
use url::Url;

use super::reader::Section;
use super::{Config, Secret, SourceConfig, SourceKind, SqlQueries};

const ADDRESS: &str = "sqlite://FILE or postgres://USER@HOST/DATABASE";

/// Where history is kept.
pub(super) fn read(root: &mut Section<'_>, config: &mut Config) {
    if let Some(url) = root.unseen("database", ADDRESS, address) {
        config.database = url;
    }
    let Some(path) = root.path("databasePasswordFile") else { return };
    match with_password_of(&config.database, &path) {
        Ok(url) => {
            config.database = url;
            config.database_password_file = Some(path);
        }
        Err(problem) => root.problem("databasePasswordFile", problem.told("database")),
    }
}

/// A source of `kind = "sql"`.
pub(super) fn read_source(mut section: Section<'_>) -> Option<SourceConfig> {
    let mut url = section.unseen("url", ADDRESS, address);
    if url.is_none() {
        section.problem("url", format!("is missing, or no address: give {ADDRESS}"));
    }
    let (file, password) =
        (section.path("passwordFile"), section.secret_variable("password", "passwordFile"));
    let known = url.take();
    url = match (known, file, password) {
        (Some(url), Some(file), None) => match with_password_of(&url, &file) {
            Ok(url) => Some(url),
            Err(problem) => {
                section.problem("passwordFile", problem.told("url"));
                None
            }
        },
        (Some(url), None, Some(password)) => {
            let with = with_password(&url, &password);
            if with.is_none() {
                section.problem("password", NO_USER.replace("{}", "url"));
            }
            with
        }
        (Some(_), Some(_), Some(_)) => {
            section.problem("passwordFile", "cannot stand beside password: give one of them");
            None
        }
        (url, ..) => url,
    };
    let queries: std::collections::BTreeMap<String, String> =
        section.secrets("queries").into_iter().collect();
    if queries.is_empty() {
        section.problem(
            "queries",
            "is missing: name each query that triggers may give, like waiting = \"SELECT count(*) \
             FROM jobs WHERE state = 'waiting'\"",
        );
    }
    for (name, sql) in &queries {
        if sql.trim().is_empty() {
            section.problem("queries", format!("{name} is empty: give a SELECT of one number"));
        }
    }
    let source = SourceConfig {
        timeout: section
            .duration("timeout", SignedDuration::from_secs(1)..=SignedDuration::from_mins(1))
            .unwrap_or(TIMEOUT),
        concurrency: section.whole("concurrency", 1..=64).unwrap_or(CONNECTIONS),
        namespaces: section.texts("namespaces").unwrap_or_default(),
        sql: url.map(|url| SqlQueries { url, queries }),
        ..SourceConfig::new(SourceKind::Sql, Vec::new())
    };
    section.finish();
    source.sql.is_some().then_some(source)
}

/// Half a slot is all that a sample has; what takes longer is too much to ask each slot.
const TIMEOUT: SignedDuration = SignedDuration::from_secs(5);

/// Each is a process of PostgreSQL.
const CONNECTIONS: usize = 4;

fn address(url: &str) -> Option<Secret> {
    let known = matches!(url.split_once(':'), Some(("sqlite" | "postgres" | "postgresql", _)));
    known.then(|| Secret::new(url))
}

/// Why an address has no password now.
enum Problem {
    Unreadable(String),
    NoUser,
}

impl Problem {
    /// In words, for the key that holds the address.
    fn told(self, key: &str) -> String {
        match self {
            Self::Unreadable(words) => words,
            Self::NoUser => NO_USER.replace("{}", key),
        }
    }
}

const NO_USER: &str = "{} must then be postgres://USER@HOST/DATABASE";

fn with_password_of(url: &Secret, file: &Path) -> Result<Secret, Problem> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| Problem::Unreadable(format!("cannot read {}: {error}", file.display())))?;
    with_password(url, text.trim_end_matches(['\r', '\n'])).ok_or(Problem::NoUser)
}

fn with_password(url: &Secret, password: &str) -> Option<Secret> {
    let mut url = Url::parse(url.expose()).ok()?;
    let user = url.has_host() && !url.username().is_empty();
    (user && url.set_password(Some(password)).is_ok()).then(|| Secret::new(url))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, environment: &[(&str, &str)]) -> Result<Config, String> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("prewarm.toml");
        std::fs::write(&file, text).unwrap();
        let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        Config::load(Some(&file), environment).map_err(|error| error.to_string())
    }

    const GOOD: &str = "[sources.jobs]\nkind = \"sql\"\nurl = \"postgres://reader@db/jobs\"\n";
    const QUERIES: &str = "[sources.jobs.queries]\nwaiting = \"SELECT 1\"\n";

    #[test]
    fn a_database_is_a_source_with_named_queries() {
        let config = read(&format!("{GOOD}{QUERIES}"), &[]).unwrap();
        let source = &config.sources["jobs"];
        let sql = source.sql.as_ref().unwrap();
        assert_eq!(sql.url.expose(), "postgres://reader@db/jobs");
        assert_eq!(sql.queries["waiting"], "SELECT 1");
        assert_eq!(config.rules().sources.unwrap()["jobs"].queries, Some(vec!["waiting".into()]));
        let password = [("PREWARM_SOURCES__JOBS__PASSWORD", "hunter2")];
        let config = read(&format!("{GOOD}{QUERIES}"), &password).unwrap();
        let sql = config.sources["jobs"].sql.as_ref().unwrap();
        assert_eq!(sql.url.expose(), "postgres://reader:hunter2@db/jobs");
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn what_cannot_work_is_told_by_key_and_without_the_address() {
        let bad = |text: &str, words: &str| {
            let error = read(text, &[]).unwrap_err();
            assert!(error.contains(words) && !error.contains("hunter2"), "{text}: {error}");
        };
        bad(GOOD, "sources.jobs.queries: is missing");
        bad(&format!("[sources.jobs]\nkind = \"sql\"\n{QUERIES}"), "sources.jobs.url: is missing");
        let mysql =
            format!("[sources.jobs]\nkind = \"sql\"\nurl = \"mysql://a:hunter2@b\"\n{QUERIES}");
        bad(&mysql, "sources.jobs.url: must be sqlite://FILE or postgres://");
        bad(&format!("{GOOD}passwordFile = \"/nowhere\"\n{QUERIES}"), "cannot read /nowhere");
        bad(&format!("{GOOD}method = \"get\"\n{QUERIES}"), "method: no such key");
        bad(&format!("{GOOD}[sources.jobs.queries]\nwaiting = \" \"\n"), "waiting is empty");
        let file = "[sources.jobs]\nkind = \"sql\"\nurl = \"sqlite://jobs.db\"\npasswordFile = \"/etc/hostname\"\n";
        bad(&format!("{file}{QUERIES}"), "url must then be postgres://USER@HOST/DATABASE");
    }
}
