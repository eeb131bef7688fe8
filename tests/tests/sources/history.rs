//! Instant and range queries, and a server that misbehaves.

use std::time::{Duration, Instant};

use jiff::SignedDuration;
use prewarm::signal::selector::Selector;
use prewarm::source::{Query, Sample, Signals};
use prewarm_tests::prometheus::Prometheus;
use prewarm_tests::trace::{Trace, clock_time, days, monday};

use super::series::source;

fn text(promql: &str) -> Query {
    Query::Text(promql.into())
}

fn signals(demand: &str) -> Signals {
    Signals { demand: text(demand), backlog: None, latency: None }
}

#[tokio::test]
async fn a_slot_reads_what_promql_gives_and_a_week_comes_back() {
    let week = Trace::working_days(monday(), days(7), 80.0, 7);
    let metrics =
        [week.clone().gauge("demand{a=\"b\"}"), week.clone().counter("requests_total{a=\"b\"}")];
    let prometheus = Prometheus::holding(&metrics).await;
    let source = source(&prometheus);
    assert!(source.has_history());

    let rate = "sum(rate(requests_total[2m]))";
    let three = Signals {
        demand: text(rate),
        backlog: Some(text("sum(demand)")),
        latency: Some(text("sum(none)")),
    };
    for minute in 0..20 {
        let slot = clock_time(monday() + days(2), 11, minute);
        let expected = prometheus.query(rate, slot).await;
        let sample = source.sample(&three, slot).await.unwrap();
        assert_eq!(
            sample,
            Sample {
                demand: expected,
                backlog: week.at(slot).map(thousandths),
                ..Sample::default()
            }
        );
        assert!(expected.unwrap() > 0.0);
    }
    let before = source.sample(&signals("sum(demand)"), monday() - days(1)).await.unwrap();
    assert_eq!(before, Sample::default(), "nothing is missing, not zero");

    let step = SignedDuration::from_mins(1);
    let range = |query, from, to| {
        let (source, query) = (source.clone(), text(query));
        async move { source.range(&query, from, to, step).await }
    };
    let all = range("sum(demand)", monday(), week.end()).await.unwrap();
    assert_eq!(all.len(), 7 * 24 * 60 + usize::from(all.last().unwrap().0 == week.end()));
    for (at, value) in all.iter().step_by(97).filter(|(at, _)| *at < week.end()) {
        assert_eq!(Some(*value), week.at(*at).map(thousandths), "{at}");
    }
    let most = range("sum(demand)", week.end() - step * 10_999, week.end()).await.unwrap();
    assert!(most.len() >= 10_080, "the server lets pass what we call the most: {}", most.len());
    assert!(range("sum(demand)", week.end() - step * 11_000, week.end()).await.is_err());
    assert_eq!(range("sum(none)", monday(), week.end()).await, Ok(Vec::new()));
    assert_eq!(
        range("vector(0) / 0", monday(), week.end()).await,
        Ok(Vec::new()),
        "NaN is left out"
    );
    assert_eq!(range("{a=\"b\"}", monday(), week.end()).await.unwrap_err().kind(), "bad_query");
}

#[tokio::test]
async fn a_real_server_fails_and_recovers() {
    let demand = Trace::constant(monday(), SignedDuration::from_hours(1), 3.0);
    let series = ["a", "b"].map(|a| demand.clone().gauge(&format!("demand{{a=\"{a}\"}}")));
    let mut prometheus = Prometheus::holding(&series).await;
    let source = source(&prometheus);
    let slot = clock_time(monday(), 0, 30);
    let sample =
        async |query: &str| source.sample(&signals(query), slot).await.map(|sample| sample.demand);

    assert_eq!(sample("sum(demand)").await, Ok(Some(6.0)));
    assert_eq!(sample("scalar(sum(demand))").await, Ok(Some(6.0)));
    assert_eq!(sample("-sum(demand)").await, Ok(Some(0.0)));
    assert_eq!(sample("sum(demand) / 0").await, Ok(None));
    let error = sample("demand").await.unwrap_err().to_string();
    assert_eq!(
        error,
        "default was asked for one number: it returns 2 series where one is needed; wrap it in sum(…) in demand"
    );
    let error = sample("sum(demand").await.unwrap_err().to_string();
    assert!(error.starts_with("default refused the query: 400, "), "{error}");
    assert!(error.ends_with(" in sum(demand"), "{error}");
    assert_eq!(sample("demand[5m]").await.unwrap_err().kind(), "bad_query");
    assert_eq!(sample("\"text\"").await.unwrap_err().kind(), "bad_query");

    prometheus.freeze();
    let started = Instant::now();
    assert_eq!(sample("sum(demand)").await.unwrap_err().kind(), "unreachable");
    assert!(started.elapsed() < Duration::from_secs(4), "its timeout is 2 s");
    prometheus.thaw();
    prewarm_tests::eventually(Duration::from_secs(10), "the thawed server answers", || async {
        sample("sum(demand)").await.ok()
    })
    .await;

    prometheus.stop();
    assert_eq!(sample("sum(demand)").await.unwrap_err().kind(), "unreachable");
    prometheus.restart().await;
    assert_eq!(sample("sum(demand)").await, Ok(Some(6.0)));
}

#[tokio::test]
async fn rendered_selectors_mean_to_prometheus_what_they_mean_to_us() {
    let values = ["plain", "say \\\"hi\\\"", "back\\\\slash", "ü€😀", "}) or vector(1) #", "a\\nb"];
    let minute = SignedDuration::from_mins(1);
    let series = values.map(|value| {
        Trace::constant(monday(), minute, 1.0).gauge(&format!("demand{{a=\"{value}\"}}"))
    });
    let prometheus = Prometheus::holding(&series).await;
    let source = source(&prometheus);
    let count = async |selector: String| {
        let rendered = Selector::parse(&selector).unwrap().render();
        let query = signals(&format!("count(demand{{{rendered}}})"));
        source.sample(&query, monday() + minute).await.unwrap().demand
    };
    for value in values {
        assert_eq!(count(format!("a=\"{value}\"")).await, Some(1.0), "{value}");
        assert_eq!(count(format!("a!=\"{value}\"")).await, Some(5.0), "{value}");
    }
    assert_eq!(count(r"a=~`say.*|back\\slash`".into()).await, Some(2.0));
    assert_eq!(count(r#"a!~"say.*|plain""#.into()).await, Some(4.0));
    assert_eq!(count("a=~\".*\\t\"".into()).await, None);
    assert_eq!(count("b=\"\",a=\"plain\"".into()).await, Some(1.0));
}

/// Traces are loaded with three decimals.
fn thousandths(value: f64) -> f64 {
    format!("{value:.3}").parse().unwrap()
}
