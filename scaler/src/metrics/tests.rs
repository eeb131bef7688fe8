use super::*;
use crate::http::fixtures;

fn counted() -> Metrics {
    let metrics = Metrics::default();
    metrics.rpc_started("GetMetrics");
    metrics.rpc_handled("GetMetrics", "OK", Duration::from_micros(50));
    metrics.streams("StreamIsActive", 2);
    metrics.streams("StreamIsActive", -1);
    metrics.decided(Reason::Forecast);
    metrics.sampled("default", "missing", Duration::from_millis(5));
    metrics.sampled("http://tenant-chosen:9090/", "ok", Duration::from_millis(5));
    metrics.implausible("demand", "held");
    metrics.store_queue(7);
    metrics.store_written(5);
    metrics.store_dropped(3);
    metrics.store_error("append");
    metrics.compacted(4, 2, 1);
    metrics.refitted("ok", Duration::from_secs(2));
    metrics.tls_reloaded("error");
    metrics
}

#[track_caller]
fn holds(text: &str, line: &str) {
    assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
}

#[test]
fn what_happened_is_counted() {
    let text = counted().encode(&fixtures::morning()).unwrap();
    for line in [
        "prewarm_grpc_started_total{method=\"GetMetrics\"} 1",
        "prewarm_grpc_handled_total{method=\"GetMetrics\",code=\"OK\"} 1",
        "prewarm_grpc_handling_seconds_bucket{le=\"0.0001\",method=\"GetMetrics\"} 1",
        "prewarm_grpc_streams{method=\"StreamIsActive\"} 1",
        "prewarm_decisions_total{reason=\"forecast\"} 1",
        "prewarm_source_samples_total{source=\"default\",outcome=\"missing\"} 1",
        "prewarm_source_samples_total{source=\"address\",outcome=\"ok\"} 1",
        "prewarm_source_sample_seconds_count{source=\"default\"} 1",
        "prewarm_implausible_samples_total{signal=\"demand\",outcome=\"held\"} 1",
        "prewarm_store_queue_rows 7",
        "prewarm_store_rows_written_total 5",
        "prewarm_store_rows_dropped_total 3",
        "prewarm_store_errors_total{operation=\"append\"} 1",
        "prewarm_store_days_packed_total 4",
        "prewarm_store_days_thinned_total 2",
        "prewarm_store_days_dropped_total 1",
        "prewarm_refits_total{outcome=\"ok\"} 1",
        "prewarm_refit_seconds_sum 2.0",
        "prewarm_tls_reloads_total{outcome=\"error\"} 1",
    ] {
        holds(&text, line);
    }
    assert!(text.contains("\nprocess_start_time_seconds "), "{text}");
    assert!(text.contains(&format!("prewarm_build_info{{version=\"{VERSION}\"")), "{text}");
}

#[test]
fn gauges_say_what_stands_and_leave_out_what_is_unknown() {
    let text = Metrics::default().encode(&fixtures::morning()).unwrap();
    let of = |name: &str| -> Vec<String> {
        let labels = format!("{{namespace=\"llm\",name=\"{name}\",");
        let stands_not = |line: &str| line.contains("state=") && line.ends_with(" 0.0");
        let about = |line: &&str| line.contains(&labels) && !stands_not(line);
        let bare =
            |line: &str| line.replace(&labels, "{").replace("metric=\"prewarm-demand\"", "…");
        text.lines().filter(about).map(bare).collect()
    };
    insta::assert_snapshot!(format!(
        "llama\n  {}\nasks\n  {}\ngone\n  {}\nblind\n  {}\nbroken\n  {}\n",
        of("llama").join("\n  "),
        of("asks").join("\n  "),
        of("gone").join("\n  "),
        of("blind").join("\n  "),
        of("broken").join("\n  "),
    ));
    holds(&text, "prewarm_workloads 5");
    holds(
        &text,
        "prewarm_workload_state{namespace=\"llm\",name=\"llama\",metric=\"prewarm-demand\",state=\"blind\"} 0.0",
    );
}

#[test]
fn label_values_of_strangers_are_escaped() {
    let registry = fixtures::morning();
    fixtures::register(&registry, "a\"} 1\nevil{x=\"");
    let text = Metrics::default().encode(&registry).unwrap();
    assert!(text.contains("name=\"a\\\"} 1\\nevil{x=\\\"\""), "{text}");
    assert!(!text.contains("\nevil"), "{text}");
}
