//! A scrape of `/metrics` with 10,000 workloads. `cargo bench -p prewarm --bench scrape`.

use std::collections::HashMap;
use std::sync::Arc;

use divan::Bencher;
use jiff::{SignedDuration, Timestamp};
use prewarm::clock::ManualClock;
use prewarm::metrics::{Metrics, plain};
use prewarm::registry::{Found, Reference, Registry};
use prewarm::trigger::Rules;
use prewarm_forecaster::{Answer, Decision, Parts, Reason, Recommendation, State};

fn main() {
    divan::main();
}

/// Workloads that have everything that shows.
fn registry(workloads: usize) -> Registry {
    let now = Timestamp::UNIX_EPOCH;
    let (registry, _arrivals) =
        Registry::new(Rules::default(), workloads, Arc::new(ManualClock::new(now)));
    let metadata =
        [("query", "demand"), ("threshold", "4")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
    let metadata: HashMap<String, String> = metadata;
    let parts = Parts {
        observed: Some(12.345),
        live: Some(11.25),
        live_age: Some(SignedDuration::ZERO),
        backlog: Some(3.0),
        forecast: Some(40.125),
        forecast_quantile: 0.968,
        forecast_replicas: 11,
        forecast_acts: true,
        ceiling: Some(12),
        lead: SignedDuration::from_secs(285),
        ..Parts::default()
    };
    let decision = Decision {
        desired_replicas: 11,
        metric_value: 44.0,
        active: true,
        reason: Reason::Forecast,
        state: State::Fresh,
        parts,
    };
    let answer = Answer::Value { metric_value: 44.0, active: true };
    for i in 0..workloads {
        let name = format!("workload-{i}");
        let reference =
            Reference { namespace: "some-namespace", name: &name, metadata: &metadata, peer: None };
        let Found::Workload(workload) = registry.find(reference) else {
            panic!("{name} is refused")
        };
        workload.publish(Recommendation { at: now, valid_until: now, answer, decision });
    }
    registry
}

#[divan::bench(sample_count = 10)]
fn openmetrics(bencher: Bencher<'_, '_>) {
    let (metrics, registry) = (Metrics::default(), registry(10_000));
    let text = metrics.encode(&registry).expect("text");
    println!("{} lines, {:.1} MB", text.lines().count(), text.len() as f64 / 1e6);
    bencher.bench_local(|| metrics.encode(&registry));
}

#[divan::bench(sample_count = 10)]
fn prometheus_text(bencher: Bencher<'_, '_>) {
    let (metrics, registry) = (Metrics::default(), registry(10_000));
    bencher.bench_local(|| metrics.encode(&registry).map(|text| plain(&text)));
}
