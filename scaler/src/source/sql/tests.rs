//! On a real SQLite file; PostgreSQL has its own in `tests/tests/sources/sql.rs`.

use sqlx::Executor;

use super::*;
use crate::config::Config;

async fn source(queries: &str) -> (tempfile::TempDir, SqlSource) {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/jobs.db", dir.path().display());
    let options: sqlx::sqlite::SqliteConnectOptions = url.parse().unwrap();
    let writer = sqlx::SqlitePool::connect_with(options.create_if_missing(true)).await.unwrap();
    writer
        .execute(
            "CREATE TABLE jobs (state TEXT, weight REAL);
             INSERT INTO jobs VALUES ('waiting', 1.5), ('waiting', 2.0), ('done', 9.0)",
        )
        .await
        .unwrap();
    writer.close().await;
    let text = format!(
        "[sources.queue]\nkind = \"sql\"\nurl = \"{url}\"\ntimeout = \"1s\"\n[sources.queue.queries]\n{queries}"
    );
    let config = Config::load_text(&text).unwrap_or_else(|error| panic!("{error}"));
    (dir, SqlSource::new("queue", &config.sources["queue"]).unwrap())
}

async fn asked(source: &SqlSource, name: &str) -> Result<Option<f64>, String> {
    source.value(&Query::Text(name.to_owned())).await.map_err(|error| error.to_string())
}

#[tokio::test]
async fn one_number_is_what_a_query_gives() {
    let (_dir, source) = source(
        r#"waiting = "SELECT count(*) FROM jobs WHERE state = 'waiting';"
           weight = "WITH w AS (SELECT weight FROM jobs) SELECT sum(weight) FROM w -- all"
           none = "SELECT weight FROM jobs WHERE state = 'x'"
           null = "SELECT sum(weight) FROM jobs WHERE state = 'x'"
           negative = "SELECT -3"
        "#,
    )
    .await;
    for (name, value) in [
        ("waiting", Some(2.0)),
        ("weight", Some(12.5)),
        ("none", None),
        ("null", None),
        ("negative", Some(0.0)),
    ] {
        assert_eq!(asked(&source, name).await, Ok(value), "{name}");
    }
    let signals = Signals {
        demand: Query::Text("waiting".into()),
        backlog: Some(Query::Text("weight".into())),
        latency: None,
    };
    let sample = source.sample(&signals, Timestamp::UNIX_EPOCH).await.unwrap();
    assert_eq!((sample.demand, sample.backlog), (Some(2.0), Some(12.5)));
}

#[tokio::test]
async fn what_is_no_number_is_told_and_nothing_is_written() {
    let (_dir, source) = source(
        r#"text = "SELECT state FROM jobs LIMIT 1"
           rows = "SELECT weight FROM jobs"
           columns = "SELECT 1, 2"
           write = "DELETE FROM jobs RETURNING 1"
           two = "SELECT 1; DELETE FROM jobs"
           escape = "SELECT 1) ; DELETE FROM jobs; SELECT (1"
           table = "SELECT count(*) FROM nowhere"
           left = "SELECT count(*) FROM jobs"
        "#,
    )
    .await;
    for (name, words) in [
        ("text", "it gives text where a number is needed"),
        ("rows", "several rows where one is needed: aggregate"),
        ("columns", "2 columns where one is needed"),
        ("write", "syntax error"),
        ("two", "syntax error"),
        ("escape", ""),
        ("table", "no such table"),
        ("other", "is none of its queries: columns, escape, left, rows"),
    ] {
        let error = asked(&source, name).await.expect_err(name);
        assert!(error.contains(words), "{name}: {error}");
        assert!(name == "other" || error.contains(&format!("query {name}")), "{error}");
    }
    assert_eq!(asked(&source, "left").await, Ok(Some(3.0)));
}

#[tokio::test]
async fn a_query_that_hangs_is_ended() {
    let (_dir, source) = source(
        r#"ever = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
           one = "SELECT 1""#,
    )
    .await;
    let error = asked(&source, "ever").await.unwrap_err();
    assert!(error.contains("took longer than 1 s"), "{error}");
    assert_eq!(asked(&source, "one").await, Ok(Some(1.0)), "the connection works on");
}
