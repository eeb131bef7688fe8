//! Every preset on series as its system exports them: Prometheus accepts the expressions, the
//! numbers are those that were meant, and scraping the system directly gives the same.

mod engines;
mod gateways;
mod servers;

use std::collections::BTreeSet;

use prewarm::signal::preset;
use prewarm::signal::selector::Selector;
use prewarm::source::{Query, Sample, Signals};

use super::series::{Endpoint, Row, SCRAPES, now, prometheus, source};

/// A system as it was observed.
struct Case {
    preset: &'static str,
    /// Which of its names, which oddity.
    what: &'static str,
    /// `name{labels}` with its value (`= 3`) or its growth a second (`+ 3`).
    series: &'static [&'static str],
    /// Demand, backlog, latency as a person would count them.
    meant: (Option<f64>, Option<f64>, Option<f64>),
}

/// A histogram of which 90 % are below 1, all below 2, growing by ten a second; its p95 is 1.5.
macro_rules! histogram {
    ($name:literal) => {
        histogram!($name, "")
    };
    ($name:literal, $labels:literal) => {
        concat!(
            $name,
            "_bucket{le=\"1\"",
            $labels,
            "} + 9;",
            $name,
            "_bucket{le=\"2\"",
            $labels,
            "} + 10;",
            $name,
            "_bucket{le=\"+Inf\"",
            $labels,
            "} + 10"
        )
    };
}
use histogram;

fn cases() -> impl Iterator<Item = &'static Case> {
    [engines::CASES, servers::CASES, gateways::CASES].into_iter().flatten()
}

#[tokio::test]
async fn presets_mean_the_same_to_prometheus_to_a_scrape_and_to_us() {
    let tested: BTreeSet<&str> = cases().map(|case| case.preset).collect();
    assert_eq!(tested, preset::names().collect(), "a case for every preset");

    let rows: Vec<Row> = cases().enumerate().flat_map(|(nth, case)| case.rows(nth)).collect();
    let (prometheus, endpoint) = (prometheus(&rows).await, Endpoint::exposing(&rows).await);
    let (theirs, ours) = (source(&prometheus), endpoint.source());
    let questions: Vec<Signals> =
        cases().enumerate().map(|(nth, case)| case.signals(nth)).collect();
    let scraped = endpoint
        .play(async |slot| {
            futures::future::join_all(questions.iter().map(|signals| ours.sample(signals, slot)))
                .await
        })
        .await;
    for ((case, signals), scraped) in cases().zip(&questions).zip(scraped) {
        // Side signals swallow their errors, so each is asked as demand as well: nothing may be
        // refused.
        for query in [&signals.backlog, &signals.latency].into_iter().flatten() {
            let alone = Signals { demand: query.clone(), backlog: None, latency: None };
            theirs
                .sample(&alone, now())
                .await
                .unwrap_or_else(|error| panic!("{}: {error}", case.name()));
            ours.sample(&alone, now())
                .await
                .unwrap_or_else(|error| panic!("{}: {error}", case.name()));
        }
        case.check("Prometheus", theirs.sample(signals, now()).await.unwrap());
        case.check("the scrape", scraped.unwrap());
    }
}

impl Case {
    fn name(&self) -> String {
        format!("{} ({})", self.preset, self.what)
    }

    /// A selector that meets this case alone, through labels that every system has by its scrape
    /// configuration.
    fn signals(&self, nth: usize) -> Signals {
        let selector = Selector::parse(&format!("namespace=\"ml\",case=~\"{nth}|none\"")).unwrap();
        let found = preset::find(self.preset, &selector).unwrap();
        Signals {
            demand: Query::Preset(found.demand),
            backlog: found.backlog.map(Query::Preset),
            latency: found.latency.map(Query::Preset),
        }
    }

    fn rows(&self, nth: usize) -> Vec<Row> {
        let lines = self.series.iter().flat_map(|lines| lines.split(';'));
        lines
            .map(|line| {
                let (series, number) = line.rsplit_once(' ').unwrap();
                let (series, sign) = series.rsplit_once(' ').unwrap();
                let (name, labels) =
                    series.trim_end_matches('}').split_once('{').unwrap_or((series, ""));
                let labels = if labels.is_empty() { String::new() } else { format!(",{labels}") };
                let number: f64 = number.parse().unwrap();
                // Counters have run for long, so that none of a range lies before their start.
                let value = |scrape: usize| match sign {
                    "+" => number * (10_000.0 + 13.0 * scrape as f64),
                    _ => number,
                };
                Row {
                    series: format!("{name}{{namespace=\"ml\",case=\"{nth}\"{labels}}}"),
                    values: (0..SCRAPES).map(value).collect(),
                }
            })
            .collect()
    }

    fn check(&self, who: &str, sample: Sample) {
        let seen = [sample.demand, sample.backlog, sample.latency];
        let meant = [self.meant.0, self.meant.1, self.meant.2];
        let alike = seen.iter().zip(&meant).all(|pair| match pair {
            (Some(seen), Some(meant)) => (seen - meant).abs() <= 1e-9 * meant.abs().max(1e-3),
            (seen, meant) => seen == meant,
        });
        assert!(alike, "{}: {who} says {seen:?}, meant is {meant:?}", self.name());
    }
}
