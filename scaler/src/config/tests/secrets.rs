//! Credentials, and where they never show.

use super::*;

#[test]
fn credentials_are_one_of_several_ways() {
    let source = |more: &str| complaint(&format!("{SOURCE}{more}"));
    assert_snapshot!(source("bearerToken = \"hunter2\""), @"prewarm.toml: sources.default.bearerToken: a secret does not belong in this file: use bearerTokenFile, or PREWARM_SOURCES__DEFAULT__BEARER_TOKEN");
    assert_snapshot!(source("user = \"me\""), @"prewarm.toml: sources.default.passwordFile: is missing: user needs it (or password in the environment)");
    assert_snapshot!(source("passwordFile = \"p\""), @"prewarm.toml: sources.default.passwordFile: goes with user, and not beside password");
    assert_snapshot!(source("bearerTokenFile = \"t\"\nuser = \"me\"\npasswordFile = \"p\""), @"prewarm.toml: sources.default.user: give one of bearerTokenFile, bearerToken and user");
    assert_snapshot!(source("cert = \"c\""), @"prewarm.toml: sources.default.cert: cert and key go together: give both or none");
    let basic = load(
        SOURCE,
        &[
            ("PREWARM_SOURCES__DEFAULT__USER", "me"),
            ("PREWARM_SOURCES__DEFAULT__PASSWORD", "hunter2"),
        ],
    )
    .unwrap();
    assert!(
        matches!(&basic.sources["default"].credentials, Credentials::Basic { user, .. } if user == "me")
    );
}

#[test]
fn the_database_password_comes_from_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    fs::write(&file, "p@ss/word\n").unwrap();
    let text = |database: &str| {
        format!("database = \"{database}\"\ndatabasePasswordFile = \"{}\"", file.display())
    };
    let config = load(&text("postgres://me@db:5432/prewarm?sslmode=require"), &[]).unwrap();
    assert_eq!(
        config.database.expose(),
        "postgres://me:p%40ss%2Fword@db:5432/prewarm?sslmode=require"
    );
    assert_snapshot!(complaint(&text("sqlite://prewarm.db")), @"prewarm.toml: databasePasswordFile: database must then be postgres://USER@HOST/DATABASE");
    assert_snapshot!(complaint("database = \"mysql://me:hunter2@db\""), @"prewarm.toml: database: must be sqlite://FILE or postgres://USER@HOST/DATABASE");
}

#[test]
fn secrets_show_neither_in_debug_nor_in_errors() {
    let config = load(
        "database = \"postgres://me:hunter2@db/prewarm\"\n[sources.a]\nurl = \"http://a\"\nheaders = { Authorization = \"hunter2\" }",
        &[("PREWARM_SOURCES__A__BEARER_TOKEN", "hunter2")],
    )
    .unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
    for text in [
        "database = \"mysql://me:hunter2@db\"",
        "database = \"postgres://me:hunter2@db",
        "database = [\"hunter2\"]",
        "[sources.a]\nurl = \"http://me:hunter2@a\"",
        "[sources.b]\nkind = \"sql\"\nurl = \"postgres://me:hunter2@db\"",
        "[sources.a]\nurl = \"me:hunter2\"",
        "[sources.a]\nurls = [\"http://me:hunter2@[\"]",
        "[sources.a]\nurl = \"http://a\"\nbearerToken = \"hunter2\"",
        "[sources.a]\nurl = \"http://a\"\npassword = \"hunter2\"",
        "[sources.a]\nurl = \"http://a\"\nheaders = { a = [\"hunter2\"] }",
        "[allow]\nserverAddresses = [\"http://me:hunter2@a\"]",
    ] {
        let told = load(text, &[("PREWARM_SOURCES__A__NO_SUCH_KEY_HERE", "hunter2")]).unwrap_err();
        assert!(!format!("{told} {told:?}").contains("hunter2"), "{told}");
    }
}
