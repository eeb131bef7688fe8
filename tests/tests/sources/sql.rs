//! Queries of the configuration, asked of a real PostgreSQL.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use prewarm::config::Config;
use prewarm::source::{Query, Signals, SourceRef, Sources};
use prewarm_tests::postgres::Postgres;
use sqlx::{AssertSqlSafe, Connection, Executor};

/// The source `jobs` of a database that another writes.
async fn source(postgres: &Postgres, queries: &str) -> Sources {
    prewarm_tests::install_crypto();
    let mut writer = postgres.connect().await;
    writer
        .execute(
            "CREATE TABLE IF NOT EXISTS jobs (state text, weight bigint, at timestamptz);
             TRUNCATE jobs;
             INSERT INTO jobs VALUES ('waiting', 3, now()), ('waiting', 4, now()), ('done', 9, now())",
        )
        .await
        .expect("a table");
    writer.close().await.expect("closed");
    let text = format!(
        "[sources.jobs]\nkind = \"sql\"\nurl = \"{}\"\ntimeout = \"1s\"\n[sources.jobs.queries]\n{queries}",
        postgres.url()
    );
    let config = Config::load_text(&text).unwrap_or_else(|error| panic!("{error}"));
    Sources::new(&config.sources).expect("sources")
}

async fn asked(sources: &Sources, query: &str) -> Result<Option<f64>, (&'static str, String)> {
    let source = sources.resolve(&SourceRef::Named("jobs".into())).expect("the source");
    let signals = Signals { demand: Query::Text(query.to_owned()), backlog: None, latency: None };
    let sample = source.sample(&signals, Timestamp::UNIX_EPOCH).await;
    sample.map(|sample| sample.demand).map_err(|error| (error.kind(), error.to_string()))
}

#[tokio::test]
async fn a_query_gives_one_number_and_writes_nothing() {
    let postgres = Postgres::start().await;
    let sources = source(
        &postgres,
        r#"count = "SELECT count(*) FROM jobs WHERE state = 'waiting';"
           sum = "SELECT sum(weight) FROM jobs -- a NUMERIC"
           mean = "SELECT avg(weight) FROM jobs WHERE state = 'waiting'"
           age = "SELECT extract(epoch FROM now() - min(at)) * 0 + 1.5 FROM jobs"
           null = "SELECT sum(weight) FROM jobs WHERE state = 'x'"
           none = "SELECT weight FROM jobs WHERE state = 'x'"
           text = "SELECT state FROM jobs LIMIT 1"
           rows = "SELECT weight FROM jobs"
           columns = "SELECT 1 AS a, 2 AS b"
           delete = "DELETE FROM jobs RETURNING 1"
           two = "SELECT 1; DELETE FROM jobs"
           modify = "WITH gone AS (DELETE FROM jobs RETURNING 1) SELECT count(*) FROM gone"
           function = "SELECT count(*) FROM (SELECT setval('s', 5)) AS x"
           table = "SELECT count(*) FROM nowhere"
        "#,
    )
    .await;
    let mut writer = postgres.connect().await;
    writer.execute("CREATE SEQUENCE s").await.expect("a sequence");
    for (query, value) in [
        ("count", Some(2.0)),
        ("sum", Some(16.0)),
        ("mean", Some(3.5)),
        ("age", Some(1.5)),
        ("null", None),
        ("none", None),
    ] {
        assert_eq!(asked(&sources, query).await, Ok(value), "{query}");
    }
    for (query, words) in [
        ("text", "it gives text where a number is needed"),
        ("rows", "several rows where one is needed"),
        ("columns", "2 columns where one is needed"),
        ("delete", "syntax error"),
        ("two", "syntax error"),
        ("modify", "WITH clause containing a data-modifying statement"),
        ("function", "read-only transaction"),
        ("table", "does not exist"),
        ("nothing", "is none of its queries"),
    ] {
        let (kind, told) = asked(&sources, query).await.expect_err(query);
        assert_eq!(kind, "bad_query", "{query}: {told}");
        assert!(told.contains(words), "{query}: {told}");
    }
    assert_eq!(asked(&sources, "count").await, Ok(Some(2.0)), "all of it is still there");
}

#[tokio::test]
async fn a_query_that_hangs_is_ended_on_the_server_and_an_outage_passes() {
    let mut postgres = Postgres::start().await;
    let queries =
        "hang = \"SELECT count(*) FROM pg_sleep(60)\"\ncount = \"SELECT count(*) FROM jobs\"";
    let sources = source(&postgres, queries).await;
    let begun = Instant::now();
    let (kind, told) = asked(&sources, "hang").await.expect_err("it takes a minute");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(kind == "unreachable" && told.contains("statement timeout"), "{kind}: {told}");
    let mut writer = postgres.connect().await;
    let count = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep%' AND pid <> pg_backend_pid() AND state = 'active'";
    let running: i64 =
        sqlx::query_scalar(AssertSqlSafe(count)).fetch_one(&mut writer).await.expect("a count");
    assert_eq!(running, 0, "nothing runs on");

    postgres.stop();
    assert_eq!(asked(&sources, "count").await.expect_err("it is gone").0, "unreachable");
    postgres.restart().await;
    assert_eq!(asked(&sources, "count").await, Ok(Some(3.0)));

    // A server that accepts and never answers.
    postgres.freeze();
    let begun = Instant::now();
    assert_eq!(asked(&sources, "count").await.expect_err("it hangs").0, "unreachable");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    postgres.thaw();
}
