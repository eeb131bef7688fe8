//! Back ends in trouble: a remote read that is gone, a proxy that lets few questions pass.

use jiff::SignedDuration;
use prewarm::source::{Query, Signals};
use prewarm_tests::prometheus::Prometheus;
use prewarm_tests::trace::{Trace, clock_time, monday};

use super::series::source;

#[tokio::test]
async fn a_remote_read_that_is_gone_is_a_part_of_the_data_and_no_lower_demand() {
    let demand =
        Trace::constant(monday(), SignedDuration::from_hours(1), 3.0).gauge("demand{shard=\"a\"}");
    // Nobody listens on port 1.
    let remote = "remote_read:\n- url: http://127.0.0.1:1/api/v1/read\n  read_recent: true\n";
    let prometheus = Prometheus::holding_with(&[demand], remote).await;
    let source = source(&prometheus);
    let signals =
        Signals { demand: Query::Text("sum(demand)".into()), backlog: None, latency: None };
    let slot = clock_time(monday(), 0, 30);
    let error = source.sample(&signals, slot).await.unwrap_err();
    assert_eq!(error.kind(), "partial");
    let told = error.to_string();
    assert!(
        told.starts_with("default could read only a part of its data: remote_read: "),
        "{told}"
    );
    assert!(told.ends_with(" in sum(demand)"), "{told}");
    let range = source.range(
        &signals.demand,
        slot,
        slot + SignedDuration::from_mins(5),
        SignedDuration::from_mins(1),
    );
    assert_eq!(range.await.unwrap_err().kind(), "partial");
}
