//! The same series read through Prometheus and through our own evaluation give the same numbers.

use prewarm::source::{Query, Signals};

use super::series::{Endpoint, Row, SCRAPES, now, prometheus, source};

/// Whatever a counter or gauge may do: fixed seed, resets, standstill, one series that appears
/// late, NaN.
fn rows() -> Vec<Row> {
    let mut state = 20_261_124_u64;
    let mut random = move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / (1u64 << 24) as f64
    };
    let mut rows = Vec::new();
    for pod in 0..6 {
        let mut count = if pod == 0 { 0.0 } else { 500.0 * random() };
        let counter = (0..SCRAPES).map(|_| {
            count = if random() < 0.15 {
                3.0 * random()
            } else {
                count + 40.0 * random() * f64::from(pod)
            };
            count
        });
        rows.push(Row {
            series: format!("requests_total{{pod=\"{pod}\"}}"),
            values: counter.collect(),
        });
        let gauge = (0..SCRAPES).map(|_| 20.0 * random() - 4.0);
        rows.push(Row {
            series: format!("waiting{{pod=\"{pod}\",rank=\"{}\"}}", pod % 2),
            values: gauge.collect(),
        });
        let mut counts = [0.0; 5];
        let bounds = ["0.1", "0.5", "1.0", "2.5", "+Inf"];
        let histogram: Vec<[f64; 5]> = (0..SCRAPES)
            .map(|_| {
                let mut below = 0.0;
                counts.iter_mut().for_each(|count| {
                    below += 9.0 * random();
                    *count += below;
                });
                counts
            })
            .collect();
        for (bucket, bound) in bounds.iter().enumerate() {
            let values = histogram.iter().map(|counts| counts[bucket]).collect();
            rows.push(Row {
                series: format!("seconds_bucket{{pod=\"{pod}\",le=\"{bound}\"}}"),
                values,
            });
        }
    }
    rows.push(Row { series: "not_a_number{pod=\"0\"}".into(), values: vec![f64::NAN; SCRAPES] });
    rows.push(Row { series: "not_a_number{pod=\"1\"}".into(), values: vec![2.0; SCRAPES] });
    rows
}

const EXPRESSIONS: &[&str] = &[
    "sum(rate(requests_total[1m]))",
    "sum(rate(requests_total[2m]))",
    "sum(rate(requests_total{pod=\"0\"}[2m]))",
    "sum(increase(requests_total{pod=~\"[1-3]\"}[3m]))",
    "sum(rate(requests_total{pod!~\"[1-3]\",other=\"\"}[30s]))",
    "max(rate(requests_total[1m])) - min(rate(requests_total[1m]))",
    "sum(deriv(waiting[2m]))",
    "avg(deriv(waiting[1m]))",
    "sum(waiting)",
    "sum(-waiting)",
    "count(waiting{rank=\"1\"}) * 2",
    "sum(max by (rank) (waiting))",
    "sum(max without (pod, instance) (waiting))",
    "max(avg_over_time(waiting[1m]))",
    "sum(max_over_time(waiting[1m])) + sum(min_over_time(waiting[1m]))",
    "sum(sum_over_time(waiting[90s]))",
    "clamp_min(sum(waiting) - 1000, 0)",
    "clamp(sum(waiting), 1, 2)",
    "clamp_max(sum(waiting), -1)",
    "sum(waiting + waiting)",
    "sum(waiting / scalar(count(waiting)))",
    "sum(waiting) / sum(nothing)",
    "sum(waiting) + (sum(nothing) or vector(0))",
    "sum(nothing) or sum(waiting)",
    "sum(waiting or rate(requests_total[1m]))",
    "sum(waiting{rank=\"0\"} or waiting)",
    "histogram_quantile(0.95, sum by (le) (rate(seconds_bucket[2m])))",
    "histogram_quantile(0.5, sum by (le) (rate(seconds_bucket[2m])))",
    "max(histogram_quantile(0.9, rate(seconds_bucket{pod=\"2\"}[1m])))",
    "histogram_quantile(0.05, sum by (le) (seconds_bucket))",
    "histogram_quantile(0.5, sum by (le) (rate(seconds_bucket{le!=\"+Inf\"}[2m])))",
    "sum(rate(seconds_bucket{le=\"+Inf\"}[2m])) / 1e3",
    "max(not_a_number)",
    "sum(not_a_number)",
    "2 * 3 - 1",
    "vector(7)",
    "sum(waiting) / 0",
];

#[tokio::test]
async fn both_ways_give_the_same_numbers() {
    let rows = rows();
    let (prometheus, endpoint) = (prometheus(&rows).await, Endpoint::exposing(&rows).await);
    let (theirs, ours) = (source(&prometheus), endpoint.source());
    let questions: Vec<Signals> = EXPRESSIONS
        .iter()
        .map(|promql| Signals {
            demand: Query::Text((*promql).into()),
            backlog: None,
            latency: None,
        })
        .collect();
    let scraped = endpoint
        .play(async |slot| {
            let samples = questions.iter().map(|signals| ours.sample(signals, slot));
            futures::future::join_all(samples).await
        })
        .await;
    let mut observed = 0;
    for ((promql, signals), ours) in EXPRESSIONS.iter().zip(&questions).zip(scraped) {
        let theirs = theirs
            .sample(signals, now())
            .await
            .unwrap_or_else(|error| panic!("{promql}: {error}"))
            .demand;
        let ours = ours.unwrap_or_else(|error| panic!("{promql}: {error}")).demand;
        let alike = match (theirs, ours) {
            (Some(theirs), Some(ours)) => (theirs - ours).abs() <= 1e-9 * theirs.abs().max(1.0),
            (theirs, ours) => theirs == ours,
        };
        assert!(alike, "{promql}: Prometheus {theirs:?}, scraped {ours:?}");
        observed += usize::from(theirs.is_some_and(|value| value > 0.0));
    }
    assert!(
        observed > EXPRESSIONS.len() * 2 / 3,
        "most of them are numbers to compare: {observed}"
    );
}
